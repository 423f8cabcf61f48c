"""Records as JSON text: by columns as one by one."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from aumconnect.connectors.salesforce.rows import RowWriter
from aumconnect.schema import CLEAR, FieldSchema, FieldType, ObjectSchema, Reference

NAMES = ("Score__c", "Any__c", "Per%sent__c", "Id")
SCHEMA = ObjectSchema("Contact", {"Score__c": FieldSchema(name="Score__c", type=FieldType.DECIMAL, scale=2)})
VALUES = st.one_of(
    st.text(),
    st.text('%s"\\\ud800'),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.booleans(),
    st.sampled_from([None, CLEAR, Reference("Account", "Ext__c", "A-1"), dt.date(2026, 1, 2), object()]),
)
SAME = VALUES.flatmap(lambda value: st.lists(st.sampled_from([value, value]), min_size=3, max_size=3))
COLUMNS = st.dictionaries(st.sampled_from(NAMES), SAME | st.lists(VALUES, min_size=3, max_size=3), min_size=1)


def one_by_one(columns, ids):
    writer = RowWriter("Contact", SCHEMA)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    try:
        return [writer.row(row, id=known) for row, known in zip(rows, ids, strict=True)]
    except ValueError:
        return None


@given(COLUMNS, st.booleans())
def test_a_table_is_the_same_text_as_its_rows_or_none(columns, update):
    ids = ["003000000000001AAA"] * 3 if update else None
    table = RowWriter("Contact", SCHEMA).table(columns, ids=ids)

    rows = one_by_one(columns, ids or [None] * 3)

    assert table == rows or table is None


@given(st.lists(st.floats(-1e15, 1e15), min_size=1))
def test_floats_of_a_scaled_field_are_written_by_columns_and_rounded_on_their_text(scores):
    table = RowWriter("Contact", SCHEMA).table({"Score__c": scores})

    written = [json.loads(row, parse_float=Decimal, parse_int=Decimal)["Score__c"] for row in table]
    assert [SCHEMA["Score__c"].canonical(value) for value in written] == list(map(SCHEMA["Score__c"].canonical, scores))

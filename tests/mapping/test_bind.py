"""A mapper that knows its remote fields sends them only what they hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aumconnect._mapping.convert import Kind
from aumconnect._mapping.ir import Column, Mapping
from aumconnect._mapping.mapper import Mapper
from aumconnect._mapping.steps import rounded
from aumconnect._mapping.tables import mapping_from_table
from aumconnect.record import Key, Record, To, mapping_of
from aumconnect.schema import FieldSchema, FieldType, ObjectSchema

T = FieldType
FIELDS = [
    FieldSchema(name="Id", type=T.ID),
    FieldSchema(name="Number", type=T.DECIMAL, precision=18, scale=0),
    FieldSchema(name="Name", type=T.TEXT, length=5),
    FieldSchema(name="Score", type=T.DECIMAL, precision=5, scale=2),
    FieldSchema(name="Visits", type=T.INTEGER),
    FieldSchema(name="Active", type=T.BOOLEAN),
    FieldSchema(name="Since", type=T.DATE),
    FieldSchema(name="At", type=T.DATETIME),
    FieldSchema(name="Band", type=T.CHOICE, choices=("low", "high"), restricted=True),
    FieldSchema(name="Free", type=T.CHOICE, choices=("low", "high")),
    FieldSchema(name="Tags", type=T.CHOICES, choices=("a", "b"), restricted=True),
    FieldSchema(name="AccountId", type=T.REFERENCE),
]
SCHEMA = ObjectSchema("X", {field.name: field for field in FIELDS})


def sent(field: str, said: Any, value: Any) -> Any:
    """The one value written, or the code of the rejection."""
    mapping = mapping_from_table("X", {field: said}, {"Id": "k"})
    [mapped] = Mapper(mapping).bind(SCHEMA).map([{"k": "1", "v": value}])
    return mapped.changes[0].values[field] if mapped.changes else mapped.rejected[0].problems[0].code


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("Name", 7.0, "7"),
        ("Score", "0.125", Decimal("0.12")),
        ("Score", 0.375, Decimal("0.38")),
        ("Visits", "7", 7),
        ("Visits", 7.5, "int_from_float"),
        ("Active", "true", True),
        ("Active", 2, "bool_type"),
        ("Since", "2026-11-23", date(2026, 11, 23)),
        ("At", "2026-11-23T10:00:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("Band", 1, "not_a_choice"),
        ("AccountId", "001", "001"),
    ],
)
def test_a_column_without_a_type_takes_the_remote_field_s(field, value, expected):
    found = sent(field, "v", value)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("field", "said", "value", "expected"),
    [
        ("Score", {"type": "float"}, 0.125, 0.12),
        ("Score", {"type": "float", "multiply": 100}, 0.12345, 12.34),
        ("Score", {"type": "decimal", "round": 1}, 0.25, Decimal("0.2")),
        ("Score", {"type": "decimal", "round": 5}, 0.12345, Decimal("0.12")),
        ("Score", {"type": "integer"}, 999, 999),
        ("Score", {"type": "integer"}, 1000, "too_large"),
        ("Score", {"type": "float"}, 999.994, 999.99),
        ("Score", {"type": "float"}, 999.996, "too_large"),
        ("Score", {"type": "float"}, -1e300, "too_large"),
        ("Visits", {"type": "float"}, 0.5, 0),
        ("Visits", {"type": "float"}, 1.5, 2),
        ("Name", {"type": "text"}, "12345", "12345"),
        ("Name", {"type": "text"}, "123456", "string_too_long"),
        ("Name", {"type": "text", "lookup": {"a": "123456"}}, "a", "string_too_long"),
        ("Band", {"type": "text"}, "HIGH", "HIGH"),
        ("Band", {"type": "text"}, "gone", "not_a_choice"),
        ("Free", {"type": "text"}, "gone", "gone"),
        ("Tags", {"type": "text"}, "a; b", "a; b"),
        ("Tags", {"type": "text"}, "a;c", "not_a_choice"),
    ],
)
def test_values_fit_or_are_rejected_before_sending(field, said, value, expected):
    found = sent(field, {"from": "v"} | said, value)

    assert (found, type(found)) == (expected, type(expected))


def test_both_paths_are_bound():
    class WithCode(Record, object="X"):
        key: Annotated[str, Key("Id")]
        score: Annotated[float, To("Score")]
        band: Annotated[Literal["low", "gone"] | None, To("Band")]

        def model_post_init(self, context: Any, /) -> None:
            pass

    mapper = Mapper(mapping_of(WithCode)).bind(SCHEMA)
    [mapped] = mapper.map([{"key": "a", "score": 0.126, "band": None}, {"key": "b", "score": 1, "band": "gone"}])

    assert mapper.path == "model"
    assert [change.values for change in mapped.changes] == [{"Score": 0.13}]
    assert mapped.rejected[0].problems[0].code == "not_a_choice"


def test_a_key_of_numbers_is_a_number():
    mapper = Mapper(mapping_from_table("X", {}, {"Number": "k"})).bind(SCHEMA)

    [mapped] = mapper.map([{"k": "17"}, {"k": 17.0}, {"k": 17.5}])

    assert [change.key for change in mapped.changes] == [(Decimal(17),)]
    assert [outcome.reason for outcome in mapped.skipped] == ["the same as row 0"]
    assert [outcome.ref for outcome in mapped.rejected] == [2]


def test_duplicates_are_found_by_the_system_s_own_rule():
    schema = ObjectSchema("X", {"Ext": FieldSchema(name="Ext", type=T.TEXT, unique=True)})
    [mapped] = (
        Mapper(mapping_from_table("X", {"A": "a"}, {"Ext": "k"}))
        .bind(schema)
        .map([{"k": "ab", "a": 1}, {"k": "AB", "a": 2}])
    )

    assert [outcome.problems[0].code for outcome in mapped.rejected] == ["duplicate_key"]


def test_fields_the_schema_does_not_know_stay_as_they_are():
    [mapped] = Mapper(mapping_from_table("X", {"New": "v"}, {"Id": "k"})).bind(SCHEMA).map([{"k": 1, "v": 0.125}])

    assert mapped.changes[0].values == {"New": 0.125}


targets = st.builds(
    FieldSchema,
    name=st.just("V"),
    type=st.sampled_from([T.TEXT, T.DECIMAL, T.INTEGER, T.CHOICE, T.CHOICES, T.DATETIME, T.BOOLEAN]),
    length=st.sampled_from([None, 0, 2, 3]),
    precision=st.sampled_from([None, 3, 4]),
    scale=st.sampled_from([None, 0, 2, 3]),
    choices=st.sampled_from([None, (), ("low", "high"), ("a;b", "1")]),
    restricted=st.booleans(),
)
columns = st.builds(
    Column,
    source=st.just("v"),
    field=st.just("V"),
    kind=st.sampled_from(Kind),
    typed=st.booleans(),
    missing=st.sampled_from(["reject", "skip", "clear"]),
    digits=st.sampled_from([None, 1]),
    multiply=st.sampled_from([None, Decimal(10)]),
)
values = st.one_of(
    st.floats(-20, 20, width=16),
    st.sampled_from([9.994, 9.995, 9.996, 99.6, 0.5, None, float("nan"), True, 7, 999, 1000, "7", "9.996"]),
    st.sampled_from(["low", "LOW", "gone", "a;b", "a", "", " ", "abcd", "2026-11-23T10:00:00"]),
    st.sampled_from([Decimal("9.995"), Decimal(12), datetime(2026, 11, 23)]),  # noqa: DTZ001
)


@settings(max_examples=300, deadline=None)
@given(columns, targets, st.lists(values, min_size=1, max_size=8))
def test_the_quick_way_and_the_careful_way_agree_on_every_limit(column, target, said):
    quick = Mapper(Mapping(object="X", columns=(column,))).bind(ObjectSchema("X", {"V": target}))
    careful = Mapper(quick.mapping, schema=quick.schema)
    careful._quick = lambda rows: [None] * len(rows)
    rows = [{"v": value} for value in said]

    [one], [other] = quick.map(rows), careful.map(rows)

    assert repr(one.changes) == repr(other.changes)
    assert [(o.ref, o.status, o.problems) for o in one.outcomes] == [
        (o.ref, o.status, o.problems) for o in other.outcomes
    ]
    assert quick.missing == careful.missing


numbers = st.floats(-1e9, 1e9).filter(lambda number: len(repr(number)) < 25)


@given(st.one_of(numbers, st.integers(-(10**6), 10**6).map(lambda n: n / 1000)), st.integers(0, 6))
def test_floats_round_as_their_shortest_text_does(number, digits):
    expected = Decimal(repr(number)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)

    assert rounded(digits)(number) == float(expected)


@pytest.mark.parametrize(
    ("number", "expected"), [(2.675, 2.68), (0.125, 0.12), (0.375, 0.38), (1.005, 1.0), (1e22, 1e22)]
)
def test_ties_are_decided_by_what_a_person_reads(number, expected):
    assert rounded(2)(number) == expected

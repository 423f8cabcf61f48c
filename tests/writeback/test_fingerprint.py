"""Digests: equal where the system sees no difference, different where it does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aumconnect.connector import Change
from aumconnect.errors import LedgerError
from aumconnect.schema import CLEAR, FieldSchema, FieldType, ObjectSchema, Reference
from aumconnect.writeback._fingerprint import UNWRITTEN, Fingerprints, value_digest
from aumconnect.writeback._packing import Planned, Stamp, pack, pack_plan, unpack, unpack_plan

SCHEMA = ObjectSchema(
    "Item",
    {
        "code": FieldSchema(name="code", type=FieldType.TEXT),
        "score": FieldSchema(name="score", type=FieldType.DECIMAL, scale=2),
        "tags": FieldSchema(name="tags", type=FieldType.CHOICES),
        "owner": FieldSchema(name="owner", type=FieldType.REFERENCE),
    },
)
PRINTS = Fingerprints("Item", ("code",), ("score", "tags", "owner"), SCHEMA)

values = st.one_of(
    st.none(),
    st.just(CLEAR),
    st.text(),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.datetimes(timezones=st.just(UTC)),
    st.times(),
    st.frozensets(st.text()),
    st.builds(Reference, st.text(), st.text(), st.text()),
)


def test_two_references_to_different_records_differ() -> None:
    """A reference shows no value in its repr."""
    one, other = Reference("Account", "Ext__c", "A"), Reference("Account", "Ext__c", "B")
    assert PRINTS.payload({"owner": one}) != PRINTS.payload({"owner": other})
    assert PRINTS.digest("owner", one) != PRINTS.digest("owner", other)


def test_a_row_without_a_field_is_not_one_that_empties_it() -> None:
    assert len({PRINTS.payload({}), PRINTS.payload({"score": None}), PRINTS.payload({"score": CLEAR})}) == 3


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("score", 0.5, Decimal("0.50")),
        ("score", 0.501, "0.5"),
        ("tags", "b;a", ["a", "b"]),
        ("tags", CLEAR, None),
        ("owner", "", None),
    ],
)
def test_values_the_system_cannot_tell_apart_have_one_digest(name: str, one: object, other: object) -> None:
    assert PRINTS.digest(name, one) == PRINTS.digest(name, other)


def test_keys_are_matched_as_the_system_matches_them() -> None:
    assert PRINTS.key_digest((" A-1 ",)) == PRINTS.key_digest(("a-1",))
    assert PRINTS.key_digest(("A-1",)) != PRINTS.key_digest(("A-2",))


def test_fields_left_alone_keep_what_was_written() -> None:
    before = {"score": value_digest(Decimal("0.1")), "owner": b"12345678"}
    written = PRINTS.written({"score": 0.5}, before)
    assert written == PRINTS.digest("score", 0.5) + UNWRITTEN + b"12345678"


@given(st.dictionaries(st.text(), values), st.lists(values, max_size=2))
def test_packing_gives_back_every_value(row: dict[str, object], key: list[object]) -> None:
    planned = Planned(Change(3, row, tuple(key), "id"), Stamp(b"k" * 16, b"p" * 8, 1.5, b"w" * 16), "update", dict(row))
    assert unpack_plan(pack_plan([planned, planned])) == [planned, planned]


def test_a_date_stays_a_date() -> None:
    assert unpack(pack([date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)])) == [
        date(2026, 1, 2),
        datetime(2026, 1, 2, tzinfo=UTC),
    ]


@given(st.integers(0), st.integers(1, 255))
def test_a_flipped_byte_is_never_read_as_another_plan(place: int, flip: int) -> None:
    """It is either found out, or it lies in a digest, where it can only lead to a second look."""
    planned = Planned(Change(3, {"score": 0.5}, ("C-1",), "id"), Stamp(b"k" * 16, b"p" * 8, 1.5, b"w" * 16), "update")
    body = bytearray(pack_plan([planned]))
    body[place % len(body)] ^= flip
    try:
        (found,) = unpack_plan(bytes(body))
    except (LedgerError, ValueError):
        return
    assert (found.change, found.action) == (planned.change, planned.action)

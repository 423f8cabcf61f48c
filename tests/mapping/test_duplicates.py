"""Keys seen before are found, wherever they are kept by then."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from aumconnect._mapping.duplicates import Newest, Seen
from aumconnect.connector import Change
from aumconnect.schema import CLEAR, FieldSchema, FieldType, ObjectSchema, Reference

keys = st.tuples(st.one_of(st.integers(-3, 3), st.sampled_from(["", "a", "A", "b"])), st.integers(-2, 0))
said = st.sampled_from(
    [-1, -2, CLEAR, Decimal(-1), Decimal(-2), 2**61 - 1, 0, [1], Reference("A", "e", 1), Reference("A", "e", 2)]
)
values = st.fixed_dictionaries({}, optional={"a": said, "b": said})


def same(one: Change, other: Change) -> bool:
    """The same names and values, of the same types."""
    return one.values == other.values and list(map(type, one.values.values())) == list(map(type, other.values.values()))


@settings(max_examples=300)
@given(st.lists(st.tuples(keys, values), max_size=60), st.integers(0, 20), st.integers(1, 7))
def test_every_later_row_finds_the_first_one_with_its_key(rows, in_memory, chunk):
    changes = [Change(ref, dict(sorted(said.items())), key) for ref, (key, said) in enumerate(rows)]
    expected: dict[int, tuple[int, bool]] = {}
    first: dict[object, Change] = {}
    for change in changes:
        earlier = first.setdefault(change.key, change)
        if earlier is not change:
            expected[change.ref] = (earlier.ref, same(earlier, change))

    with Seen(in_memory=in_memory) as seen:
        found = [seen.again(changes[start : start + chunk]) for start in range(0, len(changes), chunk)]

    assert {ref: one[:2] for part in found for ref, one in part.items()} == expected


def test_keys_are_compared_as_the_system_compares_them():
    schema = ObjectSchema("X", {"K": FieldSchema(name="K", type=FieldType.TEXT)})

    with Seen(lambda key: schema.canonical_key(("K",), key)) as seen:
        found = seen.again([Change(0, {}, ("Ab",)), Change(1, {}, ("aB ",)), Change(2, {}, ("ab c",))])

    assert {ref: one[:2] for ref, one in found.items()} == {1: (0, True)}


def test_equal_decimals_are_one_key():
    with Seen() as seen:
        assert seen.again([Change(0, {}, (Decimal(7),)), Change(1, {}, (Decimal("7.0"),))])[1][:2] == (0, True)


def test_references_and_lists_can_be_compared():
    said = [{"a": Reference("Account", "Ext", "1"), "b": ["x"]}, {"a": Reference("Account", "Ext", "1"), "b": ["x"]}]

    with Seen() as seen:
        assert seen.again([Change(ref, one, ("k",)) for ref, one in enumerate(said)])[1][:2] == (0, True)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(1, 4))), max_size=20), st.integers(1, 5)
)
def test_of_each_key_only_the_newest_rows_are_left(rows, chunk):
    def moment(day):
        return {} if day is None else {"At": datetime(2026, 11, day, tzinfo=UTC)}

    changes = [Change(ref, moment(day), (key,)) for ref, (key, day) in enumerate(rows)]
    last = {key: max(day or 0 for other, day in rows if other == key) for key, _ in rows}

    newest = Newest("At")
    for start in range(0, len(changes), chunk):
        newest.look(changes[start : start + chunk])
    older = newest.older(changes)
    newest.close()

    assert set(older) == {ref for ref, (key, day) in enumerate(rows) if (day or 0) < last[key]}
    assert all(rows[by] == (rows[ref][0], last[rows[ref][0]]) for ref, by in older.items())

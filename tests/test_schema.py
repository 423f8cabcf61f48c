"""Two values of a field are the same exactly when their canonical forms are equal."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aumconnect._mapping.mapper import Mapper
from aumconnect._mapping.tables import mapping_from_table
from aumconnect.schema import CLEAR, FieldSchema, FieldType, ObjectSchema, Reference

T = FieldType
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.times(),
    st.lists(st.text()),
    st.sampled_from(
        [CLEAR, "true", "2026-11-23", "2026-11-23T10:00:00Z", "a;b", "1e3", Reference("Account", "Ext", 1)]
    ),
)
schemas = st.builds(
    FieldSchema,
    name=st.just("F"),
    type=st.sampled_from(FieldType),
    scale=st.one_of(st.none(), st.integers(0, 8)),
    trims=st.booleans(),
    resolution=st.sampled_from([1, 1000, 1_000_000, 60_000_000]),
    id_length=st.sampled_from([None, 15]),
    case_sensitive=st.booleans(),
)


def same(schema: FieldSchema, a: Any, b: Any) -> bool:
    return schema.canonical(a) == schema.canonical(b)


@given(schemas, anything)
def test_a_canonical_form_is_its_own_and_can_be_hashed(schema, value):
    found = schema.canonical(value)

    assert schema.canonical(found) == found
    hash(found)


@given(schemas, anything)
def test_a_canonical_key_is_its_own(schema, value):
    found = schema.canonical_key(value)

    assert schema.canonical_key(found) == found


@pytest.mark.parametrize("kind", FieldType)
@pytest.mark.parametrize("empty", [None, "", CLEAR, float("nan"), Decimal("nan")])
def test_every_spelling_of_nothing_is_none(kind, empty):
    assert FieldSchema(name="F", type=kind).canonical(empty) is None


decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9)


@given(decimals, st.integers(0, 9))
def test_a_number_is_the_same_after_any_trip_and_rounding(number, scale):
    schema = FieldSchema(name="F", type=T.DECIMAL, scale=scale)
    rounded = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_EVEN)

    for form in (
        number,
        str(number),
        rounded,
        str(rounded),
        f"{rounded:f}000" if scale else rounded,
        json.loads(str(number), parse_float=Decimal),
    ):
        assert same(schema, number, form)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_what_its_shortest_text_says(number):
    schema = FieldSchema(name="F", type=T.DECIMAL)

    assert same(schema, number, Decimal(repr(number)))
    assert same(schema, number, json.loads(json.dumps(number), parse_float=Decimal))


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
)
def test_different_numbers_stay_different(one, other):
    assume(one != other)

    assert not same(FieldSchema(name="F", type=T.DECIMAL, scale=3), one, other)
    assert not same(FieldSchema(name="F", type=T.DECIMAL), one, other)


moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001
zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))


@given(moments, zones, st.sampled_from([1, 1000, 1_000_000]))
def test_a_moment_is_the_same_in_every_zone_and_spelling(moment, zone, resolution):
    schema = FieldSchema(name="F", type=T.DATETIME, resolution=resolution)
    aware = moment.replace(tzinfo=UTC)

    for form in (moment, aware, aware.astimezone(zone), aware.isoformat(), aware.strftime("%Y-%m-%dT%H:%M:%S.%f+0000")):
        assert same(schema, aware, form)
    assert not same(schema, aware, aware + timedelta(microseconds=resolution))


@pytest.mark.parametrize(
    ("schema", "a", "b"),
    [
        (
            FieldSchema(name="F", type=T.DATETIME, resolution=1_000_000),
            "2026-11-23T10:00:00.999Z",
            "2026-11-23T10:00:00Z",
        ),
        (FieldSchema(name="F", type=T.DATETIME, resolution=60_000_000), "2026-11-23T10:00:59Z", "2026-11-23T10:00:00Z"),
        (FieldSchema(name="F", type=T.DATETIME), date(2026, 11, 23), "2026-11-23T00:00:00Z"),
        (FieldSchema(name="F", type=T.DATE), date(2026, 11, 23), "2026-11-23T00:00:00.000Z"),
        (FieldSchema(name="F", type=T.DATE), datetime(2026, 11, 23, 10, tzinfo=UTC), "2026-11-23"),
        (FieldSchema(name="F", type=T.TIME, resolution=1000), time(10, 0, 0, 1), "10:00:00.000Z"),
        (FieldSchema(name="F", type=T.TEXT), " a\r\nb ", "a\nb"),
        (FieldSchema(name="F", type=T.TEXT), "  ", None),
        (FieldSchema(name="F", type=T.BOOLEAN), "true", 1),
        (FieldSchema(name="F", type=T.CHOICES), "b; a;", ["a", "b"]),
        (FieldSchema(name="F", type=T.CHOICES), [], None),
        (FieldSchema(name="F", type=T.ID, id_length=15), "00Q000000000001", "00Q000000000001AAA"),
        (FieldSchema(name="F", type=T.INTEGER), 7.0, "7"),
        (FieldSchema(name="F", type=T.DECIMAL), Decimal("1E+3"), 1000),
        (FieldSchema(name="F", type=T.DECIMAL), -0.0, 0),
        (FieldSchema(name="F", type=T.OTHER), {"b": [1], "a": 2}, {"a": 2, "b": [1]}),
    ],
)
def test_what_a_system_takes_for_the_same_is_the_same(schema, a, b):
    assert same(schema, a, b)


@pytest.mark.parametrize(
    ("schema", "a", "b"),
    [
        (FieldSchema(name="F", type=T.TEXT, trims=False), " a", "a"),
        (FieldSchema(name="F", type=T.TEXT), "a", "A"),
        (FieldSchema(name="F", type=T.ID), "00Q000000000001", "00Q000000000001AAA"),
        (
            FieldSchema(name="F", type=T.DECIMAL),
            Decimal("0.1234567890123456789012345678901"),
            Decimal("0.1234567890123456789012345678902"),
        ),
        (FieldSchema(name="F", type=T.BOOLEAN), "yes", True),
        (FieldSchema(name="F", type=T.BOOLEAN), 0, None),
        (FieldSchema(name="F", type=T.DECIMAL), 0, None),
        (FieldSchema(name="F", type=T.DATE), "soon", date(2026, 11, 23)),
    ],
)
def test_what_differs_differs(schema, a, b):
    assert not same(schema, a, b)


def test_keys_follow_the_system_s_case_rule():
    insensitive, sensitive = (FieldSchema(name="K", type=T.TEXT, case_sensitive=case) for case in (False, True))

    assert insensitive.canonical_key("Straße ") == insensitive.canonical_key("STRASSE")
    assert sensitive.canonical_key("a") != sensitive.canonical_key("A")
    assert ObjectSchema("X", {"K": insensitive}).canonical_key(("K", "Unknown"), ("A", "A")) == ("a", "A")


floats = st.floats(-999, 999)


@given(st.one_of(floats, decimals.filter(lambda number: abs(number) < 10**6)), st.integers(0, 6))
def test_what_the_mapper_writes_is_canonically_what_the_source_said(number, scale):
    """Rounding at the edge and comparing are one rule: else a second run would write again."""
    target = FieldSchema(name="S", type=T.DECIMAL, scale=scale)
    for kind in ("float", "decimal"):
        mapping = mapping_from_table("X", {"S": {"from": "s", "type": kind}}, {})
        source = float(number) if kind == "float" else number
        [mapped] = Mapper(mapping).bind(ObjectSchema("X", {"S": target})).map([{"s": source}])

        written = mapped.changes[0].values["S"]

        assert same(target, written, source)
        assert same(FieldSchema(name="S", type=T.DECIMAL), written, target.canonical(source))


keyed = st.builds(
    FieldSchema, name=st.just("K"), type=st.sampled_from(FieldType), trims=st.booleans(), case_sensitive=st.booleans()
)
key_values = (
    st.text(" aA\u00df\u0130\r\n\t\u00a0x1", max_size=6) | st.integers() | st.none() | st.floats() | st.decimals()
)


@given(keyed, st.lists(key_values, min_size=1, max_size=2))
def test_the_form_of_many_keys_is_the_canonical_key_of_each(field, values):
    schema, names = ObjectSchema("Thing", {"K": field}), ("K", "Unknown")[: len(values)]
    one, many = schema.canonical_key(names, tuple(values)), schema.key_form(names)(tuple(values))

    assert repr(many) == repr(one)  # NaN is not itself


def test_numbers_are_the_same_whatever_their_digits():
    field = FieldSchema(name="N", type=T.DECIMAL, scale=2)

    assert field.canonical(0.1 + 0.2) == field.canonical("0.30") == field.canonical(Decimal("0.300000001"))

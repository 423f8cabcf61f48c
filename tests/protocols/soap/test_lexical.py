"""Values become the text that XML Schema asks for, or are refused with a reason that does not quote them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from aumconnect.protocols.soap.facets import unchecked
from aumconnect.protocols.soap.lexical import writer
from aumconnect.protocols.soap.model import Simple
from aumconnect.schema import CLEAR


class Colour(StrEnum):
    RED = "red"


class Loud(str):
    __slots__ = ()

    def __str__(self):
        return "LOUD"


PLUS_ONE = timezone(timedelta(hours=1))
RIGHT = [
    ("string", "a", "a"),
    ("string", Loud("quiet"), "quiet"),
    ("string", Colour.RED, "red"),
    ("string", 7, "7"),
    ("string", Decimal("1E+3"), "1000"),
    ("token", " a \n b ", "a b"),
    ("boolean", True, "true"),
    ("boolean", np.bool_(False), "false"),
    ("decimal", 1e-07, "0.0000001"),
    ("decimal", Decimal("1E+3"), "1000"),
    ("decimal", Decimal("-0.10"), "-0.10"),
    ("decimal", np.float64(0.5), "0.5"),
    ("int", 5.0, "5"),
    ("int", np.int64(5), "5"),
    ("long", Decimal(5), "5"),
    ("unsignedByte", 255, "255"),
    ("double", 1e-07, "1e-07"),
    ("double", 3, "3"),
    ("float", Decimal("0.1"), "0.1"),
    ("dateTime", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
    ("dateTime", datetime(2026, 1, 2, 3, 4, 5, 999_999, PLUS_ONE), "2026-01-02T02:04:05.999Z"),
    ("date", date(2026, 1, 2), "2026-01-02"),
    ("time", time(1, 2, 3), "01:02:03"),
    ("time", time(1, 2, 3, tzinfo=UTC), "01:02:03Z"),
    ("base64Binary", b"\0\1", "AAE="),
    ("hexBinary", b"\xab", "AB"),
    ("duration", "P1DT2H", "P1DT2H"),
    ("gYear", "2026", "2026"),
    ("anySimpleType", True, "true"),
    ("anySimpleType", 1.5, "1.5"),
]
WRONG = [
    ("string", True),
    ("string", 1.5),
    ("string", date(2026, 1, 2)),
    ("string", b"a"),
    ("string", ["a"]),
    ("string", CLEAR),
    ("boolean", 1),
    ("boolean", "true"),
    ("decimal", True),
    ("decimal", math.nan),
    ("decimal", Decimal("Infinity")),
    ("decimal", Decimal("1E+1000000")),
    ("decimal", "1.5"),
    ("double", math.inf),
    ("double", np.float64("nan")),
    ("double", True),
    ("int", 2**31),
    ("int", 1.5),
    ("int", True),
    ("int", math.nan),
    ("unsignedByte", -1),
    ("positiveInteger", 0),
    ("dateTime", datetime(2026, 1, 2)),  # noqa: DTZ001
    ("dateTime", date(2026, 1, 2)),
    ("date", datetime(2026, 1, 2, tzinfo=UTC)),
    ("date", "2026-01-02"),
    ("base64Binary", "AAE="),
    ("duration", "one day"),
    ("duration", "PT"),
    ("gYear", "26"),
]


@pytest.mark.parametrize(("base", "value", "text"), RIGHT)
def test_a_value_becomes_its_text(base, value, text):
    assert writer(Simple(base))(value) == text


@pytest.mark.parametrize(("base", "value"), WRONG)
def test_a_value_of_another_kind_is_refused(base, value):
    """T11: nan, bool as number, float as text, date as dateTime, naive datetime."""
    with pytest.raises((ValueError, TypeError)) as refused:
        writer(Simple(base))(value)

    assert "2026" not in str(refused.value)


FACETS = [
    (Simple(choices=("a", "b")), "a", "c"),
    (Simple("int", choices=("1", "02")), 2, 3),
    (Simple(max_length=3), "abc", "abcd"),
    (Simple(length=3), "abc", "ab"),
    (Simple("base64Binary", max_length=2), b"ab", b"abc"),
    (Simple("decimal", total_digits=4, fraction_digits=2), Decimal("12.30"), Decimal("1.234")),
    (Simple("decimal", total_digits=4), Decimal("0.1234"), Decimal("123.45")),
    (Simple("decimal", bounds=(("minInclusive", "0"), ("maxExclusive", "10"))), 0, 10),
    (Simple("int", bounds=(("minExclusive", "0"),)), 1, 0),
    (Simple("date", bounds=(("maxInclusive", "2026-12-31"),)), date(2026, 12, 31), date(2027, 1, 1)),
    (Simple(patterns=(("[A-Z]\\d*", "-"),)), "A12", "a12"),
    (Simple(patterns=(("[A-Z]+",), (".{2}",))), "AB", "ABC"),
    (Simple(patterns=(("\\i\\c*",),)), "a-1", "1-a"),
    (Simple(patterns=(("a^b$c",),)), "a^b$c", "abc"),
    (Simple(items=Simple("int"), max_length=2), [1, 2], [1, 2, 3]),
    (Simple(items=Simple("token")), ["a", "b"], ["a b"]),
    (Simple(items=Simple("int")), [], "12"),
    (Simple(members=(Simple("int"), Simple(choices=("all",)))), "all", "some"),
]


@pytest.mark.parametrize(("simple", "right", "wrong"), FACETS)
def test_facets_are_checked(simple, right, wrong):
    writer(simple)(right)

    with pytest.raises((ValueError, TypeError)):
        writer(simple)(wrong)


def test_patterns_that_cannot_be_checked_are_named():
    simple = Simple(patterns=(("\\p{Lu}+",), ("[a-z-[aeiou]]",), ("a+",)))

    assert unchecked(simple) == ("\\p{Lu}+", "[a-z-[aeiou]]")
    with pytest.raises(ValueError, match="not in the form"):
        writer(simple)("b")


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4)


@given(NUMBERS, st.integers(1, 10), st.integers(0, 4), st.integers(-1000, 1000))
def test_libxml2_judges_numbers_as_we_do(number, total, fraction, least):
    """The same facets, the same verdict."""
    fraction = min(fraction, total)
    schema = etree.XMLSchema(
        etree.fromstring(
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="x"><xs:simpleType>'
            f'<xs:restriction base="xs:decimal"><xs:totalDigits value="{total}"/>'
            f'<xs:fractionDigits value="{fraction}"/><xs:minInclusive value="{least}"/>'
            "</xs:restriction></xs:simpleType></xs:element></xs:schema>"
        )
    )
    ours = Simple("decimal", total_digits=total, fraction_digits=fraction, bounds=(("minInclusive", str(least)),))
    try:
        writer(ours)(number)
        taken = True
    except ValueError:
        taken = False

    assert taken == schema.validate(etree.fromstring(f"<x>{number:f}</x>"))


@given(st.text())
def test_text_is_written_as_it_is(text):
    assert writer(Simple())(text) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_the_float_it_came_from(number):
    text = writer(Simple("decimal"))(number)

    assert float(text) == number
    assert set(text) <= set("-.0123456789")

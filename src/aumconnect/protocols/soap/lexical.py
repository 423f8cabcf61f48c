"""Python values as XML Schema text: strict, because a value that is nearly right is wrong in somebody's ERP.

`writer` turns a `Simple` into a function from a Python value to its text (not yet escaped). Python types
taken by each built-in; everything else is a `TypeError` or `ValueError` that says what is wrong and never
quotes the value:

* text: str, int, Decimal; not float, bool or dates, whose text is a matter of taste
* boolean: bool
* decimal, float, double: int, float, Decimal; finite
* the integers: int, and float or Decimal without a fraction; within the type's own range
* dateTime: aware datetime, written in UTC, to the millisecond; date: date; time: time
* base64Binary, hexBinary: bytes; durations and parts of dates: text in their form

NumPy scalars are taken as what their ``item()`` gives.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import partial
from typing import Any

from aumconnect.protocols.soap.facets import checks
from aumconnect.protocols.soap.model import Simple
from aumconnect.schema import CLEAR

__all__ = ["Write", "is_free", "is_text", "plain", "writer"]

Write = Callable[[Any], str]

_SPACE = re.compile("[ \t\r\n]+")
_LARGEST_EXPONENT = 400  # of a Decimal; its digits are written out
_RANGES: Mapping[str, tuple[int | None, int | None]] = {
    "integer": (None, None),
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "long": (-(1 << 63), (1 << 63) - 1),
    "int": (-(1 << 31), (1 << 31) - 1),
    "short": (-(1 << 15), (1 << 15) - 1),
    "byte": (-128, 127),
    "unsignedLong": (0, (1 << 64) - 1),
    "unsignedInt": (0, (1 << 32) - 1),
    "unsignedShort": (0, (1 << 16) - 1),
    "unsignedByte": (0, 255),
}
_ZONE = r"(Z|[+-]\d\d:\d\d)?"
_FORMS = {
    "duration": r"-?P(?=.)(\d+Y)?(\d+M)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?",
    "gYear": r"-?\d{4,}" + _ZONE,
    "gYearMonth": r"-?\d{4,}-\d\d" + _ZONE,
    "gMonth": r"--\d\d" + _ZONE,
    "gMonthDay": r"--\d\d-\d\d" + _ZONE,
    "gDay": r"---\d\d" + _ZONE,
}
_COLLAPSED = frozenset("token language Name NCName NMTOKEN ID IDREF ENTITY anyURI".split())


def plain(value: Any) -> Any:
    """A NumPy scalar or a member of an Enum as the Python value it stands for."""
    if isinstance(value, Enum) and value is not CLEAR:
        return value.value
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        return value.item()
    return value


def writer(simple: Simple) -> Write:
    """The function that writes values of ``simple``, every facet checked. It raises `ValueError` or `TypeError`."""
    if simple.members:
        return partial(_any_of, tuple(writer(member) for member in simple.members))
    if simple.items is not None:
        return _checked(partial(_list, writer(simple.items)), simple)
    return _checked(_WRITERS.get(simple.base) or _form(simple.base), simple)


def is_text(simple: Simple) -> bool:
    """Whether values may hold characters that XML has another use for."""
    return bool(simple.members) or (simple.items or simple).base not in _HARMLESS


def is_free(simple: Simple) -> bool:
    """Whether any text is a value."""
    return simple.base == "string" and not (simple.members or simple.items or checks(simple))


def _checked(write: Write, simple: Simple) -> Write:
    tests = checks(simple)
    if not tests:
        return write
    if len(tests) == 1:
        test = tests[0]

        def one(value: Any) -> str:
            text = write(value)
            test(text)
            return text

        return one

    def several(value: Any) -> str:
        text = write(value)
        for test in tests:
            test(text)
        return text

    return several


def _any_of(writes: tuple[Write, ...], value: Any) -> str:
    problems = []
    for write in writes:
        try:
            return write(value)
        except (ValueError, TypeError) as error:
            problems.append(str(error))
    raise ValueError(f"no member of the union takes it ({problems[-1]})")


def _list(write: Write, value: Any) -> str:
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise _other(value, "a list")
    items = [write(item) for item in value]
    if any(not item or any(letter in " \t\r\n" for letter in item) for item in items):
        raise ValueError("an item of a list that is empty or contains white space")
    return " ".join(items)


# --- one built-in each -----------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if value.__class__ is str:
        return value
    value = plain(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _other(value, "text")


def _collapsed(value: Any) -> str:
    """White space as every receiver would read it (XML Schema part 2, §4.3.6)."""
    return _SPACE.sub(" ", _text(value)).removeprefix(" ").removesuffix(" ")


def _boolean(value: Any) -> str:
    if value.__class__ is not bool:
        value = plain(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise _other(value, "true or false")


def _integer(least: int | None, most: int | None, value: Any) -> str:
    if value.__class__ is not int:
        value = _whole(plain(value))
    if (least is not None and value < least) or (most is not None and value > most):
        raise ValueError(f"not between {least} and {most}")
    return int.__repr__(value)


def _whole(value: Any) -> int:
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise _other(value, "a whole number")


def _number(value: Any) -> str:
    """A number digit by digit, without an exponent."""
    if value.__class__ is float and 1e-4 <= abs(value) < 1e16:  # so repr() has no exponent
        return float.__repr__(value)
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _other(value, "a number")
    if isinstance(value, int):
        return int.__repr__(value)
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    exact = Decimal(float.__repr__(value)) if isinstance(value, float) else value
    if abs(exact.adjusted()) > _LARGEST_EXPONENT or len(exact.as_tuple().digits) > _LARGEST_EXPONENT:
        raise ValueError(f"a number of more than {_LARGEST_EXPONENT} digits")
    return format(exact, "f")


def _float(value: Any) -> str:
    if value.__class__ is float:
        if not math.isfinite(value):
            raise ValueError("a number that is not finite")
        return float.__repr__(value)
    return _number(value)


def _datetime(value: Any) -> str:
    if not isinstance(value, datetime):
        raise _other(value, "a date and time")
    if value.tzinfo is None:
        raise ValueError("a date and time without a time zone")
    moment = value.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond >= 1000 else "seconds") + "Z"


def _date(value: Any) -> str:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise _other(value, "a date")
    return value.isoformat()


def _time(value: Any) -> str:
    if not isinstance(value, time):
        raise _other(value, "a time of day")
    text = value.isoformat(timespec="milliseconds" if value.microsecond >= 1000 else "seconds")
    return text.replace("+00:00", "Z")


def _base64(value: Any) -> str:
    return base64.b64encode(_bytes(value)).decode("ascii")


def _hex(value: Any) -> str:
    return _bytes(value).hex().upper()


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise _other(value, "a value of bytes")


def _anything(value: Any) -> str:
    """A value of no declared type, by its Python type."""
    value = plain(value)
    for kinds, write in _BY_KIND:
        if isinstance(value, kinds):
            return write(value)
    return _text(value)


def _form(base: str) -> Write:
    """Text that must have the form of the built-in ``base``."""
    form = re.compile(_FORMS[base])

    def write(value: Any) -> str:
        text = _text(value)
        if not form.fullmatch(text):
            raise ValueError(f"not in the form of a {base}")
        return text

    return write


def _other(value: Any, expected: str) -> TypeError:
    return TypeError(f"a value of type {type(value).__name__} where {expected} is expected")


_BY_KIND: tuple[tuple[Any, Write], ...] = (
    (bool, _boolean),
    ((int, float, Decimal), _number),
    (datetime, _datetime),
    (date, _date),
    (time, _time),
    ((bytes, bytearray, memoryview), _base64),
)
_WRITERS: Mapping[str, Write] = {
    "string": _text,
    "normalizedString": _text,
    "QName": _text,
    "NOTATION": _text,
    "anySimpleType": _anything,
    "boolean": _boolean,
    "decimal": _number,
    "float": _float,
    "double": _float,
    "dateTime": _datetime,
    "date": _date,
    "time": _time,
    "base64Binary": _base64,
    "hexBinary": _hex,
    **{name: partial(_integer, least, most) for name, (least, most) in _RANGES.items()},
    **dict.fromkeys(_COLLAPSED, _collapsed),
}
_HARMLESS = frozenset(
    [
        "boolean",
        "decimal",
        "float",
        "double",
        "dateTime",
        "date",
        "time",
        "base64Binary",
        "hexBinary",
        *_RANGES,
        *_FORMS,
    ]
)

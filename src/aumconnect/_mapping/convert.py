"""What a raw value from any source means, before anything validates it.

Sources disagree on how they spell the same thing: a gap is None, NaN, NaT, pd.NA or empty text; a key read
beside a gap comes back as ``17.0``; a number is a numpy scalar, a ``Decimal`` or the text of a CSV file.
This module is the one place that reads them alike; `aumconnect._mapping.validate` accelerates it and must agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

__all__ = ["EXACT", "MISSING", "Kind", "Refused", "Unreadable", "convert", "plain"]

EXACT: Final = 2**53
"""Whole numbers up to here are told apart by a float; a larger key that once was a float is not trusted."""


WHITE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""Unicode's White_Space, which is what pydantic trims; `str.strip` alone also takes four control characters."""


class Kind(StrEnum):
    """What a column holds, as its annotation or its ``type`` says."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    ANY = "any"
    """A type only pydantic knows (a Literal, an Enum, a union), or none at all."""


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Refused(ValueError):
    """A value that cannot be what its column says. ``code`` is stable; the message never quotes the value."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands in a source for a row that could not be read; becomes a rejection under the row's number."""

    code: str
    message: str


def plain(value: Any) -> Any:
    """The Python value behind a numpy, pandas or pyarrow scalar; `MISSING` for every spelling of a gap."""
    if value is None:
        return MISSING
    family = type(value).__module__.partition(".")[0]
    if family in _UNWRAP:
        value = _UNWRAP[family](value)
    if isinstance(value, str):
        return value if value.strip(WHITE) else MISSING
    if isinstance(value, float) and math.isnan(value):
        return MISSING
    if isinstance(value, Decimal) and value.is_nan():
        return MISSING
    return MISSING if value is None else value


def _numpy(value: Any) -> Any:
    kind = value.dtype.kind
    if value.ndim:
        return value.tolist()
    if kind == "M":  # datetime64: nanoseconds have no Python type, their .item() is an int
        return value.astype("datetime64[us]").item()
    if kind == "f" and value.dtype.itemsize < 8:
        return float(str(value))  # 0.1 as float32 is 0.10000000149…: take the shortest text that means it
    return value.item()


def _pandas(value: Any) -> Any:
    name = type(value).__name__
    if name in ("NAType", "NaTType"):
        return None
    return value.to_pydatetime(warn=False) if name == "Timestamp" else value


def _pyarrow(value: Any) -> Any:
    return value.as_py()


_UNWRAP: dict[str, Callable[[Any], Any]] = {"numpy": _numpy, "pandas": _pandas, "pyarrow": _pyarrow}


def convert(kind: Kind, value: Any, *, key: bool = False) -> Any:
    """``value`` as something pydantic reads as ``kind`` without guessing, or `MISSING`.

    Raises `Refused`. Never turns a flag into a number, a number into a date, or a fraction into a key.
    """
    found = plain(value)
    if found is MISSING:
        return MISSING
    if key and isinstance(found, str):
        found = found.strip(WHITE)
    if key and (isinstance(found, bool) or type(found).__hash__ is None):
        raise Refused("key_type", f"a {type(found).__name__} cannot be a key")
    if key and isinstance(found, float):
        found = _whole(found)
    return _CONVERT[kind](found) if kind in _CONVERT else _any(found)


def _any(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        raise Refused("finite_number", "the number is infinite")
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return str(_whole(value))
    raise Refused("string_type", f"text is expected, not {type(value).__name__}")


def _whole(value: float | Decimal) -> int:
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        raise Refused("finite_number", "the number is infinite")
    if value != int(value):
        raise Refused("int_from_float", "a number with a fraction where a whole number or text is expected")
    if isinstance(value, float) and abs(value) > EXACT:
        raise Refused("inexact", "a number this large lost its last digits as a float; provide it as text")
    return int(value)


# ASCII digits only: `\d` and pydantic's parsers also take other scripts' digits and underscores.
NUMBER = r"^[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\r\n]*$"
WHOLE = r"^[ \t\r\n]*[+-]?[0-9]+(\.0*)?[ \t\r\n]*$"
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
CLOCK = r"^[0-9]{2}:[0-9]{2}"

_NUMBER, _WHOLE, _DAY, _CLOCK = (re.compile(pattern) for pattern in (NUMBER, WHOLE, DAY, CLOCK))
_NAN = re.compile(r"^\s*[+-]?nan\s*$", re.IGNORECASE)
_INFINITE = re.compile(r"^\s*[+-]?inf(inity)?\s*$", re.IGNORECASE)


def _integer(value: Any) -> Any:
    value = _number(value)
    if isinstance(value, str):
        if not _WHOLE.match(value):
            raise Refused("int_parsing", "a whole number is expected")
        return int(value.partition(".")[0])
    return value if value is MISSING else _whole(value)


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise Refused("number_type", "a number is expected, not true/false")
    if isinstance(value, str):
        return _numeral(value)
    if not isinstance(value, (int, float, Decimal)):
        raise Refused("number_type", f"a number is expected, not {type(value).__name__}")
    if not isinstance(value, int) and not math.isfinite(value):
        raise Refused("finite_number", "the number is infinite")
    return value


def _numeral(text: str) -> Any:
    if _NUMBER.match(text):
        return text.strip()
    if _NAN.match(text):
        return MISSING
    if _INFINITE.match(text):
        raise Refused("finite_number", "the number is infinite")
    raise Refused("number_parsing", "a number is expected, this is text")


def _boolean(value: Any) -> Any:
    if isinstance(value, (bool, str)) or (isinstance(value, (int, float, Decimal)) and value in (0, 1)):
        return value if isinstance(value, (bool, str)) else bool(value)
    raise Refused("bool_type", "true or false is expected")


def _date(value: Any) -> Any:
    return _temporal(value, (date,), _DAY, "a date (YYYY-MM-DD)")


def _datetime(value: Any) -> Any:
    return _temporal(value, (date,), _DAY, "a date and time (ISO 8601)")


def _time(value: Any) -> Any:
    return _temporal(value, (time,), _CLOCK, "a time (HH:MM:SS)")


def _temporal(value: Any, types: tuple[type, ...], shape: re.Pattern[str], what: str) -> Any:
    if isinstance(value, str):
        value = value.strip()
        if shape.match(value):
            return value
    elif isinstance(value, types):
        return value
    raise Refused("time_type", f"{what} is expected")


_CONVERT: dict[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.FLOAT: _number,
    Kind.DECIMAL: _number,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
    Kind.TIME: _time,
}
PYTHON_TYPES: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.INTEGER: int,
    Kind.FLOAT: float,
    Kind.DECIMAL: Decimal,
    Kind.BOOLEAN: bool,
    Kind.DATE: date,
    Kind.DATETIME: datetime,
    Kind.TIME: time,
    Kind.ANY: Any,
}

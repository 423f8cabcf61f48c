"""The text of a reply's element as a Python value, in exactly the forms XML Schema knows (part 2, §3)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from aumconnect.protocols.soap.model import Simple

__all__ = ["Read", "reader"]

Read = Callable[[str], Any]

_SPACE = " \t\r\n"
_LONGEST_NUMBER = 400
_ZONE = r"(Z|[+-]\d\d:\d\d)?"
_TIME = r"\d\d:\d\d:\d\d(\.\d{1,12})?" + _ZONE
_INTEGER_FORM = r"[+-]?\d+"
_FORMS: Mapping[Any, str] = {
    int: _INTEGER_FORM,
    Decimal: r"[+-]?(\d+(\.\d*)?|\.\d+)",
    float: r"[+-]?(\d+(\.\d*)?|\.\d+)([Ee][+-]?\d+)?|-?INF|NaN",
    date: r"\d{4}-\d\d-\d\d" + _ZONE,
    datetime: r"\d{4}-\d\d-\d\dT" + _TIME,
    time: _TIME,
}


def reader(simple: Simple | None) -> Read:
    """The function that reads values of ``simple``; text where there is no type, or a union of several.

    Dates and times without a zone stay without; fractions beyond microseconds are cut, and so is the zone
    of a date. It raises `ValueError`.
    """
    if simple is None or simple.members:
        return str
    if simple.items is not None:
        item = reader(simple.items)
        return lambda text: [item(part) for part in text.split()]
    return _READERS.get(simple.base, str)


def _formed(kind: Any, make: Callable[[str], Any]) -> Read:
    """``make`` on texts in the form of ``kind`` only: Python takes underscores, week dates and much more."""
    form = re.compile(_FORMS[kind], re.ASCII)

    def read(text: str) -> Any:
        text = text.strip(_SPACE)
        if len(text) > _LONGEST_NUMBER or not form.fullmatch(text):
            raise ValueError("not in the form of its type")
        return make(text)

    return read


def _boolean(text: str) -> bool:
    text = text.strip(_SPACE)
    if text not in ("true", "1", "false", "0"):
        raise ValueError("no boolean")
    return text in ("true", "1")


def _date(text: str) -> date:
    return date.fromisoformat(text[:10])


def _base64(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


def _hex(text: str) -> bytes:
    text = text.strip(_SPACE)
    if len(text) % 2 or not all(letter in "0123456789abcdefABCDEF" for letter in text):
        raise ValueError("no hexadecimal number")
    return bytes.fromhex(text)


_INTEGERS = (
    "integer nonPositiveInteger negativeInteger long int short byte nonNegativeInteger unsignedLong unsignedInt "
    "unsignedShort unsignedByte positiveInteger"
).split()
_float = _formed(float, float)  # "INF" and "NaN" are Python's words too
_READERS: Mapping[str, Read] = {
    "boolean": _boolean,
    "decimal": _formed(Decimal, Decimal),
    "float": _float,
    "double": _float,
    "dateTime": _formed(datetime, datetime.fromisoformat),
    "date": _formed(date, _date),
    "time": _formed(time, time.fromisoformat),
    "base64Binary": _base64,
    "hexBinary": _hex,
    **dict.fromkeys(_INTEGERS, _formed(int, int)),
}

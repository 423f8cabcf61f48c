"""Facets of simple types as small tests of a value's text (XML Schema part 2, §4.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from aumconnect.protocols.soap.model import Simple

__all__ = ["Check", "checks", "unchecked"]

Check = Callable[[str], None]
"""Raises `ValueError` for a text that the facet refuses; the message does not quote it."""

_NUMERIC = frozenset(
    "decimal float double integer nonPositiveInteger negativeInteger long int short byte nonNegativeInteger "
    "unsignedLong unsignedInt unsignedShort unsignedByte positiveInteger".split()
)
_HOLDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minInclusive": (lambda value, bound: value >= bound, "less than"),
    "maxInclusive": (lambda value, bound: value <= bound, "more than"),
    "minExclusive": (lambda value, bound: value > bound, "not more than"),
    "maxExclusive": (lambda value, bound: value < bound, "not less than"),
}


def checks(simple: Simple) -> tuple[Check, ...]:
    """Every facet of ``simple`` that can be checked; `unchecked` names the others."""
    return tuple(_all(simple))


def unchecked(simple: Simple) -> tuple[str, ...]:
    """Patterns whose regular expressions have no equal here (``\\p{…}``, class subtraction)."""
    return tuple(pattern for step in simple.patterns for pattern in step if _translated(pattern) is None)


def _all(simple: Simple) -> Iterator[Check]:
    if simple.choices is not None:
        yield _choice(simple)
    if (simple.length, simple.min_length, simple.max_length) != (None, None, None):
        yield _length(simple)
    if simple.total_digits is not None or simple.fraction_digits is not None:
        yield _digits(simple.total_digits, simple.fraction_digits)
    value_of = _value_of(simple.base)
    if value_of is not None:
        yield from (_bound(facet, bound, value_of) for facet, bound in simple.bounds)
    for step in simple.patterns:
        forms = [_translated(pattern) for pattern in step]
        if None not in forms:
            yield _pattern(re.compile("|".join(f"(?:{form})" for form in forms)))


def _choice(simple: Simple) -> Check:
    assert simple.choices is not None
    allowed = frozenset(simple.choices)
    value_of = _value_of(simple.base)
    values = frozenset(value_of(text) for text in allowed) if value_of else frozenset()

    def check(text: str) -> None:
        if text not in allowed and not (value_of and value_of(text) in values):
            raise ValueError(f"not one of the {len(allowed)} values allowed")

    return check


def _length(simple: Simple) -> Check:
    least = simple.min_length if simple.length is None else simple.length
    most = simple.max_length if simple.length is None else simple.length
    low, high = least or 0, most
    size = _size(simple)

    def check(text: str) -> None:
        found = size(text)
        if found < low:
            raise ValueError(f"shorter than {low}: {found}")
        if high is not None and found > high:
            raise ValueError(f"longer than {high}: {found}")

    return check


def _size(simple: Simple) -> Callable[[str], int]:
    """Length in characters, in octets for binary values, in items for lists."""
    if simple.items is not None:
        return lambda text: len(text.split())
    if simple.base == "hexBinary":
        return lambda text: len(text) // 2
    if simple.base == "base64Binary":
        return lambda text: len(text) * 3 // 4 - text[-2:].count("=")
    return len


def _digits(total: int | None, fraction: int | None) -> Check:
    def check(text: str) -> None:
        whole, _, after = text.lstrip("-+").partition(".")
        after = after.rstrip("0")
        if fraction is not None and len(after) > fraction:
            raise ValueError(f"more than {fraction} digits after the point")
        if total is not None:
            significant = len(whole.lstrip("0")) + len(after) if whole.strip("0") else len(after)
            if significant > total:
                raise ValueError(f"more than {total} digits")

    return check


def _bound(facet: str, bound: str, value_of: Callable[[str], Any]) -> Check:
    holds, otherwise = _HOLDS[facet]
    limit = value_of(bound)

    def check(text: str) -> None:
        if not holds(value_of(text), limit):
            raise ValueError(f"{otherwise} {bound}")

    return check


def _pattern(form: re.Pattern[str]) -> Check:
    def check(text: str) -> None:
        if not form.fullmatch(text):
            raise ValueError("not in the form that the schema asks for")

    return check


def _value_of(base: str) -> Callable[[str], Any] | None:
    """How texts of a type compare; None for types that are compared as text, or not at all."""
    if base in _NUMERIC:
        return _decimal
    return {"date": _date, "dateTime": _moment}.get(base)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("a bound that is no number") from None


def _date(text: str) -> date:
    return date.fromisoformat(text[:10])


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else datetime.fromisoformat(text + "Z")


# --- regular expressions ---------------------------------------------------------------------------------

_NAME_START = r"A-Za-z_:\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u3001-\uD7FF"
_NAME = _NAME_START + r"\-.0-9\u00B7\u0300-\u036F\u203F-\u2040"
_TOKEN = re.compile(r"\\(.)|(\[\^?)|(\])|([\^$])|(-\[)", re.DOTALL)


@cache
def _translated(pattern: str) -> str | None:
    """An XSD regular expression (part 2, appendix F) as Python's; None where it says what Python's cannot."""
    parts: list[str] = []
    position, in_class = 0, False
    for found in _TOKEN.finditer(pattern):
        parts.append(pattern[position : found.start()])
        position = found.end()
        escaped, opening, closing, anchor, subtraction = found.groups()
        if subtraction or escaped in ("p", "P") or (opening and in_class):
            return None
        if escaped in ("i", "c", "I", "C"):
            letters = _NAME_START if escaped in "iI" else _NAME
            if in_class and escaped.isupper():
                return None
            parts.append(letters if in_class else f"[{'^' if escaped.isupper() else ''}{letters}]")
        elif escaped is not None:
            parts.append("\\" + escaped)
        elif anchor:
            parts.append("\\" + anchor)
        else:
            in_class = bool(opening)
            parts.append(opening or closing)
    translated = "".join([*parts, pattern[position:]])
    try:
        re.compile(translated)
    except (re.error, OverflowError):
        return None
    return translated

"""What becomes of one value on its way into a field: conversion, rounding, limits.

Stored are texts, booleans, numbers (a float where it holds the number exactly, else a Decimal), dates and times as the
API writes them (``2026-11-22T10:00:00.000+0000``), and None. Codes: SOAP API Developer Guide, StatusCode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from aumconnect.testing.fakes.salesforce.errors import Refusal
from aumconnect.testing.fakes.salesforce.fields import Field

__all__ = ["Mistyped", "convert", "stamp"]

Converter = Callable[[Field, Any], Any]
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Mistyped(ValueError):
    """JSON of a kind the field cannot be read from. It sinks the whole request (unverified)."""

    def __init__(self, field: Field, value: object) -> None:
        self.field = field
        super().__init__(f"Cannot deserialize instance of {field.type} from value {value} of field {field.name}")


def convert(field: Field, value: Any) -> Any:
    """The value as the field keeps it. Raises `Refusal` for one it must not have, `Mistyped` for the wrong kind."""
    if value is None or value == "":
        return _empty(field)
    converter: Converter = _CONVERT.get(field.type, _text)
    return converter(field, value)


def stamp(epoch: float, *, milliseconds: bool) -> str:
    """A moment as the API writes it."""
    moment = datetime.fromtimestamp(epoch, UTC)
    fraction = moment.microsecond // 1000 if milliseconds else 0
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:03}+0000"


def _empty(field: Field) -> None:
    if field.type == "boolean":  # unverified code
        reason = f"{field.name}: value not of required type: null"
        raise Refusal("INVALID_TYPE_ON_FIELD_IN_RECORD", reason, [field.name])


def _text(field: Field, value: Any) -> str | None:
    """White space around it is dropped (unverified)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise Mistyped(field, value)
    text = str(value).strip()
    if field.length and len(text) > field.length:
        reason = f"{field.label or field.name}: data value too large: {text[:40]} (max length={field.length})"
        raise Refusal("STRING_TOO_LONG", reason, [field.name])
    return text or None


def _email(field: Field, value: Any) -> str | None:
    text = _text(field, value)
    if text is not None and not EMAIL.fullmatch(text):
        raise Refusal("INVALID_EMAIL_ADDRESS", f"{field.name}: invalid email address: {text}", [field.name])
    return text


def _choice(field: Field, value: Any) -> str | None:
    text = _text(field, value)
    _known(field, [text] if text else [])
    return text


def _choices(field: Field, value: Any) -> str | None:
    text = _text(field, value)
    parts = [part.strip() for part in (text or "").split(";") if part.strip()]
    _known(field, parts)
    return ";".join(dict.fromkeys(parts)) or None


def _known(field: Field, values: list[str]) -> None:
    for value in values:
        if field.restricted and value not in field.values:
            reason = f"{field.name}: bad value for restricted picklist field: {value}"
            raise Refusal("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", reason, [field.name])


def _boolean(field: Field, value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise Mistyped(field, value)
    return value


def _number(field: Field, value: Any) -> int | float | Decimal:
    """Extra digits are rounded silently, too large a number is refused (both unverified)."""
    number = _decimal(field, value)
    rounded = number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP) if abs(number) < 10**20 else number
    if field.precision and abs(rounded) >= Decimal(10) ** (field.precision - field.scale):
        reason = f"{field.label or field.name}: value outside of valid range on numeric field: {value}"
        raise Refusal("NUMBER_OUTSIDE_VALID_RANGE", reason, [field.name])
    if field.type in ("int", "long"):
        return int(rounded)
    short = float(rounded)
    return short if Decimal(repr(short)) == rounded else rounded


def _decimal(field: Field, value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Mistyped(field, value) from None
    if isinstance(value, bool) or not number.is_finite():
        raise Mistyped(field, value)
    return number


def _date(field: Field, value: Any) -> str:
    """Of a moment, its day in UTC."""
    try:
        if isinstance(value, datetime) or (isinstance(value, str) and "T" in value):
            return _moment(field, value).date().isoformat()
        return (value if isinstance(value, date) else date.fromisoformat(str(value))).isoformat()
    except ValueError:
        raise Mistyped(field, value) from None


def _datetime(field: Field, value: Any) -> str:
    if not isinstance(value, datetime) and isinstance(value, date):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return stamp(_moment(field, value).timestamp(), milliseconds=True)


def _moment(field: Field, value: Any) -> datetime:
    """Without an offset it is UTC; finer than milliseconds is cut (unverified)."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise Mistyped(field, value) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time(field: Field, value: Any) -> str:
    try:
        moment = value if isinstance(value, time) else time.fromisoformat(str(value))
    except ValueError:
        raise Mistyped(field, value) from None
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}Z"


_CONVERT: Mapping[str, Converter] = {
    "email": _email,
    "picklist": _choice,
    "multipicklist": _choices,
    "boolean": _boolean,
    "int": _number,
    "long": _number,
    "double": _number,
    "currency": _number,
    "percent": _number,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
}

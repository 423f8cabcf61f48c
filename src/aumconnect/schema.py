"""What a remote object looks like, and when two values of a field are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import Enum, StrEnum
from functools import partial
from math import isnan
from typing import Any, Final

__all__ = ["CLEAR", "Clear", "FieldSchema", "FieldType", "ObjectSchema", "Reference"]


class Clear(Enum):
    """The type of `CLEAR`, the third state of a field: neither left alone nor given a value, but emptied."""

    CLEAR = "clear"

    def __repr__(self) -> str:
        return "CLEAR"


CLEAR: Final = Clear.CLEAR


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that points at another remote record by a field of that record (``Account`` by ``Ext__c``)."""

    object: str
    by: str
    value: Any = field(repr=False)


class FieldType(StrEnum):
    """What a field holds, over all systems."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    CHOICE = "choice"
    CHOICES = "choices"
    """Several values at once, order without meaning."""
    ID = "id"
    REFERENCE = "reference"
    BINARY = "binary"
    COMPOUND = "compound"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSchema:
    """One field as the system describes it.

    ``length`` counts characters; ``scale`` digits after the point and ``precision`` all digits;
    ``resolution`` is the smallest step of a time in microseconds. ``choices`` are the active values,
    ``restricted`` says that no others are taken. None means the system does not say.
    """

    name: str
    type: FieldType
    label: str = ""
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    required_on_create: bool = False
    unique: bool = False
    """The system itself refuses a second record with the same value."""
    matchable: bool = False
    """The system's own upsert can find a record by it."""
    case_sensitive: bool = False
    """Whether a unique or key value tells ``a`` from ``A``."""
    choices: tuple[str, ...] | None = None
    restricted: bool = False
    references: tuple[str, ...] = ()
    """The objects a reference may point at."""
    relationship: str = ""
    """The name under which the referenced record is reached, where it is not the field's (``Account``, `AccountId`)."""
    resolution: int = 1
    trims: bool = True
    """The system drops white space around text."""
    id_length: int | None = None
    """How many characters of an id are significant (Salesforce: the first 15 of 18)."""

    def canonical(self, value: Any) -> Any:
        """The form in which equal values are ``==`` and hash alike, whatever side they come from.

        Absent remote values and empty text are None. A value the field cannot hold comes back as it is.
        """
        if _is_nothing(value):
            return None
        if isinstance(value, Reference):
            return value
        try:
            return _CANONICAL.get(self.type, _other)(self, value)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
            return _other(self, value)

    def canonical_key(self, value: Any) -> Any:
        """`canonical`, with the system's case rule for keys applied."""
        found = self.canonical(value)
        return found.casefold() if isinstance(found, str) and not self.case_sensitive else found


def _is_nothing(value: Any) -> bool:
    if isinstance(value, (float, Decimal)):
        return value.is_nan() if isinstance(value, Decimal) else isnan(value)
    return value is None or value is CLEAR or (isinstance(value, str) and not value)


def _text(schema: FieldSchema, value: Any) -> str | None:
    text = str(value).replace("\r\n", "\n")
    return (text.strip() if schema.trims else text) or None


def _boolean(schema: FieldSchema, value: Any) -> bool:
    if isinstance(value, str):
        return _FLAGS[value.strip().lower()]
    return {0: False, 1: True}[value]


def _number(schema: FieldSchema, value: Any) -> Decimal:
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if schema.scale is not None and number.is_finite():
        number = number.quantize(Decimal(1).scaleb(-schema.scale), ROUND_HALF_EVEN, _EXACT)
    return number.normalize(_EXACT) if number else Decimal(0)  # -0 is 0


def _date(schema: FieldSchema, value: Any) -> date:
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if len(value) > _DAY else date.fromisoformat(value)
    day = value.date() if isinstance(value, datetime) else value
    if not isinstance(day, date):
        raise TypeError("not a date")
    return day


def _datetime(schema: FieldSchema, value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment - (moment - _EPOCH) % timedelta(microseconds=schema.resolution)


def _time(schema: FieldSchema, value: Any) -> time:
    clock = (value if isinstance(value, time) else time.fromisoformat(value)).replace(tzinfo=None)
    moment = datetime.combine(_EPOCH, clock)
    return (moment - (moment - _EPOCH.replace(tzinfo=None)) % timedelta(microseconds=schema.resolution)).time()


def _choices(schema: FieldSchema, value: Any) -> frozenset[str] | None:
    parts = value.split(";") if isinstance(value, str) else value
    return frozenset(text for part in parts if (text := str(part).strip())) or None


def _id(schema: FieldSchema, value: Any) -> str:
    return str(value)[: schema.id_length]


def _other(schema: FieldSchema, value: Any) -> Any:
    """Lists and objects in a form that can be compared and hashed."""
    if isinstance(value, (list, tuple)):
        return tuple(_other(schema, part) for part in value)
    if isinstance(value, dict):
        return tuple(sorted((str(name), _other(schema, part)) for name, part in value.items()))
    return value


_EXACT: Final = Context(prec=200)  # no number a system holds is rounded by the comparison itself
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = len("2026-11-23")
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
_CANONICAL: Final[Mapping[FieldType, Callable[[FieldSchema, Any], Any]]] = {
    FieldType.TEXT: _text,
    FieldType.CHOICE: _text,
    FieldType.BOOLEAN: _boolean,
    FieldType.INTEGER: _number,
    FieldType.DECIMAL: _number,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.TIME: _time,
    FieldType.CHOICES: _choices,
    FieldType.ID: _id,
    FieldType.REFERENCE: _id,
}


@dataclass(frozen=True, slots=True)
class ObjectSchema:
    """A kind of remote record: its API name and its fields by API name."""

    name: str
    fields: Mapping[str, FieldSchema]
    label: str = ""
    id_field: str = "Id"

    def __getitem__(self, field_name: str) -> FieldSchema:
        return self.fields[field_name]

    def canonical(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Every value in canonical form; fields the schema does not know stay as they are."""
        known = self.fields
        return {name: known[name].canonical(value) if name in known else value for name, value in values.items()}

    def key_form(self, names: tuple[str, ...]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
        """`canonical_key` for many keys of these fields: quick where the only one is text."""
        field = self.fields.get(names[0]) if len(names) == 1 else None
        if field is None or _CANONICAL.get(field.type) is not _text:
            return partial(self.canonical_key, names)
        trims, folds = field.trims, not field.case_sensitive

        def form(key: tuple[Any, ...]) -> tuple[Any, ...]:
            value = key[0]
            if type(value) is not str or "\r" in value:
                return self.canonical_key(names, key)
            text = value.strip() if trims else value
            return ((text.casefold() if folds else text) or None,)

        return form

    def canonical_key(self, names: tuple[str, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
        """A key in the form by which two rows, or a row and a remote record, find each other."""
        known = self.fields
        return tuple(
            known[name].canonical_key(value) if name in known else value
            for name, value in zip(names, values, strict=True)
        )

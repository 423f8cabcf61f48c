"""A describe answer as an `ObjectSchema` (REST API Developer Guide, sObject Describe)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aumconnect.connectors.salesforce.ids import ID_LENGTH
from aumconnect.schema import FieldSchema, FieldType, ObjectSchema

__all__ = ["object_schema"]

TIME_RESOLUTION = 1_000
"""Microseconds; a time of day is written ``HH:MM:SS.mmmZ``."""

TYPES: Mapping[str, FieldType] = {
    "string": FieldType.TEXT,
    "textarea": FieldType.TEXT,
    "phone": FieldType.TEXT,
    "url": FieldType.TEXT,
    "email": FieldType.TEXT,
    "encryptedstring": FieldType.TEXT,
    "picklist": FieldType.CHOICE,
    "combobox": FieldType.CHOICE,
    "multipicklist": FieldType.CHOICES,
    "boolean": FieldType.BOOLEAN,
    "int": FieldType.INTEGER,
    "long": FieldType.INTEGER,
    "double": FieldType.DECIMAL,
    "currency": FieldType.DECIMAL,
    "percent": FieldType.DECIMAL,
    "date": FieldType.DATE,
    "datetime": FieldType.DATETIME,
    "time": FieldType.TIME,
    "id": FieldType.ID,
    "reference": FieldType.REFERENCE,
    "base64": FieldType.BINARY,
    "address": FieldType.COMPOUND,
    "location": FieldType.COMPOUND,
}
"""The system's field types; all others (anyType, complexvalue, ...) are OTHER."""

_IDS = frozenset({FieldType.ID, FieldType.REFERENCE})
_CHOSEN = frozenset({FieldType.CHOICE, FieldType.CHOICES})


def object_schema(described: Mapping[str, Any], *, datetime_resolution: int) -> ObjectSchema:
    """The schema in one describe answer. Raises `KeyError` or `TypeError` for one that makes no sense."""
    fields = {item["name"]: _field(item, datetime_resolution) for item in described["fields"]}
    return ObjectSchema(described["name"], fields, label=described.get("label") or "")


def _field(item: Mapping[str, Any], datetime_resolution: int) -> FieldSchema:
    kind = TYPES.get(item.get("type", ""), FieldType.OTHER)
    stored = kind is not FieldType.COMPOUND  # its components are what is written
    nillable = bool(item.get("nillable", True)) and kind is not FieldType.BOOLEAN
    createable = stored and bool(item.get("createable"))
    return FieldSchema(
        name=_text(item["name"]),
        type=kind,
        label=item.get("label") or "",
        length=_count(item.get("length")) or None,
        nillable=nillable,
        createable=createable,
        updateable=stored and bool(item.get("updateable")),
        required_on_create=_required(item, kind),
        unique=bool(item.get("unique")) or kind is FieldType.ID,
        matchable=kind is not FieldType.ID and bool(item.get("externalId") or item.get("idLookup")),
        case_sensitive=kind in _IDS or bool(item.get("caseSensitive")),
        choices=_active(item) if kind in _CHOSEN else None,
        restricted=bool(item.get("restrictedPicklist")),
        references=tuple(item.get("referenceTo") or ()),
        relationship=item.get("relationshipName") or "",
        resolution={FieldType.DATETIME: datetime_resolution, FieldType.TIME: TIME_RESOLUTION}.get(kind, 1),
        id_length=ID_LENGTH if kind in _IDS else None,
        precision=_count(item.get("digits" if kind is FieldType.INTEGER else "precision")) or None,
        scale=_scale(item, kind),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a name is text")
    return value


def _count(value: Any) -> int | None:
    """A number of digits or characters; those of a long text area are 131,072."""
    if value is None or (isinstance(value, int) and 0 <= value < 1_000_000_000):
        return value
    raise TypeError("a length is a whole number")


def _required(item: Mapping[str, Any], kind: FieldType) -> bool:
    """Unverified: not nillable, no default, and ours to set."""
    needed = item.get("createable") and not item.get("nillable", True) and not item.get("defaultedOnCreate")
    return bool(needed) and kind not in (FieldType.BOOLEAN, FieldType.COMPOUND)


def _active(item: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_text(choice["value"]) for choice in item.get("picklistValues") or () if choice.get("active"))


def _scale(item: Mapping[str, Any], kind: FieldType) -> int | None:
    if kind is FieldType.INTEGER:
        return 0
    return _count(item.get("scale")) if kind is FieldType.DECIMAL else None

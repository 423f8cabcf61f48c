"""A mapping fitted to the remote object it writes to."""

from __future__ import annotations

from aumconnect._mapping.convert import Kind
from aumconnect._mapping.ir import Column, Mapping
from aumconnect.schema import FieldSchema, FieldType, ObjectSchema

__all__ = ["KIND_OF", "bound"]

KIND_OF = {
    FieldType.TEXT: Kind.TEXT,
    FieldType.BOOLEAN: Kind.BOOLEAN,
    FieldType.INTEGER: Kind.INTEGER,
    FieldType.DECIMAL: Kind.DECIMAL,
    FieldType.DATE: Kind.DATE,
    FieldType.DATETIME: Kind.DATETIME,
    FieldType.TIME: Kind.TIME,
    FieldType.CHOICE: Kind.TEXT,
    FieldType.ID: Kind.TEXT,
    FieldType.REFERENCE: Kind.TEXT,
}
"""What a column without a type of its own is read as, by the remote field's type."""


def bound(mapping: Mapping, schema: ObjectSchema) -> Mapping:
    """``mapping`` knowing its remote fields: untyped columns get their type, numbers their scale, all their limits.

    Fields the schema does not know stay as they are; `aumconnect._mapping.preflight` reports them.
    """
    return mapping.replace(
        columns=tuple(_fitted(column, schema.fields.get(column.field or "")) for column in mapping.columns)
    )


def _fitted(column: Column, target: FieldSchema | None) -> Column:
    if target is None:
        return column
    kind = column.kind if column.typed or column.ref else _kind(column, target)
    return column.replace(kind=kind, target=target, digits=_digits(column, kind, target))


def _kind(column: Column, target: FieldSchema) -> Kind:
    kind = KIND_OF.get(target.type, Kind.ANY)
    numeric = column.constraints or column.multiply is not None or column.digits is not None
    if numeric and kind not in (Kind.INTEGER, Kind.DECIMAL):
        return column.kind  # bounds need a number whatever the field is; preflight says that it does not fit
    return kind


def _digits(column: Column, kind: Kind, target: FieldSchema) -> int | None:
    scale = 0 if target.type is FieldType.INTEGER else target.scale
    if scale is None or target.type not in (FieldType.DECIMAL, FieldType.INTEGER):
        return column.digits
    return scale if column.digits is None else min(scale, column.digits)

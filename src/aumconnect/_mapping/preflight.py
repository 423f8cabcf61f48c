"""What does not fit between a mapping and a remote object, all of it at once, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from aumconnect._mapping.bind import bound
from aumconnect._mapping.convert import Kind
from aumconnect._mapping.ir import NO_DEFAULT, Column, Mapping
from aumconnect._mapping.mapper import Mapper
from aumconnect._mapping.steps import parts_of
from aumconnect._near import did_you_mean
from aumconnect.connector import Operation
from aumconnect.schema import FieldSchema, FieldType, ObjectSchema

__all__ = ["Finding", "preflight"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (``error``) or worth knowing (``warning``) about a remote field.

    ``code`` is stable; ``hint`` says how to mend it.
    """

    severity: Literal["error", "warning"]
    field: str
    code: str
    message: str
    hint: str | None = None


_TEXTS = frozenset({FieldType.TEXT, FieldType.CHOICE, FieldType.CHOICES, FieldType.ID, FieldType.REFERENCE})
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL})
_TAKES: dict[Kind, frozenset[FieldType]] = {
    Kind.TEXT: _TEXTS,
    Kind.INTEGER: _NUMBERS,
    Kind.FLOAT: _NUMBERS,
    Kind.DECIMAL: _NUMBERS,
    Kind.BOOLEAN: frozenset({FieldType.BOOLEAN}),
    Kind.DATE: frozenset({FieldType.DATE}),
    Kind.DATETIME: frozenset({FieldType.DATETIME}),
    Kind.TIME: frozenset({FieldType.TIME}),
}
_KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, Kind.BOOLEAN),
    (int, Kind.INTEGER),
    (float, Kind.FLOAT),
    (Decimal, Kind.DECIMAL),
    (str, Kind.TEXT),
    (datetime, Kind.DATETIME),
    (date, Kind.DATE),
    (time, Kind.TIME),
)


def preflight(mapper: Mapper, operation: Operation, schema: ObjectSchema) -> list[Finding]:
    """Everything in ``mapper`` that ``schema`` will not take from ``operation``: errors first, then warnings.

    An empty list does not promise that every row is accepted; an error promises that rows will not be.
    """
    mapping = bound(mapper.mapping, schema)
    found = [*_keys(mapping, operation, schema)]
    if operation is not Operation.DELETE:
        fixed = {**mapping.constants, **{name: mapper.stamps.get(name) for name in mapping.stamps}}
        for column in mapping.columns:
            if column.field and not (column.key and not column.write):
                found += _column(column, operation, schema)
        for name, value in fixed.items():
            found += _constant(name, value, operation, schema)
        found += _required(mapping, operation, schema)
    return sorted(dict.fromkeys(found), key=lambda finding: finding.severity)


def _column(column: Column, operation: Operation, schema: ObjectSchema) -> Iterator[Finding]:
    name = str(column.field)
    if (target := schema.fields.get(name)) is None:
        yield _unknown(name, schema)
        return
    yield from _read_only(target, operation)
    yield from _reference(column, target) if column.ref else _type(column, target)
    for value in _said_values(column):
        yield from _value(target, value)
    if column.missing == "clear" and not target.nillable:
        yield Finding(
            "error",
            name,
            "not_clearable",
            "a gap would empty it, but it cannot be empty",
            'use missing = "skip" or a default',
        )
    if column.newer and target.type is not FieldType.DATETIME:
        yield Finding(
            "error", name, "not_a_moment", f"holds when a row was scored, but is {target.type}", "use a date-time field"
        )


def _constant(name: str, value: Any, operation: Operation, schema: ObjectSchema) -> Iterator[Finding]:
    if (target := schema.fields.get(name)) is None:
        yield _unknown(name, schema)
        return
    yield from _read_only(target, operation)
    kind = next((kind for known, kind in _KINDS if isinstance(value, known)), Kind.ANY)
    yield from _mismatch(kind, target)
    yield from _value(target, value)


def _unknown(name: str, schema: ObjectSchema) -> Finding:
    by_label = {field.label: field.name for field in schema.fields.values() if field.label}
    meant = by_label.get(name)
    hint = f"the field labelled {name!r} is {meant}" if meant else did_you_mean(name, schema.fields)
    return Finding("error", name, "unknown_field", f"{schema.name} has no such field", hint)


def _read_only(target: FieldSchema, operation: Operation) -> Iterator[Finding]:
    wrong = [
        what
        for what, allowed, when in (
            ("created", target.createable, (Operation.INSERT, Operation.UPSERT)),
            ("updated", target.updateable, (Operation.UPDATE, Operation.UPSERT)),
        )
        if not allowed and operation in when
    ]
    if wrong:
        message = f"cannot be set when a record is {' or '.join(wrong)}"
        yield Finding("error", target.name, "read_only", message, "leave it out, or ask for the permission")


def _type(column: Column, target: FieldSchema) -> Iterator[Finding]:
    if column.lookup is None:
        kind = _literal_kind(column) if column.kind is Kind.ANY else column.kind
        kind = Kind.DECIMAL if column.multiply is not None and kind is Kind.INTEGER else kind
        yield from _mismatch(kind, target)
    whole = target.type is FieldType.INTEGER or (target.type is FieldType.DECIMAL and target.scale == 0)
    if whole and column.kind in (Kind.FLOAT, Kind.DECIMAL) and column.typed:
        hint = 'scale it (multiply = 100), or say type = "integer"'
        yield Finding("warning", target.name, "fraction_lost", "holds whole numbers; fractions are rounded", hint)


def _literal_kind(column: Column) -> Kind:
    members = get_args(column.annotation) if get_origin(column.annotation) is Literal else ()
    kinds = {next((kind for known, kind in _KINDS if isinstance(member, known)), Kind.ANY) for member in members}
    return kinds.pop() if len(kinds) == 1 else Kind.ANY


def _mismatch(kind: Kind, target: FieldSchema) -> Iterator[Finding]:
    if target.type is FieldType.COMPOUND:
        yield Finding("error", target.name, "compound", "is made of other fields", "write its parts")
    elif target.type is not FieldType.OTHER and kind in _TAKES and target.type not in _TAKES[kind]:
        fits = next((name.value for name, types in _TAKES.items() if target.type in types), None)
        hint = f'use type = "{fits}", or annotate accordingly' if fits else None
        yield Finding("error", target.name, "type_mismatch", f"is {target.type}, the mapping gives {kind}", hint)


def _reference(column: Column, target: FieldSchema) -> Iterator[Finding]:
    ref = column.ref
    if ref is None:
        return
    if target.type is not FieldType.REFERENCE:
        yield Finding("error", target.name, "not_a_reference", f"is {target.type}; it cannot refer to {ref.object}")
    elif target.references and ref.object not in target.references:
        known = ", ".join(target.references)
        yield Finding("error", target.name, "reference_object", f"refers to {known}, not {ref.object}")


def _said_values(column: Column) -> Iterator[Any]:
    """The values the mapping itself names: choices, lookup results, a default."""
    if column.lookup is not None:
        yield from column.lookup.values()
        return
    if get_origin(column.annotation) is Literal:
        yield from get_args(column.annotation)
    if column.default is not NO_DEFAULT and not callable(column.default):
        yield column.default


def _value(target: FieldSchema, value: Any) -> Iterator[Finding]:
    if isinstance(value, str) and target.length and target.type is not FieldType.CHOICES and len(value) > target.length:
        message = f"holds {target.length} characters; {value[:20]!r}… has {len(value)}"
        yield Finding("error", target.name, "too_long", message)
    if target.type in (FieldType.CHOICE, FieldType.CHOICES) and target.choices is not None and value is not None:
        offered = {choice.casefold() for choice in target.choices}
        for part in parts_of(value):
            if part.casefold() not in offered:
                yield _not_offered(target, part)
    if isinstance(value, (int, float, Decimal)) and target.type in _NUMBERS and target.precision:
        limit = 10 ** (target.precision - (target.scale or 0))
        if abs(value) >= limit:
            yield Finding("error", target.name, "too_large", f"holds {target.precision} digits; {value} is larger")


def _not_offered(target: FieldSchema, value: str) -> Finding:
    severity: Literal["error", "warning"] = "error" if target.restricted else "warning"
    hint = did_you_mean(value, target.choices or ())
    return Finding(severity, target.name, "choice_not_offered", f"does not offer {value!r} (any longer)", hint)


def _keys(mapping: Mapping, operation: Operation, schema: ObjectSchema) -> Iterator[Finding]:
    if operation is Operation.INSERT:
        return
    if not mapping.key:
        yield Finding(
            "error", "", "no_key", f"{operation} needs a key to find records by", 'key = { Some_Id__c = "column" }'
        )
    for column in mapping.columns:
        if column.key and (target := schema.fields.get(str(column.field))) is None:
            yield _unknown(str(column.field), schema)
        elif column.key and target is not None:
            yield from _mismatch(column.kind, target)
    known = [schema.fields[name] for name in mapping.key if name in schema.fields]
    if known and len(known) == len(mapping.key) and schema.id_field not in mapping.key:
        yield from _unique(known, operation, schema)


def _unique(keys: list[FieldSchema], operation: Operation, schema: ObjectSchema) -> Iterator[Finding]:
    if any(key.unique for key in keys):
        return
    name = ", ".join(key.name for key in keys)
    if operation is Operation.UPSERT and len(keys) == 1 and not keys[0].matchable:
        able = [field.name for field in schema.fields.values() if field.matchable or field.unique]
        hint = f"keys are: {', '.join(sorted(able))}" if able else "mark a field as external id and unique"
        yield Finding("error", name, "key_not_matchable", f"{schema.name} cannot be upserted by it", hint)
        return
    message = "is not unique: rows whose key several records share are rejected"
    yield Finding("warning", name, "key_not_unique", message, "make it unique in the system")


def _required(mapping: Mapping, operation: Operation, schema: ObjectSchema) -> Iterator[Finding]:
    if operation not in (Operation.INSERT, Operation.UPSERT):
        return
    severity: Literal["error", "warning"] = "error" if operation is Operation.INSERT else "warning"
    given = {*mapping.fields, *(mapping.key if operation is Operation.UPSERT else ())}
    for field in schema.fields.values():
        if field.required_on_create and field.name not in given:
            hint = "map it" if operation is Operation.INSERT else "rows that match no record will be rejected"
            yield Finding(
                severity, field.name, "required_on_create", "a new record needs it, and it is not mapped", hint
            )

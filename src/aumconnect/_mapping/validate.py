"""Rows to typed values, as fast as pydantic can and as strict as `convert` says.

A chunk goes through one compiled validator that accepts only what needs no thought and gives None for any
other row; those few are read one by one with `convert`, which also says what is wrong. Both give the same
values, so the quick way is nothing but quick (``tests/mapping/test_mapper.py`` holds them together).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, NotRequired

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, core_schema
from typing_extensions import TypedDict

from aumconnect._mapping.convert import MISSING, Kind, Refused, Unreadable, convert
from aumconnect._mapping.guards import TYPES, First, guards
from aumconnect._mapping.ir import Column
from aumconnect._mapping.steps import limits_of
from aumconnect.outcome import Problem
from aumconnect.schema import CLEAR, Reference

__all__ = ["Careful", "Quick", "problems_of"]

Row = Mapping[str, Any]
Values = dict[str, Any]


class _Then:
    """Validate by the annotation first, then by this core schema."""

    def __init__(self, then: CoreSchema) -> None:
        self._then = then

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.chain_schema([handler(source), self._then])


class _OrNone:
    """A row that fails is None, without the cost of an exception."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


_SAMPLE = 32  # rows looked at to tell the types of a chunk; a wrong guess costs speed, nothing else


class Quick:
    """Validates chunks of rows whose values are of the types seen before; None for every other row."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(column for column in columns if column.template is None)
        self._compiled: dict[tuple[type, ...], Callable[[Any], list[Values | None]] | None] = {}

    def __call__(self, rows: Sequence[Any]) -> list[Values | None]:
        """For each row its values by slot, or None where `Careful` must look."""
        seen = tuple(self._type_of(column, rows) for column in self._columns)
        if seen not in self._compiled:
            self._compiled[seen] = self._compile(seen)
        validate = self._compiled[seen]
        return validate(rows) if validate else [None] * len(rows)

    @staticmethod
    def _type_of(column: Column, rows: Sequence[Any]) -> type:
        """What most values of a column are, by a sample: one odd row must not slow down its chunk."""
        sample = [row.get(column.source) for row in rows[:_SAMPLE] if isinstance(row, Mapping)]
        for common, _ in Counter(map(type, sample)).most_common():
            for found in common.__mro__:
                if found in TYPES:
                    return found
        return str

    def _compile(self, seen: tuple[type, ...]) -> Callable[[Any], list[Values | None]] | None:
        fields: dict[str, Any] = {}
        for column, found in zip(self._columns, seen, strict=True):
            metadata = guards(column, found)
            if metadata is None:
                return None
            fields[column.slot] = _field(column, metadata)
        adapter: TypeAdapter[list[Values | None]] = TypeAdapter(_list_of(annotated(_typed_dict(fields), _OrNone())))
        return adapter.validate_python


def _field(column: Column, guards: tuple[Any, ...]) -> Any:
    inner = [guard for guard in guards if not isinstance(guard, First)]
    outer = [guard for guard in guards if isinstance(guard, First)]
    limits = limits_of(column)
    then = (_Then(limits),) if limits else ()
    value = annotated(column.python_type, *inner, *column.constraints, *then, *outer)
    alias = Field(validation_alias=column.source)
    return annotated(value, alias) if column.required else NotRequired[annotated(value | None, alias)]


def annotated(kind: Any, *metadata: Any) -> Any:
    """`Annotated` for an annotation and metadata that are known only at run time; for none, the bare annotation."""
    return Annotated[(kind, *metadata)] if metadata else kind


def _typed_dict(fields: dict[str, Any]) -> Any:
    make: Any = TypedDict
    made = make("Row", fields)
    made.__pydantic_config__ = ConfigDict(hide_input_in_errors=True)
    return made


def _list_of(kind: Any) -> Any:
    return list[kind]


class Careful:
    """Reads one row value by value; knows every trap and names every problem."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = tuple(column for column in columns if column.template is None)
        self._by_slot = {column.slot: column for column in self._columns}
        fields = {c.slot: NotRequired[_plain_field(c)] for c in self._columns}
        self._adapter: TypeAdapter[Values] = TypeAdapter(_typed_dict(fields))

    def __call__(self, row: Any) -> tuple[Values, list[Problem]]:
        """Values by slot (None for a gap that is allowed) and every problem; both, since a rejection names its key."""
        values, problems = read(self._columns, as_row(row))
        try:
            return {**self._adapter.validate_python(_filled(values)), **_unchecked(values)}, problems
        except ValidationError as error:
            found = problems_of(error, self._by_slot)
            wrong = {
                detail["loc"][0]
                for detail in error.errors(include_url=False, include_input=False, include_context=False)
            }
            rest = {slot: value for slot, value in values.items() if slot not in wrong}
            good = self._adapter.validate_python(_filled(rest))
            return good, problems + found


def as_row(row: Any) -> Row:
    """A row as a mapping: records, dataclasses and named tuples by their attributes.

    Raises `Refused` for what has no names.
    """
    if isinstance(row, Mapping):
        return row
    if isinstance(row, Unreadable):
        raise Refused(row.code, row.message)
    if isinstance(row, BaseModel):
        return _attributes(row)
    if is_dataclass(row) and not isinstance(row, type):
        return {part.name: getattr(row, part.name) for part in fields(row)}
    if hasattr(row, "_asdict"):
        named: Row = row._asdict()
        return named
    raise Refused("row_type", f"a row is a mapping or has named attributes; {type(row).__name__} has none")


def _attributes(record: BaseModel) -> Row:
    """A record's values under the names its source had; what was never set is absent."""
    given = record.model_fields_set
    found = {}
    for name, info in type(record).model_fields.items():
        if name in given or getattr(record, name) is not None:
            found[source_name(name, info)] = getattr(record, name)
    return found


def source_name(name: str, info: FieldInfo) -> str:
    """The source column of a model's field: its alias, else its name."""
    alias = info.validation_alias or info.alias
    return alias if isinstance(alias, str) else name


def _plain_field(column: Column) -> Any:
    finite = (AllowInfNan(False),) if column.kind is Kind.FLOAT else ()
    return annotated(column.python_type, *finite, *column.constraints)


def _filled(values: Values) -> Values:
    return {slot: value for slot, value in values.items() if not _says_itself(value)}


def _unchecked(values: Values) -> Values:
    return {slot: value for slot, value in values.items() if _says_itself(value)}


def _says_itself(value: Any) -> bool:
    """A gap, `CLEAR` and a reference are no values to check."""
    return value is None or value is CLEAR or isinstance(value, Reference)


def read(columns: Iterable[Column], row: Row) -> tuple[Values, list[Problem]]:
    """Each column's raw value converted: absent columns left out, gaps as None, the rest for pydantic to check."""
    values: Values = {}
    problems: list[Problem] = []
    for column in columns:
        try:
            value = _converted(column, row[column.source]) if column.source in row else MISSING
        except Refused as refused:
            problems.append(problem(column, refused.code, refused.message))
            continue
        if value is not MISSING:
            values[column.slot] = value
        elif column.required:
            problems.append(problem(column, "missing", "there is no value"))
        elif column.source in row:
            values[column.slot] = None
    return values, problems


def _converted(column: Column, value: Any) -> Any:
    if column.key or column.field is None or not (value is CLEAR or isinstance(value, Reference)):
        return convert(column.kind, value, key=column.identifies)
    return value


def problem(column: Column, code: str, message: str) -> Problem:
    return Problem(code, f"{column.source or column.template}: {message}", column.field, column=column.source or None)


def problems_of(error: ValidationError, by_name: Mapping[str, Column]) -> list[Problem]:
    """Pydantic's findings in our words: source column, remote field, never the value."""
    found = []
    for detail in details_of(error):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        column = by_name.get(name)
        code, message = detail["type"], detail["msg"]
        found.append(problem(column, code, message) if column else Problem(code, message, name or None))
    return found


def details_of(error: ValidationError) -> list[ErrorDetails]:
    """The single errors without the values they are about."""
    return error.errors(include_url=False, include_input=False, include_context=False)

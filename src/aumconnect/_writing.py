"""One write a client was asked for: what goes where, by which key, and every problem that shows beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Mapped
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Self

from aumconnect._mapping import Mapping
from aumconnect._mapping.convert import Unreadable
from aumconnect._mapping.mapper import Mapper
from aumconnect._mapping.preflight import preflight
from aumconnect._mapping.tables import mapping_from_table
from aumconnect._pumps import Row
from aumconnect.connector import Operation
from aumconnect.errors import ConfigurationError
from aumconnect.record import Record, mapping_of
from aumconnect.schema import ObjectSchema
from aumconnect.sources import Rows, rows

__all__ = ["Writing"]


@dataclass(frozen=True, slots=True)
class Writing:
    """Rows bound for one object. ``run_id`` is unique to this call."""

    operation: Operation
    mapper: Mapper
    source: Rows
    run_id: str
    schema: ObjectSchema | None = None

    @classmethod
    def of(
        cls,
        operation: Operation,
        what: type[Record] | str,
        source: Any,
        key: str | Sequence[str] | None,
        *,
        run_id: str,
        started_at: datetime,
    ) -> Self:
        """From a Record class, or from an object's name and the columns of ``source`` as its fields.

        Raises `ConfigurationError` for a declaration that cannot be meant.
        """
        found = rows(source)
        if isinstance(what, str):
            found, columns = _columns(found, source)
            mapping = _by_name(what, columns, _names(key), operation)
        else:
            mapping = _declared(what, key)
        if operation is Operation.DELETE:
            mapping = mapping.keys_only()
        if operation is Operation.INSERT:
            mapping = mapping.keys_written()
        return cls(operation, Mapper(mapping, run_id=run_id, started_at=started_at), found, run_id)

    @property
    def object(self) -> str:
        return self.mapper.object

    @property
    def key(self) -> tuple[str, ...]:
        """The fields by which records are found; none when the rows carry remote ids."""
        return () if self._by_id else self.mapper.key

    @property
    def _by_id(self) -> bool:
        return self.schema is not None and self.mapper.key == (self.schema.id_field,)

    def checked(self, schema: ObjectSchema | None) -> Self:
        """The same, held against what the system says of the object.

        Raises `ConfigurationError` that names every problem at once.
        """
        if schema is None:
            return self
        problems = [
            finding for finding in preflight(self.mapper, self.operation, schema) if finding.severity == "error"
        ]
        if problems:
            lines = [
                f"{finding.field}: {finding.message}" + (f" ({finding.hint})" if finding.hint else "")
                for finding in problems
            ]
            raise ConfigurationError("\n  ".join([f"{len(problems)} problem(s) with {schema.name}:", *lines]))
        return replace(self, schema=schema, mapper=self.mapper.bind(schema))

    def rows(self) -> Iterator[Row]:
        """Changes, and outcomes of rows that do not become one."""
        for mapped in self.mapper.map(self.source):
            yield from mapped.outcomes
            if self._by_id:
                yield from (replace(change, id=str(change.key[0]), key=()) for change in mapped.changes)
            else:
                yield from mapped.changes

    def notes(self) -> list[str]:
        """What a reader of the report should know that no count says."""
        clears = {column.field for column in self.mapper.mapping.columns if column.missing == "clear"}
        said = {True: "had no value and was cleared", False: "had no value and was left alone"}
        found = [f"{count:,} × {field} {said[field in clears]}" for field, count in self.mapper.missing.most_common()]
        if self.mapper.path == "model":
            found.append(f"rows were validated one by one: {self.mapper.why}")
        return found


def _names(key: str | Sequence[str] | None) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else tuple(key or ())


def _columns(source: Rows, given: Any) -> tuple[Rows, tuple[str, ...]]:
    """The source's columns: what it says, all that a sequence's rows have, or those of a stream's first row.

    A later row of a stream with a further column is rejected: a value must not vanish without a word.
    """
    if source.columns is not None:
        return source, source.columns
    if isinstance(given, Sequence) and all(isinstance(row, Mapped) for row in given):
        return source, tuple(dict.fromkeys(name for row in given for name in row))
    stream = iter(source)
    first = next(stream, None)
    if first is None:
        return source, ()
    if not isinstance(first, Mapped):
        raise ConfigurationError(
            f"the rows are of type {type(first).__name__}, which has no columns",
            hint="give mappings, or a Record class",
        )
    columns = tuple(first)
    return Rows(lambda: map(partial(_within, frozenset(columns)), chain([first], stream))), columns


def _within(columns: frozenset[str], row: Any) -> Any:
    if not isinstance(row, Mapped) or columns.issuperset(row):
        return row
    further = ", ".join(repr(name) for name in row if name not in columns)
    return Unreadable("unknown_column", f"the row has {further}, which the first row has not")


def _by_name(object: str, columns: Sequence[str], key: tuple[str, ...], operation: Operation) -> Mapping:
    if operation is not Operation.INSERT and not key:
        raise ConfigurationError(f"{operation.value} needs a key", hint='say by which field: key="Customer_Id__c"')
    if missing := [name for name in key if columns and name not in columns]:
        raise ConfigurationError(f"the rows have no column {missing[0]!r}", hint=f"they have {', '.join(columns)}")
    fields = {name: {"from": name, "missing": "skip"} for name in columns if name not in key}
    return mapping_from_table(object, fields, {name: name for name in key})


def _declared(record: type[Record], key: str | Sequence[str] | None) -> Mapping:
    if key is not None:
        raise ConfigurationError(
            f"{record.__name__} declares its own key", hint="leave key= out, or mark another field with Key(...)"
        )
    return mapping_of(record)

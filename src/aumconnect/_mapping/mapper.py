"""Rows in, changes and rejections out: carries out a `Mapping`, a chunk at a time, in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from aumconnect._mapping.bind import bound
from aumconnect._mapping.by_model import ByModel
from aumconnect._mapping.convert import Refused
from aumconnect._mapping.duplicates import Seen
from aumconnect._mapping.ir import NO_DEFAULT, Column, Mapping
from aumconnect._mapping.steps import Step, steps_of
from aumconnect._mapping.validate import Careful, Quick, problem
from aumconnect._near import did_you_mean
from aumconnect.connector import Change
from aumconnect.errors import ConfigurationError
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, ObjectSchema

__all__ = ["Mapped", "Mapper"]

Values = dict[str, Any]
Reader = Callable[[Sequence[Any]], Sequence[Values | None]]


@dataclass(slots=True)
class Mapped:
    """One chunk of the source: what is to be written, what is rejected, what needs no writing."""

    changes: list[Change] = field(default_factory=list)
    rejected: list[Outcome] = field(default_factory=list)
    skipped: list[Outcome] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        """The rows that end here."""
        return [*self.rejected, *self.skipped]


class Mapper:
    """Carries out a mapping.

    ``missing`` counts, per remote field, the gaps that were skipped or cleared so far. ``path`` says whether
    rows go through one compiled validator a chunk (``"columns"``) or through the Record class (``"model"``),
    and ``why`` for which reasons.
    """

    def __init__(
        self,
        mapping: Mapping,
        *,
        schema: ObjectSchema | None = None,
        run_id: str = "",
        started_at: datetime | None = None,
        chunk: int = 1000,
    ) -> None:
        self.mapping = mapping
        self.schema = schema
        self.missing: Counter[str] = Counter()
        self._run_id, self._started_at, self._chunk = run_id, started_at, chunk
        self._constants = {**mapping.constants, **self._stamped()}
        self._quick, self._careful = _readers(mapping)
        self._keys = tuple(column for column in mapping.columns if column.key)
        self._gaps = tuple(column for column in mapping.columns if not column.required)
        self._templates = tuple(column for column in mapping.columns if column.template)
        self._steps = _steps(mapping.columns)
        self._inputs = tuple(column.slot for column in mapping.columns if column.field is None)
        self._filled = len(mapping.columns) - len(self._templates)

    @property
    def object(self) -> str:
        return self.mapping.object

    @property
    def key(self) -> tuple[str, ...]:
        """The remote fields a record is found by."""
        return self.mapping.key

    @property
    def fields(self) -> tuple[str, ...]:
        """The remote fields that are written."""
        return self.mapping.fields

    @property
    def newer_field(self) -> str | None:
        """The remote field by which older rows are told from newer ones."""
        return self.mapping.newer_field

    @property
    def path(self) -> Literal["columns", "model"]:
        return "model" if self.mapping.why_model else "columns"

    @property
    def why(self) -> tuple[str, ...]:
        return self.mapping.why_model

    def bind(self, schema: ObjectSchema) -> Mapper:
        """The same mapper knowing its remote fields: types of untyped columns, scales, lengths, choices, key rules."""
        return Mapper(
            bound(self.mapping, schema),
            schema=schema,
            run_id=self._run_id,
            started_at=self._started_at,
            chunk=self._chunk,
        )

    def check_columns(self, columns: Iterable[str]) -> None:
        """Raise `ConfigurationError` when a source that knows its columns lacks one that is needed."""
        present = set(columns)
        for column in self.mapping.columns:
            if column.source and column.required and column.source not in present:
                raise ConfigurationError(
                    f"the source has no column {column.source!r} (for {self.object}.{column.field or column.source})",
                    hint=did_you_mean(column.source, present),
                )

    def map(self, rows: Iterable[Any], first_ref: int = 0) -> Iterator[Mapped]:
        """One `Mapped` for each chunk of rows; every row ends in exactly one of its lists.

        Rows are mappings, Records or `Unreadable`; ``first_ref`` is the number of the first. Of rows with the
        same key the first is written: a later one is skipped when it says the same and rejected when not.
        """
        columns = getattr(rows, "columns", None)
        if columns is not None:
            self.check_columns(columns)
        source = iter(rows)
        with Seen() as seen:
            while chunk := list(islice(source, self._chunk)):
                mapped = self._mapped(chunk, first_ref)
                self._drop_duplicates(mapped, seen)
                yield mapped
                first_ref += len(chunk)

    def _mapped(self, chunk: Sequence[Any], first_ref: int) -> Mapped:
        mapped = Mapped()
        changes, constants = mapped.changes, self._constants
        finish = self._finish if self._templates or self._steps or self._inputs else None
        key_slot = self._keys[0].slot if len(self._keys) == 1 and not self._keys[0].write else None
        for ref, values in enumerate(self._quick(chunk), first_ref):
            if values is None:
                self._read_carefully(ref, chunk[ref - first_ref], mapped)
                continue
            if finish is not None or len(values) != self._filled or None in values.values():
                self._finish_into(ref, values, mapped)
                continue
            key = (values.pop(key_slot),) if key_slot else self._take_key(values)
            if constants:
                values.update(constants)
            changes.append(Change(ref, values, key))
        return mapped

    def _read_carefully(self, ref: int, row: Any, mapped: Mapped) -> None:
        try:
            values, problems = self._careful(row)
        except Refused as refused:
            values, problems = {}, [Problem(refused.code, refused.message)]
        if problems:
            mapped.rejected.append(Outcome.rejected(ref, problems, key=self._known_key(values)))
        else:
            self._finish_into(ref, values, mapped)

    def _finish_into(self, ref: int, values: Values, mapped: Mapped) -> None:
        problems = self._finish(values)
        if problems:
            mapped.rejected.append(Outcome.rejected(ref, problems, key=self._known_key(values)))
            return
        key = self._take_key(values)
        if not values and self.mapping.has_values:
            mapped.skipped.append(
                Outcome(ref, Status.SKIPPED, key=key, reason="nothing to write: every value is missing")
            )
            return
        mapped.changes.append(Change(ref, {**values, **self._constants}, key))

    def _finish(self, values: Values) -> list[Problem]:
        """Templates, gaps and steps, in place."""
        problems = [found for column in self._templates if (found := self._fill(column, values))]
        for slot in self._inputs:
            values.pop(slot, None)
        for column in self._gaps:
            self._settle_gap(column, values)
        for column, steps in self._steps:
            if (found := _take(column, steps, values)) is not None:
                problems.append(found)
        return problems

    def _fill(self, column: Column, values: Values) -> Problem | None:
        parts = {name: values.get(f"\0in:{name}") for name in column.parts}
        if None not in parts.values():
            values[column.slot] = str(column.template).format(**parts)
        elif column.required:
            gaps = ", ".join(name for name, value in parts.items() if value is None)
            return problem(column, "missing", f"there is no value in {gaps}")
        else:
            values[column.slot] = None
        return None

    def _settle_gap(self, column: Column, values: Values) -> None:
        slot = column.slot
        if values.get(slot) is not None or column.field is None:
            return
        if column.default is not NO_DEFAULT:
            values[slot] = column.default
        elif values.pop(slot, self) is None:
            self.missing[column.field] += 1
            if column.missing == "clear":
                values[slot] = CLEAR

    def _take_key(self, values: Values) -> tuple[Any, ...]:
        key = tuple(values.pop(column.slot) for column in self._keys)
        for column, value in zip(self._keys, key, strict=True):
            if column.write and column.field:
                values[column.field] = value
        return key

    def _known_key(self, values: Values) -> tuple[Any, ...]:
        found = tuple(values.get(column.slot) for column in self._keys)
        return () if None in found else found

    def _drop_duplicates(self, mapped: Mapped, seen: Seen) -> None:
        if not self._keys or not mapped.changes:
            return
        kept = []
        for change, first in zip(mapped.changes, seen.first(mapped.changes), strict=True):
            if first is None:
                kept.append(change)
            elif first.same:
                reason = f"the same as row {first.ref}"
                mapped.skipped.append(Outcome(change.ref, Status.SKIPPED, key=change.key, reason=reason))
            else:
                found = Problem("duplicate_key", f"row {first.ref} has the same key and other values", self.key[0])
                mapped.rejected.append(Outcome.rejected(change.ref, [found], key=change.key))
        mapped.changes = kept

    def _stamped(self) -> Values:
        known = {
            "model.name": self.mapping.model.name,
            "model.version": self.mapping.model.version,
            "scored_at": self.mapping.model.scored_at,
            "run.id": self._run_id,
            "run.started_at": self._started_at,
        }
        return {name: known[stamp] for name, stamp in self.mapping.stamps.items()}


def _readers(mapping: Mapping) -> tuple[Reader, Callable[[Any], tuple[Values, list[Problem]]]]:
    if mapping.why_model:
        return _unread, ByModel(mapping.record, mapping.columns)
    return Quick(mapping.columns), Careful(mapping.columns)


def _unread(rows: Sequence[Any]) -> Sequence[None]:
    return [None] * len(rows)


def _steps(columns: Iterable[Column]) -> tuple[tuple[Column, tuple[Step, ...]], ...]:
    found = ((column, steps_of(column)) for column in columns)
    return tuple((column, steps) for column, steps in found if steps)


def _take(column: Column, steps: Iterable[Step], values: Values) -> Problem | None:
    value = values.get(column.slot)
    if value is None or value is CLEAR:
        return None
    try:
        for step in steps:
            value = step(value)
    except Refused as refused:
        return problem(column, refused.code, refused.message)
    values[column.slot] = value
    return None

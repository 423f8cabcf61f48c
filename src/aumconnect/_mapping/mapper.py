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
from aumconnect._mapping.convert import Kind, Refused
from aumconnect._mapping.duplicates import Newest, Seen, said, said_in_text
from aumconnect._mapping.finish import Finish
from aumconnect._mapping.ir import Mapping
from aumconnect._mapping.validate import Careful, Quick, Values
from aumconnect._near import did_you_mean
from aumconnect.connector import Change, Key
from aumconnect.errors import ConfigurationError
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import ObjectSchema

__all__ = ["Mapped", "Mapper"]

_UNKNOWN_TO_MARSHAL = {Kind.DECIMAL, Kind.DATE, Kind.DATETIME, Kind.TIME}
Reader = Callable[[Sequence[Any]], list[Values | None]]


@dataclass(slots=True)
class Mapped:
    """One chunk of the source: what is to be written, what is rejected, what needs no writing; its ``rows`` as read."""

    rows: Sequence[Any] = ()
    changes: list[Change] = field(default_factory=list)
    rejected: list[Outcome] = field(default_factory=list)
    skipped: list[Outcome] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        """The rows that end here."""
        return [*self.rejected, *self.skipped]


class Mapper:
    """Carries out a mapping.

    ``path`` says whether
    rows go through one compiled validator a chunk (``"columns"``) or through the Record class (``"model"``),
    and ``why`` for which reasons. ``stamps`` are the stamped fields with this run's values.
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
        self._run_id, self._started_at, self._chunk = run_id, started_at, chunk
        self.stamps = self._stamped()
        self._constants = {**mapping.constants, **self.stamps}
        self._quick, self._careful = _readers(mapping)
        self._finish = Finish(mapping.columns)
        self._keys = tuple((column, column.slot) for column in mapping.columns if column.key)
        self._key_slot = self._keys[0][1] if len(self._keys) == 1 and not self._keys[0][0].write else None
        self._has_values = mapping.has_values
        self._said = said_in_text if any(c.kind in _UNKNOWN_TO_MARSHAL for c in mapping.columns) else said

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
    def missing(self) -> Counter[str]:
        """Gaps that were skipped or cleared so far, by remote field."""
        return self._finish.missing

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

        Rows are mappings, Records or `Unreadable`; ``first_ref`` is the number of the first. Of rows with the same
        key the first is written; a later one is skipped when it says the same and rejected when not. Where the
        mapping says when a row was scored and ``rows`` can be read twice, the newest is written and older ones are
        skipped.
        """
        columns = getattr(rows, "columns", None)
        if columns is not None:
            self.check_columns(columns)
        newest = self._newest(rows, first_ref)
        with Seen(self._canonical_key(), said=self._said) as seen:
            for mapped in self.chunks(rows, first_ref):
                if newest:
                    _drop_older(mapped, newest)
                self._drop_duplicates(mapped, seen)
                yield mapped

    def chunks(self, rows: Iterable[Any], first_ref: int = 0) -> Iterator[Mapped]:
        """Like `map`, without a look at keys that come again."""
        source = iter(rows)
        while chunk := list(islice(source, self._chunk)):
            yield self._mapped(chunk, first_ref)
            first_ref += len(chunk)

    def _newest(self, rows: Iterable[Any], first_ref: int) -> Newest | None:
        """Look through a source that can be read twice for keys that come again with a newer score."""
        again = not rows.once if hasattr(rows, "once") else iter(rows) is not rows
        scored = next((column for column in self.mapping.columns if column.newer and column.field), None)
        if scored is None or not self._keys or not again:
            return None
        newest = Newest(str(scored.field), self._canonical_key())
        only = self.mapping if self.mapping.why_model else self.mapping.keys_and(scored)
        for mapped in Mapper(only, chunk=self._chunk).chunks(rows, first_ref):
            newest.look(mapped.changes)
        return newest

    def _mapped(self, chunk: Sequence[Any], first_ref: int) -> Mapped:
        mapped = Mapped(chunk)
        add, constants, key_slot = mapped.changes.append, self._constants, self._key_slot
        rows = self._quick(chunk)
        whole = self._finish.whole(rows)
        for ref, values in enumerate(whole, first_ref):
            if values is not None:
                key = (values.pop(key_slot),) if key_slot else self._take_key(values)
                if constants:
                    values.update(constants)
                add(Change(ref, values, key))
            elif (partly := rows[ref - first_ref]) is not None:
                self._end(ref, partly, self._finish(partly), mapped)
            else:
                self._read_carefully(ref, chunk[ref - first_ref], mapped)
        return mapped

    def _read_carefully(self, ref: int, row: Any, mapped: Mapped) -> None:
        try:
            values, problems = self._careful(row)
        except Refused as refused:
            values, problems = {}, [Problem(refused.code, refused.message)]
        self._end(ref, values, problems or self._finish(values), mapped)

    def _end(self, ref: int, values: Values, problems: Sequence[Problem] | None, mapped: Mapped) -> None:
        if problems:
            mapped.rejected.append(Outcome.rejected(ref, problems, key=self._known_key(values)))
            return
        key = (values.pop(self._key_slot),) if self._key_slot else self._take_key(values)
        if values or not self._has_values:
            values.update(self._constants)
            mapped.changes.append(Change(ref, values, key))
        else:
            mapped.skipped.append(Outcome(ref, Status.SKIPPED, key=key, reason="every value is missing"))

    def _take_key(self, values: Values) -> Key:
        key = tuple(values.pop(slot) for _, slot in self._keys)
        for (column, _), value in zip(self._keys, key, strict=True):
            if column.write and column.field:
                values[column.field] = value
        return key

    def _known_key(self, values: Values) -> Key:
        found = tuple(values.get(slot) for _, slot in self._keys)
        return () if None in found else found

    def _drop_duplicates(self, mapped: Mapped, seen: Seen) -> None:
        if not self._keys or not (again := seen.again(mapped.changes)):
            return
        for change in mapped.changes:
            if (first := again.get(change.ref)) is None:
                continue
            if first.same:
                reason = f"the same as row {first.ref}"
                mapped.skipped.append(Outcome(change.ref, Status.SKIPPED, key=change.key, reason=reason))
            else:
                found = Problem("duplicate_key", f"row {first.ref} has the same key and other values", self.key[0])
                mapped.rejected.append(Outcome.rejected(change.ref, [found], key=change.key))
        mapped.changes = [change for change in mapped.changes if change.ref not in again]

    def _canonical_key(self) -> Callable[[Key], Key] | None:
        return None if self.schema is None else self.schema.key_form(self.key)

    def _stamped(self) -> Values:
        known = {
            "model.name": self.mapping.model.name,
            "model.version": self.mapping.model.version,
            "scored_at": self.mapping.model.scored_at,
            "run.id": self._run_id,
            "run.started_at": self._started_at,
        }
        return {name: known[stamp] for name, stamp in self.mapping.stamps.items() if known[stamp]}


def _readers(mapping: Mapping) -> tuple[Reader, Callable[[Any], tuple[Values, list[Problem]]]]:
    if mapping.why_model:
        return _unread, ByModel(mapping.record, mapping.columns)
    return Quick(mapping.columns), Careful(mapping.columns)


def _unread(rows: Sequence[Any]) -> list[Values | None]:
    return [None] * len(rows)


def _drop_older(mapped: Mapped, newest: Newest) -> None:
    older = newest.older(mapped.changes)
    for change in mapped.changes if older else ():
        if change.ref in older:
            reason = f"row {older[change.ref]} has the same key and is newer"
            mapped.skipped.append(Outcome(change.ref, Status.SKIPPED, key=change.key, reason=reason))
    if older:
        mapped.changes = [change for change in mapped.changes if change.ref not in older]

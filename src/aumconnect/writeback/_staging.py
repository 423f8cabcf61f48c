"""First half of a plan: read the source, drop what the ledger knows to be written, keep the rest in the ledger.

Nothing is asked of the system here. Memory is bounded: a thousand source rows at a time, and what is left of
them goes to the ledger packed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from aumconnect._mapping.mapper import Mapped, Mapper
from aumconnect.connector import Change, Operation
from aumconnect.outcome import Outcome, Status
from aumconnect.writeback._fingerprint import Fingerprints
from aumconnect.writeback._packing import NEVER, Planned, Stamp, outcome_of, text_of
from aumconnect.writeback._state import Remembered, State
from aumconnect.writeback.diff import moment
from aumconnect.writeback.ledger import Ledger

__all__ = ["SAME", "Rules", "Staged", "Staging", "plain_row", "reason_of"]

SAME = "same"
"""The action of a row whose fingerprint is the one written last; it stands in a plan only to be compared."""
SUPERSEDED = "a newer value was written already"
INSERTED = "inserted already"


@dataclass(slots=True)
class Staged:
    """What the source held. ``chunks`` of candidates are in the ledger, with the unchanged ones where ``same``."""

    total: int = 0
    unchanged: int = 0
    candidates: int = 0
    chunks: int = 0
    same: bool = False
    outcomes: Counter[Status] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How rows are sorted. ``keep_same`` is how many rows of the source may have been read while unchanged ones
    are still kept, to be compared with the system; ``sample`` is how many of them are kept at random instead.
    ``again`` sends rows that were refused before; ``before`` leaves out those written by a run planned later."""

    operation: Operation
    schema_digest: bytes
    by_id: bool = False
    keep_same: float = 0
    sample: int = 0
    chunk_rows: int = 2000
    again: bool = False
    before: float = float("inf")


class Staging:
    """Sorts one source's rows. ``in_doubt`` are keys whose fate an earlier run left open, with that run."""

    def __init__(
        self,
        ledger: Ledger,
        run: str,
        mapper: Mapper,
        prints: Fingerprints,
        state: State | None,
        rules: Rules,
        in_doubt: Mapping[bytes, str],
    ) -> None:
        self._ledger, self._run = ledger, run
        self._mapper, self._prints, self._state = mapper, prints, state
        self._rules = rules
        self._in_doubt = in_doubt
        self._random = Random(0)  # noqa: S311  (which rows are looked at, not a secret)
        self._sampled: list[Planned] = []
        self._drawn = 0
        self._waiting: list[Planned] = []
        self.found = Staged(same=rules.keep_same > 0 and not rules.sample)

    def read(self, rows: Iterable[Any]) -> Staged:
        """Stage every row of the source."""
        for mapped in self._mapper.map(rows):
            self._stage(mapped)
        self._flush()
        self._add_sample()
        return self.found

    def _stage(self, mapped: Mapped) -> None:
        found, rows = self.found, mapped.rows
        first = found.total
        found.total += len(rows)
        self._note(mapped.outcomes, rows, first)
        changes, prints = mapped.changes, self._prints
        keys = [prints.key_digest(change.key) for change in changes]
        payloads = [prints.payload(change.values) for change in changes]
        written = self._state.payloads(keys) if self._state else {}
        rest = []
        for change, key, payload in zip(changes, keys, payloads, strict=True):
            if written.get(key) != payload:
                rest.append((change, key, payload))
            elif self.found.same or self._rules.sample:
                self._same(change, key, payload, rows[change.ref - first])
        found.unchanged += len(changes) - len(rest)
        known = self._state.remembered([key for _, key, _ in rest]) if self._state and rest else {}
        for change, key, payload in rest:
            self._sort(change, key, payload, known.get(key), rows[change.ref - first])
        if len(self._waiting) >= self._rules.chunk_rows:
            self._flush()

    def _same(self, change: Change, key: bytes, payload: bytes, row: Any) -> None:
        """Keep a row that did not change, while there are few enough to read them all, or for the sample."""
        if self._rules.sample:
            self._draw(change, key, payload, row)
        elif self.found.total > self._rules.keep_same:
            self.found.same = False
            self._waiting = [planned for planned in self._waiting if planned.action != SAME]
        else:
            self._waiting.append(self._planned(change, key, payload, None, row, SAME))

    def _draw(self, change: Change, key: bytes, payload: bytes, row: Any) -> None:
        """A sample of the unchanged rows in which each is as likely as any other."""
        self._drawn += 1
        if len(self._sampled) < self._rules.sample:
            self._sampled.append(self._planned(change, key, payload, None, row, SAME))
        elif (place := self._random.randrange(self._drawn)) < self._rules.sample:
            self._sampled[place] = self._planned(change, key, payload, None, row, SAME)

    def _sort(self, change: Change, key: bytes, payload: bytes, known: Remembered | None, row: Any) -> None:
        """A row whose fingerprint is new: does it truly say something new, and may it be sent?"""
        planned = self._planned(change, key, payload, known, row, "")
        if key in self._in_doubt:
            reason = f"in doubt since run {self._in_doubt[key]}"
            self._note([Outcome(change.ref, Status.UNKNOWN, key=change.key, reason=reason)], [row], change.ref)
        elif known is None:
            self._candidate(planned)
        elif known.at is not None and known.at > self._rules.before:
            self._skip(change, SUPERSEDED, known, row)
        elif known.rejection and self._is_refused(payload, known):
            self._note([_again(known.rejection, change)], [row], change.ref)
        elif known.payload is None:
            self._candidate(planned)
        elif self._is_written(change, planned.stamp, known):
            self.found.unchanged += 1
            if self.found.same:
                planned.action = SAME
                self._waiting.append(planned)
        elif self._rules.operation is Operation.INSERT:
            self._skip(change, INSERTED, known, row)
        elif known.scored_at is not None and NEVER < planned.stamp.scored_at < known.scored_at:
            self._skip(change, SUPERSEDED, known, row)
        else:
            self._candidate(planned)

    def _is_refused(self, payload: bytes, known: Remembered) -> bool:
        """The system refused this very row, and would again."""
        return not self._rules.again and known.rejected == payload + self._rules.schema_digest

    def _is_written(self, change: Change, stamp: Stamp, known: Remembered) -> bool:
        """The values are canonically those written last, although they look different."""
        if self._rules.operation is Operation.DELETE or known.status == Status.DELETED:
            return self._rules.operation is Operation.DELETE and known.status == Status.DELETED
        return stamp.written == self._prints.written({}, known.written)

    def _candidate(self, planned: Planned) -> None:
        self.found.candidates += 1
        self._waiting.append(planned)

    def _planned(
        self, change: Change, key: bytes, payload: bytes, known: Remembered | None, row: Any, action: str
    ) -> Planned:
        newer = self._mapper.newer_field
        scored_at = moment(change.values.get(newer)) if newer else None
        written = self._prints.written(change.values, known.written if known else None)
        stamp = Stamp(key, payload, NEVER if scored_at is None else scored_at, written)
        if self._rules.by_id:
            change = replace(change, id=str(change.key[0]), key=())
        elif known is not None and known.id is not None:
            change = replace(change, id=known.id)
        return Planned(change, stamp, action, None, plain_row(row))

    def _skip(self, change: Change, reason: str, known: Remembered, row: Any) -> None:
        outcome = Outcome(change.ref, Status.SKIPPED, known.id, change.key, reason=reason)
        self._note([outcome], [row], change.ref)

    def _note(self, outcomes: Sequence[Outcome], rows: Sequence[Any], first: int) -> None:
        if not outcomes:
            return
        self.found.outcomes.update(outcome.status for outcome in outcomes)
        self.found.reasons.update(reason_of(outcome) for outcome in outcomes)
        texts = {outcome.ref: text_of(plain_row(rows[outcome.ref - first])) for outcome in outcomes}
        self._ledger.note(self._run, outcomes, texts)

    def _flush(self) -> None:
        if self._waiting:
            self._ledger.save_chunk(self._run, self.found.chunks, self._waiting)
            self.found.chunks += 1
            self._waiting = []

    def _add_sample(self) -> None:
        self._waiting = sorted(self._sampled, key=lambda planned: planned.change.ref)
        self.found.same = self.found.same or bool(self._sampled)
        self._flush()


def plain_row(row: Any) -> dict[str, Any] | None:
    """A source row as JSON values, for people to read: numbers, text, true and false; anything else as text."""
    if not isinstance(row, Mapping):
        dump = getattr(row, "model_dump", None)
        row = dump() if dump else None
    return {str(name): _plain(value) for name, value in row.items()} if row is not None else None


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, int, bool):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    return str(value)


def _again(rejection: str, change: Change) -> Outcome:
    outcome = outcome_of(json.loads(rejection))
    return outcome.replace(ref=change.ref, key=change.key, reason="refused before; not sent again until it changes")


def reason_of(outcome: Outcome) -> str:
    """One line by which like outcomes are counted together."""
    if outcome.problems:
        problem = outcome.problems[0]
        return f"{problem.code}{f' {problem.field}' if problem.field else ''}"
    return outcome.reason or outcome.status.value

"""One run's side of the ledger: what the engine commits, and what a dead run left in doubt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import Connection, func, select, update

from aumconnect.connector import Batch, Change, Operation
from aumconnect.journal import Attempted, Checkpointed, Entry, Intent, Outcomes, Recovered
from aumconnect.outcome import Outcome, Status
from aumconnect.schema import ObjectSchema
from aumconnect.writeback import _tables as t
from aumconnect.writeback._attention import save_attention
from aumconnect.writeback._crash import hook
from aumconnect.writeback._database import Database, bodies, change, save
from aumconnect.writeback._lease import Lease
from aumconnect.writeback._opening import Watermark
from aumconnect.writeback._packing import (
    CONFIRM,
    Planned,
    outcome_of,
    pack_outcomes,
    pack_refs,
    text_of,
    unpack_outcomes,
    unpack_refs,
)
from aumconnect.writeback._recovery import open_chunks, open_refs, planned_rows
from aumconnect.writeback._state import FOLDED, Written, fold, rejection_of

__all__ = ["RunJournal"]

_CLOSE = f"UPDATE {t.chunk.name} SET open = 0 WHERE run = ? AND chunk = ?"  # noqa: S608  (our own names)
FOLD_ROWS = 20_000
"""Outcomes that wait in memory, already durable, before the state takes them up together."""


class RunJournal:
    """The `Journal` of one run. Every commit is one transaction that also proves the lease is still ours."""

    def __init__(self, database: Database, lease: Lease, run: str, *, schema_digest: bytes = b"") -> None:
        self.run = run
        self._database = database
        self._lease = lease
        self._schema_digest = schema_digest
        self._watermark = Watermark(database)
        self._record = database.row(select(t.run).where(t.run.c.id == run))
        self._flying: dict[int, Planned] = {}
        self._chunk_of: dict[int, int] = {}
        self._open: dict[int, int] = {}
        self._waiting: list[Written] = []
        self._seq = 0
        self._unknown: set[int] = set()
        self.counts: Counter[Status] = Counter()
        """What became of the rows of this run so far, also before a crash."""
        self._catch_up()

    def source(self, rows: Iterable[Planned]) -> Iterator[Change | Outcome]:
        """The rows of a plan on their way to the engine; they wait here for their outcome."""
        for row in rows:
            change = row.change
            self._flying[change.ref] = row
            if row.action == CONFIRM:
                yield Outcome(change.ref, Status.UNCHANGED, change.id, change.key)
            else:
                yield change

    def commit(self, entries: Sequence[Entry]) -> None:
        """See `Journal.commit`. Raises `LedgerError`, also when another run has taken the lease."""
        kinds = {Intent: "intent", Outcomes: "outcome"}
        places = dict.fromkeys(kinds[type(entry)] for entry in entries if type(entry) in kinds)
        for place in places:
            hook(place, "before")
        chunk_of, left = dict(self._chunk_of), dict(self._open)
        closed = _moved(chunk_of, left, entries)
        self._watermark.note(self._database.write(lambda connection: self._write(connection, entries, closed)))
        self._chunk_of, self._open = chunk_of, left
        self._settle(entries)
        for place in places:
            hook(place, "after")
        if len(self._waiting) >= FOLD_ROWS:
            self.fold()

    def fold(self) -> None:
        """Bring the outcomes so far into the state."""
        hook("fold", "before")
        self._watermark.note(self._database.write(self._fold))
        self._waiting.clear()
        hook("fold", "after")

    def end(self, others: Mapping[str, int], details: Mapping[str, Any]) -> None:
        """Close the run's record; ``others`` counts rows never sent. Chunks in doubt stay open for the next run."""
        self.fold()
        counts = Counter({status.value: count for status, count in self.counts.items() if count})
        counts.update(others)
        self._database.write(lambda connection: self._end(connection, counts, details, self._database.clock.epoch()))
        self._watermark.close()

    # --- writing ---------------------------------------------------------------------------------------

    def _write(self, connection: Connection, entries: Sequence[Entry], closed: Iterable[int]) -> int:
        self._lease.fence(connection, run=self.run)
        seq = self._seq
        for entry in entries:
            if isinstance(entry, Intent):
                self._intend(connection, entry)
            elif isinstance(entry, Outcomes):
                seq += 1
                self._outcomes(connection, seq, entry)
            else:
                self._update_chunk(connection, entry)
        for chunk in closed:
            change(connection, _CLOSE, (self.run, chunk))
        return self._watermark.count(connection)

    def _intend(self, connection: Connection, entry: Intent) -> None:
        refs = pack_refs(change.ref for change in entry.batch.changes)
        row = {"run": self.run, "chunk": entry.chunk, "token": entry.batch.token, "at": entry.at, "refs": refs}
        save(connection, t.chunk, [{**row, "sent": 1, "open": 1}])

    def _outcomes(self, connection: Connection, seq: int, entry: Outcomes) -> None:
        body = pack_outcomes(entry.outcomes, self._flying)
        save(connection, t.settled, [{"run": self.run, "seq": seq, "chunk": entry.chunk, "at": entry.at, "body": body}])
        save_attention(connection, self.run, entry.outcomes, self._source_of)

    def _source_of(self, ref: int) -> str | None:
        row = self._flying.get(ref)
        return text_of(row.source) if row is not None and row.source is not None else None

    def _update_chunk(self, connection: Connection, entry: Attempted | Checkpointed) -> None:
        this = (t.chunk.c.run == self.run) & (t.chunk.c.chunk == entry.chunk)
        if isinstance(entry, Attempted):
            connection.execute(update(t.chunk).where(this).values(sent=int(entry.sent)))
        else:
            connection.execute(update(t.chunk).where(this).values(checkpoint=text_of(entry.state)))

    def _settle(self, entries: Sequence[Entry]) -> None:
        """What a durable commit means for what is kept in memory."""
        for entry in entries:
            if isinstance(entry, Outcomes):
                self._seq += 1
                self._remember(entry.outcomes)

    def _remember(self, outcomes: Sequence[Outcome]) -> None:
        found = Counter([outcome.status for outcome in outcomes])
        if self._unknown or Status.UNKNOWN in found:
            for outcome in outcomes:
                self._count(outcome.ref, outcome.status)
        else:
            self.counts.update(found)
        if Status.UNKNOWN in found:
            outcomes = [outcome for outcome in outcomes if outcome.status is not Status.UNKNOWN]
        all_folded = FOLDED.issuperset(found)  # asked once a chunk: hashing an enum member is slow
        for outcome in outcomes:
            row = self._flying.pop(outcome.ref, None)
            if row is not None and (all_folded or outcome.status in FOLDED):
                self._waiting.append(Written(row.stamp, outcome.status, outcome.id, rejection_of(outcome)))

    def _count(self, ref: int, status: Status) -> None:
        """A row that was unknown counts as what it turned out to be."""
        if ref in self._unknown:
            self._unknown.discard(ref)
            self.counts[Status.UNKNOWN] -= 1
        if status is Status.UNKNOWN:
            self._unknown.add(ref)
        self.counts[status] += 1

    def _fold(self, connection: Connection) -> int:
        self._lease.fence(connection)
        fold(
            connection,
            self._record.scope,
            self._record.layout,
            self._record.created,
            self._schema_digest,
            self._waiting,
        )
        connection.execute(update(t.run).where(t.run.c.id == self.run).values(folded=self._seq))
        return self._watermark.count(connection)

    def _end(self, connection: Connection, counts: Mapping[str, int], details: Mapping[str, Any], at: float) -> None:
        self._lease.fence(connection)
        values = {"state": "ended", "ended": at, "counts": json.dumps(dict(counts)), "details": text_of(details)}
        connection.execute(update(t.run).where(t.run.c.id == self.run).values(**values))

    # --- after a crash ---------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Count what a dead run made durable, and bring to the state what it did not live to fold."""
        rejections: dict[int, str | None] | None = None
        for seq, body in bodies(self._database, t.settled, self.run):
            self._seq = seq
            if seq > self._record.folded and rejections is None:
                rejections = self._rejections()
            for ref, status, remote_id, stamp in unpack_outcomes(body):
                self._count(ref, status)
                if seq > self._record.folded and stamp is not None and status in FOLDED:
                    self._waiting.append(Written(stamp, status, remote_id, (rejections or {}).get(ref)))

    def _rejections(self) -> dict[int, str | None]:
        these = (t.attention.c.run == self.run) & (t.attention.c.status == Status.REJECTED.value)
        rows = self._database.rows(select(t.attention.c.ref, t.attention.c.outcome).where(these))
        return {row.ref: rejection_of(outcome_of(json.loads(row.outcome))) for row in rows}

    def recovered(self, object: str, schema: ObjectSchema | None) -> list[Recovered]:
        """Every intent without an outcome, with the rows still open in it; see `Recovered`."""
        chunks = {row.chunk: row for row in open_chunks(self._database, self.run)}
        wanted = open_refs(self._database, self.run, chunks)
        planned = planned_rows(self._database, self.run, wanted)
        self._flying.update(planned)
        found = []
        for number, row in chunks.items():
            changes = tuple(planned[ref].change for ref in unpack_refs(row.refs) if wanted.get(ref) == number)
            if changes:
                found.append(self._recovered(row, object, schema, changes))
        return found

    @property
    def next_chunk(self) -> int:
        """A number above that of every chunk so far."""
        found = self._database.row(select(func.max(t.chunk.c.chunk)).where(t.chunk.c.run == self.run))
        return 0 if found[0] is None else int(found[0]) + 1

    def _recovered(self, row: Any, object: str, schema: ObjectSchema | None, changes: tuple[Change, ...]) -> Recovered:
        key = tuple(json.loads(self._record.key))
        batch = Batch(object, Operation(self._record.operation), changes, key, schema, row.token)
        self._chunk_of.update({change.ref: row.chunk for change in changes})
        self._open[row.chunk] = len(changes)
        return Recovered(row.chunk, batch, row.at, json.loads(row.checkpoint) if row.checkpoint else None)


def _moved(chunk_of: dict[int, int], left: dict[int, int], entries: Iterable[Entry]) -> list[int]:
    """Note where rows now stand; returns the chunks that have none left."""
    closed: list[int] = []
    for entry in entries:
        if isinstance(entry, Intent):
            closed += _move(chunk_of, left, entry)
        elif isinstance(entry, Outcomes):
            closed += _close(chunk_of, left, entry.outcomes)
    return closed


def _move(chunk_of: dict[int, int], left: dict[int, int], entry: Intent) -> list[int]:
    """Rows go into a chunk; returns the chunks they leave empty behind."""
    emptied = _leave(chunk_of, left, [change.ref for change in entry.batch.changes])
    chunk_of.update({change.ref: entry.chunk for change in entry.batch.changes})
    left[entry.chunk] = len(entry.batch.changes)
    return [chunk for chunk in emptied if chunk != entry.chunk]


def _close(chunk_of: dict[int, int], left: dict[int, int], outcomes: Iterable[Outcome]) -> list[int]:
    return _leave(chunk_of, left, [outcome.ref for outcome in outcomes if outcome.status is not Status.UNKNOWN])


def _leave(chunk_of: dict[int, int], left: dict[int, int], refs: Iterable[int]) -> list[int]:
    emptied = []
    for chunk, rows in Counter(map(chunk_of.pop, refs, repeat(None))).items():
        if chunk is not None:
            left[chunk] -= rows
            if left[chunk] == 0:
                del left[chunk]
                emptied.append(chunk)
    return emptied

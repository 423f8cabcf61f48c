"""The engine decides what happens next to the rows of one write; it does nothing itself.

A pump asks `Engine.next`, does what the step says, and tells `Engine.done`. There is no I/O, no thread, no
lock and no clock in here: times are handed in (epoch seconds that never go backward), so the same engine
serves threads and event loops and can be simulated to the last step.

The life of a chunk: packed, its `Intent` committed, sent, its `Outcomes` committed. A row that may be tried again
leaves its chunk and is regrouped into a new one; a row whose fate nobody told is parked until the system
can no longer carry it out, then looked up (`trouble`).
"""

from __future__ import annotations

import random as _random
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from aumconnect._limits import RetryBudget
from aumconnect.connector import Batch, BulkWrites, Change, Connector, Operation, ReadsByKey
from aumconnect.engine.aim import aimed, reconciled
from aumconnect.engine.books import Books
from aumconnect.engine.chunks import Chunk, Purpose, Rows
from aumconnect.engine.health import Health
from aumconnect.engine.settle import unsent
from aumconnect.engine.steps import Commit, Done, Note, Send, Settings, SleepUntil, Step, Take
from aumconnect.engine.trouble import Trouble
from aumconnect.engine.watch import watched
from aumconnect.errors import ConfigurationError, Unavailable
from aumconnect.events import Hook
from aumconnect.journal import Recovered
from aumconnect.outcome import Outcome, Status
from aumconnect.schema import ObjectSchema
from aumconnect.wire import Checkpoint, Exchange, Settled

__all__ = ["Engine"]

Around = Callable[[Exchange[Any]], Exchange[Any]]
MIN_TAKE = 50
DRAIN_TAKE = 1000


class Engine:
    """One operation on one object: rows in, one `Outcome` for each out.

    ``around`` puts retry and signing around a connector's exchange; ``budget`` is what repeats are paid from.
    ``run_token`` must differ between executions: chunk tokens are made of it. ``unresolved`` is what an earlier
    execution may have sent, ``first_chunk`` the lowest chunk number it did not use.

    Raises `ConfigurationError` for a write the connector cannot do.
    """

    def __init__(  # noqa: PLR0913  (one place where a write is told everything)
        self,
        connector: Connector,
        *,
        object: str,
        operation: Operation,
        key: tuple[str, ...] = (),
        schema: ObjectSchema | None = None,
        run_token: str,
        around: Around | None = None,
        settings: Settings | None = None,
        budget: RetryBudget | None = None,
        unresolved: Sequence[Recovered] = (),
        first_chunk: int = 0,
        random: _random.Random | None = None,
        on_event: Hook | None = None,
    ) -> None:
        settings, can = settings or Settings(), connector.capabilities
        self._connector = connector
        self._blank = Batch(object, operation, (), key, schema)
        self._write = _write_of(connector, self._blank, settings)
        self._around: Around = around or (lambda exchange: exchange)
        self._run_token = run_token
        self._settings = settings
        self._numbers = count(max([first_chunk, *(found.chunk + 1 for found in unresolved)]))
        self._batch_rows = settings.bulk_rows or can.batch_rows
        self._rows = Rows(
            batch_rows=self._batch_rows,
            batch_bytes=1 << 62 if settings.bulk_rows else can.batch_bytes,
            conflict_key=_conflict_key(connector, object),
        )
        self._books = Books(settings.error_rate, on_event)
        guarantee = connector.guarantee(operation, key, schema)
        random, budget = random or _random.Random(), budget or RetryBudget()  # noqa: S311  (jitter)
        self._trouble = Trouble(connector, operation, guarantee, settings, self._rows, self._books, budget, random)
        self._health = Health(settings, settings.parallel or can.parallel, self._books)
        self._unresolved = tuple(unresolved)
        self._ready: deque[Chunk] = deque()
        self._flying: dict[Chunk, None] = {}  # a set that keeps its order
        self._exhausted = False
        self._ending_since: float | None = None
        self._stop_at: float | None = None

    # --- what a pump calls ---

    def next(self, now: float) -> Step:
        """The next thing to do. Never a second commit while one is under way."""
        if self._unresolved:
            self._begin(now)
        self._ready.extend(self._trouble.take_due(now))
        if self.halted is not None:
            self._abandon(self.halted, now)
        self._wind_down(now)
        if chunk := self._sendable():
            return self._send(chunk)
        self._pack(now)
        if commit := self._books.commit():
            return commit
        if count := self._wanted():
            return Take(count)
        return Done() if self._over() else SleepUntil(self._due())

    def done(self, step: Step, result: Any, now: float) -> None:
        """Tell what became of a step that `next` gave out."""
        match step:
            case Take():
                self._taken(step, result, now)
            case Commit():
                self._committed(step, result)
            case Send(chunk):
                self._ended(chunk, result, now)

    def note(self, chunk: Chunk, effect: Checkpoint | Settled, now: float) -> Note:
        """An exchange under way wants this durable; the `Commit` that makes it so names the note returned."""
        note = Note(chunk, effect)
        self._books.note(note)
        if isinstance(effect, Checkpoint):
            chunk.checkpoint = effect.state
            self._books.checkpoint(chunk, effect, now)
        else:
            self._trouble.told_early(chunk, effect.outcomes, now)
        return note

    def stop(self, now: float) -> None:
        """Take no more rows, finish what is in flight within the grace, commit. May be called more than once."""
        if self._stop_at is None:
            self._stop_at = now + self._settings.grace
            self._books.halt(Unavailable("the run was stopped", hint="run it again to go on"))

    def fail(self, error: Exception) -> None:
        """The source broke off: nothing more comes from it, and nothing more is sent."""
        self._exhausted = True
        self._books.halt(error)

    @property
    def counts(self) -> Counter[Status]:
        """Outcomes so far, by status; only those that are durable."""
        return self._books.counts

    @property
    def halted(self) -> Exception | None:
        """Why the run ended early, if it did."""
        return self._books.halted

    @property
    def resume_at(self) -> float | None:
        """Epoch seconds at which the system will take more, where it said so."""
        return self._books.resume_at

    @property
    def stopped(self) -> bool:
        """Whether somebody asked the run to stop."""
        return self._stop_at is not None

    @property
    def complete(self) -> bool:
        """The source was read to its end and nothing ended the run early."""
        return self._exhausted and self.halted is None

    # --- rows in ---

    def _begin(self, now: float) -> None:
        """Chunks of an earlier execution come first, those of one record one after the other."""
        longest = self._settings.retry.total + self._connector.capabilities.attempt_timeout
        waiting: list[Recovered] = []
        for found in self._unresolved:
            if not self._rows.free(found.batch.changes):
                waiting.append(found)
            elif send := self._trouble.recovered(self._recovered(found), min(now, found.at + longest)):
                self._ready.append(send)
        self._unresolved = tuple(waiting)

    def _recovered(self, found: Recovered) -> Chunk:
        changes = found.batch.changes
        claims, conflicts = self._rows.claim(changes), self._rows.conflicts(changes)
        return Chunk(found.chunk, found.batch, claims, conflicts, in_doubt=True, checkpoint=found.checkpoint)

    def _wanted(self) -> int:
        """How many rows to take now."""
        if self._exhausted or self.stopped:
            return 0
        if self.halted is not None:
            return DRAIN_TAKE if self._settings.drain else 0
        waiting = self._rows.fresh >= self._batch_rows or self._rows.busy >= 2 * self._batch_rows
        return 0 if waiting or not self._room() else max(self._batch_rows, MIN_TAKE)

    def _room(self) -> bool:
        """A few chunks wait ahead of those in flight, no more."""
        return len(self._ready) + self._books.ahead < self._health.limit

    def _taken(self, step: Take, result: Any, now: float) -> None:
        self._exhausted = len(result) < step.count
        changes = [row for row in result if isinstance(row, Change)]
        if len(changes) < len(result):
            self._books.record(None, [row for row in result if isinstance(row, Outcome)], now)
        if self.halted is None:
            self._rows.add(changes)
        else:
            self._books.record(None, unsent(changes, self.halted), now)

    def _pack(self, now: float) -> None:
        while self.halted is None and self._room():
            changes, claims = self._rows.pack(now, partial=self._exhausted)
            if not changes:
                return
            number = next(self._numbers)
            batch = replace(self._blank, changes=changes, token=f"{self._run_token}-{number}")
            self._books.intend(Chunk(number, batch, claims, self._rows.conflicts(changes)), now)

    def _committed(self, step: Commit, error: Exception | None) -> None:
        if error is not None:
            self._books.halt(error)
        self._books.committed(step)
        self._ready.extend(step.chunks)

    # --- sending ---

    def _sendable(self) -> Chunk | None:
        """The first chunk that may go: durable, within the concurrency, locking nothing that is in flight."""
        if len(self._flying) >= self._health.limit:
            return None
        for position, chunk in enumerate(self._ready):
            if all(chunk.conflicts.isdisjoint(other.conflicts) for other in self._flying):
                del self._ready[position]
                return chunk
        return None

    def _send(self, chunk: Chunk) -> Send:
        self._flying[chunk] = None
        if chunk.purpose is Purpose.RECONCILE:
            return Send(chunk, self._around(reconciled(self._connector, chunk.batch)))
        if chunk.purpose is Purpose.RESUME and isinstance(self._connector, BulkWrites):
            exchange = self._connector.resume(chunk.batch, chunk.checkpoint or {})
        else:
            exchange = self._write(chunk.batch)
        return Send(chunk, watched(self._around(exchange), chunk.watch, self._connector))

    def _ended(self, chunk: Chunk, result: Any, now: float) -> None:
        if chunk not in self._flying:
            return  # its time was up; its rows are accounted for as unknown
        del self._flying[chunk]
        self._health.learn(chunk, result, now)
        if chunk.purpose is Purpose.RECONCILE:
            settle = self._trouble.not_looked_up if isinstance(result, BaseException) else self._trouble.looked_up
            settle(chunk, result, now)
        elif isinstance(result, BaseException):
            self._trouble.broke(chunk, result, now)
        else:
            self._trouble.answered(chunk, result, now)

    # --- the end ---

    def _abandon(self, reason: Exception, now: float) -> None:
        """After a halt nothing new is sent; everything that waits gets its outcome."""
        for found in self._unresolved:
            self._trouble.abandon(self._recovered(found), reason, now)
        self._unresolved = ()
        while self._ready:
            self._trouble.abandon(self._ready.popleft(), reason, now)
        if not self._rows.empty:
            self._trouble.abandon_rows(self._rows.drain(), reason, now)
        self._trouble.give_up(now, "the run ended before it was settled", now)
        if self._stop_at is not None and now >= self._stop_at:
            for chunk in self._flying:
                chunk.watch.closed = True
                self._trouble.abandon(chunk, reason, now, sent=True)
            self._flying.clear()

    def _wind_down(self, now: float) -> None:
        """When only parked rows are left, the run waits for them, but not for ever."""
        if self._exhausted and self._trouble.due < float("inf") and self._idle():
            self._ending_since = now if self._ending_since is None else self._ending_since
            self._trouble.give_up(self._ending_since + self._settings.settle_wait, "not settled in time", now)

    def _idle(self) -> bool:
        return not (self._flying or self._ready or self._unresolved or self._books.ahead) and self._rows.empty

    def _over(self) -> bool:
        ending = self._exhausted or self.halted is not None
        return ending and self._idle() and self._books.settled and self._trouble.due == float("inf")

    def _due(self) -> float:
        """When something will have to be done although nothing else happens."""
        due = self._trouble.due
        if self._room():
            due = min(due, self._rows.due)
        if self._stop_at is not None and self._flying:
            due = min(due, self._stop_at)
        return due


def _conflict_key(connector: Connector, object: str) -> Callable[[Change], Hashable | None] | None:
    if type(connector).conflict_key is Connector.conflict_key:
        return None
    return partial(connector.conflict_key, object)


def _write_of(connector: Connector, batch: Batch, settings: Settings) -> Callable[[Batch], Exchange[list[Outcome]]]:
    """How this connector does this write, or why it cannot."""
    can, operation = connector.capabilities, batch.operation
    if operation not in can.operations:
        raise ConfigurationError(f"{connector.name} cannot {operation.value}")
    if settings.bulk_rows:
        if isinstance(connector, BulkWrites):
            return connector.write_bulk
        raise ConfigurationError(f"{connector.name} has no bulk jobs")
    if not batch.key or operation is Operation.INSERT or operation in can.by_key:
        return connector.write
    if operation is Operation.UPSERT or not isinstance(connector, ReadsByKey):
        raise ConfigurationError(f"{connector.name} cannot {operation.value} by a key")
    return partial(aimed, connector)

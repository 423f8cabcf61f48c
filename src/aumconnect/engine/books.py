"""The engine's own bookkeeping: entries on their way to the journal, counts, and why a run ended early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aumconnect.engine.chunks import Chunk
from aumconnect.engine.steps import Commit, Note
from aumconnect.errors import GuardTripped, RateLimited
from aumconnect.events import ChunkSettled, Hook, RunHalted
from aumconnect.journal import Attempted, Checkpointed, Entry, Intent, Outcomes
from aumconnect.outcome import Outcome, Status
from aumconnect.wire import Checkpoint

__all__ = ["Books"]

ENOUGH_ROWS = 100
"""A share of fewer rows than this says nothing."""


class Books:
    """Entries are gathered while a commit is under way and go out together in the next one."""

    def __init__(self, error_rate: float | None, on_event: Hook | None) -> None:
        self.counts: Counter[Status] = Counter()
        self.halted: Exception | None = None
        self.resume_at: float | None = None
        self._error_rate = error_rate
        self._on_event = on_event
        self._entries: list[Entry] = []
        self._intended: list[Chunk] = []
        self._notes: list[Note] = []
        self._committing: Commit | None = None

    @property
    def ahead(self) -> int:
        """Chunks whose intent is not durable yet."""
        return len(self._intended) + (len(self._committing.chunks) if self._committing else 0)

    @property
    def settled(self) -> bool:
        """Nothing waits to be committed, and nothing is being."""
        return not (self._entries or self._notes or self._committing)

    def intend(self, chunk: Chunk, now: float) -> None:
        self._intended.append(chunk)
        self._entries.append(Intent(chunk.number, chunk.batch, now))

    def attempted(self, chunk: Chunk, *, sent: bool, now: float) -> None:
        self._entries.append(Attempted(chunk.number, sent, now))

    def checkpoint(self, chunk: Chunk, effect: Checkpoint, now: float) -> None:
        self._entries.append(Checkpointed(chunk.number, effect.state, now))

    def note(self, note: Note) -> None:
        self._notes.append(note)

    def record(self, chunk: int | None, outcomes: Sequence[Outcome], now: float) -> None:
        """These rows have ended."""
        if outcomes:
            self._entries.append(Outcomes(chunk, outcomes, now))

    def commit(self) -> Commit | None:
        """All that waits, unless a commit is under way."""
        if self._committing is not None or not (self._entries or self._notes):
            return None
        self._committing = Commit(tuple(self._entries), tuple(self._notes), tuple(self._intended))
        self._entries, self._notes, self._intended = [], [], []
        return self._committing

    def committed(self, step: Commit) -> None:
        self._committing = None
        for outcomes in step.outcomes():
            counts = Counter([outcome.status for outcome in outcomes])
            self.counts.update(counts)
            if self._on_event is not None:
                self._on_event(ChunkSettled(counts))
        self._check_error_rate()

    def _check_error_rate(self) -> None:
        if self._error_rate is None or (total := self.counts.total()) < ENOUGH_ROWS:
            return
        bad = self.counts[Status.REJECTED] + self.counts[Status.FAILED]
        if bad > self._error_rate * total:
            self.halt(GuardTripped(f"{bad} of {total} rows were rejected or failed", hint="look at the first of them"))

    def halt(self, error: Exception) -> None:
        """The run takes no more and sends no more; the first reason counts."""
        if self.halted is None:
            self.halted = error
            self.resume_at = error.retry_at if isinstance(error, RateLimited) else None
            if self._on_event is not None:
                self._on_event(RunHalted(error, self.resume_at))

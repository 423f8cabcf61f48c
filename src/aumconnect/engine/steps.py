"""What the engine asks of a pump, one step at a time, and the settings that shape it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aumconnect._retry import RetryPolicy
from aumconnect.engine.chunks import Chunk
from aumconnect.journal import Entry, Outcomes
from aumconnect.outcome import Outcome
from aumconnect.wire import Checkpoint, Exchange, Settled

__all__ = ["Commit", "Done", "Note", "Send", "Settings", "SleepUntil", "Step", "Take"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a user may set about how rows are written. Times are seconds.

    ``parallel`` None means the connector's own. ``error_rate`` (0 to 1) stops a run of at least 100 rows when
    more than this share is rejected or failed; None never does. ``drain`` accounts for the rows after an early
    end as failed, instead of leaving them unread. ``bulk_rows`` sends chunks of that many rows as bulk jobs.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    parallel: int | None = None
    error_rate: float | None = None
    give_up_after: int = 10
    """Sends in a row that the system did not answer sensibly; then it counts as down."""
    settle_wait: float = 120.0
    """How long the end of a run waits for rows nobody told the fate of."""
    grace: float = 10.0
    """How long a stop waits for what is in flight."""
    quota_share: float = 0.9
    allow_duplicates: bool = False
    drain: bool = True
    bulk_rows: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Note:
    """What an exchange wants durable before it goes on."""

    chunk: Chunk = field(repr=False)
    effect: Checkpoint | Settled


@dataclass(frozen=True, slots=True, eq=False)
class Send:
    """Drive ``exchange``; the result is what it returns, or the exception it ends with."""

    chunk: Chunk = field(repr=False)
    exchange: Exchange[Any] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Commit:
    """Make ``entries`` durable; the result is None, or the exception. Then the ``notes`` may go on."""

    entries: tuple[Entry, ...]
    notes: tuple[Note, ...] = ()
    chunks: tuple[Chunk, ...] = field(default=(), repr=False)

    def outcomes(self) -> Iterator[Sequence[Outcome]]:
        """The outcomes among the entries."""
        return (entry.outcomes for entry in self.entries if isinstance(entry, Outcomes))


@dataclass(frozen=True, slots=True)
class Take:
    """Pull up to ``count`` rows from the source; fewer mean its end. The result is the list of them:
    changes, and outcomes of rows that were rejected before. A source that breaks off is told by `Engine.fail`."""

    count: int


@dataclass(frozen=True, slots=True)
class SleepUntil:
    """Nothing to do before ``at`` (infinite: ever), unless a step under way is done first."""

    at: float


@dataclass(frozen=True, slots=True)
class Done:
    """The run is over; see `Engine.counts`, `.halted`, `.resume_at` and `.complete`."""


Step = Send | Commit | Take | SleepUntil | Done

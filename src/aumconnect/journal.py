"""What the engine tells whoever keeps the account: intents before requests leave, outcomes after answers.

`NullJournal` forgets; the durable journal is the ledger of `aumconnect.writeback`. `Journal.commit` returns
only when its entries would survive the death of this machine's process, and, for a ledger, a power cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aumconnect.connector import Batch
from aumconnect.outcome import Outcome

__all__ = ["Attempted", "Checkpointed", "Entry", "Intent", "Journal", "NullJournal", "Outcomes", "Recovered"]


@dataclass(frozen=True, slots=True)
class Intent:
    """This chunk is about to be sent; committed before its first byte leaves. ``at`` is epoch seconds."""

    chunk: int
    batch: Batch
    at: float


@dataclass(frozen=True, slots=True)
class Attempted:
    """The chunk's request ended without settling these rows: ``sent`` says whether it may have arrived.

    Rows of a chunk whose attempt is known not to have been carried out need no reconciling after a crash.
    """

    chunk: int
    sent: bool
    at: float


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Rows that ended. ``chunk`` is None for rows that never went into one (rejected or skipped before)."""

    chunk: int | None
    outcomes: Sequence[Outcome]
    at: float


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """A bulk job of this chunk reached ``state`` (JSON values)."""

    chunk: int
    state: Mapping[str, Any]
    at: float


Entry = Intent | Attempted | Outcomes | Checkpointed


@dataclass(frozen=True, slots=True)
class Recovered:
    """An intent without an outcome, found at the start of a run: what a dead run may have sent.

    ``batch`` holds only the rows still open, with the token of the first time.
    """

    chunk: int
    batch: Batch
    at: float
    checkpoint: Mapping[str, Any] | None = None


class Journal(Protocol):
    """Where the engine's entries go. Called from one thread at a time, never from the event loop's."""

    def commit(self, entries: Sequence[Entry]) -> None:
        """Make all entries durable, in order, or none and raise `LedgerError`."""


class NullJournal:
    """Keeps nothing: unknowns are reconciled in this process, but a crash leaves no trace."""

    def commit(self, entries: Sequence[Entry]) -> None:
        pass

"""What the library tells a hook while it works: telemetry, progress bars and logs hang here.

A hook is any callable of one event. It is called from worker threads too, must be quick and must not
raise. No event holds a body, a header, a query or a credential.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aumconnect.errors import ErrorClass
from aumconnect.outcome import Status

__all__ = ["ChunkSettled", "Event", "Hook", "RequestEnded", "RetryPlanned", "RunHalted"]


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """One attempt. ``status`` is the HTTP status, or None when there was no answer. ``seconds`` is its time."""

    method: str
    url: str
    status: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RetryPlanned:
    """A request will be repeated in ``wait`` seconds, after ``attempt`` attempts. ``cause`` None: no answer."""

    method: str
    url: str
    attempt: int
    wait: float
    cause: ErrorClass | None


@dataclass(frozen=True, slots=True)
class ChunkSettled:
    """Some rows have their outcome: how many of each."""

    counts: Mapping[Status, int]


@dataclass(frozen=True, slots=True)
class RunHalted:
    """The run takes no more rows. ``resume_at`` is epoch seconds where the system said when."""

    error: Exception
    resume_at: float | None


Event = RequestEnded | RetryPlanned | ChunkSettled | RunHalted
Hook = Callable[[Event], None]

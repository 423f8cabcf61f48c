"""What became of one change, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from aumconnect._unguarded import unguarded
from aumconnect.errors import ErrorClass

__all__ = ["NEEDS_ATTENTION", "Outcome", "Problem", "Status"]


class Status(StrEnum):
    """The one word for what became of a record. Every record of a run ends in exactly one."""

    CREATED = "created"
    UPDATED = "updated"
    UPSERTED = "upserted"
    """Written; the system does not say whether it was created or updated."""
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    """Left alone on purpose; ``reason`` says why (a human edit, no match, older than what is there)."""
    REJECTED = "rejected"
    """The system, or our own check before sending, said no for good."""
    FAILED = "failed"
    """Not done; may be tried again."""
    UNKNOWN = "unknown"
    """Sent, no answer, not yet reconciled."""


NEEDS_ATTENTION = frozenset({Status.REJECTED, Status.FAILED, Status.UNKNOWN})
WRITTEN = frozenset({Status.CREATED, Status.UPDATED, Status.UPSERTED, Status.DELETED})


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason: a stable code, the system's own words, and the remote field it is about."""

    code: str
    message: str = field(repr=False)  # may quote a customer's data
    field: str | None = None
    error_class: ErrorClass = ErrorClass.VALIDATION
    column: str | None = None
    """The source column, where the row never left us."""


@unguarded
class Outcome:
    """What became of the change ``ref``.

    ``ref`` is the row's number in its source, counted from 0. ``id`` is the remote record's id where the
    system told it. ``twins`` are the ids of all remote records that share an ambiguous key.
    """

    ref: int
    status: Status
    id: str | None = None
    key: tuple[Any, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    reason: str | None = None
    twins: tuple[str, ...] = ()

    @property
    def error_class(self) -> ErrorClass | None:
        """The class of the first problem; decides whether the engine tries the row again."""
        return self.problems[0].error_class if self.problems else None

    def replace(self, **changes: Any) -> Outcome:
        return replace(self, **changes)

    @classmethod
    def rejected(cls, ref: int, problems: Sequence[Problem], **rest: Any) -> Outcome:
        return cls(ref, Status.REJECTED, problems=tuple(problems), **rest)

    @classmethod
    def failed(cls, ref: int, problem: Problem, **rest: Any) -> Outcome:
        return cls(ref, Status.FAILED, problems=(problem,), **rest)

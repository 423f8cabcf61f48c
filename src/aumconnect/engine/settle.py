"""What an answer about one row means for the row: it is final, it is tried again, or it must be looked up."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from aumconnect.connector import Change, Operation
from aumconnect.engine.aim import NO_MATCH
from aumconnect.engine.chunks import Chunk
from aumconnect.errors import AumconnectError, ErrorClass, ProtocolError, RequestRefused, TransportError
from aumconnect.outcome import Outcome, Problem, Status

__all__ = ["DEFINITE", "PLAIN", "Verdict", "judge", "match", "refusals", "unsent"]

PLAIN = frozenset({Status.CREATED, Status.UPDATED, Status.UPSERTED, Status.DELETED, Status.UNCHANGED, Status.SKIPPED})
"""Outcomes that need no second look when the chunk was answered the first time."""

RETRYABLE = frozenset({ErrorClass.TRANSIENT, ErrorClass.LOCKED, ErrorClass.THROTTLED})
DEFINITE = frozenset(
    {
        ErrorClass.PERMISSION,
        ErrorClass.VALIDATION,
        ErrorClass.DUPLICATE,
        ErrorClass.CONFLICT,
        ErrorClass.NOT_FOUND,
        ErrorClass.AMBIGUOUS_KEY,
    }
)
"""The system understood the request and said no: nothing was written, and nothing will be by asking again."""


class Verdict(Enum):
    FINAL = "final"
    AGAIN = "again"
    DOUBT = "doubt"


def judge(outcome: Outcome, operation: Operation, *, in_doubt: bool, tries: int) -> tuple[Verdict, Outcome]:
    """What to do about a row, and the outcome it has if nothing more is done.

    ``in_doubt``: an earlier attempt may have been carried out. ``tries``: how often the row was tried again.
    """
    if outcome.status is Status.UNKNOWN:
        return Verdict.DOUBT, outcome
    if outcome.status in (Status.FAILED, Status.REJECTED):
        return _judge_refusal(outcome, operation, in_doubt, tries)
    if in_doubt and operation is Operation.UPSERT and outcome.status is Status.UPDATED:
        return Verdict.FINAL, outcome.replace(status=Status.UPSERTED)  # the first attempt may have created it
    if in_doubt and operation is Operation.DELETE and outcome.reason == NO_MATCH:
        return Verdict.FINAL, _deleted(outcome)  # there was a match when it was sent
    return Verdict.FINAL, outcome


def _judge_refusal(  # noqa: PLR0911  (a table in words)
    outcome: Outcome, operation: Operation, in_doubt: bool, tries: int
) -> tuple[Verdict, Outcome]:
    error_class = outcome.error_class
    if error_class is ErrorClass.CONFLICT:
        skipped = outcome.replace(status=Status.SKIPPED, reason="changed by somebody else")
        return (Verdict.DOUBT if in_doubt else Verdict.FINAL), skipped
    if error_class is ErrorClass.DUPLICATE and operation is Operation.UPSERT and not tries:
        return Verdict.AGAIN, outcome  # it lost a race: the winner's record can now be updated
    if error_class is ErrorClass.DUPLICATE and in_doubt:
        return Verdict.DOUBT, outcome
    if error_class is ErrorClass.NOT_FOUND and operation is Operation.DELETE and in_doubt:
        return Verdict.FINAL, _deleted(outcome)
    if outcome.status is Status.REJECTED:
        return Verdict.FINAL, outcome
    if error_class in RETRYABLE:
        return Verdict.AGAIN, outcome
    return (Verdict.DOUBT if in_doubt else Verdict.FINAL), outcome


def _deleted(outcome: Outcome) -> Outcome:
    return Outcome(outcome.ref, Status.DELETED, id=outcome.id, key=outcome.key)


def match(chunk: Chunk, outcomes: Sequence[Outcome]) -> tuple[list[Outcome], ProtocolError | None]:
    """One outcome for each row of ``chunk``, in its order, and the breach of contract if there was one.

    Rows the connector left out, or told of twice, are UNKNOWN; outcomes of other rows are dropped.
    """
    changes = chunk.changes
    if len(outcomes) == len(changes) and all(o.ref == c.ref for o, c in zip(outcomes, changes, strict=True)):
        return list(outcomes), None
    told: dict[int, Outcome] = {}
    twice: set[int] = set()
    for outcome in outcomes:
        twice |= {outcome.ref} & told.keys()
        told[outcome.ref] = outcome
    foreign = told.keys() - {change.ref for change in changes}
    complete = [_unknown(c) if c.ref in twice or c.ref not in told else told[c.ref] for c in changes]
    if not (twice or foreign):
        return complete, None
    return complete, ProtocolError("the system reported on records it was not asked about, or on one of them twice")


def _unknown(change: Change) -> Outcome:
    return Outcome(change.ref, Status.UNKNOWN, id=change.id, key=change.key, reason="the answer left it out")


def problem_of(error: BaseException) -> Problem:
    """An exchange's error as the reason of a row."""
    if isinstance(error, RequestRefused):
        return Problem(error.error_class.value, error.message, error_class=error.error_class)
    message = error.message if isinstance(error, AumconnectError) else "the connector failed"
    if isinstance(error, TransportError):
        return Problem("no-answer" if error.sent else "not-sent", message, error_class=ErrorClass.TRANSIENT)
    return Problem(type(error).__name__, message, error_class=ErrorClass.TRANSIENT)


def refusals(chunk: Chunk, error: RequestRefused) -> list[Outcome]:
    """A refusal of the whole request as one of each row."""
    return [Outcome.rejected(c.ref, [problem_of(error)], id=c.id, key=c.key) for c in chunk.changes]


def unsent(changes: Sequence[Change], error: BaseException, **rest: Any) -> list[Outcome]:
    """FAILED for each row: not done, may be tried again."""
    problem = problem_of(error)
    return [Outcome.failed(change.ref, problem, id=change.id, key=change.key, **rest) for change in changes]

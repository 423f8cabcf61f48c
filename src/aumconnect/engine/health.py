"""What the way a send ended says about the system, whatever it says about the rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aumconnect._limits import Concurrency, QuotaShare
from aumconnect._retry import IN_DOUBT
from aumconnect.engine.books import Books
from aumconnect.engine.chunks import Chunk
from aumconnect.engine.steps import Settings
from aumconnect.errors import (
    AumconnectError,
    AuthenticationError,
    ErrorClass,
    ProtocolError,
    RateLimited,
    RequestRefused,
    TransportError,
    Unavailable,
)
from aumconnect.outcome import Outcome, Status

__all__ = ["Health"]


class Health:
    """How much to send at once, and when to stop sending: too fast, quota, credential, nobody there."""

    def __init__(self, settings: Settings, parallel: int, books: Books) -> None:
        self._concurrency = Concurrency(parallel)
        self._quota = QuotaShare(settings.quota_share)
        self._books = books
        self._patience = max(settings.give_up_after, 2 * parallel)
        self._misses = 0

    @property
    def limit(self) -> int:
        """How many chunks may be in flight."""
        return self._concurrency.limit

    def learn(self, chunk: Chunk, result: Any, now: float) -> None:
        """A send of ``chunk`` ended with ``result``: what its exchange returned, or an exception."""
        error_class = result.error_class if isinstance(result, RequestRefused) else None
        self._pace(throttled=chunk.watch.throttled or error_class is ErrorClass.THROTTLED)
        self._count_miss(missed=isinstance(result, TransportError | ProtocolError) or error_class in IN_DOUBT)
        if chunk.watch.quota is not None and self._quota.spent(*chunk.watch.quota):
            self._books.halt(RateLimited("our share of the account's quota is used up"))
        if isinstance(result, Exception):
            if reason := _halting(result, chunk, now):
                self._books.halt(reason)
        elif isinstance(result, list):
            self._learn_from_rows(result)

    def _pace(self, *, throttled: bool) -> None:
        if throttled:
            self._concurrency.throttled()
        else:
            self._concurrency.answered()

    def _count_miss(self, *, missed: bool) -> None:
        self._misses = self._misses + 1 if missed else 0
        if self._misses >= self._patience:
            self._books.halt(Unavailable("the system does not answer", hint="try again later"))

    def _learn_from_rows(self, outcomes: Sequence[Outcome | None]) -> None:
        """A row may say what a whole answer says elsewhere: too fast, quota used up, credential gone."""
        for error_class in {told.error_class for told in outcomes if told is not None and told.status is Status.FAILED}:
            if error_class is ErrorClass.THROTTLED:
                self._concurrency.throttled()
            elif error_class in _FATAL:
                self._books.halt(_FATAL[error_class]())


_FATAL: dict[ErrorClass | None, Callable[[], AumconnectError]] = {
    ErrorClass.QUOTA: lambda: RateLimited("the account's quota is used up"),
    ErrorClass.AUTH_REFRESH: lambda: AuthenticationError("the system no longer accepts the credential"),
    ErrorClass.AUTH_REVOKED: lambda: AuthenticationError("the system no longer accepts the credential"),
}


def _halting(error: Exception, chunk: Chunk, now: float) -> Exception | None:
    """Why no other send would do better, if none would."""
    if isinstance(error, RequestRefused):
        if error.error_class is ErrorClass.QUOTA and error.retry_after is not None:
            return RateLimited("the account's quota is used up", retry_at=now + error.retry_after)
        reason = _FATAL.get(error.error_class)
        return reason() if reason else None
    if isinstance(error, TransportError):
        return None
    if isinstance(error, ProtocolError) and chunk.watch.doubts(error):
        return None  # one unreadable answer: its rows are unknown, others may fare better
    return error

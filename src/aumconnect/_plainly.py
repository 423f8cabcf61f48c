"""What the refusal of a whole request means to a caller who asked for one thing, not for many rows."""

from __future__ import annotations

from typing import TypeVar

from aumconnect.errors import AumconnectError, ErrorClass, RateLimited, RequestRefused, Unavailable
from aumconnect.wire import Exchange

__all__ = ["plainly"]

T = TypeVar("T")


def plainly(exchange: Exchange[T]) -> Exchange[T]:
    """``exchange``, with refusals that say nothing about its request raised as what they are about.

    `Unavailable` where the system stumbles, is busy or somebody else answers for it; `RateLimited` where an
    allowance is used up. Other refusals stay `RequestRefused`.
    """
    try:
        return (yield from exchange)
    except RequestRefused as refused:
        raise _plain(refused) from refused


def _plain(refused: RequestRefused) -> AumconnectError:
    status = refused.response.status
    match refused.error_class:
        case ErrorClass.TRANSIENT | ErrorClass.UNKNOWN:
            hint = "try again later; if it stays like this, check the connection's URL and what lies in between"
            return Unavailable(f"the system does not answer sensibly (HTTP {status})", hint=hint)
        case ErrorClass.THROTTLED | ErrorClass.LOCKED:
            return Unavailable(f"the system is too busy (HTTP {status})", hint="try again later")
        case ErrorClass.QUOTA:
            return RateLimited("the account's quota is used up", hint="try again when it is renewed")
    return refused

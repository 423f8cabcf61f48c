"""What became of the one mutating request of a write exchange, as seen from outside it."""

from __future__ import annotations

from typing import Any, TypeVar

from aumconnect._relay import relay
from aumconnect._retry import IN_DOUBT
from aumconnect.connector import Connector
from aumconnect.errors import ErrorClass, TransportError, Unavailable
from aumconnect.wire import Effect, Exchange, Request, Response

__all__ = ["Watch", "watched"]

T = TypeVar("T")


class Watch:
    """Filled in by whoever drives a chunk's exchange; read by the engine when the exchange has ended.

    ``in_doubt``: an attempt may have been carried out without our being told. ``accepted``: the last
    answer to a mutating request that looked like success. ``quota``: the account's (used, allowed).
    ``closed``: nobody waits for the end any more, so nothing more may be sent.
    """

    __slots__ = ("accepted", "closed", "in_doubt", "quota", "throttled")

    def __init__(self) -> None:
        self.closed = False
        self.in_doubt = False
        self.throttled = False
        self.accepted: Response | None = None
        self.quota: tuple[int, int] | None = None

    def doubts(self, error: BaseException) -> bool:
        """Whether, after an exchange ended with ``error``, its rows may have been written."""
        return self.in_doubt or (self.accepted is not None and self.accepted is not getattr(error, "response", None))


def watched(exchange: Exchange[T], watch: Watch, connector: Connector) -> Exchange[T]:
    """``exchange``, with ``watch`` looking at every attempt. The outermost layer around a write."""
    reads_quota = type(connector).quota is not Connector.quota

    def each(effect: Effect) -> Exchange[Any]:
        if not isinstance(effect, Request):
            return (yield effect)
        if watch.closed:
            raise Unavailable("the run is over")
        response = yield from _attempt(effect, watch, connector)
        if reads_quota:
            watch.quota = connector.quota(response) or watch.quota
        return response

    return relay(exchange, each)


def _attempt(request: Request, watch: Watch, connector: Connector) -> Exchange[Response]:
    try:
        response: Response = yield request
    except TransportError as lost:
        watch.in_doubt |= lost.sent and not request.safe
        raise
    error_class = connector.classify(response)  # a page that is no answer may come with any status, even 200
    if error_class is not None:
        watch.throttled |= error_class is ErrorClass.THROTTLED
        watch.in_doubt |= error_class in IN_DOUBT and not request.safe
    elif not request.safe:
        watch.accepted = response
    return response

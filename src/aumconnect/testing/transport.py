"""Fakes as transports: the same answers and accidents as over a socket, in virtual time and without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

from aumconnect._clock import AsyncClock, Clock
from aumconnect.errors import TransportError
from aumconnect.testing.clock import VirtualClock
from aumconnect.wire import Delay, Drip, Drop, Fault, Request, Response, Truncate

__all__ = ["AsyncFakeTransport", "FakeTransport"]

HEAD_BYTES = 200  # what a dripping answer sends before its body; round, only its order matters


class FakeTransport:
    """A `Transport` whose other end is a fake (any ``Request -> Response``). Faults become `TransportError`.

    ``clock`` is the fake's own unless given; waiting for a slow answer, or for a deadline, moves it.
    """

    def __init__(self, fake: Callable[[Request], Response], clock: Clock | None = None) -> None:
        self._fake = fake
        self._clock: Clock = clock or getattr(fake, "clock", None) or VirtualClock()

    def send(self, request: Request, *, timeout: float) -> Response:
        response = self._fake(request)
        if seconds := travel_time(response, timeout):
            self._clock.sleep(seconds)
        return arrive(request, response, timeout)

    def close(self) -> None:
        pass


class AsyncFakeTransport:
    """The same as an `AsyncTransport`."""

    def __init__(self, fake: Callable[[Request], Response], clock: AsyncClock | None = None) -> None:
        self._fake = fake
        self._clock = clock or cast("AsyncClock", getattr(fake, "clock", None) or VirtualClock())

    async def send(self, request: Request, *, timeout: float) -> Response:
        response = self._fake(request)
        if seconds := travel_time(response, timeout):
            await self._clock.asleep(seconds)
        return arrive(request, response, timeout)

    async def close(self) -> None:
        pass


def travel_time(response: Response, timeout: float) -> float:
    """The seconds until the caller knows: the answer's, or the deadline's."""
    return min(_seconds(response), timeout)


def arrive(request: Request, response: Response, timeout: float) -> Response:
    """The answer as the caller gets it. Raises `TransportError` where its fault or the deadline ends it."""
    if _seconds(response) > timeout:
        raise TransportError(f"no answer within {timeout:g} s", sent=True)
    _lost(response.fault, len(response.body))
    if request.reply_to is None:
        return replace(response, fault=None)
    request.reply_to.clear()
    request.reply_to.write(response.body)
    return replace(response, body=b"", fault=None)


def _seconds(response: Response) -> float:
    match response.fault:
        case Delay(seconds):
            return seconds
        case Drip(seconds):
            return seconds * (HEAD_BYTES + len(response.body))
    return 0.0


def _lost(fault: Fault | None, size: int) -> None:
    match fault:
        case Drop(sent=False):
            raise TransportError("the connection was refused", sent=False)
        case Drop():
            raise TransportError("the connection ended without an answer", sent=True)
        case Truncate(kept) if kept < size:
            raise TransportError("the connection ended inside the answer", sent=True)

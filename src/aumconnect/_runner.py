"""Runners perform the effects of exchanges: one blocking, one on an event loop. They know no vendor.

Every attempt passes the `Gate` first: may this request go there, now, and how long may it take?
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from aumconnect._clock import SYSTEM_CLOCK, AsyncClock, Clock
from aumconnect._limits import RateLimit
from aumconnect.connector import Origins
from aumconnect.errors import ProtocolError, RateLimited, Unavailable
from aumconnect.events import Hook, RequestEnded
from aumconnect.transport import AsyncTransport, Transport
from aumconnect.wire import Checkpoint, Effect, Exchange, Exclusive, Request, Response, Settled, Wait

__all__ = ["AsyncRunner", "AsyncSink", "Gate", "Runner", "Sink"]

T = TypeVar("T")
Sink = Callable[[Checkpoint | Settled], None]
"""Takes what an exchange wants on record; returns when it is durable."""
AsyncSink = Callable[[Checkpoint | Settled], Awaitable[None]]

_DEFAULT_PORTS = {"https": 443, "http": 80}


@lru_cache(maxsize=1024)
def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of an absolute http(s) URL, in lower case and without a default port.

    Raises `ProtocolError` for anything else, and for a URL that hides its host behind ``user@``.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ProtocolError("a request URL cannot be read") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or "\\" in parts.netloc:
        raise ProtocolError("a request URL is not a plain http(s) URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, _DEFAULT_PORTS[parts.scheme]) else "")


class Gate:
    """What every attempt must pass: the fence, the origin lock, the deadline and the limits.

    ``fence`` raises when this run has lost its right to write (`LedgerError`). ``deadline`` is a time on the
    clock whose ``now`` is handed in. ``patience`` is the longest wait, in seconds, for a limit to give way.
    """

    def __init__(
        self,
        origins: Origins | None = None,
        *,
        attempt_timeout: float = 60.0,
        deadline: float | None = None,
        limits: Sequence[RateLimit] = (),
        fence: Callable[[], None] | None = None,
        patience: float = 300.0,
    ) -> None:
        self._exact = None if origins is None else frozenset(origin_of(origin) for origin in origins.exact)
        self._announced = re.compile(origins.announced) if origins is not None and origins.announced else None
        self._attempt_timeout = attempt_timeout
        self._deadline = deadline
        self._limits = tuple(limits)
        self._fence = fence
        self._patience = patience

    def admit(self, request: Request, now: float) -> float:
        """0 when ``request`` may go now, else how many seconds to wait before asking again.

        Raises `ProtocolError` for a foreign origin, `Unavailable` past the deadline, `RateLimited` when a limit
        wants more patience than there is, and whatever the fence raises. Nothing has been sent then.
        """
        self._check_origin(request.url)
        if self._deadline is not None and now >= self._deadline:
            raise Unavailable("the time for this run is over")
        for limit in self._limits:
            free_at = limit.reserve(now)
            if free_at:
                return self._wait(free_at - now)
        if self._fence is not None and not request.safe:
            self._fence()
        return 0.0

    def timeout(self, request: Request, now: float) -> float:
        """The seconds one attempt may take, connect to last byte."""
        own = self._attempt_timeout if request.timeout is None else request.timeout
        return own if self._deadline is None else min(own, self._deadline - now)

    def _check_origin(self, url: str) -> None:
        if self._exact is None:
            return
        origin = origin_of(url)
        if origin not in self._exact and not (self._announced and self._announced.fullmatch(origin)):
            raise ProtocolError(
                "a request to a foreign host was refused before anything was sent",
                hint="a link or redirect of the system points away from it; check the connection's URL",
            )

    def _wait(self, seconds: float) -> float:
        if seconds > self._patience:
            raise RateLimited(f"the agreed rate leaves no room for another {seconds:.0f} s")
        return seconds


class Runner:
    """Drives exchanges by blocking. One serves any number of threads; each exchange stays in one."""

    def __init__(
        self,
        transport: Transport,
        *,
        gate: Gate | None = None,
        clock: Clock = SYSTEM_CLOCK,
        on_event: Hook | None = None,
    ) -> None:
        self._transport = transport
        self._gate = gate or Gate()
        self._clock = clock
        self._on_event = on_event
        self._locks: dict[Hashable, threading.Lock] = {}

    def behind(self, gate: Gate) -> Runner:
        """The same runner, its connections and locks, behind another gate."""
        other = Runner(self._transport, gate=gate, clock=self._clock, on_event=self._on_event)
        other._locks = self._locks
        return other

    def run(self, exchange: Exchange[T], sink: Sink | None = None) -> T:
        """Perform every effect of ``exchange`` and return what it returns.

        Errors of an effect are thrown in where it was yielded. KeyboardInterrupt and SystemExit are not: they
        close the exchange and pass. ``sink`` gets `Checkpoint` and `Settled`; without one they are dropped.
        """
        with closing(exchange):
            resume: Callable[[Any], Effect] = exchange.send
            result: Any = None
            try:
                while True:
                    effect = resume(result)
                    try:
                        result, resume = self._perform(effect, sink), exchange.send
                    except Exception as error:  # noqa: BLE001  (thrown in where it belongs)
                        result, resume = error, exchange.throw
            except StopIteration as end:
                value: T = end.value
                return value

    def _perform(self, effect: Effect, sink: Sink | None) -> Any:
        match effect:
            case Request():
                return self._send(effect)
            case Wait(seconds):
                self._clock.sleep(seconds)
            case Exclusive(key, inner):
                with self._locks.setdefault(key, threading.Lock()):
                    return self.run(inner, sink)
            case Checkpoint() | Settled():
                if sink is not None:
                    sink(effect)
            case _:
                raise TypeError(f"an exchange yielded {type(effect).__name__}, which is not an effect")
        return None

    def _send(self, request: Request) -> Response:
        while seconds := self._gate.admit(request, self._clock.now()):
            self._clock.sleep(seconds)
        with _observed(request, self._clock, self._on_event) as observed:
            timeout = self._gate.timeout(request, observed.started)
            observed.response = self._transport.send(request, timeout=timeout)
        return observed.response


class AsyncRunner:
    """The same on an event loop; one serves any number of tasks of that loop."""

    def __init__(
        self,
        transport: AsyncTransport,
        *,
        gate: Gate | None = None,
        clock: AsyncClock = SYSTEM_CLOCK,
        on_event: Hook | None = None,
    ) -> None:
        self._transport = transport
        self._gate = gate or Gate()
        self._clock = clock
        self._on_event = on_event
        self._locks: dict[Hashable, asyncio.Lock] = {}

    async def run(self, exchange: Exchange[T], sink: AsyncSink | None = None) -> T:
        """As `Runner.run`; a cancellation closes the exchange and passes."""
        with closing(exchange):
            resume: Callable[[Any], Effect] = exchange.send
            result: Any = None
            try:
                while True:
                    effect = resume(result)
                    try:
                        result, resume = await self._perform(effect, sink), exchange.send
                    except Exception as error:  # noqa: BLE001  (thrown in where it belongs)
                        result, resume = error, exchange.throw
            except StopIteration as end:
                value: T = end.value
                return value

    async def _perform(self, effect: Effect, sink: AsyncSink | None) -> Any:
        match effect:
            case Request():
                return await self._send(effect)
            case Wait(seconds):
                await self._clock.asleep(seconds)
            case Exclusive(key, inner):
                async with self._locks.setdefault(key, asyncio.Lock()):
                    return await self.run(inner, sink)
            case Checkpoint() | Settled():
                if sink is not None:
                    await sink(effect)
            case _:
                raise TypeError(f"an exchange yielded {type(effect).__name__}, which is not an effect")
        return None

    async def _send(self, request: Request) -> Response:
        while seconds := self._gate.admit(request, self._clock.now()):
            await self._clock.asleep(seconds)
        with _observed(request, self._clock, self._on_event) as observed:
            timeout = self._gate.timeout(request, observed.started)
            observed.response = await self._transport.send(request, timeout=timeout)
        return observed.response


class _Observed:
    response: Response

    def __init__(self, started: float) -> None:
        self.started = started


@contextmanager
def _observed(request: Request, clock: Clock | AsyncClock, on_event: Hook | None) -> Iterator[_Observed]:
    """Tell the hook about one attempt, however it ends."""
    observed = _Observed(clock.now())
    try:
        yield observed
    finally:
        if on_event is not None:
            response = getattr(observed, "response", None)
            status = None if response is None else response.status
            url = request.url.partition("?")[0]
            on_event(RequestEnded(request.method, url, status, clock.now() - observed.started))

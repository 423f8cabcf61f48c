"""`Transport` and `AsyncTransport` over HTTP/1.1.

Below `httpx.Client` there are no redirects, no cookies, no proxies from the environment and no logged URLs.
Whoever sends borrows an idle line or opens another, so that there are as many as requests in flight; they
share one TLS context.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Hashable
from contextlib import aclosing, closing
from contextvars import ContextVar
from typing import Generic, TypedDict, TypeVar, Unpack, cast

import httpx

from aumconnect._http.connecting import AsyncLine, Line, Options, is_reusable
from aumconnect._http.failures import Limits, failure_of
from aumconnect._http.messages import Incoming, Target, outgoing, target_of
from aumconnect._http.tls import ClientCertificate, Verify
from aumconnect.wire import Request, Response

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]

L = TypeVar("L")


class _IdleLines(Generic[L]):
    """Lines nobody uses just now, by origin. Those opened in another process or event loop are forgotten."""

    def __init__(self, home: Hashable = None) -> None:
        self._home = home
        self._idle: dict[str, deque[L]] = {}

    def take(self, origin: str, home: Hashable) -> L | None:
        """The line used last, for its connection is the likeliest to be alive."""
        if home != self._home:
            self._home, self._idle = home, {}
        try:
            return self._idle[origin].pop()
        except (KeyError, IndexError):
            return None

    def give_back(self, origin: str, line: L) -> None:
        self._idle.setdefault(origin, deque()).append(line)

    def take_all(self) -> list[L]:
        lines = [line for idle in self._idle.values() for line in idle]
        self._idle = {}
        return lines


class TransportOptions(TypedDict, total=False):
    """What `HTTPTransport` and `AsyncHTTPTransport` take."""

    proxy: str | None
    verify: Verify
    cert: ClientCertificate | None
    trust_env: bool
    connect_timeout: float
    max_body: int
    max_spool: int


class _Base:
    def __init__(self, **options: Unpack[TransportOptions]) -> None:
        self._options = Options(**options)
        self._closed = False

    def _incoming(self, request: Request, reply: httpx.Response, target: Target) -> Incoming:
        where = f"{request.method} {target.origin}"
        return Incoming(request, reply, max_body=self._options.max_body, max_spool=self._options.max_spool, where=where)

    def _limits(self, timeout: float) -> Limits:
        if self._closed:
            raise RuntimeError("this transport has been closed")
        return Limits(timeout, self._options.connect_timeout)


# At DEBUG httpcore logs the header fields of every answer. What it logs while a request of ours is on is dropped.
_SENDING: ContextVar[bool] = ContextVar("aumconnect_sending", default=False)


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _SENDING.get()


for _name in ("httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_NotOurs())


class HTTPTransport(_Base):
    """`Transport` over HTTP/1.1 and TLS 1.2 or newer; any number of threads may send at once.

    ``proxy`` is ``http://[user:password@]host:port``; ``trust_env=True`` takes it from the environment
    instead (``HTTPS_PROXY``, ``NO_PROXY``). ``verify`` names a private certificate authority, ``cert`` a
    client certificate. ``connect_timeout`` (seconds) includes the TLS handshake. An answer may have
    ``max_body`` bytes, ``max_spool`` when its request has ``reply_to``, on the wire and unpacked; its
    header 100 KiB. Only a success goes to ``reply_to``: other answers are kept in memory to be understood.

    Raises `ConfigurationError` for options that cannot work.
    """

    def __init__(self, **options: Unpack[TransportOptions]) -> None:
        super().__init__(**options)
        self._idle: _IdleLines[Line] = _IdleLines(os.getpid())

    def send(self, request: Request, *, timeout: float) -> Response:
        """See `Transport.send`."""
        limits = self._limits(timeout)
        target = target_of(request)
        line = self._idle.take(target.origin, os.getpid()) or self._options.open(target)
        line.deadline.start(*limits)
        try:
            response = self._converse(line, request, target)
        except httpx.TransportError as error:
            failure = failure_of(error, f"{request.method} {target.origin}", limits)
        except BaseException:
            line.pool.close()
            raise
        else:
            self._put_away(line, target)
            return response
        line.pool.close()
        raise failure  # out here, so that nothing of httpx's hangs on it

    def _converse(self, line: Line, request: Request, target: Target) -> Response:
        quiet = _SENDING.set(True)
        try:
            reply = line.transport.handle_request(outgoing(request, target))
            incoming = self._incoming(request, reply, target)
            with closing(cast(httpx.SyncByteStream, reply.stream)) as stream:
                for chunk in stream:
                    incoming.feed(chunk)
            return incoming.response()
        finally:
            _SENDING.reset(quiet)

    def _put_away(self, line: Line, target: Target) -> None:
        if self._closed or not is_reusable(line.pool):
            line.pool.close()
        else:
            self._idle.give_back(target.origin, line)

    def close(self) -> None:
        """Close every idle connection; those in use are closed when their answer is in."""
        self._closed = True
        for line in self._idle.take_all():
            line.pool.close()


class AsyncHTTPTransport(_Base):
    """`AsyncTransport`; the options are those of `HTTPTransport`."""

    def __init__(self, **options: Unpack[TransportOptions]) -> None:
        super().__init__(**options)
        self._idle: _IdleLines[AsyncLine] = _IdleLines()

    async def send(self, request: Request, *, timeout: float) -> Response:
        """See `Transport.send`."""
        limits = self._limits(timeout)
        target = target_of(request)
        home = (os.getpid(), asyncio.get_running_loop())
        line = self._idle.take(target.origin, home) or self._options.open_async(target)
        line.deadline.start(*limits)
        try:
            response = await self._converse(line, request, target)
        except httpx.TransportError as error:
            failure = failure_of(error, f"{request.method} {target.origin}", limits)
        except BaseException:
            await line.pool.aclose()
            raise
        else:
            await self._put_away(line, target)
            return response
        await line.pool.aclose()
        raise failure  # out here, so that nothing of httpx's hangs on it

    async def _converse(self, line: AsyncLine, request: Request, target: Target) -> Response:
        quiet = _SENDING.set(True)
        try:
            reply = await line.transport.handle_async_request(outgoing(request, target))
            incoming = self._incoming(request, reply, target)
            async with aclosing(cast(httpx.AsyncByteStream, reply.stream)) as stream:
                async for chunk in stream:
                    incoming.feed(chunk)
            return incoming.response()
        finally:
            _SENDING.reset(quiet)

    async def _put_away(self, line: AsyncLine, target: Target) -> None:
        if self._closed or not is_reusable(line.pool):
            await line.pool.aclose()
        else:
            self._idle.give_back(target.origin, line)

    async def close(self) -> None:
        """Close every idle connection; those in use are closed when their answer is in."""
        self._closed = True
        for line in self._idle.take_all():
            await line.pool.aclose()

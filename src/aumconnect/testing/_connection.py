"""One HTTP/1.1 connection of the emulator (RFC 9112, by h11): requests come out, answers and their faults go in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

import h11

from aumconnect.wire import Delay, Drip, Drop, Headers, Request, Response, Truncate

__all__ = ["Connection", "HangUp", "Limits", "Pace"]

LINGER_SECONDS = 1.0
LINGER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one peer may ask of us. Sizes are bytes, ``idle`` is seconds between two pieces of input."""

    head: int = 64 << 10
    body: int = 160 << 20  # a Bulk API job may carry 150 MB
    idle: float = 75.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How a fault's seconds become real ones: multiplied by ``scale``, each pause at most ``longest`` seconds."""

    scale: float = 1.0
    longest: float = 60.0

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds * self.scale, self.longest))


class HangUp(Exception):
    """The connection shall end now, without another byte."""


class Connection:
    """Answers requests on one socket, one after the other, until either side has had enough."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        limits: Limits,
        pace: Pace,
        secure: bool = False,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._limits, self._pace = limits, pace
        self._scheme = "https" if secure else "http"
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head)

    async def converse(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        """Let ``answer`` meet every request. Returns when the connection is closed; only ``answer`` can raise."""
        try:
            while (request := await self._receive()) is not None:
                await self._send(await answer(request), head_only=request.method == "HEAD")
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._refuse(error.error_status_hint)
        except (HangUp, OSError, TimeoutError):
            pass
        finally:
            self._writer.close()

    # --- in ---

    async def _receive(self) -> Request | None:
        """The next whole request; None when the peer has closed. Raises `h11.RemoteProtocolError` for nonsense."""
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            if len(body) > self._limits.body:
                raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
        headers = Headers((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers.raw_items())
        return Request(head.method.decode("ascii"), self._url(head.target, headers), headers, bytes(body))

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            async with asyncio.timeout(self._limits.idle):
                self._http.receive_data(await self._reader.read(1 << 16))
        return event

    def _url(self, target: bytes, headers: Headers) -> str:
        """The absolute URL that was asked for (RFC 9112 §3.3)."""
        text = target.decode("latin-1")
        if text.startswith(("http://", "https://")):
            return text
        if not text.startswith("/"):
            raise h11.RemoteProtocolError("the request target is no path")
        return f"{self._scheme}://{headers.get('host', '')}{text}"

    # --- out ---

    async def _send(self, response: Response, *, head_only: bool) -> None:
        fault = response.fault
        if isinstance(fault, Drop):
            raise HangUp
        if isinstance(fault, Delay):
            await self._pace.pause(fault.seconds)
        message = self._http.send(_head(response))
        body = b"" if head_only else response.body
        if isinstance(fault, Truncate):
            await self._write(message + (self._http.send(h11.Data(data=body[: fault.size])) or b""))
            raise HangUp
        message += (self._http.send(h11.Data(data=body)) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        if isinstance(fault, Drip):
            await self._drip(message, fault.seconds)
        else:
            await self._write(message)

    async def _write(self, data: bytes | None) -> None:
        self._writer.write(data or b"")
        await self._writer.drain()

    async def _drip(self, data: bytes, seconds: float) -> None:
        for position in range(len(data)):
            await self._write(data[position : position + 1])
            await self._pace.pause(seconds)

    async def _refuse(self, status: int) -> None:
        """Say why not, then close in a way that lets the peer read it (RFC 9112 §9.6)."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        reason = HTTPStatus(status).phrase.encode()
        headers = Headers({"Connection": "close", "Content-Type": "text/plain; charset=utf-8"})
        try:
            await self._send(Response(status, headers, reason), head_only=False)
            await self._linger()
        except (OSError, TimeoutError, HangUp):
            pass

    async def _linger(self) -> None:
        """Read on for a moment: closing a socket with unread input would take our last answer back."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        discarded = 0
        async with asyncio.timeout(LINGER_SECONDS):
            while discarded < LINGER_BYTES and (piece := await self._reader.read(1 << 16)):
                discarded += len(piece)


def _head(response: Response) -> h11.Response:
    """Status line and header fields, with Date and the body's length where the fake does not say otherwise."""
    fields = list(response.headers.pairs())
    if "date" not in response.headers:
        fields.append(("Date", formatdate(usegmt=True)))
    if not {"content-length", "transfer-encoding"} & set(response.headers) and response.status not in (204, 304):
        fields.append(("Content-Length", str(len(response.body))))
    return h11.Response(status_code=response.status, headers=fields, reason=_phrase(response.status))


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""

"""Sockets held to one deadline: whatever the peer does, an attempt ends when its time is up.

httpx's timeouts count from one byte to the next, so a peer that drips keeps a request alive for ever. Here
every connect, handshake, read and write of an attempt is cut to what is left of its total time. The seam is
``httpcore.ConnectionPool(network_backend=…)``.
"""

from __future__ import annotations

import queue
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore
from httpcore import SOCKET_OPTION

__all__ = ["AsyncDeadlineBackend", "Deadline", "DeadlineBackend"]


class Deadline:
    """When the present attempt ends, and by when it must be connected; set anew for each request on a connection."""

    __slots__ = ("_at", "_connected_by")

    def __init__(self) -> None:
        self._at = self._connected_by = float("inf")

    def start(self, total: float, connect: float) -> None:
        """Begin an attempt of at most ``total`` seconds, ``connect`` of them until a connection is up."""
        now = time.monotonic()
        self._at = now + total
        self._connected_by = now + min(total, connect)

    def left(self, expired: type[httpcore.TimeoutException]) -> float:
        """Seconds left of the attempt; raises ``expired`` when there are none."""
        return _positive(self._at - time.monotonic(), expired)

    def left_to_connect(self) -> float:
        return _positive(self._connected_by - time.monotonic(), httpcore.ConnectTimeout)


def _positive(seconds: float, expired: type[httpcore.TimeoutException]) -> float:
    if seconds <= 0:
        raise expired
    return seconds


# --- blocking --------------------------------------------------------------------------------------------


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens blocking connections that keep to ``deadline``."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises `httpcore.ConnectError` and `httpcore.ConnectTimeout`. The other arguments are never given."""
        try:
            addresses = _resolve(host, port, self._deadline.left_to_connect())
            return _Stream(self._connect(addresses), self._deadline)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None
        except OSError as error:
            raise httpcore.ConnectError from error

    def _connect(self, addresses: list[Any]) -> socket.socket:
        """The first address that answers; each but the last gets half of the time left."""
        for family, kind, protocol, _, address in addresses[:-1]:
            try:
                return _dial(family, kind, protocol, address, self._deadline.left_to_connect() / 2)
            except OSError:
                continue
        family, kind, protocol, _, address = addresses[-1]
        return _dial(family, kind, protocol, address, self._deadline.left_to_connect())


def _dial(family: int, kind: int, protocol: int, address: Any, seconds: float) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(seconds)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(host: str, port: int, seconds: float) -> list[Any]:
    """What `socket.getaddrinfo` says, asked on a thread of its own because it takes no timeout."""
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            answers.put(error)

    threading.Thread(target=ask, name="aumconnect-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError):
        raise answer
    return answer


class _Corked:
    """Keeps a small write back until the next, so that header and body leave in one packet.

    httpcore writes the header, the body in pieces, and an empty piece at the end.
    """

    SMALL = 8192  # bytes
    _kept = b""

    def _whole(self, buffer: bytes) -> bytes:
        """What to send now: everything kept so far with ``buffer``, or nothing yet."""
        whole, self._kept = self._kept + buffer, b""
        if buffer and len(whole) < self.SMALL:
            self._kept, whole = whole, b""
        return whole


class _Stream(_Corked, httpcore.NetworkStream):
    """Few calls let other threads run in between: each of them may have to wait for its turn again."""

    SLACK = 0.05  # seconds by which a timeout may be later than the deadline

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._socket = sock
        self._deadline = deadline
        self._timeout = 0.0
        self._just_read = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._just_read = True
        self._limit(self._deadline.left(httpcore.ReadTimeout))
        try:
            return self._socket.recv(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout from None
        except OSError as error:
            raise httpcore.ReadError from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        rest = memoryview(self._whole(buffer))
        while rest:
            self._limit(self._deadline.left(httpcore.WriteTimeout))
            try:
                rest = rest[self._socket.send(rest) :]
            except TimeoutError:
                raise httpcore.WriteTimeout from None
            except OSError as error:
                raise httpcore.WriteError from error

    def _limit(self, left: float) -> None:
        if not left <= self._timeout <= left + self.SLACK:
            self._timeout = left
            self._socket.settimeout(left)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The handshake as a whole keeps to the deadline: `ssl` counts a socket's timeout over all of it."""
        try:
            self._socket.settimeout(self._deadline.left_to_connect())
            return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname), self._deadline)
        except TimeoutError:
            self.close()
            raise httpcore.ConnectTimeout from None
        except OSError as error:
            self.close()
            raise httpcore.ConnectError from error

    def get_extra_info(self, info: str) -> Any:
        """What the pool asks for: the TLS session, and whether an idle connection has something to say."""
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        if info == "is_readable":
            return self._has_something_to_say()
        return None

    def _has_something_to_say(self) -> bool:
        """The pool asks twice a request: when an answer is in, which we know, and before the next goes out."""
        if self._just_read:
            self._just_read = False
            return False
        return _is_readable(self._socket)


def _is_readable(sock: socket.socket) -> bool:
    """Whether a read would return at once: on an idle connection, the peer has closed it."""
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()  # unlike select, it takes file numbers above 1,023
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


# --- event loop ------------------------------------------------------------------------------------------


class AsyncDeadlineBackend(httpcore.AsyncNetworkBackend):
    """Opens connections on the event loop that keep to ``deadline``."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `httpcore.ConnectError` and `httpcore.ConnectTimeout`. The other arguments are never given."""
        return _AsyncStream(
            await self._backend.connect_tcp(host, port, timeout=self._deadline.left_to_connect()), self._deadline
        )


class _AsyncStream(_Corked, httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, self._deadline.left(httpcore.ReadTimeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        whole = self._whole(buffer)
        if whole:
            await self._stream.write(whole, self._deadline.left(httpcore.WriteTimeout))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        left = self._deadline.left_to_connect()
        return _AsyncStream(await self._stream.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

"""A fake served over real HTTP, on its own thread, with its faults happening on the socket.

::

    with serve(FakeSalesforce()) as emulator:
        client = aum.Client(f"salesforce+{emulator.url}", auth=…)

Under ``/__emulator__/`` it shows its records and what was asked of it; see `aumconnect.testing._page`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict, Unpack

from aumconnect.errors import ConfigurationError
from aumconnect.testing._connection import Connection, Limits, Pace
from aumconnect.testing._page import PREFIX, Mishaps, Page, RequestLog, Views
from aumconnect.wire import Headers, Request, Response

__all__ = ["Emulator", "Limits", "Pace", "Settings", "run", "serve"]

log = logging.getLogger(__name__)

Fake = Callable[[Request], Response]


class Settings(TypedDict, total=False):
    """Options of `serve` and `run`.

    ``certfile`` and ``keyfile`` (PEM) turn TLS on. ``latency`` are seconds before every answer. ``pace`` says
    how long a fault's seconds are in reality, ``limits`` what one peer may ask of us.
    """

    certfile: str | Path | None
    keyfile: str | Path | None
    latency: float
    pace: Pace
    limits: Limits


class Emulator:
    """A fake and the socket it answers on.

    ``url`` is its origin (``http://127.0.0.1:49152``). ``lock`` is held during every call of the fake: take
    it to look at the fake's state while requests may come in. ``failures`` are exceptions the fake raised,
    each answered with HTTP 500.
    """

    def __init__(
        self,
        fake: Fake,
        host: str = "127.0.0.1",
        port: int = 0,
        **settings: Unpack[Settings],
    ) -> None:
        if unknown := sorted(set(settings) - Settings.__optional_keys__):
            raise TypeError(f"serve() takes no option {unknown[0]!r}")
        self.fake = fake
        self.lock = getattr(fake, "lock", None) or threading.RLock()
        self.failures: list[Exception] = []
        self._latency = settings.get("latency", 0.0)
        self._pace, self._limits = settings.get("pace", Pace()), settings.get("limits", Limits())
        self._tls = _server_tls(settings.get("certfile"), settings.get("keyfile"))
        self._listener = _listen(host, port)
        self.url = _origin(self._listener, secure=self._tls is not None)
        self._log = RequestLog()
        self._mishaps = Mishaps(fake)
        self._page = Page(Views(fake, self._log, self._mishaps), host)
        self._stop = asyncio.Event()
        self._connections: set[asyncio.Task[Any]] = set()

    async def serve(self) -> None:
        """Answer until cancelled or `stop` is called from this loop."""
        server = await asyncio.start_server(self._connected, sock=self._listener, ssl=self._tls)
        try:
            await self._stop.wait()
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await server.wait_closed()

    def stop(self) -> None:
        self._stop.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        connection = Connection(reader, writer, limits=self._limits, pace=self._pace, secure=self._tls is not None)
        try:
            await connection.converse(self._answer)
        except Exception as error:  # noqa: BLE001  (an answer that is no HTTP: a mistake in the fake)
            self._failed(error)
        except asyncio.CancelledError:
            pass  # by `serve`, which waits for us; asyncio would log it
        finally:
            self._connections.discard(task)

    async def _answer(self, request: Request) -> Response:
        if _path(request).startswith(PREFIX):
            with self.lock:
                return self._page(request)
        if self._latency:
            await asyncio.sleep(self._latency)
        started = time.perf_counter()
        with self.lock:
            response = self._ask_fake(request)
            self._log.add(request, response, seconds=time.perf_counter() - started)
        return response

    def _ask_fake(self, request: Request) -> Response:
        try:
            return self._mishaps(request)
        except Exception as error:  # noqa: BLE001  (whatever it is, the client gets an answer and `serve` raises it)
            self._failed(error)
            return Response(500, Headers({"Content-Type": "text/plain"}), b"the fake failed; see the emulator's log")

    def _failed(self, error: Exception) -> None:
        log.error("the fake failed", exc_info=error)
        self.failures.append(error)


@contextlib.contextmanager
def serve(fake: Fake, host: str = "127.0.0.1", port: int = 0, **settings: Unpack[Settings]) -> Iterator[Emulator]:
    """Serve ``fake`` from a thread of its own while the block runs. See `Settings` for the options.

    Port 0 takes a free one. Raises `ConfigurationError` when the address is taken, and at the end of the block
    an `ExceptionGroup` of whatever the fake raised, so that no test passes on a broken fake.
    """
    emulator = Emulator(fake, host, port, **settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run_loop, args=(loop, emulator), name="aumconnect-emulator", daemon=True)
    thread.start()
    try:
        yield emulator
    finally:
        loop.call_soon_threadsafe(emulator.stop)
        thread.join()
        loop.close()
    if emulator.failures:
        raise ExceptionGroup("the fake raised", emulator.failures)


def run(
    fake: Fake,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[str], None] | None = None,
    **settings: Unpack[Settings],
) -> None:
    """Serve ``fake`` until Ctrl-C. ``ready`` is told the URL once connections are accepted."""
    emulator = Emulator(fake, host, port, **settings)
    if ready:
        ready(emulator.url)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(emulator.serve())


def _run_loop(loop: asyncio.AbstractEventLoop, emulator: Emulator) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(emulator.serve())
    loop.run_until_complete(loop.shutdown_asyncgens())


def _path(request: Request) -> str:
    return "/" + request.url.partition("://")[2].partition("/")[2]


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises `ConfigurationError` for an address that is taken or not ours."""
    if not host:
        raise ConfigurationError("no host would mean every network interface", hint="name one, such as 127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {reason}", hint="choose another port; 0 takes a free one"
        ) from error


def _origin(listener: socket.socket, *, secure: bool) -> str:
    """``scheme://address:port`` under which this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    shown = f"[{address}]" if address.version == 6 else str(address)
    return f"{'https' if secure else 'http'}://{shown}:{port}"


def _server_tls(certfile: str | Path | None, keyfile: str | Path | None) -> ssl.SSLContext | None:
    if certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    return context

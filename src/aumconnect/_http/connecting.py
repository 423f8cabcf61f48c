"""How a line to an origin is opened: through which proxy, trusting whom, held to which deadline."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from urllib.request import getproxies, proxy_bypass

import h11
import httpcore
import httpx

from aumconnect._http.deadline import AsyncDeadlineBackend, Deadline, DeadlineBackend
from aumconnect._http.messages import Target
from aumconnect._http.tls import ClientCertificate, Verify, context_for
from aumconnect.errors import ConfigurationError

__all__ = ["AsyncLine", "Line", "Options", "is_reusable"]

KEEP_ALIVE = 4.0  # seconds; few servers close an idle connection sooner than after five


class _PoolTransport(httpx.HTTPTransport):
    """httpx's transport over a pool of ours; its own constructor does not pass a ``network_backend`` on."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool


class _AsyncPoolTransport(httpx.AsyncHTTPTransport):
    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool


class Line(NamedTuple):
    """At most one connection to one origin, carrying one request at a time."""

    transport: httpx.HTTPTransport
    pool: httpcore.ConnectionPool
    deadline: Deadline


class AsyncLine(NamedTuple):
    """The same on an event loop."""

    transport: httpx.AsyncHTTPTransport
    pool: httpcore.AsyncConnectionPool
    deadline: Deadline


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to connect, and how much of an answer to take; `HTTPTransport` says what each means."""

    proxy: str | None = None
    verify: Verify = True
    cert: ClientCertificate | None = None
    trust_env: bool = False
    connect_timeout: float = 10.0  # seconds
    max_body: int = 32 << 20  # bytes
    max_spool: int = 8 << 30

    def __post_init__(self) -> None:
        """Raises `ConfigurationError` now for what would fail at the first request."""
        if self.proxy is not None:
            _proxy(self.proxy)
        if self.verify is not True or self.cert is not None:
            _ = self.tls

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return context_for(self.verify, self.cert)

    def open(self, target: Target) -> Line:
        deadline = Deadline()
        options = self._pool_options(target) | {"network_backend": DeadlineBackend(deadline)}
        pool = httpcore.HTTPProxy(**options) if "proxy_url" in options else httpcore.ConnectionPool(**options)
        return Line(_PoolTransport(pool), pool, deadline)

    def open_async(self, target: Target) -> AsyncLine:
        deadline = Deadline()
        options = self._pool_options(target) | {"network_backend": AsyncDeadlineBackend(deadline)}
        pool = httpcore.AsyncHTTPProxy(**options) if "proxy_url" in options else httpcore.AsyncConnectionPool(**options)
        return AsyncLine(_AsyncPoolTransport(pool), pool, deadline)

    def _pool_options(self, target: Target) -> dict[str, Any]:
        options: dict[str, Any] = {"max_connections": 1, "keepalive_expiry": KEEP_ALIVE}
        if target.scheme == "https":
            options["ssl_context"] = self.tls
        proxy = self._proxy_to(target)
        if proxy is not None:
            options |= {"proxy_url": str(proxy.url), "proxy_auth": proxy.raw_auth}
        return options

    def _proxy_to(self, target: Target) -> httpx.Proxy | None:
        if self.proxy is not None:
            return _proxy(self.proxy)
        if not self.trust_env or proxy_bypass(target.host):
            return None
        found = getproxies().get(target.scheme)
        return _proxy(found) if found else None


def _proxy(url: str) -> httpx.Proxy:
    """Raises `ConfigurationError`, without the URL: it may hold a password."""
    try:
        proxy = httpx.Proxy(url)
    except (httpx.InvalidURL, ValueError):
        raise ConfigurationError("the proxy's URL is not valid", hint="http://[user:password@]host:port") from None
    if proxy.url.scheme != "http":
        raise ConfigurationError(
            f"proxies reached by {proxy.url.scheme}:// are not supported",
            hint="http://[user:password@]host:port; what goes through it to https:// hosts stays encrypted end to end",
        )
    return proxy


def is_reusable(pool: httpcore.ConnectionPool | httpcore.AsyncConnectionPool) -> bool:
    """Whether the pool's connection can carry another request: idle, with nothing unread.

    A peer may send more than it announced; the surplus must not be taken for the next answer.
    """
    for connection in pool.connections:
        parser = _parser_of(connection)
        return parser is not None and connection.is_idle() and not parser.trailing_data[0]
    return True


def _parser_of(connection: Any) -> h11.Connection | None:
    """httpcore keeps it to itself; without it the connection is simply not used again."""
    inner = getattr(connection, "_connection", None)  # HTTPConnection and the proxies' wrap another
    return _parser_of(inner) if inner is not None else getattr(connection, "_h11_state", None)

"""Our `Request` as httpx's, and httpx's answer as our `Response`: checked on the way out, bounded on the way in."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import httpx

from aumconnect._http.decode import ACCEPT_ENCODING, BoundedBody
from aumconnect.errors import TransportError
from aumconnect.wire import Headers, Request, Response, Spool

__all__ = ["Incoming", "Target", "outgoing", "target_of"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: ``origin`` is ``scheme://host[:port]`` in lower case."""

    url: httpx.URL = field(repr=False)  # a query may hold data
    origin: str
    scheme: str
    host: str


_URL = re.compile(
    r"(?P<origin>(?P<scheme>https?)://(?P<host>[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\])(?::\d{1,5})?)"
    r"(?P<path>/[!-~]*?)?(?P<query>\?[!-~]*)?",
    re.IGNORECASE,
)
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def target_of(request: Request) -> Target:
    """The target of a URL that every parser reads alike: no user, fragment, dot segment or raw character in it.

    Raises `TransportError` (nothing was sent) for any other.
    """
    target = _parsed(request.url)
    if target is None:
        raise TransportError("a URL that is not plain ASCII http(s) was refused", sent=False, permanent=True)
    return target


@lru_cache(maxsize=256)
def _parsed(url: str) -> Target | None:
    match = _URL.fullmatch(url)
    if match is None or "#" in url or "\\" in url or _DOT_SEGMENT.search(match["path"] or ""):
        return None
    return Target(httpx.URL(url), match["origin"].lower(), match["scheme"].lower(), match["host"].lower())


# --- out -------------------------------------------------------------------------------------------------

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 §5.5
_FRAMING = frozenset({"host", "content-length", "transfer-encoding", "connection"})  # ours alone to say
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class _SpoolStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A Spool as a request body."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def __iter__(self) -> Iterator[bytes]:
        return self._spool.chunks()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._spool.chunks():
            yield chunk


def outgoing(request: Request, target: Target) -> httpx.Request:
    """Raises `TransportError` (nothing was sent) for header fields that would break the request apart."""
    stream = _SpoolStream(request.body) if isinstance(request.body, Spool) else httpx.ByteStream(request.body)
    given = _checked(request, target)
    names = {name.lower() for name, _ in given}
    fields = [*((name, value) for name, value in _own_fields(request, target) if name.lower() not in names), *given]
    return httpx.Request(request.method, target.url, headers=fields, stream=stream)


def _own_fields(request: Request, target: Target) -> Iterator[tuple[bytes, bytes]]:
    yield b"Host", target.origin.partition("//")[2].encode()
    yield b"User-Agent", b"aumconnect"
    yield b"Accept-Encoding", ACCEPT_ENCODING
    size = request.body.size if isinstance(request.body, Spool) else len(request.body)
    if size or request.method in _BODY_METHODS:
        yield b"Content-Length", str(size).encode()


def _checked(request: Request, target: Target) -> list[tuple[bytes, bytes]]:
    pairs = request.headers.pairs() if isinstance(request.headers, Headers) else request.headers.items()
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in pairs):
        where = f"{request.method} {target.origin}"
        raise TransportError(f"{where}: a header field has illegal characters", sent=False, permanent=True)
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs if name.lower() not in _FRAMING]


# --- in --------------------------------------------------------------------------------------------------


class Incoming:
    """An answer being received: into its request's Spool when it is a success, else into memory.

    Raises what `BoundedBody` raises.
    """

    def __init__(self, request: Request, reply: httpx.Response, *, max_body: int, max_spool: int, where: str) -> None:
        self._status = reply.status_code
        self._headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers.raw)
        self._memory = io.BytesIO()
        spool = request.reply_to if reply.is_success else None
        if spool is not None:
            spool.clear()
        self._body = BoundedBody(
            self._headers.get_all("Content-Encoding"),
            self._memory.write if spool is None else spool.write,
            limit=max_body if spool is None else max_spool,
            where=where,
        )
        self.feed = self._body.feed

    def response(self) -> Response:
        """The whole answer; call it when all has been fed."""
        self._body.finish()
        return Response(self._status, self._headers, self._memory.getvalue())

"""What connectors and runners say to each other: effects go out, results come in. No I/O happens here.

An *exchange* is a generator that yields effects and is sent their results::

    def ping(self) -> Exchange[bool]:
        reply = yield Request("GET", "/ping")
        return reply.status == 200

A runner performs the effects, blocking or on an event loop; the exchange cannot tell which.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

from aumconnect.errors import ProtocolError

if TYPE_CHECKING:
    from aumconnect.outcome import Outcome

__all__ = [
    "Checkpoint",
    "Delay",
    "Drip",
    "Drop",
    "Effect",
    "Exchange",
    "Exclusive",
    "Fault",
    "Headers",
    "Request",
    "Response",
    "Settled",
    "Spool",
    "Truncate",
    "Wait",
]

T = TypeVar("T")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 §9.2.1
IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}  # RFC 9110 §9.2.2


class Headers(Mapping[str, str]):
    """Header fields: names compare without case, repeated fields are kept (`get_all`)."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = items.items() if isinstance(items, Mapping) else items
        self._items: tuple[tuple[str, str], ...] = tuple(pairs)

    def __getitem__(self, name: str) -> str:
        wanted = name.lower()
        for key, value in self._items:
            if key.lower() == wanted:
                return value
        raise KeyError(name)

    def get_all(self, name: str) -> list[str]:
        """Every value of a repeated field, in order (``Set-Cookie``)."""
        wanted = name.lower()
        return [value for key, value in self._items if key.lower() == wanted]

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """All fields in order, as given."""
        return self._items

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key.lower() for key, _ in self._items))

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self._items})

    def __repr__(self) -> str:
        return f"Headers({sorted(self)})"  # names only: values may be secret


class Spool:
    """A body too large to hold in memory: written once, then read from the start as often as needed."""

    def __init__(self, chunks: Iterable[bytes] = (), *, in_memory: int = 1 << 20) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=in_memory)  # noqa: SIM115  (closed by close())
        self._at_end = True
        self.size = 0
        for chunk in chunks:
            self.write(chunk)

    def write(self, chunk: bytes) -> None:
        if not self._at_end:  # seeking writes the buffer out
            self._file.seek(0, 2)
            self._at_end = True
        self._file.write(chunk)
        self.size += len(chunk)

    def chunks(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The content from its start, in pieces of at most ``size`` bytes."""
        position = 0
        while True:
            self._at_end = False
            self._file.seek(position)
            chunk = self._file.read(size)
            if not chunk:
                return
            position += len(chunk)
            yield chunk

    def clear(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._at_end = True
        self.size = 0

    def close(self) -> None:
        self._file.close()

    __del__ = close  # a forgotten report must not leave a file behind

    def __repr__(self) -> str:
        return f"Spool({self.size} bytes)"


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request.

    ``url`` is absolute, or begins with ``/`` and is then resolved against the origin the credential was
    accepted for. ``safe`` (it only reads) and ``idempotent`` (a second copy changes nothing more) follow
    from the method as in RFC 9110 §9.2 unless said; retries look at nothing else. ``timeout`` is the
    total time of one attempt in seconds, connect to last byte; None means the connector's own.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=Headers)
    body: bytes | Spool = b""
    safe: bool = None  # type: ignore[assignment]  # set in __post_init__
    idempotent: bool = None  # type: ignore[assignment]
    reply_to: Spool | None = None
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.safe is None:
            object.__setattr__(self, "safe", self.method in SAFE_METHODS)
        if self.idempotent is None:
            object.__setattr__(self, "idempotent", self.safe or self.method in IDEMPOTENT_METHODS)

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """A copy with these header fields set, replacing those of the same name."""
        replaced = {name.lower() for name in headers}
        kept = [(name, value) for name, value in self.headers.items() if name.lower() not in replaced]
        return replace(self, headers=Headers([*kept, *headers.items()]))

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]})"  # a query may hold data


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """One whole answer. ``body`` is empty when a success went to its request's ``reply_to``."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    fault: Fault | None = None
    """Set by fakes only: what shall happen to this answer on its way."""

    def json(self) -> Any:
        """The body as strict JSON (RFC 8259): numbers with a fraction as `Decimal`.

        Raises `ProtocolError` for anything else: NaN, a repeated key, a wrong encoding, nesting without end.
        """
        try:
            return _DECODER.decode(self.body.decode("utf-8"))  # no variable: a traceback may show them
        except (ValueError, ArithmeticError, RecursionError) as error:  # a Decimal too large is arithmetic
            raise ProtocolError(f"the answer (HTTP {self.status}) is not JSON: {type(error).__name__}") from None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a repeated key")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=Decimal, parse_constant=_refuse)


# --- effects ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass. The result is None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Make ``state`` (JSON values) durable before going on; a restart hands it to ``resume``."""

    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settled:
    """These rows are finished although the exchange goes on."""

    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Run ``exchange`` while nobody else runs one under the same key; the result is what it returns."""

    key: Hashable
    exchange: Generator[Any, Any, Any]


Effect = Request | Wait | Checkpoint | Settled | Exclusive
Exchange = Generator[Effect, Any, T]
"""A conversation that yields effects, is sent their results, and returns a ``T``."""


# --- faults: what a fake asks of whoever carries its answer ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Delay:
    """The answer arrives ``seconds`` later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends without an answer. Whether the fake had carried the request out is its own affair.

    ``sent=False``: it was never made, so that nothing left the caller.
    """

    sent: bool = True


@dataclass(frozen=True, slots=True)
class Truncate:
    """Only the first ``size`` bytes of the body arrive, then the connection ends."""

    size: int


@dataclass(frozen=True, slots=True)
class Drip:
    """The answer arrives one byte at a time, ``seconds`` apart."""

    seconds: float


Fault = Delay | Drop | Truncate | Drip

"""Stateful stand-ins for real systems.

A fake is a callable ``Request -> Response``: call it, wrap it in a `FakeTransport`, or serve it over HTTP with
`aumconnect.testing.emulator.serve`. It has records, the vendor's rules and the vendor's wire format, and time is its
``clock``'s. Accidents are planned in ``faults``.
"""

from __future__ import annotations

import heapq
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, cast

from aumconnect._clock import SYSTEM_CLOCK, Clock
from aumconnect._near import did_you_mean
from aumconnect.errors import ConfigurationError
from aumconnect.testing.clock import VirtualClock
from aumconnect.testing.fakes._changes import FieldChange, differences
from aumconnect.testing.faults import Accident, Decide, Faults
from aumconnect.testing.faults import answer as refuse_with
from aumconnect.testing.transport import AsyncFakeTransport, FakeTransport
from aumconnect.wire import Delay, Drop, Request, Response

if TYPE_CHECKING:
    from aumconnect.client import AsyncClient, Client
    from aumconnect.connector import Connector

__all__ = ["Fake", "FieldChange", "Options", "fake_of"]

FAKES = {"memory": "FakeMemory", "salesforce": "FakeSalesforce"}
KEPT_REQUESTS = 10_000
KEPT_CHANGES = 200_000


class Options(TypedDict, total=False):
    """What every fake can be made with."""

    clock: Clock | None
    faults: Decide | None
    latency: float


class Fake(ABC):
    """Subclasses say what a request does (`respond`) and whether it writes (`mutates`).

    ``requests`` are the last ones that came in, ``received`` counts all. ``mutations`` counts mutating requests that
    were carried out. ``commits`` counts, for each ``(object, key)``, how often a record was written, ``creations``
    how often one was made; which key that is, the fake says. ``changes`` are the last changes of fields, oldest
    first. ``latency`` are the seconds every answer takes.

    Safe to call from many threads; take ``lock`` to look at the state while they run.
    """

    id_field: ClassVar[str] = "Id"
    """Under which name a record of `tables` holds its id."""
    stamps: ClassVar[frozenset[str]] = frozenset()
    """Fields the system sets by itself on every write; no news in `changes`."""

    connection_url: ClassVar[str] = ""
    """What names this system for `aumconnect.Client`, in memory."""

    def __init__(self, *, clock: Clock | None = None, faults: Decide | None = None, latency: float = 0.0) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.faults = Faults(self, faults)
        self.latency = latency
        self.requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self.received = 0
        self.mutations = 0
        self.commits: Counter[tuple[str, str]] = Counter()
        self.creations: Counter[tuple[str, str]] = Counter()
        self.changes: deque[FieldChange] = deque(maxlen=KEPT_CHANGES)
        self.lock = threading.RLock()
        self._late: list[_Late] = []
        self._number = 0

    @abstractmethod
    def respond(self, request: Request) -> Response:
        """Carry the request out and answer it as the vendor would. Called with ``lock`` held."""

    def mutates(self, request: Request) -> bool:
        """Whether this request asks to write something."""
        return request.method not in ("GET", "HEAD", "OPTIONS")

    def auth(self) -> Any:
        """A credential that this fake accepts; None where there are no logins."""
        return None

    @property
    def secrets(self) -> list[str]:
        """What no log, message or pickle may hold."""
        return []

    def busy(self) -> Accident:
        """How this system says that it is too busy just now; nothing is done."""
        return refuse_with(429, headers={"Retry-After": "1"})

    def client(self, target: str | Connector | None = None, **options: Any) -> Client:
        """A client of this fake, without a network and in the fake's time; ``options`` as for `aumconnect.Client`."""
        from aumconnect.client import Client

        return Client(target or self.connection_url, transport=FakeTransport(self), **self._defaults(options))

    def async_client(self, target: str | Connector | None = None, **options: Any) -> AsyncClient:
        """The same for an event loop."""
        from aumconnect.client import AsyncClient

        return AsyncClient(target or self.connection_url, transport=AsyncFakeTransport(self), **self._defaults(options))

    def _defaults(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"clock": self.clock, "auth": self.auth(), **options}

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Every object's records in the order they were made, for people to look at."""
        return {}

    def editable(self, object: str) -> Collection[str]:
        """The fields of ``object`` that `edit` may take."""
        return ()

    def edit(self, object: str, id: str, field: str, value: Any, *, by: str = "person") -> None:
        """Change one field of a record as somebody would in the system itself, around every client.

        Raises `LookupError` for what is not there and `ValueError` for what the system would not take.
        """
        raise LookupError("this fake has no records to edit")

    def __call__(self, request: Request) -> Response:
        """The answer; its ``fault`` says what happens to it on the way."""
        with self.lock:
            self.settle()
            accident = self.faults(request, self.received) or Accident()
            self.received += 1
            self.requests.append(request)
            return self._meet(accident, request)

    def settle(self) -> None:
        """Carry out what was due by now: the late commits. Every call does so first."""
        with self.lock:
            while self._late and self._late[0].at <= self.clock.now():
                late = heapq.heappop(self._late)
                self._carry_out(late.request, late.order)

    @property
    def pending(self) -> int:
        """Requests still to be carried out late."""
        return len(self._late)

    def count(self, object: str, key: str, *, created: bool = False) -> None:
        """Subclasses: a record of ``object`` was written."""
        self.commits[object, key] += 1
        if created:
            self.creations[object, key] += 1

    def changed(
        self, object: str, id: str, before: Mapping[str, Any], after: Mapping[str, Any], *, by: str | None = None
    ) -> None:
        """Subclasses: a record went from ``before`` (empty: it is new) to ``after`` (empty: it is gone).

        The request being carried out did it, unless ``by`` names somebody else.
        """
        request, at = self._number if by is None else None, self.clock.epoch()
        for name, old, new in differences(before, after):
            if name in self.stamps:
                continue
            self.changes.append(FieldChange(object, id, name, old, new, request, at, by or ""))

    def _meet(self, accident: Accident, request: Request) -> Response:
        if accident.meanwhile is not None:
            accident.meanwhile(self)
        if accident.reply is not None:
            return accident.reply
        if accident.commits_after:
            heapq.heappush(self._late, _Late(self.clock.now() + accident.commits_after, self.received, request))
        if accident.commits_after != 0:
            return Response(0, fault=Drop(sent=accident.sent))
        response = self._carry_out(request, self.received)
        fault = accident.fault or response.fault or (Delay(self.latency) if self.latency else None)
        return replace(response, fault=fault)

    def _carry_out(self, request: Request, number: int) -> Response:
        self._number = number
        before = self.commits.total()
        response = self.respond(request)
        if self.mutates(request) and (response.ok or self.commits.total() != before):
            self.mutations += 1
        return response


def fake_of(connector: str, **options: Any) -> Fake:
    """A new fake of the system that a built-in connector of this name talks to, in real time; ``options`` are its own.

    Raises `ConfigurationError` with the near names for an unknown one.
    """
    if connector not in FAKES:
        raise ConfigurationError(f"there is no fake of {connector!r}", hint=did_you_mean(connector, FAKES))
    module = import_module(f"{__name__}.{connector}")
    return cast("Fake", getattr(module, FAKES[connector])(**{"clock": SYSTEM_CLOCK, **options}))


@dataclass(order=True, slots=True)
class _Late:
    at: float
    order: int
    request: Request = field(compare=False)

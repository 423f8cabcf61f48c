"""What can go wrong with a request, and when: scripts of accidents for a fake.

::

    fake.faults.write(3, lose_reply())              # the third write is carried out, its answer lost
    fake.faults.next(answer(503), times=2)          # two refusals, then go on
    fake.faults.write(1, late_commit(30))           # dies now, takes effect 30 s later
    fake.faults.when("/query", drip(0.5))           # the next request whose URL contains this
    fake.faults.each(lambda request, index: lose_reply() if random.random() < 0.01 else None)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aumconnect.wire import Delay, Drip, Drop, Fault, Headers, Request, Response, Truncate

if TYPE_CHECKING:
    from aumconnect.testing.fakes import Fake

__all__ = [
    "Accident",
    "Decide",
    "Faults",
    "answer",
    "delay",
    "drip",
    "expire_token",
    "html_page",
    "late_commit",
    "lose_reply",
    "lose_request",
    "meanwhile",
    "truncate",
    "unreachable",
]


@dataclass(frozen=True, slots=True)
class Accident:
    """What goes wrong with one request, in this order.

    ``meanwhile`` happens to the fake before it reads the request. With ``reply`` the fake never sees the request and
    this is the answer. ``commits_after`` are the seconds until the fake carries the request out: 0 at once, None
    never. ``fault`` is what happens to the answer on its way. ``sent`` False: no connection was made at all.
    """

    fault: Fault | None = None
    reply: Response | None = None
    commits_after: float | None = 0.0
    meanwhile: Callable[[Any], None] | None = None
    sent: bool = True


Decide = Callable[[Request, int], "Accident | None"]
"""Asked for every request, with its number counted from 0; None lets it go right."""


def lose_request() -> Accident:
    """The connection ends before the request was carried out; the caller cannot tell it from `lose_reply`."""
    return Accident(Drop(), commits_after=None)


def lose_reply() -> Accident:
    """The request is carried out, then the connection ends without an answer."""
    return Accident(Drop())


def late_commit(seconds: float) -> Accident:
    """The connection ends now, and the request is carried out ``seconds`` later."""
    return Accident(Drop(), commits_after=seconds)


def unreachable() -> Accident:
    """No connection at all: nothing was sent. An emulator can only close the connection."""
    return Accident(Drop(), commits_after=None, sent=False)


def answer(status: int, body: Any = b"", headers: Mapping[str, str] | None = None) -> Accident:
    """Refuse the request unread. ``body`` is bytes, or a value to send as JSON."""
    if isinstance(body, bytes):
        return Accident(reply=Response(status, Headers(headers or {}), body))
    fields = Headers({"Content-Type": "application/json", **(headers or {})})
    return Accident(reply=Response(status, fields, json.dumps(body).encode()))


def html_page(status: int = 200) -> Accident:
    """A proxy or a maintenance page answers instead of the system."""
    return answer(status, b"<!DOCTYPE html><title>We are down for maintenance</title>", {"Content-Type": "text/html"})


def delay(seconds: float) -> Accident:
    """The request is carried out; its answer takes ``seconds``."""
    return Accident(Delay(seconds))


def drip(seconds: float) -> Accident:
    """The request is carried out; its answer arrives one byte every ``seconds``."""
    return Accident(Drip(seconds))


def truncate(size: int = 1) -> Accident:
    """The request is carried out; the connection ends after ``size`` bytes of the answer's body."""
    return Accident(Truncate(size))


def meanwhile(act: Callable[[Any], None]) -> Accident:
    """Do something to the fake (somebody edits a record) just before it reads this request."""
    return Accident(meanwhile=act)


def expire_token() -> Accident:
    """Every access token handed out so far is too old from now on, this request's included."""
    return meanwhile(lambda fake: fake.expire_tokens())


@dataclass(slots=True)
class _Planned:
    matches: Callable[[Request], bool]
    accident: Accident
    skip: int
    times: int

    def due(self, request: Request) -> bool:
        """Whether the accident wants to happen to this request, which is counted."""
        if not self.matches(request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        return True


class Faults:
    """The accidents a fake has before it. One happens to a request, the first planned; others due then wait."""

    def __init__(self, fake: Fake, decide: Decide | None = None) -> None:
        self._fake = fake
        self._decide = decide
        self._planned: list[_Planned] = []

    def next(self, accident: Accident, *, times: int = 1) -> None:
        """The next ``times`` requests of any kind."""
        self._plan(lambda request: True, accident, times)

    def write(self, nth: int, accident: Accident, *, times: int = 1) -> None:
        """The ``nth`` mutating request from now (1 is the next one), and those after it up to ``times``."""
        self._plan(self._fake.mutates, accident, times, nth)

    def when(
        self, matches: str | Callable[[Request], bool], accident: Accident, *, times: int = 1, nth: int = 1
    ) -> None:
        """Requests whose URL contains a text, or for which ``matches(request)`` is true."""
        test = matches if callable(matches) else lambda request: matches in request.url
        self._plan(test, accident, times, nth)

    def each(self, decide: Decide | None) -> None:
        """Ask ``decide`` for every request that nothing planned happens to; None ends that."""
        self._decide = decide

    def clear(self) -> None:
        """From now on everything goes right."""
        self._planned.clear()
        self._decide = None

    def __call__(self, request: Request, index: int) -> Accident | None:
        due = [planned for planned in self._planned if planned.due(request)]
        if not due:
            return self._decide(request, index) if self._decide else None
        due[0].times -= 1
        self._planned = [planned for planned in self._planned if planned.times]
        return due[0].accident

    def _plan(self, matches: Callable[[Request], bool], accident: Accident, times: int, nth: int = 1) -> None:
        self._planned.append(_Planned(matches, accident, nth - 1, times))

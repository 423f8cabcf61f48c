"""What outlives a crash: time, the network with everything on its way, the system, and the paper journal."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from aumconnect.errors import TransportError
from aumconnect.journal import Attempted, Checkpointed, Entry, Intent, Outcomes, Recovered
from aumconnect.outcome import Outcome, Status
from aumconnect.testing.fakes.memory import FakeMemory
from aumconnect.wire import Headers, Request, Response

__all__ = ["Died", "Journey", "LawBroken", "Paper", "Weather", "World"]

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""


class Died(BaseException):
    """The process is dead: nothing of it happens any more."""


class LawBroken(AssertionError):
    """What must never happen has happened."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Probabilities of what befalls one request; times are seconds."""

    refused: float = 0.0
    """No connection: nothing was sent."""
    lost: float = 0.0
    """Sent, never arrived; the caller cannot know."""
    silent: float = 0.0
    """Carried out, the answer lost."""
    late: float = 0.0
    """The connection ends; carried out up to ``lateness`` later."""
    throttled: float = 0.0
    failing: float = 0.0
    """HTTP 500 or 503, before or after the request was carried out."""
    locked: float = 0.0
    """A row is busy."""
    lateness: float = 28.0
    outage: tuple[float, float] = (0.0, 0.0)
    """From when to when nothing gets through."""


@dataclass(slots=True, eq=False)
class Journey:
    """One request on its way: when its sender will know, and what."""

    request: Request
    seconds: float
    response: Response | None = None
    sent: bool = True

    def end(self) -> Response:
        if self.response is None:
            raise TransportError("no answer", sent=self.sent)
        return self.response


class Paper:
    """A journal that survives everything, and tells a restart what to do. Follows the rules of `aumconnect.journal`."""

    def __init__(self) -> None:
        self.outcomes: dict[int, list[Outcome]] = {}
        self.intents: dict[int, Intent] = {}
        self.chunk_of: dict[int, int] = {}
        self._checkpoints: dict[int, Any] = {}
        self._not_sent: set[int] = set()

    def write(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            match entry:
                case Intent(chunk, batch):
                    self.intents[chunk] = entry
                    self.chunk_of |= dict.fromkeys((change.ref for change in batch.changes), chunk)
                    self._not_sent.discard(chunk)
                case Outcomes(_, outcomes):
                    for outcome in outcomes:
                        self.outcomes.setdefault(outcome.ref, []).append(outcome)
                case Attempted(chunk, sent):
                    self._not_sent |= set() if sent else {chunk}
                case Checkpointed(chunk, state):
                    self._checkpoints[chunk] = state

    def final(self, ref: int) -> Outcome | None:
        """The outcome of a row that needs nothing more."""
        told = self.outcomes.get(ref)
        return told[-1] if told and told[-1].status is not Status.UNKNOWN else None

    def is_open(self, ref: int) -> bool:
        """Whether this row may have been sent and nobody told what became of it."""
        return ref in self.chunk_of and self.chunk_of[ref] not in self._not_sent and self.final(ref) is None

    def recovered(self) -> list[Recovered]:
        found = []
        for chunk, intent in sorted(self.intents.items()):
            mine = [c for c in intent.batch.changes if self.chunk_of[c.ref] == chunk and self.is_open(c.ref)]
            if mine:
                batch = _narrow(intent.batch, mine)
                found.append(Recovered(chunk, batch, intent.at, self._checkpoints.get(chunk)))
        return found

    @property
    def next_chunk(self) -> int:
        return max(self.intents, default=-1) + 1


def _narrow(batch: Any, changes: Sequence[Any]) -> Any:
    from dataclasses import replace

    return replace(batch, changes=tuple(changes))


@dataclass
class World:
    """Serves as the clock of everything. ``crash_at`` is the number of the effect at which the process dies."""

    rng: Random
    weather: Weather
    fake: FakeMemory = field(init=False)
    paper: Paper = field(default_factory=Paper)
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    time: float = 0.0
    crash_at: int = 0
    effects: int = 0
    dead: bool = False
    in_flight: list[Journey] = field(default_factory=list)
    on_depart: Callable[[Journey], None] | None = None
    broken: list[LawBroken] = field(default_factory=list)
    """Laws broken on the way; the library must not get to see them."""

    def __post_init__(self) -> None:
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    # --- time ---

    def now(self) -> float:
        return self.time

    def epoch(self) -> float:
        return START + self.time

    def sleep(self, seconds: float) -> None:
        raise AssertionError("the world does not sleep; those in it do")

    def at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), act))

    @property
    def next_event(self) -> float:
        return self._events[0][0] if self._events else float("inf")

    def advance(self, moment: float) -> None:
        """Let time pass until ``moment``, and whatever is due on the way happen."""
        while self._events and self._events[0][0] <= moment:
            at, _, act = heapq.heappop(self._events)
            self.time = max(self.time, at)
            act()
        self.time = max(self.time, moment)

    # --- the process and its end ---

    def effect(self, name: str) -> None:
        """A point at which the process may die."""
        if self.dead:
            raise Died
        self.effects += 1
        if self.effects == self.crash_at:
            self.dead = True
            self.note("died", name)
            raise Died

    def restart(self) -> None:
        self.dead = False
        self.in_flight.clear()

    def note(self, *what: Any) -> None:
        self.trace.append((round(self.time, 6), *what))

    # --- the network ---

    def depart(self, request: Request) -> Journey:
        """Decide the fate of ``request`` and set it on its way."""
        self.effect("send")
        journey = self._journey(request)
        self.note("depart", request.method, request.url, _refs(request))
        try:
            if self.on_depart is not None:
                self.on_depart(journey)
        except LawBroken as broken:
            self.broken.append(broken)
        self.in_flight.append(journey)
        return journey

    def arrive(self, journey: Journey) -> Response:
        """The sender learns how it ended."""
        self.effect("answer")
        self.in_flight.remove(journey)
        self.note("answer", journey.response.status if journey.response else journey.sent, _refs(journey.request))
        return journey.end()

    def _journey(self, request: Request) -> Journey:
        there, back, fate, when = (self.rng.random() for _ in range(4))
        weather, journey = self.weather, Journey(request, 0.01 + there + back)
        if weather.outage[0] <= self.time < weather.outage[1]:
            journey.sent = fate < 0.5
            return journey
        arrival = self.time + 0.01 + there
        for name in ("refused", "lost", "silent", "late", "throttled", "failing"):
            fate -= getattr(weather, name)
            if fate < 0:
                return self._mishap(name, journey, arrival, when)
        self.at(arrival, lambda: self._serve(journey, keep=True))
        return journey

    def _mishap(self, name: str, journey: Journey, arrival: float, when: float) -> Journey:
        if name == "refused":
            journey.sent = False
        elif name == "silent":
            self.at(arrival, lambda: self._serve(journey, keep=False))
        elif name == "late":
            self.at(self.time + when * self.weather.lateness, lambda: self._serve(journey, keep=False))
        elif name == "throttled":
            journey.response = Response(429, Headers({"Retry-After": str(int(when * 5))} if when < 0.7 else {}))
        elif name == "failing":
            if when < 0.5:
                self.at(arrival, lambda: self._serve(journey, keep=False))
            journey.response = Response(503 if when < 0.25 else 500)
        return journey

    def _serve(self, journey: Journey, *, keep: bool) -> None:
        response = self.fake(journey.request)
        self.note("served", response.status, _refs(journey.request))
        if keep:
            journey.response = response


def _refs(request: Request) -> tuple[int, ...]:
    """The rows a mutating request is about."""
    if isinstance(request.body, bytes) and b'"rows"' in request.body:
        return tuple(row["ref"] for row in json.loads(request.body)["rows"])
    return ()

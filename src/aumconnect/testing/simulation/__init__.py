"""The whole library under simulated time: from one number follow a job, accidents, crashes and restarts.

The real engine, the real pumps, the real memory connector and its fake are driven to the end, and the laws of
`_laws.py` are checked. Both pumps must give the same trace. A seed that breaks a law is replayed with

    python -m aumconnect.testing.simulation --seed N
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from aumconnect._limits import RetryBudget
from aumconnect._pumps import apump, pump
from aumconnect._retry import retrying
from aumconnect._runner import AsyncRunner, Gate, Runner
from aumconnect.engine import Engine
from aumconnect.errors import LedgerError
from aumconnect.journal import Entry
from aumconnect.outcome import Outcome, Status
from aumconnect.testing.simulation import _laws, _loop
from aumconnect.testing.simulation._baton import Baton
from aumconnect.testing.simulation._scenario import SCHEMA, Sabotage, Scenario
from aumconnect.testing.simulation._world import Died, LawBroken, World
from aumconnect.wire import Exchange, Request, Response

__all__ = ["History", "LawBroken", "Sabotage", "compare", "simulate"]

Mode = Literal["threads", "tasks"]
MAX_LIVES = 8
LONG_AFTER = 10_000.0


@dataclass(frozen=True, slots=True)
class History:
    """What happened in one simulation. ``counts`` are the last life's."""

    seed: int
    trace: tuple[tuple[Any, ...], ...]
    counts: Counter[Status]
    lives: int


def compare(seed: int, sabotage: Sabotage = Sabotage()) -> History:  # noqa: B008  (frozen)
    """Simulate ``seed`` with both pumps. Raises `LawBroken` when they differ, or one of them breaks a law."""
    threads, tasks = simulate(seed, "threads", sabotage), simulate(seed, "tasks", sabotage)
    for number, (one, other) in enumerate(zip(threads.trace, tasks.trace, strict=False)):
        if one != other:
            raise LawBroken(f"the pumps differ at step {number}: {one} with threads, {other} with tasks")
    if len(threads.trace) != len(tasks.trace):
        raise LawBroken("one pump does more than the other")
    return threads


def simulate(seed: int, mode: Mode = "threads", sabotage: Sabotage = Sabotage()) -> History:  # noqa: B008  (frozen)
    """One history from birth to the end of its last life. Raises `LawBroken`."""
    scenario = Scenario.of(seed, sabotage)
    world = World(Random(seed + 1), scenario.weather)  # noqa: S311  (a simulation)
    world.fake = scenario.furnish(world)
    world.on_depart = lambda journey: _laws.on_departure(world, scenario, journey)
    lives = 0
    while True:
        world.crash_at = world.effects + scenario.crashes[lives] if lives < len(scenario.crashes) else 0
        life = _Life(seed, lives, scenario, world, sabotage)
        lives += 1
        if life.live(mode) or lives > MAX_LIVES:
            break
        world.advance(world.time + life.random.uniform(0.1, 20.0))
    world.advance(world.time + LONG_AFTER)
    world.fake.settle()
    _laws.after(world, scenario, life.engine.counts, complete=life.engine.complete)
    return History(seed, tuple(world.trace), life.engine.counts, lives)


class _Life:
    """One process, from start to death or success."""

    def __init__(self, seed: int, number: int, scenario: Scenario, world: World, sabotage: Sabotage) -> None:
        world.restart()
        self.scenario, self.world, self.sabotage = scenario, world, sabotage
        self.random = Random(f"{seed}/{number}")  # noqa: S311  (a simulation)
        self._told = 0
        self._unwritten: list[Entry] = []
        self._clock: Any = None
        budget = RetryBudget()
        self._budget = budget
        unresolved = world.paper.recovered()
        again = {change.ref for found in unresolved for change in found.batch.changes}
        self.source = [c for c in scenario.changes if c.ref not in world.paper.outcomes and c.ref not in again]
        self.engine = Engine(
            scenario.connector,
            object="Item",
            operation=scenario.operation,
            key=scenario.key,
            schema=SCHEMA,
            run_token=f"{seed}-{number}",
            around=self._around,
            settings=scenario.settings,
            budget=budget,
            unresolved=unresolved,
            first_chunk=world.paper.next_chunk,
            random=self.random,
        )

    def live(self, mode: Mode) -> bool:
        """Whether this life needs no other: it ended on its own, with its books in order."""
        try:
            self._with_threads() if mode == "threads" else self._with_tasks()
        except Died:
            return "stuck" in {entry[1] for entry in self.world.trace[-1:]}
        return not isinstance(self.engine.halted, LedgerError)

    def _with_threads(self) -> None:
        self._clock = baton = Baton(self.world)
        runner = Runner(_Wire(self.world, baton), gate=self._gate(), clock=baton)
        journal = _ThreadJournal(self, baton)
        try:
            pump(self.engine, self.source, runner, journal, baton, on_outcomes=self._on_outcomes, crew=baton)
        finally:
            baton.finish()

    def _with_tasks(self) -> None:
        self._clock = clock = _loop.LoopClock(self.world)
        runner = AsyncRunner(_AsyncWire(self.world), gate=self._gate(), clock=clock)
        journal = _TaskJournal(self)
        main = apump(
            self.engine, self.source, runner, journal, clock, on_outcomes=self._on_outcomes, offload=journal.offload
        )
        _loop.run(self.world, main)

    def _gate(self) -> Gate:
        return Gate(attempt_timeout=30.0)

    def _around(self, exchange: Exchange[Any]) -> Exchange[Any]:
        return retrying(
            exchange,
            classify=self.scenario.connector.classify,
            policy=self.scenario.settings.retry,
            budget=self._budget,
            clock=self.world,
            random=self.random,
        )

    def _on_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        self._told += len(outcomes)
        if 0 < self.scenario.stop_after <= self._told:
            self.engine.stop(self.world.epoch())

    # --- the journal's two halves: what takes time, and what is durable ---

    def begin_commit(self) -> float:
        self.world.effect("commit")
        seconds = self.random.uniform(0.0, 0.02)
        if self.random.random() < self.scenario.ledger_fails:
            raise LedgerError("the disk is full")
        return seconds

    def end_commit(self, entries: Sequence[Entry]) -> None:
        if self.sabotage.intents_late:
            entries, self._unwritten = self._unwritten, list(entries)
        self.world.paper.write(entries)
        self.world.note("commit", [(type(entry).__name__, getattr(entry, "chunk", None)) for entry in entries])
        self.world.effect("committed")


class _ThreadJournal:
    def __init__(self, life: _Life, baton: Baton) -> None:
        self._life, self._baton = life, baton

    def commit(self, entries: Sequence[Entry]) -> None:
        self._baton.sleep(self._life.begin_commit())
        self._life.end_commit(entries)


class _TaskJournal:
    def __init__(self, life: _Life) -> None:
        self._life = life

    def commit(self, entries: Sequence[Entry]) -> None:
        self._life.end_commit(entries)

    async def offload(self, work: Callable[[Sequence[Any]], None], entries: Sequence[Any]) -> None:
        await asyncio.sleep(self._life.begin_commit())
        work(entries)


class _Wire:
    """A `Transport` whose other end is the world."""

    def __init__(self, world: World, baton: Baton) -> None:
        self._world, self._baton = world, baton

    def send(self, request: Request, *, timeout: float) -> Response:
        journey = self._world.depart(request)
        self._baton.sleep(journey.seconds)
        return self._world.arrive(journey)

    def close(self) -> None:
        pass


class _AsyncWire:
    def __init__(self, world: World) -> None:
        self._world = world

    async def send(self, request: Request, *, timeout: float) -> Response:
        journey = self._world.depart(request)
        await asyncio.sleep(journey.seconds)
        return self._world.arrive(journey)

    async def close(self) -> None:
        pass

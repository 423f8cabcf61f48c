"""What one seed means: a job, a system with its manners, the weather, and when the process dies."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from aumconnect._retry import RetryPolicy
from aumconnect.connector import Change, Operation
from aumconnect.connectors.memory import CAPABILITIES, Memory
from aumconnect.engine import Settings
from aumconnect.testing.fakes.memory import ITEM, FakeMemory
from aumconnect.testing.simulation._world import Weather, World

__all__ = ["SCHEMA", "Sabotage", "Scenario"]

SCHEMA = replace(ITEM, fields={**ITEM.fields, "code": replace(ITEM["code"], required_on_create=False)})
"""``code`` is unique, ``label`` is not; neither is required, so each can be the only key."""


@dataclass(frozen=True, slots=True)
class Sabotage:
    """Ways to break the library on purpose, to prove that the simulation notices."""

    intents_late: bool = False
    """The journal says durable before it is."""
    no_settle_wait: bool = False
    """Unknowns are looked up at once, while the system may still carry them out."""
    resends_unknowns: bool = False
    """Every write is taken for idempotent."""


class Target(Memory):
    """`Memory` whose rows lock a parent, and which sabotage can make lie about itself."""

    parents = 0
    lies = False

    def conflict_key(self, object: str, change: Change) -> Hashable | None:
        return change.ref % self.parents if self.parents else None

    def guarantee(self, operation: Operation, key: tuple[str, ...], schema: Any) -> Any:
        found = super().guarantee(operation, key, schema)
        return type(found).IDEMPOTENT if self.lies else found


@dataclass(frozen=True, slots=True)
class Scenario:
    operation: Operation
    key: tuple[str, ...]
    changes: tuple[Change, ...]
    present: tuple[Mapping[str, Any], ...]
    """Records that are there before."""
    connector: Target
    settings: Settings
    weather: Weather
    sinks: bool
    crashes: tuple[int, ...]
    """For each life of the process, the effect it dies at; 0 for never."""
    stop_after: int
    """The outcomes after which somebody asks the run to stop; 0 for nobody."""
    page_rows: int
    """Results a page of a bulk job."""
    ledger_fails: float
    """Probability of a commit that fails."""

    @classmethod
    def of(cls, seed: int, sabotage: Sabotage) -> Scenario:
        rng = Random(seed)  # noqa: S311  (a simulation)
        operation, key, bulk = rng.choice(_JOBS)
        rows = rng.choice((1, 3, 10, 30, 60))
        changes, present = _rows(rng, operation, key, rows)
        harsh = rng.random() < 0.8
        return cls(
            operation=operation,
            key=key,
            changes=changes,
            present=present,
            connector=_connector(rng, sabotage, rows, bulk=bulk),
            settings=_settings(rng, bulk=bulk),
            weather=_weather(rng) if harsh else Weather(),
            sinks=rng.random() < 0.3,
            crashes=tuple(rng.randint(1, 30 + 2 * rows) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))),
            stop_after=rng.randint(1, rows) if rng.random() < 0.1 else 0,
            page_rows=rng.choice((2, 5, 100)),
            ledger_fails=0.02 if rng.random() < 0.1 else 0.0,
        )

    def furnish(self, world: World) -> FakeMemory:
        """The system as the first life finds it."""
        rng, odds = Random(len(self.changes)), self.weather.locked  # noqa: S311  (a simulation)
        options: dict[str, Any] = {"sinks": self.sinks, "page_rows": self.page_rows}
        fake = FakeMemory(SCHEMA, clock=world, locked=lambda *row: rng.random() < odds, **options)
        for values in self.present:
            fake.add("Item", **values)
        return fake


_JOBS = (
    (Operation.UPSERT, ("code",), False),
    (Operation.UPSERT, ("label",), False),
    (Operation.INSERT, ("label",), False),
    (Operation.INSERT, ("code",), False),
    (Operation.INSERT, ("label",), False),
    (Operation.UPDATE, ("code",), False),
    (Operation.DELETE, ("code",), False),
    (Operation.INSERT, ("label",), True),
    (Operation.UPSERT, ("code",), True),
)


def _rows(
    rng: Random, operation: Operation, key: tuple[str, ...], rows: int
) -> tuple[tuple[Change, ...], tuple[Mapping[str, Any], ...]]:
    """Rows with a value of their own each; some share a key, some are bad, some records are there already."""
    twins, bad, there = rng.choice((0.0, 0.0, 0.1)), rng.choice((0.0, 0.05, 0.2)), rng.choice((0.0, 0.5, 1.0))
    if operation in (Operation.UPDATE, Operation.DELETE):
        there = max(there, 0.5)
    keys: list[str] = []
    for number in range(rows):
        keys.append(rng.choice(keys) if keys and rng.random() < twins else f"K{number}")
    changes = []
    for number, name in enumerate(keys):
        values: dict[str, Any] = {"score": f"{number}.5"}
        if rng.random() < bad:
            values["band"] = "no such band"
        changes.append(Change(number, values, (name,)))
    insert = operation is Operation.INSERT
    present = [{key[0]: name, "score": "-1"} for name in dict.fromkeys(keys) if not insert and rng.random() < there]
    return tuple(changes), tuple(present)


def _connector(rng: Random, sabotage: Sabotage, rows: int, *, bulk: bool) -> Target:
    capabilities = replace(
        CAPABILITIES,
        batch_rows=rng.choice((1, 3, 7, 20)),
        batch_bytes=rng.choice((1000, 4000, 1_000_000)),
        find_keys=rng.choice((2, 10, 200)),
        parallel=rng.randint(1, 5),
        settle_time=0.0 if sabotage.no_settle_wait else 30.0,
    )
    target = Target("https://sim.invalid", capabilities=capabilities)
    target.parents = rng.choice((0, 0, 3)) if not bulk else 0
    target.lies = sabotage.resends_unknowns
    return target


def _settings(rng: Random, *, bulk: bool) -> Settings:
    retry = RetryPolicy(attempts=rng.choice((1, 2, 5)), total=100.0)
    return Settings(
        retry=retry, bulk_rows=rng.choice((5, 20, 100)) if bulk else None, settle_wait=500.0, give_up_after=20
    )


def _weather(rng: Random) -> Weather:
    def rare() -> float:
        return rng.choice((0.0, 0.0, 0.02, 0.1))

    start = rng.uniform(0, 30)
    return Weather(
        refused=rare(),
        lost=rare(),
        silent=rare(),
        late=rare(),
        throttled=rare(),
        failing=rare(),
        locked=rng.choice((0.0, 0.0, 0.1)),
        outage=(start, start + rng.uniform(0, 60)) if rng.random() < 0.1 else (0.0, 0.0),
    )

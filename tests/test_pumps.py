"""Pumps carry steps out: side by side, commits one after another, and nothing is lost when somebody stops them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aumconnect._pumps import apump, pump
from aumconnect._runner import AsyncRunner, Runner
from aumconnect.connector import Batch, Change, Operation
from aumconnect.connectors.memory import CAPABILITIES, Memory
from aumconnect.engine import Engine, Settings
from aumconnect.errors import LedgerError
from aumconnect.journal import Entry, Intent, Outcomes
from aumconnect.outcome import Outcome, Status
from aumconnect.testing.fakes.memory import ITEM, FakeMemory
from aumconnect.testing.faults import answer
from aumconnect.testing.transport import AsyncFakeTransport, FakeTransport
from aumconnect.wire import Exchange, Request, Response

Source = Any


def rows(count: int) -> list[Change]:
    return [Change(ref, {"score": 0.5}, (f"K{ref}",)) for ref in range(count)]


def engine_of(settings: Settings | None = None, **capabilities: Any) -> Engine:
    connector = Memory()
    connector.capabilities = replace(CAPABILITIES, **{"batch_rows": 10, **capabilities})
    return Engine(
        connector,
        object="Item",
        operation=Operation.UPSERT,
        key=("code",),
        schema=ITEM,
        run_token="run",
        settings=settings,
    )


class Paper:
    def __init__(self, seconds: float = 0.0) -> None:
        self.entries: list[Entry] = []
        self.inside = self.most = 0
        self.threads: set[str] = set()
        self.seconds = seconds

    def commit(self, entries: Sequence[Entry]) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.threads.add(threading.current_thread().name)
        time.sleep(self.seconds)
        self.entries += entries
        self.inside -= 1


def run(kind: str, engine: Engine, source: Source, fake: FakeMemory, journal: Any = None, **options: Any) -> None:
    if kind == "threads":
        pump(engine, source, Runner(FakeTransport(fake), clock=fake.clock), journal, fake.clock, **options)
    else:
        runner = AsyncRunner(AsyncFakeTransport(fake), clock=fake.clock)
        asyncio.run(apump(engine, source, runner, journal, fake.clock, **options))


both = pytest.mark.parametrize("kind", ["threads", "tasks"])


@both
def test_every_row_reaches_the_system_and_the_caller(kind: str) -> None:
    engine, fake, told = engine_of(), FakeMemory(), []

    run(kind, engine, iter(rows(95)), fake, Paper(), on_outcomes=told.extend)

    assert engine.complete
    assert len(fake["Item"]) == 95
    assert sorted(outcome.ref for outcome in told) == list(range(95))


@both
def test_commits_are_one_after_another_off_the_callers_thread(kind: str) -> None:
    journal = Paper(seconds=0.001)

    run(kind, engine_of(), rows(200), FakeMemory(), journal)

    assert journal.most == 1
    assert threading.current_thread().name not in journal.threads
    assert sum(len(entry.outcomes) for entry in journal.entries if isinstance(entry, Outcomes)) == 200


@both
def test_a_bulk_job_goes_on_only_when_its_checkpoint_is_durable(kind: str) -> None:
    journal, fake = Paper(seconds=0.001), FakeMemory()
    engine = engine_of(Settings(bulk_rows=120))

    run(kind, engine, rows(240), fake, journal)

    assert engine.counts == Counter({Status.CREATED: 240})
    kinds = [type(entry).__name__ for entry in journal.entries]
    assert kinds.index("Intent") < kinds.index("Checkpointed") < kinds.index("Outcomes")


@both
def test_a_journal_that_breaks_under_a_checkpoint_stops_the_job_before_it_starts(kind: str) -> None:
    class Broken(Paper):
        def commit(self, entries: Sequence[Entry]) -> None:
            if not all(isinstance(entry, Intent) for entry in entries):
                raise LedgerError("the disk is full")

    fake, engine = FakeMemory(), engine_of(Settings(bulk_rows=100))

    run(kind, engine, rows(50), fake, Broken())

    assert isinstance(engine.halted, LedgerError)
    assert fake.mutations == 0
    assert engine.counts.total() == 50


@both
def test_a_source_that_breaks_off_ends_the_run_in_order(kind: str) -> None:
    def broken() -> Iterator[Change]:
        yield from rows(25)
        raise OSError("the file ends here")

    engine = engine_of()
    run(kind, engine, broken(), FakeMemory())

    assert isinstance(engine.halted, OSError)
    assert engine.counts.total() == 25


@both
def test_an_injected_clock_lets_waiting_times_pass_at_once(kind: str) -> None:
    fake, engine, started = FakeMemory(), engine_of(settle_time=3600.0), time.monotonic()
    fake.faults.write(1, answer(503), times=2)

    run(kind, engine, rows(5), fake, Paper())

    assert engine.counts.total() == 5
    assert time.monotonic() - started < 5.0


async def test_rows_may_come_from_an_async_source() -> None:
    async def source() -> AsyncIterator[Change]:
        for row in rows(35):
            await asyncio.sleep(0)
            yield row

    engine, fake = engine_of(), FakeMemory()
    await apump(engine, source(), AsyncRunner(AsyncFakeTransport(fake)), None, fake.clock)

    assert engine.counts == Counter({Status.CREATED: 35})


@both
def test_what_the_caller_raises_comes_out_and_no_thread_is_left_working(kind: str) -> None:
    def refuse(outcomes: Sequence[Outcome]) -> None:
        raise RuntimeError("no room for outcomes")

    with pytest.raises(RuntimeError, match="no room"):
        run(kind, engine_of(), rows(100), FakeMemory(), on_outcomes=refuse)

    for _ in range(200):
        if not any(thread.name.startswith("aumconnect") and thread.is_alive() for thread in threading.enumerate()):
            return
        time.sleep(0.01)
    pytest.fail("a worker is still there")


class Slow:
    """A transport that takes real time, and says how much goes on at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.inside = self.most = self.done = 0
        self.lock = threading.Lock()

    def send(self, request: Request, *, timeout: float) -> Response:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(self.seconds)
        with self.lock:
            self.inside -= 1
            self.done += 1
        return Response(200)

    def close(self) -> None:
        pass


class AsyncSlow(Slow):
    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.answered = asyncio.Event()

    async def send(self, request: Request, *, timeout: float) -> Response:  # type: ignore[override]
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(self.seconds)
        self.inside -= 1
        self.done += 1
        self.answered.set()
        return Response(200)

    async def close(self) -> None:  # type: ignore[override]
        pass


class Plain(Memory):
    """Every answer means that all went well."""

    def classify(self, response: Response) -> None:
        return None

    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        yield Request("POST", "/", idempotent=True)
        return [Outcome(change.ref, Status.UPDATED) for change in batch.changes]


def plain(**capabilities: Any) -> Engine:
    connector = Plain(capabilities=replace(CAPABILITIES, **{"batch_rows": 1, "parallel": 4, **capabilities}))
    return Engine(connector, object="Item", operation=Operation.UPSERT, key=("code",), schema=ITEM, run_token="run")


def test_threads_work_side_by_side_up_to_the_connectors_limit() -> None:
    line = Slow(0.01)

    pump(plain(), rows(40), Runner(line))

    assert line.most == 4


async def test_tasks_work_side_by_side_up_to_the_connectors_limit() -> None:
    line = AsyncSlow(0.01)

    await apump(plain(), rows(40), AsyncRunner(line))

    assert line.most == 4


async def test_a_cancellation_finishes_what_is_in_flight_commits_it_and_passes() -> None:
    line, engine, journal = AsyncSlow(0.05), plain(), Paper()

    task = asyncio.create_task(apump(engine, rows(1000), AsyncRunner(line), journal))
    await line.answered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert engine.stopped
    assert line.inside == 0
    assert engine.counts[Status.UPDATED] == line.done > 0
    assert engine.counts[Status.UNKNOWN] == 0
    written = [o for entry in journal.entries if isinstance(entry, Outcomes) for o in entry.outcomes]
    assert len(written) == engine.counts.total()


async def test_a_second_cancellation_does_not_wait() -> None:
    line, engine = AsyncSlow(60.0), plain()

    task = asyncio.create_task(apump(engine, rows(100), AsyncRunner(line)))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5.0)


PROGRAM = f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from test_pumps import *
    engine, line, journal = plain(), Slow(0.1), Paper()
    try:
        pump(engine, rows(2000), Runner(line), journal, on_outcomes=lambda outcomes: print("some", flush=True))
    except KeyboardInterrupt:
        print("interrupted", end=" ")
    except SystemExit as end:
        print("ended", end.code, end=" ")
    written = sum(len(entry.outcomes) for entry in journal.entries if isinstance(entry, Outcomes))
    print(engine.counts[Status.UPDATED] == line.done, engine.counts[Status.UNKNOWN], written == engine.counts.total())
"""


@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "ended 143")])
def test_a_signal_finishes_what_is_in_flight_and_commits_it(number: int, said: str) -> None:
    program = subprocess.Popen([sys.executable, "-c", textwrap.dedent(PROGRAM)], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "some\n"
    program.send_signal(number)
    told, _ = program.communicate(timeout=30)

    assert told.split("some\n")[-1].split() == [*said.split(), "True", "0", "True"]


def test_a_pump_off_the_main_thread_leaves_signals_alone() -> None:
    before, engine = signal.getsignal(signal.SIGINT), engine_of()
    thread = threading.Thread(target=run, args=("threads", engine, rows(20), FakeMemory()))
    thread.start()
    thread.join()

    assert engine.counts.total() == 20
    assert signal.getsignal(signal.SIGINT) is before

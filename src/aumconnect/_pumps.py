"""Pumps carry the engine's steps out: one with threads, one on an event loop. They decide nothing.

A pump owns the waiting: sends run beside each other, commits one after another on a ledger thread, rows are
taken from the source in between, on the pump's own thread.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from aumconnect._chunks import Chunk
from aumconnect._clock import SYSTEM_CLOCK, AsyncClock, Clock
from aumconnect._runner import AsyncRunner, Runner
from aumconnect.connector import Change
from aumconnect.engine import Commit, Done, Engine, Note, Send, SleepUntil, Step, Take
from aumconnect.errors import Unavailable
from aumconnect.journal import Journal, NullJournal
from aumconnect.outcome import Outcome
from aumconnect.wire import Checkpoint, Settled

__all__ = ["Crew", "Threads", "apump", "pump"]

Row = Change | Outcome
"""A source yields changes, and outcomes for rows that were rejected before they became one."""
OnOutcomes = Callable[[Sequence[Outcome]], None]
FOREVER = float("inf")


class Queue(Protocol):
    def put(self, item: Any) -> None: ...

    def get(self, timeout: float | None = None) -> Any:
        """The next item; None when ``timeout`` seconds have passed."""


class Crew(Protocol):
    """Who does the waiting: threads, or their stand-ins under a simulated clock."""

    def queue(self) -> Queue: ...

    def start(self, work: Callable[[], None]) -> None: ...


class _SimpleQueue(SimpleQueue[Any]):
    def get(self, timeout: float | None = None) -> Any:  # type: ignore[override]
        try:
            return super().get(timeout=timeout)
        except Empty:
            return None


class Threads:
    """Daemon threads: one that waits for a dead connection must not keep the program alive."""

    def queue(self) -> Queue:
        return _SimpleQueue()

    def start(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="aumconnect", daemon=True).start()


def epoch_clock(clock: Clock | AsyncClock) -> Callable[[], float]:
    """Epoch seconds that never jump: read once, then carried on by the monotonic clock."""
    offset = clock.epoch() - clock.now()
    return lambda: clock.now() + offset


# --- threads ---------------------------------------------------------------------------------------------


def pump(
    engine: Engine,
    source: Iterable[Row],
    runner: Runner,
    journal: Journal | None = None,
    clock: Clock = SYSTEM_CLOCK,
    *,
    on_outcomes: OnOutcomes | None = None,
    crew: Crew | None = None,
) -> None:
    """Run ``engine`` to its end. ``on_outcomes`` gets outcomes as they become durable, on this thread.

    How it ended is in the engine. On the main thread, Ctrl-C and SIGTERM stop it: what is in flight is
    finished and committed, then KeyboardInterrupt or SystemExit is raised. A second signal does so at once.
    """
    pumping = _ThreadPump(engine, iter(source), runner, journal or NullJournal(), clock, on_outcomes, crew)
    with _graceful(pumping.stop):
        pumping.run()


class _ThreadPump:
    def __init__(
        self,
        engine: Engine,
        source: Iterator[Row],
        runner: Runner,
        journal: Journal,
        clock: Clock,
        on_outcomes: OnOutcomes | None,
        crew: Crew | None,
    ) -> None:
        self._engine = engine
        self._source = source
        self._runner = runner
        self._journal = journal
        self._clock = clock
        self._own_time = crew is None and clock is not SYSTEM_CLOCK
        self._on_outcomes = on_outcomes
        self._crew = crew = crew or Threads()
        self._now = epoch_clock(clock)
        self._inbox, self._sends, self._commits = crew.queue(), crew.queue(), crew.queue()
        self._workers = self._flying = self._committing = 0
        self._ledger_started = False
        self._waiting: dict[Note, Queue] = {}

    def run(self) -> None:
        try:
            while not isinstance(step := self._engine.next(self._now()), Done):
                self._do(step)
        finally:
            self._dismiss()

    def stop(self) -> None:
        """Safe to call from a signal handler."""
        self._engine.stop(self._now())
        self._inbox.put(lambda: None)

    def _do(self, step: Step) -> None:
        match step:
            case Send():
                self._send(step)
            case Commit() if isinstance(self._journal, NullJournal):
                self._committed(step, None)
            case Commit():
                self._commit(step)
            case Take():
                self._take(step)
            case SleepUntil(at):
                self._wait(at)

    def _wait(self, until: float) -> None:
        """Until somebody reports, then until nobody has more to report.

        When nothing is under way only time brings news, and an injected clock may let it pass at once.
        """
        if self._own_time and not (self._flying or self._committing):
            self._clock.sleep(until - self._now())
            return
        timeout = None if until == FOREVER else max(0.0, until - self._now())
        report = self._inbox.get(timeout)
        while report is not None:
            report()
            report = self._inbox.get(0.0)

    def _take(self, step: Take) -> None:
        rows: list[Row] = []
        try:
            rows.extend(islice(self._source, step.count))
        except Exception as error:  # noqa: BLE001  (the engine decides)
            self._engine.done(step, rows, self._now())
            self._engine.fail(error)
        else:
            self._engine.done(step, rows, self._now())

    # --- sends ---

    def _send(self, step: Send) -> None:
        self._flying += 1
        if self._flying > self._workers:
            self._workers += 1
            self._crew.start(self._work)
        self._sends.put(step)

    def _work(self) -> None:
        while (step := self._sends.get()) is not None:
            self._inbox.put(partial(self._sent, step, self._drive(step)))

    def _drive(self, step: Send) -> Any:
        try:
            return self._runner.run(step.exchange, partial(self._ask, step.chunk))
        except BaseException as error:  # noqa: BLE001  (reported, not swallowed: the engine decides)
            return error

    def _sent(self, step: Send, result: Any) -> None:
        self._flying -= 1
        self._engine.done(step, result, self._now())

    def _ask(self, chunk: Chunk, effect: Checkpoint | Settled) -> None:
        """On a worker: hand ``effect`` to the engine and wait until it is durable."""
        reply = self._crew.queue()
        self._inbox.put(partial(self._noted, chunk, effect, reply))
        error = reply.get()
        if isinstance(error, Exception):
            raise error

    def _noted(self, chunk: Chunk, effect: Checkpoint | Settled, reply: Queue) -> None:
        self._waiting[self._engine.note(chunk, effect, self._now())] = reply

    # --- commits ---

    def _commit(self, step: Commit) -> None:
        if not self._ledger_started:
            self._ledger_started = True
            self._crew.start(self._keep_ledger)
        self._committing = 1
        self._commits.put(step)

    def _keep_ledger(self) -> None:
        while (step := self._commits.get()) is not None:
            error = _commit_to(self._journal, step)
            self._inbox.put(partial(self._committed, step, error))

    def _committed(self, step: Commit, error: Exception | None) -> None:
        self._committing = 0
        if error is not None:
            self._journal = NullJournal()  # nothing is sent any more; what is left is only counted
        self._engine.done(step, error, self._now())
        for note in step.notes:
            self._waiting.pop(note).put(error or True)
        _report(step, self._on_outcomes)

    def _dismiss(self) -> None:
        for _ in range(self._workers):
            self._sends.put(None)
        if self._ledger_started:
            self._commits.put(None)
        for reply in self._waiting.values():
            reply.put(Unavailable("the run is over"))


def _commit_to(journal: Journal, step: Commit) -> Exception | None:
    try:
        journal.commit(step.entries)
    except Exception as error:  # noqa: BLE001  (the engine decides)
        return error
    return None


def _report(step: Commit, on_outcomes: OnOutcomes | None) -> None:
    if on_outcomes is not None:
        for outcomes in step.outcomes():
            on_outcomes(outcomes)


@contextmanager
def _graceful(stop: Callable[[], None]) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into ``stop()``; raise what it means when the block has ended."""
    caught: list[int] = []
    former = _signals() if threading.current_thread() is threading.main_thread() else {}

    def on_signal(number: int, frame: Any) -> None:
        signal.signal(number, former[number])
        caught.append(number)
        stop()

    for number in former:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if caught:
        raise KeyboardInterrupt if caught[0] == signal.SIGINT else SystemExit(128 + caught[0])


def _signals() -> dict[int, Any]:
    """The signals nobody else has claimed, and what Python does about them."""
    claimed = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    return {number: usual for number, usual in claimed.items() if signal.getsignal(number) == usual}


# --- an event loop ---------------------------------------------------------------------------------------

Offload = Callable[[Callable[[Sequence[Any]], None], Sequence[Any]], Awaitable[None]]


async def apump(
    engine: Engine,
    source: Iterable[Row] | AsyncIterable[Row],
    runner: AsyncRunner,
    journal: Journal | None = None,
    clock: AsyncClock = SYSTEM_CLOCK,
    *,
    on_outcomes: OnOutcomes | None = None,
    offload: Offload | None = None,
) -> None:
    """As `pump`, on the running event loop; commits run in a thread of their own (``offload`` replaces it).

    A cancellation stops the engine: what is in flight is finished and committed, then CancelledError is
    raised. A second one does so at once.
    """
    with ThreadPoolExecutor(1, "aumconnect-ledger") as executor:
        off = offload or partial(asyncio.get_running_loop().run_in_executor, executor)
        await _TaskPump(engine, source, runner, journal or NullJournal(), clock, on_outcomes, off).run()


class _TaskPump:
    def __init__(
        self,
        engine: Engine,
        source: Iterable[Row] | AsyncIterable[Row],
        runner: AsyncRunner,
        journal: Journal,
        clock: AsyncClock,
        on_outcomes: OnOutcomes | None,
        offload: Offload,
    ) -> None:
        self._engine = engine
        self._source = aiter(source) if isinstance(source, AsyncIterable) else iter(source)
        self._runner = runner
        self._journal = journal
        self._clock = clock
        self._on_outcomes = on_outcomes
        self._offload = offload
        self._now = epoch_clock(clock)
        self._inbox: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[Note, asyncio.Future[None]] = {}

    async def run(self) -> None:
        cancelled: asyncio.CancelledError | None = None
        try:
            while not isinstance(step := self._engine.next(self._now()), Done):
                try:
                    await self._do(step)
                except asyncio.CancelledError as error:
                    if cancelled is not None:
                        raise
                    cancelled = error
                    self._engine.stop(self._now())
        finally:
            for task in self._tasks:
                task.cancel()
        if cancelled is not None:
            raise cancelled

    async def _do(self, step: Step) -> None:
        match step:
            case Send():
                self._start(self._send(step))
            case Commit() if isinstance(self._journal, NullJournal):
                self._committed(step, None)
            case Commit():
                self._start(self._commit(step))
            case Take():
                await self._take(step)
            case SleepUntil(at):
                await self._wait(at)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, until: float) -> None:
        """As `_ThreadPump._wait`."""
        if self._clock is not SYSTEM_CLOCK and not self._tasks and self._inbox.empty():
            await self._clock.asleep(until - self._now())
            return
        try:
            async with asyncio.timeout(None if until == FOREVER else max(0.0, until - self._now())):
                report = await self._inbox.get()
        except TimeoutError:
            return
        report()
        while not self._inbox.empty():
            self._inbox.get_nowait()()

    async def _take(self, step: Take) -> None:
        rows: list[Row] = []
        failure: Exception | None = None
        try:
            if isinstance(self._source, AsyncIterator):
                await _extend(rows, self._source, step.count)
            else:
                rows.extend(islice(self._source, step.count))
        except Exception as error:  # noqa: BLE001  (the engine decides)
            failure = error
        finally:  # a cancellation too: rows already taken must be accounted for
            self._engine.done(step, rows, self._now())
        if failure is not None:
            self._engine.fail(failure)

    async def _send(self, step: Send) -> None:
        result: Any
        try:
            result = await self._runner.run(step.exchange, partial(self._ask, step.chunk))
        except Exception as error:  # noqa: BLE001  (the engine decides)
            result = error
        self._inbox.put_nowait(partial(self._sent, step, result))

    def _sent(self, step: Send, result: Any) -> None:
        self._engine.done(step, result, self._now())

    async def _ask(self, chunk: Chunk, effect: Checkpoint | Settled) -> None:
        reply: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(partial(self._noted, chunk, effect, reply))
        await reply

    def _noted(self, chunk: Chunk, effect: Checkpoint | Settled, reply: asyncio.Future[None]) -> None:
        self._waiting[self._engine.note(chunk, effect, self._now())] = reply

    async def _commit(self, step: Commit) -> None:
        error: Exception | None = None
        try:
            await self._offload(self._journal.commit, step.entries)
        except Exception as failure:  # noqa: BLE001  (the engine decides)
            error = failure
        self._inbox.put_nowait(partial(self._committed, step, error))

    def _committed(self, step: Commit, error: Exception | None) -> None:
        if error is not None:
            self._journal = NullJournal()  # nothing is sent any more; what is left is only counted
        self._engine.done(step, error, self._now())
        for note in step.notes:
            reply = self._waiting.pop(note)
            if not reply.done():
                reply.set_exception(error) if error is not None else reply.set_result(None)
        _report(step, self._on_outcomes)


async def _extend(rows: list[Row], source: AsyncIterator[Row], count: int) -> None:
    for _ in range(count):
        try:
            rows.append(await anext(source))
        except StopAsyncIteration:
            return

"""The pump that awaits: a task for each send under way; commits run in a thread of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

from aumconnect._clock import SYSTEM_CLOCK, AsyncClock
from aumconnect._pumps.common import FOREVER, OnOutcomes, Row, epoch_clock, report
from aumconnect._runner import AsyncRunner
from aumconnect.engine import Commit, Done, Engine, Note, Send, SleepUntil, Step, Take
from aumconnect.engine.chunks import Chunk
from aumconnect.journal import Journal, NullJournal
from aumconnect.wire import Checkpoint, Settled

__all__ = ["apump"]

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
        self._under_way = 0
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

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._under_way += 1
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, until: float) -> None:
        """As `_ThreadPump._wait`."""
        if self._clock is not SYSTEM_CLOCK and not self._under_way:
            await self._clock.asleep(until - self._now())
            return
        try:
            async with asyncio.timeout(None if until == FOREVER else max(0.0, until - self._now())):
                news = await self._inbox.get()
        except TimeoutError:
            return
        news()
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
        self._under_way -= 1
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
        self._inbox.put_nowait(partial(self._made_durable, step, error))

    def _made_durable(self, step: Commit, error: Exception | None) -> None:
        self._under_way -= 1
        self._committed(step, error)

    def _committed(self, step: Commit, error: Exception | None) -> None:
        if error is not None:
            self._journal = NullJournal()  # nothing is sent any more; what is left is only counted
        self._engine.done(step, error, self._now())
        for note in step.notes:
            reply = self._waiting.pop(note)
            if not reply.done():
                reply.set_exception(error) if error is not None else reply.set_result(None)
        report(step, self._on_outcomes)


async def _extend(rows: list[Row], source: AsyncIterator[Row], count: int) -> None:
    for _ in range(count):
        try:
            rows.append(await anext(source))
        except StopAsyncIteration:
            return

"""The pump that blocks: a worker thread for each send under way, one for the journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from aumconnect._clock import SYSTEM_CLOCK, Clock
from aumconnect._pumps.common import FOREVER, OnOutcomes, Row, epoch_clock, report
from aumconnect._pumps.signals import graceful
from aumconnect._runner import Runner
from aumconnect.engine import Commit, Done, Engine, Note, Send, SleepUntil, Step, Take
from aumconnect.engine.chunks import Chunk
from aumconnect.errors import Unavailable
from aumconnect.journal import Journal, NullJournal
from aumconnect.wire import Checkpoint, Settled

__all__ = ["Crew", "Queue", "Threads", "pump"]


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
    with graceful(pumping.stop):
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
        news = self._inbox.get(timeout)
        while news is not None:
            news()
            news = self._inbox.get(0.0)

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
        report(step, self._on_outcomes)

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

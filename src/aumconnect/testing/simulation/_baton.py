"""Threads that take turns, under the world's time: the real thread pump, made deterministic.

Exactly one thread runs; it passes the baton when it waits. When all wait, time moves to whatever comes next.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from aumconnect.testing.simulation._world import Died, LawBroken, World

__all__ = ["Baton"]


class _Turn:
    """One thread's place in line."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.wakes = 0


class Baton:
    """A `Crew` and a `Clock` for `aumconnect._pumps.pump`. Create it on the thread that will run the pump."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._mine = threading.local()
        self._mine.turn = _Turn()
        self._ready: deque[_Turn] = deque()
        self._alarms: list[tuple[float, int, _Turn, int]] = []
        self._order = count()
        self._blocked: dict[_Turn, None] = {}
        self._threads: list[threading.Thread] = []

    # --- clock ---

    def now(self) -> float:
        return self._world.time

    def epoch(self) -> float:
        return self._world.epoch()

    def sleep(self, seconds: float) -> None:
        self.wait(self._world.time + seconds)

    # --- crew ---

    def queue(self) -> _Queue:
        return _Queue(self)

    def start(self, work: Callable[[], None]) -> None:
        turn = _Turn()
        thread = threading.Thread(target=self._live, args=(turn, work), daemon=True)
        self._threads.append(thread)
        thread.start()
        self._ready.append(turn)

    def _live(self, turn: _Turn, work: Callable[[], None]) -> None:
        self._mine.turn = turn
        turn.gate.acquire()
        try:
            if not self._world.dead:
                work()
        except Died:
            pass
        self._pass_on()

    # --- taking turns ---

    @property
    def turn(self) -> _Turn:
        turn: _Turn = self._mine.turn
        return turn

    def wait(self, until: float = float("inf")) -> None:
        """Give way until somebody calls `wake` for this thread's turn, or until then."""
        if self._world.dead:
            raise Died
        turn = self.turn
        turn.wakes += 1
        self._blocked[turn] = None
        if until < float("inf"):
            heapq.heappush(self._alarms, (until, next(self._order), turn, turn.wakes))
        self._pass_on()
        turn.gate.acquire()
        if self._world.dead:
            raise Died

    def wake(self, turn: _Turn) -> None:
        if turn in self._blocked:
            del self._blocked[turn]
            self._ready.append(turn)

    def _pass_on(self) -> None:
        following = self._next()
        if following is not None:
            following.gate.release()

    def _next(self) -> _Turn | None:
        """Who runs now; time moves until somebody can. None when nobody is left."""
        while True:
            if self._world.dead:
                for turn in list(self._blocked):
                    self.wake(turn)
            if self._ready:
                return self._ready.popleft()
            if not self._blocked:
                return None
            self._let_time_pass()

    def _let_time_pass(self) -> None:
        while self._alarms and (
            self._alarms[0][2] not in self._blocked or self._alarms[0][2].wakes != self._alarms[0][3]
        ):
            heapq.heappop(self._alarms)
        if not self._alarms:
            if self._world.next_event == float("inf"):
                self._world.dead = True
                self._world.note("stuck")
                return
            self._world.advance(self._world.next_event)
            return
        at, _, turn, _ = heapq.heappop(self._alarms)
        self._world.advance(at)
        self.wake(turn)

    def finish(self) -> None:
        """After the pump has returned or died: end every other thread. Raises `LawBroken` when one does not."""
        self._world.dead = True
        self._pass_on()
        for thread in self._threads:
            thread.join(10.0)
            if thread.is_alive():
                raise LawBroken("a thread of the pump does not end")


class _Queue:
    def __init__(self, baton: Baton) -> None:
        self._baton = baton
        self._items: deque[Any] = deque()
        self._waiting: deque[_Turn] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        if self._waiting:
            self._baton.wake(self._waiting.popleft())

    def get(self, timeout: float | None = None) -> Any:
        until = float("inf") if timeout is None else self._baton.now() + timeout
        while not self._items:
            if timeout == 0.0 or self._baton.now() >= until:
                return None
            turn = self._baton.turn
            self._waiting.append(turn)
            self._baton.wait(until)
            if turn in self._waiting:
                self._waiting.remove(turn)
        return self._items.popleft()

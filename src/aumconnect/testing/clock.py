"""Time that passes only when somebody sleeps, and then at once."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["VirtualClock"]


class VirtualClock:
    """Serves `Clock` and `AsyncClock`: a sleep moves the time on and returns. Safe to share between threads.

    ``epoch`` is the time of day at the start, in seconds since 1970-01-01 UTC (the default is 2026-01-01).
    ``slept`` are the seconds of every sleep so far, in order.
    """

    def __init__(self, epoch: float = 1_767_225_600.0) -> None:
        self.slept: list[float] = []
        self._start = epoch
        self._now = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def epoch(self) -> float:
        return self._start + self._now

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass although nobody sleeps."""
        self._reach(self._now + seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(0.0, seconds))

    async def asleep(self, seconds: float) -> None:
        """Tasks that go to sleep at the same moment sleep side by side: the time moves by the longest."""
        wake = self._now + max(0.0, seconds)
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self._reach(wake)

    def _reach(self, moment: float) -> None:
        with self._lock:
            self._now = max(self._now, moment)

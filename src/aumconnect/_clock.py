"""Time as something handed in, so that tests never sleep."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["SYSTEM_CLOCK", "AsyncClock", "Clock", "EitherClock", "SystemClock"]


class Clock(Protocol):
    def now(self) -> float:
        """Monotonic seconds; only differences mean anything."""

    def epoch(self) -> float:
        """Seconds since 1970-01-01 UTC."""

    def sleep(self, seconds: float) -> None: ...


class AsyncClock(Protocol):
    def now(self) -> float: ...

    def epoch(self) -> float: ...

    async def asleep(self, seconds: float) -> None: ...


class EitherClock(Clock, AsyncClock, Protocol):
    """For threads and event loops alike."""


class SystemClock:
    """The machine's own clocks; serves both protocols."""

    def now(self) -> float:
        return time.monotonic()

    def epoch(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()

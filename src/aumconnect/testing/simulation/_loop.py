"""An event loop under the world's time: the real asyncio pump, made deterministic."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any

from aumconnect.testing.simulation._world import Died, World

__all__ = ["LoopClock", "run"]


class _NoNetwork(selectors.BaseSelector):
    """Waiting for sockets is letting the world's time pass."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self.burying = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, 0, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.burying:
            return []
        if self._world.dead:
            raise Died
        if timeout is None:
            if self._world.next_event == float("inf"):
                self._world.dead = True
                self._world.note("stuck")
                raise Died
            self._world.advance(self._world.next_event)
        elif timeout > 0:
            self._world.advance(self._world.time + timeout)
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, world: World) -> None:
        self._world = world
        self.network = _NoNetwork(world)
        super().__init__(self.network)

    def time(self) -> float:
        return self._world.time

    def bury(self) -> None:
        """End every task that is left; nothing it does reaches the world any more."""
        self.network.burying = self._world.dead = True
        while tasks := asyncio.all_tasks(self):
            for task in tasks:
                task.cancel()
            self.call_soon(self.stop)
            self.run_forever()
        self.close()


class LoopClock:
    """An `AsyncClock`."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return self._world.time

    def epoch(self) -> float:
        return self._world.epoch()

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run(world: World, main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` to its end or the process's. Raises `Died` for the latter."""
    loop = _Loop(world)
    loop.set_exception_handler(lambda loop, context: None)
    try:
        loop.run_until_complete(main)
    finally:
        loop.bury()

"""Virtual time."""

import asyncio

from aumconnect.testing.clock import VirtualClock


def test_a_sleep_moves_the_time_and_is_remembered() -> None:
    clock = VirtualClock(epoch=100.0)

    clock.sleep(3.0)
    clock.advance(0.5)

    assert (clock.now(), clock.epoch(), clock.slept) == (3.5, 103.5, [3.0])


async def test_tasks_that_sleep_together_do_not_add_up() -> None:
    clock = VirtualClock()

    await asyncio.gather(clock.asleep(10), clock.asleep(4), clock.asleep(7))

    assert clock.now() == 10


def test_a_negative_sleep_never_turns_time_back() -> None:
    clock = VirtualClock()
    clock.sleep(-5)
    assert clock.now() == 0

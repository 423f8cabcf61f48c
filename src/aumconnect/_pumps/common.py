"""What both pumps share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aumconnect._clock import AsyncClock, Clock
from aumconnect.connector import Change
from aumconnect.engine import Commit
from aumconnect.outcome import Outcome

__all__ = ["FOREVER", "OnOutcomes", "Row", "epoch_clock", "report"]

Row = Change | Outcome
"""A source yields changes, and outcomes for rows that were rejected before they became one."""
OnOutcomes = Callable[[Sequence[Outcome]], None]
FOREVER = float("inf")


def epoch_clock(clock: Clock | AsyncClock) -> Callable[[], float]:
    """Epoch seconds that never jump: read once, then carried on by the monotonic clock."""
    offset = clock.epoch() - clock.now()
    return lambda: clock.now() + offset


def report(step: Commit, on_outcomes: OnOutcomes | None) -> None:
    if on_outcomes is not None:
        for outcomes in step.outcomes():
            on_outcomes(outcomes)

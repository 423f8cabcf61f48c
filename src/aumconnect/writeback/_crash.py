"""Named places where a test may kill this process: for crash tests only.

``AUMCONNECT_CRASH=intent:after`` kills the process with SIGKILL, at once and without any clean-up, the
first time it comes to that place; ``intent:after:3`` the third time. Without the variable a hook is one
dictionary look-up. The places: ``lease``, ``plan``, ``intent``, ``send``, ``outcome``, ``fold``,
``reconcile``, each ``before`` and ``after``.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

from aumconnect._relay import relay
from aumconnect.wire import Effect, Exchange, Request

__all__ = ["PLACES", "around_sends", "hook"]

PLACES = ("lease", "plan", "intent", "send", "outcome", "fold", "reconcile")

_passed: Counter[str] = Counter()


def hook(place: str, side: str) -> None:
    """Die here if the environment says so."""
    wanted = os.environ.get("AUMCONNECT_CRASH")
    if wanted is None:
        return
    here = f"{place}:{side}"
    _passed[here] += 1
    if wanted in (here if _passed[here] == 1 else "", f"{here}:{_passed[here]}"):
        os.kill(os.getpid(), signal.SIGKILL)


def around_sends(around: Callable[[Exchange[Any]], Exchange[Any]]) -> Callable[[Exchange[Any]], Exchange[Any]]:
    """``around``, with the place ``send:after`` behind every answer to a request that writes."""
    if not os.environ.get("AUMCONNECT_CRASH", "").startswith("send:after"):
        return around
    return lambda exchange: relay(around(exchange), _answered)


def _answered(effect: Effect) -> Exchange[Any]:
    result = yield effect
    if isinstance(effect, Request) and not effect.safe:
        hook("send", "after")
    return result

"""Ctrl-C and SIGTERM as a wish to stop, not as an accident."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["graceful"]


@contextmanager
def graceful(stop: Callable[[], None]) -> Iterator[None]:
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

"""The one loop that puts an exchange around an exchange."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any, TypeVar

from aumconnect.wire import Effect, Exchange

__all__ = ["relay"]

T = TypeVar("T")


def relay(exchange: Exchange[T], each: Callable[[Effect], Exchange[Any]]) -> Exchange[T]:
    """``exchange`` with each of its effects performed by ``each``: an exchange of its own, whose result is
    sent in and whose exception is thrown in. Retry, signing and watching are all of this shape."""
    with closing(exchange):
        resume: Callable[[Any], Effect] = exchange.send
        result: Any = None
        try:
            while True:
                effect = resume(result)
                try:
                    result, resume = (yield from each(effect)), exchange.send
                except Exception as error:  # noqa: BLE001  (thrown in where it belongs)
                    result, resume = error, exchange.throw
        except StopIteration as end:
            value: T = end.value
            return value

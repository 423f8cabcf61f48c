"""How much of the account's allowance is used, as its own answers say."""

from __future__ import annotations

from typing import Any, TypeVar

from aumconnect._relay import relay
from aumconnect.connector import Connector
from aumconnect.wire import Effect, Exchange, Request

__all__ = ["QuotaSeen"]

T = TypeVar("T")


class QuotaSeen:
    """Listens to exchanges. ``latest`` is (used, allowed) requests, or None where no answer said so."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self.latest: tuple[int, int] | None = None

    @property
    def is_told(self) -> bool:
        """Whether this system's answers tell at all."""
        return type(self._connector).quota is not Connector.quota

    def around(self, exchange: Exchange[T]) -> Exchange[T]:
        """``exchange``, with its answers listened to."""
        return relay(exchange, self._heard)

    def _heard(self, effect: Effect) -> Exchange[Any]:
        result = yield effect
        if isinstance(effect, Request):
            self.latest = self._connector.quota(result) or self.latest
        return result

"""How much of the account's allowance is used, as its own answers say."""

from __future__ import annotations

from typing import TypeVar

from aumconnect.connector import Connector
from aumconnect.wire import Exchange, Request

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
        try:
            effect = next(exchange)
            while True:
                try:
                    result = yield effect
                except Exception as error:  # noqa: BLE001  (it belongs to the exchange)
                    effect = exchange.throw(error)
                    continue
                if isinstance(effect, Request):
                    self.latest = self._connector.quota(result) or self.latest
                effect = exchange.send(result)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

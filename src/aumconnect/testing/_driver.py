"""One way to ask for the same things of a blocking client and of one on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from aumconnect.client import AsyncClient, Client
from aumconnect.connector import Account, Change, Connector, Operation, RemoteRecord
from aumconnect.outcome import Outcome
from aumconnect.report import Report
from aumconnect.schema import ObjectSchema
from aumconnect.testing.fakes import Fake
from aumconnect.wire import Exchange

__all__ = ["Driver", "Mode"]

T = TypeVar("T")
RUN = "contract"
Mode = Literal["sync", "async"]


class Driver:
    """A connector in front of its fake; every call opens a client, and closes it.

    ``options`` are those of `Client`. What happens is the same in both modes, only the waiting differs.
    """

    def __init__(self, connector: Connector, fake: Fake, mode: Mode, **options: Any) -> None:
        self.connector = connector
        self.fake = fake
        self._mode = mode
        self._options = {"settle_wait": 2 * connector.capabilities.settle_time, **options}

    def check(self) -> Account:
        return self._do(lambda client: client.check(), lambda client: client.check())

    def describe(self, object: str) -> ObjectSchema:
        return self._do(lambda client: client.describe(object), lambda client: client.describe(object))

    def find(self, object: str, fields: Sequence[str], **key: Any) -> list[RemoteRecord]:
        return self._do(
            lambda client: client.find(object, key, fields=fields),
            lambda client: client.find(object, key, fields=fields),
        )

    def write(self, operation: Operation, object: str, rows: Sequence[Mapping[str, Any]], key: str) -> Report:
        """As a user writes: rows by the remote fields' names."""
        return self._do(
            lambda client: client.write(operation, object, rows, key=key),
            lambda client: client.write(operation, object, rows, key=key),
        )

    def carry(
        self, operation: Operation, object: str, changes: Iterable[Change], key: tuple[str, ...]
    ) -> list[Outcome]:
        """As a plan writes: finished changes, without mapping and pre-flight."""
        found: list[Outcome] = []

        def blocking(client: Client) -> None:
            engine = client.engine(object, operation, key, None, run_token=RUN)
            client.carry(engine, changes, on_outcomes=found.extend)

        async def awaiting(client: AsyncClient) -> None:
            engine = client.engine(object, operation, key, None, run_token=RUN)
            await client.carry(engine, changes, on_outcomes=found.extend)

        self._do(blocking, awaiting)
        return found

    def run(self, exchange: Exchange[T]) -> T:
        """One exchange, with retry and signature around it."""
        return self._do(lambda client: client.run(exchange), lambda client: client.run(exchange))

    def client(self) -> Client | AsyncClient:
        """A client like those that the calls open."""
        open_client = self.fake.client if self._mode == "sync" else self.fake.async_client
        return open_client(self.connector, **self._options)

    def _do(self, blocking: Callable[[Client], T], awaiting: Callable[[AsyncClient], Awaitable[T]]) -> T:
        client = self.client()
        if isinstance(client, Client):
            with client:
                return blocking(client)
        return asyncio.run(_awaited(client, awaiting))


async def _awaited(client: AsyncClient, awaiting: Callable[[AsyncClient], Awaitable[T]]) -> T:
    async with client:
        return await awaiting(client)

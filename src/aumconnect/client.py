"""What integration code holds: a connector with its credential, a runner and limits.

`Client` blocks, `AsyncClient` awaits; both do the same exchanges, so everything but the waiting is written once.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from aumconnect._connection import ClientOptions, Connection, http_options, query_of
from aumconnect._plainly import plainly
from aumconnect._pumps import Row, apump, pump
from aumconnect._runner import AsyncRunner, Runner
from aumconnect._writing import Writing
from aumconnect.auth.session import TokenAccess
from aumconnect.connector import Account, Connector, HasNative, Operation, Query, RemoteRecord
from aumconnect.engine import Engine
from aumconnect.errors import ConfigurationError
from aumconnect.journal import Journal
from aumconnect.outcome import Outcome
from aumconnect.report import Report
from aumconnect.schema import ObjectSchema
from aumconnect.transport import AsyncTransport, Transport
from aumconnect.wire import Exchange

if TYPE_CHECKING:
    from aumconnect.record import Record

__all__ = ["AsyncClient", "Client", "ClientOptions"]

T = TypeVar("T")


class Client(Connection):
    """A connection to one system, for code that blocks. Safe to share between threads.

    ``target`` is a connection URL (``salesforce://acme.my.salesforce.com``) or a connector; for the options see
    `ClientOptions`. ``transport`` replaces HTTP altogether, in tests.
    """

    def __init__(
        self, target: str | Connector, *, transport: Transport | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        super().__init__(target, options)
        self._transport = transport or _http_transport(options)
        self._runner = Runner(self._transport, gate=self._gate(), clock=self.clock, on_event=self.on_event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close connections. The client cannot be used afterwards."""
        self._transport.close()

    def run(self, exchange: Exchange[T]) -> T:
        """Perform a connector's exchange, with retry, signature and limits.

        Raises `Unavailable` and `RateLimited` where the system as a whole does not work for us just now.
        """
        return self._runner.run(plainly(self.around(exchange)))

    # --- looking ---

    def check(self) -> Account:
        """Log in and say which account the credential opens. Raises `AuthenticationError`, `Unavailable`."""
        return self.run(self._checked())

    def objects(self) -> Sequence[str]:
        """The API names of all objects."""
        return self.run(self._named())

    def describe(self, object: str) -> ObjectSchema:
        """One object's fields; asked once, then remembered."""
        return self.run(self._described(object))

    def read(
        self,
        object: str,
        *,
        fields: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[RemoteRecord]:
        """Records, page by page as they are consumed; all fields unless said. ``since`` is an aware datetime."""
        query = query_of(object, fields, where, since, limit)
        return islice(self._read(query), limit)

    def _read(self, query: Query) -> Iterator[RemoteRecord]:
        cursor: str | None = None
        while True:
            page = self.run(self._paged(query, cursor))
            yield from page.records
            if (cursor := page.cursor) is None:
                return

    def find(self, object: str, key: Mapping[str, Any], *, fields: Sequence[str] = ()) -> list[RemoteRecord]:
        """Every record whose key fields have these values: none, one, or several that share them."""
        return self.run(self._found(object, key, fields))

    def get(self, object: str, id: str, fields: Sequence[str] = ()) -> RemoteRecord | None:
        """The record with this remote id, or None when it is gone."""
        return self.run(self._fetched(object, id, fields))

    # --- writing ---

    def insert(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """Create a record for each row. With a key, an unanswered write is settled by looking it up."""
        return self.write(Operation.INSERT, what, rows, key=key)

    def update(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """Change existing records; rows without a match are skipped and counted."""
        return self.write(Operation.UPDATE, what, rows, key=key)

    def upsert(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """Update the record that has the key, or create it."""
        return self.write(Operation.UPSERT, what, rows, key=key)

    def delete(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """Delete the records that the rows' keys name."""
        return self.write(Operation.DELETE, what, rows, key=key)

    def write(
        self, operation: Operation, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None
    ) -> Report:
        """Write rows: a Record class or an object's name, and anything that yields rows.

        Raises `ConfigurationError` with every problem that can be seen before the first row is sent. What goes
        wrong later is in the `Report`: ``report.raise_for_errors()``. Ctrl-C and SIGTERM finish what is in flight,
        then pass, with the counts so far as a note.
        """
        writing = self.run(self._prepared(operation, what, rows, key))
        report, engine = Report(), self._engine_for(writing)
        with _accounted(report):
            self.carry(engine, writing.rows(), on_outcomes=report.add)
        return _ended(report, engine, writing)

    def carry(
        self,
        engine: Engine,
        source: Iterable[Row],
        *,
        journal: Journal | None = None,
        fence: Callable[[], None] | None = None,
        on_outcomes: Callable[[Sequence[Outcome]], None] | None = None,
    ) -> None:
        """Run ``engine`` to its end; ``fence`` is called before every mutating request and raises to forbid it."""
        runner = self._runner if fence is None else self._runner.behind(self._gate(fence))
        pump(engine, source, runner, journal, self.clock, on_outcomes=on_outcomes)

    @property
    def native(self) -> Any:
        """The vendor's usual Python client, logged in as this one and held to the same host.

        Raises `ConfigurationError` for a connector that has none.
        """
        if not isinstance(self.connector, HasNative):
            raise ConfigurationError(f"{self.connector.name} has no native client")
        access = TokenAccess(
            token=lambda: self._runner.run(self.session.token()),
            renewed=lambda stale: self._runner.run(self.session.renewed(stale)),
        )
        return self.connector.native(access)


class AsyncClient(Connection):
    """The same for code on an event loop; one client serves the tasks of one loop."""

    def __init__(
        self, target: str | Connector, *, transport: AsyncTransport | None = None, **options: Unpack[ClientOptions]
    ) -> None:
        super().__init__(target, options)
        self._transport = transport or _async_http_transport(options)
        self._runner = AsyncRunner(self._transport, gate=self._gate(), clock=self.clock, on_event=self.on_event)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections. The client cannot be used afterwards."""
        await self._transport.close()

    async def run(self, exchange: Exchange[T]) -> T:
        """See `Client.run`."""
        return await self._runner.run(plainly(self.around(exchange)))

    async def check(self) -> Account:
        """See `Client.check`."""
        return await self.run(self._checked())

    async def objects(self) -> Sequence[str]:
        """See `Client.objects`."""
        return await self.run(self._named())

    async def describe(self, object: str) -> ObjectSchema:
        """See `Client.describe`."""
        return await self.run(self._described(object))

    async def read(
        self,
        object: str,
        *,
        fields: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        since: datetime | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[RemoteRecord]:
        """See `Client.read`: ``async for record in client.read(...)``."""
        query = query_of(object, fields, where, since, limit)
        left = limit if limit is not None else -1
        cursor: str | None = None
        while left:
            page = await self.run(self._paged(query, cursor))
            for record in page.records:
                yield record
                left -= 1
                if not left:
                    return
            if (cursor := page.cursor) is None:
                return

    async def find(self, object: str, key: Mapping[str, Any], *, fields: Sequence[str] = ()) -> list[RemoteRecord]:
        """See `Client.find`."""
        return await self.run(self._found(object, key, fields))

    async def get(self, object: str, id: str, fields: Sequence[str] = ()) -> RemoteRecord | None:
        """See `Client.get`."""
        return await self.run(self._fetched(object, id, fields))

    async def insert(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """See `Client.insert`."""
        return await self.write(Operation.INSERT, what, rows, key=key)

    async def update(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """See `Client.update`."""
        return await self.write(Operation.UPDATE, what, rows, key=key)

    async def upsert(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """See `Client.upsert`."""
        return await self.write(Operation.UPSERT, what, rows, key=key)

    async def delete(self, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None) -> Report:
        """See `Client.delete`."""
        return await self.write(Operation.DELETE, what, rows, key=key)

    async def write(
        self, operation: Operation, what: type[Record] | str, rows: Any, *, key: str | Sequence[str] | None = None
    ) -> Report:
        """See `Client.write`. A cancellation finishes what is in flight, then passes."""
        writing = await self.run(self._prepared(operation, what, rows, key))
        report, engine = Report(), self._engine_for(writing)
        with _accounted(report):
            await self.carry(engine, writing.rows(), on_outcomes=report.add)
        return _ended(report, engine, writing)

    async def carry(
        self,
        engine: Engine,
        source: Iterable[Row] | AsyncIterable[Row],
        *,
        journal: Journal | None = None,
        on_outcomes: Callable[[Sequence[Outcome]], None] | None = None,
    ) -> None:
        """Run ``engine`` to its end."""
        await apump(engine, source, self._runner, journal, self.clock, on_outcomes=on_outcomes)


@contextmanager
def _accounted(report: Report) -> Iterator[None]:
    """Ctrl-C, a cancellation, or whatever else ends a write carries the account so far as a note (PEP 678)."""
    try:
        yield
    except BaseException as end:
        end.add_note(f"until then: {report.summary()}")
        raise


def _ended(report: Report, engine: Engine, writing: Writing) -> Report:
    report.stopped = engine.halted
    report.resume_at = engine.resume_at
    report.notes += writing.notes()
    return report


def _http_transport(options: ClientOptions) -> Transport:
    from aumconnect._http import HTTPTransport

    return HTTPTransport(**http_options(options))


def _async_http_transport(options: ClientOptions) -> AsyncTransport:
    from aumconnect._http import AsyncHTTPTransport

    return AsyncHTTPTransport(**http_options(options))

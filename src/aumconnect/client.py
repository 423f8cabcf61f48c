"""What integration code holds: a connector with its credential, a runner and limits.

`Client` blocks, `AsyncClient` awaits; both do the same exchanges, so everything but the waiting is written once.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, TypeVar, Unpack

from aumconnect._clock import SYSTEM_CLOCK, SystemClock
from aumconnect._limits import RateLimit, RetryBudget
from aumconnect._plainly import naming_fields, plainly
from aumconnect._pumps import Row, apump, pump
from aumconnect._registry import connect
from aumconnect._retry import RetryPolicy, retrying
from aumconnect._runner import AsyncRunner, Gate, Runner
from aumconnect._writing import Writing
from aumconnect.auth import Session, TokenStore, as_credential, classify_login
from aumconnect.auth.secret import NotPicklable
from aumconnect.connector import (
    Account,
    Connector,
    Describes,
    Operation,
    Page,
    Query,
    Reads,
    ReadsById,
    ReadsByKey,
    RemoteRecord,
)
from aumconnect.engine import Engine, Settings
from aumconnect.errors import ConfigurationError, ErrorClass
from aumconnect.events import Event, Hook, RetryPlanned
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


class ClientOptions(TypedDict, total=False):
    """What both clients take besides their target. Times are seconds.

    ``auth`` is a credential or a function that returns an access token; ``retry`` how often requests are repeated;
    ``parallel`` requests in flight; ``rate`` requests in a window; ``settle_wait`` how long a call waits at its
    end to learn what became of unanswered writes; ``allow_duplicates`` permits writes that could double.
    ``on_event`` is told of requests, retries and outcomes. The rest goes to the HTTP transport.
    """

    auth: Any
    retry: RetryPolicy
    parallel: int | None
    rate: RateLimit | None
    settle_wait: float
    allow_duplicates: bool
    token_store: TokenStore | None
    on_event: Hook | None
    clock: SystemClock
    proxy: str | None
    verify: Any
    cert: Any
    trust_env: bool
    connect_timeout: float
    max_body: int
    max_spool: int


HTTP_OPTIONS = ("proxy", "verify", "cert", "trust_env", "connect_timeout", "max_body", "max_spool")


class _Connection(NotPicklable):
    """What both clients share: settings, session, budget, and everything that is an exchange."""

    def __init__(self, target: str | Connector, options: ClientOptions) -> None:
        if unknown := sorted(set(options) - ClientOptions.__optional_keys__):
            raise TypeError(f"{type(self).__name__} takes no option {unknown[0]!r}")
        self.connector = connect(target) if isinstance(target, str) else target
        self.policy = options.get("retry") or RetryPolicy()
        self.settings = Settings(
            retry=self.policy,
            parallel=options.get("parallel"),
            settle_wait=options.get("settle_wait", 60.0),
            allow_duplicates=options.get("allow_duplicates", False),
        )
        self.budget = RetryBudget()
        self.on_event = options.get("on_event")
        self.clock = options.get("clock") or SYSTEM_CLOCK
        rate = options.get("rate")
        self._pace = RateLimit()
        self._limits = (self._pace,) if rate is None else (self._pace, rate)
        self.session = Session(
            self.connector,
            as_credential(options.get("auth")),
            clock=self.clock,
            token_store=options.get("token_store"),
            retry=self._retried_login,
        )
        self._schemas: dict[str, ObjectSchema] = {}
        self._account: Account | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.connector.name} at {self.connector.base_url}>"

    def around(self, exchange: Exchange[T]) -> Exchange[T]:
        """A connector's exchange with retry and signature around it, as a runner wants it."""
        tried = retrying(
            exchange,
            classify=self.connector.classify,
            policy=self.policy,
            budget=self.budget,
            clock=self.clock,
            on_retry=self._on_retry,
        )
        return self.session.signed(tried)

    def _retried_login(self, exchange: Exchange[T]) -> Exchange[T]:
        return retrying(exchange, classify=classify_login, policy=self.policy, budget=self.budget, clock=self.clock)

    def _on_retry(self, event: Event) -> None:
        """Nobody sends while one of us was asked to wait."""
        if isinstance(event, RetryPlanned) and event.cause is ErrorClass.THROTTLED:
            self._pace.pause(self.clock.now() + event.wait)
        if self.on_event is not None:
            self.on_event(event)

    def _gate(self, fence: Callable[[], None] | None = None) -> Gate:
        timeout = self.connector.capabilities.attempt_timeout
        return Gate(self.connector.origins, attempt_timeout=timeout, limits=self._limits, fence=fence)

    # --- exchanges ---

    def _checked(self) -> Exchange[Account]:
        if self._account is None:
            self._account = yield from self.connector.check()
        return self._account

    def _described(self, object: str) -> Exchange[ObjectSchema]:
        if object not in self._schemas:
            connector = _able(self.connector, Describes, "describe its objects")
            self._schemas[object] = yield from connector.describe(object)
        return self._schemas[object]

    def _schema_if_any(self, object: str) -> Exchange[ObjectSchema | None]:
        if not isinstance(self.connector, Describes):
            return None
        return (yield from self._described(object))

    def _named(self) -> Exchange[Sequence[str]]:
        names: Sequence[str] = yield from _able(self.connector, Describes, "list its objects").objects()
        return names

    def _prepared(
        self, operation: Operation, what: Any, source: Any, key: str | Sequence[str] | None
    ) -> Exchange[Writing]:
        """Everything that can be known before the first write: mapping, schema, all problems at once."""
        writing = Writing.of(operation, what, source, key, run_id=secrets.token_hex(8), started_at=self._today())
        return writing.checked((yield from self._schema_if_any(writing.object)))

    def _paged(self, query: Query, cursor: str | None) -> Exchange[Page]:
        if not query.fields:
            schema = yield from self._described(query.object)
            query = Query(query.object, tuple(schema.fields), query.where, query.since, query.limit)
        read = _able(self.connector, Reads, "read records").read(query, cursor)
        page: Page = yield from self._named_right(read, query.object, (*query.fields, *query.where))
        return page

    def _named_right(self, exchange: Exchange[T], object: str, names: Sequence[str]) -> Exchange[T]:
        if not isinstance(self.connector, Describes):
            return exchange
        return naming_fields(exchange, names, lambda: self._described(object))

    def _found(self, object: str, key: Mapping[str, Any], fields: Sequence[str]) -> Exchange[list[RemoteRecord]]:
        connector = _able(self.connector, ReadsByKey, "find records by key")
        schema = yield from self._schema_if_any(object)
        wanted = fields or tuple(key)
        find = connector.find(object, tuple(key), [tuple(key.values())], wanted, schema)
        found: list[list[RemoteRecord]] = yield from self._named_right(find, object, (*key, *wanted))
        return found[0]

    def _fetched(self, object: str, id: str, fields: Sequence[str]) -> Exchange[RemoteRecord | None]:
        connector = _able(self.connector, ReadsById, "read records by id")
        wanted = fields or tuple((yield from self._described(object)).fields)
        fetch = connector.fetch(object, [id], wanted)
        found: list[RemoteRecord | None] = yield from self._named_right(fetch, object, wanted)
        return found[0]

    # --- writes ---

    def engine(
        self,
        object: str,
        operation: Operation,
        key: tuple[str, ...],
        schema: ObjectSchema | None,
        *,
        run_token: str,
        **more: Any,
    ) -> Engine:
        """An engine for one write through this client; ``more`` goes to `Engine` as it is."""
        options: dict[str, Any] = {
            "around": self.around,
            "settings": self.settings,
            "budget": self.budget,
            "on_event": self.on_event,
        }
        return Engine(
            self.connector,
            object=object,
            operation=operation,
            key=key,
            schema=schema,
            run_token=run_token,
            **(options | more),
        )

    def _engine_for(self, writing: Writing) -> Engine:
        return self.engine(writing.object, writing.operation, writing.key, writing.schema, run_token=writing.run_id)

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self.clock.epoch(), UTC)


class Client(_Connection):
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
        query = _query(object, fields, where, since, limit)
        return islice(self._read(query), limit)

    def _read(self, query: Query) -> Iterator[RemoteRecord]:
        cursor: str | None = None
        while True:
            page = self.run(self._paged(query, cursor))
            yield from page.records
            if (cursor := page.cursor) is None:
                return

    def find(self, object: str, fields: Sequence[str] = (), **key: Any) -> list[RemoteRecord]:
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
        make = getattr(self.connector, "native", None)
        if make is None:
            raise ConfigurationError(f"{self.connector.name} has no native client")
        from aumconnect.protocols._simple_salesforce import NativeAccess

        return make(
            NativeAccess(
                token=lambda: self._runner.run(self.session.token()),
                renewed=lambda stale: self._runner.run(self.session.renewed(stale)),
            )
        )


class AsyncClient(_Connection):
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
        query = _query(object, fields, where, since, limit)
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

    async def find(self, object: str, fields: Sequence[str] = (), **key: Any) -> list[RemoteRecord]:
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


def _able(connector: Connector, power: Any, what: str) -> Any:
    """The connector as one with ``power``, a protocol found by ``isinstance``."""
    if not isinstance(connector, power):
        raise ConfigurationError(f"the connector {connector.name!r} cannot {what}")
    return connector


def _query(
    object: str,
    fields: Sequence[str] | None,
    where: Mapping[str, Any] | None,
    since: datetime | None,
    limit: int | None,
) -> Query:
    if since is not None and since.tzinfo is None:
        raise ConfigurationError("since has no time zone", hint="give an aware datetime, for example datetime.now(UTC)")
    names = (fields,) if isinstance(fields, str) else tuple(fields or ())
    return Query(object, names, dict(where or {}), since, limit)


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

    return HTTPTransport(**_http_options(options))


def _async_http_transport(options: ClientOptions) -> AsyncTransport:
    from aumconnect._http import AsyncHTTPTransport

    return AsyncHTTPTransport(**_http_options(options))


def _http_options(options: ClientOptions) -> Any:
    return {name: value for name, value in options.items() if name in HTTP_OPTIONS}

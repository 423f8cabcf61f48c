"""What both clients share: settings, session, budget, and everything that is an exchange."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict, TypeVar

from aumconnect._clock import SYSTEM_CLOCK, EitherClock
from aumconnect._limits import RateLimit, RetryBudget
from aumconnect._plainly import naming_fields
from aumconnect._registry import connect
from aumconnect._retry import RetryPolicy, retrying
from aumconnect._runner import Gate
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
from aumconnect.schema import ObjectSchema
from aumconnect.wire import Exchange

__all__ = ["ClientOptions", "Connection", "http_options", "query_of"]

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
    clock: EitherClock
    proxy: str | None
    verify: Any
    cert: Any
    trust_env: bool
    connect_timeout: float
    max_body: int
    max_spool: int


HTTP_OPTIONS = ("proxy", "verify", "cert", "trust_env", "connect_timeout", "max_body", "max_spool")


class Connection(NotPicklable):
    """One connector with one credential; `Client` and `AsyncClient` add the waiting."""

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
        self.clock: EitherClock = options.get("clock") or SYSTEM_CLOCK
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


def query_of(
    object: str,
    fields: Sequence[str] | None,
    where: Mapping[str, Any] | None,
    since: datetime | None,
    limit: int | None,
) -> Query:
    """What to read. Raises `ConfigurationError` for a moment without a time zone."""
    if since is not None and since.tzinfo is None:
        raise ConfigurationError("since has no time zone", hint="give an aware datetime, for example datetime.now(UTC)")
    names = (fields,) if isinstance(fields, str) else tuple(fields or ())
    return Query(object, names, dict(where or {}), since, limit)


def http_options(options: ClientOptions) -> Any:
    """Those of the options that are the HTTP transport's."""
    return {name: value for name, value in options.items() if name in HTTP_OPTIONS}


def _able(connector: Connector, power: Any, what: str) -> Any:
    """The connector as one with ``power``, a protocol found by ``isinstance``."""
    if not isinstance(connector, power):
        raise ConfigurationError(f"the connector {connector.name!r} cannot {what}")
    return connector

"""The page a connector author reads first.

A connector is all that is known about one system: requests out, answers in. It does no I/O, keeps no
state between calls and never retries, splits, counts or logs: the library does. Three methods are
required; every further power is one of the small protocols below, found by ``isinstance``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from aumconnect._unguarded import unguarded
from aumconnect.errors import ConfigurationError, ErrorClass
from aumconnect.outcome import Outcome
from aumconnect.schema import ObjectSchema
from aumconnect.wire import Exchange, Request, Response

__all__ = [
    "Account",
    "Batch",
    "BulkWrites",
    "Capabilities",
    "Change",
    "Connector",
    "Describes",
    "Guarantee",
    "HasNative",
    "Key",
    "Operation",
    "Origins",
    "Page",
    "Query",
    "Reads",
    "ReadsById",
    "ReadsByKey",
    "RemoteRecord",
]

Key = tuple[Any, ...]
"""The values of a record's key fields, in the order of `Batch.key`."""


class Operation(StrEnum):
    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"


class Guarantee(StrEnum):
    """What may happen when a request's fate is unknown; see docs/guarantees.md."""

    IDEMPOTENT = "idempotent"
    """A second copy of the request cannot make a second record."""
    KEYED = "keyed"
    """The same, by a key the server remembers."""
    VERIFIED = "verified"
    """After an unknown: wait the settle time, read back, then decide."""
    AT_LEAST_ONCE = "at_least_once"
    """May duplicate; only with ``allow_duplicates``."""


@unguarded
class Change:
    """One record to write: what the plan decided.

    ``ref`` is the row's number in its source. ``values`` maps remote field names to typed Python values,
    `CLEAR` or `Reference`; key fields are in ``values`` too where they are to be written. ``id`` is the
    remote id where it is known.
    """

    ref: int
    values: Mapping[str, Any]
    key: Key = ()
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """One chunk, already within the connector's limits: same object, operation and key fields for all rows.

    ``token`` is unique to this chunk and stable across repeats and restarts (an idempotency key).
    """

    object: str
    operation: Operation
    changes: tuple[Change, ...]
    key: tuple[str, ...] = ()
    schema: ObjectSchema | None = None
    token: str = ""


@dataclass(frozen=True, slots=True)
class RemoteRecord:
    """A record as the system has it: its id and the fields asked for, absent ones as None."""

    id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """What to read. ``since`` (aware datetime) keeps records changed at or after it.

    ``where`` holds equalities only, field to value; anything richer belongs to the system's own language.
    """

    object: str
    fields: tuple[str, ...]
    where: Mapping[str, Any] = field(default_factory=dict)
    since: Any = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some records, and the cursor to ask for more with; None at the end."""

    records: Sequence[RemoteRecord]
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are and where, as the system itself says. ``identity`` keys all state that lasts."""

    identity: str
    """``<connector>:<the system's own id of the account or org>``"""
    name: str = ""
    user: str = ""
    sandbox: bool | None = None


@dataclass(frozen=True, slots=True)
class Origins:
    """Where requests may go: exact origins (``https://host[:port]``) known from settings, and the pattern
    (a regular expression matched against the whole origin) that a host announced by the server must fit."""

    exact: frozenset[str]
    announced: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the library must know to drive a connector. Every field is read by library code.

    ``by_key`` are the operations the system can aim by key fields itself; for the others the library
    finds the remote id first (`ReadsByKey`). ``bad_row`` says whether one bad row spares the rest of its
    chunk or sinks it. Times are seconds.
    """

    operations: frozenset[Operation]
    by_key: frozenset[Operation] = frozenset()
    batch_rows: int = 1
    batch_bytes: int = 1_000_000
    find_keys: int = 100
    """Keys a call of `ReadsByKey.find`."""
    fetch_ids: int = 100
    """Ids a call of `ReadsById.fetch`."""
    parallel: int = 4
    bad_row: Literal["spared", "sinks"] = "spared"
    clears: bool = True
    attempt_timeout: float = 60.0
    settle_time: float = 60.0
    """How long after an unanswered write the system may still carry it out."""


class Connector(ABC):
    """One system. Subclasses are plain objects built from settings; credentials are kept elsewhere."""

    name: ClassVar[str]
    capabilities: Capabilities

    @classmethod
    def from_url(cls, url: str) -> Connector:
        """The connector a connection URL describes: ``<name>://host[?setting=value]``."""
        raise ConfigurationError(f"the connector {cls.name!r} cannot be made from a URL", hint="pass an instance")

    @abstractmethod
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        """Write one chunk with **at most one mutating request** and return one outcome per change.

        Reads before that request are free. Only answers that `classify` calls None come back from
        ``yield Request(...)``; any other is raised there as `RequestRefused` after the library's retries,
        and an exchange that lets it pass is right to.
        """

    @abstractmethod
    def check(self) -> Exchange[Account]:
        """Prove that the credential works and say which account it opens."""

    @abstractmethod
    def classify(self, response: Response) -> ErrorClass | None:
        """The one table of what a reply as a whole means; None for one that `write` can read row by row."""

    @property
    @abstractmethod
    def origins(self) -> Origins:
        """Where requests may go. Relative request URLs are resolved against the session's base URL."""

    @property
    @abstractmethod
    def base_url(self) -> str:
        """``scheme://host[:port]`` that relative request URLs mean, unless the login announces another."""

    def guarantee(self, operation: Operation, key: tuple[str, ...], schema: ObjectSchema | None) -> Guarantee:
        """The level of truth for one kind of write; see docs/guarantees.md.

        The default: delete and update by id are idempotent; upsert is when the schema says that the key
        is unique; everything else is verified where records can be found by key, else at least once.
        """
        if operation in (Operation.UPDATE, Operation.DELETE):
            return Guarantee.IDEMPOTENT
        unique = bool(key) and schema is not None and any(schema[name].unique for name in key if name in schema.fields)
        if operation is Operation.UPSERT and unique:
            return Guarantee.IDEMPOTENT
        return Guarantee.VERIFIED if key and isinstance(self, ReadsByKey) else Guarantee.AT_LEAST_ONCE

    def conflict_key(self, object: str, change: Change) -> Hashable | None:
        """What two chunks in flight must not share (a parent record the system locks); None for nothing."""
        return None

    def quota(self, response: Response) -> tuple[int, int] | None:
        """(used, allowed) requests of the account's allowance, where the answer says so."""
        return None

    def sign(self, request: Request, token: str) -> Request:
        """How this system wants an access token; the default is RFC 6750 §2.1."""
        return request.with_headers({"Authorization": f"Bearer {token}"})


@runtime_checkable
class Describes(Protocol):
    """The system tells what its objects look like."""

    def objects(self) -> Exchange[Sequence[str]]:
        """The API names of all objects."""

    def describe(self, object: str) -> Exchange[ObjectSchema]:
        """One object's schema. Raises `ConfigurationError` with near names for an unknown one."""


@runtime_checkable
class Reads(Protocol):
    """Records can be read in pages that a restart continues from any cursor."""

    def read(self, query: Query, cursor: str | None = None) -> Exchange[Page]:
        """One page."""


@runtime_checkable
class ReadsByKey(Protocol):
    """Records can be found by a key."""

    def find(
        self,
        object: str,
        key: tuple[str, ...],
        values: Sequence[Key],
        fields: Sequence[str],
        schema: ObjectSchema | None = None,
    ) -> Exchange[list[list[RemoteRecord]]]:
        """For each key, in order, every record that has it: none, one, or several that share it."""


@runtime_checkable
class ReadsById(Protocol):
    """Records can be read by remote id."""

    def fetch(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> Exchange[list[RemoteRecord | None]]:
        """For each id, in order, the record, or None when it is gone."""


@runtime_checkable
class HasNative(Protocol):
    """There is a usual Python client for the system, which can share our login."""

    def native(self, access: Any) -> Any:
        """That client. ``access`` is an `aumconnect.auth.session.TokenAccess`: where it gets its tokens from."""


@runtime_checkable
class BulkWrites(Protocol):
    """Large jobs the system carries out on its own time. May send several mutating requests, each
    preceded by a `Checkpoint` from which `resume` continues."""

    def write_bulk(self, batch: Batch) -> Exchange[list[Outcome]]:
        """Like `write`, for batches of any size."""

    def resume(self, batch: Batch, state: Mapping[str, Any]) -> Exchange[list[Outcome]]:
        """Continue the job whose last checkpoint was ``state``."""

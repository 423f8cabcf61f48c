"""The smallest complete connector: a plain JSON system that exists only in this library.

It is what tests, examples and the emulator use when no vendor's quirks are wanted, and a pattern to write a
connector from. `aumconnect.testing.fakes.memory.FakeMemory` is the other side.

    POST /objects/<object>/write   {"operation", "key", "rows": [{"ref", "id"?, "values"}]}   → {"results": […]}
    PUT  /jobs/<token>             the same, as a bulk job                          → {"state": "running"}
    GET  /jobs/<token>?from=<n>    → {"state": "running" | "done", "results": […], "next": n | null}
    POST /objects/<object>/find    {"key", "values", "fields"}                      → {"found": [[record, …], …]}
    POST /objects/<object>/fetch   {"ids", "fields"}                                → {"records": [record | null, …]}
    GET  /objects/<object>/records?fields=…&cursor=…   → {"records": […], "cursor": str | null}
    GET  /objects   GET /objects/<object>   GET /account

A result is ``{"ref", "status", "id"?, "problems"?: [{"code", "message", "field", "class"}]}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from aumconnect.connector import (
    Account,
    Batch,
    Capabilities,
    Change,
    Connector,
    Key,
    Operation,
    Origins,
    Page,
    Query,
    RemoteRecord,
)
from aumconnect.errors import ConfigurationError, ErrorClass, ProtocolError, RequestRefused
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, FieldSchema, FieldType, ObjectSchema, Reference
from aumconnect.wire import Checkpoint, Exchange, Headers, Request, Response, Settled, Wait

__all__ = ["Memory"]

CLASSES = {
    400: ErrorClass.VALIDATION,
    401: ErrorClass.AUTH_REFRESH,
    402: ErrorClass.QUOTA,
    403: ErrorClass.PERMISSION,
    404: ErrorClass.NOT_FOUND,
    409: ErrorClass.CONFLICT,
    423: ErrorClass.LOCKED,
    429: ErrorClass.THROTTLED,
    500: ErrorClass.TRANSIENT,
    502: ErrorClass.TRANSIENT,
    503: ErrorClass.TRANSIENT,
    504: ErrorClass.TRANSIENT,
}
POLL_SECONDS = 1.0
JSON = Headers({"Content-Type": "application/json"})

CAPABILITIES = Capabilities(
    operations=frozenset(Operation),
    by_key=frozenset({Operation.UPSERT}),
    batch_rows=200,
    batch_bytes=1_000_000,
    find_keys=200,
    fetch_ids=200,
    parallel=4,
    attempt_timeout=30.0,
    settle_time=30.0,
)


class Memory(Connector):
    """A plain system that exists only in this library, for tests and examples.

    Its URL is ``memory://name``, or ``memory+http://127.0.0.1:8080`` for one that an emulator serves.
    """

    name: ClassVar[str] = "memory"

    def __init__(self, base_url: str = "https://memory.invalid", *, capabilities: Capabilities = CAPABILITIES) -> None:
        self._base_url = base_url.rstrip("/")
        self.capabilities = capabilities

    @classmethod
    def from_url(cls, url: str) -> Memory:
        """Raises `ConfigurationError` for a URL without a name or host."""
        parts = urlsplit(url)
        if not parts.netloc or "@" in parts.netloc:
            raise ConfigurationError(f"{url!r} names no system", hint="write memory://name")
        scheme = parts.scheme.partition("+")[2]
        return cls(f"{scheme}://{parts.netloc}" if scheme else f"https://{parts.netloc}.invalid")

    @property
    def base_url(self) -> str:
        return self._base_url

    @property
    def origins(self) -> Origins:
        return Origins(frozenset({self._base_url}))

    def classify(self, response: Response) -> ErrorClass | None:
        if response.ok:
            return None if response.headers.get("Content-Type") == JSON["Content-Type"] else ErrorClass.UNKNOWN
        return CLASSES.get(response.status, ErrorClass.UNKNOWN)

    def quota(self, response: Response) -> tuple[int, int] | None:
        used, slash, allowed = response.headers.get("X-Quota", "").partition("/")
        return (int(used), int(allowed)) if slash else None

    def check(self) -> Exchange[Account]:
        told = (yield Request("GET", "/account")).json()
        return Account(f"memory:{told['id']}", name=told["name"], user=told["user"], sandbox=True)

    # --- writing ---

    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        upsert_by_key = batch.operation is Operation.UPSERT and bool(batch.key)
        request = Request(
            "POST",
            f"/objects/{quote(batch.object, safe='')}/write",
            JSON,
            _body(batch),
            idempotent=batch.operation in (Operation.UPDATE, Operation.DELETE) or (upsert_by_key and _unique(batch)),
        )
        told = (yield request).json()
        return _outcomes(batch, told["results"])

    def write_bulk(self, batch: Batch) -> Exchange[list[Outcome]]:
        yield Checkpoint({"job": batch.token})
        yield self._start(batch, batch.token)
        return (yield from self._results(batch, batch.token))

    def resume(self, batch: Batch, state: Mapping[str, Any]) -> Exchange[list[Outcome]]:
        try:
            return (yield from self._results(batch, state["job"]))
        except RequestRefused as refused:
            if refused.error_class is not ErrorClass.NOT_FOUND:
                raise
        yield self._start(batch, state["job"])
        return (yield from self._results(batch, state["job"]))

    def _start(self, batch: Batch, job: str) -> Request:
        return Request("PUT", f"/jobs/{quote(job, safe='')}", JSON, _body(batch))

    def _results(self, batch: Batch, job: str) -> Exchange[list[Outcome]]:
        """Page by page; each page is settled before the next is asked for, the last one is returned."""
        open_rows = {change.ref: change for change in batch.changes}
        position = 0
        while True:
            told = (yield Request("GET", f"/jobs/{quote(job, safe='')}?from={position}")).json()
            if told["state"] == "running":
                yield Wait(POLL_SECONDS)
                continue
            page = [result for result in told["results"] if result["ref"] in open_rows]
            changes = tuple(open_rows.pop(result["ref"]) for result in page)
            outcomes = _outcomes(replace(batch, changes=changes), page)
            if told["next"] is None:
                return outcomes
            yield Settled(outcomes)
            position = told["next"]

    # --- reading ---

    def find(
        self,
        object: str,
        key: tuple[str, ...],
        values: Sequence[Key],
        fields: Sequence[str],
        schema: ObjectSchema | None = None,
    ) -> Exchange[list[list[RemoteRecord]]]:
        asked = {"key": key, "values": values, "fields": list(fields)}
        told = (yield self._ask(object, "find", asked)).json()
        return [[_record(record) for record in hits] for hits in told["found"]]

    def fetch(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> Exchange[list[RemoteRecord | None]]:
        told = (yield self._ask(object, "fetch", {"ids": list(ids), "fields": list(fields)})).json()
        return [None if record is None else _record(record) for record in told["records"]]

    def _ask(self, object: str, verb: str, asked: Any) -> Request:
        return Request("POST", f"/objects/{quote(object, safe='')}/{verb}", JSON, _encode(asked), safe=True)

    def read(self, query: Query, cursor: str | None = None) -> Exchange[Page]:
        asked = {"fields": ",".join(query.fields), "where": _encode(query.where).decode()}
        if query.since is not None:
            asked["since"] = query.since.isoformat()
        if query.limit is not None:
            asked["limit"] = str(query.limit)
        if cursor is not None:
            asked["cursor"] = cursor
        told = (yield Request("GET", f"/objects/{quote(query.object, safe='')}/records?{urlencode(asked)}")).json()
        return Page([_record(record) for record in told["records"]], told["cursor"])

    def objects(self) -> Exchange[Sequence[str]]:
        names: list[str] = (yield Request("GET", "/objects")).json()["objects"]
        return names

    def describe(self, object: str) -> Exchange[ObjectSchema]:
        try:
            told = (yield Request("GET", f"/objects/{quote(object, safe='')}")).json()
        except RequestRefused as refused:
            if refused.error_class is not ErrorClass.NOT_FOUND:
                raise
            names = yield from self.objects()
            raise ConfigurationError(f"there is no object {object!r}", hint=f"there are: {', '.join(names)}") from None
        fields = {field["name"]: _field(field) for field in told["fields"]}
        return ObjectSchema(told["name"], fields, id_field=told["id_field"])


def _unique(batch: Batch) -> bool:
    known = batch.schema.fields if batch.schema else {}
    return any(known[name].unique for name in batch.key if name in known)


def _body(batch: Batch) -> bytes:
    rows = [_row(batch, change) for change in batch.changes]
    return _encode({"object": batch.object, "operation": batch.operation, "key": batch.key, "rows": rows})


def _row(batch: Batch, change: Change) -> dict[str, Any]:
    values = {**dict(zip(batch.key, change.key, strict=False)), **change.values}
    return (
        {"ref": change.ref, "values": values}
        if change.id is None
        else {"ref": change.ref, "id": change.id, "values": values}
    )


def _encode(value: Any) -> bytes:
    return json.dumps(value, default=_plain, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    """What JSON has no form for: decimals and times as text, CLEAR as null, a reference by its key."""
    if value is CLEAR:
        return None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Reference):
        return {"object": value.object, "by": value.by, "value": value.value}
    if isinstance(value, frozenset | set | tuple):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written to memory")


def _outcomes(batch: Batch, results: Sequence[Mapping[str, Any]]) -> list[Outcome]:
    keys = {change.ref: change.key for change in batch.changes}
    try:
        return [_outcome(result, keys.get(result["ref"], ())) for result in results]
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError("a result of a write cannot be understood") from error


def _outcome(result: Mapping[str, Any], key: Key) -> Outcome:
    problems = tuple(_problem(problem) for problem in result.get("problems", ()))
    twins = tuple(result.get("twins", ()))
    return Outcome(result["ref"], Status(result["status"]), result.get("id"), key, problems, twins=twins)


def _problem(told: Mapping[str, Any]) -> Problem:
    return Problem(told["code"], told["message"], told.get("field"), ErrorClass(told["class"]))


def _record(told: Mapping[str, Any]) -> RemoteRecord:
    return RemoteRecord(told["id"], told["values"])


def _field(told: Mapping[str, Any]) -> FieldSchema:
    choices = told.get("choices")
    rest = {name: value for name, value in told.items() if name not in ("type", "choices", "references")}
    return FieldSchema(type=FieldType(told["type"]), choices=None if choices is None else tuple(choices), **rest)

"""The resources below ``/services/data/vNN.0``: which function answers which path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aumconnect.testing.fakes.salesforce import composite, rows
from aumconnect.testing.fakes.salesforce.call import Call, answer
from aumconnect.testing.fakes.salesforce.collections import Collections, retrieve
from aumconnect.testing.fakes.salesforce.errors import BadRequest
from aumconnect.testing.fakes.salesforce.fields import describe, global_describe, summary
from aumconnect.testing.fakes.salesforce.query import Reader
from aumconnect.testing.fakes.salesforce.records import SObject
from aumconnect.testing.fakes.salesforce.saving import Writer
from aumconnect.wire import Response

if TYPE_CHECKING:
    from aumconnect.testing.fakes.salesforce.fake import FakeSalesforce

__all__ = ["resource"]

READ_ONLY = ("Organization", "User")


def resource(fake: FakeSalesforce, call: Call) -> Response:
    """Raises `BadRequest`: 404 for an unknown path, 405 for a wrong method."""
    steps = tuple(unquote(step) for step in call.path.rstrip("/").split("/")) if call.path else ()
    allowed: list[str] = []
    for methods, pattern, act in ROUTES:
        if _fits(pattern, steps):
            if call.method in methods:
                return act(fake, call, *(have for want, have in zip(pattern, steps, strict=True) if want == "*"))
            allowed += methods
    if allowed:
        reason = f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(allowed)}"
        raise BadRequest(405, "METHOD_NOT_ALLOWED", reason)
    raise BadRequest(404, "NOT_FOUND", "The requested resource does not exist")


def _fits(pattern: tuple[str, ...], steps: tuple[str, ...]) -> bool:
    return len(pattern) == len(steps) and all(want in ("*", have) for want, have in zip(pattern, steps, strict=True))


def _table(fake: FakeSalesforce, name: str) -> SObject:
    if name not in fake.org:
        raise BadRequest(404, "NOT_FOUND", "The requested resource does not exist")
    return fake.org[name]


def _writer(fake: FakeSalesforce, call: Call) -> Writer:
    """``Sforce-Duplicate-Rule-Header: allowSave=true`` overrides rules that alert."""
    options = call.header("Sforce-Duplicate-Rule-Header").replace(" ", "").lower()
    return Writer(fake.org, fake.count, save_alerted="allowsave=true" in options)


def _collections(fake: FakeSalesforce, call: Call) -> Collections:
    return Collections(_writer(fake, call), fake.repeats_fail, fake.column_sinks_call)


def _root(fake: FakeSalesforce, call: Call) -> Response:
    names = ("sobjects", "query", "queryAll", "composite", "limits")
    return answer({name: f"{call.root}/{name}" for name in names})


def _limits(fake: FakeSalesforce, call: Call) -> Response:
    left = fake.daily_requests - fake.used_requests
    return answer({"DailyApiRequests": {"Max": fake.daily_requests, "Remaining": left}})


def _objects(fake: FakeSalesforce, call: Call) -> Response:
    return answer(global_describe({table.name: table.prefix for table in fake.org.objects.values()}, call.root))


def _object(fake: FakeSalesforce, call: Call, name: str) -> Response:
    table = _table(fake, name)
    if call.method == "POST":
        return rows.create(call, _writable(table), _writer(fake, call))
    return answer({"objectDescribe": summary(table.name, table.prefix, call.root), "recentItems": []})


def _describe(fake: FakeSalesforce, call: Call, name: str) -> Response:
    table = _table(fake, name)
    return answer(describe(table.name, table.prefix, table.fields, call.root))


def _row(fake: FakeSalesforce, call: Call, name: str, id: str) -> Response:
    table = _table(fake, name)
    if call.method != "GET":
        _writable(table)
    return rows.by_id(call, table, id, _writer(fake, call), Reader(fake.org, name))


def _keyed_row(fake: FakeSalesforce, call: Call, name: str, field: str, value: str) -> Response:
    table = _table(fake, name)
    key = rows.key_field(table, field)
    if call.method != "GET":
        _writable(table)
    return rows.by_key(call, table, key, value, _writer(fake, call), Reader(fake.org, name))


def _query(fake: FakeSalesforce, call: Call) -> Response:
    return fake.queries.query(call, deleted=False)


def _query_all(fake: FakeSalesforce, call: Call) -> Response:
    return fake.queries.query(call, deleted=True)


def _more(fake: FakeSalesforce, call: Call, locator: str) -> Response:
    return fake.queries.more(call, locator)


def _collection(fake: FakeSalesforce, call: Call) -> Response:
    collections = _collections(fake, call)
    return {"POST": collections.insert, "PATCH": collections.update, "DELETE": collections.delete}[call.method](call)


def _retrieve(fake: FakeSalesforce, call: Call, name: str) -> Response:
    return retrieve(call, Reader(fake.org, _table(fake, name).name))


def _upsert(fake: FakeSalesforce, call: Call, name: str, field: str) -> Response:
    table = _writable(_table(fake, name))
    key = rows.key_field(table, field)
    if key.name == "Id":
        raise BadRequest(400, "INVALID_INPUT", "upsert of collections takes external ids only")
    return _collections(fake, call).upsert(call, table, key)


def _composite(fake: FakeSalesforce, call: Call) -> Response:
    return composite.composite(call, fake.store, fake.respond)


def _batch(fake: FakeSalesforce, call: Call) -> Response:
    return composite.batch(call, fake.respond)


def _writable(table: SObject) -> SObject:
    if table.name in READ_ONLY:
        reason = "insufficient access rights on object id"
        raise BadRequest(400, "INSUFFICIENT_ACCESS_OR_READONLY", reason)
    return table


Act = Callable[..., Response]

ROUTES: tuple[tuple[tuple[str, ...], tuple[str, ...], Act], ...] = (
    (("GET",), (), _root),
    (("GET",), ("limits",), _limits),
    (("GET",), ("query",), _query),
    (("GET",), ("queryAll",), _query_all),
    (("GET",), ("query", "*"), _more),
    (("GET",), ("sobjects",), _objects),
    (("GET", "POST"), ("sobjects", "*"), _object),
    (("GET",), ("sobjects", "*", "describe"), _describe),
    (("GET", "PATCH", "DELETE"), ("sobjects", "*", "*"), _row),
    (("GET", "PATCH", "DELETE"), ("sobjects", "*", "*", "*"), _keyed_row),
    (("POST",), ("composite",), _composite),
    (("POST",), ("composite", "batch"), _batch),
    (("POST", "PATCH", "DELETE"), ("composite", "sobjects"), _collection),
    (("GET", "POST"), ("composite", "sobjects", "*"), _retrieve),
    (("PATCH",), ("composite", "sobjects", "*", "*"), _upsert),
)
"""Methods, path (``*`` is any step) and what answers; the first that fits."""

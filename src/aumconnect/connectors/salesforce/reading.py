"""SOQL answers as records, page after page, and a place to go on from when the server has forgotten its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aumconnect.connector import Key, Page, Query, RemoteRecord
from aumconnect.connectors.salesforce import soql
from aumconnect.connectors.salesforce.ids import ID_LENGTH, is_id
from aumconnect.connectors.salesforce.refusals import code_of
from aumconnect.errors import ConfigurationError, ErrorClass, ProtocolError, RequestRefused
from aumconnect.schema import FieldSchema, FieldType, ObjectSchema
from aumconnect.wire import Exchange, Headers, Request, Response

__all__ = ["all_records", "fetch", "find", "page", "query_request"]

LONGEST_KEY = 1_000
"""Characters; text fields that can be filtered by have 255 at most (unverified), other kinds less."""

_NEXT = re.compile(r"/services/data/v\d+\.\d+/query/[A-Za-z0-9_~-][A-Za-z0-9_~.-]*")
_LOST = "INVALID_QUERY_LOCATOR"
_IDS = frozenset({FieldType.ID, FieldType.REFERENCE})
_TEXTUAL = _IDS | {FieldType.TEXT, FieldType.CHOICE}


def query_request(path: str, text: str, page_rows: int) -> Request:
    """A SOQL query as a GET; ``page_rows`` is a wish (200 to 2,000) that the server need not follow.

    Raises `ConfigurationError` for more fields than a URL has room for.
    """
    encoded = quote(text, safe="")
    if len(encoded) > soql.URI_ROOM + 1_000:
        raise ConfigurationError("the query is too long for a URL", hint="name the fields you need, and no others")
    headers = Headers({"Sforce-Query-Options": f"batchSize={page_rows}"})
    return Request("GET", f"{path}query?q={encoded}", headers)


# --- pages -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reader is: the server's own next page, and what to ask for when the server has dropped it."""

    next: str | None = None
    after: str | None = None
    left: int | None = None
    pages: int = 0
    anchor: str | None = None
    """A page met before: to come by it again is to go in circles. It moves on at 1, 2, 4, 8 ... pages (Brent)."""

    @classmethod
    def from_cursor(cls, cursor: str | None, limit: int | None) -> _Place:
        if cursor is None:
            return cls(left=limit)
        try:
            next_path, after, left, pages, anchor = json.loads(cursor)
        except (ValueError, TypeError):
            raise ConfigurationError("this is not a cursor of a Salesforce read") from None
        return cls(_checked(next_path), after, left, int(pages), anchor)

    def beyond(self, next_path: str, after: str, left: int | None) -> _Place:
        """The place one page on. Raises `ProtocolError` where the pages go in circles."""
        if next_path in (self.next, self.anchor):
            raise ProtocolError("the next page is a page that was read already")
        anchor = next_path if self.pages & (self.pages - 1) == 0 else self.anchor
        return _Place(next_path, after, left, self.pages + 1, anchor)

    def cursor(self) -> str:
        return json.dumps([self.next, self.after, self.left, self.pages, self.anchor])


def page(query: Query, cursor: str | None, ask: Callable[[str], Request]) -> Exchange[Page]:
    """One page. ``ask`` makes the request for a SOQL text. Records come in the order of their ids, so that a lost
    server-side cursor (they expire) costs nothing: the query starts again behind the last record."""
    place = _Place.from_cursor(cursor, query.limit)
    answer = None
    if place.next is not None:
        answer = yield from _next_page(place.next)
    if answer is None:
        answer = yield from _answer(ask(_text(query, place)))
    records, next_path = answer
    found = [remote(record, query.fields) for record in records]
    left = None if place.left is None else place.left - len(found)
    if next_path is None or not found or (left is not None and left <= 0):
        return Page(found)
    return Page(found, place.beyond(next_path, found[-1].id, left).cursor())


def all_records(request: Request) -> Exchange[list[Mapping[str, Any]]]:
    """Every record of a query, over all its pages."""
    records, next_path = yield from _answer(request)
    seen: set[str] = set()
    while next_path is not None:
        if next_path in seen:
            raise ProtocolError("the next page is a page that was read already")
        seen.add(next_path)
        more, next_path = yield from _answer(Request("GET", next_path))
        records = [*records, *more]
    return records


def _text(query: Query, place: _Place) -> str:
    where = soql.equals(query.where)
    if query.since is not None:
        where.append(f"SystemModstamp >= {soql.literal(query.since)}")
    if place.after is not None:
        where.append(f"Id > {soql.literal(place.after)}")
    return soql.select(query.object, query.fields, where=where, order="Id", limit=place.left)


def _next_page(path: str) -> Exchange[tuple[list[Mapping[str, Any]], str | None] | None]:
    """The page behind ``path``, or None when the server no longer knows it."""
    try:
        return (yield from _answer(Request("GET", path)))
    except RequestRefused as refused:
        if refused.error_class is ErrorClass.NOT_FOUND or code_of(refused.response) == _LOST:
            return None
        raise


def _answer(request: Request) -> Exchange[tuple[list[Mapping[str, Any]], str | None]]:
    response: Response = yield request
    found = _records(response)
    if found is None:
        raise ProtocolError("the query was not answered with records")
    records, next_path = found
    return records, None if next_path is None else _checked(next_path)


def _records(response: Response) -> tuple[list[Mapping[str, Any]], Any] | None:
    """The records of an answer and its link to more, or None. What it holds must not stand in a traceback."""
    found = response.json()
    try:
        records, done, next_path = found["records"], found["done"], found.get("nextRecordsUrl")
    except (KeyError, TypeError, AttributeError):
        return None
    if not isinstance(records, list) or (not done and next_path is None):
        return None
    return records, None if done else next_path


def _checked(path: Any) -> str:
    """The server's link to more records, if it is one: a path of the query resource, nothing else."""
    if not isinstance(path, str) or not _NEXT.fullmatch(path):
        raise ProtocolError("the link to the next page does not point at a page of a query")
    return path


def remote(record: Mapping[str, Any], names: Iterable[str]) -> RemoteRecord:
    """A record of an answer; ``Account.Name`` is found inside the record of the parent, which may be absent."""
    try:
        values = {name: record.get(name) if "." not in name else _inside(record, name) for name in names}
        known = record["Id"]
    except (KeyError, TypeError, AttributeError):
        known = None
    if not isinstance(known, str):
        raise ProtocolError("a record in the answer has no id")
    return RemoteRecord(known, values)


def _inside(record: Mapping[str, Any], path: str) -> Any:
    found: Any = record
    for name in path.split("."):
        found = found.get(name) if found is not None else None
    return found


# --- by key and by id ------------------------------------------------------------------------------------


def find(
    object: str,
    key: tuple[str, ...],
    values: Sequence[Key],
    fields: Sequence[str],
    schema: ObjectSchema | None,
    ask: Callable[[str], Request],
) -> Exchange[list[list[RemoteRecord]]]:
    """For each key, in order, every record that has it."""
    columns = [_column(name, schema) for name in key]
    wanted = [_canonical(columns, value) for value in values]
    asked = {
        known: _typed(columns, value)
        for known, value in zip(wanted, values, strict=True)
        if None not in known and _possible(columns, value)
    }
    found: dict[Key, list[RemoteRecord]] = {}
    names = list(dict.fromkeys([*key, *fields]))
    for text in soql.by_keys(object, key, asked.values(), fields):
        for record in (yield from all_records(ask(text))):
            one = remote(record, names)
            found.setdefault(_canonical(columns, [one.values[name] for name in key]), []).append(one)
    return [list(found.get(known, ())) for known in wanted]


def _column(name: str, schema: ObjectSchema | None) -> FieldSchema | None:
    if name == "Id":
        return FieldSchema(name=name, type=FieldType.ID, id_length=ID_LENGTH, case_sensitive=True)
    return schema.fields.get(name) if schema is not None else None


def _canonical(columns: Sequence[FieldSchema | None], values: Sequence[Any]) -> Key:
    """The form in which the system finds keys equal: text without regard to case unless it says otherwise."""
    return tuple(
        column.canonical_key(value) if column else value.strip().casefold() or None if isinstance(value, str) else value
        for column, value in zip(columns, values, strict=True)
    )


def _possible(columns: Sequence[FieldSchema | None], values: Sequence[Any]) -> bool:
    """Whether a record can have these values: something that is no id would refuse the query for all keys, and no
    field that can be searched holds a text that long."""
    if any(isinstance(value, str) and len(value) > LONGEST_KEY for value in values):
        return False
    return all(is_id(value) for column, value in zip(columns, values, strict=True) if column and column.type in _IDS)


def _typed(columns: Sequence[FieldSchema | None], values: Sequence[Any]) -> list[Any]:
    """A number that is the key of a text field has to be asked for as text, and text as the system keeps it."""
    return [
        (str(value).strip() if column.trims else str(value)) if column and column.type in _TEXTUAL else value
        for column, value in zip(columns, values, strict=True)
    ]


def fetch(path: str, object: str, ids: Sequence[str], fields: Sequence[str]) -> Exchange[list[RemoteRecord | None]]:
    """For each id, in order, the record or None (sObject Collections, Retrieve: it reads, whatever its method)."""
    asked = [known for known in ids if is_id(known)]
    if not asked:
        return [None] * len(ids)
    names = list(dict.fromkeys(["Id", *(soql.field_path(name) for name in fields)]))
    body = json.dumps({"ids": asked, "fields": names}).encode()
    headers = Headers({"Content-Type": "application/json"})
    url = f"{path}composite/sobjects/{soql.object_name(object)}"
    response: Response = yield Request("POST", url, headers, body, safe=True)
    answer = response.json()
    if not isinstance(answer, list):
        raise ProtocolError("the records were not answered with a list")
    found = [remote(record, fields) for record in answer if record is not None]
    by_id = {record.id[:ID_LENGTH]: record for record in found}
    return [by_id.get(known[:ID_LENGTH]) for known in ids]

"""The system behind `aumconnect.connectors.memory`: tables of records, unique values, locks, jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from aumconnect.errors import ErrorClass
from aumconnect.outcome import Status
from aumconnect.schema import FieldSchema, FieldType, ObjectSchema
from aumconnect.testing.fakes import Fake
from aumconnect.testing.fakes._memory_table import Table
from aumconnect.wire import Headers, Request, Response

__all__ = ["ITEM", "FakeMemory", "Table"]

PAGE_ROWS = 100
JSON = Headers({"Content-Type": "application/json"})


def _item() -> ObjectSchema:
    kinds = FieldType
    fields = [
        FieldSchema(name="Id", type=kinds.ID, createable=False, updateable=False, unique=True, case_sensitive=True),
        FieldSchema(name="code", type=kinds.TEXT, length=40, unique=True, matchable=True, required_on_create=True),
        FieldSchema(name="label", type=kinds.TEXT, length=80, matchable=True),
        FieldSchema(name="score", type=kinds.DECIMAL, precision=18, scale=4),
        FieldSchema(name="band", type=kinds.CHOICE, choices=("low", "mid", "high"), restricted=True),
        FieldSchema(name="active", type=kinds.BOOLEAN),
        FieldSchema(name="seen", type=kinds.DATETIME, resolution=1000),
    ]
    return ObjectSchema("Item", {known.name: known for known in fields})


ITEM = _item()
"""A small object with one field of each common kind; ``code`` is its unique key, ``label`` a key that is not unique."""


@dataclass(slots=True)
class _Job:
    done_at: float
    results: list[dict[str, Any]]


class FakeMemory(Fake):
    """Stateful: ``fake["Item"]`` is a `Table`. ``commits`` are counted under ``(object, code or id)``.

    ``sinks``: one bad row refuses its whole request. ``locked(object, record)`` says which rows are busy right now.
    ``job_seconds``: how long a bulk job runs. ``page_rows``: records and results a page. ``throttle`` and quota are
    made with ``faults``.
    """

    connection_url = "memory://fake"

    def __init__(
        self,
        *schemas: ObjectSchema,
        sinks: bool = False,
        job_seconds: float = 2.0,
        page_rows: int = PAGE_ROWS,
        locked: Callable[[str, Mapping[str, Any]], bool] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._tables = {schema.name: Table(schema) for schema in schemas or (ITEM,)}
        self.sinks = sinks
        self.job_seconds = job_seconds
        self.page_rows = page_rows
        self.locked = locked or _never
        self._jobs: dict[str, _Job] = {}
        self._ids = count(1)

    def __getitem__(self, object: str) -> Table:
        return self._tables[object]

    def add(self, object: str, **values: Any) -> str:
        """A record that was there before; neither a commit nor a change."""
        made, table = self._new_id(), self._tables[object]
        table.put(made, self._stored(table, values), self.clock.epoch())
        return made

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return {name: list(table) for name, table in self._tables.items()}

    def editable(self, object: str) -> list[str]:
        return [name for name, known in self._tables[object].schema.fields.items() if known.updateable]

    def edit(self, object: str, id: str, field: str, value: Any, *, by: str = "person") -> None:
        table = self._tables.get(object)
        if table is None or id not in table.records:
            raise LookupError(f"{object} {id} is not there")
        known = table.schema.fields.get(field)
        if known is not None and not known.updateable:
            raise ValueError(f"{field} is read only")
        if problems := _violations(known, field, value):
            raise ValueError(problems[0]["message"])
        self._put(table, id, {field: value}, by=by)

    def mutates(self, request: Request) -> bool:
        path = urlsplit(request.url).path
        return request.method == "PUT" or path.endswith("/write")

    def respond(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        match [unquote(step) for step in parts.path.strip("/").split("/")]:
            case ["account"]:
                return _answer({"id": "1", "name": "Memory", "user": "tester"})
            case ["objects"]:
                return _answer({"objects": list(self._tables)})
            case ["jobs", job]:
                return self._job(job, request)
            case ["objects", name, *rest] if name in self._tables:
                return self._object(self._tables[name], rest, request, parts.query)
        return _refusal(404, "there is no such thing")

    def _object(self, table: Table, rest: list[str], request: Request, query: str) -> Response:
        match rest:
            case []:
                return _answer(_described(table.schema))
            case ["records"]:
                return self._page(table, {name: values[0] for name, values in parse_qs(query).items()})
        asked = json.loads(_bytes(request))
        match rest:
            case ["write"]:
                return self._write(table, asked)
            case ["find"]:
                names, fields = tuple(asked["key"]), asked["fields"]
                hits = [table.ids(names, key) for key in asked["values"]]
                return _answer({"found": [[_shown(table, one, fields) for one in ids] for ids in hits]})
            case ["fetch"]:
                ids, fields = asked["ids"], asked["fields"]
                return _answer({"records": [_shown(table, one, fields) for one in ids]})
        return _refusal(404, "there is no such thing")

    # --- writing ---

    def _write(self, table: Table, asked: Mapping[str, Any]) -> Response:
        if self.sinks and (bad := [p for row in asked["rows"] for p in self._problems(table, asked["operation"], row)]):
            return _refusal(400, bad[0]["message"])
        return _answer({"results": [self._write_row(table, asked, row) for row in asked["rows"]]})

    def _job(self, job: str, request: Request) -> Response:
        if request.method == "PUT" and job not in self._jobs:
            asked = json.loads(_bytes(request))
            results = [self._write_row(self._tables[asked["object"]], asked, row) for row in asked["rows"]]
            self._jobs[job] = _Job(self.clock.now() + self.job_seconds, results)
        if job not in self._jobs:
            return _refusal(404, "there is no such job")
        found = self._jobs[job]
        if self.clock.now() < found.done_at:
            return _answer({"state": "running"})
        start = int(parse_qs(urlsplit(request.url).query).get("from", ["0"])[0])
        end = start + self.page_rows
        following = end if end < len(found.results) else None
        return _answer({"state": "done", "results": found.results[start:end], "next": following})

    def _write_row(self, table: Table, asked: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
        problems = self._problems(table, asked["operation"], row)
        if problems:
            return {"ref": row["ref"], "status": Status.REJECTED, "problems": problems}
        ids = self._aimed_at(table, asked, row)
        if len(ids) > 1:
            problem = _problem("ambiguous", "several records share the key", ErrorClass.AMBIGUOUS_KEY)
            return {"ref": row["ref"], "status": Status.REJECTED, "problems": [problem], "twins": ids}
        target = ids[0] if ids else None
        if target is None and asked["operation"] in ("update", "delete"):
            problem = _problem("not-found", "the record is gone", ErrorClass.NOT_FOUND)
            return {"ref": row["ref"], "status": Status.REJECTED, "problems": [problem]}
        if self.locked(table.schema.name, row["values"]):
            problem = _problem("locked", "another writer holds the record", ErrorClass.LOCKED)
            return {"ref": row["ref"], "status": Status.FAILED, "problems": [problem]}
        if twin := self._taken(table, target, row["values"]):
            problem = _problem("duplicate", "a unique value is taken", ErrorClass.DUPLICATE, twin)
            return {"ref": row["ref"], "status": Status.REJECTED, "problems": [problem]}
        return {"ref": row["ref"], **self._commit(table, asked["operation"], target, row["values"])}

    def _aimed_at(self, table: Table, asked: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
        if row.get("id") is not None:
            return [row["id"]] if row["id"] in table.records else []
        if asked["operation"] == "insert":
            return []
        names = tuple(asked["key"])
        return table.ids(names, [row["values"].get(name) for name in names])

    def _commit(self, table: Table, operation: str, id: str | None, values: Mapping[str, Any]) -> dict[str, Any]:
        created = id is None
        written = id or self._new_id()
        named = {**table.records.get(written, {}), **values}
        self.count(table.schema.name, str(named.get("code") or named.get("label") or written), created=created)
        if operation == "delete":
            self.changed(table.schema.name, written, table.records[written], {})
            table.drop(written)
            return {"id": written, "status": Status.DELETED}
        self._put(table, written, values)
        return {"id": written, "status": Status.CREATED if created else Status.UPDATED}

    def _put(self, table: Table, id: str, values: Mapping[str, Any], *, by: str | None = None) -> None:
        before = dict(table.records.get(id, {}))
        table.put(id, self._stored(table, values), self.clock.epoch())
        self.changed(table.schema.name, id, before, table.records[id], by=by)

    def _taken(self, table: Table, id: str | None, values: Mapping[str, Any]) -> str | None:
        """The unique field among ``values`` that another record has already."""
        for name, value in values.items():
            known = table.schema.fields.get(name)
            unique = known is not None and known.unique and value is not None
            if unique and any(other != id for other in table.ids((name,), (value,))):
                return name
        return None

    def _problems(self, table: Table, operation: str, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        if operation == "delete":
            return []
        fields = table.schema.fields
        values = row["values"]
        found = [problem for name in values for problem in _violations(fields.get(name), name, values[name])]
        required = [name for name, known in fields.items() if known.required_on_create and operation == "insert"]
        missing = [name for name in required if values.get(name) is None]
        return found + [_problem("required", "a value is required", ErrorClass.VALIDATION, name) for name in missing]

    def _stored(self, table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        canonical = table.schema.canonical(values)
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in canonical.items()}

    def _new_id(self) -> str:
        return f"M{next(self._ids):09d}"

    # --- reading ---

    def _page(self, table: Table, asked: Mapping[str, str]) -> Response:
        """Records in order of creation; the cursor is the last id of a page, so a restart goes on from any."""
        where = table.schema.canonical(json.loads(asked.get("where", "{}")))
        since = datetime.fromisoformat(asked["since"]).astimezone(UTC).timestamp() if "since" in asked else 0.0
        limit = int(asked.get("limit", self.page_rows))
        ids = [
            key
            for key, record in table.records.items()
            if key > asked.get("cursor", "")
            and table.touched[key] >= since
            and where.items() <= table.schema.canonical(record).items()
        ]
        size = min(self.page_rows, limit)
        more = (len(ids) > size and limit > PAGE_ROWS) or ("limit" not in asked and len(ids) > size)
        fields = asked["fields"].split(",") if asked.get("fields") else []
        page = ids[:size]
        return _answer({"records": [_shown(table, key, fields) for key in page], "cursor": page[-1] if more else None})


def _violations(known: FieldSchema | None, name: str, value: Any) -> list[dict[str, Any]]:
    if known is None:
        return [_problem("unknown-field", "there is no such field", ErrorClass.VALIDATION, name)]
    if value is None:
        return []
    if known.length is not None and len(str(value)) > known.length:
        return [_problem("too-long", f"longer than {known.length}", ErrorClass.VALIDATION, name)]
    if known.restricted and known.choices is not None and value not in known.choices:
        return [_problem("bad-choice", "not one of the choices", ErrorClass.VALIDATION, name)]
    if known.type is FieldType.DECIMAL and not _is_number(value):
        return [_problem("not-a-number", "not a number", ErrorClass.VALIDATION, name)]
    return []


def _never(object: str, values: Mapping[str, Any]) -> bool:
    return False


def _is_number(value: Any) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _problem(code: str, message: str, error_class: ErrorClass, field: str | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "class": error_class.value, "field": field}


def _shown(table: Table, id: str, fields: Sequence[str]) -> dict[str, Any] | None:
    record = table.records.get(id)
    if record is None:
        return None
    return {"id": id, "values": {name: id if name == table.schema.id_field else record.get(name) for name in fields}}


def _described(schema: ObjectSchema) -> dict[str, Any]:
    fields = [asdict(known) for known in schema.fields.values()]
    return {"name": schema.name, "id_field": schema.id_field, "fields": fields}


def _bytes(request: Request) -> bytes:
    return request.body if isinstance(request.body, bytes) else b"".join(request.body.chunks())


def _answer(value: Any, status: int = 200) -> Response:
    return Response(status, JSON, json.dumps(value, default=_plain).encode())


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def _refusal(status: int, message: str) -> Response:
    return _answer({"message": message}, status)

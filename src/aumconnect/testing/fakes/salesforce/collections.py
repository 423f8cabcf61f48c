"""Many records in a request (REST API Developer Guide, sObject Collections): 200 a write, a result for each.

A well-formed request is answered with 200 although every row may have failed (SF-1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from aumconnect.testing.fakes.salesforce.call import Call, answer
from aumconnect.testing.fakes.salesforce.errors import BadRequest, Refusal
from aumconnect.testing.fakes.salesforce.fields import Field
from aumconnect.testing.fakes.salesforce.ids import normal_id
from aumconnect.testing.fakes.salesforce.query import Reader, rendered
from aumconnect.testing.fakes.salesforce.records import SObject
from aumconnect.testing.fakes.salesforce.saving import Saved, Writer
from aumconnect.wire import Response

__all__ = ["Collections"]

ROWS = 200
IDS = 2_000
CHUNKS = 10

Record = Mapping[str, Any]
Write = Callable[[Record], Saved]


@dataclass(frozen=True, slots=True)
class Collections:
    """The requests about many records, carried out with one `Writer`.

    ``repeats_fail``: of records named twice in a request "all" fail or only the "later" ones (unverified).
    ``column_sinks_call``: an unknown or hidden field refuses the whole request, not its row (unverified).
    """

    writer: Writer
    repeats_fail: Literal["all", "later"]
    column_sinks_call: bool

    def insert(self, call: Call) -> Response:
        records, all_or_none = _records(call)
        _refuse_many_chunks(records)
        write = [lambda row: self.writer.insert(self._table(row), row)] * len(records)
        return answer(self._results(records, write, all_or_none=all_or_none))

    def update(self, call: Call) -> Response:
        records, all_or_none = _records(call)
        _refuse_many_chunks(records)
        write = self._once([_id_of(record) for record in records], "Duplicate id specified", self._update)
        return answer(self._results(records, write, all_or_none=all_or_none))

    def upsert(self, call: Call, table: SObject, key: Field) -> Response:
        """By external ids only, of the one type that the URL names."""
        records, all_or_none = _records(call)
        if any(_type(record).lower() != table.name.lower() for record in records):
            raise BadRequest(400, "INVALID_INPUT", f"all records must be of type {table.name}")
        keys = [_value(record, key.name) for record in records]
        folded = [None if value is None else table.fold(key.name, value) for value in keys]
        write = self._once(folded, "Duplicate external id specified", lambda row: self._upsert(table, key, row))
        return answer(self._results(records, write, all_or_none=all_or_none, tells_created=True))

    def delete(self, call: Call) -> Response:
        ids = [text for text in call.query.get("ids", "").split(",") if text]
        _refuse_too_many(len(ids), ROWS)
        records = [{"id": text} for text in ids]
        all_or_none = call.query.get("allOrNone", "false").lower() == "true"
        keys = [_id_of(record) for record in records]
        write = self._once(keys, "Duplicate id specified", lambda row: self.writer.delete(row["id"]))
        return answer(self._results(records, write, all_or_none=all_or_none))

    def _table(self, record: Record) -> SObject:
        name = _type(record)
        if name not in self.writer.org:
            raise Refusal("INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return self.writer.org[name]

    def _update(self, record: Record) -> Saved:
        given = _value(record, "Id")
        if given is None:
            raise Refusal("MISSING_ARGUMENT", "Id not specified in an update call")
        return self.writer.update(self._table(record), given, _without(record, "Id"))

    def _upsert(self, table: SObject, key: Field, record: Record) -> Saved:
        if _value(record, "Id") is not None:
            raise Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an upsert by external id", ["Id"])
        return self.writer.upsert(table, key, _value(record, key.name), _without(record, key.name))

    def _once(self, keys: Sequence[Any], reason: str, write: Write) -> list[Write]:
        """``write`` for every row, or a refusal for one whose key occurs more than once."""
        times = Counter(key for key in keys if key is not None)
        seen: set[Any] = set()
        chosen: list[Write] = []
        for key in keys:
            fails = times[key] > 1 and (self.repeats_fail == "all" or key in seen)
            chosen.append(_refusing(f"{reason}: {key}") if fails else write)
            seen.add(key)
        return chosen

    def _results(
        self, records: Sequence[Record], write: Sequence[Write], *, all_or_none: bool, tells_created: bool = False
    ) -> list[dict[str, Any]]:
        with self.writer.org.store.transaction() as roll_back:
            try:
                results = [self._result(one, record) for one, record in zip(write, records, strict=True)]
            except BadRequest:
                roll_back()
                raise
            if all_or_none and any(isinstance(result, Refusal) for result in results):
                roll_back()
                results = [result if isinstance(result, Refusal) else _ROLLED_BACK for result in results]
        return [_shown(result, tells_created=tells_created) for result in results]

    def _result(self, write: Write, record: Record) -> Saved | Refusal:
        try:
            return write(record)
        except Refusal as refusal:
            if self.column_sinks_call and refusal.code == "INVALID_FIELD":
                raise BadRequest.of(refusal) from None
            return refusal


_ROLLED_BACK = Refusal(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


def retrieve(call: Call, reader: Reader) -> Response:
    """Records by id, in order, null for one that is not there (unverified)."""
    asked = call.object() if call.method == "POST" else call.query
    ids, fields = _listed(asked.get("ids")), _listed(asked.get("fields"))
    _refuse_too_many(len(ids), IDS)
    for field in fields:
        reader.getter(field)
    return answer([_retrieved(reader, fields, each, call.root) for each in ids])


def _retrieved(reader: Reader, fields: Sequence[str], id: Any, root: str) -> dict[str, Any] | None:
    try:
        row = reader.table.row(normal_id(id))
    except Refusal as refusal:
        raise BadRequest.of(refusal) from None
    return None if row is None or row.deleted else rendered(reader, fields, row.values, root)


def _listed(value: Any) -> list[Any]:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value or ())


def _refusing(reason: str) -> Write:
    def write(record: Record) -> Saved:
        raise Refusal("DUPLICATE_VALUE", reason)

    return write


def _shown(result: Saved | Refusal, *, tells_created: bool) -> dict[str, Any]:
    if isinstance(result, Refusal):
        return {"success": False, "errors": [result.row()]}
    shown = {"id": result.id, "success": True, "errors": []}
    return {**shown, "created": result.created} if tells_created else shown


def _records(call: Call) -> tuple[list[dict[str, Any]], bool]:
    """The records of a request, and whether one that fails takes the others with it."""
    body = call.object()
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise BadRequest(400, "JSON_PARSER_ERROR", "The records are required to be an array of objects.")
    _refuse_too_many(len(records), ROWS)
    return records, bool(body.get("allOrNone"))


def _refuse_too_many(number: int, most: int) -> None:
    if number > most:
        reason = f"record limit reached. cannot submit more than {most} records into this call"
        raise BadRequest(400, "EXCEEDED_ID_LIMIT", reason)


def _refuse_many_chunks(records: Sequence[Record]) -> None:
    """Records of one type side by side are one chunk; the code is unverified."""
    if sum(1 for _ in groupby(records, _type)) > CHUNKS:
        reason = f"Cannot have more than {CHUNKS} chunks in a single operation. Please rearrange the data."
        raise BadRequest(400, "LIMIT_EXCEEDED", reason)


def _type(record: Record) -> str:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        raise BadRequest(400, "INVALID_INPUT", "every record needs attributes with a type")
    return name


def _value(record: Record, name: str) -> Any:
    """Field names are the same in any case."""
    return next((value for given, value in record.items() if given.lower() == name.lower()), None)


def _without(record: Record, name: str) -> dict[str, Any]:
    return {given: value for given, value in record.items() if given.lower() != name.lower()}


def _id_of(record: Record) -> str | None:
    """The id a row names, if it is one; what is wrong with it is said when the row is written."""
    try:
        return normal_id(_value(record, "Id"))
    except Refusal:
        return None

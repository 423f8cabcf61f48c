"""One record in a request (REST API Developer Guide, sObject Rows, sObject Rows by External ID)."""

from __future__ import annotations

from typing import Any

from aumconnect.testing.fakes.salesforce.call import Call, answer, no_content
from aumconnect.testing.fakes.salesforce.errors import BadRequest, Refusal
from aumconnect.testing.fakes.salesforce.fields import Field
from aumconnect.testing.fakes.salesforce.query import Reader, rendered
from aumconnect.testing.fakes.salesforce.records import SObject
from aumconnect.testing.fakes.salesforce.saving import Saved, Writer
from aumconnect.wire import Response

__all__ = ["by_id", "by_key", "create", "key_field"]

GONE = {
    "INVALID_CROSS_REFERENCE_KEY": "NOT_FOUND",
    "MALFORMED_ID": "NOT_FOUND",
    "ENTITY_IS_DELETED": "ENTITY_IS_DELETED",
}


def create(call: Call, table: SObject, writer: Writer) -> Response:
    try:
        saved = writer.insert(table, call.object())
    except Refusal as refusal:
        raise BadRequest.of(refusal) from None
    return answer(_result(saved), 201)


def by_id(call: Call, table: SObject, id: str, writer: Writer, reader: Reader) -> Response:
    try:
        row = writer.org.living(table, id)
    except Refusal as refusal:
        raise BadRequest(404, GONE[refusal.code], "The requested resource does not exist") from None
    if call.method == "GET":
        return _record(call, reader, row.values)
    try:
        if call.method == "DELETE":
            writer.delete(row.id)
        else:
            writer.update(table, row.id, call.object())
    except Refusal as refusal:
        raise BadRequest.of(refusal) from None
    return no_content()


def by_key(call: Call, table: SObject, key: Field, value: str, writer: Writer, reader: Reader) -> Response:
    """Several records with the key: 300 and where they are, nothing is done."""
    try:
        twins = writer.twins(table, key, value)
    except Refusal as refusal:
        raise BadRequest.of(refusal) from None
    if len(twins) > 1:
        return answer([f"{call.root}/sobjects/{table.name}/{twin}" for twin in twins], 300)
    if call.method != "PATCH":
        if not twins:
            raise BadRequest(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible")
        return by_id(call, table, twins[0], writer, reader)
    return _upsert(call, table, key, value, writer)


def _upsert(call: Call, table: SObject, key: Field, value: str, writer: Writer) -> Response:
    values = call.object()
    if named := [name for name in values if name.lower() in ("id", key.name.lower())]:
        reason = f"The {named[0]} field should not be specified in the sobject data."
        raise BadRequest(400, "INVALID_FIELD_FOR_INSERT_UPDATE", reason, named)
    only = call.query.get("updateOnly", "").lower() == "true"
    try:
        saved = writer.upsert(table, key, value, values, update_only=only)
    except Refusal as refusal:
        raise BadRequest.of(refusal, 404 if refusal.code == "NOT_FOUND" else 400) from None
    shown = {**_result(saved), "created": saved.created}
    if saved.created:
        return answer(shown, 201)
    return answer(shown) if _version(call) >= 46 else no_content()  # unverified: since v46 with a body


def key_field(table: SObject, name: str) -> Field:
    """Raises `BadRequest` for a field no record can be found by."""
    field = table.field(name)
    if field is None or not field.is_key:
        reason = f"Provided external ID field does not exist or is not accessible: {name}"
        raise BadRequest(404, "NOT_FOUND", reason)
    return field


def _record(call: Call, reader: Reader, values: Any) -> Response:
    visible = [name for name, field in reader.table.fields.items() if not field.hidden]
    asked = call.query.get("fields")
    return answer(rendered(reader, asked.split(",") if asked else visible, values, call.root))


def _result(saved: Saved) -> dict[str, Any]:
    return {"id": saved.id, "success": True, "errors": []}


def _version(call: Call) -> float:
    return float(call.root.rpartition("/v")[2])

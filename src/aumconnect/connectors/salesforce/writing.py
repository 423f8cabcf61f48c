"""One chunk as one sObject Collections request, and its answer as one outcome a row.

REST API Developer Guide, sObject Collections: at most 200 records; a well-formed request is answered with
HTTP 200 even if every row failed; results stand in the order of the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from aumconnect.connector import Batch, Change, Operation
from aumconnect.connectors.salesforce import soql
from aumconnect.connectors.salesforce.ids import ID_LENGTH, has_form
from aumconnect.connectors.salesforce.refusals import RETRYABLE, problems_of, row_problems
from aumconnect.connectors.salesforce.rows import RowWriter
from aumconnect.errors import ConfigurationError, ErrorClass, ProtocolError, RequestRefused
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR
from aumconnect.wire import Exchange, Headers, Request, Response

__all__ = ["write"]

OF_EVERY_ROW = frozenset({"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_TYPE"})
"""Codes of HTTP 400 that speak of what rows with the same fields have in common."""

_NEVER_ONE_ROW = frozenset({403, 404, 405, 410, 415})
_DEFINITE = frozenset({ErrorClass.VALIDATION, ErrorClass.PERMISSION, ErrorClass.NOT_FOUND, ErrorClass.DUPLICATE})

_WRITTEN = {
    (Operation.INSERT, None): Status.CREATED,
    (Operation.UPDATE, None): Status.UPDATED,
    (Operation.DELETE, None): Status.DELETED,
    (Operation.UPSERT, True): Status.CREATED,
    (Operation.UPSERT, False): Status.UPDATED,
    (Operation.UPSERT, None): Status.UPSERTED,
}
"""By operation and the row's ``created``, which only upserts have."""
_AIMED = frozenset({Operation.UPDATE, Operation.DELETE})
_ID = re.compile(r"\b[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?\b")
_NEEDED = "the record's id (15 or 18 letters and digits)"


def write(batch: Batch, *, path: str, headers: Mapping[str, str], idempotent: bool) -> Exchange[list[Outcome]]:
    """Send ``batch`` to the collections resource below ``path`` and say what became of each row.

    Raises `ProtocolError` for an answer that does not have one result a row, `ConfigurationError` for a batch
    that the system cannot aim.
    """
    soql.object_name(batch.object)
    key = _upsert_field(batch)
    if batch.operation is Operation.DELETE:
        sent, refused = _with_ids(batch.changes)
        body = ""
    else:
        sent, refused, body = _encoded(batch)
    if not sent:
        return refused
    request = _request(batch, key, sent, body, path, headers, idempotent)
    try:
        response: Response = yield request
    except RequestRefused as error:
        outcomes = _refused(sent, error)
    else:
        outcomes = _answered(batch.operation, sent, response)
    return outcomes if not refused else sorted(outcomes + refused, key=lambda outcome: outcome.ref)


def _upsert_field(batch: Batch) -> str | None:
    if batch.operation is not Operation.UPSERT:
        return None
    if len(batch.key) != 1 or batch.key[0].lower() == "id":
        raise ConfigurationError(
            "Salesforce upserts by exactly one external id field",
            hint="update finds records by any fields; where the id is known, update by it",
        )
    return soql.field_path(batch.key[0])


# --- out -------------------------------------------------------------------------------------------------


def _encoded(batch: Batch) -> tuple[list[Change], list[Outcome], str]:
    """The rows that can be sent, the others as rejections, and the JSON text of the first."""
    writer = RowWriter(batch.object, batch.schema)
    sent: list[Change] = []
    refused: list[Outcome] = []
    rows = _by_columns(writer, batch)
    if rows is not None:
        sent = list(batch.changes)
    else:
        rows = []
        for change in batch.changes:
            try:
                rows.append(_row(writer, change, batch))
                sent.append(change)
            except ValueError as error:
                refused.append(_unsendable(change, str(error)))
    return sent, refused, '{"allOrNone":false,"records":[' + ",".join(rows) + "]}"


def _by_columns(writer: RowWriter, batch: Batch) -> list[str] | None:
    """All rows at once, where they have the same fields and nothing to look at twice; else None."""
    changes = batch.changes
    names = tuple(changes[0].values)
    if any(tuple(change.values) != names for change in changes):
        return None
    columns = {name: [change.values[name] for change in changes] for name in names}
    if batch.operation is Operation.UPDATE:
        ids = [change.id for change in changes if change.id is not None]
        return writer.table(columns, ids=ids) if len(ids) == len(changes) and all(map(has_form, ids)) else None
    if any(len(change.key) != len(batch.key) for change in changes):
        return None
    keys = {name: [change.key[place] for change in changes] for place, name in enumerate(batch.key)}
    columns = {name: column for name, column in keys.items() if name not in columns} | columns
    if batch.operation is Operation.UPSERT and any(empty in columns[batch.key[0]] for empty in (None, "", CLEAR)):
        return None
    return writer.table(columns)


def _row(writer: RowWriter, change: Change, batch: Batch) -> str:
    if batch.operation is Operation.UPDATE:
        if change.id is None or not has_form(change.id):
            raise ValueError(f"an update needs {_NEEDED}")
        return writer.row(change.values, id=change.id)
    values = _with_key(change, batch.key)
    if batch.operation is Operation.UPSERT and values[batch.key[0]] in (None, "", CLEAR):
        raise ValueError(f"{batch.key[0]}: the key is empty")
    return writer.row(values)


def _with_key(change: Change, key: tuple[str, ...]) -> Mapping[str, Any]:
    """A new record carries its key, or nobody would find it again: not the next run, not a look after a lost answer."""
    missing = {name: value for name, value in zip(key, change.key, strict=False) if name not in change.values}
    return {**missing, **change.values} if missing else change.values


def _with_ids(changes: Sequence[Change]) -> tuple[list[Change], list[Outcome]]:
    """A text that only looks like one id must not go out: in a list with commas it could be several."""
    sent = [change for change in changes if change.id is not None and has_form(change.id)]
    going = {change.ref for change in sent}
    return sent, [_unsendable(change, f"a delete needs {_NEEDED}") for change in changes if change.ref not in going]


def _unsendable(change: Change, reason: str) -> Outcome:
    field = reason.partition(":")[0] if ": " in reason else None
    return Outcome.rejected(change.ref, [Problem("unsendable", reason, field)], id=change.id, key=change.key)


def _request(
    batch: Batch,
    key: str | None,
    sent: Sequence[Change],
    body: str,
    path: str,
    headers: Mapping[str, str],
    idempotent: bool,
) -> Request:
    url = f"{path}composite/sobjects"
    if batch.operation is Operation.DELETE:
        ids = quote(",".join(str(change.id) for change in sent), safe=",")
        return Request("DELETE", f"{url}?ids={ids}&allOrNone=false", Headers(headers), idempotent=idempotent)
    if key is not None:
        url += f"/{batch.object}/{key}"
    fields = Headers({"Content-Type": "application/json", **headers})
    method = "POST" if batch.operation is Operation.INSERT else "PATCH"
    return Request(method, url, fields, body.encode("ascii"), idempotent=idempotent)


# --- back ------------------------------------------------------------------------------------------------


def _answered(operation: Operation, sent: Sequence[Change], response: Response) -> list[Outcome]:
    results = response.json()
    if not isinstance(results, list) or len(results) != len(sent):
        raise ProtocolError("the collections request was not answered with one result a record")
    if operation in _AIMED and any(map(_of_another, sent, results)):
        raise ProtocolError("the collections request was answered with results of other records")
    return [_outcome(operation, change, result) for change, result in zip(sent, results, strict=True)]


def _of_another(change: Change, result: Any) -> bool:
    """Whether a result names another record than the one in its place: an answer out of order, or not to us."""
    named = result.get("id") if isinstance(result, dict) else None
    return isinstance(named, str) and named[:ID_LENGTH].lower() != str(change.id)[:ID_LENGTH].lower()


def _outcome(operation: Operation, change: Change, result: Any) -> Outcome:
    said: dict[str, Any] = result if isinstance(result, dict) else {}
    success, named = said.get("success"), said.get("id")
    if success is True and (named is None or isinstance(named, str)):
        created = said.get("created") if operation is Operation.UPSERT else None
        status = _WRITTEN[operation, created if created is True or created is False else None]
        return Outcome(change.ref, status, named or change.id, change.key)
    if success is False:
        return _no(change, row_problems(said.get("errors")))
    return Outcome(
        change.ref, Status.UNKNOWN, change.id, change.key, reason="the answer does not say what became of it"
    )


def _no(change: Change, problems: Sequence[Problem]) -> Outcome:
    found = tuple(problems) or (Problem("refused", "the system gave no reason"),)
    if found[0].error_class in RETRYABLE:
        return Outcome(change.ref, Status.FAILED, change.id, change.key, found)
    twins = _ids_in(found[0].message) if found[0].error_class is ErrorClass.AMBIGUOUS_KEY else ()
    return Outcome.rejected(change.ref, found, id=change.id, key=change.key, twins=twins)


def _ids_in(message: str) -> tuple[str, ...]:
    """The ids in ``more than one record found for external id field: [003..., 003...]`` (form unverified)."""
    return tuple(dict.fromkeys(_ID.findall(message.partition("[")[2])))


def _refused(sent: Sequence[Change], error: RequestRefused) -> list[Outcome]:
    """A refusal of the whole request as one of each row, in the system's words, where it must be the same for all.

    Raises ``error`` again where one row may have sunk the others, or where it is not about the request's content.
    """
    if error.error_class not in _DEFINITE:
        raise error
    problems = problems_of(error.response) or [Problem("refused", error.message, error_class=error.error_class)]
    alike = len({frozenset(change.values) for change in sent}) == 1
    common = error.response.status in _NEVER_ONE_ROW or (alike and problems[0].code in OF_EVERY_ROW)
    if len(sent) > 1 and not common:
        raise error
    return [Outcome.rejected(change.ref, problems, id=change.id, key=change.key) for change in sent]

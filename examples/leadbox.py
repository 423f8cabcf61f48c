"""A whole connector in one file: Leadbox, an imaginary CRM that upserts up to 100 leads a request by their code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aumconnect.connector import Account, Batch, Capabilities, Change, Connector, Guarantee, Operation, Origins
from aumconnect.errors import ErrorClass
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, ObjectSchema
from aumconnect.wire import Exchange, Request, Response

MEANS = {401: ErrorClass.AUTH_REFRESH, 403: ErrorClass.PERMISSION, 404: ErrorClass.NOT_FOUND, 429: ErrorClass.THROTTLED}


class Leadbox(Connector):
    """Upserts by the lead's code, which Leadbox keeps unique."""

    name = "leadbox"
    capabilities = Capabilities(
        operations=frozenset({Operation.UPSERT}), by_key=frozenset({Operation.UPSERT}), batch_rows=100
    )

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    @property
    def base_url(self) -> str:
        return self._base_url

    @property
    def origins(self) -> Origins:
        return Origins(frozenset({self._base_url}))

    def classify(self, response: Response) -> ErrorClass | None:
        return None if response.ok else MEANS.get(response.status, ErrorClass.TRANSIENT)

    def guarantee(self, operation: Operation, key: tuple[str, ...], schema: ObjectSchema | None) -> Guarantee:
        return Guarantee.IDEMPOTENT

    def check(self) -> Exchange[Account]:
        me = (yield Request("GET", "/me")).json()
        return Account(f"leadbox:{me['account']}", user=me["user"])

    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        rows = [{**change.values, "code": change.key[0]} for change in batch.changes]
        body = json.dumps(rows, default=lambda value: None if value is CLEAR else str(value)).encode()
        reply = yield Request("POST", "/leads", {"Content-Type": "application/json"}, body, idempotent=True)
        return [outcome(change, told) for change, told in zip(batch.changes, reply.json(), strict=True)]


def outcome(change: Change, told: Mapping[str, Any]) -> Outcome:
    if "error" in told:
        return Outcome.rejected(change.ref, [Problem("refused", told["error"])], key=change.key)
    return Outcome(change.ref, Status.CREATED if told["created"] else Status.UPDATED, told["id"], change.key)

"""Several requests in one (REST API Developer Guide, Composite and Batch), each answered as if it came alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from aumconnect.testing.fakes._tables import Store
from aumconnect.testing.fakes.salesforce.call import Call, answer
from aumconnect.testing.fakes.salesforce.errors import BadRequest
from aumconnect.wire import Request, Response

__all__ = ["batch", "composite"]

PARTS = 25

Ask = Callable[[Request], Response]

_REFERENCE = re.compile(r"@\{(\w+)\.([\w.\[\]]+)\}")


def composite(call: Call, store: Store, ask: Ask) -> Response:
    """In order; later parts may name what earlier ones answered (``@{first.id}``)."""
    body = call.object()
    parts = _parts(body, "compositeRequest")
    answered: dict[str, Any] = {}
    replies: list[dict[str, Any]] = []
    with store.transaction() as roll_back:
        for part in parts:
            response = ask(_request(call, part, answered))
            content: Any = json.loads(response.body) if response.body else None
            answered[str(part.get("referenceId"))] = content
            replies.append(_reply(part, content, response.status))
            if body.get("allOrNone") and response.status >= 300:
                roll_back()
                replies = [_halted(other, replies, number) for number, other in enumerate(parts)]
                break
    return answer({"compositeResponse": replies})


def batch(call: Call, ask: Ask) -> Response:
    """Independent of each other."""
    results: list[dict[str, Any]] = []
    for part in _parts(call.object(), "batchRequests"):
        response = ask(_request(call, {**part, "body": part.get("richInput")}, {}, prefix="/services/data/"))
        results.append({"statusCode": response.status, "result": json.loads(response.body) if response.body else None})
    return answer({"hasErrors": any(result["statusCode"] >= 300 for result in results), "results": results})


def _parts(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    parts = body.get(name)
    if not isinstance(parts, list) or not parts:
        raise BadRequest(400, "INVALID_INPUT", f"{name} is required")
    if len(parts) > PARTS:
        raise BadRequest(400, "LIMIT_EXCEEDED", f"The request cannot have more than {PARTS} subrequests.")
    return parts


def _request(call: Call, part: Mapping[str, Any], answered: Mapping[str, Any], prefix: str = "") -> Request:
    origin = call.request.url.partition("/services/")[0]
    text = _REFERENCE.sub(lambda found: str(_found(answered, found[1], found[2])), json.dumps(part, default=str))
    filled = json.loads(text)
    body = filled.get("body")
    url = origin + "/" + (prefix + filled["url"]).lstrip("/")
    return Request(filled["method"], url, call.request.headers, json.dumps(body).encode() if body is not None else b"")


def _found(answered: Mapping[str, Any], reference: str, path: str) -> Any:
    value: Any = answered.get(reference)
    try:
        for step in re.findall(r"\w+", path):
            value = value[int(step)] if isinstance(value, list) else value[step]
    except (LookupError, TypeError, ValueError):
        reason = f"Invalid reference specified. No value for {reference}.{path} found"
        raise BadRequest(400, "PROCESSING_HALTED", reason) from None
    return value


def _reply(part: Mapping[str, Any], content: Any, status: int) -> dict[str, Any]:
    return {"body": content, "httpHeaders": {}, "httpStatusCode": status, "referenceId": part.get("referenceId")}


def _halted(part: Mapping[str, Any], replies: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """With all or none, one part's error is everyone's (the code of the others is unverified)."""
    if number == len(replies) - 1:
        return replies[number]
    reason = "The transaction was rolled back since another operation in the same transaction failed."
    return _reply(part, [{"errorCode": "PROCESSING_HALTED", "message": reason}], 400)

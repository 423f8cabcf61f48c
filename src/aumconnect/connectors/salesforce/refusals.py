"""What Salesforce's refusals mean: whole answers, and the rows inside an answer that as a whole is HTTP 200.

Codes: REST API Developer Guide, Status Codes and Error Responses; SOAP API Developer Guide, StatusCode.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aumconnect.errors import ErrorClass, ProtocolError
from aumconnect.outcome import Problem
from aumconnect.wire import Response

__all__ = ["classify", "code_of", "problems_of", "row_class", "row_problems", "usage"]

CODES: Mapping[str, ErrorClass] = {
    code: error_class
    for error_class, codes in {
        ErrorClass.LOCKED: "UNABLE_TO_LOCK_ROW",
        ErrorClass.TRANSIENT: (
            "SERVER_UNAVAILABLE QUERY_TIMEOUT INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
            " ALL_OR_NONE_OPERATION_ROLLED_BACK MATCH_SERVICE_UNAVAILABLE_ERROR MATCH_SERVICE_TIMED_OUT"
        ),
        ErrorClass.THROTTLED: "REQUEST_LIMIT_EXCEEDED",
        ErrorClass.AUTH_REFRESH: "INVALID_SESSION_ID",
        ErrorClass.PERMISSION: (
            "INSUFFICIENT_ACCESS INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
            " API_DISABLED_FOR_ORG API_CURRENTLY_DISABLED FUNCTIONALITY_NOT_ENABLED"
        ),
        ErrorClass.DUPLICATE: "DUPLICATE_VALUE DUPLICATES_DETECTED",
        ErrorClass.AMBIGUOUS_KEY: "DUPLICATE_EXTERNAL_ID",
        ErrorClass.CONFLICT: "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE",
        ErrorClass.NOT_FOUND: "ENTITY_IS_DELETED NOT_FOUND",
    }.items()
    for code in codes.split()
}
"""Codes that mean something other than a plain no (`ErrorClass.VALIDATION`)."""

WRAPPERS = frozenset({"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"})
"""A trigger or flow failed; the code of what failed inside it stands in the message."""

RETRYABLE = frozenset({ErrorClass.LOCKED, ErrorClass.TRANSIENT, ErrorClass.THROTTLED})

NEVER_REFRESHED = (
    "Connected app is not attached to Agent",
    "This session is not valid for use with the REST API",
)
"""Texts of a 401 that a new login does not cure: refreshing would go on for ever (found in jsforce, http-api.ts)."""

_STATUS: Mapping[int, ErrorClass] = {
    300: ErrorClass.AMBIGUOUS_KEY,
    401: ErrorClass.AUTH_REFRESH,
    403: ErrorClass.PERMISSION,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.UNKNOWN,
    412: ErrorClass.CONFLICT,
    420: ErrorClass.THROTTLED,
    429: ErrorClass.THROTTLED,
}
_USAGE = re.compile(r"api-usage=(\d{1,12})/(\d{1,12})")
_HTML = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)
"""Somebody else's page, whatever its status: a proxy's, or that of a system under maintenance."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Never followed; whoever sent it was not the API."""


def classify(response: Response) -> ErrorClass | None:
    """What an answer as a whole means; None for one to be read row by row."""
    status = response.status
    if 200 <= status < 300:
        return ErrorClass.UNKNOWN if _HTML.match(response.body) else None
    if status == 304:
        return None
    if status == 401:
        return _unauthorized(response)
    if status in _REDIRECTS or _HTML.match(response.body):
        return ErrorClass.UNKNOWN
    if status >= 500:
        return _server_error(response)
    return _by_code(response) or _STATUS.get(status, ErrorClass.VALIDATION)


def _unauthorized(response: Response) -> ErrorClass:
    said = response.body.decode("utf-8", "replace")
    if any(text in said for text in NEVER_REFRESHED):
        return ErrorClass.AUTH_REVOKED
    return ErrorClass.AUTH_REFRESH


def _server_error(response: Response) -> ErrorClass:
    """Only a 503 with the system's own words says that nothing was done; 500, 502 and 504 leave it open."""
    refused_unread = response.status == 503 and code_of(response) == "SERVER_UNAVAILABLE"
    return ErrorClass.TRANSIENT if refused_unread else ErrorClass.UNKNOWN


def _by_code(response: Response) -> ErrorClass | None:
    code = code_of(response)
    if code == "REQUEST_LIMIT_EXCEEDED":
        return _limit(response)
    return CODES.get(code) if code else None


def _limit(response: Response) -> ErrorClass:
    """One code for two things, always HTTP 403 and never with a Retry-After: the day's allowance, and too
    many at once. Texts unverified; the usage header decides where the text does not."""
    said = response.body.decode("utf-8", "replace").lower()
    if "concurrent" in said:
        return ErrorClass.THROTTLED
    used = usage(response)
    if "totalrequests" in said or (used is not None and used[0] >= used[1]):
        return ErrorClass.QUOTA
    return ErrorClass.THROTTLED


def usage(response: Response) -> tuple[int, int] | None:
    """(used, allowed) API calls of the organisation in 24 hours (header Sforce-Limit-Info)."""
    found = _USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
    return (int(found[1]), int(found[2])) if found else None


def code_of(response: Response) -> str:
    """The first error code of a refusal, or the empty string."""
    for problem in problems_of(response):
        return problem.code
    return ""


def problems_of(response: Response) -> list[Problem]:
    """The system's reasons in an error answer: an array of ``{errorCode, message, fields}``, rarely a bare object."""
    try:
        found = response.json()
    except ProtocolError:
        return []
    return row_problems(found if isinstance(found, list) else [found])


def row_problems(errors: object) -> list[Problem]:
    """The reasons of one refusal, none if it is no list of them. Those that forbid another try come first,
    because the first one decides."""
    found = errors if isinstance(errors, list) else []
    problems = [_problem(error) for error in found if isinstance(error, dict)]
    return sorted((problem for problem in problems if problem.code), key=lambda one: one.error_class in RETRYABLE)


def _problem(error: Mapping[str, Any]) -> Problem:
    code = str(error.get("statusCode") or error.get("errorCode") or "")
    message = str(error.get("message") or "")
    fields = error.get("fields")
    field = str(fields[0]) if isinstance(fields, list) and fields else None
    return Problem(code, message, field, row_class(code, message))


def row_class(code: str, message: str) -> ErrorClass:
    """The class of one row's error."""
    if code in WRAPPERS and "UNABLE_TO_LOCK_ROW" in message:
        return ErrorClass.LOCKED
    return CODES.get(code, ErrorClass.VALIDATION)

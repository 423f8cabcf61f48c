"""OAuth 2.0 token endpoints (RFC 6749): the request, the answer, and what a refusal means."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

from aumconnect.auth.token import Token
from aumconnect.errors import AuthenticationError, ErrorClass, ProtocolError, RequestRefused, Unavailable
from aumconnect.wire import Exchange, Headers, Request, Response

__all__ = ["HINTS", "answered", "basic_authorization", "classify_login", "refusal", "token_from", "token_request"]

HINTS: Mapping[str, str] = {
    "invalid_client": "check the client id and secret",
    "invalid_client_id": "check the client id",
    "invalid_grant": "the credential is expired, revoked or was already used: authorise again",
    "unauthorized_client": "this application may not log in this way: allow the grant in its settings",
    "unsupported_grant_type": "this application may not log in this way: allow the grant in its settings",
    "invalid_scope": "ask for less, or grant the application more",
    "access_denied": "the account's administrator must let this application in",
}
"""What to do about the error codes of RFC 6749 §5.2 and their common relatives."""


def token_request(url: str, form: Mapping[str, str], *, authorization: str | None = None) -> Request:
    """A POST to a token endpoint. It writes no record: whatever becomes of it, no write is in doubt for it."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if authorization is not None:
        headers["Authorization"] = authorization
    return Request("POST", url, Headers(headers), urlencode(form).encode("ascii"), safe=True)


def basic_authorization(id: str, secret: str) -> str:
    """Client authentication by HTTP Basic; both parts form-encoded first (RFC 6749 §2.3.1)."""
    joined = f"{quote_plus(id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(joined.encode("ascii")).decode("ascii")


def answered(request: Request) -> Exchange[Response]:
    """The answer to a login request, also where the layers below took it for an error."""
    try:
        response: Response = yield request
    except RequestRefused as refused:
        return refused.response
    return response


def classify_login(response: Response) -> ErrorClass | None:
    """What retries should make of a login's answer: only a stumbling or overrun server is asked again."""
    if response.status in (429, 420):
        return ErrorClass.THROTTLED
    return ErrorClass.TRANSIENT if response.status >= 500 and not _is_fault(response) else None


def token_from(response: Response, *, hints: Mapping[str, str] = HINTS) -> Token:
    """The token in a token endpoint's answer (RFC 6749 §5.1). Raises as `refusal` says for anything else."""
    if response.status != 200:
        raise refusal(response, hints=hints)
    found = response.json()
    if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
        raise ProtocolError("the token endpoint answered without an access token")
    return Token(
        found["access_token"],
        base_url=_text(found.get("instance_url")),
        lifetime=_seconds(found.get("expires_in")),
        refresh=_text(found.get("refresh_token")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(value: Any) -> float | None:
    """A lifetime, which some servers write as text; nonsense is no lifetime."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < float("inf") else None


def refusal(response: Response, *, hints: Mapping[str, str] = HINTS) -> Exception:
    """The exception for a login that was not accepted. Only known words of the answer get into its message."""
    if response.status >= 500 or response.status in (420, 429):
        return Unavailable(f"the token endpoint answered HTTP {response.status}")
    error, description = _error_of(response)
    code = error if error in hints else None
    said = f"HTTP {response.status}, {code}" if code else f"HTTP {response.status}"
    hint = next((text for words, text in hints.items() if words in description), hints.get(error))
    return AuthenticationError(f"the system refused the login ({said})", hint=hint)


def _error_of(response: Response) -> tuple[str, str]:
    try:
        found: Any = response.json()
    except ProtocolError:
        return "", ""
    if not isinstance(found, dict):
        return "", ""
    return str(found.get("error") or ""), str(found.get("error_description") or "")


def _is_fault(response: Response) -> bool:
    """SOAP says no with HTTP 500 (SOAP 1.1 §6.2)."""
    return response.status == 500 and b"Fault" in response.body

"""simple-salesforce, used for what it knows: its login flows, and the `Salesforce` objects of its users.

It never speaks to the network on its own here. A login is played twice: once with a session that notes the
request, which our runner then sends under our deadline, origin lock and retry rules; once with a session
that plays the answer back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.login import SalesforceLogin

from aumconnect._runner import origin_of
from aumconnect.auth import Token
from aumconnect.auth.oauth import answered, refusal
from aumconnect.auth.session import TokenAccess
from aumconnect.errors import AuthenticationError, ConfigurationError, ProtocolError
from aumconnect.wire import Exchange, Headers, Request, Response

__all__ = ["is_salesforce", "login", "login_again", "native"]

LARGEST_LOGIN_ANSWER = 1 << 20
"""Bytes; a login answers with a few hundred."""
ASSERTION_LIFETIME = 180.0
"""Seconds; simple-salesforce lets its assertions expire so long after they are made."""
TOLERATED_SKEW = 60.0


# --- logins ----------------------------------------------------------------------------------------------


Arguments = Callable[[], Mapping[str, Any]]
"""What ``SalesforceLogin`` is called with, made when needed: a crash reporter shows the variables of every frame."""


def login(arguments: Arguments, *, hints: Mapping[str, str], origin: str | None = None) -> Exchange[Token]:
    """The token that ``SalesforceLogin(**arguments())`` would get. ``origin`` replaces the host it would ask;
    ``hints`` say what to do about a refusal, by the words of the answer.

    Raises `AuthenticationError` with a hint when refused, `ConfigurationError` for a key or combination of
    arguments that cannot work, `ProtocolError` for an answer without a token.
    """
    request = _captured(arguments)
    if origin is not None:
        request = Request(request.method, origin + urlsplit(request.url).path, request.headers, request.body, safe=True)
    response = yield from answered(request)
    _check(request, response, hints)
    token = _played(arguments, response, scheme=urlsplit(request.url).scheme)
    if token is None:
        raise ProtocolError("the login was answered without a token")
    return token


def login_again(sf: Salesforce, *, hints: Mapping[str, str]) -> Exchange[Token]:
    """Log a user's `Salesforce` object in again, as its own refresh would, and give it the new session.

    Raises `AuthenticationError` for one that was made from a session id, or that refreshes in its own way.
    """
    if _repeatable(sf) is None:
        raise AuthenticationError(
            "the session of the given Salesforce object is no longer accepted, and it has no login to repeat",
            hint="make it from a user or an application, or pass a function that returns a fresh token",
        )
    token = yield from login(partial(_own_arguments, sf), hints=hints)
    sf.session_id, sf.sf_instance = token.value, urlsplit(token.base_url or "").netloc
    sf._generate_headers()  # noqa: SLF001  (what its own refresh does)
    return token


def _repeatable(sf: Salesforce) -> Any:
    """The login that a user's object would repeat itself; None for an object without one."""
    again: Any = vars(sf).get("_salesforce_login_partial")
    return again if getattr(again, "func", None) is SalesforceLogin and not again.args else None


def _own_arguments(sf: Salesforce) -> dict[str, Any]:
    return {name: value for name, value in _repeatable(sf).keywords.items() if name not in ("session", "proxies")}


class _Captured(Exception):
    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


class _Recorder:
    def post(self, url: str, data: Any, *, headers: Mapping[str, str] | None = None, proxies: Any = None) -> Any:
        fields = dict(headers or {})
        if isinstance(data, str):
            body = data.encode()
        else:
            body = urlencode(data).encode("ascii")
            fields |= {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        raise _Captured(Request("POST", url, Headers(fields), body, safe=True))


class _Player:
    """A session whose one answer is known already; the parts of `requests.Response` that a login reads."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self.content = response.body
        self.text = ""  # quoted only in errors, which must not quote
        self.json = response.json

    def post(self, *_: Any, **__: Any) -> _Player:
        return self


def _captured(arguments: Arguments) -> Request:
    try:
        SalesforceLogin(**{**_escaped(arguments()), "session": _Recorder()})
    except _Captured as captured:
        return captured.request
    except ConfigurationError:
        raise
    except (ValueError, TypeError, OSError, jwt.PyJWTError) as error:
        raise ConfigurationError(
            f"the login request cannot be made ({type(error).__name__})",
            hint="the key must be an RSA private key in PEM",
        ) from None
    except Exception as error:  # noqa: BLE001  (its own exceptions quote answers and credentials)
        raise ConfigurationError(
            f"simple-salesforce knows no login for these settings ({type(error).__name__})"
        ) from None
    raise ConfigurationError("simple-salesforce made no login request")


def _escaped(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """simple-salesforce escapes user name and password for XML, but none of these."""
    return {
        name: escape(value) if name in ("security_token", "organizationId", "client_id") and value else value
        for name, value in arguments.items()
    }


def _check(request: Request, response: Response, hints: Mapping[str, str]) -> None:
    """Raise unless this is an answer that simple-salesforce reads a token from."""
    if response.status != 200:
        refused = _soap_refusal(response, hints) or refusal(response, hints=hints)
        if isinstance(refused, AuthenticationError) and (skew := _clock_skew(request, response)):
            refused.hint = (
                f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server's"
            )
        raise refused
    if len(response.body) > LARGEST_LOGIN_ANSWER or b"<!DOCTYPE" in response.body or b"<!ENTITY" in response.body:
        raise ProtocolError("the login was answered with something other than a token")


def _clock_skew(request: Request, response: Response) -> float | None:
    """By how many seconds an assertion was made too late, where that is enough to refuse it: its most common fault."""
    form = parse_qs(request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else "")
    try:
        claims = jwt.decode(form["assertion"][0], options={"verify_signature": False})
        made_at = float(claims["exp"]) - ASSERTION_LIFETIME
        skew = made_at - parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError, jwt.PyJWTError):
        return None
    return skew if abs(skew) > TOLERATED_SKEW else None


def _soap_refusal(response: Response, hints: Mapping[str, str]) -> AuthenticationError | None:
    if b"exceptionCode" not in response.body:
        return None
    code = next((code for code in hints if code.isupper() and code.encode() in response.body), "SOAP fault")
    return AuthenticationError(f"the system refused the login ({code})", hint=hints.get(code))


def _played(arguments: Arguments, response: Response, *, scheme: str) -> Token | None:
    """The token in an answer, or None."""
    try:
        played: tuple[Any, Any] = SalesforceLogin(**{**_escaped(arguments()), "session": _Player(response)})
    except Exception as error:  # noqa: BLE001  (its own exceptions quote the answer)
        raise ProtocolError(f"the login was answered without a token ({type(error).__name__})") from None
    session_id, host = played
    if not isinstance(session_id, str) or not isinstance(host, str) or not (session_id and host):
        return None
    return Token(session_id, base_url=f"{scheme}://{host.rstrip('/')}")


# --- simple-salesforce objects ---------------------------------------------------------------------------


def is_salesforce(candidate: object) -> bool:
    """By class only: such an object has an attribute for every name, so nothing can be told from those."""
    return isinstance(candidate, Salesforce)


def native(access: TokenAccess, *, base_url: str, version: str, timeout: float) -> Salesforce:
    """A `simple_salesforce.Salesforce` on our login. Its requests go to one host, end in time, follow no redirect
    and refresh at most once; its own refresh is off."""
    token = access.token()
    session = _GuardedSession(access, base_url, timeout)
    return Salesforce(session_id=token.value, instance_url=token.base_url or base_url, version=version, session=session)


class _GuardedSession(requests.Session):
    """Signs each request with the token of the moment, and refuses every URL that is not the organisation's.

    A record id with ``../`` in it is resolved before we see it: it can name another object, of the same host.
    """

    def __init__(self, access: TokenAccess, base_url: str, timeout: float) -> None:
        super().__init__()
        self.trust_env = False  # .netrc would replace our token
        self._access = access
        self._base_url = base_url
        self._timeout = timeout

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        token = self._access.token()
        response = self._send(method, url, token, options)
        if response.status_code != 401:
            return response
        response = self._send(method, url, self._access.renewed(token), options)
        if response.status_code == 401:
            raise AuthenticationError("salesforce refuses the token of a fresh login (HTTP 401)")
        return response

    def _send(self, method: str, url: str, token: Token, options: Mapping[str, Any]) -> requests.Response:
        url = self._permitted(url, token)
        headers = dict(options.get("headers") or {}) | {"Authorization": f"Bearer {token.value}"}
        if "X-SFDC-Session" in headers:
            headers["X-SFDC-Session"] = token.value
        timeout = options.get("timeout") or self._timeout
        return super().request(
            method, url, **{**options, "headers": headers, "timeout": timeout, "allow_redirects": False}
        )

    def _permitted(self, url: str, token: Token) -> str:
        home = origin_of(token.base_url or self._base_url)
        if home.startswith("http://"):
            url = url.replace("https://", "http://", 1)  # simple-salesforce knows no plain HTTP
        if origin_of(url) != home:
            raise ProtocolError("a request to a foreign host was refused before anything was sent")
        return url

"""Logins: the OAuth token endpoint, the SOAP login, and which access tokens are good.

OAuth: RFC 6749, RFC 7523 (JWT bearer); parameters and error keys as sent and read by simple-salesforce and jsforce.
Session lifetime and that it slides with use are unverified, hence settings.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import jwt
from lxml import etree

from aumconnect.errors import AumconnectError

__all__ = ["USERNAME", "LoginRefused", "Logins", "soap_answer", "soap_fault"]

USERNAME = "integration@acme.example"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
PARTNER = "{urn:partner.soap.sforce.com}"
LAST_SOAP_VERSION = 64.0  # login() does not exist from v65.0 on


class LoginRefused(AumconnectError):
    """The endpoint's ``error`` code and its description."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(slots=True)
class _Session:
    used_at: float
    uses: int = 0


@dataclass(kw_only=True)
class Logins:
    """One app and one user. ``public_key`` (PEM) checks the signature of JWTs; None believes them.

    ``session_seconds``: an access token dies so long after its last use. ``session_requests``: or after so many
    requests. ``rotates``: a refresh token is good once, and its answer brings the next. ``blocked``: nobody gets in.
    ``granted`` counts the access tokens handed out.
    """

    now: Callable[[], float]
    organization: str
    consumer_key: str = "3MVG9FakeConsumerKey"
    consumer_secret: str = "FakeConsumerSecret-7f3a9c"  # noqa: S105
    username: str = USERNAME
    password: str = "FakePassword-52be81"  # noqa: S105
    security_token: str = "FakeSecurityToken"  # noqa: S105
    public_key: str | None = None
    session_seconds: float = 7200.0
    session_requests: int | None = None
    rotates: bool = False
    blocked: bool = False
    granted: int = 0
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _refresh: list[str] = field(default_factory=list)

    @property
    def secrets(self) -> list[str]:
        """Everything that must never be seen in a log, and is longer than an accident."""
        return [self.consumer_secret, self.password, *self._refresh, *self._sessions]

    def refresh_token(self) -> str:
        """A refresh token as a person's consent in the browser would bring it."""
        self._refresh.append(self._secret("refresh", len(self._refresh)))
        return self._refresh[-1]

    def issue(self) -> str:
        """A new access token."""
        self.granted += 1
        token = f"{self.organization[:15]}!{self._secret('access', self.granted)}"
        self._sessions[token] = _Session(self.now())
        return token

    def accepts(self, token: str) -> bool:
        """Whether a request with this token gets in; if so it counts as one of its uses."""
        session = self._sessions.get(token)
        if session is None or self._worn_out(session):
            self._sessions.pop(token, None)
            return False
        session.used_at = self.now()
        session.uses += 1
        return True

    def expire(self) -> None:
        self._sessions.clear()

    def revoke(self, token: str) -> None:
        """An access token, or a refresh token and with it every access token."""
        self._sessions.pop(token, None)
        if token in self._refresh:
            self._refresh.remove(token)
            self.expire()

    def grant(self, form: Mapping[str, str], authorization: str, host: str) -> dict[str, str]:
        """The parts of a token answer that depend on the grant. Raises `LoginRefused`."""
        if self.blocked:
            raise LoginRefused("invalid_grant", "user is blocked")
        match form.get("grant_type"):
            case "client_credentials":
                self._check_own_domain(host)
                self._check_app(*_basic(authorization, form), secret_needed=True)
            case "password":
                self._check_app(form.get("client_id"), form.get("client_secret"), secret_needed=True)
                self._check_person(form.get("username", ""), form.get("password", ""))
            case "refresh_token":
                self._check_app(form.get("client_id"), form.get("client_secret"), secret_needed=False)
                return self._refreshed(form.get("refresh_token", ""))
            case kind if kind == JWT_GRANT:
                self._check_assertion(form.get("assertion", ""))
            case _:
                raise LoginRefused("unsupported_grant_type", "grant type not supported")
        return {"access_token": self.issue()}

    def soap_login(self, version: str, envelope: bytes) -> str:
        """The session id. Raises `LoginRefused`."""
        if float(version) > LAST_SOAP_VERSION:
            raise LoginRefused("UNSUPPORTED_API_VERSION", "login() is not available in this version")
        login = etree.fromstring(envelope, _parser()).find(f"{SOAP}Body/{PARTNER}login")
        if login is None or self.blocked:
            raise LoginRefused("INVALID_OPERATION", "there is no such operation")
        try:
            self._check_person(login.findtext(f"{PARTNER}username", ""), login.findtext(f"{PARTNER}password", ""))
        except LoginRefused:
            reason = "Invalid username, password, security token; or user locked out."
            raise LoginRefused("INVALID_LOGIN", reason) from None
        return self.issue()

    def _worn_out(self, session: _Session) -> bool:
        too_old = self.now() - session.used_at >= self.session_seconds
        return too_old or (self.session_requests is not None and session.uses >= self.session_requests)

    def _refreshed(self, token: str) -> dict[str, str]:
        if token not in self._refresh:
            raise LoginRefused("invalid_grant", "expired access/refresh token")
        granted = {"access_token": self.issue()}
        if self.rotates:
            granted["refresh_token"] = self.refresh_token()
            self._refresh.remove(token)
        return granted

    def _check_own_domain(self, host: str) -> None:
        if host in ("login.salesforce.com", "test.salesforce.com"):
            raise LoginRefused("invalid_grant", "request not supported on this domain")

    def _check_app(self, key: str | None, secret: str | None, *, secret_needed: bool) -> None:
        if key != self.consumer_key:
            raise LoginRefused("invalid_client_id", "client identifier invalid")
        if (secret is not None or secret_needed) and not _same(secret or "", self.consumer_secret):
            raise LoginRefused("invalid_client", "invalid client credentials")

    def _check_person(self, username: str, password: str) -> None:
        known = _same(password, self.password + self.security_token) or _same(password, self.password)
        if username != self.username or not known:
            raise LoginRefused("invalid_grant", "authentication failure")

    def _check_assertion(self, assertion: str) -> None:
        """RFC 7523 §3; who may use the app is decided beforehand by its administrator."""
        try:
            claims = self._claims(assertion)
        except jwt.InvalidTokenError:
            raise LoginRefused("invalid_grant", "invalid assertion") from None
        if claims.get("iss") != self.consumer_key:
            raise LoginRefused("invalid_client_id", "client identifier invalid")
        if claims.get("sub") != self.username:
            raise LoginRefused("invalid_grant", "user hasn't approved this consumer")
        if not str(claims.get("aud", "")).startswith(("https://", "http://")):
            raise LoginRefused("invalid_grant", "audience is invalid")
        if float(claims.get("exp", 0)) <= self.now():
            raise LoginRefused("invalid_grant", "expired authorization code")

    def _claims(self, assertion: str) -> dict[str, Any]:
        if self.public_key is None:
            return jwt.decode(assertion, options={"verify_signature": False})
        unchecked: Any = {"verify_exp": False, "verify_aud": False}  # by our own clock, and below
        return jwt.decode(assertion, self.public_key, algorithms=["RS256"], options=unchecked)

    def _secret(self, kind: str, number: int) -> str:
        """Looks random, and is the same in every run of a test."""
        return hashlib.sha256(f"{kind} {number} {self.consumer_secret}".encode()).hexdigest()


def _basic(authorization: str, form: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The app's id and secret: from the header (RFC 6749 §2.3.1), else from the form."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id"), form.get("client_secret")
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return key, secret


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())


def soap_answer(session: str, server_url: str, user: str, organization: str) -> str:
    """The part of a SOAP login's answer that clients read."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">'
        "<soapenv:Body><loginResponse><result>"
        f"<passwordExpired>false</passwordExpired><serverUrl>{escape(server_url)}</serverUrl>"
        f"<sessionId>{escape(session)}</sessionId><userId>{user}</userId>"
        f"<userInfo><organizationId>{organization}</organizationId></userInfo>"
        "</result></loginResponse></soapenv:Body></soapenv:Envelope>"
    )


def soap_fault(refused: LoginRefused) -> str:
    """A fault as a failed SOAP login is answered with."""
    code, reason = escape(refused.code), escape(refused.message)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com">'
        f"<soapenv:Body><soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {reason}</faultstring>"
        f"<detail><sf:LoginFault><sf:exceptionCode>{code}</sf:exceptionCode>"
        f"<sf:exceptionMessage>{reason}</sf:exceptionMessage></sf:LoginFault></detail>"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )

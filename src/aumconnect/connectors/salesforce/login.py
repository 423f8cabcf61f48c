"""How each kind of credential becomes a Salesforce token.

OAuth flows are those of simple-salesforce, played through our own runner; the refresh token flow, which it
lacks, is ours (Identify Your Users and Manage Access, OAuth 2.0 Refresh Token Flow).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aumconnect.auth import ClientCredentials, Credential, JWTBearer, Password, RefreshToken, Token, reveal
from aumconnect.auth.oauth import answered, token_from, token_request
from aumconnect.errors import ConfigurationError
from aumconnect.wire import Exchange

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce  # noqa: TID251  (the type only)

__all__ = ["Adopted", "login"]

logger = logging.getLogger(__name__)

LAST_SOAP_LOGIN = 64.0
"""The newest API version that has ``login()``; all of them lose it on 1 June 2027 (Salesforce Help 005132110)."""

HINTS: Mapping[str, str] = {
    "user hasn't approved this consumer": "pre-authorise the application for this user in its OAuth policies",
    "user is not admin approved": "pre-authorise the application for this user in its OAuth policies",
    "no client credentials user enabled": "name a run-as user in the application's client credentials flow",
    "request not supported on this domain": "log in at the organisation's own domain, ...my.salesforce.com",
    "expired access/refresh token": "the refresh token is expired or revoked: authorise the application again",
    "audience is invalid": "production wants the audience https://login.salesforce.com, sandboxes https://test.salesforce.com",
    "invalid assertion": "check the certificate of the application, the user name, and this machine's clock",
    "authentication failure": "check user name, password and security token; many organisations block this login",
    "invalid_client_id": "check the consumer key; a new application takes some minutes to work",
    "invalid_client": "check the consumer key and secret",
    "invalid_grant": "check the user, the application's policies, and this machine's clock",
    "unsupported_grant_type": "allow this flow in the application's OAuth settings",
    "INVALID_LOGIN": "check user name and password; from an unknown network the security token is needed too",
    "LOGIN_MUST_USE_SECURITY_TOKEN": "add the security token to the credential",
    "API_DISABLED_FOR_ORG": "this edition, or this user's profile, has no API access",
    "UNSUPPORTED_API_VERSION": "SOAP login ended: use ClientCredentials or JWTBearer",
}
"""What to do about a refused login, by the words of the answer (partly unverified). The first match counts."""

_AUDIENCE = re.compile(r"https://(?P<domain>[a-z0-9.-]+)\.salesforce\.com")
_SHARED_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})


@dataclass(frozen=True, slots=True)
class Adopted(Credential):
    """The login of a ``simple_salesforce.Salesforce`` object the caller has already. The session is shared: whoever
    renews it, both use the new one. Its own sending is not used."""

    kind = "adopted"
    sf: Salesforce

    def __post_init__(self) -> None:
        from aumconnect.protocols import _simple_salesforce

        if not _simple_salesforce.is_salesforce(self.sf):
            raise ConfigurationError(f"Adopted takes a simple_salesforce.Salesforce, not a {type(self.sf).__name__}")

    def current(self) -> Token:
        return Token(self.sf.session_id, base_url=f"https://{self.sf.sf_instance}")

    def __repr__(self) -> str:
        return "Adopted()"


def login(credential: Credential, *, origin: str, api_version: str) -> Exchange[Token]:
    """Log in at ``origin``. Raises `AuthenticationError`, `ConfigurationError`, `ProtocolError`, `Unavailable`."""
    if isinstance(credential, RefreshToken):
        return (yield from _refresh(credential, origin))
    from aumconnect.protocols import _simple_salesforce

    if isinstance(credential, Adopted):
        return (yield from _simple_salesforce.login_again(credential.sf, hints=HINTS))
    arguments = partial(_arguments, credential, origin, api_version)
    return (yield from _simple_salesforce.login(arguments, hints=HINTS, origin=origin))


def _refresh(credential: RefreshToken, origin: str) -> Exchange[Token]:
    request = token_request(f"{origin}/services/oauth2/token", _refresh_form(credential))
    response = yield from answered(request)
    return token_from(response, hints=HINTS)


def _refresh_form(credential: RefreshToken) -> dict[str, str]:
    form = {
        "grant_type": "refresh_token",
        "refresh_token": reveal(credential.token),
        "client_id": reveal(credential.id),
    }
    if credential.secret is not None:
        form["client_secret"] = reveal(credential.secret)
    return form


def _arguments(credential: Credential, origin: str, api_version: str) -> dict[str, Any]:
    """What ``SalesforceLogin`` is called with."""
    if isinstance(credential, ClientCredentials):
        return _client_credentials(credential, origin)
    if isinstance(credential, JWTBearer):
        return _jwt_bearer(credential, origin)
    if isinstance(credential, Password):
        return _password(credential, api_version)
    raise ConfigurationError(
        f"salesforce does not log in with {type(credential).__name__}",
        hint="ClientCredentials, JWTBearer, RefreshToken, Password, AccessToken or Adopted",
    )


def _client_credentials(credential: ClientCredentials, origin: str) -> dict[str, Any]:
    if urlsplit(origin).hostname in _SHARED_HOSTS:
        raise ConfigurationError(
            "client credentials are not accepted at login.salesforce.com or test.salesforce.com",
            hint="connect to the organisation's own domain, ...my.salesforce.com",
        )
    return {
        "consumer_key": reveal(credential.id),
        "consumer_secret": reveal(credential.secret),
        "domain": "my-domain",  # the host is ours to choose
    }


def _jwt_bearer(credential: JWTBearer, origin: str) -> dict[str, Any]:
    audience = reveal(credential.audience) if credential.audience is not None else _audience(origin)
    found = _AUDIENCE.fullmatch(audience)
    if found is None:
        raise ConfigurationError("the audience of a Salesforce assertion is https://<...>.salesforce.com")
    return {
        "username": reveal(credential.username),
        "consumer_key": reveal(credential.id),
        "privatekey": reveal(credential.key),
        "domain": found["domain"],
    }


def _audience(origin: str) -> str:
    host = urlsplit(origin).hostname or ""
    sandbox = host == "test.salesforce.com" or ".sandbox." in host or "--" in host
    return f"https://{'test' if sandbox else 'login'}.salesforce.com"


def _password(credential: Password, api_version: str) -> dict[str, Any]:
    found = {"username": reveal(credential.username), "password": reveal(credential.password)}
    if credential.id is not None and credential.secret is not None:
        token = reveal(credential.security_token) if credential.security_token is not None else ""
        return found | {
            "password": found["password"] + token,
            "consumer_key": reveal(credential.id),
            "consumer_secret": reveal(credential.secret),
        }
    logger.warning("SOAP login ends on 1 June 2027 for all API versions: move to ClientCredentials or JWTBearer")
    found["sf_version"] = str(min(float(api_version), LAST_SOAP_LOGIN))
    if credential.security_token is not None:
        found["security_token"] = reveal(credential.security_token)
    elif credential.organization is not None:
        found["organizationId"] = reveal(credential.organization)
    return found

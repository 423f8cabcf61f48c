"""What a user holds to be let in, as plain frozen data. How a system logs in with it is the connector's affair.

Every text may be given as described at `Secret`; none of it appears in a repr.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

from aumconnect.auth.secret import Secret, SecretLike, reveal
from aumconnect.auth.token import Token
from aumconnect.errors import ConfigurationError

__all__ = [
    "AccessToken",
    "ClientCredentials",
    "Credential",
    "JWTBearer",
    "Password",
    "Provided",
    "RefreshToken",
    "TokenProvider",
    "as_credential",
]


class Credential:
    """The base of all kinds; ``kind`` is the name in job files."""

    __slots__ = ()
    kind: ClassVar[str]

    def provide(self) -> Token | None:
        """A token got without the connector's help; None where the connector has to log in."""
        return None

    def current(self) -> Token | None:
        """The token where somebody else keeps it fresh: asked before every request. None for all others."""
        return None

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]  # every kind is a dataclass
            value = getattr(self, item.name)
            if value is not None and not isinstance(value, Secret):
                object.__setattr__(self, item.name, Secret(value))


@dataclass(frozen=True, slots=True)
class ClientCredentials(Credential):
    """OAuth 2.0 client credentials (RFC 6749 §4.4): an application logs in as itself."""

    kind = "client_credentials"
    id: SecretLike
    secret: SecretLike


@dataclass(frozen=True, slots=True)
class JWTBearer(Credential):
    """An assertion signed with a private key (RFC 7523 §2.1): ``key`` is PEM text, ``username`` its subject.

    ``audience`` is worked out by the connector unless given.
    """

    kind = "jwt_bearer"
    id: SecretLike
    username: SecretLike
    key: SecretLike
    audience: SecretLike | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken(Credential):
    """OAuth 2.0 refresh token (RFC 6749 §6); public clients have no ``secret``.

    Where the system hands out a new refresh token with every use, a `TokenStore` must keep it.
    """

    kind = "refresh_token"
    id: SecretLike
    secret: SecretLike | None = None
    token: SecretLike


@dataclass(frozen=True, slots=True)
class Password(Credential):
    """A user's name and password, with whatever else the system asks for beside them.

    With ``id`` and ``secret`` it is OAuth's password grant (RFC 6749 §4.3), else the system's own login.
    """

    kind = "password"
    username: SecretLike
    password: SecretLike
    security_token: SecretLike | None = None
    id: SecretLike | None = None
    secret: SecretLike | None = None
    organization: SecretLike | None = None


@dataclass(frozen=True, slots=True)
class AccessToken(Credential):
    """A token obtained elsewhere. A reference or a function is asked again when the system refuses the old one."""

    kind = "access_token"
    token: SecretLike
    base_url: SecretLike | None = None

    def provide(self) -> Token:
        return Token(reveal(self.token), base_url=reveal(self.base_url) if self.base_url is not None else None)


Provided: TypeAlias = "str | tuple[str, str] | Token"
"""What a token provider returns: the token, or the token and the base URL it is for, or all of a `Token`."""


@dataclass(frozen=True, slots=True)
class TokenProvider(Credential):
    """A function that returns a token that works now; asked on first use and when the system refuses the last one."""

    kind = "token_provider"
    function: Callable[[], Provided]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ConfigurationError("a token provider is a function without arguments")

    def provide(self) -> Token:
        found = self.function()
        if isinstance(found, Token):
            return found
        return Token(*found) if isinstance(found, tuple) else Token(found)


def as_credential(given: Any) -> Credential | None:
    """What ``auth=`` takes: a credential, a function that provides tokens, or None for systems without a login."""
    if given is None or isinstance(given, Credential):
        return given
    if callable(given):
        return TokenProvider(given)
    raise ConfigurationError(
        f"auth must be a credential or a function that returns a token, not {type(given).__name__}",
        hint="for instance ClientCredentials(id=..., secret=...)",
    )

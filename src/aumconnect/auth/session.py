"""One login, shared by everything a client sends: first use, expiry, refusal, one refresh for all."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Protocol, TypeVar, runtime_checkable

from aumconnect._clock import SYSTEM_CLOCK
from aumconnect._relay import relay
from aumconnect._runner import origin_of
from aumconnect.auth.credentials import Credential, RefreshToken
from aumconnect.auth.rotation import rotating
from aumconnect.auth.secret import NotPicklable, Secret, reveal
from aumconnect.auth.store import TokenStore
from aumconnect.auth.token import Token
from aumconnect.connector import Connector, Origins
from aumconnect.errors import AuthenticationError, ConfigurationError, ErrorClass, ProtocolError
from aumconnect.wire import Effect, Exchange, Exclusive, Request, Response

__all__ = ["LogsIn", "Session", "TokenAccess"]

T = TypeVar("T")
logger = logging.getLogger(__name__)

EXPIRY_MARGIN = 60.0
"""Seconds before its known end at which a token counts as expired."""
REFUSAL_HOLDS = 60.0
"""Seconds for which a refused login is not tried again: many workers ask, one request finds out."""


class EpochClock(Protocol):
    def now(self) -> float: ...

    def epoch(self) -> float: ...


@runtime_checkable
class LogsIn(Protocol):
    """A connector that knows how its system turns a credential into a token."""

    def login(self, credential: Credential) -> Exchange[Token]:
        """Log in. Raises `AuthenticationError` when refused, `ConfigurationError` for a kind it does not take."""


@dataclass(frozen=True, slots=True)
class TokenAccess:
    """How somebody else's client gets our token: the one in use, and another one than that. Both may block."""

    token: Callable[[], Token]
    renewed: Callable[[Token], Token]


@dataclass(frozen=True, slots=True, eq=False)
class _Grant:
    """One generation of the token, where it is for, and when (epoch seconds) it counts as expired."""

    token: Token
    base_url: str
    stale_at: float | None


class Session(NotPicklable):
    """Signs every attempt of every request of one client; thread-safe, shared by all its workers.

    ``retry`` wraps login exchanges (the client passes its retry policy). With ``credential=None`` requests
    are only resolved against the connector's base URL.
    """

    def __init__(
        self,
        connector: Connector,
        credential: Credential | None,
        *,
        clock: EpochClock = SYSTEM_CLOCK,
        token_store: TokenStore | None = None,
        retry: Callable[[Exchange[Token]], Exchange[Token]] | None = None,
    ) -> None:
        self._connector = connector
        self._credential = credential
        self._clock = clock
        self._store = token_store
        self._retry = retry or (lambda exchange: exchange)
        self._key = ("login", object())
        self._grant: _Grant | None = None
        self._refused: tuple[float, AuthenticationError] | None = None

    @property
    def base_url(self) -> str:
        """What relative URLs mean now: as the login announced, else as configured."""
        grant = self._grant
        return grant.base_url if grant else self._connector.base_url

    def signed(self, exchange: Exchange[T]) -> Exchange[T]:
        """The same exchange with every request resolved and signed, and repeated once after a refresh.

        Raises `AuthenticationError` when the system refuses the credential, or the token of a fresh login.
        """
        return relay(exchange, self._performed)

    def token(self) -> Exchange[Token]:
        """The token in use, after a login where there is none yet."""
        return (yield from self._current()).token

    def renewed(self, stale: Token) -> Exchange[Token]:
        """A token other than ``stale``: the one in use if it is another, else that of a new login."""
        grant = self._grant
        if grant is not None and grant.token.value != stale.value:
            return grant.token
        return (yield from self._renewed(grant)).token

    def _performed(self, effect: Effect) -> Exchange[Any]:
        if isinstance(effect, Request):
            return (yield from self._answered(effect))
        if isinstance(effect, Exclusive):
            effect = replace(effect, exchange=self.signed(effect.exchange))
        return (yield effect)

    def _answered(self, request: Request) -> Exchange[Response]:
        if self._credential is None:
            return (yield from self._unsigned(request))
        grant = yield from self._current()
        response: Response = yield self._sign(request, grant)
        verdict = self._connector.classify(response)
        if verdict is ErrorClass.AUTH_REFRESH:
            grant = yield from self._renewed(grant)
            response = yield self._sign(request, grant)
            verdict = self._connector.classify(response)
        if verdict in (ErrorClass.AUTH_REFRESH, ErrorClass.AUTH_REVOKED):
            self._refuse(response, fresh=verdict is ErrorClass.AUTH_REFRESH)
        return response

    def _unsigned(self, request: Request) -> Exchange[Response]:
        response: Response = yield _resolved(request, self._connector.base_url)
        if self._connector.classify(response) in (ErrorClass.AUTH_REFRESH, ErrorClass.AUTH_REVOKED):
            raise AuthenticationError(f"{self._connector.name} asks for a login", hint="pass a credential: auth=...")
        return response

    def _refuse(self, response: Response, *, fresh: bool) -> NoReturn:
        what = "the token of a fresh login" if fresh else "this credential for good"
        raise AuthenticationError(
            f"{self._connector.name} refuses {what} (HTTP {response.status})",
            hint="check what the account and the application may do there",
        )

    def _sign(self, request: Request, grant: _Grant) -> Request:
        return self._connector.sign(_resolved(request, grant.base_url), grant.token.value)

    def _current(self) -> Exchange[_Grant]:
        grant = self._grant
        kept = self._credential.current() if self._credential else None
        if kept is not None and (grant is None or kept.value != grant.token.value):
            grant = self._accept(kept)
        if grant is None or (grant.stale_at is not None and grant.stale_at <= self._clock.epoch()):
            grant = yield from self._renewed(grant)
        return grant

    def _renewed(self, seen: _Grant | None) -> Exchange[_Grant]:
        """The grant after ``seen``: got by us, or by whoever was first to find that ``seen`` is no good."""
        grant: _Grant = yield Exclusive(self._key, self._login(seen))
        return grant

    def _login(self, seen: _Grant | None) -> Exchange[_Grant]:
        if self._grant is not None and self._grant is not seen:
            return self._grant
        if self._refused and self._clock.now() < self._refused[0] + REFUSAL_HOLDS:
            raise AuthenticationError(self._refused[1].message, hint=self._refused[1].hint)
        try:
            token = yield from self._obtained(seen)
        except AuthenticationError as refused:
            self._refused = (self._clock.now(), refused)
            raise
        self._refused = None
        logger.debug("%s: logged in", self._connector.name)
        return self._accept(token)

    def _obtained(self, seen: _Grant | None) -> Exchange[Token]:
        credential, connector = self._credential, self._connector
        provided = credential.provide() if credential else None
        if provided is not None:
            return _newer(provided, seen)
        if credential is None:
            raise ConfigurationError(f"{connector.name} was given no credential")
        if not isinstance(connector, LogsIn):
            raise ConfigurationError(f"{connector.name} does not log in with {type(credential).__name__}")
        if not isinstance(credential, RefreshToken):
            return (yield from self._retry(connector.login(credential)))
        return (yield from self._refreshed(connector, credential))

    def _refreshed(self, connector: LogsIn, credential: RefreshToken) -> Exchange[Token]:
        def login(newest: RefreshToken) -> Exchange[Token]:
            return self._retry(connector.login(newest))

        if self._store is not None:
            place = f"{self._connector.name}:{self._connector.base_url}"
            return (yield from rotating(login, credential, self._store, place))
        token = yield from login(credential)
        if token.refresh and token.refresh != reveal(credential.token):
            logger.warning(
                "%s hands out new refresh tokens, and without a token store this one is lost", self._connector.name
            )
            self._credential = replace(credential, token=Secret.literal(token.refresh))
        return token

    def _accept(self, token: Token) -> _Grant:
        base_url = token.base_url or self._connector.base_url
        origin = origin_of(base_url)
        if not _permitted(self._connector.origins, origin):
            raise ProtocolError(
                f"the login announced {origin}, which is not a host of this connection",
                hint="check the connection's URL, or its setting for announced hosts",
            )
        self._grant = grant = _Grant(token, origin, _stale_at(token, self._clock.epoch()))
        return grant


def _stale_at(token: Token, now: float) -> float | None:
    """Some time before the token's end, but not before half of what is left of its life."""
    ends = token.expires_at if token.lifetime is None else now + token.lifetime
    return None if ends is None else ends - min(EXPIRY_MARGIN, max(0.0, ends - now) / 2)


def _newer(token: Token, seen: _Grant | None) -> Token:
    if seen is not None and seen.token.value == token.value:
        raise AuthenticationError(
            "the access token is no longer accepted", hint="give a function that returns a fresh one each time"
        )
    return token


def _permitted(origins: Origins, origin: str) -> bool:
    if origin in {origin_of(exact) for exact in origins.exact}:
        return True
    return origins.announced is not None and re.fullmatch(origins.announced, origin) is not None


def _resolved(request: Request, base_url: str) -> Request:
    if request.url.startswith("/"):
        return replace(request, url=base_url + request.url)
    if request.url.startswith(("https://", "http://")):
        return request
    raise ConfigurationError("a request URL is absolute or begins with '/'")

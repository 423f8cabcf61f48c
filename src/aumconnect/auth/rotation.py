"""Refresh tokens that change with every use: log in with the newest, keep the one that comes back."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from aumconnect.auth.credentials import RefreshToken
from aumconnect.auth.secret import Secret, SecretLike, reveal
from aumconnect.auth.store import TokenStore
from aumconnect.auth.token import Token
from aumconnect.errors import ProtocolError, Unavailable
from aumconnect.wire import Exchange, Wait

__all__ = ["rotating"]

logger = logging.getLogger(__name__)

LOCK_PAUSE = 0.2
"""Seconds between two looks at a lock that another process holds."""
LOCK_PATIENCE = 120.0
"""Seconds after which we no longer wait for the other process."""


def rotating(
    login: Callable[[RefreshToken], Exchange[Token]],
    credential: RefreshToken,
    store: TokenStore,
    place: str,
) -> Exchange[Token]:
    """Log in with the newest refresh token of ``place`` that ``store`` knows, under its lock between processes.

    Raises `Unavailable` when another process keeps the lock too long.
    """
    name = f"{place}:{_digest(reveal(credential.id))}"
    yield from _locked(store, name)
    try:
        newest = _newest(store, name, credential)
        token = yield from login(replace(credential, token=newest))
        if token.refresh and token.refresh != reveal(newest):
            store.save(name, json.dumps({"seed": _digest(reveal(credential.token)), "token": token.refresh}))
        return token
    finally:
        store.unlock(name)


def _locked(store: TokenStore, name: str) -> Exchange[None]:
    waited = 0.0
    while not store.try_lock(name):
        if waited >= LOCK_PATIENCE:
            raise Unavailable("another process has been refreshing this credential for too long")
        yield Wait(LOCK_PAUSE)
        waited += LOCK_PAUSE


def _newest(store: TokenStore, name: str, credential: RefreshToken) -> SecretLike:
    """The stored token, unless the configured one was replaced since: then a person authorised anew."""
    kept = _kept(store.load(name))
    if kept is None:
        raise ProtocolError("the token store holds something this library did not write")
    seed, token = kept
    return token if seed == _digest(reveal(credential.token)) else credential.token


def _kept(text: str | None) -> tuple[str, Secret] | None:
    """What a store holds: the digest of the token it began with, and the newest one. None for what is not ours."""
    if text is None:
        return "", Secret.literal("")
    try:
        kept = json.loads(text)
        return str(kept["seed"]), Secret.literal(str(kept["token"]))
    except (ValueError, KeyError, TypeError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]

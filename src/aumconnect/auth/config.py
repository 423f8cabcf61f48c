"""Credentials from a job file: ``{kind = "client_credentials", id = "env:SF_ID", secret = "env:SF_SECRET"}``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from aumconnect._near import did_you_mean
from aumconnect.auth.credentials import AccessToken, ClientCredentials, Credential, JWTBearer, Password, RefreshToken
from aumconnect.auth.secret import is_reference
from aumconnect.errors import ConfigurationError

__all__ = ["KINDS", "credential_from"]

KINDS: Mapping[str, type[Credential]] = {
    kind.kind: kind for kind in (ClientCredentials, JWTBearer, RefreshToken, Password, AccessToken)
}
"""The kinds a job file may name."""

_PUBLIC = frozenset({"id", "username", "audience", "organization", "base_url"})
"""Settings that may stand in a job file in clear."""


def credential_from(config: Mapping[str, Any], *, folder: Path | None = None) -> Credential:
    """The credential that a job file's ``auth`` table describes.

    ``folder`` is what a relative ``file:`` reference is relative to. Raises `ConfigurationError` for an
    unknown kind or setting (with near names), a missing one, and a secret written out in the file.
    """
    settings = dict(config)
    kind = _kind(settings.pop("kind", None))
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    for name, value in settings.items():
        _check(kind.kind, name, value, known)
    missing = [name for name, item in known.items() if item.default is MISSING and name not in settings]
    if missing:
        raise ConfigurationError(f"auth of kind {kind.kind!r} lacks {' and '.join(missing)}")
    return kind(**{name: _anchored(value, folder) for name, value in settings.items()})


def _kind(name: Any) -> type[Credential]:
    if name is None:
        raise ConfigurationError("auth lacks its kind", hint=f"one of {', '.join(KINDS)}")
    if name not in KINDS:
        raise ConfigurationError(f"auth of kind {name!r} is not known", hint=did_you_mean(str(name), KINDS))
    return KINDS[name]


def _check(kind: str, name: str, value: Any, known: Mapping[str, Any]) -> None:
    if name not in known:
        raise ConfigurationError(f"auth of kind {kind!r} has no setting {name!r}", hint=did_you_mean(name, known))
    if not isinstance(value, str):
        raise ConfigurationError(f"auth setting {name!r} must be a text, not {type(value).__name__}")
    if name not in _PUBLIC and not is_reference(value):
        raise ConfigurationError(
            f"auth setting {name!r} holds a secret in clear",
            hint=f'name its place instead: {name} = "env:VARIABLE", "file:PATH" or "keyring:SERVICE/NAME"',
        )


def _anchored(value: str, folder: Path | None) -> str:
    if folder is None or not value.startswith("file:"):
        return value
    return f"file:{folder / Path(value.removeprefix('file:')).expanduser()}"

"""A value that never shows: not in a repr, a log line, a format string, an exception or a pickle."""

from __future__ import annotations

import hmac
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeAlias

from aumconnect.errors import ConfigurationError

__all__ = ["NotPicklable", "Secret", "SecretLike", "is_reference", "reveal"]

_REFERENCE = re.compile(r"(?P<kind>env|file|keyring):(?P<place>.+)", re.DOTALL)


class NotPicklable:
    """A base for whatever holds a credential in clear."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise pickle.PicklingError(
            f"{type(self).__name__} holds a credential and is never pickled; "
            "build it anew in the other process, from the same settings"
        )


class HoldsSecret(Protocol):
    """What pydantic's ``SecretStr`` looks like; pydantic itself is not needed for it."""

    def get_secret_value(self) -> str: ...


class Secret(NotPicklable):
    """A text known now, or found when it is needed.

    ``source`` is the text itself, pydantic's ``SecretStr``, a function without arguments that returns the
    text, or a reference: ``env:NAME``, ``file:PATH`` (one trailing line break dropped), or
    ``keyring:SERVICE/NAME``. References and functions are asked anew each time, so that a rotated secret
    is picked up. `literal` is for a text that happens to look like a reference.
    """

    __slots__ = ("_source",)
    _source: str | Callable[[], str]

    def __init__(self, source: SecretLike) -> None:
        if isinstance(source, Secret):
            found: str | Callable[[], str] = source._source  # noqa: SLF001
        elif isinstance(source, str):
            found = source
        elif hasattr(source, "get_secret_value"):
            found = source.get_secret_value()
        elif callable(source):
            found = source
        else:
            raise ConfigurationError(
                f"a secret is a text, a SecretStr or a function without arguments, not {type(source).__name__}"
            )
        object.__setattr__(self, "_source", found)

    @classmethod
    def literal(cls, text: str) -> Secret:
        """Exactly this text, even if it looks like a reference."""
        return cls(lambda: text)

    def reveal(self) -> str:
        """The text in clear. Raises `ConfigurationError` when a reference leads nowhere."""
        if isinstance(self._source, str):
            reference = _REFERENCE.fullmatch(self._source)
            return _LOOKUPS[reference["kind"]](reference["place"]) if reference else self._source
        text = self._source()
        if not isinstance(text, str):
            raise ConfigurationError(f"the function for a secret returned {type(text).__name__}, not a text")
        return text

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret never changes")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, others = self._source, other._source
        if isinstance(mine, str) and isinstance(others, str):
            return hmac.compare_digest(mine.encode(), others.encode())
        return mine is others

    def __hash__(self) -> int:
        return hash(self._source)

    def __repr__(self) -> str:
        return f"Secret({self._source!r})" if is_reference(self._source) else "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"


SecretLike: TypeAlias = "str | Secret | HoldsSecret | Callable[[], str]"
"""What is taken wherever a credential needs a text."""


def reveal(value: SecretLike) -> str:
    """The text in clear, whatever form it was given in."""
    return Secret(value).reveal()


def is_reference(value: object) -> bool:
    """Whether this names a place (``env:NAME``) rather than being a secret itself."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def _from_environment(name: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise ConfigurationError(
            f"the environment variable {name} is not set", hint=f"set {name}, or name another place for this secret"
        ) from None


def _from_file(path: str) -> str:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the secret file {path} cannot be read ({type(error).__name__})") from None
    return text.removesuffix("\n").removesuffix("\r")


def _from_keyring(place: str) -> str:
    service, _, name = place.rpartition("/")
    if not service:
        raise ConfigurationError(f"keyring:{place} needs the form keyring:SERVICE/NAME")
    keyring = keyring_module()
    try:
        text = keyring.get_password(service, name)
    except Exception as error:  # noqa: BLE001  (each backend has its own)
        raise ConfigurationError(
            f"the keyring cannot be read ({type(error).__name__})", hint="unlock it, or use env: or file: on a server"
        ) from None
    if text is None:
        raise ConfigurationError(
            f"the keyring has no {name} under {service}", hint=f"store it with: keyring set {service} {name}"
        )
    return str(text)


def keyring_module() -> Any:
    """The optional package ``keyring``. Raises `ConfigurationError` that says how to install it."""
    try:
        import keyring
    except ImportError:
        raise ConfigurationError(
            "the keyring package is not installed", hint="pip install 'aumconnect[keyring]'"
        ) from None
    return keyring


_LOOKUPS = {"env": _from_environment, "file": _from_file, "keyring": _from_keyring}

"""Connection URLs as settings: ``name[+http]://host[:port][?setting=value&...]``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl, urlsplit

from aumconnect._near import did_you_mean
from aumconnect.errors import ConfigurationError

__all__ = ["settings_from_url"]

_BOOLEANS = {"true": True, "false": False}


def settings_from_url(url: str, kind: type) -> tuple[str, dict[str, Any]]:
    """``https://host[:port]`` and the settings of the dataclass ``kind`` that ``url`` names, in their own types.

    A scheme ending in ``+http`` asks for plain HTTP. Raises `ConfigurationError` for an unknown setting (with
    the near names), a value of the wrong type, and credentials or a path in the URL.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.path not in ("", "/") or parts.fragment or not parts.netloc:
        raise ConfigurationError(
            "a connection URL has a host and settings only", hint=f"write {parts.scheme or 'name'}://host?setting=value"
        )
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind) if item.name != "url" and _scalars(hints[item.name])}
    found: dict[str, Any] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise ConfigurationError(
                f"the connection URL has an unknown setting {name!r}", hint=did_you_mean(name, known)
            )
        if name in found:
            raise ConfigurationError(f"the connection URL has the setting {name!r} twice")
        found[name] = _typed(name, text, _scalars(hints[name]))
    scheme = "http" if parts.scheme.endswith("+http") else "https"
    return f"{scheme}://{parts.netloc}", found


def _scalars(hint: Any) -> frozenset[type]:
    """The types that one text can stand for; empty for a setting that has no form in a URL."""
    options = frozenset(get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)) - {type(None)}
    return options if options <= {str, int, float, bool} else frozenset()


def _typed(name: str, text: str, wanted: frozenset[type]) -> Any:
    if bool in wanted and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if str in wanted:
        return text
    for kind in wanted - {bool}:
        with suppress(ValueError):
            return kind(text)
    names = " or ".join(sorted(kind.__name__ for kind in wanted))
    raise ConfigurationError(f"the setting {name!r} in the connection URL must be {names}, not {text!r}")

"""Connectors by name. Built-ins register as outsiders do: by an entry point of the group below."""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from aumconnect.connector import Connector
from aumconnect.errors import ConfigurationError, UnknownConnector

__all__ = ["GROUP", "connect", "connectors", "load"]

GROUP = "aumconnect.connectors"


def connectors() -> dict[str, EntryPoint]:
    """Every installed connector by name; nothing is imported.

    Raises `ConfigurationError` when two packages claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise ConfigurationError(
                f"two installed packages provide the connector {entry.name!r}: {other.value} and {entry.value}",
                hint="uninstall one of them",
            )
    return found


def load(name: str) -> type[Connector]:
    """The connector class of this name. Raises `UnknownConnector` with the near names."""
    found = connectors()
    if name not in found:
        near = difflib.get_close_matches(name, found, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"installed are: {', '.join(found)}"
        raise UnknownConnector(f"no connector is called {name!r}", hint=hint)
    return cast("type[Connector]", found[name].load())


def connect(url: str) -> Connector:
    """The connector a URL names by its scheme: ``salesforce://host``, ``salesforce+http://127.0.0.1:8080``."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigurationError(
            f"{url!r} is not a connection URL",
            hint="write <connector>://<host>, for example salesforce://acme.my.salesforce.com",
        )
    return load(scheme.partition("+")[0]).from_url(url)

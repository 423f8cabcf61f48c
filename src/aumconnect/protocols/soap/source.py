"""A schema document and the names that are written in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.names import qualified

__all__ = ["Source", "name_at"]


@dataclass(frozen=True)
class Source:
    """One ``xsd:schema`` element (lxml) and the namespace its names are in.

    They differ from ``targetNamespace`` only where a schema without one is included by another.
    """

    root: Any
    target: str


def name_at(node: Any, text: str, source: Source) -> str:
    """A QName written at ``node``, as a name. In a schema that took over its includer's namespace, a name
    without prefix is in that namespace (XML Schema part 1, §4.2.1)."""
    prefix, _, rest = text.strip().rpartition(":")
    found = node.nsmap.get(prefix or None)
    if prefix and found is None:
        raise ConfigurationError(f"line {node.sourceline}: the prefix of {text!r} is not declared")
    if found is None and source.root.get("targetNamespace") is None:
        found = source.target
    return qualified(found, rest)

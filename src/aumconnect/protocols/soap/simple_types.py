"""Simple types with every facet, down to the built-in they come from (XML Schema part 2, §3 and §4.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.model import Simple
from aumconnect.protocols.soap.names import ENCODING, XSD, local, namespace, qualified
from aumconnect.protocols.soap.source import Source, name_at

__all__ = ["SimpleTypes"]

_XS = f"{{{XSD}}}"
_NUMBERS = {"length": "length", "minLength": "min_length", "maxLength": "max_length"} | {
    "totalDigits": "total_digits",
    "fractionDigits": "fraction_digits",
}
_BOUNDS = frozenset({"minInclusive", "maxInclusive", "minExclusive", "maxExclusive"})
_BUILTIN = (
    "anySimpleType string normalizedString token language Name NCName NMTOKEN ID IDREF ENTITY anyURI QName NOTATION "
    "boolean decimal integer nonPositiveInteger negativeInteger long int short byte nonNegativeInteger "
    "unsignedLong unsignedInt unsignedShort unsignedByte positiveInteger float double duration dateTime time date "
    "gYearMonth gYear gMonthDay gDay gMonth hexBinary base64Binary"
).split()
_LISTS = {"NMTOKENS": "NMTOKEN", "IDREFS": "IDREF", "ENTITIES": "ENTITY"}

Find = Callable[[str], tuple[Any, Source] | None]


class SimpleTypes:
    """Reads simple types; ``find`` gives the node of a global one, and the schema it stands in."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._named: dict[str, Simple] = {qualified(XSD, name): self.builtin_named(name) for name in _BUILTIN}
        for name, item in _LISTS.items():
            self._named[qualified(XSD, name)] = Simple(
                name=qualified(XSD, name), items=self.builtin_named(item), min_length=1
            )

    def builtin(self) -> Iterator[tuple[str, Simple]]:
        yield from ((name, simple) for name, simple in self._named.items() if namespace(name) == XSD)

    def builtin_named(self, name: str) -> Simple:
        return Simple(name, qualified(XSD, name))

    def read(self, node: Any, source: Source, name: str | None) -> Simple:
        """The ``xsd:simpleType`` at ``node``."""
        for child in node.iterchildren(_XS + "restriction", _XS + "list", _XS + "union"):
            kind = local(child.tag)
            if kind == "restriction":
                return self.narrowed(child, source, self._base(child, source))._replace(name=name)
            if kind == "list":
                return Simple(name=name, items=self._item(child, source))
            return Simple(name=name, members=tuple(self._members(child, source)))
        raise ConfigurationError(f"line {node.sourceline}: a simple type without content")

    def of(self, node: Any, source: Source) -> Simple:
        """The type of an attribute: named, anonymous, or any text."""
        if node.get("type"):
            return self._global(name_at(node, node.get("type"), source))
        for child in node.iterchildren(_XS + "simpleType"):
            return self.read(child, source, None)
        return self.builtin_named("anySimpleType")

    def narrowed(self, node: Any, source: Source, base: str | Simple) -> Simple:
        """``base`` with the facets that are written at ``node`` (a restriction, or an extension without any)."""
        for child in node.iterchildren(_XS + "simpleType"):
            return self.facets(node, self.read(child, source, None))
        return self.facets(node, base if isinstance(base, Simple) else self._global(base))

    def facets(self, node: Any, base: Simple) -> Simple:
        changes: dict[str, Any] = {}
        choices: list[str] = []
        patterns: list[str] = []
        bounds = list(base.bounds)
        for child in node.iterchildren(tag=_XS + "*"):
            kind, value = local(child.tag), child.get("value")
            if kind in _NUMBERS:
                changes[_NUMBERS[kind]] = int(value)
            elif kind in _BOUNDS:
                bounds.append((kind, value))
            elif kind == "enumeration":
                choices.append(value)
            elif kind == "pattern":
                patterns.append(value)
        if choices:
            changes["choices"] = tuple(choices)
        if patterns:
            changes["patterns"] = (*base.patterns, tuple(patterns))
        return base._replace(bounds=tuple(bounds), **changes)

    def _base(self, node: Any, source: Source) -> str | Simple:
        if node.get("base"):
            return name_at(node, node.get("base"), source)
        return self.builtin_named("anySimpleType")

    def _item(self, node: Any, source: Source) -> Simple:
        if node.get("itemType"):
            return self._global(name_at(node, node.get("itemType"), source))
        return self.narrowed(node, source, self.builtin_named("anySimpleType"))

    def _members(self, node: Any, source: Source) -> Iterator[Simple]:
        for name in node.get("memberTypes", "").split():
            yield self._global(name_at(node, name, source))
        for child in node.iterchildren(_XS + "simpleType"):
            yield self.read(child, source, None)

    def _global(self, name: str) -> Simple:
        found = self._named.get(name)
        if found is None:
            there = self._find(name)
            if there is None and namespace(name) == ENCODING:
                return self._global(qualified(XSD, local(name)))
            if there is None:
                raise ConfigurationError(f"the simple type {name!r} is in none of the WSDL's schemas")
            found = self._named[name] = self.read(*there, name)
        return found

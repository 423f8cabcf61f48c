"""XML Schema documents read into the model's terms (XML Schema 1.0 part 1 and 2), by plain lxml.

zeep knows these types too, but forgets their facets, which of them are abstract, and what they are derived
from; so the schema is read here from the same documents, and zeep remains an independent witness of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.model import AnyElement, Attribute, Element, Group, Particle, Type
from aumconnect.protocols.soap.names import ENCODING, WSDL, XSD, local, namespace, qualified
from aumconnect.protocols.soap.simple_types import SimpleTypes
from aumconnect.protocols.soap.source import Source, name_at

__all__ = ["Components"]

_XS = f"{{{XSD}}}"
_ARRAY = qualified(ENCODING, "Array")
_KINDS = ("element", "complexType", "simpleType", "group", "attributeGroup", "attribute")


class Components:
    """Every global component of a set of schemas."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._found: dict[tuple[str, str], tuple[Any, Source]] = {}
        for source in sources:
            for node in source.root.iterchildren(*(_XS + kind for kind in _KINDS)):
                key = (local(node.tag), qualified(source.target, node.get("name")))
                self._found.setdefault(key, (node, source))
        self._simple = SimpleTypes(self._simple_node)

    def types(self) -> Iterator[tuple[str, Type]]:
        """Every type under the name elements refer to it by; `own_type` says how for one without a name."""
        for (kind, name), (node, source) in self._found.items():
            if kind == "complexType":
                yield name, self._complex(node, source, name)
            elif kind == "simpleType":
                yield name, Type(name, simple=self._simple.read(node, source, name), complex=False)
            elif kind == "element" and (anonymous := self._anonymous(node, source)) is not None:
                yield own_type(name), anonymous

    def elements(self) -> Iterator[Element]:
        for (kind, _), (node, source) in self._found.items():
            if kind == "element":
                yield self._element(node, source, is_global=True)

    def element(self, name: str) -> Element:
        """One global element. Raises `ConfigurationError` for one that no schema declares."""
        found = self._found.get(("element", name))
        if found is None:
            raise ConfigurationError(f"the element {name!r} is in none of the WSDL's schemas")
        return self._element(*found, is_global=True)

    def builtin(self) -> Iterator[tuple[str, Type]]:
        """The types of XML Schema itself, each under its name."""
        for name, simple in self._simple.builtin():
            yield name, Type(name, simple=simple, complex=False)
        name = qualified(XSD, "anyType")
        yield name, Type(name, mixed=True, content=Group("sequence", (AnyElement(0, None),)))

    # --- elements and groups -----------------------------------------------------------------------------

    def _element(self, node: Any, source: Source, *, is_global: bool = False) -> Element:
        least, most = _occurs(node)
        if node.get("ref"):
            there, its_source = self._get("element", name_at(node, node.get("ref"), source), node)
            return self._element(there, its_source, is_global=True)._replace(least=least, most=most)
        qualifies = is_global or _qualified(node, source, "element")
        head = node.get("substitutionGroup")
        return Element(
            qualified(source.target if qualifies else None, node.get("name")),
            self._type_of(node, source),
            least,
            most,
            nillable=_true(node, "nillable"),
            abstract=_true(node, "abstract"),
            default=node.get("default"),
            fixed=node.get("fixed"),
            head=name_at(node, head, source) if head else None,
            is_global=is_global,
        )

    def _type_of(self, node: Any, source: Source) -> str | Type:
        if node.get("type"):
            return name_at(node, node.get("type"), source)
        if local(node.getparent().tag) != "schema":
            anonymous = self._anonymous(node, source)
            if anonymous is not None:
                return anonymous
        elif node.find(_XS + "complexType") is not None or node.find(_XS + "simpleType") is not None:
            return own_type(qualified(source.target, node.get("name")))  # by name: it may contain itself
        if node.get("substitutionGroup"):
            head, its_source = self._get("element", name_at(node, node.get("substitutionGroup"), source), node)
            return self._type_of(head, its_source)
        return qualified(XSD, "anyType")

    def _anonymous(self, node: Any, source: Source) -> Type | None:
        for child in node.iterchildren(_XS + "complexType"):
            return self._complex(child, source, None)
        for child in node.iterchildren(_XS + "simpleType"):
            return Type(simple=self._simple.read(child, source, None), complex=False)
        return None

    def _group(self, node: Any, source: Source) -> Group | None:
        """The content model among the children of ``node``."""
        for child in node.iterchildren(*(_XS + kind for kind in ("sequence", "choice", "all", "group"))):
            return self._particle_group(child, source)
        return None

    def _particle_group(self, node: Any, source: Source) -> Group:
        least, most = _occurs(node)
        kind = local(node.tag)
        if kind == "group":
            there, its_source = self._get("group", name_at(node, node.get("ref"), source), node)
            found = self._group(there, its_source) or Group("sequence")
            return found._replace(least=least, most=most)
        kinds: Mapping[str, Literal["sequence", "choice", "all"]] = {"choice": "choice", "all": "all"}
        return Group(kinds.get(kind, "sequence"), tuple(self._particles(node, source)), least, most)

    def _particles(self, node: Any, source: Source) -> Iterator[Particle]:
        for child in node.iterchildren(tag=_XS + "*"):
            kind = local(child.tag)
            if child.get("maxOccurs") == "0":
                continue
            if kind == "element":
                yield self._element(child, source)
            elif kind == "any":
                yield AnyElement(*_occurs(child))
            elif kind in ("sequence", "choice", "all", "group"):
                yield self._particle_group(child, source)

    # --- complex types -----------------------------------------------------------------------------------

    def _complex(self, node: Any, source: Source, name: str | None) -> Type:
        for content in node.iterchildren(_XS + "simpleContent", _XS + "complexContent"):
            for derived in content.iterchildren(_XS + "extension", _XS + "restriction"):
                return self._derived(node, derived, source, name)
        attributes, prohibited = self._attributes(node, source)
        return Type(
            name,
            abstract=_true(node, "abstract"),
            mixed=_true(node, "mixed"),
            content=self._group(node, source),
            own_attributes=attributes,
            prohibited=prohibited,
        )

    def _derived(self, node: Any, derived: Any, source: Source, name: str | None) -> Type:
        base = name_at(derived, derived.get("base"), source)
        attributes, prohibited = self._attributes(derived, source)
        simple_content = local(derived.getparent().tag) == "simpleContent"
        array = _array_item(derived, source) if base == _ARRAY else None
        return Type(
            name,
            base=base,
            derivation="extension" if local(derived.tag) == "extension" else "restriction",
            abstract=_true(node, "abstract"),
            mixed=_true(node, "mixed") or _true(derived.getparent(), "mixed"),
            content=None if simple_content else self._group(derived, source),
            own_attributes=attributes,
            prohibited=prohibited,
            simple=self._simple_content(derived, source, base) if simple_content else None,
            array=array,
        )

    def _simple_content(self, derived: Any, source: Source, base: str) -> Any:
        """The text of a complex type: that of its base, narrowed by a restriction's own facets."""
        there = self._found.get(("complexType", base))
        if there is None:
            return self._simple.narrowed(derived, source, base)
        for inner in there[0].iter(_XS + "extension", _XS + "restriction"):
            inherited = self._simple_content(inner, there[1], name_at(inner, inner.get("base"), there[1]))
            return self._simple.facets(derived, inherited)
        raise ConfigurationError(f"the type {base!r} has no simple content to derive from")

    def _attributes(self, node: Any, source: Source) -> tuple[tuple[Attribute, ...], tuple[str, ...]]:
        found: list[Attribute] = []
        prohibited: list[str] = []
        for child in node.iterchildren(_XS + "attribute", _XS + "attributeGroup"):
            if local(child.tag) == "attributeGroup":
                there, its_source = self._get("attributeGroup", name_at(child, child.get("ref"), source), child)
                found += self._attributes(there, its_source)[0]
                continue
            attribute = self._attribute(child, source)
            if child.get("use") == "prohibited":
                prohibited.append(attribute.name)
            elif namespace(attribute.name) != ENCODING and source.target != ENCODING:
                found.append(attribute)  # those of the encoding are the serialiser's own marks
        return tuple(found), tuple(prohibited)

    def _attribute(self, node: Any, source: Source, *, is_global: bool = False) -> Attribute:
        if node.get("ref"):
            name = name_at(node, node.get("ref"), source)
            if ("attribute", name) not in self._found:
                return Attribute(name, self._simple.builtin_named("string"), required=node.get("use") == "required")
            made = self._attribute(*self._found["attribute", name], is_global=True)
        else:
            qualifies = is_global or _qualified(node, source, "attribute")
            made = Attribute(
                qualified(source.target if qualifies else None, node.get("name")), self._simple.of(node, source)
            )
        return made._replace(
            required=node.get("use") == "required",
            default=node.get("default", made.default),
            fixed=node.get("fixed", made.fixed),
        )

    # --- lookups -----------------------------------------------------------------------------------------

    def _get(self, kind: str, name: str, node: Any) -> tuple[Any, Source]:
        found = self._found.get((kind, name))
        if found is None:
            raise ConfigurationError(f"line {node.sourceline}: the {kind} {name!r} is in none of the WSDL's schemas")
        return found

    def _simple_node(self, name: str) -> tuple[Any, Source] | None:
        return self._found.get(("simpleType", name))


def own_type(element: str) -> str:
    """What the anonymous type of a global element is kept under; no schema can use this name."""
    return f"the type of {element}"


def _qualified(node: Any, source: Source, kind: str) -> bool:
    return bool(node.get("form", source.root.get(f"{kind}FormDefault")) == "qualified")


def _occurs(node: Any) -> tuple[int, int | None]:
    most = node.get("maxOccurs", "1")
    return int(node.get("minOccurs", "1")), None if most == "unbounded" else int(most)


def _true(node: Any, attribute: str) -> bool:
    return node.get(attribute) in ("true", "1")


def _array_item(derived: Any, source: Source) -> str:
    """The item type of a restriction of ``soapenc:Array`` (WSDL 1.1 §2.2); anyType where it does not say."""
    for attribute in derived.iter(_XS + "attribute"):
        item = attribute.get(qualified(WSDL, "arrayType"))
        if item:
            return name_at(attribute, item.partition("[")[0], source)
    for element in derived.iter(_XS + "element"):
        if element.get("type"):
            return name_at(element, element.get("type"), source)
    return qualified(XSD, "anyType")

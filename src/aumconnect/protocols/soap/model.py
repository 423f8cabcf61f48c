"""What a WSDL says, as plain values: types, elements, operations. Independent of any XML or WSDL library.

Names are in Clark notation. A model is built once (`build`), kept on disk (`model_file`), and read by the planner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

from aumconnect._near import did_you_mean
from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.names import local
from aumconnect.protocols.soap.packing import pack, unpack

__all__ = [
    "AnyElement",
    "Attribute",
    "Body",
    "Element",
    "Group",
    "Model",
    "Operation",
    "Particle",
    "Port",
    "Simple",
    "Type",
]


class Simple(NamedTuple):
    """A simple type: the built-in it comes down to, and every facet on the way there.

    ``patterns`` are XSD regular expressions, one tuple of alternatives a step of derivation; all steps must
    match. ``bounds`` are (facet, value as written). ``items`` makes it a list; ``members`` a union.
    """

    base: str = "string"
    name: str | None = None
    choices: tuple[str, ...] | None = None
    length: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    total_digits: int | None = None
    fraction_digits: int | None = None
    bounds: tuple[tuple[str, str], ...] = ()
    patterns: tuple[tuple[str, ...], ...] = ()
    items: Simple | None = None
    members: tuple[Simple, ...] = ()


class Attribute(NamedTuple):
    name: str
    simple: Simple
    required: bool = False
    default: str | None = None
    fixed: str | None = None


class Element(NamedTuple):
    """A child element at its place. ``type`` is the name of a global type, or an anonymous one itself.

    ``most`` is None for unbounded. ``head`` is the element this global one may stand for (substitutionGroup).
    """

    name: str
    type: str | Type
    least: int = 1
    most: int | None = 1
    nillable: bool = False
    abstract: bool = False
    default: str | None = None
    fixed: str | None = None
    head: str | None = None
    is_global: bool = False


class AnyElement(NamedTuple):
    """``xsd:any``: elements of other people's schemas."""

    least: int = 1
    most: int | None = 1


class Group(NamedTuple):
    kind: Literal["sequence", "choice", "all"]
    items: tuple[Particle, ...] = ()
    least: int = 1
    most: int | None = 1


Particle = Element | Group | AnyElement


class Type(NamedTuple):
    """A type as declared; what it inherits is found through ``base`` (`Model.content`, `Model.attributes`).

    ``simple`` is the text of a simple type or of simple content. ``array`` is the item type of a SOAP array.
    """

    name: str | None = None
    base: str | None = None
    derivation: Literal["extension", "restriction"] | None = None
    abstract: bool = False
    mixed: bool = False
    content: Group | None = None
    own_attributes: tuple[Attribute, ...] = ()
    prohibited: tuple[str, ...] = ()
    simple: Simple | None = None
    complex: bool = True
    array: str | None = None


class Body(NamedTuple):
    """One message of an operation: what stands in the SOAP body and which blocks may stand in the header.

    ``parts`` are the children of the body (document) or of ``wrapper`` (rpc). ``encoded``: the SOAP encoding
    of section 5, with types told in the message.
    """

    parts: tuple[Element, ...] = ()
    wrapper: str | None = None
    encoded: bool = False
    headers: tuple[str, ...] = ()


class Operation(NamedTuple):
    name: str
    binding: str
    soap: Literal["1.1", "1.2"]
    style: Literal["document", "rpc"]
    action: str
    input: Body
    output: Body


class Port(NamedTuple):
    """A place the WSDL names. ``address`` is for showing only: requests go where the settings say."""

    service: str
    name: str
    binding: str
    address: str


NODES: Mapping[str, type] = {
    kind.__name__: kind for kind in (Simple, Attribute, Element, AnyElement, Group, Type, Body, Operation, Port)
}


@dataclass(frozen=True)
class Model:
    """One WSDL with all its schemas. ``digest`` is the SHA-256 over every document it was built from.

    ``packed_*`` are JSON texts, turned into objects when first asked for: a mapping needs a few of
    thousands. ``heads`` are the global elements that may stand for another, and for which.
    """

    digest: str
    packed_types: Mapping[str, str]
    packed_elements: Mapping[str, str]
    packed_operations: Mapping[str, Mapping[str, str]]
    ports: tuple[Port, ...] = ()
    heads: Mapping[str, str] = field(default_factory=dict)
    _made: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    # --- lookups ---------------------------------------------------------------------------------------

    def type(self, name: str) -> Type:
        """A global type. Raises `ConfigurationError` with near names."""
        return self._get("type", name, self.packed_types)  # type: ignore[no-any-return]

    def element(self, name: str) -> Element:
        """A global element. Raises `ConfigurationError` with near names."""
        return self._get("element", name, self.packed_elements)  # type: ignore[no-any-return]

    def type_of(self, element: Element) -> Type:
        return self.type(element.type) if isinstance(element.type, str) else element.type

    def operation(self, name: str, binding: str | None = None) -> Operation:
        """An operation by name; ``binding`` (Clark or local name) where several bindings have it.

        Without it, SOAP 1.1 is preferred to 1.2, then the order of the WSDL.
        """
        found = [
            self._get(f"operation {at}", name, operations)
            for at, operations in self.packed_operations.items()
            if name in operations and (binding is None or binding in (at, local(at)))
        ]
        if not found:
            known = {name for operations in self.packed_operations.values() for name in operations}
            raise ConfigurationError(f"the WSDL has no operation {name!r}", hint=did_you_mean(name, known))
        return min(found, key=lambda operation: operation.soap)  # type: ignore[no-any-return]

    def operations(self) -> Iterator[Operation]:
        """Every operation of every binding, in the order of the WSDL."""
        for at, operations in self.packed_operations.items():
            for name in operations:
                yield self._get(f"operation {at}", name, operations)

    def _get(self, kind: str, name: str, packed: Mapping[str, str]) -> Any:
        made = self._made.get((kind, name))
        if made is None:
            if name not in packed:
                near = [known for known in packed if local(known) == local(name)]
                hint = did_you_mean(name, near or packed)
                raise ConfigurationError(f"the WSDL has no {kind.partition(' ')[0]} {name!r}", hint=hint)
            made = self._made[kind, name] = unpack(json.loads(packed[name]), NODES)
        return made

    # --- what types inherit ------------------------------------------------------------------------------

    def lineage(self, type: Type) -> list[Type]:
        """``type`` and the types it is derived from, nearest first."""
        line = [type]
        while (base := line[-1].base) is not None and base in self.packed_types:
            if any(step.name == base for step in line):
                raise ConfigurationError(f"the type {base!r} is derived from itself")
            line.append(self.type(base))
        return line

    def is_derived(self, type: Type, base: Type) -> bool:
        return any(step.name is not None and step.name == base.name for step in self.lineage(type)) or type is base

    def content(self, type: Type) -> tuple[Particle, ...]:
        """The child particles in order, inherited ones first."""
        groups: list[Particle] = []
        for step in self.lineage(type):
            if step.content is not None:
                groups.insert(0, step.content)
            if step.derivation == "restriction":
                break
        return tuple(groups)

    def attributes(self, type: Type) -> dict[str, Attribute]:
        """Every attribute by name, inherited ones included."""
        found: dict[str, Attribute] = {}
        for step in reversed(self.lineage(type)):
            found |= {attribute.name: attribute for attribute in step.own_attributes}
            found = {name: attribute for name, attribute in found.items() if name not in step.prohibited}
        return found

    def types_named(self, name: str) -> list[str]:
        """The global types with this local name."""
        return self._by_local.get(name, [])

    def substitutes(self, head: str) -> dict[str, str]:
        """Local name → name of the global elements that may stand where ``head`` does."""
        return {local(name): name for name in self._heads.get(head, ())}

    @cached_property
    def _by_local(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.packed_types:
            found.setdefault(local(name), []).append(name)
        return found

    @cached_property
    def _heads(self) -> dict[str, list[str]]:
        direct: dict[str, list[str]] = {}
        for name, head in self.heads.items():
            direct.setdefault(head, []).append(name)
        return {head: _closure(head, direct) for head in direct}

    @classmethod
    def of(
        cls,
        digest: str,
        types: Mapping[str, Type],
        elements: Mapping[str, Element],
        operations: Mapping[str, Mapping[str, Operation]],
        ports: tuple[Port, ...],
    ) -> Model:
        """The model of these parts."""
        return cls(
            digest,
            {name: _text(found) for name, found in types.items()},
            {name: _text(element) for name, element in elements.items()},
            {at: {name: _text(one) for name, one in known.items()} for at, known in operations.items()},
            ports,
            {name: element.head for name, element in elements.items() if element.head},
        )


def _text(node: Any) -> str:
    return json.dumps(pack(node), separators=(",", ":"), ensure_ascii=False)


def _closure(head: str, direct: Mapping[str, list[str]]) -> list[str]:
    found: list[str] = []
    waiting = list(direct.get(head, ()))
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting += direct.get(name, ())
    return found

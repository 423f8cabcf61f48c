"""Random messages of any operation, twice: as a mapping with values for us, and as arguments for zeep."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import zeep.xsd
from hypothesis import assume
from hypothesis import strategies as st

from aumconnect.protocols.soap.facets import _translated, unchecked
from aumconnect.protocols.soap.lexical import writer
from aumconnect.protocols.soap.model import AnyElement, Element, Group, Model, Simple, Type
from aumconnect.protocols.soap.names import XSD, local

NUMBERS = (1, 7, 2026, 999, Decimal("0.5"), Decimal("12.25"), 10**6)
POOLS = {
    "boolean": (True,),  # zeep drops what is false in a choice
    "date": (date(2026, 11, 22), date(1999, 12, 31)),
    "dateTime": (datetime(2026, 11, 22, 12, 30, 1, tzinfo=UTC), datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "time": (time(1, 2, 3), time(23, 59, 59)),
    "base64Binary": (b"\0\xff", b"aumconnect"),
    "float": (1.5, 0.25, 3),
    "double": (1.5, -0.125, 12345.678),
    "decimal": NUMBERS,
}
WHOLE = (1, 2, 7, 100, 65000, -5)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n\t&<>\"'"),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() and not {"\ufffe", "\uffff"} & set(text))
WORDS = st.text("ABCxyz019-", min_size=1, max_size=8)
UNLIKE_ZEEP = frozenset(
    "duration gYear gYearMonth gMonth gMonthDay gDay hexBinary QName NOTATION anySimpleType".split()
)


@dataclass
class Message:
    """One message: paths to keys and values for us, keyword arguments for zeep."""

    mapping: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)

    def put(self, path: str, value: Any) -> None:
        key = f"k{len(self.mapping)}"
        self.mapping[path.lstrip("/")] = key
        self.values[key] = value


class Maker:
    """Draws messages of one model; ``get_type`` gives zeep's class of a type."""

    def __init__(self, draw: Any, model: Model, get_type: Any, *, depth: int = 6) -> None:
        self._draw = draw
        self._model = model
        self._get_type = get_type
        self._depth = depth
        self.message = Message()

    def parts(self, parts: tuple[Element, ...], *, inside: bool) -> Message:
        if inside:
            inner = self._model.type_of(parts[0])
            self.message.arguments = self._complex(inner, "", 0)
        else:
            for part in parts:
                self.message.arguments[part.name] = self._whole(part, part.name, 0)
        assume(self.message.mapping)
        return self.message

    def _chance(self, depth: int) -> bool:
        return depth < self._depth and self._draw(st.integers(0, 2 + depth)) == 0

    def _element(self, element: Element, path: str, depth: int) -> Any:
        assume(depth < self._depth + 6 and not element.abstract)
        declared = self._model.type_of(element)
        chosen = self._chosen(declared)
        if chosen is not declared:
            path += f"({chosen.name})"
        if chosen.simple is not None:
            return self._simple_or_content(chosen, path)
        assume(declared.name != f"{{{XSD}}}anyType")
        if chosen.array is not None:
            return self._array(chosen, path, depth)
        made = self._complex(chosen, path, depth)
        return made if chosen is declared else self._get_type(chosen.name)(**made)

    def _whole(self, element: Element, path: str, depth: int) -> Any:
        """An element that has something in it."""
        before = len(self.message.mapping)
        made = self._element(element, path, depth)
        assume(len(self.message.mapping) > before)
        return made

    def _chosen(self, declared: Type) -> Type:
        if not declared.abstract:
            return declared
        names = [name for name in self._model.packed_types if self._stands_for(name, declared)]
        assume(names)
        return self._model.type(self._draw(st.sampled_from(names)))

    def _stands_for(self, name: str, declared: Type) -> bool:
        found = self._model.type(name)
        return not found.abstract and found is not declared and self._model.is_derived(found, declared)

    def _simple_or_content(self, type: Type, path: str) -> Any:
        assert type.simple is not None
        value = self._value(type.simple)
        attributes = self._attributes(type, path)
        self.message.put(path if not attributes else f"{path}/#text", value)
        return {"_value_1": value, **attributes} if type.complex else value

    def _attributes(self, type: Type, path: str) -> dict[str, Any]:
        found = {}
        for name, attribute in self._model.attributes(type).items():
            wanted = attribute.required or attribute.default is not None or self._chance(2)
            if wanted and local(name) not in found and not self._beyond(attribute.simple):
                found[local(name)] = value = self._value(attribute.simple, attribute.fixed)
                self.message.put(f"{path}/@{name}", value)
            elif attribute.required:
                assume(False)
        return found

    def _array(self, type: Type, path: str, depth: int) -> Any:
        assert type.array is not None
        name = local(type.array)
        made = []
        for number in range(self._draw(st.integers(1, 2))):
            value = self._whole(Element(name, type.array), f"{path}/{name}[{number}]", depth + 1)
            their_type = self._get_type(type.array)
            value = their_type(**value) if isinstance(value, dict) else value
            made.append(zeep.xsd.AnyObject(zeep.xsd.Element(name, their_type), value))
        return made

    def _complex(self, type: Type, path: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = self._attributes(type, path)
        for particle in self._model.content(type):
            self._particle(particle, path, depth, made)
        return made

    def _particle(self, particle: Any, path: str, depth: int, made: dict[str, Any]) -> None:
        if isinstance(particle, AnyElement):
            assume(particle.least == 0)
        elif isinstance(particle, Element):
            self._child(particle, path, depth, made)
        else:
            self._group(particle, path, depth, made)

    def _group(self, group: Group, path: str, depth: int, made: dict[str, Any]) -> None:
        if group.most != 1:
            assume(group.least == 0)
        elif group.least or self._chance(depth):
            items = group.items
            if group.kind == "choice":
                items = (self._draw(st.sampled_from(items)),)
            for item in items:
                self._particle(_present(item) if group.kind == "choice" else item, path, depth, made)

    def _child(self, child: Element, path: str, depth: int, made: dict[str, Any]) -> None:
        name = local(child.name)
        simple = self._model.type_of(child).simple
        beyond = name in made or (simple is not None and self._beyond(simple)) or child.abstract
        if beyond or not (child.least or self._chance(depth)):
            assume(not child.least)
            return
        below, before = f"{path}/{name}", len(self.message.mapping)
        if child.most == 1:
            made[name] = self._element(child, below, depth + 1)
        else:
            count = max(child.least, self._draw(st.integers(1, 2)) if child.most is None or child.most > 1 else 1)
            made[name] = [self._whole(child, f"{below}[{n}]", depth + 1) for n in range(count)]
        if len(self.message.mapping) == before:  # an element without anything in it is not written by us
            assume(not child.least)
            del made[name]

    def _beyond(self, simple: Simple) -> bool:
        """Types that zeep writes in its own way, or that hold what we cannot make up."""
        return bool(simple.members or simple.items) or simple.base in UNLIKE_ZEEP or bool(unchecked(simple))

    def _value(self, simple: Simple, fixed: str | None = None) -> Any:
        assume(not self._beyond(simple))
        if fixed is not None:
            assume(simple.base == "string")
            return fixed
        write = writer(simple)
        pool = POOLS.get(simple.base, WHOLE if "nt" in simple.base or simple.base in _WHOLE else None)
        if pool is not None:
            fitting = [value for value in pool if _takes(write, value)]
            assume(fitting)
            return self._draw(st.sampled_from(fitting))
        return self._draw(_texts(simple).filter(lambda text: _takes(write, text)))


_WHOLE = frozenset({"long", "short", "byte", "unsignedLong", "unsignedShort", "unsignedByte"})


def _texts(simple: Simple) -> Any:
    if simple.choices is not None:
        return st.sampled_from(simple.choices)
    if simple.patterns:
        return st.from_regex(
            _translated(simple.patterns[-1][0]) or "", fullmatch=True, alphabet=st.characters(codec="ascii")
        )
    least = simple.length or simple.min_length or 0
    most = simple.length or simple.max_length or 12
    if simple.base == "string" and least <= 12:
        return TEXTS.filter(lambda text: len(text) <= most)
    return st.text("ABCxyz019", min_size=max(1, least), max_size=max(1, min(most, least + 12)))


def _takes(write: Any, value: Any) -> bool:
    try:
        return bool(write(value).strip())
    except (ValueError, TypeError):
        return False


def _present(particle: Any) -> Any:
    return particle._replace(least=max(1, particle.least))

"""The walk of a mapping's tree beside the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal

from aumconnect._near import did_you_mean
from aumconnect.protocols.soap.branches import Branch
from aumconnect.protocols.soap.derived import chosen_type
from aumconnect.protocols.soap.escaping import content
from aumconnect.protocols.soap.lexical import writer
from aumconnect.protocols.soap.model import Attribute, Element, Model, Simple, Type
from aumconnect.protocols.soap.names import ENCODING, XSD, local, qualified
from aumconnect.protocols.soap.paths import Step
from aumconnect.protocols.soap.plan import (
    AttributeNode,
    Const,
    ElementNode,
    Field,
    GroupNode,
    Node,
    Profile,
    RecordMark,
    Value,
)
from aumconnect.protocols.soap.walking import Walk, elements

__all__ = ["Planner"]

_NOTHING: Final = object()


class Planner:
    """Turns branches into nodes. Mistakes are collected, and what cannot be planned is left out."""

    text: Final = Simple(name=qualified(XSD, "string"))

    def __init__(
        self, model: Model, profile: Profile, mistakes: list[str], *, encoded: bool, clearable: dict[str, str]
    ) -> None:
        self._model = model
        self._profile = profile
        self._mistakes = mistakes
        self._encoded = encoded
        self._clearable = clearable
        self.record: Node | None = None
        self.most: int | None = 1

    # --- one element -------------------------------------------------------------------------------------

    def element(self, declared: Element, branch: Branch) -> Node | None:
        """The node of one mapped occurrence of ``declared``."""
        found = self._substitute(declared, branch)
        sent = None if found is None else chosen_type(self._model, found, branch, self._mistakes)
        if found is None or sent is None:
            return None
        node = ElementNode(
            found.name,
            branch.path,
            type=self._told_type(found, sent, branch),
            required=declared.least > 0 and not branch.step.rows,
            attributes=self._attributes(found, sent, branch),
            rows=branch.step.rows,
            least=declared.least,
            most=declared.most,
        )
        node = self._filled(node, found, sent, branch)
        if branch.step.record:
            self.record, self.most = node._replace(required=True), declared.most
            return RecordMark(branch.path)
        return node

    def _filled(self, node: ElementNode, element: Element, type: Type, branch: Branch) -> ElementNode:
        """``node`` with its text, or its children."""
        if branch.names:
            return node._replace(names=tuple(self._clearable.items()), required=False)
        if type.simple is not None:
            return self._with_text(node, element, type.simple, branch)
        if type.array is not None:
            return node._replace(content=self._array(type, branch), array=type.array)
        if branch.source is not None:
            names = ", ".join(local(child.name) for child in elements(self._model.content(type)))
            self.complain(f"{branch.path!r} holds elements, no text" + (f": {names[:200]}" if names else ""))
        return node._replace(content=self.content(type, branch, self._owners(element, type)))

    def _with_text(self, node: ElementNode, element: Element, simple: Simple, branch: Branch) -> ElementNode:
        end = branch.end("#text") or branch
        for child in branch.children():
            self.complain(f"{child.path!r}: {local(element.name)!r} holds text, no elements")
        if end.source is None:
            self.complain(f"{branch.path!r}: the text is not mapped; an attribute alone says nothing")
            return node
        value = self._value(end, simple if element.fixed is None else simple._replace(choices=(element.fixed,)))
        return node._replace(text=value, clear=self._clear_style(element, simple, end.source))

    def _clear_style(
        self, element: Element, simple: Simple, source: Field | Const
    ) -> Literal["refuse", "nil", "empty", "list"]:
        if isinstance(source, Field) and source.key in self._clearable:
            return "list"
        if self._profile.clear == "nil" and element.nillable:
            return "nil"
        if self._profile.clear == "empty" and _may_be_empty(simple):
            return "empty"
        return "refuse"

    def _value(self, branch: Branch, simple: Simple) -> Value | None:
        source = branch.source
        assert source is not None
        if simple.base in ("QName", "NOTATION"):
            self.complain(f"{branch.path!r}: a {simple.base} in content cannot be written")
        try:
            write = writer(simple)
            const = write(source.value) if isinstance(source, Const) else None
            content(const or "")  # refuses what XML cannot hold
        except (ValueError, TypeError) as error:
            self.complain(f"{branch.path!r}: {error}")
            return None
        return Value(branch.path, simple, source.key if isinstance(source, Field) else None, const)

    def _substitute(self, declared: Element, branch: Branch) -> Element | None:
        """The element that is written: ``declared``, or one that may stand for it."""
        if branch.path and not branch.step.any and local(branch.step.name) != local(declared.name):
            name = self._model.substitutes(declared.name)[local(branch.step.name)]
            return self._model.element(name)._replace(least=declared.least, most=declared.most)
        if declared.abstract:
            others = self._model.substitutes(declared.name)
            self.complain(f"{branch.path!r} is abstract; {did_you_mean(local(declared.name), others)}")
            return None
        return declared

    def _told_type(self, element: Element, type: Type, branch: Branch) -> str | None:
        """What is written as xsi:type: a derived type always, every type in the SOAP encoding."""
        if branch.step.type and type.name != element.type:
            return type.name
        if not self._encoded:
            return None
        if type.array is not None:
            return qualified(ENCODING, "Array")
        if type.name is None and type.simple is not None and not type.complex:
            return qualified(XSD, type.simple.base)
        return type.name

    # --- children ----------------------------------------------------------------------------------------

    def content(self, type: Type, branch: Branch, owners: Sequence[str]) -> tuple[Node, ...]:
        """The nodes of every child, in the schema's order."""
        particles = self._model.content(type)
        walk = Walk(self, self._model, branch.children(), owners, branch.path)
        nodes = tuple(walk.nodes(particles))
        names = [local(child.name) for child in elements(particles)]
        for child in branch.children():
            uses = walk.uses(child)
            if uses == 0:
                hint = did_you_mean(local(child.step.name), names)
                self.complain(f"{child.path!r} is no element of {owners[0] if owners else 'this'}; {hint}")
            elif uses > 1:
                self.complain(
                    f"{child.path!r} fits {uses} places of {owners[0]}; give its {{namespace}}, if it has one"
                )
        return nodes

    def repeated(self, declared: Element, branches: Sequence[Branch]) -> Iterator[Node]:
        """The nodes of one declared element: one for each label, or one for all rows."""
        most = declared.most
        if most is not None and most < len(branches):
            self.complain(f"{branches[0].path!r} may stand {most} times, and is mapped {len(branches)} times")
        if most == 1 and (branches[0].step.rows is not None or branches[0].step.record):
            self.complain(f"{branches[0].path!r} stands once, and cannot be a list")
        if len(branches) == 1:
            node = self.element(declared, branches[0])
            yield from () if node is None else (node,)
            return
        optional = declared._replace(least=0)
        nodes = [self.element(optional, branch) for branch in branches]
        items = tuple(node for node in nodes if node is not None)
        yield GroupNode("some", branches[0].path, items, required=declared.least > 0)

    def unmapped(self, declared: Element, owners: Sequence[str], path: str) -> Node | None:
        """What stands for a required child that the mapping leaves out."""
        filled = self._fill(owners, local(declared.name))
        if filled is _NOTHING and declared.fixed is not None:
            filled = declared.fixed
        if filled is not _NOTHING:
            source = Branch(Step(local(declared.name)), path, None if filled is None else Const(filled))
            if filled is None:
                return ElementNode(declared.name, path, required=True)
            return self.element(declared, source)
        if declared.nillable and self._profile.nillable != "error":
            nil = ElementNode(declared.name, path, required=True, nil=True)
            return nil if self._profile.nillable == "nil" else None
        self.complain(f"{path!r} is required and not mapped" + (", though it may be nil" if declared.nillable else ""))
        return None

    def complain(self, mistake: str) -> None:
        self._mistakes.append(mistake)

    def any_child(self, branch: Branch) -> Node | None:
        """An element in ``xsd:any``: a global one of the schemas, else text without a type."""
        name = branch.step.name
        if name in self._model.packed_elements:
            declared = self._model.element(name)._replace(least=0, most=None)
        else:
            declared = Element(name, qualified(XSD, "anySimpleType"), least=0, most=None)
        node = self.element(declared, branch)
        return None if node is None else _foreign(node)

    def _array(self, type: Type, branch: Branch) -> tuple[Node, ...]:
        """The items of a SOAP array; their name has no meaning (SOAP 1.1 §5.4.2), the type counts."""
        assert type.array is not None
        nodes: list[Node] = []
        for child in branch.children():
            item = Element(child.step.name, type.array, least=0, most=None)
            node = self.element(item, child)
            nodes += () if node is None else (node,)
        return tuple(nodes)

    # --- attributes --------------------------------------------------------------------------------------

    def _attributes(self, element: Element, type: Type, branch: Branch) -> tuple[AttributeNode, ...]:
        known = self._model.attributes(type)
        by_local = {local(name): name for name in known}
        nodes = []
        mapped = set()
        for end in [below for below in branch.below.values() if below.step.name.startswith("@")]:
            wanted = end.step.name[1:]
            name = wanted if wanted in known else by_local.get(wanted)
            if name is None:
                hint = did_you_mean(wanted, by_local)
                self.complain(f"{end.path!r} is no attribute of {local(element.name)!r}; {hint}")
            elif (value := self._value(end, _fixed(known[name]))) is not None:
                nodes.append(AttributeNode(name, value, known[name].required, value.key in self._clearable))
            mapped.add(name)
        for name, attribute in known.items():
            if name not in mapped and (attribute.required or local(name) in self._profile.explicit):
                nodes += self._unmapped_attribute(attribute, self._owners(element, type), branch)
        return tuple(nodes)

    def _unmapped_attribute(self, attribute: Attribute, owners: Sequence[str], branch: Branch) -> list[AttributeNode]:
        filled = self._fill(owners, f"@{local(attribute.name)}")
        if filled is _NOTHING and attribute.required and attribute.fixed is not None:
            filled = attribute.fixed
        path = f"{branch.path}/@{local(attribute.name)}".lstrip("/")
        if filled is _NOTHING:
            unsaid = f"must be said; left out it means {attribute.default!r}"
            self.complain(f"{path!r} {'is required and not mapped' if attribute.required else unsaid}")
            return []
        end = Branch(Step(f"@{attribute.name}"), path, Const(filled))
        value = self._value(end, attribute.simple)
        return [] if value is None else [AttributeNode(attribute.name, value)]

    def _fill(self, owners: Iterable[str], child: str) -> Any:
        return next(
            (self._profile.fill[f"{owner}/{child}"] for owner in owners if f"{owner}/{child}" in self._profile.fill),
            _NOTHING,
        )

    def _owners(self, element: Element, type: Type) -> list[str]:
        """The names a profile may call an element's type by: its own, its bases', the element's."""
        return [*(local(step.name) for step in self._model.lineage(type) if step.name), local(element.name)]


def _foreign(node: Node) -> Node:
    """The node and all below it, declaring their own namespaces."""
    if isinstance(node, ElementNode):
        return node._replace(foreign=True, content=tuple(map(_foreign, node.content)))
    if isinstance(node, GroupNode):
        return node._replace(items=tuple(map(_foreign, node.items)))
    return node


def _may_be_empty(simple: Simple) -> bool:
    if simple.members or simple.items is not None:
        return False
    least = simple.length or simple.min_length or 0
    return simple.base in ("string", "normalizedString", "token") and least == 0 and simple.choices is None


def _fixed(attribute: Attribute) -> Simple:
    return attribute.simple if attribute.fixed is None else attribute.simple._replace(choices=(attribute.fixed,))

"""Records as XML text: a plan compiled into closures. No XML library, no schema, no WSDL is needed here."""

from __future__ import annotations

from collections.abc import Callable

from aumconnect.protocols.soap.closures import (
    Content,
    Dormant,
    Texts,
    Values,
    Write,
    choice,
    joined,
    known,
    missing_value,
    sequence,
    some,
)
from aumconnect.protocols.soap.leaves import attribute, leaf, simple_content
from aumconnect.protocols.soap.plan import ElementNode, GroupNode, Node, Plan, RecordMark
from aumconnect.protocols.soap.prefixes import Prefixes
from aumconnect.protocols.soap.repeats import RECORDS, array, cleared_names, rows, texts_of_rows

__all__ = ["Encoder"]


class Encoder:
    """Writes records and frames of one plan. Immutable once made; any number of threads may use it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._prefixes = Prefixes(plan.soap)
        self._record = _node(plan.record, self._prefixes)
        self._frame = _content(plan.frame, self._prefixes)
        self._keys = frozenset(plan.keys)
        self._call_keys = frozenset(plan.call_keys)

    @property
    def declarations(self) -> str:
        """The namespace declarations that everything written relies on, as attributes."""
        return self._prefixes.declarations()

    def record(self, values: Values) -> str:
        """One record. Raises `RecordRefused`."""
        known(values, self._keys, "")
        text = self._record(values)
        if isinstance(text, Dormant):
            return text.text if text.missing is None else missing_value(text.missing)
        return text or ""

    def frame(self, call: Values) -> str:
        """The content of the body, with `RECORDS` where the records stand. Raises `RecordRefused`."""
        known(call, self._call_keys, "")
        _, text, missing = self._frame(call)
        return text if missing is None else missing_value(missing)


def _content(nodes: tuple[Node, ...], prefixes: Prefixes) -> Content:
    """The nodes one after the other."""
    return joined([_constant(node, prefixes) for node in nodes])


def _constant(node: Node, prefixes: Prefixes) -> str | Write:
    """A node without any value of the record's is written once and for all, with whatever is around it."""
    if not _is_constant(node):
        return _node(node, prefixes)
    if isinstance(node, GroupNode):
        return "".join(str(_constant(item, prefixes)) for item in node.items)
    assert isinstance(node, ElementNode)
    text = _node(node._replace(required=True), prefixes)({})
    return text.text if isinstance(text, Dormant) else text or ""


def _is_constant(node: Node) -> bool:
    if isinstance(node, RecordMark):
        return False
    if isinstance(node, GroupNode):
        return node.kind != "choice" and all(map(_is_constant, node.items))
    values = [node.text, *(attribute.value for attribute in node.attributes)]
    own = any(value is not None and value.key is not None for value in values)
    return not own and node.rows is None and not node.names and all(map(_is_constant, node.content))


def _node(node: Node, prefixes: Prefixes) -> Write:
    if isinstance(node, RecordMark):
        return _mark
    if isinstance(node, GroupNode):
        return _GROUPS[node.kind](node, prefixes)
    if node.rows is not None:
        return rows(node, _element(node, prefixes))
    if node.names:
        return cleared_names(node, prefixes)
    return _element(node, prefixes)


def _mark(values: Values) -> str:
    return RECORDS


_GROUPS: dict[str, Callable[[GroupNode, Prefixes], Write]] = {
    "sequence": lambda node, prefixes: sequence(_content(node.items, prefixes)),
    "choice": lambda node, prefixes: choice(node, [_content((item,), prefixes) for item in node.items]),
    "some": lambda node, prefixes: some(node, _content(node.items, prefixes)),
}


def _element(node: ElementNode, prefixes: Prefixes) -> Write:
    if node.nil:
        nil = f"<{prefixes.tag(node)}{prefixes.nil(node)}/>"
        return lambda values: Dormant(nil)
    if node.text is not None and not node.attributes:
        return leaf(node, node.text, prefixes)
    if node.array is not None:
        return array(node, prefixes, [_item_texts(item, prefixes) for item in node.content])
    return _branch(node, prefixes)


def _branch(node: ElementNode, prefixes: Prefixes) -> Write:
    """An element with attributes, children, or both."""
    tag = prefixes.tag(node)
    end = f"</{tag.partition(' ')[0]}>"
    # xsi:type comes last: PHP takes the first attribute called "type", whatever its namespace, for the schema's own
    opening = joined([f"<{tag}", *(attribute(item, prefixes) for item in node.attributes), prefixes.type(node)])
    inner = _content(node.content, prefixes) if node.text is None else simple_content(node, node.text)
    required = node.required

    def write(values: Values) -> str | Dormant | None:
        alive, start, lacking = opening(values)
        live, text, missing = inner(values)
        missing = missing if lacking is None else lacking
        if not (live or alive):
            return Dormant(f"{start}>{text}{end}" if text else f"{start}/>", missing) if required else None
        if missing is not None:
            missing_value(missing)
        return f"{start}>{text}{end}" if text else f"{start}/>"

    return write


def _item_texts(node: Node, prefixes: Prefixes) -> Texts:
    """The items that one node of an array gives."""
    if isinstance(node, ElementNode) and node.rows is not None:
        return texts_of_rows(node, _element(node, prefixes))
    write = _node(node, prefixes)
    constant = _is_constant(node)

    def one(values: Values) -> list[str]:
        text = write(values)
        if isinstance(text, str):
            return [text]
        return [text.text] if constant and isinstance(text, Dormant) else []

    return one

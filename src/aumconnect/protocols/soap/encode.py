"""Records as XML text: a plan compiled into closures. No XML library, no schema, no WSDL is needed here.

Each closure takes the values of one record and gives its text, None where nothing is to be written, or a
`_Dormant`: text that stands only if something around it does. A required child that is missing is an error
where its parent is written, and none where its parent is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from aumconnect.errors import ErrorClass
from aumconnect.outcome import Problem
from aumconnect.protocols.soap import escaping
from aumconnect.protocols.soap.lexical import is_free, is_text, writer
from aumconnect.protocols.soap.plan import AttributeNode, ElementNode, GroupNode, Node, Plan, RecordMark, Value
from aumconnect.protocols.soap.prefixes import Prefixes
from aumconnect.schema import CLEAR

__all__ = ["COUNT", "RECORDS", "Encoder", "RecordRefused"]

RECORDS = "\0"
"""Where the records stand in a frame; a character that no XML holds."""
COUNT = "\1"
"""Where their number stands."""

Values = Mapping[str, Any]


class RecordRefused(ValueError):
    """This record cannot be written; the others can. ``problem`` says why, without quoting the value."""

    def __init__(self, code: str, path: str, message: str, key: str | None = None) -> None:
        super().__init__(f"{path}: {message}")
        self.problem = Problem(code, message, path, ErrorClass.VALIDATION, key)


class _Dormant:
    """``text`` holds nothing of the record's own; ``missing`` is the path of a required value in it."""

    __slots__ = ("missing", "text")

    def __init__(self, text: str, missing: str | None = None) -> None:
        self.text = text
        self.missing = missing


Write = Callable[[Values], "str | _Dormant | None"]
Texts = Callable[[Values], "list[str]"]


class Encoder:
    """Writes records and frames of one plan. Immutable once made; any number of threads may use it.

    ``prefixes`` are the namespaces that the envelope has to declare.
    """

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
        _known(values, self._keys, "")
        text = self._record(values)
        if isinstance(text, _Dormant):
            return text.text if text.missing is None else _missing(text.missing)
        return text or ""

    def frame(self, call: Values) -> str:
        """The content of the body, with `RECORDS` where the records stand. Raises `RecordRefused`."""
        _known(call, self._call_keys, "")
        _, text, missing = self._frame(call)
        return text if missing is None else _missing(missing)


def _known(values: Values, keys: frozenset[str], path: str) -> None:
    """Refuses keys that no path uses: what is not written must not look as if it were."""
    if not (values.keys() <= keys):
        unknown = sorted(map(str, values.keys() - keys))
        raise RecordRefused("unmapped", path, f"no path uses the key {unknown[0]!r}", unknown[0])


def _missing(path: str) -> NoReturn:
    raise RecordRefused("required", path, "a required value is missing")


# --- content: what stands between a start and an end -----------------------------------------------------

Content = Callable[[Values], "tuple[bool, str, str | None]"]


def _content(nodes: tuple[Node, ...], prefixes: Prefixes, lead: tuple[str | Write, ...] = ()) -> Content:
    """The nodes one after the other: (something of the record is in it, text, path of what is missing)."""
    return _joined([*lead, *(_constant(node, prefixes) for node in nodes)])


def _joined(items: list[str | Write]) -> Content:
    pairs, tail = _paired(items)
    if not pairs:
        constant = (False, tail, None)
        return lambda values: constant

    def write(values: Values) -> tuple[bool, str, str | None]:
        live, missing, parts = False, None, []
        for lead, item in pairs:
            parts.append(lead)
            text = item(values)
            if text is None:
                continue
            if isinstance(text, str):
                live = True
                parts.append(text)
            else:
                missing = missing or text.missing
                parts.append(text.text)
        parts.append(tail)
        return live, "".join(parts), missing

    return write


def _paired(items: list[str | Write]) -> tuple[list[tuple[str, Write]], str]:
    """Each closure with the constant text before it, and the constant text after the last."""
    pairs: list[tuple[str, Write]] = []
    lead = ""
    for item in items:
        if isinstance(item, str):
            lead += item
        else:
            pairs.append((lead, item))
            lead = ""
    return pairs, lead


def _constant(node: Node, prefixes: Prefixes) -> str | Write:
    """A node without any value of the record's is written once and for all, with whatever is around it."""
    if not _is_constant(node):
        return _node(node, prefixes)
    if isinstance(node, GroupNode):
        return "".join(str(_constant(item, prefixes)) for item in node.items)
    assert isinstance(node, ElementNode)
    text = _node(node._replace(required=True), prefixes)({})
    return text.text if isinstance(text, _Dormant) else text or ""


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
        return _rows(node, prefixes)
    if node.names:
        return _names(node, prefixes)
    return _element(node, prefixes)


def _mark(values: Values) -> str:
    return RECORDS


# --- groups ----------------------------------------------------------------------------------------------


def _sequence(node: GroupNode, prefixes: Prefixes) -> Write:
    inner = _content(node.items, prefixes)

    def write(values: Values) -> str | None:
        live, text, missing = inner(values)
        if not live:
            return None
        return text if missing is None else _missing(missing)

    return write


def _choice(node: GroupNode, prefixes: Prefixes) -> Write:
    options = [_content((item,), prefixes) for item in node.items]

    def write(values: Values) -> str | _Dormant | None:
        found = [text for live, text, _ in (option(values) for option in options) if live or text]
        if len(found) > 1:
            raise RecordRefused("choice", node.path, f"{len(found)} values where the schema allows one of them")
        if found:
            return found[0]
        return _Dormant("", node.path) if node.required else None

    return write


def _some(node: GroupNode, prefixes: Prefixes) -> Write:
    inner = _content(node.items, prefixes)

    def write(values: Values) -> str | _Dormant | None:
        live, text, _ = inner(values)
        if live:
            return text
        return _Dormant(text, node.path if node.required and not text else None)

    return write


_GROUPS: Mapping[str, Callable[[GroupNode, Prefixes], Write]] = {
    "sequence": _sequence,
    "choice": _choice,
    "some": _some,
}


# --- elements --------------------------------------------------------------------------------------------


def _element(node: ElementNode, prefixes: Prefixes) -> Write:
    if node.nil:
        nil = f"<{prefixes.tag(node)}{prefixes.nil(node)}/>"
        return lambda values: _Dormant(nil)
    if node.text is not None and not node.attributes:
        return _leaf(node, node.text, prefixes)
    if node.array is not None:
        return _array(node, prefixes)
    return _branch(node, prefixes)


def _leaf(node: ElementNode, value: Value, prefixes: Prefixes) -> Write:
    """An element of text alone: by far the most frequent."""
    tag = prefixes.tag(node)
    start, end = f"<{tag}{prefixes.type(node)}>", f"</{tag.partition(' ')[0]}>"
    if value.key is None:
        constant = f"{start}{escaping.content(value.const or '')}{end}"
        return lambda values: _Dormant(constant)
    key, path = value.key, value.path
    text_of = _text_of(value, escaping.content)
    cleared = _cleared(node, prefixes)
    absent = _Dormant("", path) if node.required else None

    def write(values: Values) -> str | _Dormant | None:
        found = values.get(key)
        if found is None:
            return absent
        if found is CLEAR:
            return cleared()
        try:
            return f"{start}{text_of(found)}{end}"
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise RecordRefused("value", path, str(error), key) from None

    return write


def _text_of(value: Value, escape: Callable[[str], str]) -> Callable[[Any], str]:
    """From a value to the escaped text, every facet checked."""
    write = writer(value.simple)
    if not is_text(value.simple):
        return write
    if is_free(value.simple):
        return lambda found: escape(found if found.__class__ is str else write(found))
    return lambda found: escape(write(found))


def _cleared(node: ElementNode, prefixes: Prefixes) -> Callable[[], str | None]:
    assert node.text is not None
    value = node.text

    def refuse() -> NoReturn:
        raise RecordRefused("clear", value.path, "this field cannot be cleared", value.key)

    tag = prefixes.tag(node)
    texts = {"nil": f"<{tag}{prefixes.nil(node)}/>" if node.clear == "nil" else "", "empty": f"<{tag}/>", "list": None}
    return refuse if node.clear == "refuse" else lambda: texts[node.clear]


def _branch(node: ElementNode, prefixes: Prefixes) -> Write:
    """An element with attributes, children, or both."""
    tag = prefixes.tag(node)
    end = f"</{tag.partition(' ')[0]}>"
    opening = _joined([f"<{tag}{prefixes.type(node)}", *(_attribute(item, prefixes) for item in node.attributes)])
    inner = _content(node.content, prefixes) if node.text is None else _simple_content(node)
    required = node.required

    def write(values: Values) -> str | _Dormant | None:
        alive, start, lacking = opening(values)
        live, text, missing = inner(values)
        missing = lacking or missing
        if not (live or alive):
            return _Dormant(f"{start}>{text}{end}" if text else f"{start}/>", missing) if required else None
        if missing is not None:
            _missing(missing)
        return f"{start}>{text}{end}" if text else f"{start}/>"

    return write


def _simple_content(node: ElementNode) -> Content:
    """The text of an element that has attributes too; they mean nothing without it."""
    assert node.text is not None
    value = node.text
    if value.key is None:
        constant = escaping.content(value.const or "")
        return lambda values: (False, constant, None)
    key, path = value.key, value.path
    text_of = _text_of(value, escaping.content)

    def write(values: Values) -> tuple[bool, str, str | None]:
        found = values.get(key)
        if found is None:
            return False, "", path
        if found is CLEAR:
            if node.clear == "list":
                return False, "", None
            raise RecordRefused("clear", path, "this field cannot be cleared", key)
        try:
            return True, text_of(found), None
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise RecordRefused("value", path, str(error), key) from None

    return write


def _attribute(node: AttributeNode, prefixes: Prefixes) -> str | Write:
    value, name = node.value, prefixes.name(node.name)
    if value.key is None:
        return f' {name}="{escaping.attribute(value.const or "")}"'
    key, path = value.key, value.path
    text_of = _text_of(value, escaping.attribute)
    absent = _Dormant("", path) if node.required else None

    def write(values: Values) -> str | _Dormant | None:
        found = values.get(key)
        if found is None:
            return absent
        if found is CLEAR and node.listed:
            return None
        if found is CLEAR:
            raise RecordRefused("clear", path, "this field cannot be cleared", key)
        try:
            return f' {name}="{text_of(found)}"'
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise RecordRefused("value", path, str(error), key) from None

    return write


# --- repeated elements -----------------------------------------------------------------------------------


def _rows(node: ElementNode, prefixes: Prefixes) -> Write:
    texts_of = _row_texts(node, prefixes)

    def write(values: Values) -> str | _Dormant | None:
        texts = texts_of(values)
        if texts:
            return "".join(texts)
        return _Dormant("", node.path) if node.least else None

    return write


def _row_texts(node: ElementNode, prefixes: Prefixes) -> Texts:
    """One text a row of the list; a row that is no mapping is reached by the key ``.``."""
    key = node.rows or ""
    one = _one_row(node, prefixes)
    keys = frozenset(_row_keys(node))

    def write(values: Values) -> list[str]:
        rows = values.get(key)
        if rows is None:
            return []
        if rows is CLEAR or isinstance(rows, str | bytes | Mapping) or not hasattr(rows, "__iter__"):
            raise RecordRefused("value", node.path, "a list of rows is expected", key)
        texts = [one(row if isinstance(row, Mapping) else {".": row}, keys, number) for number, row in enumerate(rows)]
        if (texts and len(texts) < node.least) or (node.most is not None and len(texts) > node.most):
            raise RecordRefused("rows", node.path, f"{len(texts)} rows; {node.least} to {node.most} may stand", key)
        return texts

    return write


def _one_row(node: ElementNode, prefixes: Prefixes) -> Callable[[Values, frozenset[str], int], str]:
    write = _element(node, prefixes)

    def row_text(row: Values, keys: frozenset[str], number: int) -> str:
        try:
            _known(row, keys, node.path)
            text = write(row)
        except RecordRefused as error:
            problem = error.problem
            raise RecordRefused(
                problem.code, f"{problem.field} (row {number})", problem.message, problem.column
            ) from None
        if text is None or isinstance(text, _Dormant):
            raise RecordRefused("rows", f"{node.path} (row {number})", "a row without any value", node.rows)
        return text

    return row_text


def _row_keys(node: ElementNode) -> list[str]:
    """Every key that a row of this list may have."""
    found: list[str] = []
    waiting: list[Node] = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, GroupNode):
            waiting += at.items
        elif isinstance(at, ElementNode) and at.rows is not None and at is not node:
            found.append(at.rows)
        elif isinstance(at, ElementNode):
            values = [at.text, *(attribute.value for attribute in at.attributes)]
            found += [value.key for value in values if value is not None and value.key is not None]
            waiting += at.content
    return found


def _names(node: ElementNode, prefixes: Prefixes) -> Write:
    """The list of fields to clear: one element for each that is."""
    tag = prefixes.tag(node)
    texts = [(key, f"<{tag}>{escaping.content(name)}</{tag.partition(' ')[0]}>") for key, name in node.names]

    def write(values: Values) -> str | None:
        return "".join([text for key, text in texts if values.get(key) is CLEAR]) or None

    return write


def _array(node: ElementNode, prefixes: Prefixes) -> Write:
    """A SOAP array: its type says how many items follow (SOAP 1.1 §5.4.2)."""
    tag = prefixes.tag(node)
    start, end = f"<{tag}{prefixes.type(node)}{prefixes.array(node)}", f"</{tag.partition(' ')[0]}>"
    items = [_item_texts(item, prefixes) for item in node.content]

    def write(values: Values) -> str | _Dormant | None:
        texts = [text for item in items for text in item(values)]
        count = COUNT if texts == [RECORDS] else str(len(texts))
        text = f'{start}[{count}]">{"".join(texts)}{end}'
        if texts:
            return text
        return _Dormant(text) if node.required else None

    return write


def _item_texts(node: Node, prefixes: Prefixes) -> Texts:
    if isinstance(node, ElementNode) and node.rows is not None:
        return _row_texts(node, prefixes)
    write = _node(node, prefixes)
    constant = _is_constant(node)

    def one(values: Values) -> list[str]:
        text = write(values)
        if isinstance(text, str):
            return [text]
        return [text.text] if constant and isinstance(text, _Dormant) else []

    return one

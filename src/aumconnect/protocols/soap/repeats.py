"""Elements that stand several times: rows of a list, names of cleared fields, items of an array."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aumconnect.protocols.soap import escaping
from aumconnect.protocols.soap.closures import Dormant, RecordRefused, Texts, Values, Write, known
from aumconnect.protocols.soap.plan import ElementNode, GroupNode, Node
from aumconnect.protocols.soap.prefixes import Prefixes
from aumconnect.schema import CLEAR

__all__ = ["COUNT", "RECORDS", "array", "cleared_names", "rows", "texts_of_rows"]

RECORDS = "\0"
"""Where the records stand in a frame; a character that no XML holds."""
COUNT = "\1"
"""Where their number stands."""


def rows(node: ElementNode, one: Write) -> Write:
    """The whole list as one text; ``one`` writes a row."""
    texts_of = texts_of_rows(node, one)

    def write(values: Values) -> str | Dormant | None:
        texts = texts_of(values)
        if texts:
            return "".join(texts)
        return Dormant("", node.path) if node.least else None

    return write


def texts_of_rows(node: ElementNode, one: Write) -> Texts:
    """One text a row of the list; a row that is no mapping is reached by the key ``.``."""
    key = node.rows or ""
    row_text = _row_writer(node, one)
    keys = frozenset(row_keys(node))

    def write(values: Values) -> list[str]:
        rows = values.get(key)
        if rows is None:
            return []
        if rows is CLEAR or isinstance(rows, str | bytes | Mapping) or not hasattr(rows, "__iter__"):
            raise RecordRefused("value", node.path, "a list of rows is expected", key)
        texts = [
            row_text(row if isinstance(row, Mapping) else {".": row}, keys, number) for number, row in enumerate(rows)
        ]
        if (texts and len(texts) < node.least) or (node.most is not None and len(texts) > node.most):
            raise RecordRefused("rows", node.path, f"{len(texts)} rows; {node.least} to {node.most} may stand", key)
        return texts

    return write


def _row_writer(node: ElementNode, write: Write) -> Callable[[Any, frozenset[str], int], str]:
    def row_text(row: Any, keys: frozenset[str], number: int) -> str:
        values = row if isinstance(row, Mapping) else {".": row}
        try:
            known(values, keys, node.path)
            text = write(values)
        except RecordRefused as error:
            problem = error.problem
            raise RecordRefused(
                problem.code, f"{problem.field} (row {number})", problem.message, problem.column
            ) from None
        if text is None or isinstance(text, Dormant):
            raise RecordRefused("rows", f"{node.path} (row {number})", "a row without any value", node.rows)
        return text

    return row_text


def row_keys(node: ElementNode) -> list[str]:
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


def cleared_names(node: ElementNode, prefixes: Prefixes) -> Write:
    """The list of fields to clear: one element for each that is."""
    tag = prefixes.tag(node)
    texts = [(key, f"<{tag}>{escaping.content(name)}</{tag.partition(' ')[0]}>") for key, name in node.names]

    def write(values: Values) -> str | None:
        return "".join([text for key, text in texts if values.get(key) is CLEAR]) or None

    return write


def array(node: ElementNode, prefixes: Prefixes, items: Sequence[Texts]) -> Write:
    """A SOAP array: its type says how many items follow (SOAP 1.1 §5.4.2)."""
    tag = prefixes.tag(node)
    start, end = f"<{tag}{prefixes.type(node)}{prefixes.array(node)}", f"</{tag.partition(' ')[0]}>"

    def write(values: Values) -> str | Dormant | None:
        texts = [text for item in items for text in item(values)]
        count = COUNT if texts == [RECORDS] else str(len(texts))
        text = f'{start}[{count}]">{"".join(texts)}{end}'
        if texts:
            return text
        return Dormant(text) if node.required else None

    return write

"""What a plan is compiled into: closures that take the values of one record and give its text.

They give None where nothing is to be written, and `Dormant` for text that stands only if something around
it does. A required child that is missing is an error where its parent is written, and none where its parent
is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from aumconnect.errors import ErrorClass
from aumconnect.outcome import Problem
from aumconnect.protocols.soap.plan import GroupNode

__all__ = [
    "Content",
    "Dormant",
    "RecordRefused",
    "Texts",
    "Values",
    "Write",
    "choice",
    "joined",
    "known",
    "missing_value",
    "sequence",
    "some",
]

Values = Mapping[str, Any]


class RecordRefused(ValueError):
    """This record cannot be written; the others can. ``problem`` says why, without quoting the value."""

    def __init__(self, code: str, path: str, message: str, key: str | None = None) -> None:
        super().__init__(f"{path}: {message}")
        self.problem = Problem(code, message, path, ErrorClass.VALIDATION, key)


class Dormant:
    """``text`` holds nothing of the record's own; ``missing`` is the path of a required value in it."""

    __slots__ = ("missing", "text")

    def __init__(self, text: str, missing: str | None = None) -> None:
        self.text = text
        self.missing = missing


Write = Callable[[Values], "str | Dormant | None"]
Texts = Callable[[Values], "list[str]"]
Content = Callable[[Values], "tuple[bool, str, str | None]"]
"""What stands between a start and an end: (something of the record is in it, text, path of what is missing)."""


def known(values: Values, keys: frozenset[str], path: str) -> None:
    """Refuses keys that no path uses: what is not written must not look as if it were."""
    if not (values.keys() <= keys):
        unknown = sorted(map(str, values.keys() - keys))
        raise RecordRefused("unmapped", path, f"no path uses the key {unknown[0]!r}", unknown[0])


def missing_value(path: str) -> NoReturn:
    raise RecordRefused("required", path, "a required value is missing")


def joined(items: list[str | Write]) -> Content:
    """Constants and closures one after the other."""
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
                missing = text.missing if missing is None else missing
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


def sequence(inner: Content) -> Write:
    """All or none."""

    def write(values: Values) -> str | None:
        live, text, missing = inner(values)
        if not live:
            return None
        return text if missing is None else missing_value(missing)

    return write


def choice(node: GroupNode, options: Sequence[Content]) -> Write:
    """At most one; exactly one, where that is required."""

    def write(values: Values) -> str | Dormant | None:
        found = [text for live, text, _ in (option(values) for option in options) if live or text]
        if len(found) > 1:
            raise RecordRefused("choice", node.path, f"{len(found)} values where the schema allows one of them")
        if found:
            return found[0]
        return Dormant("", node.path) if node.required else None

    return write


def some(node: GroupNode, inner: Content) -> Write:
    """Any; at least one, where that is required."""

    def write(values: Values) -> str | Dormant | None:
        live, text, _ = inner(values)
        if live:
            return text
        return Dormant(text, node.path if node.required and not text else None)

    return write

"""Replies as Python values, along paths that were checked against the schema before.

A path is child names between slashes, then perhaps ``@attribute``; ``name[]`` takes every child of that
name and makes the value a list. Order among children means nothing; nested elements of the same name are
not mistaken for a row's own. ``href`` and ``ref`` (SOAP 1.1 §5.4.1; SOAP 1.2 part 2, §3.1.5.1) are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import InvalidOperation
from typing import Any

from aumconnect.errors import ConfigurationError, ProtocolError
from aumconnect.protocols.soap.model import Model
from aumconnect.protocols.soap.names import ENCODING_12, XSI, local, qualified
from aumconnect.protocols.soap.reading import Found, find
from aumconnect.protocols.soap.replies import Reply
from aumconnect.protocols.soap.texts import reader

__all__ = ["Decoder"]

_NIL = qualified(XSI, "nil")
_TRUE = frozenset({"true", "1"})
_SPACE = " \t\r\n"
_HREF = "href"
_REF = qualified(ENCODING_12, "ref")


class Decoder:
    """Reads one operation's replies. Immutable; any number of threads may use it.

    ``rows`` is the path to the repeated element with one result each, empty for the message itself;
    ``fields`` are paths below it, by the name to give the value. In a document/literal reply paths begin
    inside the body's element, in an rpc reply with a part's name. Raises one `ConfigurationError` that
    lists every path the schema does not have, with near names.
    """

    def __init__(
        self, model: Model, operation: str, fields: Mapping[str, str], *, rows: str = "", binding: str | None = None
    ) -> None:
        body = model.operation(operation, binding).output
        mistakes: list[str] = []
        top = find(model, body, rows, mistakes, rows=True) if rows else None
        self._rows = _steps(rows.split("/")) if rows else ()
        self._encoded = body.encoded
        self._root = local(body.parts[0].name) if body.wrapper is None and body.parts else None
        self._fields = {}
        for name, path in fields.items():
            found = find(model, body, path, mistakes, below=top)
            if found is not None:
                self._fields[name] = _reader(found)
        if mistakes:
            lines = "".join(f"\n  - {mistake}" for mistake in mistakes)
            raise ConfigurationError(f"the paths do not fit the reply of {operation!r}:{lines}")

    def rows(self, reply: Reply, expected: int | None = None) -> list[dict[str, Any]]:
        """One mapping for each result, in the order of the reply.

        A field that is absent is not in the mapping; xsi:nil is None; an empty text is "". ``expected``
        results must have come: results are told apart by position only. Raises `ProtocolError` for another
        number, for another message, and for a value that is not of its type.
        """
        if self._root is not None and local(reply.root.tag) != self._root:  # rpc gives its name no meaning
            raise ProtocolError(f"another message than {self._root!r} came as the answer")
        message = _Message(reply, self._encoded)
        found = message.at(reply.root, self._rows)
        if expected is not None and len(found) != expected:
            raise ProtocolError(f"{len(found)} results for {expected} records")
        return [self._row(message, element) for element in found]

    def one(self, reply: Reply) -> dict[str, Any]:
        """The only result. Raises `ProtocolError` where there are none or several."""
        return self.rows(reply, 1)[0]

    def _row(self, message: _Message, element: Any) -> dict[str, Any]:
        row = {}
        for name, read in self._fields.items():
            found = read(message, element)
            if found is not _ABSENT:
                row[name] = found
        return row


class _Message:
    """One reply's elements, references followed. Nothing is copied, so that no reply can unfold."""

    def __init__(self, reply: Reply, encoded: bool) -> None:
        self._reply = reply
        self._encoded = encoded
        self._ids: dict[str, Any] | None = None

    def at(self, element: Any, path: Sequence[str]) -> list[Any]:
        """Every element at the end of ``path``, whose steps are lxml's ``{*}name``."""
        found = [element]
        for step in path:
            found = [child for parent in found for child in parent.iterchildren(step)]
            if self._encoded:
                found = [self._follow(child) for child in found]
        return found

    def _follow(self, element: Any) -> Any:
        """The element itself or the one it refers to."""
        for _ in range(10):
            wanted = element.get(_REF) or element.get(_HREF, "")
            if not wanted.startswith("#") and _REF not in element.attrib:
                return element
            there = self._by_id().get(wanted.removeprefix("#"))
            if there is None:
                raise ProtocolError("a reply that refers to an element it does not have")
            element = there
        raise ProtocolError("a reply whose references go in a circle")

    def _by_id(self) -> dict[str, Any]:
        if self._ids is None:
            names = ("id", qualified(ENCODING_12, "id"))
            self._ids = {
                name: element
                for top in self._reply.body
                for element in top.iter("*")
                for name in (element.get(names[0]) or element.get(names[1]),)
                if name
            }
        return self._ids


# --- one field -------------------------------------------------------------------------------------------

_ABSENT: Any = object()
Read = Callable[[_Message, Any], Any]


def _steps(path: Iterable[str]) -> tuple[str, ...]:
    return tuple("{*}" + step.removesuffix("[]") for step in path)


def _reader(found: Found) -> Read:
    convert = reader(found.simple)
    path, attribute, many = _steps(found.path), found.attribute, any(step.endswith("[]") for step in found.path)

    def value(element: Any) -> Any:
        text = element.get(attribute) if attribute else _text(element)
        return text if text is None or text is _ABSENT else convert(text)

    def read(message: _Message, element: Any) -> Any:
        elements = message.at(element, path)
        if not many and len(elements) > 1:
            raise ProtocolError(f"{len(elements)} elements at {found.shown!r} where one is expected")
        try:
            values = [value(at) for at in elements]
        except (ValueError, InvalidOperation, OverflowError):
            raise ProtocolError(f"a value at {found.shown!r} is not of its type") from None
        if attribute:
            values = [text for text in values if text is not None]
        return values if many else (values[0] if values else _ABSENT)

    return read


def _text(element: Any) -> str | None:
    """The text of an element; None for xsi:nil."""
    if element.get(_NIL, "").strip(_SPACE) in _TRUE:
        return None
    if len(element):
        raise ValueError("elements where text is expected")
    return element.text or ""

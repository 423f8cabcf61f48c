"""Values as text: elements and attributes that hold one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from aumconnect.protocols.soap import escaping
from aumconnect.protocols.soap.closures import Content, Dormant, RecordRefused, Values, Write
from aumconnect.protocols.soap.lexical import is_free, is_text, writer
from aumconnect.protocols.soap.plan import AttributeNode, ElementNode, Value
from aumconnect.protocols.soap.prefixes import Prefixes
from aumconnect.schema import CLEAR

__all__ = ["attribute", "leaf", "simple_content"]


def leaf(node: ElementNode, value: Value, prefixes: Prefixes) -> Write:
    """An element of text alone: by far the most frequent."""
    tag = prefixes.tag(node)
    start, end = f"<{tag}{prefixes.type(node)}>", f"</{tag.partition(' ')[0]}>"
    if value.key is None:
        constant = f"{start}{escaping.content(value.const or '')}{end}"
        return lambda values: Dormant(constant)
    key, path = value.key, value.path
    text_of = _text_of(value, escaping.content)
    listed, cleared = node.clear == "list", _cleared(node, prefixes)
    absent = Dormant("", path) if node.required else None

    def write(values: Values) -> str | Dormant | None:
        found = values.get(key)
        if found is None:
            return absent
        if found is CLEAR:
            return absent if listed else cleared()
        try:
            return f"{start}{text_of(found)}{end}"
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise RecordRefused("value", path, str(error), key) from None

    special = escaping.special

    def quick(values: Values) -> str | Dormant | None:
        found = values.get(key)  # most values are texts that need no care at all
        if found.__class__ is str and special(found) is None:
            return f"{start}{found}{end}"
        return write(values)

    return quick if is_free(value.simple) else write


def simple_content(node: ElementNode, value: Value) -> Content:
    """The text of an element that has attributes too; they mean nothing without it."""
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
                return False, "", path
            raise RecordRefused("clear", path, "this field cannot be cleared", key)
        try:
            return True, text_of(found), None
        except (ValueError, TypeError, OverflowError, ArithmeticError) as error:
            raise RecordRefused("value", path, str(error), key) from None

    return write


def attribute(node: AttributeNode, prefixes: Prefixes) -> str | Write:
    value, name = node.value, prefixes.name(node.name)
    if value.key is None:
        return f' {name}="{escaping.attribute(value.const or "")}"'
    key, path = value.key, value.path
    text_of = _text_of(value, escaping.attribute)
    absent = Dormant("", path) if node.required else None

    def write(values: Values) -> str | Dormant | None:
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


def _text_of(value: Value, escape: Callable[[str], str]) -> Callable[[Any], str]:
    """From a value to the escaped text, every facet checked."""
    write = writer(value.simple)
    if not is_text(value.simple):
        return write
    if is_free(value.simple):
        return lambda found: escape(found if found.__class__ is str else write(found))
    return lambda found: escape(write(found))


def _cleared(node: ElementNode, prefixes: Prefixes) -> Callable[[], str]:
    """The element of a cleared field; by its name in a list it has none."""
    assert node.text is not None
    value, tag = node.text, prefixes.tag(node)
    if node.clear in ("nil", "empty"):
        text = f"<{tag}{prefixes.nil(node) if node.clear == 'nil' else ''}/>"
        return lambda: text

    def refuse() -> NoReturn:
        raise RecordRefused("clear", value.path, "this field cannot be cleared", value.key)

    return refuse

"""How one operation is written for one mapping: plain data, made by `make_plan`, compiled by `Encoder`.

A plan is JSON-serialisable and belongs to the one WSDL whose digest it carries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.model import Simple
from aumconnect.protocols.soap.packing import pack, unpack

__all__ = [
    "AttributeNode",
    "Const",
    "ElementNode",
    "Field",
    "GroupNode",
    "Node",
    "Plan",
    "Profile",
    "RecordMark",
    "Value",
]

VERSION = 1


# --- what the caller says --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """The value under ``key`` of the record (of the row, in a sublist). A plain text means this.

    ``clear`` is what the system calls the field in a list of fields to clear, where that is not the name of
    the record's own child.
    """

    key: str
    clear: str | None = None


@dataclass(frozen=True, slots=True)
class Const:
    """The same value in every record."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a system wants beyond its schema.

    ``fill`` gives constants for required children and attributes that no mapping mentions, by
    ``Type/child`` or ``Type/@attribute`` (local names; the element's name where its type has none); None
    writes an empty element. ``nillable`` says what becomes of an unmapped child that is required but may be
    nil: an error, left out, or sent as nil, which may blank it. ``clear`` is how a field is cleared:
    refused, as nil (where the schema allows it), as an empty text, or by name in the list at ``clear_list``,
    a path below the record. ``explicit`` are attributes (local names) whose default is dangerous: every
    element that has one must say it.
    """

    fill: Mapping[str, Any] = field(default_factory=dict)
    nillable: Literal["error", "omit", "nil"] = "error"
    clear: Literal["refuse", "nil", "empty"] = "refuse"
    clear_list: str | None = None
    explicit: frozenset[str] = frozenset()


# --- what the planner makes of it ------------------------------------------------------------------------


class Value(NamedTuple):
    """Where a text comes from: the value under ``key``, or ``const``, which is written already."""

    path: str
    simple: Simple
    key: str | None = None
    const: str | None = None


class AttributeNode(NamedTuple):
    """``listed``: cleared by its name in the list of fields to clear; in no other way."""

    name: str
    value: Value
    required: bool = False
    listed: bool = False


class ElementNode(NamedTuple):
    """An element with its text, or with its attributes and children.

    ``type`` is written as xsi:type. ``rows`` repeats it for a list, ``least`` and ``most`` times.
    ``names`` repeats it for every cleared field: (key, name to write). ``array`` is the item type of a SOAP
    array. ``foreign`` stands in xsd:any and declares its own namespaces. ``clear`` is how its text is
    cleared.
    """

    name: str
    path: str
    type: str | None = None
    required: bool = False
    text: Value | None = None
    attributes: tuple[AttributeNode, ...] = ()
    content: tuple[Node, ...] = ()
    rows: str | None = None
    least: int = 0
    most: int | None = 1
    names: tuple[tuple[str, str], ...] = ()
    array: str | None = None
    foreign: bool = False
    nil: bool = False
    clear: Literal["refuse", "nil", "empty", "list"] = "refuse"


class GroupNode(NamedTuple):
    """``sequence``: all or none of these. ``choice``: at most one. ``some``: any. ``required``: at least one."""

    kind: Literal["sequence", "choice", "some"]
    path: str
    items: tuple[Node, ...]
    required: bool = False


class RecordMark(NamedTuple):
    """Here the records stand."""

    path: str = ""


Node = ElementNode | GroupNode | RecordMark

_NODES: Mapping[str, type] = {
    kind.__name__: kind for kind in (Value, AttributeNode, ElementNode, GroupNode, RecordMark, Simple)
}


@dataclass(frozen=True, slots=True)
class Plan:
    """``frame`` is the content of the body around the records, ``record`` one record.

    ``keys`` are the fields a record may have, ``call_keys`` the values the frame takes once an envelope.
    ``most`` is how many records the schema lets stand in one envelope; None for no bound.
    """

    digest: str
    operation: str
    soap: Literal["1.1", "1.2"]
    action: str
    frame: tuple[Node, ...]
    record: Node
    keys: tuple[str, ...]
    call_keys: tuple[str, ...] = ()
    most: int | None = 1

    def dump(self) -> str:
        """The plan as JSON."""
        parts = {name: pack(getattr(self, name)) for name in _FIELDS}
        return json.dumps({"version": VERSION, **parts}, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def load(cls, text: str, *, digest: str) -> Plan:
        """The plan that `dump` wrote, for the WSDL of this ``digest``.

        Raises `ConfigurationError` for one of another WSDL or another version, or that is damaged.
        """
        try:
            parts = json.loads(text)
            if parts.pop("version") != VERSION:
                raise ValueError("another version")
            plan = cls(**{name: unpack(part, _NODES) for name, part in parts.items()})
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise ConfigurationError(f"no SOAP plan: {error}", hint="make it again from the WSDL") from None
        if plan.digest != digest:
            raise ConfigurationError("a SOAP plan of another WSDL", hint="make it again from this WSDL")
        return plan


_FIELDS = ("digest", "operation", "soap", "action", "frame", "record", "keys", "call_keys", "most")

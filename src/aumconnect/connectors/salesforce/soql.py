"""SOQL text: names from an allow-list, values through one encoder, queries no longer than a URL may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any
from urllib.parse import quote

from aumconnect.errors import ConfigurationError

__all__ = ["URI_ROOM", "by_keys", "field_path", "literal", "object_name", "select"]

URI_ROOM = 12_000
"""Characters of a percent-encoded query. The system's limit is 16,384 bytes for the URI with all headers
(HTTP 414 and 431: REST API Developer Guide, Status Codes and Error Responses); tokens may be long."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}(\.[A-Za-z][A-Za-z0-9_]{0,254}){0,5}")
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)  # SOQL and SOSL Reference, Quoted String Escape Sequences


def object_name(text: str) -> str:
    """``text`` if it can be an object's API name. Raises `ConfigurationError`."""
    if not _NAME.fullmatch(text):
        raise ConfigurationError(f"{text!r} is not the API name of an object")
    return text


def field_path(text: str) -> str:
    """``text`` if it can be a field's API name, or a path to one (``Account.Name``). Raises `ConfigurationError`."""
    if not _PATH.fullmatch(text):
        raise ConfigurationError(f"{text!r} is not the API name of a field")
    return text


def literal(value: Any) -> str:
    """A value as SOQL writes it. Raises `ConfigurationError` for one it cannot write."""
    if isinstance(value, str):
        return f"'{value.translate(_ESCAPES)}'"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, int | float | Decimal) and isfinite(value):
        return format(Decimal(str(value)), "f")
    raise ConfigurationError(f"a {type(value).__name__} cannot be compared with in SOQL")


def select(
    object: str,
    fields: Iterable[str],
    *,
    where: Sequence[str] = (),
    order: str | None = None,
    limit: int | None = None,
) -> str:
    """``SELECT Id, ... FROM ...``; ``where`` are ready conditions, joined with AND."""
    names = dict.fromkeys(["Id", *(field_path(name) for name in fields)])
    text = f"SELECT {', '.join(names)} FROM {object_name(object)}"  # noqa: S608  (names are checked, values encoded)
    if where:
        text += f" WHERE {' AND '.join(where)}"
    if order is not None:
        text += f" ORDER BY {field_path(order)}"
    return text if limit is None else f"{text} LIMIT {int(limit)}"


def equals(values: Mapping[str, Any]) -> list[str]:
    """One condition a field."""
    return [f"{field_path(name)} = {literal(value)}" for name, value in values.items()]


def by_keys(object: str, key: Sequence[str], values: Iterable[Sequence[Any]], fields: Iterable[str]) -> Iterator[str]:
    """Queries that together find every record with one of these keys, each short enough for a URL."""
    names = list(dict.fromkeys([*key, *fields]))
    if len(key) == 1:
        terms, opening, joint, closing = [literal(value) for (value,) in values], f"{field_path(key[0])} IN (", ",", ")"
    else:
        terms = ["(" + " AND ".join(equals(dict(zip(key, row, strict=True)))) + ")" for row in values]
        opening, joint, closing = "(", " OR ", ")"
    room = URI_ROOM - len(quote(select(object, names, where=[opening + closing])))
    for some in _fitting(terms, room, len(quote(joint))):
        yield select(object, names, where=[opening + joint.join(some) + closing])


def _fitting(terms: Iterable[str], room: int, joint: int) -> Iterator[list[str]]:
    """Groups whose encoded length stays within ``room``; a term too long for it goes alone."""
    group: list[str] = []
    used = 0
    for term in terms:
        size = len(quote(term)) + joint
        if group and used + size > room:
            yield group
            group, used = [], 0
        group.append(term)
        used += size
    if group:
        yield group

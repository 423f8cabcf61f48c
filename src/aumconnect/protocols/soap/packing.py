"""Frozen dataclasses as JSON values and back: ``{"is": class, field: value}``, fields at their default left out.

Types are taken from a closed set; anything else in a file is a `ValueError`, never an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any

__all__ = ["pack", "unpack"]


def pack(value: Any) -> Any:
    """``value``, built of dataclasses, tuples, dicts by text and JSON scalars, as JSON values."""
    if isinstance(value, tuple):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {key: pack(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    made: Any = type(value)
    kept = {name: getattr(value, name) for name, default in _defaults(made) if getattr(value, name) != default}
    return {"is": made.__name__, **{name: pack(item) for name, item in kept.items()}}


def unpack(value: Any, types: Mapping[str, type]) -> Any:
    """What `pack` was given; ``types`` are the dataclasses that may occur, by name."""
    if isinstance(value, list):
        return tuple(unpack(item, types) for item in value)
    if not isinstance(value, dict):
        return value
    if "is" not in value:
        return {key: unpack(item, types) for key, item in value.items()}
    made = types.get(value["is"])
    if made is None:
        raise ValueError(f"an unknown kind of node: {value['is']!r}")
    try:
        return made(**{name: unpack(item, types) for name, item in value.items() if name != "is"})
    except TypeError:
        raise ValueError(f"a node of kind {value['is']!r} is not complete") from None


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((item.name, item.default if item.default is not MISSING else MISSING) for item in fields(kind))

"""Named tuples as JSON values and back: ``{"is": class, field: value}``, fields at their default left out.

Types are taken from a closed set; anything else in a file is a `ValueError`, never an object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["pack", "unpack"]

_NONE: Any = object()


def pack(value: Any) -> Any:
    """``value``, built of named tuples, tuples and JSON scalars, as JSON values."""
    names = getattr(value, "_fields", None)
    if names is not None:
        defaults = value._field_defaults
        fields = [(name, field) for name, field in zip(names, value, strict=True) if field != defaults.get(name, _NONE)]
        return {"is": type(value).__name__, **{name: pack(field) for name, field in fields}}
    return [pack(item) for item in value] if isinstance(value, tuple) else value


def unpack(value: Any, types: Mapping[str, Any]) -> Any:
    """What `pack` was given; ``types`` are the named tuples that may occur, by name."""
    if isinstance(value, list):
        return tuple(unpack(item, types) for item in value)
    if not isinstance(value, dict):
        return value
    kind = str(value.get("is"))
    if kind not in types:
        raise ValueError(f"an unknown kind of node: {kind!r}")
    try:
        return types[kind](**{name: unpack(item, types) for name, item in value.items() if name != "is"})
    except TypeError:
        raise ValueError(f"a node of kind {kind!r} is not complete") from None

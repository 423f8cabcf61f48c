"""What happened to a fake's records, field by field: for people to look at, and for tests to claim things about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FieldChange", "differences"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one record got another value, at epoch second ``at``.

    ``request`` is the number of the request that did it, counted from 1; None when somebody else did, and
    ``by`` says who. ``field`` is empty for the record as a whole: made when ``old`` is None, deleted when ``new`` is.
    """

    object: str
    id: str
    field: str
    old: Any
    new: Any
    request: int | None
    at: float
    by: str = ""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Field, old and new value wherever the two differ; the whole record when one of them is empty."""
    if not before or not after:
        yield "", dict(before) or None, dict(after) or None
        return
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new or type(old) is not type(new):
            yield name, old, new

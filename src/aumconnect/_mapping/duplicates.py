"""Which keys a source has shown already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from aumconnect.connector import Change

__all__ = ["First", "Seen"]


class First(NamedTuple):
    """The earlier row with the same key, and whether it says the same."""

    ref: int
    same: bool


class Seen:
    """The keys of one run."""

    def __init__(self) -> None:
        self._keys: dict[tuple[Any, ...], tuple[int, int]] = {}

    def first(self, changes: Sequence[Change]) -> list[First | None]:
        """For each change the earlier row with its key, or None for the first of its kind."""
        return [self._first(change) for change in changes]

    def _first(self, change: Change) -> First | None:
        ref, payload = self._keys.setdefault(change.key, (change.ref, hash(frozenset(change.values.items()))))
        return None if ref == change.ref else First(ref, payload == hash(frozenset(change.values.items())))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keys.clear()

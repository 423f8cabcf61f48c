"""Which keys a source has shown already, in bounded memory however long it is."""

from __future__ import annotations

import json
import marshal
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Self

from aumconnect.connector import Change, Key
from aumconnect.schema import Reference

__all__ = ["First", "Newest", "Seen", "said", "said_in_text"]

_MASK = (1 << 64) - 1


Said = Callable[[Change], int]
"""What two rows with one key are compared by, as a whole number from 0 below 2**64."""


def said(change: Change) -> int:
    """A hash of what is written: of its bytes, since the hashes of -1 and -2 are one."""
    values: Any = change.values
    try:
        return hash(marshal.dumps(values, 2)) & _MASK
    except ValueError:  # it knows no dates, no Decimals
        return said_in_text(change)


def said_in_text(change: Change) -> int:
    """The same for values that `marshal` does not know."""
    text = repr(change.values)
    if "Reference(" in text:  # whose repr hides its value
        shown = [(v.object, v.by, v.value) if isinstance(v, Reference) else v for v in change.values.values()]
        text = repr([*change.values, *shown])
    return hash(text) & _MASK


class First(NamedTuple):
    """The earlier row with the same key, and whether it says the same."""

    ref: int
    same: bool
    said: int = 0


class Seen:
    """The keys of one run: the latest ``in_memory`` in a dict, older ones in a temporary SQLite file.

    ``canonical`` gives a key the form in which equal keys are equal (`ObjectSchema.canonical_key`). A key is kept as
    a 64-bit hash that is seeded anew in every process: two keys of ten million are mistaken for one with a chance of
    3 in a million, and then the later row is rejected, never lost.
    """

    def __init__(
        self, canonical: Callable[[Key], Key] | None = None, *, said: Said = said, in_memory: int = 100_000
    ) -> None:
        self._canonical = canonical
        self._said = said
        self._in_memory = in_memory
        self._recent: dict[int, int] = {}
        self._older: _Older | None = None

    def again(self, changes: Sequence[Change]) -> dict[int, First]:
        """The changes whose key was there before, by ``ref``."""
        said, marks = self._said, self.marks(changes)
        older = self._older.find(mark for mark in marks if mark not in self._recent) if self._older else {}
        found, remember = {}, self._recent.setdefault
        for mark, change in zip(marks, changes, strict=True):
            mine = change.ref << 64 | said(change)
            earlier = older[mark] if mark in older else remember(mark, mine)
            if earlier is not mine:
                found[change.ref] = First(earlier >> 64, earlier & _MASK == mine & _MASK, earlier & _MASK)
        self._spill()
        return found

    def marks(self, changes: Iterable[Change]) -> list[int]:
        """The keys' hashes, by which they are remembered."""
        keys: Iterable[Key] = [change.key for change in changes]
        if self._canonical:
            keys = map(self._canonical, keys)
        return [hash(key[0]) if len(key) == 1 and type(key[0]) is str else _mark(key) for key in keys]

    def _spill(self) -> None:
        if len(self._recent) > self._in_memory:
            self._older = self._older or _Older()
            self._older.add(self._recent)
            self._recent.clear()

    def close(self) -> None:
        self._recent.clear()
        if self._older:
            self._older.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Newest:
    """Of every key that comes more than once, the row that was scored last; ``field`` says when."""

    def __init__(self, field: str, canonical: Callable[[Key], Key] | None = None) -> None:
        self._field = field
        self._seen = Seen(canonical, said=self._at)
        self._best: dict[int, First] = {}

    def look(self, changes: Sequence[Change]) -> None:
        """Take note of these rows; to be called for all of them before the first question."""
        again = self._seen.again(changes)
        if again:
            for mark, change in zip(self._seen.marks(changes), changes, strict=True):
                if change.ref in again:
                    best = self._best.setdefault(mark, again[change.ref])
                    if self._at(change) > best.said:
                        self._best[mark] = First(change.ref, same=False, said=self._at(change))

    def older(self, changes: Sequence[Change]) -> dict[int, int]:
        """Those of these rows that a newer one replaces, with its ``ref``."""
        found = {}
        for mark, change in zip(self._seen.marks(changes) if self._best else (), changes, strict=False):
            best = self._best.get(mark)
            if best and self._at(change) < best.said:
                found[change.ref] = best.ref
        return found

    def _at(self, change: Change) -> int:
        """Microseconds since the year 1; a row that does not say is older than all others."""
        moment = change.values.get(self._field)
        if not isinstance(moment, datetime):
            return 0
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0, (aware - _YEAR_ONE) // timedelta(microseconds=1))

    def close(self) -> None:
        self._seen.close()


_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


class _Older:
    """Keys on disk."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # a private file, gone when closed
        self._file.execute("CREATE TABLE seen (mark INTEGER PRIMARY KEY, ref INTEGER, said INTEGER)")

    def add(self, marks: Mapping[int, int]) -> None:
        self._file.execute("BEGIN")
        rows = ((mark, first >> 64, _signed(first & _MASK)) for mark, first in sorted(marks.items()))
        self._file.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", rows)
        self._file.execute("COMMIT")

    def find(self, marks: Iterable[int]) -> dict[int, int]:
        wanted = json.dumps(list(marks))
        rows = self._file.execute("SELECT * FROM seen WHERE mark IN (SELECT value FROM json_each(?))", (wanted,))
        return {mark: ref << 64 | said & _MASK for mark, ref, said in rows}

    def close(self) -> None:
        self._file.close()


def _mark(key: Key) -> int:
    """The hash of a key that is not one text: of its text, since only texts are hashed with a seed."""
    return hash(repr([part.normalize() if isinstance(part, Decimal) else part for part in key]))


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number

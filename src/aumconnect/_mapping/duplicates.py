"""Which keys a source has shown already, in bounded memory however long it is."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple, Self

from aumconnect.connector import Change, Key

__all__ = ["First", "Seen"]

_MASK = (1 << 64) - 1


class First(NamedTuple):
    """The earlier row with the same key, and whether it says the same."""

    ref: int
    same: bool


class Seen:
    """The keys of one run: the latest ``in_memory`` as they are, older ones as digests in a temporary SQLite file.

    ``canonical`` gives a key the form in which equal keys are equal (`ObjectSchema.canonical_key`). Digests are 128
    bits long; what two rows say is compared by a 64-bit hash.
    """

    def __init__(self, canonical: Callable[[Key], Key] | None = None, *, in_memory: int = 100_000) -> None:
        self._canonical = canonical
        self._in_memory = in_memory
        self._recent: dict[Key, int] = {}
        self._older: _Older | None = None

    def again(self, changes: Sequence[Change]) -> dict[int, First]:
        """The changes whose key was there before, by ``ref``."""
        keys = [change.key for change in changes]
        if self._canonical:
            keys = list(map(self._canonical, keys))
        older = self._older.find(key for key in keys if key not in self._recent) if self._older else {}
        found, remember = {}, self._recent.setdefault
        for key, change in zip(keys, changes, strict=True):
            mine = change.ref << 64 | _said(change.values)
            earlier = older[key] if key in older else remember(key, mine)
            if earlier is not mine:
                found[change.ref] = First(earlier >> 64, earlier & _MASK == mine & _MASK)
        self._spill()
        return found

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


class _Older:
    """Keys on disk: the first half of a digest is the row's id, the second half is compared."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # a private file, gone when closed
        self._file.execute("CREATE TABLE seen (half INTEGER PRIMARY KEY, rest INTEGER, ref INTEGER, said INTEGER)")

    def add(self, keys: Mapping[Key, int]) -> None:
        rows = ((*_digest(key), mark >> 64, _signed(mark & _MASK)) for key, mark in keys.items())
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", sorted(rows))
        self._file.execute("COMMIT")

    def find(self, keys: Iterable[Key]) -> dict[Key, int]:
        digests = {_digest(key): key for key in keys}
        wanted = json.dumps([half for half, _ in digests])
        rows = self._file.execute("SELECT * FROM seen WHERE half IN (SELECT value FROM json_each(?))", (wanted,))
        return {
            digests[half, rest]: ref << 64 | said & _MASK for half, rest, ref, said in rows if (half, rest) in digests
        }

    def close(self) -> None:
        self._file.close()


def _said(values: Mapping[str, Any]) -> int:
    parts = [str(value) if type(value) is Decimal else value for value in values.values()]  # a Decimal hashes slowly
    try:
        return hash((*values, *parts)) & _MASK
    except TypeError:  # a list of choices
        return hash(repr(values)) & _MASK


def _digest(key: Key) -> tuple[int, int]:
    text = repr([part.normalize() if isinstance(part, Decimal) else part for part in key])
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], signed=True), int.from_bytes(digest[8:], signed=True)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number

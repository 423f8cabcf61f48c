"""Rows on their way into chunks: in order, within the limits, and never two rows of one record at once."""

from __future__ import annotations

import heapq
import marshal
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count
from typing import Any

from aumconnect.connector import Batch, Change
from aumconnect.engine.watch import Watch

__all__ = ["Chunk", "Purpose", "Rows", "claims_of", "identities"]


class Purpose(Enum):
    """What a chunk is sent for."""

    WRITE = "write"
    RESUME = "resume"
    """Go on with a bulk job from its checkpoint."""
    RECONCILE = "reconcile"
    """Read back what an unanswered write did."""


@dataclass(slots=True, eq=False)
class Chunk:
    """Rows under one intent. ``claims`` are the records they mean, ``conflicts`` what they lock."""

    number: int
    batch: Batch
    claims: frozenset[Hashable]
    conflicts: frozenset[Hashable] = frozenset()
    purpose: Purpose = Purpose.WRITE
    tries: int = 0
    """How often this very chunk was sent again."""
    in_doubt: bool = False
    """An earlier attempt may have been carried out."""
    part: bool = False
    """Other rows of the same intent are elsewhere, so it cannot be closed for all of them."""
    checkpoint: Mapping[str, Any] | None = None
    watch: Watch = field(default_factory=Watch)

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.batch.changes

    def again(self, purpose: Purpose) -> Chunk:
        """The same rows under the same intent and token, once more."""
        return replace(self, purpose=purpose, tries=self.tries + 1, watch=Watch())

    def narrowed(self, changes: Sequence[Change], purpose: Purpose, *, part: bool = False) -> Chunk:
        """The same intent, for some of its rows and another purpose; ``part``: the others are not settled either."""
        batch, claims = replace(self.batch, changes=tuple(changes)), claims_of(changes)
        return replace(self, batch=batch, claims=claims, purpose=purpose, part=self.part or part, watch=Watch())


def identities(changes: Iterable[Change]) -> list[Hashable]:
    """What record each change means, or None. Coarser than the system's own rule: too equal only means later."""
    names = [change.key if change.id is None else change.id for change in changes]
    return [  # written out for the common case, one text: this runs for every row
        name[0].strip().casefold() if len(name) == 1 and type(name[0]) is str else _folded(name) for name in names
    ]


def _folded(name: str | tuple[Any, ...]) -> Hashable:
    if isinstance(name, str) or len(name) == 1:
        return name if isinstance(name, str) else name[0]
    return tuple([value.strip().casefold() if isinstance(value, str) else value for value in name]) or None


def claims_of(changes: Iterable[Change]) -> frozenset[Hashable]:
    """The records that these rows mean."""
    return frozenset(identities(changes)) - _NOTHING


_NOTHING = frozenset({None})


class Rows:
    """The rows not under way: fresh ones in order, ones to try again when due, ones whose record is busy."""

    def __init__(
        self, *, batch_rows: int, batch_bytes: int, conflict_key: Callable[[Change], Hashable | None] | None
    ) -> None:
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._conflict_key = conflict_key
        self._fresh: deque[Change] = deque()
        self._again: list[tuple[float, int, Change]] = []
        self._split: deque[tuple[Change, ...]] = deque()
        self._busy: list[Change] = []
        self._claimed: set[Hashable] = set()
        self._order = count()

    def add(self, changes: Iterable[Change]) -> None:
        self._fresh.extend(changes)

    def add_again(self, changes: Iterable[Change], due: float) -> None:
        """Rows that keep their claim and wait until ``due`` to be regrouped."""
        for change in changes:
            heapq.heappush(self._again, (due, next(self._order), change))

    def add_split(self, changes: tuple[Change, ...]) -> None:
        """Rows that keep their claim and go out next, in just this group."""
        self._split.append(changes)

    @property
    def fresh(self) -> int:
        """How many rows could still be packed at once."""
        return len(self._fresh)

    @property
    def busy(self) -> int:
        """How many rows wait for another row of the same record."""
        return len(self._busy)

    @property
    def empty(self) -> bool:
        return not (self._fresh or self._again or self._split or self._busy)

    @property
    def due(self) -> float:
        """When the next row to try again is due; infinite for none."""
        return self._again[0][0] if self._again else float("inf")

    def claim(self, changes: Iterable[Change]) -> frozenset[Hashable]:
        """From now on these records are busy."""
        claims = claims_of(changes)
        self._claimed |= claims
        return claims

    def free(self, changes: Iterable[Change]) -> bool:
        """Whether none of these rows means a record that is busy."""
        return self._claimed.isdisjoint(claims_of(changes))

    def release(self, claims: Iterable[Hashable]) -> None:
        """These records are free: rows that waited for them go first."""
        self._claimed.difference_update(claims)
        if self._busy:
            self._fresh.extendleft(reversed(self._busy))
            self._busy.clear()

    def conflicts(self, changes: Iterable[Change]) -> frozenset[Hashable]:
        if self._conflict_key is None:
            return frozenset()
        return frozenset(map(self._conflict_key, changes)) - {None}

    def pack(self, now: float, *, partial: bool) -> tuple[tuple[Change, ...], frozenset[Hashable]]:
        """The rows of the next chunk and the records they claim: split ones, else due ones, else fresh ones, or none.

        ``partial`` lets fresh rows go in less than a full chunk, because no more will come.
        """
        if self._split:
            rows = self._split.popleft()
        elif self._again and self._again[0][0] <= now:
            rows = self._fit(self._take_due(now), lambda left: self.add_again(left, now))
        elif len(self._fresh) >= self._batch_rows or (partial and self._fresh):
            return self._take_fresh()
        else:
            return (), _NOTHING
        return rows, claims_of(rows)

    def _take_due(self, now: float) -> list[Change]:
        due: list[Change] = []
        while self._again and self._again[0][0] <= now and len(due) < self._batch_rows:
            due.append(heapq.heappop(self._again)[2])
        return due

    def _take_fresh(self) -> tuple[tuple[Change, ...], frozenset[Hashable]]:
        size = min(self._batch_rows, len(self._fresh))
        rows = [self._fresh.popleft() for _ in range(size)]
        names = identities(rows)
        claims = frozenset(names) - _NOTHING
        if len(claims) < size or not self._claimed.isdisjoint(claims):
            rows = self._keep_apart(rows, names)
        packed = self._fit(rows, lambda left: self._fresh.extendleft(reversed(left)))
        claims = claims if len(packed) == size else claims_of(packed)
        self._claimed |= claims
        return packed, claims

    def _keep_apart(self, rows: list[Change], names: list[Hashable]) -> list[Change]:
        """Hold back rows whose record is under way, in another chunk or earlier in this one."""
        free, seen = [], set(self._claimed)
        for row, name in zip(rows, names, strict=True):
            if name is not None and name in seen:
                self._busy.append(row)
            else:
                seen.add(name)
                free.append(row)
        return free

    def _fit(self, rows: list[Change], give_back: Callable[[Sequence[Change]], None]) -> tuple[Change, ...]:
        """The longest of ``rows``, rows/2, rows/4 … that stays within the byte limit; the rest goes back."""
        size = len(rows)
        while size > 1 and _size(rows[:size]) > self._batch_bytes:
            size //= 2
        if size < len(rows):
            give_back(rows[size:])
        return tuple(rows[:size])

    def drain(self) -> list[Change]:
        """Every row, in the order it would have gone; none is left."""
        left = [row for group in self._split for row in group]
        left += [row for _, _, row in sorted(self._again, key=lambda entry: entry[:2])]
        left += [*self._busy, *self._fresh]
        self._fresh.clear()
        self._again.clear()
        self._split.clear()
        self._busy.clear()
        return left


ENVELOPE_BYTES = 512
ROW_BYTES = 64
"""What a request and each of its rows weigh without any value: method names, brackets, ids."""


def _size(rows: Sequence[Change]) -> int:
    """About how many bytes the rows take in a request; more rather than less (markup and escapes double them)."""
    values = [(row.key, row.values) for row in rows]
    try:
        content = len(marshal.dumps(values, 2))  # version 2 writes repeated strings out, as a request does
    except ValueError:  # Decimal, date, CLEAR: slower, the same size
        content = len(repr(values))
    return ENVELOPE_BYTES + ROW_BYTES * len(rows) + 2 * content

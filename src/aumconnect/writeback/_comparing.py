"""Second half of a plan: read what is worth reading, compare, and keep only what is to be sent.

Rows are taken from the ledger a chunk at a time, read from the system by remote id where the ledger knows it
and by key where not, several chunks beside each other, and put back as what they turned out to be.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from aumconnect.connector import Change, Connector, ReadsById, ReadsByKey, RemoteRecord
from aumconnect.outcome import Outcome, Status
from aumconnect.schema import ObjectSchema
from aumconnect.wire import Exchange
from aumconnect.writeback._packing import Planned, text_of
from aumconnect.writeback._staging import SAME, reason_of
from aumconnect.writeback._state import Remembered, State
from aumconnect.writeback.diff import NO_MATCH, Differ, Difference
from aumconnect.writeback.ledger import Ledger

__all__ = ["Compared", "Comparison", "Reading"]

Run = Callable[[Exchange[Any]], Any]


@dataclass(slots=True)
class Compared:
    """What a plan would do, counted. ``guarded`` and ``unsure`` are by guard name."""

    actions: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[Status] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    cleared: Counter[str] = field(default_factory=Counter)
    guarded: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    edited: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    """Rows that were unchanged for the ledger and are not for the system."""
    unread: int = 0
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """How records of one object can be read."""

    connector: Connector
    object: str
    key: tuple[str, ...]
    fields: tuple[str, ...]
    schema: ObjectSchema | None

    def requests(self, with_id: int, by_key: int) -> int:
        """How many requests it takes to read so many rows."""
        capabilities = self.connector.capabilities
        by_id = -(-with_id // capabilities.fetch_ids) if self.by_id else 0
        return by_id + (-(-by_key // capabilities.find_keys) if self.by_key else 0)

    @property
    def by_id(self) -> bool:
        return isinstance(self.connector, ReadsById)

    @property
    def by_key(self) -> bool:
        return isinstance(self.connector, ReadsByKey) and bool(self.key)

    @property
    def rows_a_request(self) -> int:
        """For a row the ledger knows nothing of yet, the worst case."""
        capabilities = self.connector.capabilities
        return capabilities.find_keys if self.by_key else capabilities.fetch_ids if self.by_id else 0

    def read(self, run: Run, changes: Sequence[Change]) -> dict[int, list[RemoteRecord]]:
        """The records each row is about, by ref; rows that cannot be read are left out."""
        found: dict[int, list[RemoteRecord]] = {}
        if self.by_id:
            known = [change for change in changes if change.id is not None]
            found.update(self._by_id(run, known))
        if self.by_key:
            rest = [change for change in changes if not found.get(change.ref) and change.key]
            found.update(self._by_key(run, rest))
        return found

    def _by_id(self, run: Run, changes: Sequence[Change]) -> Iterator[tuple[int, list[RemoteRecord]]]:
        connector: Any = self.connector
        for some in _slices(changes, self.connector.capabilities.fetch_ids):
            records = run(connector.fetch(self.object, [change.id for change in some], self.fields))
            yield from ((change.ref, [record] if record else []) for change, record in zip(some, records, strict=True))

    def _by_key(self, run: Run, changes: Sequence[Change]) -> Iterator[tuple[int, list[RemoteRecord]]]:
        connector: Any = self.connector
        for some in _slices(changes, self.connector.capabilities.find_keys):
            keys = [change.key for change in some]
            records = run(connector.find(self.object, self.key, keys, self.fields, self.schema))
            yield from ((change.ref, found) for change, found in zip(some, records, strict=True))


class Comparison:
    """Compares a plan's staged rows. ``read_new`` says whether rows the ledger knows nothing of are read."""

    def __init__(
        self,
        ledger: Ledger,
        run: str,
        differ: Differ,
        reading: Reading,
        state: State | None,
        *,
        read_same: bool,
        read_new: bool,
    ) -> None:
        self._ledger, self._run, self._state = ledger, run, state
        self._differ, self._reading = differ, reading
        self._read_same, self._read_new = read_same, read_new
        self.found = Compared()

    def compare(self, perform: Run, parallel: int) -> Compared:
        """Go through the whole plan; ``perform`` runs an exchange and may be called from several threads."""
        waiting: deque[tuple[int, list[Planned], dict[bytes, Remembered], Future[dict[int, list[RemoteRecord]]]]] = (
            deque()
        )
        with ThreadPoolExecutor(max(1, parallel), thread_name_prefix="plan") as threads:
            for seq, rows in self._ledger.chunks(self._run):
                known = self._state.remembered([row.stamp.key for row in rows]) if self._state else {}
                asked = [row.change for row in rows if self._is_read(row, known)]
                self.found.reads += len(asked)
                waiting.append((seq, rows, known, threads.submit(self._reading.read, perform, asked)))
                if len(waiting) > parallel:
                    self._decide(*waiting.popleft())
            while waiting:
                self._decide(*waiting.popleft())
        return self.found

    def _is_read(self, row: Planned, known: dict[bytes, Remembered]) -> bool:
        if row.action == SAME:
            return self._read_same
        return self._read_new or row.stamp.key in known

    def _decide(
        self,
        seq: int,
        rows: Sequence[Planned],
        known: dict[bytes, Remembered],
        reading: Future[dict[int, list[RemoteRecord]]],
    ) -> None:
        records = reading.result()
        kept, ended, texts = [], [], {}
        for row in rows:
            if row.action == SAME and row.change.ref not in records:
                continue
            difference = self._difference(row, records.get(row.change.ref), known.get(row.stamp.key))
            self._count(row, difference)
            if difference.outcome is not None:
                ended.append(difference.outcome)
                texts[row.change.ref] = text_of(row.source)
            elif row.action != SAME or difference.action != "confirm":
                kept.append(self._kept(row, difference))
        self._ledger.note(self._run, ended, texts)
        self._ledger.save_chunk(self._run, seq, kept)

    def _difference(self, row: Planned, records: list[RemoteRecord] | None, known: Remembered | None) -> Difference:
        if records is None:
            return self._differ.unread(row.change, known)
        return self._differ.read(row.change, records, known)

    def _kept(self, row: Planned, difference: Difference) -> Planned:
        remote_id = difference.id or (None if difference.action == "create" else row.change.id)
        return Planned(replace(row.change, id=remote_id), row.stamp, difference.action, difference.before, row.source)

    def _count(self, row: Planned, difference: Difference) -> None:
        found = self.found
        same = row.action == SAME
        if same and difference.action != "confirm":
            found.moved += 1
        if difference.edited:
            found.edited.update(difference.edited.fields)
        if difference.outcome is not None:
            self._count_ended(difference.outcome)
            return
        if difference.action == "confirm":
            found.actions["confirm"] += not same
            return
        found.actions[difference.action] += 1
        found.fields.update(difference.fields)
        found.cleared.update(difference.cleared)
        self._guard(difference)

    def _guard(self, difference: Difference) -> None:
        found = self.found
        found.unread += not difference.compared
        found.guarded["changed"] += bool(difference.replaced)
        found.guarded["cleared"] += bool(difference.cleared)
        found.guarded["created"] += difference.action == "create"
        if not difference.compared:
            found.unsure["changed"] += difference.action != "create"
            found.unsure["created"] += difference.action == "upsert"
            found.unsure["unmatched"] += difference.action in ("update", "delete")

    def _count_ended(self, outcome: Outcome) -> None:
        self.found.outcomes[outcome.status] += 1
        self.found.reasons[reason_of(outcome)] += 1
        self.found.guarded["unmatched"] += outcome.reason == NO_MATCH
        self.found.guarded["rejected"] += outcome.status is Status.REJECTED


def _slices(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    return (changes[at : at + size] for at in range(0, len(changes), size))

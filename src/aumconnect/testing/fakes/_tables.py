"""A small stateful record store for fakes: tables with keys, history, rollback and a lagging view for readers.

Vendors' rules live in subclasses of `Table`, which say what `save` accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

__all__ = ["PERSON", "Row", "Store", "Table"]

PERSON = "person"
"""Who changes a record when no request does."""


@dataclass(frozen=True, slots=True)
class Row:
    """One version of a record. ``at`` is when it was written; ``before`` the version it replaced."""

    id: str
    values: Mapping[str, Any]
    at: float
    deleted: bool = False
    before: Row | None = field(default=None, repr=False)

    def as_of(self, moment: float) -> Row | None:
        """The version that was the newest at ``moment``; None when there was none yet."""
        found: Row | None = self
        while found is not None and found.at > moment:
            found = found.before
        return found


@dataclass(slots=True)
class _Transaction:
    """What was written, and what there is to say about it once it is for good."""

    written: list[tuple[Table, str, Row | None]] = field(default_factory=list)
    then: list[Callable[[], None]] = field(default_factory=list)

    def roll_back(self) -> None:
        for table, record_id, old in reversed(self.written):
            table.restore(record_id, old)
        self.written.clear()
        self.then.clear()


class Changed(Protocol):
    """`Fake.changed`: who is told that a record went from ``before`` to ``after``; ``by`` None is the request."""

    def __call__(
        self, object: str, id: str, before: Mapping[str, Any], after: Mapping[str, Any], *, by: str | None = None
    ) -> None: ...


class Store:
    """The tables of one fake.

    ``now`` gives epoch seconds. ``request`` is the number of the request being carried out. ``remember`` are the
    seconds for which replaced versions are kept for readers that lag behind.
    """

    def __init__(self, now: Callable[[], float], changed: Changed) -> None:
        self.now = now
        self.tables: dict[str, Table] = {}
        self.request = 0
        self.remember = 0.0
        self._changed = changed
        self._open: _Transaction | None = None

    @contextmanager
    def transaction(self) -> Iterator[Callable[[], None]]:
        """Everything written inside the block is taken back when the function it yields is called."""
        outer, inner = self._open, _Transaction()
        self._open = inner
        try:
            yield inner.roll_back
        finally:
            self._open = outer
            if outer is not None:
                outer.written += inner.written
            for act in inner.then:
                self.afterwards(act)

    def afterwards(self, act: Callable[[], None]) -> None:
        """Do this once what was just written is for good."""
        if self._open is None:
            act()
        else:
            self._open.then.append(act)

    def note(self, table: Table, row: Row, old: Row | None, by: str | None) -> None:
        """``row`` replaced ``old``."""
        if self._open is not None:
            self._open.written.append((table, row.id, old))
        self.afterwards(lambda: self._tell(table, row, old, by))

    def _tell(self, table: Table, row: Row, old: Row | None, by: str | None) -> None:
        before = old.values if old is not None and not old.deleted else {}
        self._changed(table.name, row.id, before, {} if row.deleted else row.values, by=by)


class Table:
    """The records of one object, by id. ``indexed`` fields are found without looking at every record.

    In tests: ``table.one(Email="a@b.c")["Name"]``, ``table.all()``, ``table.insert(…)``, ``table.edit(…)``.
    """

    id_field = "id"

    def __init__(self, name: str, store: Store, *, indexed: Iterable[str] = ()) -> None:
        self.name = name
        self.store = store
        self._rows: dict[str, Row] = {}
        self._index: dict[str, dict[Any, dict[str, None]]] = {name: {} for name in indexed}
        self._made = 0
        store.tables[name] = self

    # --- what a test does ---

    def insert(self, **values: Any) -> dict[str, Any]:
        """A person makes a record. Returns it whole. Raises `ValueError` for values the system refuses."""
        return dict(self.current(self.save(None, values, by=PERSON)))

    def edit(self, which: str | Mapping[str, Any], /, **values: Any) -> dict[str, Any]:
        """A person changes a record, named by its id or by ``{field: value}``."""
        record_id = which if isinstance(which, str) else str(self.one(**which)[self.id_field])
        return dict(self.current(self.save(record_id, values, by=PERSON)))

    def delete(self, which: str | Mapping[str, Any], /) -> None:
        """A person deletes a record."""
        record_id = which if isinstance(which, str) else str(self.one(**which)[self.id_field])
        self.remove(record_id, by=PERSON)

    def one(self, **where: Any) -> dict[str, Any]:
        """The only record with these values. Raises `LookupError` when there is none, or several."""
        found = self.all(**where)
        if len(found) != 1:
            raise LookupError(f"{len(found)} records of {self.name} have {where}")
        return found[0]

    def all(self, **where: Any) -> list[dict[str, Any]]:
        """Copies of all records with these values, oldest first."""
        return [dict(values) for values in self if all(values.get(name) == value for name, value in where.items())]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter([row.values for row in self._rows.values() if not row.deleted])

    def __len__(self) -> int:
        return sum(not row.deleted for row in self._rows.values())

    # --- what a fake does ---

    def save(self, id: str | None, values: Mapping[str, Any], *, by: str | None) -> str:
        """Make (``id`` None) or change a record by the system's rules, and return its id."""
        old = self.current(id) if id is not None else {}
        record_id = id or self.new_id()
        self.put(record_id, {**old, **values, self.id_field: record_id}, by=by)
        return record_id

    def new_id(self) -> str:
        self._made += 1
        return str(self._made)

    def row(self, id: str) -> Row | None:
        """The newest version, deleted or not; None when there never was such a record."""
        return self._rows.get(id)

    def rows(self) -> Iterable[Row]:
        """The newest version of every record, deleted ones too."""
        return self._rows.values()

    def current(self, id: str) -> Mapping[str, Any]:
        """The values of a living record. Raises `LookupError` when it does not live."""
        row = self._rows.get(id)
        if row is None or row.deleted:
            raise LookupError(f"there is no {self.name} {id}")
        return row.values

    def find(self, name: str, value: Any) -> list[Row]:
        """Living records whose field ``name``, which must be indexed, has this value."""
        rows = (self._rows[each] for each in self._index[name].get(self.fold(name, value), ()))
        return [row for row in rows if not row.deleted]

    def is_indexed(self, name: str) -> bool:
        return name in self._index

    def index(self, name: str) -> None:
        """From now on find records by this field."""
        entries = self._index[name] = {}
        for row in self._rows.values():
            if (value := row.values.get(name)) is not None:
                entries.setdefault(self.fold(name, value), {})[row.id] = None

    def fold(self, name: str, value: Any) -> Any:
        """The form in which two values of a key field are the same."""
        return value.casefold() if isinstance(value, str) else value

    def put(self, id: str, values: Mapping[str, Any], *, by: str | None, deleted: bool = False) -> None:
        """Write a version of a record as it is, without rules."""
        old = self._rows.get(id)
        now = self.store.now()
        row = Row(id, values, now, deleted, self._kept(old, now))
        self.restore(id, row)
        self.store.note(self, row, old, by)

    def remove(self, id: str, *, by: str | None) -> None:
        """Mark a record deleted. Raises `LookupError` when it does not live."""
        self.put(id, self.current(id), by=by, deleted=True)

    def restore(self, id: str, row: Row | None) -> None:
        """Make ``row`` the newest version; None as if there never was such a record."""
        old = self._rows.pop(id, None) if row is None else self._rows.get(id)
        if row is not None:
            self._rows[id] = row
        for name, entries in self._index.items():
            self._reindex(name, entries, id, old, row)

    def _kept(self, old: Row | None, now: float) -> Row | None:
        """What a lagging reader may still see of the version being replaced."""
        if old is None or not self.store.remember:
            return None
        return replace(old, before=None) if old.at <= now - self.store.remember else old

    def _reindex(
        self, name: str, entries: dict[Any, dict[str, None]], id: str, old: Row | None, row: Row | None
    ) -> None:
        before = None if old is None else old.values.get(name)
        after = None if row is None else row.values.get(name)
        if before == after:
            return
        if before is not None:
            entries[self.fold(name, before)].pop(id, None)
        if after is not None:
            entries.setdefault(self.fold(name, after), {})[id] = None

"""The records of one object of the memory fake, found by any key without looking at all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aumconnect.schema import ObjectSchema

__all__ = ["Table"]


@dataclass(slots=True)
class Table:
    """The records of one object: remote id → field values, in order of creation."""

    schema: ObjectSchema
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    touched: dict[str, float] = field(default_factory=dict)
    index: dict[tuple[str, ...], dict[Any, list[str]]] = field(default_factory=dict)

    def canonical(self, names: tuple[str, ...], values: Mapping[str, Any]) -> tuple[Any, ...]:
        return self.schema.canonical_key(names, tuple(values.get(name) for name in names))

    def ids(self, names: tuple[str, ...], key: Sequence[Any]) -> list[str]:
        """The ids of all records with this key."""
        return list(self._indexed(names).get(self.schema.canonical_key(names, tuple(key)), ()))

    def _indexed(self, names: tuple[str, ...]) -> dict[Any, list[str]]:
        if names not in self.index:
            fresh: dict[Any, list[str]] = {}
            for record_id, values in self.records.items():
                fresh.setdefault(self.canonical(names, values), []).append(record_id)
            self.index[names] = fresh
        return self.index[names]

    def put(self, id: str, values: Mapping[str, Any], now: float) -> None:
        """Create or change a record."""
        self._unindex(id)
        record = self.records.setdefault(id, {})
        record.update(values)
        self.touched[id] = now
        for names, known in self.index.items():
            known.setdefault(self.canonical(names, record), []).append(id)

    def drop(self, id: str) -> None:
        self._unindex(id)
        del self.records[id]

    def _unindex(self, id: str) -> None:
        if id in self.records:
            for names, known in self.index.items():
                known[self.canonical(names, self.records[id])].remove(id)

    def where(self, **values: Any) -> list[dict[str, Any]]:
        """The records that have these values, each with its ``Id``."""
        wanted = self.schema.canonical(values)
        found = ({"Id": key, **record} for key, record in self.records.items())
        return [record for record in found if wanted.items() <= self.schema.canonical(record).items()]

    def one(self, **values: Any) -> dict[str, Any]:
        """The only record that has these values. Raises LookupError for none or several."""
        found = self.where(**values)
        if len(found) != 1:
            raise LookupError(f"{len(found)} records of {self.schema.name} match")
        return found[0]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return ({"Id": key, **record} for key, record in self.records.items())

"""Records that another writer holds: UNABLE_TO_LOCK_ROW."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aumconnect.testing.fakes._tables import Store
from aumconnect.testing.fakes.salesforce.errors import Refusal

__all__ = ["Locks"]


@dataclass(slots=True)
class _Held:
    until: float
    attempts: int | None
    request: int | None


class Locks:
    """``hold_parents`` are the seconds for which a write holds the parents of its records against other requests,
    as long as it would run in the real system; 0 for not at all."""

    def __init__(self, store: Store) -> None:
        self.hold_parents = 0.0
        self._store = store
        self._held: dict[str, _Held] = {}

    def lock(self, id: str, *, seconds: float = float("inf"), attempts: int | None = None) -> None:
        """Somebody else holds this record for a time, or until so many attempts to write it were refused."""
        self._held[id] = _Held(self._store.now() + seconds, attempts, None)

    def unlock(self, id: str) -> None:
        self._held.pop(id, None)

    def take(self, id: str | None, parents: Iterable[str]) -> None:
        """One write needs its record and its parents. Raises `Refusal` when another holds one of them."""
        needed = [record_id for record_id in (id, *parents) if record_id is not None]
        for record_id in needed:
            self._refuse_held(record_id)
        if self.hold_parents:
            until = self._store.now() + self.hold_parents
            for parent in needed[id is not None :]:
                self._held[parent] = _Held(until, None, self._store.request)

    def _refuse_held(self, id: str) -> None:
        held = self._held.get(id)
        if held is None or (held.request is not None and held.request == self._store.request):
            return
        if held.until <= self._store.now() or held.attempts == 0:
            del self._held[id]
            return
        if held.attempts is not None:
            held.attempts -= 1
        reason = f"unable to obtain exclusive access to this record or 1 records: {id}"
        raise Refusal("UNABLE_TO_LOCK_ROW", reason)

"""What was last written under each key, and folding a run's outcomes into it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from aumconnect.outcome import WRITTEN, Outcome, Status
from aumconnect.writeback import _tables as t
from aumconnect.writeback._database import Database, fetch, save_tuples
from aumconnect.writeback._fingerprint import UNWRITTEN, WIDTH
from aumconnect.writeback._packing import Stamp, outcome_text

__all__ = ["FOLDED", "Remembered", "State", "Written", "fold"]

FOLDED = WRITTEN | {Status.UNCHANGED, Status.REJECTED}
"""Outcomes that change what is remembered; a failed or unknown row leaves no trace, so that it is sent again."""
KEYS = 500
"""Keys a look-up."""
_COLUMNS = ("id", "payload", "layout", "written", "scored_at", "status", "at", "rejected", "rejection")


class Remembered(NamedTuple):
    """The state under one key. ``written`` maps field names to digests, without those never written;
    ``at`` is when the run was planned (epoch seconds) that wrote it."""

    id: str | None
    payload: bytes | None
    written: Mapping[str, bytes]
    scored_at: float | None
    status: str | None
    at: float | None
    rejected: bytes | None
    rejection: str | None


class Written(NamedTuple):
    """One outcome on its way into the state. ``rejection`` is JSON, for a rejected row."""

    stamp: Stamp
    status: Status
    id: str | None
    rejection: str | None = None


class State:
    """The remembered rows of one scope, read in bulk."""

    def __init__(self, database: Database, scope: int) -> None:
        self._database = database
        self._scope = scope
        self._layouts: dict[int, tuple[str, ...]] = {}
        self.empty = database.row(select(t.state.c.key).where(t.state.c.scope == scope).limit(1)) is None

    def payloads(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The fingerprint of what was last written, by key; keys without one, or refused since, are left out."""
        if self.empty:
            return {}
        return dict(self._rows("payload", keys, "AND payload IS NOT NULL AND rejected IS NULL"))

    def remembered(self, keys: Sequence[bytes]) -> dict[bytes, Remembered]:
        """All that is known, by key."""
        if self.empty:
            return {}
        return {bytes(key): self._row(*values) for key, *values in self._rows(", ".join(_COLUMNS), keys)}

    def _rows(self, columns: str, keys: Sequence[bytes], also: str = "") -> Iterable[Any]:
        def look_up(connection: Connection) -> list[Any]:
            found: list[Any] = []
            for at in range(0, len(keys), KEYS):
                some = keys[at : at + KEYS]
                places = ",".join("?" * len(some))
                sql = f"SELECT key, {columns} FROM {t.state.name} WHERE scope = ? AND key IN ({places}) {also}"  # noqa: S608  (our own names)
                found.extend(fetch(connection, sql, (self._scope, *some)))
            return found

        return self._database.read(look_up)

    def _row(self, *values: Any) -> Remembered:
        remote_id, payload, layout, written, scored_at, status, at, rejected, rejection = values
        digests = self._named(layout, written) if written is not None else {}
        return Remembered(remote_id, payload, digests, scored_at, status, at, rejected, rejection)

    def _named(self, layout: int, written: bytes) -> dict[str, bytes]:
        if layout not in self._layouts:
            self._layouts[layout] = self._database.read(lambda connection: layout_fields(connection, layout))
        pieces = (written[at : at + WIDTH] for at in range(0, len(written), WIDTH))
        return {name: piece for name, piece in zip(self._layouts[layout], pieces, strict=True) if piece != UNWRITTEN}


def layout_fields(connection: Connection, layout: int) -> tuple[str, ...]:
    found = connection.execute(select(t.layout.c.fields).where(t.layout.c.id == layout)).scalar_one()
    return tuple(json.loads(found))


def fold(connection: Connection, scope: int, layout: int, at: float, schema: bytes, rows: Iterable[Written]) -> None:
    """Bring outcomes into the state, in the order of their keys: neighbours share a page."""
    written, rejected = [], []
    for (key, payload, scored_at, digests), status, remote_id, rejection in sorted(rows):
        if status is Status.REJECTED:
            rejected.append((scope, key, payload + schema, rejection))
        else:
            written.append((scope, key, remote_id, payload, layout, digests, scored_at, str(status), at, None, None))
    save_tuples(connection, t.state, ("scope", "key", *_COLUMNS), written)
    save_tuples(connection, t.state, ("scope", "key", "rejected", "rejection"), rejected)


def rejection_of(outcome: Outcome) -> str | None:
    """What to say when the same row is refused again without asking: its problems, as JSON."""
    return outcome_text(outcome) if outcome.status is Status.REJECTED else None

"""What a run left open: rows that were sent, or may have been, and have no outcome.

A row may have been in several chunks; the last one it was in decides, for it went there only because its fate in
the earlier one was known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from aumconnect.errors import LedgerError
from aumconnect.outcome import Status
from aumconnect.writeback import _tables as t
from aumconnect.writeback._database import Database
from aumconnect.writeback._packing import Planned, unpack_outcomes, unpack_plan, unpack_refs

__all__ = ["open_chunks", "open_keys", "open_refs", "planned_rows"]


def open_keys(database: Database, run: str) -> list[bytes]:
    """The key digests of a run's rows whose fate is open."""
    chunks = {row.chunk: row for row in open_chunks(database, run)}
    wanted = open_refs(database, run, chunks)
    return [row.stamp.key for row in planned_rows(database, run, wanted).values()]


def open_chunks(database: Database, run: str) -> Sequence[Any]:
    in_doubt = (t.chunk.c.run == run) & (t.chunk.c.open == 1)
    return database.rows(select(t.chunk).where(in_doubt).order_by(t.chunk.c.chunk))


def open_refs(database: Database, run: str, chunks: Mapping[int, Any]) -> dict[int, int]:
    """Rows whose fate is open, and the chunk that may have written them: the last they were in."""
    latest: dict[int, int] = {}
    for number, row in chunks.items():
        latest.update(dict.fromkeys(unpack_refs(row.refs), number))
    theirs = t.settled.c.chunk.in_(list(chunks)) | t.settled.c.chunk.is_(None)
    rows = database.rows(select(t.settled.c.body).where(t.settled.c.run == run, theirs)) if chunks else []
    for each in rows:
        for ref, status, _, _ in unpack_outcomes(each.body):
            if status is not Status.UNKNOWN:
                latest.pop(ref, None)
    return {ref: number for ref, number in latest.items() if chunks[number].sent}


def planned_rows(database: Database, run: str, wanted: Mapping[int, int]) -> dict[int, Planned]:
    """The planned rows of some refs, read a chunk of the plan at a time."""
    found: dict[int, Planned] = {}
    for ref in sorted(wanted):
        if ref not in found:
            rows = _plan_chunks_with(database, run, ref)
            found.update({row.change.ref: row for row in rows if row.change.ref in wanted})
    return found


def _plan_chunks_with(database: Database, run: str, ref: int) -> list[Planned]:
    spans = (t.plan_chunk.c.run == run) & (t.plan_chunk.c.first <= ref) & (t.plan_chunk.c.last >= ref)
    rows = database.rows(select(t.plan_chunk.c.body).where(spans))
    found = [row for each in rows for row in unpack_plan(each.body)]
    if all(row.change.ref != ref for row in found):
        raise LedgerError(f"the ledger is damaged: row {ref} of run {run} is in no plan")
    return found

"""Outcomes somebody may have to look at, each as a row of its own, with the source row it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from aumconnect.outcome import NEEDS_ATTENTION, Outcome
from aumconnect.writeback import _tables as t
from aumconnect.writeback._database import Database, save
from aumconnect.writeback._packing import outcome_of, outcome_text, text_of

__all__ = ["Rejected", "read_attention", "save_attention"]

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Rejected:
    """One record somebody has to look at, with its source row where that is known."""

    outcome: Outcome
    row: Mapping[str, Any] | None


def save_attention(
    connection: Connection, run: str, outcomes: Iterable[Outcome], source_of: Callable[[int], str | None]
) -> None:
    """Keep each outcome somebody may have to look at as a row of its own, with its source row as JSON."""
    kept = [outcome for outcome in outcomes if outcome.status in NEEDS_ATTENTION or outcome.reason or outcome.warnings]
    save(
        connection,
        t.attention,
        [
            {
                "run": run,
                "ref": outcome.ref,
                "key": text_of(list(outcome.key)),
                "status": outcome.status.value,
                "outcome": outcome_text(outcome),
                "row": source_of(outcome.ref),
            }
            for outcome in kept
        ],
    )


def read_attention(database: Database, run: str, *statuses: str) -> Iterator[Rejected]:
    """The run's outcomes by row; all of them, or those of some statuses."""
    columns = (t.attention.c.ref, t.attention.c.outcome, t.attention.c.row)
    query = select(*columns).where(t.attention.c.run == run).order_by(t.attention.c.ref).limit(PAGE)
    if statuses:
        query = query.where(t.attention.c.status.in_(statuses))
    after = -1
    while rows := database.rows(query.where(t.attention.c.ref > after)):
        for row in rows:
            yield Rejected(outcome_of(json.loads(row.outcome)), json.loads(row.row) if row.row else None)
        after = rows[-1].ref

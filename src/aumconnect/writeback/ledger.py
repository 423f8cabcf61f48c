"""The ledger: what was planned, sent and written, on SQLite or PostgreSQL.

It is a `Journal` that lasts (`Ledger.journal`), and the memory that lets a second run send only what
changed (`Ledger.state`). All state belongs to a *scope*: one writeback in one account, as the system itself
names it, and one object there.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Select, Table, delete, func, select, update

from aumconnect._clock import SYSTEM_CLOCK, Clock
from aumconnect.errors import ConfigurationError
from aumconnect.outcome import Outcome
from aumconnect.writeback import _tables as t
from aumconnect.writeback._attention import Rejected, read_attention, save_attention
from aumconnect.writeback._crash import hook
from aumconnect.writeback._database import Database, bodies, database_url, keep, save
from aumconnect.writeback._journal import RunJournal
from aumconnect.writeback._lease import LIFETIME, Lease
from aumconnect.writeback._opening import open_database
from aumconnect.writeback._packing import Planned, pack_plan, text_of, unpack_outcomes, unpack_plan
from aumconnect.writeback._recovery import open_keys
from aumconnect.writeback._state import State

__all__ = ["Ledger", "Rejected", "RunRecord", "Scope"]

KEPT_RUNS = 5
"""Ended runs of a scope whose packed rows are kept; the record of a run and its rejects stay for good."""
FORGOTTEN = 24 * 3600.0
"""Seconds after which a plan nobody applied is dropped."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose state it is."""

    id: int
    writeback: str
    account: str
    object: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One plan and what was made of it. Times are epoch seconds; ``counts`` is by status.

    ``state`` is planned, running or ended. ``details`` says by whom and with what: code version, model,
    job file hash, user, host, guarantee.
    """

    id: str
    writeback: str
    account: str
    object: str
    operation: str
    state: str
    created: float
    started: float | None
    ended: float | None
    counts: Mapping[str, int]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unfinished(self) -> bool:
        return self.state == "running"

    @property
    def outcomes(self) -> Counter[str]:
        """Every row by status: those that were sent, and those that the plan ended."""
        return Counter(self.counts) + Counter(self.details.get("ended") or {})


class Ledger:
    """One database of runs and state. Close it, or use it in a ``with`` statement."""

    def __init__(self, url: str = "aumconnect.db", *, folder: Path | None = None, clock: Clock = SYSTEM_CLOCK) -> None:
        """Open or create. Raises `LedgerError` for one that cannot be trusted, `ConfigurationError` for a wrong URL."""
        self._database = Database(database_url(url, folder or Path.cwd()), clock=clock)
        self.clock = clock
        try:
            open_database(self._database)
        except BaseException:
            self._database.close()
            raise

    @property
    def where(self) -> str:
        """The file or URL, without a password."""
        url = self._database.url
        return str(url.database) if self._database.is_file else url.render_as_string(hide_password=True)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- whose state -----------------------------------------------------------------------------------

    def scope(self, writeback: str, account: str, object: str) -> Scope:
        """The scope of these three, made on first use."""
        values = {"writeback": writeback, "account": account, "object": object}
        return Scope(self._database.write(lambda c: _number(c, t.scope, values)), writeback, account, object)

    def state(self, scope: Scope) -> State:
        return State(self._database, scope.id)

    def lease(self, writeback: str, *, lifetime: float = LIFETIME) -> Lease:
        """The right to run this writeback, not yet taken."""
        return Lease(self._database, writeback, lifetime=lifetime)

    # --- plans -----------------------------------------------------------------------------------------

    def new_id(self) -> str:
        """An id for a run; later ones sort after earlier ones."""
        return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(self.clock.epoch()))}-{secrets.token_hex(3)}"

    def begin_plan(
        self, scope: Scope, run_id: str, *, operation: str, key: Sequence[str], fields: Sequence[str]
    ) -> None:
        """A new, empty plan. Plans of this scope that nobody applied within a day are dropped."""
        now = self.clock.epoch()

        def begin(connection: Connection) -> None:
            row = {
                "id": run_id,
                "scope": scope.id,
                "state": "planned",
                "created": now,
                "layout": _number(connection, t.layout, {"fields": json.dumps(list(fields))}),
                "operation": operation,
                "key": json.dumps(list(key)),
                "counts": "{}",
                "details": "{}",
                "folded": 0,
            }
            save(connection, t.run, [row])
            stale = (t.run.c.scope == scope.id) & (t.run.c.state == "planned") & (t.run.c.created < now - FORGOTTEN)
            _drop(connection, connection.execute(select(t.run.c.id).where(stale)).scalars().all(), whole=True)

        self._database.write(begin)

    def save_chunk(self, run: str, seq: int, rows: Sequence[Planned]) -> None:
        """Keep these rows as the plan's chunk ``seq``, in place of what it was; refs ascend, over chunks too."""
        this = (t.plan_chunk.c.run == run) & (t.plan_chunk.c.seq == seq)

        def write(connection: Connection) -> None:
            if not rows:
                connection.execute(delete(t.plan_chunk).where(this))
                return
            first, last = rows[0].change.ref, rows[-1].change.ref
            row = {"run": run, "seq": seq, "first": first, "last": last, "rows": len(rows), "body": pack_plan(rows)}
            save(connection, t.plan_chunk, [row])

        hook("plan", "before")
        self._database.write(write)
        hook("plan", "after")

    def chunks(self, run: str) -> Iterator[tuple[int, list[Planned]]]:
        """A plan's chunks in order, read one at a time."""
        yield from ((seq, unpack_plan(body)) for seq, body in bodies(self._database, t.plan_chunk, run))

    def planned(self, run: str) -> Iterator[Planned]:
        """A plan's rows in order."""
        for _, rows in self.chunks(run):
            yield from rows

    def note(self, run: str, outcomes: Iterable[Outcome], rows: Mapping[int, str]) -> None:
        """Keep outcomes known before anything is sent (rejected, skipped), with their source rows as JSON, by ref."""
        found = list(outcomes)
        self._database.write(lambda connection: save_attention(connection, run, found, rows.get))

    def end_plan(self, run: str, counts: Mapping[str, int], details: Mapping[str, Any]) -> None:
        values = {"counts": json.dumps(dict(counts)), "details": text_of(details)}
        self._database.write(lambda c: c.execute(update(t.run).where(t.run.c.id == run).values(**values)))

    def drop(self, run: str) -> None:
        """Forget a plan nobody applied; a run that was begun stays."""
        if self.is_planned(run):
            self._database.write(lambda connection: _drop(connection, [run], whole=True))

    def is_planned(self, run: str) -> bool:
        """Whether this plan is still there and was not begun."""
        return self._database.row(select(t.run.c.id).where(t.run.c.id == run, t.run.c.state == "planned")) is not None

    # --- runs ------------------------------------------------------------------------------------------

    def start(self, lease: Lease, run: str) -> None:
        """A plan begins to be applied; its lease is held."""

        def begin(connection: Connection) -> None:
            lease.fence(connection, run=run)
            values = {"state": "running", "started": self.clock.epoch()}
            connection.execute(update(t.run).where(t.run.c.id == run).values(**values))

        self._database.write(begin)

    def journal(self, lease: Lease, run: str, *, schema_digest: bytes = b"") -> RunJournal:
        return RunJournal(self._database, lease, run, schema_digest=schema_digest)

    def run(self, run: str) -> RunRecord:
        found = self._database.row(_runs().where(t.run.c.id == run))
        if found is None:
            raise ConfigurationError(f"the ledger knows no run {run!r}", hint="aumconnect runs lists them")
        return _record(found)

    def runs(self, writeback: str | None = None, *, most: int = 100, planned: bool = False) -> list[RunRecord]:
        """The latest runs, newest first; plans nobody applied only when asked for."""
        query = _runs().order_by(t.run.c.created.desc(), t.run.c.id.desc()).limit(most)
        if writeback is not None:
            query = query.where(t.scope.c.writeback == writeback)
        if not planned:
            query = query.where(t.run.c.state != "planned")
        return [_record(row) for row in self._database.rows(query)]

    def unfinished(self, scope: Scope) -> list[RunRecord]:
        """Runs that died, or ended with rows in doubt, oldest first."""
        in_doubt = select(t.chunk.c.run).where((t.chunk.c.open == 1) & (t.chunk.c.sent == 1))
        these = (t.run.c.scope == scope.id) & ((t.run.c.state == "running") | t.run.c.id.in_(in_doubt))
        return [_record(row) for row in self._database.rows(_runs().where(these).order_by(t.run.c.created, t.run.c.id))]

    def last_write(self, scope: Scope) -> str:
        """What changes whenever this scope's state does: a plan made before is stale."""
        these = (t.run.c.scope == scope.id) & (t.run.c.state != "planned")
        query = select(func.count(), func.sum(t.run.c.folded)).where(these)
        return "/".join(map(str, self._database.row(query)))

    def attention(self, run: str, *statuses: str) -> Iterator[Rejected]:
        """The run's outcomes that somebody may have to look at, by row; all of them, or those of some statuses."""
        return read_attention(self._database, run, *statuses)

    def outcomes(self, run: str) -> Iterator[tuple[int, str, str | None]]:
        """(ref, status, remote id) of every row the run sent, in the order they became known."""
        for _, body in bodies(self._database, t.settled, run):
            yield from ((ref, status.value, remote_id) for ref, status, remote_id, _ in unpack_outcomes(body))

    def in_doubt(self, scope: Scope) -> dict[bytes, str]:
        """The keys (digests) of rows whose fate is open, and the run that sent them."""
        found: dict[bytes, str] = {}
        for record in self.unfinished(scope):
            found.update(dict.fromkeys(open_keys(self._database, record.id), record.id))
        return found

    def prune(self, scope: Scope, keep: int = KEPT_RUNS) -> None:
        """Drop the packed rows of all but the latest ended runs."""
        ended = (t.run.c.scope == scope.id) & (t.run.c.state == "ended")
        in_doubt = select(t.chunk.c.run).where(t.chunk.c.open == 1)
        old = (
            select(t.run.c.id).where(ended & t.run.c.id.not_in(in_doubt)).order_by(t.run.c.created.desc()).offset(keep)
        )
        if self._database.is_file:
            old = old.limit(-1)
        self._database.write(lambda connection: _drop(connection, connection.execute(old).scalars().all(), whole=False))


def _number(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """The id of the row with these values, made if it is not there."""
    keep(connection, table, values)
    same = [table.c[name] == value for name, value in values.items()]
    return int(connection.execute(select(table.c.id).where(*same)).scalar_one())


def _runs() -> Select[*tuple[Any, ...]]:
    columns = (t.run, t.scope.c.writeback, t.scope.c.account, t.scope.c.object)
    return select(*columns).join(t.scope, t.scope.c.id == t.run.c.scope)


def _record(row: Any) -> RunRecord:
    return RunRecord(
        row.id,
        row.writeback,
        row.account,
        row.object,
        row.operation,
        row.state,
        row.created,
        row.started,
        row.ended,
        json.loads(row.counts),
        json.loads(row.details),
    )


def _drop(connection: Connection, runs: Sequence[str], *, whole: bool) -> None:
    if not runs:
        return
    for table in (t.plan_chunk, t.chunk, t.settled, *((t.attention,) if whole else ())):
        connection.execute(delete(table).where(table.c.run.in_(runs)))
    if whole:
        connection.execute(delete(t.run).where(t.run.c.id.in_(runs)))

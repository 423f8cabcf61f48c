"""Applying a plan: settle what an earlier run left in doubt, then let the engine carry the plan out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aumconnect._pumps import Row
from aumconnect.client import Client
from aumconnect.connector import Guarantee, Operation
from aumconnect.engine import Engine
from aumconnect.errors import LedgerError
from aumconnect.events import Hook
from aumconnect.journal import Outcomes, Recovered
from aumconnect.outcome import Outcome, Status
from aumconnect.report import Report
from aumconnect.writeback._crash import around_sends, hook
from aumconnect.writeback._fingerprint import Fingerprints
from aumconnect.writeback._journal import RunJournal
from aumconnect.writeback._lease import Lease
from aumconnect.writeback._packing import CONFIRM, Planned
from aumconnect.writeback._planning import Prepared
from aumconnect.writeback.diff import Differ
from aumconnect.writeback.ledger import RunRecord

__all__ = ["Selection", "carry_out", "settle"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of a plan are sent: at most ``limit``, only those with one of these keys, as text."""

    limit: int | None = None
    only: Collection[str] | None = None

    def rows(self, planned: Iterator[Planned]) -> Iterator[Planned]:
        chosen = (row for row in planned if self._is_meant(row))
        sent = 0
        for row in chosen:
            sent += row.action != CONFIRM
            if self.limit is not None and sent > self.limit:
                return
            yield row

    def _is_meant(self, row: Planned) -> bool:
        return self.only is None or ", ".join(map(str, row.change.key or (row.change.id,))) in self.only


def settle(prepared: Prepared, lease: Lease, record: RunRecord, on_event: Hook | None = None) -> str | None:
    """Find out what became of a run's rows in doubt, and close it. Returns what to tell of it, if anything."""
    hook("reconcile", "before")
    ledger, client = prepared.ledger, prepared.client
    journal = ledger.journal(lease, record.id, schema_digest=prepared.schema_digest)
    recovered = journal.recovered(prepared.job.object, prepared.schema)
    found: list[Outcome] = []
    in_doubt = [rest for each in recovered if (rest := _read_back(prepared, journal, each, found)).batch.changes]
    if in_doubt:
        engine = client.engine(
            record.object,
            Operation(record.operation),
            in_doubt[0].batch.key,
            prepared.schema,
            run_token=f"{record.id}.{lease.epoch}",
            unresolved=in_doubt,
            first_chunk=journal.next_chunk,
            settings=_settings(prepared),
            **_hooked(client, on_event),
        )
        client.carry(engine, (), journal=journal, fence=_fence(lease), on_outcomes=found.extend)
    journal.end({}, dict(record.details))
    hook("reconcile", "after")
    return _told(record, found) if recovered else None


def _read_back(prepared: Prepared, journal: RunJournal, doubt: Recovered, found: list[Outcome]) -> Recovered:
    """Spare what a look shows to be written already; returns the rest.

    What may safely be sent twice need not be, and may set off rules and mails in the system a second time. What
    may not is left to the engine, which waits until the system can have nothing of it left to carry out.
    """
    batch, reading = doubt.batch, prepared.reading
    guarantee = prepared.client.connector.guarantee(batch.operation, batch.key, prepared.schema)
    writes_values = batch.operation in (Operation.UPDATE, Operation.UPSERT)
    if doubt.checkpoint is not None or not writes_values or guarantee not in (Guarantee.IDEMPOTENT, Guarantee.KEYED):
        return doubt
    prints = Fingerprints(batch.object, prepared.prints.key, reading.fields, prepared.schema)
    differ, records = Differ(batch.operation, prints), reading.read(prepared.client.run, batch.changes)
    looked = {change.ref: differ.read(change, records.get(change.ref, ()), None) for change in batch.changes}
    status = Status.UPSERTED if batch.operation is Operation.UPSERT else Status.UPDATED
    written = [
        Outcome(change.ref, status, looked[change.ref].id, change.key)
        for change in batch.changes
        if looked[change.ref].action == CONFIRM
    ]
    if written:
        journal.commit([Outcomes(doubt.chunk, written, prepared.ledger.clock.epoch())])
        found.extend(written)
    done = {outcome.ref for outcome in written}
    rest = tuple(change for change in batch.changes if change.ref not in done)
    return replace(doubt, batch=replace(batch, changes=rest))


def _told(record: RunRecord, outcomes: Sequence[Outcome]) -> str:
    report = Report()
    report.add(outcomes)
    return f"settled what run {record.id} had left in doubt: {report.summary()}"


def carry_out(
    prepared: Prepared,
    lease: Lease,
    run: str,
    selection: Selection,
    report: Report,
    *,
    details: Mapping[str, Any],
    on_event: Hook | None = None,
) -> Engine:
    """Send a plan's rows. The report and the ledger are complete also when this ends with an interrupt."""
    ledger, client, writing = prepared.ledger, prepared.client, prepared.writing
    journal = ledger.journal(lease, run, schema_digest=prepared.schema_digest)
    ledger.start(lease, run)
    engine = client.engine(
        prepared.job.object,
        prepared.job.operation,
        writing.key,
        writing.schema,
        run_token=run,
        settings=_settings(prepared),
        **_hooked(client, on_event),
    )
    try:
        client.carry(
            engine,
            _source(prepared, journal, run, selection),
            journal=journal,
            fence=_fence(lease),
            on_outcomes=report.add,
        )
    finally:
        _end(engine, journal, report, details)
    return engine


def _source(prepared: Prepared, journal: RunJournal, run: str, selection: Selection) -> Iterator[Row]:
    return journal.source(selection.rows(prepared.ledger.planned(run)))


def _end(engine: Engine, journal: RunJournal, report: Report, details: Mapping[str, Any]) -> None:
    report.stopped = engine.halted
    report.resume_at = engine.resume_at
    if isinstance(engine.halted, LedgerError):
        return  # whoever has the lease now closes this run
    ended = {"stopped": str(engine.halted)} if engine.halted else {}
    journal.end({}, {**details, **ended})


def _hooked(client: Client, on_event: Hook | None) -> dict[str, Any]:
    return {"around": around_sends(client.around), "on_event": on_event or client.on_event}


def _settings(prepared: Prepared) -> Any:
    job = prepared.job
    rate = job.error_rate if isinstance(job.error_rate, float) else None
    return replace(
        prepared.client.settings,
        allow_duplicates=job.allow_duplicates,
        error_rate=rate,
        bulk_rows=job.bulk_rows,
        drain=False,
    )


def _fence(lease: Lease) -> Callable[[], None]:
    def check() -> None:
        lease.check()
        hook("send", "before")

    return check

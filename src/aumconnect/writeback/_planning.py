"""Making a plan: stage the source, decide what is worth reading, compare, hold the guards against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from aumconnect._mapping.mapper import Mapper
from aumconnect._mapping.preflight import Finding, preflight
from aumconnect._writing import Writing
from aumconnect.client import Client
from aumconnect.connector import Account, Describes, Operation
from aumconnect.errors import LedgerError
from aumconnect.outcome import Status
from aumconnect.schema import ObjectSchema
from aumconnect.sources import Rows
from aumconnect.writeback._comparing import Compared, Comparison, Reading
from aumconnect.writeback._fingerprint import WIDTH, Fingerprints
from aumconnect.writeback._quota import QuotaSeen
from aumconnect.writeback._staging import Rules, Staged, Staging
from aumconnect.writeback.diff import Differ
from aumconnect.writeback.guard import GuardResult, evaluate, only_counts
from aumconnect.writeback.jobfile import Job
from aumconnect.writeback.ledger import Ledger, Scope
from aumconnect.writeback.plan import Summary

__all__ = ["Options", "Planned", "Prepared", "make_plan", "prepare"]

MOST_READS = 1000
"""Requests up to which rows the ledger knows nothing of are read before they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a plan is asked for. ``again`` and ``before`` are for rows sent a second time after a rejection."""

    full: bool = False
    diff: str | None = None
    again: bool = False
    before: float = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that is the same for planning and applying one writeback."""

    job: Job
    client: Client
    ledger: Ledger
    account: Account
    scope: Scope
    writing: Writing
    prints: Fingerprints
    findings: tuple[Finding, ...]

    @property
    def schema(self) -> ObjectSchema | None:
        return self.writing.schema

    @property
    def reading(self) -> Reading:
        """How the object's records are read, in the fields we write."""
        fields = tuple(dict.fromkeys(self.writing.mapper.fields))
        return Reading(self.client.connector, self.job.object, self.writing.key, fields, self.schema)

    @property
    def schema_digest(self) -> bytes:
        """Changes when a field we write changes its rules: then a refused row may be worth another try."""
        known = self.schema.fields if self.schema else {}
        rules = [repr(known.get(name)) for name in sorted({*self.prints.key, *self.writing.mapper.fields})]
        return blake2b("\n".join(rules).encode(), digest_size=WIDTH).digest()


@dataclass(frozen=True, slots=True)
class Planned:
    """What `make_plan` found out."""

    summary: Summary
    guards: list[GuardResult]
    base: str
    unchanged: int
    to_send: int


def prepare(job: Job, client: Client, ledger: Ledger, source: Rows, run: str) -> Prepared:
    """Log in, learn who we are and what the object looks like. `ConfigurationError` names all problems at once."""
    account = client.check()
    schema = client.describe(job.object) if isinstance(client.connector, Describes) else None
    started = datetime.fromtimestamp(ledger.clock.epoch(), UTC)
    unbound = Writing(job.operation, Mapper(job.mapping, run_id=run, started_at=started), source, run)
    findings = preflight(unbound.mapper, job.operation, schema) if schema else []
    writing = unbound.checked(schema)
    scope = ledger.scope(job.name, account.identity, job.object)
    prints = Fingerprints(job.object, job.mapping.key, _compared(job, writing.mapper), schema)
    return Prepared(
        job=job,
        client=client,
        ledger=ledger,
        account=account,
        scope=scope,
        writing=writing,
        prints=prints,
        findings=tuple(findings),
    )


def _compared(job: Job, mapper: Mapper) -> tuple[str, ...]:
    """Fields whose change is worth a write. Stamps and times of scoring go along with one, but are none."""
    beside = {*job.mapping.stamps, mapper.newer_field, *job.mapping.key}
    return tuple(name for name in mapper.fields if name not in beside)


def make_plan(prepared: Prepared, run: str, options: Options) -> Planned:
    """Fill the plan ``run`` in the ledger."""
    job, ledger, writing = prepared.job, prepared.ledger, prepared.writing
    ledger.begin_plan(
        prepared.scope, run, operation=job.operation.value, key=writing.key, fields=prepared.prints.fields
    )
    base = ledger.last_write(prepared.scope)
    state = None if options.full else ledger.state(prepared.scope)
    if job.require_history and state is not None and state.empty:
        raise LedgerError(
            f"the ledger knows nothing of {job.name!r} in {prepared.account.identity}, and require_history is set",
            hint=f"bring back the ledger ({ledger.where}); for a first run, plan with --full",
        )
    mode = options.diff or job.diff
    reading = prepared.reading
    rules = _rules(prepared, options, mode, reading)
    staging = Staging(ledger, run, writing.mapper, prepared.prints, state, rules, ledger.in_doubt(prepared.scope))
    staged = staging.read(writing.source)
    comparison = _comparison(prepared, run, state, reading, staged)
    quota = QuotaSeen(prepared.client.connector)
    compared = comparison.compare(
        lambda exchange: prepared.client.run(quota.around(exchange)), prepared.client.connector.capabilities.parallel
    )
    if quota.is_told and quota.latest is None:
        prepared.client.run(quota.around(prepared.client.connector.check()))
    planned = _planned(prepared, options, staged, compared, base, quota.latest)
    ledger.end_plan(run, planned.summary.actions, {"total": staged.total})
    return planned


def _rules(prepared: Prepared, options: Options, mode: str, reading: Reading) -> Rules:
    job = prepared.job
    keep_same: float = {"remote": float("inf"), "auto": job.cheap_reads * reading.rows_a_request}.get(mode, 0)
    compares_same = reading.rows_a_request and job.operation in (Operation.UPDATE, Operation.UPSERT)
    return Rules(
        operation=job.operation,
        schema_digest=prepared.schema_digest,
        by_id=not prepared.writing.key and job.operation is not Operation.INSERT,
        keep_same=keep_same if compares_same else 0,
        sample=job.sample if mode == "sample" and compares_same else 0,
        chunk_rows=max(1000, min(reading.rows_a_request, 5000)),
        again=options.again,
        before=options.before,
    )


def _comparison(prepared: Prepared, run: str, state: Any, reading: Reading, staged: Staged) -> Comparison:
    job = prepared.job
    differ = Differ(
        job.operation,
        prepared.prints,
        newer_field=prepared.writing.mapper.newer_field,
        on_human_edit=job.on_human_edit,
    )
    read_new = 0 < reading.requests(0, staged.candidates) <= MOST_READS
    return Comparison(
        prepared.ledger,
        run,
        differ,
        reading,
        None if state is None or state.empty else state,
        read_same=staged.same,
        read_new=read_new,
    )


def _planned(
    prepared: Prepared,
    options: Options,
    staged: Staged,
    compared: Compared,
    base: str,
    quota: tuple[int, int] | None,
) -> Planned:
    unchanged = staged.unchanged - compared.moved
    actions = Counter(compared.actions)
    confirmed = actions.pop("confirm", 0)
    actions["unchanged"] = unchanged + confirmed
    to_send = sum(actions[name] for name in ("create", "update", "upsert", "delete"))
    counts = Counter(compared.guarded)
    counts["rejected"] += staged.outcomes[Status.REJECTED]
    limits = only_counts(prepared.job.guards) if options.again else prepared.job.guards
    guards = evaluate(limits, counts, compared.unsure, staged.total)
    summary = _summary(prepared, staged, compared, actions, to_send, quota)
    return Planned(summary, guards, base, unchanged, to_send)


def _compared_with(staged: Staged, compared: Compared) -> str:
    if compared.reads == 0:
        return "the ledger only"
    if compared.reads >= staged.total - sum(staged.outcomes.values()):
        return f"the system: every row ({compared.reads:,} read)"
    return f"the ledger; {compared.reads:,} rows were read from the system"


def _summary(
    prepared: Prepared,
    staged: Staged,
    compared: Compared,
    actions: Mapping[str, int],
    to_send: int,
    quota: tuple[int, int] | None,
) -> Summary:
    job, connector = prepared.job, prepared.client.connector
    return Summary(
        quota=quota,
        total=staged.total,
        actions=actions,
        ended=staged.outcomes + compared.outcomes,
        reasons=staged.reasons + compared.reasons,
        fields=compared.fields,
        cleared=compared.cleared,
        edited=compared.edited,
        compared_with=_compared_with(staged, compared),
        reads=compared.reads,
        requests=-(-to_send // connector.capabilities.batch_rows),
        guarantee=connector.guarantee(job.operation, prepared.writing.key, prepared.schema),
        settle_time=connector.capabilities.settle_time,
        validator=prepared.writing.mapper.path,
        side_effects=dict(getattr(connector, "side_effects", {})),
        findings=prepared.findings,
        notes=_notes(prepared, compared),
    )


def _notes(prepared: Prepared, compared: Compared) -> Sequence[str]:
    notes = list(prepared.writing.notes())
    if prepared.job.on_human_edit == "report":
        notes += [f"{count:,} × {name} was changed by a person since" for name, count in compared.edited.items()]
    if compared.unread:
        notes.append(f"{compared.unread:,} rows could not be compared with what they would overwrite")
    return notes

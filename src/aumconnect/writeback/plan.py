"""A plan: what applying would do, before anything is done. Its changes lie in the ledger, not in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from aumconnect._mapping.preflight import Finding
from aumconnect.connector import Account, Guarantee
from aumconnect.events import Hook
from aumconnect.outcome import Outcome, Status
from aumconnect.report import Report
from aumconnect.schema import CLEAR
from aumconnect.writeback._fingerprint import Fingerprints
from aumconnect.writeback._packing import CONFIRM, Planned
from aumconnect.writeback.guard import GuardResult

if TYPE_CHECKING:
    from aumconnect.writeback.jobfile import Job
    from aumconnect.writeback.ledger import Ledger

__all__ = ["FieldChange", "Plan", "PlannedChange", "Summary"]

Applies = Callable[..., Report]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value that would give way to another. ``old`` is None where it was empty or not read."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One row that would be sent: its number in the source, its key, and its values, old and new."""

    ref: int
    key: tuple[Any, ...]
    action: str
    id: str | None
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is known of a plan besides its rows. ``actions`` and ``fields`` count rows."""

    total: int
    actions: Mapping[str, int]
    ended: Mapping[Status, int]
    reasons: Mapping[str, int]
    fields: Mapping[str, int]
    cleared: Mapping[str, int]
    edited: Mapping[str, int]
    compared_with: str
    """How unchanged rows were found, in words."""
    reads: int
    requests: int
    """Mutating requests that applying takes, at least."""
    quota: tuple[int, int] | None
    """(used, allowed) requests of the account, where it says so."""
    guarantee: Guarantee
    settle_time: float
    validator: str
    side_effects: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    notes: Sequence[str] = ()


class Plan:
    """What one writeback would do now. Look at it (`counts`, `sample`, `print`), then `apply` it.

    A plan is about one account at one moment: applied after another run wrote, it is made anew.
    """

    def __init__(
        self,
        job: Job,
        run: str,
        account: Account,
        summary: Summary,
        guards: Sequence[GuardResult],
        *,
        ledger: Ledger,
        prints: Fingerprints,
        applies: Applies,
    ) -> None:
        self.job = job
        self.run = run
        self.account = account
        self.summary = summary
        self.guards = tuple(guards)
        self.report: Report | None = None
        """What applying it has done, also when that ended with an interrupt."""
        self._ledger = ledger
        self._prints = prints
        self._applies = applies

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what would become of them: create, update, upsert, delete, unchanged, skipped, rejected, unknown."""
        found = {name: count for name, count in self.summary.actions.items() if count}
        found |= {status.value: count for status, count in self.summary.ended.items() if count}
        return found

    @property
    def changes(self) -> int:
        """Rows that would be sent."""
        return sum(self.summary.actions.get(action, 0) for action in ("create", "update", "upsert", "delete"))

    @property
    def findings(self) -> Sequence[Finding]:
        """What is worth knowing of the mapping; errors would have stopped the plan."""
        return self.summary.findings

    @property
    def tripped(self) -> list[GuardResult]:
        """Guards that stop this plan unless they are overridden by name."""
        return [guard for guard in self.guards if guard.tripped]

    def rows(self) -> Iterator[PlannedChange]:
        """Every row that would be sent, streamed from the ledger."""
        return (self._shown(row) for row in self._ledger.planned(self.run) if row.action != CONFIRM)

    def _shown(self, row: Planned) -> PlannedChange:
        before, same = row.before or {}, self._prints.canonical
        fields = tuple(
            FieldChange(name, before.get(name), value)
            for name, value in row.change.values.items()
            if same(name, before.get(name)) != same(name, value)
        )
        return PlannedChange(row.change.ref, row.change.key, row.action, row.change.id, fields)

    def sample(self, most: int = 10) -> list[PlannedChange]:
        """The first rows that would be sent."""
        return [row for row, _ in zip(self.rows(), range(most), strict=False)]

    def ended(self) -> Iterator[Outcome]:
        """Rows that will not be sent, and why: rejected, skipped, in doubt."""
        return (found.outcome for found in self._ledger.attention(self.run))

    def apply(
        self,
        *,
        limit: int | None = None,
        only: Collection[str] | None = None,
        override_guards: Collection[str] = (),
        on_event: Hook | None = None,
        wait: bool = False,
    ) -> Report:
        """Carry the plan out, after settling what an earlier run left in doubt.

        ``limit`` sends at most so many rows, ``only`` those with these keys. ``wait`` goes on after a pause
        that the system asked for, instead of ending with ``report.resume_at``. Raises `GuardTripped` unless
        ``override_guards`` names every guard that is exceeded, `LedgerError` when another run holds the
        writeback. Ctrl-C and SIGTERM finish what is in flight, then pass; ``plan.report`` has the account.
        """
        return self._applies(
            self, limit=limit, only=only, override_guards=override_guards, on_event=on_event, wait=wait
        )

    def discard(self) -> None:
        """Forget a plan that will not be applied."""
        self._ledger.drop(self.run)

    # --- showing ---------------------------------------------------------------------------------------

    def headline(self) -> str:
        """``churn → Contact (salesforce:00D…): 1,204 update · 96 unchanged · 3 rejected``"""
        parts = [f"{count:,} {name}" for name, count in self.counts.items()]
        name = f" {self.account.name}" if self.account.name else ""
        where = f"{self.job.name} → {self.job.object} ({self.account.identity}{name})"
        return f"{where}: {' · '.join(parts) or 'no rows'}"

    def lines(self) -> list[str]:
        """The plan in words, the most important first."""
        summary = self.summary
        found = [self.headline()]
        found += [f"STOPPED by guard {guard}" for guard in self.tripped]
        found += [f"{count:,} × {name} would change" for name, count in _most(summary.fields)]
        found += [f"{count:,} × {name} would be cleared" for name, count in _most(summary.cleared)]
        found += [f"{count:,} × {name} was changed by a person since" for name, count in _most(summary.edited)]
        found += [f"{count:,} × {reason}" for reason, count in _most(summary.reasons)]
        found += [
            f"{f.severity}: {f.field}: {f.message}" + (f" ({f.hint})" if f.hint else "") for f in summary.findings
        ]
        found.append(f"compared with {summary.compared_with}")
        cost = f"{summary.requests:,} requests or more" if summary.requests else "no request"
        found.append(f"applying takes {cost}{_allowance(summary.quota)}")
        found.append(f"guarantee: {summary.guarantee.value}; settle time {summary.settle_time:.0f} s")
        found += [f"{name}: {value}" for name, value in summary.side_effects.items()]
        return [*found, *summary.notes]

    def __str__(self) -> str:
        first, *rest = self.lines()
        return "\n".join([first, *(f"  {line}" for line in rest)])

    def __repr__(self) -> str:
        return f"<Plan {self.headline()}>"

    def _repr_html_(self) -> str:
        first, *rest = self.lines()
        rows = "".join(
            f"<tr><td>{row.ref}</td><td>{escape(_key(row.key))}</td><td>{row.action}</td><td>{escape(change.field)}</td>"
            f"<td>{escape(_value(change.old))}</td><td>{escape(_value(change.new))}</td></tr>"
            for row in self.sample()
            for change in row.fields
        )
        head = "<tr><th>row</th><th>key</th><th>action</th><th>field</th><th>old</th><th>new</th></tr>"
        notes = "".join(f"<li>{escape(line)}</li>" for line in rest)
        return f"<p><b>{escape(first)}</b></p><ul>{notes}</ul>{f'<table>{head}{rows}</table>' if rows else ''}"

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values, with a sample of its rows."""
        summary = self.summary
        return {
            "writeback": self.job.name,
            "object": self.job.object,
            "operation": self.job.operation.value,
            "account": {"identity": self.account.identity, "name": self.account.name, "sandbox": self.account.sandbox},
            "run": self.run,
            "total": summary.total,
            "counts": self.counts,
            "fields": dict(summary.fields),
            "cleared": dict(summary.cleared),
            "edited": dict(summary.edited),
            "reasons": dict(summary.reasons),
            "guards": [_guard(guard) for guard in self.guards],
            "findings": [{"severity": f.severity, "field": f.field, "message": f.message} for f in summary.findings],
            "compared_with": summary.compared_with,
            "reads": summary.reads,
            "requests": summary.requests,
            "quota": list(summary.quota) if summary.quota else None,
            "guarantee": summary.guarantee.value,
            "settle_time": summary.settle_time,
            "validator": summary.validator,
            "side_effects": dict(summary.side_effects),
            "notes": list(summary.notes),
            "sample": [_row(row) for row in self.sample()],
        }


def _most(counts: Mapping[str, int], most: int = 10) -> list[tuple[str, int]]:
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda item: -item[1])[:most]


def _allowance(quota: tuple[int, int] | None) -> str:
    return f"; the account has used {quota[0]:,} of {quota[1]:,}" if quota else ""


def _key(key: tuple[Any, ...]) -> str:
    return ", ".join(map(str, key))


def _value(value: Any) -> str:
    return "(empty)" if value is None or value is CLEAR else str(value)


def _guard(guard: GuardResult) -> dict[str, Any]:
    return {
        "name": guard.name,
        "count": guard.count,
        "total": guard.total,
        "limit": guard.limit.limit,
        "tripped": guard.tripped,
    }


def _row(row: PlannedChange) -> dict[str, Any]:
    fields = {change.field: {"old": _plain(change.old), "new": _plain(change.new)} for change in row.fields}
    return {
        "row": row.ref,
        "key": [_plain(part) for part in row.key],
        "action": row.action,
        "id": row.id,
        "fields": fields,
    }


def _plain(value: Any) -> Any:
    if value is CLEAR:
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)

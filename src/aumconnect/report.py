"""What a run did: counts, everything that needs attention, and every outcome for those who ask."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from aumconnect.errors import ErrorClass, RecordsFailed
from aumconnect.outcome import NEEDS_ATTENTION, Outcome, Problem, Status
from aumconnect.wire import Spool

__all__ = ["Reason", "Report"]

KEPT = 1000
"""How many outcomes that need attention a report holds in memory; the rest wait in its spool."""

PLAIN = 3
"""How many items the spooled form of an outcome has when there is nothing to say about it."""

_ORDER = tuple(Status)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why records did not make it, and how many: the code, the system's own words, one example."""

    count: int
    status: Status
    code: str
    message: str
    field: str | None = None
    example: Outcome | None = None


class Report:
    """The account of one run. Every record is counted exactly once.

    ``print(report)`` gives one line of counts and the main reasons; ``report.attention`` the first
    outcomes that need a person; iterate ``report.outcomes()`` for all of them, streamed from disk.
    """

    def __init__(self) -> None:
        self.counts: Counter[Status] = Counter()
        self.attention: list[Outcome] = []
        self.warnings: Counter[str] = Counter()
        self.notes: list[str] = []
        self.stopped: Exception | None = None
        """Why the run ended early: an `AumconnectError`, or None."""
        self.resume_at: float | None = None
        """Epoch seconds before which going on makes no sense (a quota, a long Retry-After)."""
        self._reasons: dict[tuple[Status, str, str, str | None], list[Any]] = {}
        self._spool = Spool()

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count outcomes; called once for each record."""
        found = list(outcomes)
        self.counts.update([outcome.status for outcome in found])
        packed = [_packed(outcome) for outcome in found]
        for outcome, form in zip(found, packed, strict=True):
            if len(form) > PLAIN:
                self._note(outcome)
        if packed:
            self._spool.write(json.dumps(packed, default=str).encode() + b"\n")

    def _note(self, outcome: Outcome) -> None:
        for warning in outcome.warnings:
            self.warnings[f"{warning.code}: {warning.message}"] += 1
        if outcome.status in NEEDS_ATTENTION and len(self.attention) < KEPT:
            self.attention.append(outcome)
        first = outcome.problems[0] if outcome.problems else None
        if first is None and not outcome.reason:
            return
        code, message, field = (first.code, first.message, first.field) if first else ("", outcome.reason or "", None)
        if len(self._reasons) >= KEPT:
            message = ""  # messages that name each record must not fill the memory
        found = self._reasons.setdefault((outcome.status, code, message, field), [0, outcome])
        found[0] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def ok(self) -> bool:
        """Nothing was rejected, failed or left unknown, and the run went to its end."""
        return self.stopped is None and not any(self.counts[status] for status in NEEDS_ATTENTION)

    @property
    def exit_code(self) -> int:
        """0 all written, 1 some rejected or failed, 3 stopped by credentials or a guard, 75 to be continued."""
        if self.resume_at is not None:
            return 75
        if self.stopped is not None:
            return int(getattr(self.stopped, "exit_code", 1))
        if self.counts[Status.UNKNOWN]:
            return 75
        return 0 if self.ok else 1

    def reasons(self, most: int | None = None) -> list[Reason]:
        """Why records were not written, the most frequent first."""
        found = [
            Reason(count, status, code, message, field, example)
            for (status, code, message, field), (count, example) in self._reasons.items()
        ]
        found.sort(key=lambda reason: (-reason.count, reason.code, reason.message))
        return found[:most]

    def outcomes(self) -> Iterator[Outcome]:
        """Every outcome, in the order they became known. Keys come back as text."""
        rest = b""
        for chunk in self._spool.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield from map(_unpacked, json.loads(line))

    def raise_for_errors(self) -> None:
        """Raise `RecordsFailed` when any record was rejected, failed or is unknown, or what stopped the run."""
        if self.stopped is not None:
            raise self.stopped
        if not self.ok:
            lines = [_said(reason) for reason in self.reasons(5) if reason.status in NEEDS_ATTENTION]
            raise RecordsFailed("\n  ".join([self.summary(), *lines]))

    def summary(self) -> str:
        """``4,112 updated · 37 unchanged · 2 rejected``"""
        parts = [f"{self.counts[status]:,} {status.value}" for status in _ORDER if self.counts[status]]
        return " · ".join(parts) or "nothing to do"

    def __str__(self) -> str:
        lines = [self.summary(), *(f"  {_said(reason)}" for reason in self.reasons(5))]
        lines += [f"  {count:,} × warning {text}" for text, count in self.warnings.most_common(5)]
        lines += [f"  {note}" for note in self.notes]
        if self.stopped is not None:
            lines.append(f"  stopped: {self.stopped}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report {self.summary()}>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{status.value}</th>" for status in _ORDER if self.counts[status])
        body = "".join(f"<td>{self.counts[status]:,}</td>" for status in _ORDER if self.counts[status])
        rows = "".join(
            f"<tr><td>{reason.count:,}</td><td>{reason.status.value}</td><td>{escape(reason.code)}</td>"
            f"<td>{escape(reason.field or '')}</td><td>{escape(reason.message)}</td></tr>"
            for reason in self.reasons(20)
        )
        why = (
            f"<table><tr><th>records</th><th>outcome</th><th>code</th><th>field</th><th>reason</th></tr>{rows}</table>"
        )
        return f"<table><tr>{head}</tr><tr>{body}</tr></table>{why if rows else ''}"

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values; outcomes apart from those that need attention are left out."""
        return {
            "counts": {status.value: count for status, count in sorted(self.counts.items())},
            "total": self.total,
            "exit_code": self.exit_code,
            "reasons": [
                {"count": r.count, "outcome": r.status.value, "code": r.code, "field": r.field, "message": r.message}
                for r in self.reasons(100)
            ],
            "warnings": dict(self.warnings.most_common(100)),
            "notes": self.notes,
            "stopped": str(self.stopped) if self.stopped else None,
            "resume_at": self.resume_at,
        }


def _said(reason: Reason) -> str:
    where = f" {reason.field}" if reason.field else ""
    what = ": ".join(part for part in (reason.code + where, reason.message) if part.strip())
    example = reason.example
    key = ", ".join(str(part) for part in example.key) if example and example.key else None
    which = f" (e.g. row {example.ref}{f', key {key}' if key else ''})" if example else ""
    return f"{reason.count:,} × {reason.status.value} {what.strip()}{which}"


def _packed(outcome: Outcome) -> list[Any]:
    plain = [outcome.ref, outcome.status, outcome.id]
    if not (outcome.problems or outcome.reason or outcome.warnings):
        return plain
    told = ([asdict(problem) for problem in group] for group in (outcome.problems, outcome.warnings))
    return [*plain, outcome.key, *told, outcome.reason, outcome.twins]


def _problems(found: Sequence[dict[str, Any]]) -> tuple[Problem, ...]:
    return tuple(Problem(p["code"], p["message"], p["field"], ErrorClass(p["error_class"])) for p in found)


def _unpacked(found: list[Any]) -> Outcome:
    ref, status, remote_id, *told = found
    if not told:
        return Outcome(ref, Status(status), remote_id)
    key, problems, warnings, reason, twins = told
    return Outcome(
        ref, Status(status), remote_id, tuple(key), _problems(problems), _problems(warnings), reason, tuple(twins)
    )

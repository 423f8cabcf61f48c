"""Commands about writebacks: plan, apply, runs, show, rejects, retry."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aumconnect.cli import _show
from aumconnect.cli._options import DEFAULT_FILE, Env, File, Json, Limit, Only, Writeback

if TYPE_CHECKING:
    from aumconnect.report import Report
    from aumconnect.writeback import Plan
    from aumconnect.writeback.ledger import RunRecord

__all__ = ["apply", "plan", "rejects", "retry", "runs", "show"]

Full = Annotated[bool, typer.Option("--full", help="Compare with the system alone; ignore what the ledger remembers.")]
Diff = Annotated[str | None, typer.Option("--diff", help="What to compare with: auto, ledger, remote or sample.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Override = Annotated[list[str] | None, typer.Option("--override", help="Let this guard pass; repeat for more.")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Sit out a pause the system asks for, instead of ending with 75.")
]
Run = Annotated[str | None, typer.Option("--run", help="A run's id; default: the last one.")]

ROWS_SHOWN = 10


def plan(
    writeback: Writeback,
    full: Full = False,
    diff: Diff = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Show at most this many rows.")] = ROWS_SHOWN,
    file: File = DEFAULT_FILE,
    env: Env = None,
    json: Json = False,
) -> None:
    """Show what would change, field by field, and what it would cost. Nothing is written."""
    from aumconnect.writeback import Project

    with Project(file, env=env) as project:
        found = project[writeback].plan(full=full, diff=diff)
        if json:
            _show.value(found.to_json())
        else:
            _tell_plan(found, limit)
            _show.lines(f"\nnext: aumconnect apply {writeback}" if found.changes else "\nnothing to write")
        stopped = bool(found.tripped)
        found.discard()
    raise typer.Exit(3 if stopped else 0)


def apply(
    writeback: Writeback,
    yes: Yes = False,
    limit: Limit = None,
    only: Only = None,
    full: Full = False,
    diff: Diff = None,
    override: Override = None,
    wait: WaitOption = False,
    file: File = DEFAULT_FILE,
    env: Env = None,
    json: Json = False,
) -> None:
    """Plan, ask, write, report. Ctrl-C finishes what is in flight; the next apply goes on."""
    from aumconnect.writeback import Project

    with Project(file, env=env) as project:
        project[writeback].ensure_free()
        found = project[writeback].plan(full=full, diff=diff)
        if not json:
            _tell_plan(found, 0 if yes else ROWS_SHOWN)
        if found.changes and not found.tripped and not (yes or _agreed(found, limit)):
            found.discard()
            raise typer.Exit(1)
        report = _carried(found, limit, only, override or (), wait=wait, quiet=json)
        if only:
            _note_absent(found, only, report)
        _tell(report, writeback, json=json)
    raise typer.Exit(report.exit_code)


def _agreed(found: Plan, limit: int | None) -> bool:
    if not sys.stdin.isatty():
        sys.stderr.write("error: nobody is there to ask\n  hint: say --yes\n")
        return False
    count = min(found.changes, limit) if limit is not None else found.changes
    sandbox = " (a sandbox)" if found.account.sandbox else ""
    where = found.account.name or found.account.identity
    if typer.confirm(f"\nWrite {count:,} records to {where}{sandbox}?", err=True):
        return True
    sys.stderr.write("nothing was written\n")
    return False


def _carried(
    found: Plan, limit: int | None, only: Sequence[str] | None, override: Sequence[str], *, wait: bool, quiet: bool
) -> Report:
    from aumconnect.cli._progress import progress

    total = min(found.changes, limit) if limit is not None else found.changes
    try:
        with progress("writing", total, quiet=quiet) as hook:
            return found.apply(limit=limit, only=only, override_guards=override, on_event=hook, wait=wait)
    except (KeyboardInterrupt, SystemExit):
        if found.report is None:
            raise
        return found.report


def _note_absent(found: Plan, only: Sequence[str], report: Report) -> None:
    planned = {_key(row.key) for row in found.rows()}
    report.notes += [f"nothing was to be written for the key {key!r}" for key in only if key not in planned]


def runs(
    writeback: Annotated[str | None, typer.Argument(help="Only this writeback's.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many, the newest first.")] = 20,
    file: File = DEFAULT_FILE,
    env: Env = None,
    json: Json = False,
) -> None:
    """List the runs, the newest first."""
    from aumconnect.writeback import Project

    with Project(file, env=env) as project:
        names = [writeback] if writeback else list(project)
        found = sorted((run for name in names for run in project[name].runs()), key=lambda run: -run.created)[:limit]
    if json:
        _show.value([_record(run) for run in found])
        return
    _show.table(
        ("run", "writeback", "started", "state", "outcome", "account"),
        [(run.id, run.writeback, _moment(run.started), run.state, _counts(run.outcomes), run.account) for run in found],
    )


def show(writeback: Writeback, run: Run = None, file: File = DEFAULT_FILE, env: Env = None, json: Json = False) -> None:
    """Show one run: counts, what it was made with, and the records that need a person."""
    from aumconnect.writeback import Project

    with Project(file, env=env) as project:
        target = project[writeback]
        record = target.show(run) if run else target.rejects().run
        rejected = [found.outcome for found in target.rejects(record.id)]
    if json:
        _show.value(_record(record) | {"records": [_outcome(outcome) for outcome in rejected]})
        return
    about = {"run": record.id, "state": record.state, "outcome": _counts(record.outcomes), "account": record.account}
    about |= {"started": _moment(record.started), "ended": _moment(record.ended)} | _made_with(record.details)
    _show.table(("", ""), [(name, cell) for name, cell in about.items() if cell not in (None, "", {})])
    if rejected:
        _show.lines("")
        _show.table(("row", "key", "outcome", "field", "reason"), [_line(outcome) for outcome in rejected[:100]])
        if len(rejected) > 100:
            _show.lines(f"… and {len(rejected) - 100:,} more: aumconnect rejects {writeback} -o fixme.csv")


def rejects(
    writeback: Writeback,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .jsonl file; default: a table.")
    ] = None,
    run: Run = None,
    file: File = DEFAULT_FILE,
    env: Env = None,
    json: Json = False,
) -> None:
    """Export the rows that were rejected or failed, with their reasons, to be mended and sent with retry."""
    from aumconnect.writeback import Project

    with Project(file, env=env) as project:
        target = project[writeback]
        if output is not None:
            count = target.rejects(run).write(output)
            again = f"mend it, then: aumconnect retry {writeback} --from {output}"
            _show.value({"rows": count, "file": str(output)}) if json else _show.lines(
                f"{count:,} rows in {output}; {again}"
            )
            return
        found = [entry.outcome for entry in target.rejects(run)]
    if json:
        _show.records(_outcome(outcome) for outcome in found)
    elif found:
        _show.table(("row", "key", "outcome", "field", "reason"), [_line(outcome) for outcome in found])
    else:
        _show.lines("nothing was rejected")


def retry(
    writeback: Writeback,
    source: Annotated[Path, typer.Option("--from", help="The file that rejects wrote, mended.", show_default=False)],
    yes: Yes = False,
    override: Override = None,
    file: File = DEFAULT_FILE,
    env: Env = None,
    json: Json = False,
) -> None:
    """Send mended rows. A row that a newer prediction has overtaken is skipped."""
    from aumconnect.writeback import Project

    with Project(file, env=env) as project:
        found = project[writeback].retry(source)
        if not json:
            _tell_plan(found, 0 if yes else ROWS_SHOWN)
        if found.changes and not found.tripped and not (yes or _agreed(found, None)):
            found.discard()
            raise typer.Exit(1)
        report = _carried(found, None, None, override or (), wait=False, quiet=json)
        _tell(report, writeback, json=json)
    raise typer.Exit(report.exit_code)


# --- telling -------------------------------------------------------------------------------------------------


def _tell_plan(found: Plan, rows: int) -> None:
    _show.lines(str(found))
    sample = found.sample(rows)
    if not sample:
        return
    _show.lines("")
    cells = [
        (row.ref, _key(row.key), row.action, change.field, _value(change.old), _value(change.new))
        for row in sample
        for change in row.fields
    ]
    _show.table(("row", "key", "action", "field", "old", "new"), cells)
    if found.changes > len(sample):
        _show.lines(f"… and {found.changes - len(sample):,} more rows")


def _tell(report: Report, writeback: str, *, json: bool) -> None:
    if json:
        _show.value(report.to_json())
        return
    _show.lines(f"\n{report}")
    if report.exit_code == 75:
        when = f", not before {_moment(report.resume_at)}" if report.resume_at else ""
        _show.lines(f"to be continued: aumconnect apply {writeback}{when}")
    elif report.exit_code == 1:
        _show.lines(f"next: aumconnect rejects {writeback} -o fixme.csv")


def _made_with(details: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was made with, one cell a line; its counts are told elsewhere."""
    cells = {name: cell for name, cell in details.items() if name not in ("ended", "total", "account")}
    return cells | {"model": " ".join(part for part in (details.get("model") or {}).values() if part)}


def _record(run: RunRecord) -> dict[str, Any]:
    names = (
        "id",
        "writeback",
        "account",
        "object",
        "operation",
        "state",
        "created",
        "started",
        "ended",
        "counts",
        "details",
    )
    return {name: getattr(run, name) for name in names}


def _outcome(outcome: Any) -> dict[str, Any]:
    problems = [{"code": p.code, "field": p.field, "message": p.message} for p in outcome.problems]
    return {
        "row": outcome.ref,
        "key": [str(part) for part in outcome.key],
        "id": outcome.id,
        "outcome": outcome.status.value,
        "problems": problems,
        "reason": outcome.reason,
        "twins": list(outcome.twins),
    }


def _line(outcome: Any) -> tuple[Any, ...]:
    fields = ", ".join(problem.field for problem in outcome.problems if problem.field)
    reasons = "; ".join(f"{p.code}: {p.message}" for p in outcome.problems) or outcome.reason
    return outcome.ref, _key(outcome.key), outcome.status.value, fields, reasons


def _counts(counts: Mapping[str, int]) -> str:
    return " · ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _key(key: Sequence[Any]) -> str:
    return ", ".join(map(str, key))


def _value(value: Any) -> str:
    from aumconnect.schema import CLEAR

    return "(empty)" if value is None or value is CLEAR else str(value)


def _moment(epoch: float | None) -> str:
    return datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M:%S") if epoch else ""

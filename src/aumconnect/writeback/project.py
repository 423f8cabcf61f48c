"""A job file brought to life: connections, a ledger, and writebacks to plan and apply."""

from __future__ import annotations

import getpass
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from aumconnect._clock import SYSTEM_CLOCK, EitherClock
from aumconnect._limits import RateLimit
from aumconnect._near import did_you_mean
from aumconnect.auth import reveal
from aumconnect.auth.secret import is_reference
from aumconnect.client import Client
from aumconnect.errors import ConfigurationError
from aumconnect.events import Hook
from aumconnect.outcome import Status
from aumconnect.report import Report
from aumconnect.sources import Rows, rows
from aumconnect.writeback import jobfile
from aumconnect.writeback._applying import Selection, carry_out, settle
from aumconnect.writeback._lease import Lease
from aumconnect.writeback._planning import Options, Planned, Prepared, make_plan, prepare
from aumconnect.writeback.guard import stop_at
from aumconnect.writeback.jobfile import ConnectionSettings, Job
from aumconnect.writeback.ledger import Ledger, RunRecord
from aumconnect.writeback.plan import Plan
from aumconnect.writeback.rejects import Rejects, returned

__all__ = ["Project", "Writeback"]

Connect = Callable[[ConnectionSettings], Client]


class Project:
    """Everything a job file names. Close it, or use it in a ``with`` statement.

    ``env`` lays the tables of ``[env.<env>]`` over the file. ``connect`` makes the clients, for tests and for
    those who build their own. Nothing is opened before it is needed.
    """

    def __init__(
        self,
        path: str | Path = "aumconnect.toml",
        *,
        env: str | None = None,
        connect: Connect | None = None,
        clock: EitherClock = SYSTEM_CLOCK,
    ) -> None:
        self.file = jobfile.load(path, env)
        self._connect = connect or self._client
        self._clock = clock
        self._clients: dict[str, Client] = {}
        self._ledger: Ledger | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def __getitem__(self, name: str) -> Writeback:
        """A writeback by name. Raises `ConfigurationError` with the near names."""
        if name not in self.file.jobs:
            hint = did_you_mean(name, self.file.jobs)
            raise ConfigurationError(f"{self.file.path} has no writeback {name!r}", hint=hint)
        return Writeback(self, self.file.jobs[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.file.jobs)

    def __len__(self) -> int:
        return len(self.file.jobs)

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened on first use. Raises `LedgerError` when it cannot be trusted."""
        if self._ledger is None:
            named = self.file.ledger
            url = reveal(named) if is_reference(named) else named
            self._ledger = Ledger(url, folder=self.file.folder, clock=self._clock)
        return self._ledger

    def client(self, connection: str) -> Client:
        """The client of a connection; the project closes it."""
        if connection not in self.file.connections:
            hint = did_you_mean(connection, self.file.connections)
            raise ConfigurationError(f"{self.file.path} has no connection {connection!r}", hint=hint)
        if connection not in self._clients:
            self._clients[connection] = self._connect(self.file.connections[connection])
        return self._clients[connection]

    def _client(self, settings: ConnectionSettings) -> Client:
        rate = RateLimit(*settings.rate) if settings.rate else None
        return Client(settings.url, auth=settings.credential, rate=rate, clock=self._clock, **settings.options)


class Writeback:
    """One named job: what is in its source goes to one object of one system."""

    def __init__(self, project: Project, job: Job) -> None:
        self.job = job
        self._project = project

    @property
    def name(self) -> str:
        return self.job.name

    def plan(
        self,
        source: Any = None,
        *,
        full: bool = False,
        diff: str | None = None,
    ) -> Plan:
        """What applying would do now; writes nothing.

        ``source`` stands in for the job's own: a path, a dataframe, an iterable of mappings or Records; it must
        be readable a second time for the plan to be made anew. ``full`` ignores what the ledger remembers;
        ``diff`` is ``auto``, ``ledger``, ``remote`` or ``sample`` instead of the job's. Raises
        `ConfigurationError` for a mapping that does not fit, with all problems at once.
        """
        if diff is not None and diff not in ("auto", "ledger", "remote", "sample"):
            raise ConfigurationError(f"diff = {diff!r} is not known", hint="auto, ledger, remote or sample")
        return self._plan(self._source(source), Options(full=full, diff=diff))

    def apply(self, source: Any = None, **options: Any) -> Report:
        """Plan and apply in one step; see `Plan.apply`. ``full`` and ``diff`` go to the plan."""
        self.ensure_free()
        planning = {name: options.pop(name) for name in ("full", "diff") if name in options}
        return self.plan(source, **planning).apply(**options)

    def ensure_free(self) -> None:
        """Raise `LedgerError` when another run holds this writeback, before any work is done in vain."""
        self._project.ledger.lease(self.name).ensure_free()

    def runs(self, most: int = 100) -> list[RunRecord]:
        """The latest runs, newest first."""
        return self._project.ledger.runs(self.name, most=most)

    def show(self, run: str) -> RunRecord:
        """One run of this writeback."""
        record = self._project.ledger.run(run)
        if record.writeback != self.name:
            raise ConfigurationError(f"run {run} is of {record.writeback!r}, not of {self.name!r}")
        return record

    def rejects(self, run: str | None = None) -> Rejects:
        """Rows of a run (default: the latest) that were refused, failed or are in doubt, with their source rows."""
        if run is None:
            latest = self.runs(most=1)
            if not latest:
                raise ConfigurationError(f"{self.name!r} has not run yet")
            run = latest[0].id
        return Rejects(self._project.ledger, self.show(run))

    def retry(self, path: str | Path) -> Plan:
        """A plan of only the rows of a mended file of rejects; rows written by a later run are left alone."""
        back = returned(path)
        record = self.show(back.run)
        mended = back.rows(Rejects(self._project.ledger, record))
        return self._plan(mended, Options(again=True, before=record.created))

    # --- planning and applying -------------------------------------------------------------------------

    def _source(self, source: Any) -> Rows:
        if source is not None:
            return rows(source)
        if self.job.source is None:
            raise ConfigurationError(f"{self.name!r} names no source", hint="set source, or give plan(source=…)")
        path = self._project.file.folder / self.job.source
        if not path.exists():
            raise ConfigurationError(f"{self.name!r}: there is no source {path}")
        return rows(path, delimiter=self.job.delimiter)

    def _plan(self, source: Rows, options: Options) -> Plan:
        ledger = self._project.ledger
        run = ledger.new_id()
        prepared = prepare(self.job, self._project.client(self.job.connection), ledger, source, run)
        planned = make_plan(prepared, run, options)
        return Plan(
            self.job,
            run,
            prepared.account,
            planned.summary,
            planned.guards,
            ledger=ledger,
            prints=prepared.prints,
            applies=_Application(self, prepared, planned, source, options, self._details(prepared)),
        )

    def _details(self, prepared: Prepared) -> dict[str, Any]:
        model = self.job.mapping.model
        return {
            "version": version("aumconnect"),
            "model": {"name": model.name, "version": model.version},
            "account": prepared.account.identity,
            "job_file": self._project.file.digest,
            "user": _user(),
            "host": socket.gethostname(),
        }


class _Application:
    """Applies one plan, made anew where the ledger has moved on since."""

    def __init__(
        self,
        writeback: Writeback,
        prepared: Prepared,
        planned: Planned,
        source: Rows,
        options: Options,
        details: Mapping[str, Any],
    ) -> None:
        self._writeback = writeback
        self._prepared, self._planned = prepared, planned
        self._source, self._options = source, options
        self._details = details

    def __call__(
        self,
        plan: Plan,
        *,
        limit: int | None = None,
        only: Collection[str] | None = None,
        override_guards: Collection[str] = (),
        on_event: Hook | None = None,
        wait: bool = False,
    ) -> Report:
        selection = Selection(limit, only)
        clock = self._prepared.ledger.clock
        while True:
            report = self._once(plan, selection, override_guards, on_event)
            if not wait or report.resume_at is None:
                return report
            clock.sleep(max(0.0, report.resume_at - clock.epoch()))

    def _once(
        self, plan: Plan, selection: Selection, override_guards: Collection[str], on_event: Hook | None
    ) -> Report:
        prepared = self._prepared
        report = plan.report = Report()
        with prepared.ledger.lease(self._writeback.name) as lease:
            for record in prepared.ledger.unfinished(prepared.scope):
                if told := settle(prepared, lease, record, on_event):
                    report.notes.append(told)
            moved_on = prepared.ledger.last_write(prepared.scope) != self._planned.base
            if moved_on or not prepared.ledger.is_planned(plan.run):
                self._again(plan)
            stop_at(plan.guards, override_guards)
            self._carry_out(plan, lease, selection, report, on_event)
        return report

    def _again(self, plan: Plan) -> None:
        """What was planned no longer holds: another run has written since."""
        fresh = self._writeback._plan(self._source, self._options)  # noqa: SLF001
        plan.discard()
        other: _Application = fresh._applies  # type: ignore[assignment]  # noqa: SLF001
        plan.run, plan.summary, plan.guards = fresh.run, fresh.summary, fresh.guards
        self._prepared, self._planned = other._prepared, other._planned

    def _carry_out(self, plan: Plan, lease: Lease, selection: Selection, report: Report, on_event: Hook | None) -> None:
        prepared, summary = self._prepared, plan.summary
        report.notes += summary.notes
        report.counts += Counter({Status.UNCHANGED: self._planned.unchanged})
        ended = {Status.UNCHANGED.value: self._planned.unchanged}
        ended |= {status.value: count for status, count in summary.ended.items()}
        report.add(plan.ended())
        details = {**self._details, "guarantee": summary.guarantee.value, "total": summary.total, "ended": ended}
        try:
            carry_out(prepared, lease, plan.run, selection, report, details=details, on_event=on_event)
        finally:
            _count_unsent(plan, selection, report)
        prepared.ledger.prune(prepared.scope)


def _count_unsent(plan: Plan, selection: Selection, report: Report) -> None:
    """Rows the run did not come to: they are sent by the next one."""
    left = plan.summary.total - report.total
    if left <= 0:
        return
    if report.stopped is not None:
        report.counts[Status.FAILED] += left
        open_rows = report.counts[Status.FAILED] + report.counts[Status.UNKNOWN]
        report.notes.append(f"{open_rows:,} rows are not done; the next apply of {plan.job.name} goes on with them")
    elif selection.limit is not None or selection.only is not None:
        report.notes.append(f"{left:,} rows were not chosen and stay for the next apply")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""

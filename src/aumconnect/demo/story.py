"""The demo's acts: plan, apply, again, a person's edit. Each claims something, checked by the CRM's own counters."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aumconnect.demo import shop
from aumconnect.demo.stage import Stage
from aumconnect.errors import ConfigurationError
from aumconnect.outcome import Outcome, Status
from aumconnect.report import Reason
from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.writeback import Plan, Project

__all__ = ["run"]

JOB = "customer_value"
EDITED = "00111"
"""A customer whose band a person changes by hand."""
RESCORED = (EDITED, "00228", "00441", "00564", "00619")
"""Customers with new scores the next morning."""
NEXT_MORNING = "1997-10-02T00:00:00Z"


def run(keep: Path | None = None, *, as_json: bool = False) -> int:
    """Tell the story; 0 when every claim held. ``keep``: leave job file, predictions and ledger in this folder."""
    stage = Stage(silent=as_json)
    crm = shop.open_shop()
    with _folder(keep) as folder, serve(crm) as emulator:
        _lay_out(folder, emulator.url)
        stage.title(
            "aumconnect demo",
            "2,357 customers of a CD shop: a model saw what they bought in nine months",
            "and predicts the next nine. The people who speak to them work in the CRM,",
            f"here a stand-in for Salesforce at {emulator.url}.",
        )
        with _credentials(crm), Project(folder / "aumconnect.toml") as project:
            held = Story(stage, crm, project, folder).tell()
        if keep and stage.watched:
            _stay_open(stage, crm, emulator.url, folder)
        else:
            _what_next(stage)
    stage.end()
    return 0 if held else 1


class Story:
    """The acts, in order, on one project and one CRM."""

    def __init__(self, stage: Stage, crm: FakeSalesforce, project: Project, folder: Path) -> None:
        self._stage = stage
        self._crm = crm
        self._job = project[JOB]
        self._folder = folder
        self._held = True

    def tell(self) -> bool:
        """Whether every claim held."""
        self._first_run()
        self._same_again()
        self._next_morning()
        return self._held

    def _first_run(self) -> None:
        self._stage.act("Plan: what would change", f"aumconnect plan {JOB}")
        plan = self._job.plan()
        self._show_plan(plan)
        self._claim("nothing has been written", holds=self._crm.mutations == 0)
        self._stage.act("Apply", f"aumconnect apply {JOB}")
        report = plan.apply()
        self._stage.say(report.summary())
        self._show(report.reasons())
        written = sum(count for status, count in report.counts.items() if status is Status.UPDATED)
        self._claim(
            f"{written:,} records written in {self._crm.mutations} requests, each exactly once; "
            f"{report.total:,} rows, {report.total:,} outcomes",
            holds=set(self._crm.commits.values()) == {1} and self._crm.commits.total() == written,
        )
        self._stage.facts["first_run"] = {**report.to_json(), "mutating_requests": self._crm.mutations}

    def _same_again(self) -> None:
        self._stage.act("The same file again", f"aumconnect apply {JOB}")
        before = self._crm.mutations
        report = self._job.plan().apply()
        self._stage.say(report.summary())
        sent = self._crm.mutations - before
        self._claim(f"{sent} requests that write: what has not changed is not sent", holds=sent == 0)
        self._stage.facts["second_run"] = {**report.to_json(), "mutating_requests": sent}

    def _next_morning(self) -> None:
        self._stage.act("The next morning", f"aumconnect apply {JOB}")
        contact = self._crm["Contact"].one(Customer_Id__c=EDITED)
        self._crm["Contact"].edit({"Customer_Id__c": EDITED}, Value_Band__c="low")
        self._stage.say(
            f"{len(RESCORED)} customers have new scores. Meanwhile somebody in sales spoke to {contact['Name']}\n"
            f"and set the band from {contact['Value_Band__c']} to low by hand."
        )
        (self._folder / "predictions.csv").write_text(shop.rescored(RESCORED, NEXT_MORNING))
        report = self._job.plan().apply()
        self._stage.say(report.summary())
        self._show([reason for reason in report.reasons() if EDITED in (reason.example.key if reason.example else ())])
        kept = self._crm["Contact"].one(Customer_Id__c=EDITED)["Value_Band__c"]
        self._claim(f"{contact['Name']} is still {kept!r}: a person's edit is respected", holds=kept == "low")
        self._stage.facts["human_edit"] = {**report.to_json(), "band": kept}

    def _show_plan(self, plan: Plan) -> None:
        summary = plan.summary
        self._stage.say(" · ".join(f"{count:,} to {name}" for name, count in summary.actions.items() if count))
        ended = [(count, reason) for reason, count in sorted(summary.reasons.items(), key=lambda item: -item[1])]
        self._stage.table(("rows", "not to be sent, because"), ended, right=("rows",))
        changes = [
            (change.key[0], found.field, found.old, found.new) for change in plan.sample(1) for found in change.fields
        ]
        self._stage.say("")
        self._stage.table(("customer", "field", "old", "new"), changes)
        self._stage.say("")
        self._stage.say(f"{summary.requests:,} requests to write; guarantee: {summary.guarantee.value}")
        for guard in plan.guards:
            self._stage.say(f"guard {guard.name}: {guard.share:.1%}, allowed {guard.limit.limit:.0%}")

    def _show(self, reasons: Sequence[Reason]) -> None:
        rows = [(r.count, r.status.value, r.message or r.code, _row(r.example)) for r in reasons]
        self._stage.table(("rows", "outcome", "reason", "for example"), rows, right=("rows",))

    def _claim(self, text: str, *, holds: bool) -> None:
        self._held = self._held and holds
        self._stage.proof(text, holds=holds)


def _row(example: Outcome | None) -> str:
    if example is None:
        return ""
    key = ", ".join(map(str, example.key))
    return f"row {example.ref}" + (f", {key}" if key else "")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if (keep / "aumconnect.toml").exists():
            raise ConfigurationError(f"{keep} holds a job file already", hint="choose a folder of its own for the demo")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="aumconnect-demo-") as name:
        yield Path(name)


def _lay_out(folder: Path, url: str) -> None:
    """The job file, pointed at this CRM, and the predictions beside it."""
    (folder / "aumconnect.toml").write_text(shop.job_file().replace("http://127.0.0.1:8080", url))
    (folder / "predictions.csv").write_text(shop.predictions())


@contextmanager
def _credentials(crm: FakeSalesforce) -> Iterator[None]:
    """What the job file refers to, in the environment."""
    known = {"CRM_ID": crm.logins.consumer_key, "CRM_SECRET": crm.logins.consumer_secret}
    before = {name: os.environ.get(name) for name in known}
    os.environ.update(known)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _stay_open(stage: Stage, crm: FakeSalesforce, url: str, folder: Path) -> None:
    """Let people try for themselves, until Ctrl-C."""
    stage.act("Your turn")
    stage.say("The CRM stays open until you press Ctrl-C. Look at it, and edit a contact by hand:\n")
    stage.say(f"  {url}/__emulator__/\n")
    stage.say("In another terminal, edit predictions.csv as you like:\n")
    stage.say(f"  cd {folder}")
    stage.say(f"  export CRM_ID={crm.logins.consumer_key} CRM_SECRET={crm.logins.consumer_secret}")
    for command in (f"plan {JOB}", f"apply {JOB}", f"runs {JOB}", f"rejects {JOB} -o fixme.csv"):
        stage.say(f"  aumconnect {command}")
    stage.say(f"  aumconnect retry {JOB} --from fixme.csv")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _what_next(stage: Stage) -> None:
    stage.act("Look around")
    stage.table(
        ("", ""),
        [
            ("aumconnect demo --keep demo", "the same, and then it is your turn"),
            ("aumconnect emulator salesforce", "a stand-in of your own, with a page"),
            ("aumconnect init crm:Contact FILE.csv", "a job file from your own predictions"),
        ],
    )
    stage.say(f"\n{stage.seconds:.1f} s in all.")

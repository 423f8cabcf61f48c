"""An organisation in virtual time, what users do with it, and ways to damage its answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from aumconnect.client import Client
from aumconnect.outcome import Outcome, Status
from aumconnect.report import Report
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.wire import Request, Response
from aumconnect.writeback import Project

JOB = """\
ledger = {ledger!r}

[connections.crm]
url = "salesforce://acme.my.salesforce.com"

[writebacks.churn]
source = "churn.csv"
to = "crm:Contact"
operation = "{operation}"
key = {{ Ext__c = "id" }}
{more}

[writebacks.churn.fields]
Score__c = {{ from = "score", missing = "skip" }}
LastName = {{ from = "name", missing = "skip" }}
"""


def organization(contacts: int = 0, **options: Any) -> FakeSalesforce:
    """Contacts C-0, C-1 ... with a unique external id, one that is not unique, a number and a picklist."""
    fake = FakeSalesforce(**options)
    fake.add_field("Contact", "Ext__c", external_id=True, unique=True, length=80)
    fake.add_field("Contact", "Loose__c", external_id=True, length=80)
    fake.add_field("Contact", "Score__c", "double", precision=6, scale=2)
    fake.add_field("Contact", "Band__c", "picklist", values=("low", "mid", "high"), restricted=True)
    fake.add_field("Contact", "Note__c", length=255)
    for number in range(contacts):
        fake["Contact"].insert(LastName=f"Person {number}", Ext__c=f"C-{number}")
    return fake


def rows(count: int, **values: Any) -> list[dict[str, Any]]:
    return [{"Ext__c": f"C-{number}", "LastName": f"Person {number}", **values} for number in range(count)]


def scores(count: int) -> list[dict[str, Any]]:
    return [{"Ext__c": f"C-{number}", "Score__c": number} for number in range(count)]


def outcomes(report: Report) -> list[Outcome]:
    """In the order of the rows."""
    return sorted(report.outcomes(), key=lambda outcome: outcome.ref)


def counts(report: Report) -> dict[str, int]:
    return {status.value: count for status, count in report.counts.items() if count}


def writes(fake: FakeSalesforce) -> list[Request]:
    """The requests that wanted to write, whether they were carried out or not."""
    return [request for request in fake.requests if fake.mutates(request)]


def sent_rows(request: Request) -> list[dict[str, Any]]:
    assert isinstance(request.body, bytes)
    found: list[dict[str, Any]] = json.loads(request.body)["records"]
    return found


def made(fake: FakeSalesforce) -> Counter[int]:
    """How many contacts were created so many times: ``{1: 10}`` is ten, each once."""
    return Counter(count for (name, _), count in fake.creations.items() if name == "Contact")


def every_answer(
    fake: FakeSalesforce, change: Callable[[Response], Response], *, to: str = "", times: int = 10**9
) -> None:
    """Requests are carried out, then the answers of those whose URL contains ``to`` (default: writes) are changed."""
    respond, left = fake.respond, [times]

    def respond_otherwise(request: Request) -> Response:
        response = respond(request)
        if left[0] and response.ok and (to in request.url if to else fake.mutates(request)):
            left[0] -= 1
            return change(response)
        return response

    fake.respond = respond_otherwise  # type: ignore[method-assign]


def with_body(body: Any) -> Callable[[Response], Response]:
    """An answer with another body: bytes, or a function of the JSON value it had."""

    def change(response: Response) -> Response:
        data = body if isinstance(body, bytes) else json.dumps(body(json.loads(response.body))).encode()
        return Response(response.status, response.headers, data)

    return change


def believed(fake: FakeSalesforce, report: Report) -> None:
    """Each row that is said to be written names its own record."""
    for outcome in report.outcomes():
        if outcome.status in (Status.CREATED, Status.UPDATED, Status.UPSERTED):
            assert fake["Contact"].one(Ext__c=f"C-{outcome.ref}")["Id"] == outcome.id, outcome


class Desk:
    """A folder with a job file and a source, in the organisation's time."""

    def __init__(self, folder: Path, fake: FakeSalesforce, *, operation: str = "update", more: str = "") -> None:
        self.folder, self.fake = folder, fake
        job = JOB.format(ledger="ledger.db", operation=operation, more=more)
        (folder / "aumconnect.toml").write_text(job, encoding="utf-8")

    def source(self, lines: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(f"{line['id']},{line.get('score', '')},{line.get('name', '')}\n" for line in lines)
        (self.folder / "churn.csv").write_text(f"id,score,name\n{text}", encoding="utf-8")

    def scores(self, count: int, start: int = 0) -> None:
        self.source({"id": f"C-{number}", "score": start + number} for number in range(count))

    def project(self, **options: Any) -> Project:
        def connect(_: Any) -> Client:
            return self.fake.client(**options)

        return Project(self.folder / "aumconnect.toml", connect=connect, clock=self.fake.clock)

    def apply(self, **options: Any) -> Report:
        with self.project() as project:
            return project["churn"].apply(**options)

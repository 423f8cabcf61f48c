"""What a newcomer has before them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aumconnect._clock import SYSTEM_CLOCK
from aumconnect.cli import run
from aumconnect.testing.fakes.salesforce import FakeSalesforce

JOB = """\
[connections.crm]
url = "salesforce+{url}"
auth = {{ kind = "client_credentials", id = "env:SF_CLIENT_ID", secret = "env:SF_SECRET" }}

[writebacks.churn]
source = "churn.csv"
to = "crm:Contact"
operation = "update"
key = {{ Customer_Id__c = "customer_id" }}

[writebacks.churn.fields]
Churn_Score__c = {{ from = "score", type = "decimal", ge = 0, le = 1 }}
Churn_Band__c = {{ from = "band", missing = "clear" }}
"""


def crm(contacts: int = 0, org: int = 1) -> FakeSalesforce:
    fake = FakeSalesforce(clock=SYSTEM_CLOCK, org=org)
    fake.logins.consumer_key, fake.logins.consumer_secret = "id", "s3cret-canary"
    fake.add_field("Contact", "Customer_Id__c", external_id=True, unique=True, length=20)
    fake.add_field("Contact", "Churn_Score__c", "double", precision=4, scale=3)
    fake.add_field("Contact", "Churn_Band__c", "picklist", values=("low", "mid", "high"), restricted=True)
    fake.add_field("Contact", "Churn_Scored_At__c", "datetime")
    for number in range(contacts):
        fake["Contact"].insert(LastName=f"Person {number}", Customer_Id__c=f"C-{number}")
    return fake


@dataclass
class Desk:
    """What a user has before them: a folder, a shell, and a CRM somewhere."""

    folder: Path
    fake: FakeSalesforce
    url: str
    capture: pytest.CaptureFixture[str]

    def write(self, *rows: str, header: str = "customer_id,score,band") -> None:
        (self.folder / "churn.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")

    def job(self, change: Callable[[str], str] = str) -> None:
        (self.folder / "aumconnect.toml").write_text(change(JOB.format(url=self.url)), encoding="utf-8")

    def type(self, line: str) -> tuple[int, str]:
        """The exit code, and all that was printed."""
        self.capture.readouterr()
        code = run(line.split())
        told = self.capture.readouterr()
        assert "Traceback" not in told.out + told.err
        return code, " ".join((told.out + told.err).split())

    def value(self, customer: str, field: str = "Churn_Score__c") -> str | None:
        found = self.fake["Contact"].one(Customer_Id__c=customer)[field]
        return None if found is None else str(found)

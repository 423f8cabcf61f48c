"""Type-checked as a user would use the library, never run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal

from annotated_types import Ge, Le

import aumconnect as aum
from aumconnect.connector import Account, RemoteRecord
from aumconnect.record import ScoredAt
from aumconnect.wire import Exchange, Request


class Score(aum.Record, object="Contact", model={"name": "churn", "version": "1"}):
    customer_id: Annotated[str, aum.Key("Customer_Id__c")]
    score: Annotated[float, aum.To("Churn_Score__c", round=2), Ge(0), Le(1)]
    band: Annotated[Literal["low", "mid", "high"] | None, aum.To("Churn_Band__c", missing="clear")] = None
    account: Annotated[str | None, aum.To("AccountId"), aum.Ref("Account", by="Ext__c")] = None
    scored_at: Annotated[datetime, ScoredAt("Churn_Scored_At__c")]


def use_a_client() -> None:
    auth = aum.ClientCredentials(id="env:ID", secret=lambda: "secret")
    with aum.Client("salesforce://acme.my.salesforce.com", auth=auth, retry=aum.RetryPolicy(attempts=3)) as crm:
        account: Account = crm.check()
        names: list[str] = list(crm.objects())
        schema: aum.ObjectSchema = crm.describe("Contact")
        field: aum.FieldSchema = schema["Email"]
        records: Iterator[RemoteRecord] = crm.read("Contact", fields=["Email"], since=datetime.now(UTC), limit=5)
        found: list[RemoteRecord] = crm.find("Contact", {"Customer_Id__c": "C-17"}, fields=["Email"])
        one: RemoteRecord | None = crm.get("Contact", "003", ["Email"])
        report: aum.Report = crm.update(Score, [{"customer_id": "C-17", "score": 0.1}])
        report = crm.upsert("Contact", [{"Customer_Id__c": "C-17", "Email": aum.CLEAR}], key="Customer_Id__c")
        use_a_report(report)
    print(account.identity, names, field.type, records, found, one)


def use_a_report(report: aum.Report) -> None:
    ok: bool = report.ok
    code: int = report.exit_code
    text: str = report.summary()
    for outcome in report.outcomes():
        status: aum.Status = outcome.status
        problems: tuple[aum.Problem, ...] = outcome.problems
        print(status is aum.Status.REJECTED, [problem.message for problem in problems])
    print(ok, code, text)


async def use_an_async_client() -> aum.Report:
    async with aum.AsyncClient("salesforce://acme.my.salesforce.com", auth=aum.AccessToken("t")) as crm:
        async for record in crm.read("Contact", fields=["Email"]):
            key: str = record.id
            print(key)
        return await crm.update(Score, [])


def use_a_project() -> int:
    with aum.Project("aumconnect.toml", env="test") as project:
        plan: aum.Plan = project["churn"].plan(full=True)
        report: aum.Report = plan.apply(limit=10)
    return report.exit_code


def tell_errors_apart() -> None:
    try:
        use_a_client()
    except aum.RateLimited as error:
        at: float | None = error.retry_at
        print(at)
    except aum.AumconnectError as error:
        hint: str | None = error.hint
        print(hint, error.exit_code)


def ping() -> Exchange[bool]:
    reply = yield Request("GET", "/ping")
    ok: bool = reply.ok
    return ok

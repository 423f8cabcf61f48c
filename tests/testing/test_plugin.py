"""The fixtures that come with the package, as a user's own test would take them."""

from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

import aumconnect as aum


class ChurnScore(aum.Record, object="Contact"):
    customer_id: Annotated[str, aum.Key("Customer_Id__c")]
    score: Annotated[float, aum.To("Churn_Score__c"), Ge(0), Le(1)]
    band: Annotated[Literal["low", "high"] | None, aum.To("Churn_Band__c", missing="clear")]


@pytest.fixture
def org(aum_salesforce):
    aum_salesforce.add_field("Contact", "Customer_Id__c", external_id=True, unique=True, length=20)
    aum_salesforce.add_field("Contact", "Churn_Score__c", "double", precision=4, scale=3)
    aum_salesforce.add_field("Contact", "Churn_Band__c", "picklist", values=("low", "high"), restricted=True)
    aum_salesforce["Contact"].insert(LastName="Lovelace", Customer_Id__c="C-17", Churn_Band__c="high")
    return aum_salesforce


def push(crm):
    return crm.update(ChurnScore, [{"customer_id": "C-17", "score": 0.83, "band": None}])


def test_scores_reach_the_crm(org):
    push(org.client()).raise_for_errors()

    record = org["Contact"].one(Customer_Id__c="C-17")
    assert (record["Churn_Score__c"], record["Churn_Band__c"]) == (0.83, None)


async def test_on_an_event_loop_too(org):
    async with org.async_client() as crm:
        (await crm.update(ChurnScore, [{"customer_id": "C-17", "score": 0.5, "band": "low"}])).raise_for_errors()

    assert org["Contact"].one(Customer_Id__c="C-17")["Churn_Score__c"] == 0.5


def test_a_client_may_have_settings_of_its_own(org):
    with pytest.raises(aum.AuthenticationError):
        org.client(auth=aum.AccessToken("not this one")).check()


def test_a_system_without_quirks(aum_memory):
    aum_memory.client().upsert("Item", [{"code": "a", "score": 0.5}], key="code").raise_for_errors()

    assert float(aum_memory["Item"].one(code="a")["score"]) == 0.5
    assert aum_memory.creations["Item", "a"] == 1

"""The org that the witnesses work in."""

from aumconnect._clock import SYSTEM_CLOCK
from aumconnect.testing.fakes.salesforce import FakeSalesforce, Field

FIELDS = (
    Field(name="Customer_Id__c", length=40, unique=True, external_id=True),
    Field(name="Shared_Id__c", length=40, external_id=True),
    Field(name="Churn_Score__c", type="double", precision=5, scale=4),
    Field(name="Churn_Band__c", type="picklist", length=40, values=("low", "mid", "high"), restricted=True),
)


def open_org(**options) -> FakeSalesforce:
    org = FakeSalesforce(clock=SYSTEM_CLOCK, **options)
    for field in FIELDS:
        org["Contact"].add(field)
    for name in ("One", "Two"):
        org["Contact"].insert(LastName=name, Shared_Id__c="twin")
    return org

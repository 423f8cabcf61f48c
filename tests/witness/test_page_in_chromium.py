"""The emulator's page, used as a person would in headless Chromium, and judged by axe-core."""

import json

import httpx
import pytest
from salesforce_org import open_org

from aumconnect.testing.emulator import serve

TASK = {"object": "Contact", "search": "a-077", "field": "Churn_Score__c", "value": "0.25"}
WRITE = {"records": [{"attributes": {"type": "Contact"}, "Customer_Id__c": "A-000", "Churn_Score__c": 1}]}


def write_something(org, url):
    headers = {"Authorization": f"Bearer {org.logins.issue()}"}
    path = "/services/data/v60.0/composite/sobjects/Contact/Customer_Id__c"
    httpx.patch(url + path, headers=headers, json=WRITE).raise_for_status()


@pytest.fixture(
    scope="module", params=[(1280, "light"), (1280, "dark"), (390, "light")], ids=lambda case: f"{case[0]}-{case[1]}"
)
def visit(node, chromium, request):
    """What the browser saw, and the org it was shown."""
    width, colors = request.param
    org = open_org()
    for number in range(120):
        org["Contact"].insert(Customer_Id__c=f"A-{number:03}", LastName=f"Person {number}", Churn_Score__c=number / 120)
    with serve(org) as emulator:
        write_something(org, emulator.url)
        return node("page.mjs", emulator.url, str(width), colors, json.dumps(TASK), chromium), org


@pytest.mark.parametrize("trouble", ["console", "errors", "elsewhere", "overflow", "barriers"])
def test_there_is_no(visit, trouble):
    """No console message, failed script, request elsewhere, sideways scrolling, or barrier axe-core knows."""
    seen, _ = visit

    assert seen[trouble] == []


def test_an_edit_made_in_the_page_is_a_persons_in_the_org(visit):
    seen, org = visit

    assert org["Contact"].one(Customer_Id__c="A-077")["Churn_Score__c"] == 0.25
    assert (org.changes[-1].field, org.changes[-1].by) == ("Churn_Score__c", "person")
    assert "person" in seen["history"]
    assert "0.25" in seen["changes"]


def test_requests_are_shown_with_their_status(visit):
    seen, _ = visit

    assert "PATCH" in seen["requests"]
    assert "200" in seen["requests"]

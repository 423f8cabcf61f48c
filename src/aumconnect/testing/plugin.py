"""The pytest plugin: stateful fakes as fixtures, each test with its own.

::

    def test_scores_reach_the_crm(aum_salesforce):
        push_scores(aum_salesforce.client())
        assert aum_salesforce["Contact"].one(Customer_Id__c="C-17")["Churn_Score__c"] == 0.83
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aumconnect.testing.fakes.memory import FakeMemory
    from aumconnect.testing.fakes.salesforce import FakeSalesforce

pytest.register_assert_rewrite("aumconnect.testing.contract", "aumconnect.testing._subject")


@pytest.fixture
def aum_salesforce() -> FakeSalesforce:
    """An empty Salesforce org in virtual time: ``.client()``, ``.add_field(…)``, ``["Contact"].one(…)``."""
    from aumconnect.testing.fakes.salesforce import FakeSalesforce

    return FakeSalesforce()


@pytest.fixture
def aum_memory() -> FakeMemory:
    """An empty system of our own in virtual time, without any vendor's quirks."""
    from aumconnect.testing.fakes.memory import FakeMemory

    return FakeMemory()

"""The world in which the documentation's examples run: its hosts answer from fakes, everything else is loopback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pytest
from leadbox_fake import FakeLeadbox

from aumconnect.testing.fakes import Fake
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.testing.transport import FakeTransport
from aumconnect.transport import Transport
from aumconnect.wire import Request, Response


class Hosts:
    """A transport that knows some hosts by name and sends everything else over real HTTP."""

    def __init__(self, fakes: Mapping[str, Fake], others: Transport) -> None:
        self._fakes = {host: FakeTransport(fake) for host, fake in fakes.items()}
        self._others = others

    def send(self, request: Request, *, timeout: float) -> Response:
        found = self._fakes.get(urlsplit(request.url).hostname or "", self._others)
        return found.send(request, timeout=timeout)

    def close(self) -> None:
        self._others.close()


class AsyncHosts:
    """The same on an event loop."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    async def send(self, request: Request, *, timeout: float) -> Response:
        return self._hosts.send(request, timeout=timeout)

    async def close(self) -> None:
        self._hosts.close()


@pytest.fixture
def documented_world(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Names the pages may use without saying where they come from: ``frame``."""
    import aumconnect.client

    org = documented_salesforce()
    hosts = {"acme.my.salesforce.com": org, "leadbox.example": FakeLeadbox()}
    real = aumconnect.client._http_transport
    monkeypatch.setattr(aumconnect.client, "_http_transport", lambda options: Hosts(hosts, real(options)))
    monkeypatch.setattr(
        aumconnect.client, "_async_http_transport", lambda options: AsyncHosts(Hosts(hosts, real(options)))
    )
    monkeypatch.setenv("SF_ID", org.logins.consumer_key)
    monkeypatch.setenv("SF_SECRET", org.logins.consumer_secret)
    monkeypatch.setenv("SF_TOKEN", org.logins.issue())
    return {"frame": pd.DataFrame({"customer_id": ["C-17"], "score": [0.83], "band": ["high"]})}


def documented_salesforce() -> FakeSalesforce:
    """An org with the contacts C-17, C-18, C-19 and the fields the pages speak of."""
    org = FakeSalesforce()
    org.add_field("Contact", "Customer_Id__c", length=20, unique=True, external_id=True)
    org.add_field("Contact", "Churn_Score__c", "double", precision=5, scale=4)
    org.add_field("Contact", "Churn_Band__c", "picklist", values=("low", "mid", "high"), restricted=True)
    for customer in ("C-17", "C-18", "C-19"):
        org["Contact"].insert(Customer_Id__c=customer, LastName=customer, Churn_Band__c="mid")
    return org

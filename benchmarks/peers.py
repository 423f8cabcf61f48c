"""simple-salesforce, pointed at the benchmark's server: it insists on https and a Salesforce host."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

HOST = "https://bench.my.salesforce.com"


class _Redirected(HTTPAdapter):
    """Sends what is meant for `HOST` to the server instead; nothing else changes."""

    def __init__(self, url: str) -> None:
        super().__init__(pool_maxsize=25)
        self._url = url

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        assert request.url is not None
        request.url = request.url.replace(HOST, self._url)
        return super().send(request, **options)


def salesforce(url: str) -> Salesforce:
    session = requests.Session()
    session.mount(HOST, _Redirected(url))
    return Salesforce(instance_url=HOST, session_id="token", session=session, version="62.0")

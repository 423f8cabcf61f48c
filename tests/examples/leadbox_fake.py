"""The other side of examples/leadbox.py: keeps leads by code, checks scores, counts what it wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from aumconnect.auth import AccessToken
from aumconnect.testing.fakes import Fake
from aumconnect.wire import Headers, Request, Response

TOKEN = "let-me-in"


class FakeLeadbox(Fake):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.leads: dict[str, dict[str, Any]] = {}

    def respond(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Response(401)
        match request.method, urlsplit(request.url).path:
            case "GET", "/me":
                return answer({"account": "A1", "user": "robot"})
            case "POST", "/leads":
                assert isinstance(request.body, bytes)
                return answer([self._upsert(row) for row in json.loads(request.body)])
        return Response(404)

    def auth(self) -> AccessToken:
        return AccessToken(TOKEN)

    @property
    def secrets(self) -> list[str]:
        return [TOKEN]

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return {"lead": [{**lead, "Id": f"L-{code}"} for code, lead in self.leads.items()]}

    def _upsert(self, row: dict[str, Any]) -> dict[str, Any]:
        if not 0 <= (row.get("score") or 0) <= 1:
            return {"error": "score must be between 0 and 1"}
        created = row["code"] not in self.leads
        self.leads[row["code"]] = row
        self.count("lead", row["code"], created=created)
        return {"id": f"L-{row['code']}", "created": created}


def answer(found: Any) -> Response:
    return Response(200, Headers({"Content-Type": "application/json"}), json.dumps(found).encode())

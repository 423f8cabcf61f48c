"""What is answered outside the versioned API: logins, who we are, which versions there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from aumconnect.testing.fakes.salesforce.call import answer, body_of
from aumconnect.testing.fakes.salesforce.errors import BadRequest
from aumconnect.testing.fakes.salesforce.logins import LoginRefused, soap_answer, soap_fault
from aumconnect.wire import Headers, Request, Response

if TYPE_CHECKING:
    from aumconnect.testing.fakes.salesforce.fake import FakeSalesforce

__all__ = ["VERSIONS", "check_token", "outside"]

VERSIONS = range(31, 69)

_SOAP = re.compile(r"/services/Soap/[uc]/(\d+\.\d)(?:/.*)?")


def outside(fake: FakeSalesforce, request: Request, path: str) -> Response:
    if path == "/services/data":
        return answer([{"label": f"v{n}", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in VERSIONS])
    if path == "/services/oauth2/token" and request.method == "POST":
        return _token(fake, request)
    if path == "/services/oauth2/revoke":
        fake.logins.revoke(_form(request).get("token", ""))
        return Response(200)
    if (found := _SOAP.fullmatch(path)) and request.method == "POST":
        return _soap_login(fake, request, found[1])
    if path == "/services/oauth2/userinfo" or path.startswith("/id/"):
        check_token(fake, request)
        return answer(_who(fake, request))
    raise BadRequest(404, "NOT_FOUND", "The requested resource does not exist")


def _token(fake: FakeSalesforce, request: Request) -> Response:
    host = urlsplit(request.url).hostname or ""
    try:
        granted = fake.logins.grant(_form(request), Headers(request.headers).get("Authorization", ""), host)
    except LoginRefused as refused:
        return answer({"error": refused.code, "error_description": refused.message}, 400)
    origin = _origin(fake, request)
    about = {
        "instance_url": origin,
        "id": f"{origin}/id/{fake.org.id}/{fake.org.user_id}",
        "token_type": "Bearer",
        "issued_at": str(int(fake.clock.epoch() * 1000)),
        "signature": "ZmFrZSBzaWduYXR1cmU=",
        "scope": "api",
    }
    return answer(granted | about)


def _soap_login(fake: FakeSalesforce, request: Request, version: str) -> Response:
    headers = Headers({"Content-Type": "text/xml;charset=UTF-8"})
    try:
        session = fake.logins.soap_login(version, body_of(request))
    except LoginRefused as refused:
        return Response(500, headers, soap_fault(refused).encode())
    server = f"{_origin(fake, request)}/services/Soap/u/{version}/{fake.org.id[:15]}"
    return Response(200, headers, soap_answer(session, server, fake.org.user_id, fake.org.id).encode())


def _origin(fake: FakeSalesforce, request: Request) -> str:
    """Where the org is reached: the instance for a login on a host for everybody, else the host asked."""
    url = urlsplit(request.url)
    shared = url.hostname in ("login.salesforce.com", "test.salesforce.com")
    return fake.instance_url if shared else f"{url.scheme}://{url.netloc}"


def _who(fake: FakeSalesforce, request: Request) -> dict[str, Any]:
    origin = _origin(fake, request)
    user = fake.org["User"].current(fake.org.user_id)
    return {
        "sub": f"{origin}/id/{fake.org.id}/{fake.org.user_id}",
        "id": f"{origin}/id/{fake.org.id}/{fake.org.user_id}",
        "user_id": fake.org.user_id,
        "organization_id": fake.org.id,
        "preferred_username": user["Username"],
        "username": user["Username"],
        "display_name": user["LastName"],
        "name": user["LastName"],
        "email": user["Email"],
        "user_type": "STANDARD",
        "active": True,
        "urls": {"rest": f"{origin}/services/data/v{{version}}/"},
    }


def check_token(fake: FakeSalesforce, request: Request) -> None:
    scheme, _, token = Headers(request.headers).get("Authorization", "").partition(" ")
    if scheme not in ("Bearer", "OAuth") or not fake.logins.accepts(token):
        raise BadRequest(401, "INVALID_SESSION_ID", "Session expired or invalid")


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(body_of(request).decode()))

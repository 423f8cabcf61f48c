"""The page at ``/__emulator__/``: a fake's records, what was asked of it, what changed, and an edit by hand.

It is one document without outside parts. Its data comes from ``api/…`` beside it, as JSON. Every answer is
refused to a host name that is not ours (DNS rebinding), and every change to another site's page (CSRF): a
post must carry a header that no form can set and, where the browser says where it comes from, come from here.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aumconnect.testing._page.document import document, policy
from aumconnect.testing._page.log import RequestLog
from aumconnect.testing._page.mishaps import Mishaps
from aumconnect.testing._page.views import Views
from aumconnect.wire import Headers, Request, Response

__all__ = ["PREFIX", "Mishaps", "Page", "RequestLog", "Views"]

PREFIX = "/__emulator__/"
HEADER = "X-Emulator-Page"

_FIXED = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Refused(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Page:
    """Answers requests below `PREFIX`, from what `Views` can see of a fake."""

    def __init__(self, views: Views, host: str) -> None:
        self._views, self._host = views, host

    def __call__(self, request: Request) -> Response:
        try:
            return self._route(request)
        except _Refused as refusal:
            return _json({"error": str(refusal)}, refusal.status)
        except (LookupError, ValueError) as error:  # what the fake says to an impossible edit
            return _json({"error": str(error.args[0] if error.args else error)}, HTTPStatus.BAD_REQUEST)

    def _route(self, request: Request) -> Response:
        url = urlsplit(request.url)
        self._refuse_foreign_names(url.hostname)
        name = url.path.removeprefix(PREFIX)
        if request.method == "POST":
            _refuse_other_sites(request, f"{url.scheme}://{url.netloc}")
            return _json(self._action(name)(_arguments(request)))
        if request.method not in ("GET", "HEAD"):
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and POST")
        if not name:
            return _html()
        return _json(self._view(name)(dict(parse_qsl(url.query))))

    def _refuse_foreign_names(self, hostname: str | None) -> None:
        """A name other than ours that leads here was pointed at us by somebody else's DNS."""
        if hostname not in ("localhost", self._host) and not _is_address(hostname or ""):
            raise _Refused(HTTPStatus.FORBIDDEN, "this host name is not ours; open the page by its address")

    def _view(self, name: str) -> Callable[[dict[str, str]], Any]:
        views = self._views
        found = {
            "api/overview": views.overview,
            "api/records": views.records,
            "api/record": views.record,
            "api/requests": views.requests,
            "api/changes": views.changes,
        }.get(name)
        return found or _nothing_there()

    def _action(self, name: str) -> Callable[[dict[str, Any]], Any]:
        found = {"api/edit": self._views.edit, "api/fault": self._views.fault}.get(name)
        return found or _nothing_there()


def _nothing_there() -> Any:
    raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")


def _is_address(hostname: str) -> bool:
    try:
        ipaddress.ip_address(hostname)
    except ValueError:
        return False
    return True


def _refuse_other_sites(request: Request, origin: str) -> None:
    headers = request.headers
    ours = headers.get("origin", origin) == origin and headers.get("sec-fetch-site", "same-origin") == "same-origin"
    if not ours or headers.get(HEADER) != "1":
        raise _Refused(HTTPStatus.FORBIDDEN, "changes are taken from the page itself only")
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")


def _arguments(request: Request) -> dict[str, Any]:
    assert isinstance(request.body, bytes)
    found = json.loads(request.body)
    if not isinstance(found, dict):
        raise _Refused(HTTPStatus.BAD_REQUEST, "send a JSON object")
    return found


def _html() -> Response:
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy(), **_FIXED}
    return Response(200, Headers(headers), document())


def _json(content: Any, status: int = 200) -> Response:
    body = json.dumps(content, ensure_ascii=False, default=str).encode()
    return Response(status, Headers({"Content-Type": "application/json", **_FIXED}), body)

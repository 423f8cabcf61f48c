"""One request to the fake org's REST API, taken apart, and answers put together."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aumconnect.testing.fakes.salesforce.errors import BadRequest
from aumconnect.wire import Headers, Request, Response

__all__ = ["Call", "answer", "no_content", "refusal"]

_DECIMAL = re.compile(r'"\\u0000([^"]+)"')


@dataclass(frozen=True)
class Call:
    """``path`` is what follows ``/services/data/vNN.0``, with its escapes; ``root`` is that beginning."""

    request: Request
    path: str
    root: str

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.request.url).query, keep_blank_values=True))

    @property
    def method(self) -> str:
        return self.request.method

    def header(self, name: str) -> str:
        return Headers(self.request.headers).get(name, "")

    def json(self) -> Any:
        """The body, numbers with a fraction as Decimal. Raises `BadRequest` (JSON_PARSER_ERROR), also for NaN."""
        try:
            return json.loads(body_of(self.request), parse_float=Decimal, parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            raise BadRequest(400, "JSON_PARSER_ERROR", f"Unexpected input: {type(error).__name__}") from None

    def object(self) -> dict[str, Any]:
        """The body, which must be a JSON object."""
        found = self.json()
        if not isinstance(found, dict):
            raise BadRequest(400, "JSON_PARSER_ERROR", "The HTTP entity body is required to be a JSON object.")
        return found


def body_of(request: Request) -> bytes:
    return request.body if isinstance(request.body, bytes) else b"".join(request.body.chunks())


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``value`` as JSON; a Decimal is written digit by digit."""
    text = json.dumps(value, default=_decimal)
    fields = {"Content-Type": "application/json;charset=UTF-8", **(headers or {})}
    return Response(status, Headers(fields), _DECIMAL.sub(r"\1", text).encode())


def no_content() -> Response:
    return Response(204)


def refusal(error: BadRequest) -> Response:
    return answer(error.body(), error.status)


def _decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} in an answer")
    return f"\0{value}"


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")

"""How the fake org says no: to one record (`Refusal`), or to a whole request (`BadRequest`).

Codes: SOAP API Developer Guide, StatusCode; REST API Developer Guide, Status Codes and Error Responses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["BadRequest", "Refusal"]


class Refusal(ValueError):
    """One record is not written."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = list(fields)

    def row(self) -> dict[str, Any]:
        """As one of the ``errors`` of a row in an answer to many records."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


class BadRequest(Exception):
    """The whole request is refused with an HTTP status and ``[{message, errorCode}]``."""

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = list(fields)

    @classmethod
    def of(cls, refusal: Refusal, status: int = 400) -> BadRequest:
        """The same refusal, of a request about a single record."""
        return cls(status, refusal.code, refusal.message, refusal.fields)

    def body(self) -> list[dict[str, Any]]:
        fields = {"fields": self.fields} if self.fields else {}
        return [{"message": self.message, "errorCode": self.code, **fields}]

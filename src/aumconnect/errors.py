"""What can go wrong, named for what the caller does next.

AumconnectError
├── ConfigurationError (ValueError)   mend the settings, the job file or the call
│   └── UnknownConnector (LookupError)  install or name the connector
├── AuthenticationError               renew the credential or its permissions
├── GuardTripped                      look at the plan; a guard stopped it
├── RateLimited                       wait until ``retry_at``, then go on
├── Unavailable                       the system is down or out of reach; try later
├── ProtocolError                     the system answered nonsense, or against its contract; report it
├── LedgerError                       the ledger is damaged, missing, newer, or was taken over
│   └── RunInProgress                   another run of this writeback is under way; try later
├── RecordsFailed                     raised only by ``Report.raise_for_errors()``
├── RequestRefused                    one answer that `Connector.classify` calls an error (see there)
└── TransportError                    one request that got no answer; ``sent`` says if it may have arrived

A rejected record is not an exception: it is an `Outcome`. No message here ever contains a response
body, a header value or a credential.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aumconnect.wire import Response

__all__ = [
    "AumconnectError",
    "AuthenticationError",
    "ConfigurationError",
    "ErrorClass",
    "GuardTripped",
    "LedgerError",
    "ProtocolError",
    "RateLimited",
    "RecordsFailed",
    "RequestRefused",
    "RunInProgress",
    "TransportError",
    "Unavailable",
    "UnknownConnector",
]


class ErrorClass(StrEnum):
    """What an error reply means for what happens next; connectors sort every reply into one of these."""

    TRANSIENT = "transient"
    """The system stumbled; the same request may succeed in a moment."""
    LOCKED = "locked"
    """Another writer holds the record; it was not written."""
    THROTTLED = "throttled"
    """Refused unread because we are too fast."""
    QUOTA = "quota"
    """Refused unread until an allowance is renewed, hours away."""
    AUTH_REFRESH = "auth-refresh"
    """The access token is too old; log in again and repeat."""
    AUTH_REVOKED = "auth-revoked"
    """The credential is no longer accepted; a person must act."""
    PERMISSION = "permission"
    """We may not do this to this record, field or object."""
    VALIDATION = "validation"
    """The system says no to these values, for good."""
    DUPLICATE = "duplicate"
    """A unique value is taken, or a duplicate rule spoke."""
    CONFLICT = "conflict"
    """Somebody changed the record since we read it."""
    NOT_FOUND = "not-found"
    """The record is gone."""
    AMBIGUOUS_KEY = "ambiguous-key"
    """Several remote records share the key; nothing was written."""
    UNKNOWN = "unknown"
    """The reply does not say whether the write was carried out."""


class AumconnectError(Exception):
    """The root of everything this library raises on purpose.

    ``hint`` says how to mend it; ``exit_code`` is what the command line ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  Hint: {self.hint}" if self.hint else self.message


class ConfigurationError(AumconnectError, ValueError):
    """A setting, a job file or a call is wrong, and would be wrong again."""

    exit_code = 2


class UnknownConnector(ConfigurationError, LookupError):
    """No installed package provides a connector of this name."""


class AuthenticationError(AumconnectError):
    """The system does not accept the credential, or no longer."""

    exit_code = 3


class GuardTripped(AumconnectError):
    """A guard stopped a plan before anything was written."""

    exit_code = 3


class RateLimited(AumconnectError):
    """The system asks for a longer pause than we wait in line; ``retry_at`` is epoch seconds."""

    exit_code = 75

    def __init__(self, message: str, *, retry_at: float | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_at = retry_at


class Unavailable(AumconnectError):
    """The system cannot be reached or does not work now; nothing is wrong with the request."""

    exit_code = 75


class ProtocolError(AumconnectError):
    """An answer could not be understood, or broke the system's own contract."""


class LedgerError(AumconnectError):
    """The ledger cannot be trusted, or this run has lost its right to write."""

    exit_code = 3


class RunInProgress(LedgerError):
    """Another run holds the writeback just now; this one writes nothing more."""

    exit_code = 75


class RecordsFailed(AumconnectError):
    """Some records were rejected, failed, or have an unknown outcome."""


class RequestRefused(AumconnectError):
    """An answer that the connector's `classify` sorted into an `ErrorClass`.

    It is thrown into an exchange at its ``yield Request(...)`` after all retries, so that a connector
    handles only success unless it wants to. ``response`` is for code, never for messages.
    """

    def __init__(self, error_class: ErrorClass, response: Response, *, retry_after: float | None = None) -> None:
        super().__init__(f"the system answered HTTP {response.status} ({error_class.value})")
        self.error_class = error_class
        self.response = response
        self.retry_after = retry_after


class TransportError(AumconnectError):
    """A request without an answer.

    ``sent=False``: nothing left this machine. ``sent=True``: the request may have been carried out.
    ``permanent``: another attempt would end the same way, as with an expired certificate.
    """

    exit_code = 75

    def __init__(self, message: str, *, sent: bool, hint: str | None = None, permanent: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.sent = sent
        self.permanent = permanent

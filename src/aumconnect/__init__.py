"""Carry a model's outputs into the systems a business runs on.

The names below load on first use: ``import aumconnect`` imports no HTTP, XML, validation or database library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aumconnect._retry import RetryPolicy
    from aumconnect.auth import AccessToken, ClientCredentials, Credential, JWTBearer, Password, RefreshToken, Secret
    from aumconnect.client import AsyncClient, Client
    from aumconnect.connector import Account, Connector, Guarantee, Operation
    from aumconnect.connectors.salesforce import Adopted, Salesforce
    from aumconnect.errors import (
        AumconnectError,
        AuthenticationError,
        ConfigurationError,
        ErrorClass,
        GuardTripped,
        LedgerError,
        ProtocolError,
        RateLimited,
        RecordsFailed,
        RunInProgress,
        TransportError,
        Unavailable,
        UnknownConnector,
    )
    from aumconnect.outcome import Outcome, Problem, Status
    from aumconnect.record import Key, Record, Ref, ScoredAt, To
    from aumconnect.report import Report
    from aumconnect.schema import CLEAR, FieldSchema, ObjectSchema, Reference
    from aumconnect.writeback import Plan, Project, Writeback

_HOMES = {
    "aumconnect.auth": "AccessToken ClientCredentials Credential JWTBearer Password RefreshToken Secret",
    "aumconnect.client": "AsyncClient Client",
    "aumconnect.connector": "Account Connector Guarantee Operation",
    "aumconnect.connectors.salesforce": "Adopted Salesforce",
    "aumconnect.errors": (
        "AumconnectError AuthenticationError ConfigurationError ErrorClass GuardTripped LedgerError ProtocolError"
        " RateLimited RecordsFailed RunInProgress TransportError Unavailable UnknownConnector"
    ),
    "aumconnect.outcome": "Outcome Problem Status",
    "aumconnect.record": "Key Record Ref ScoredAt To",
    "aumconnect.report": "Report",
    "aumconnect.schema": "CLEAR FieldSchema ObjectSchema Reference",
    "aumconnect._retry": "RetryPolicy",
    "aumconnect.writeback": "Plan Project Writeback",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "CLEAR",
    "AccessToken",
    "Account",
    "Adopted",
    "AsyncClient",
    "AumconnectError",
    "AuthenticationError",
    "Client",
    "ClientCredentials",
    "ConfigurationError",
    "Connector",
    "Credential",
    "ErrorClass",
    "FieldSchema",
    "Guarantee",
    "GuardTripped",
    "JWTBearer",
    "Key",
    "LedgerError",
    "ObjectSchema",
    "Operation",
    "Outcome",
    "Password",
    "Plan",
    "Problem",
    "Project",
    "ProtocolError",
    "RateLimited",
    "Record",
    "RecordsFailed",
    "Ref",
    "Reference",
    "RefreshToken",
    "Report",
    "RetryPolicy",
    "RunInProgress",
    "Salesforce",
    "ScoredAt",
    "Secret",
    "Status",
    "To",
    "TransportError",
    "Unavailable",
    "UnknownConnector",
    "Writeback",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("aumconnect")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'aumconnect' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""What the refusal of a whole request means to a caller who asked for one thing, not for many rows."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

from aumconnect._near import did_you_mean
from aumconnect.errors import (
    AumconnectError,
    AuthenticationError,
    ConfigurationError,
    ErrorClass,
    RateLimited,
    RequestRefused,
    Unavailable,
)
from aumconnect.schema import ObjectSchema
from aumconnect.wire import Exchange

__all__ = ["naming_fields", "plainly"]

T = TypeVar("T")


def plainly(exchange: Exchange[T]) -> Exchange[T]:
    """``exchange``, with refusals that say nothing about its request raised as what they are about.

    `Unavailable` where the system stumbles, is busy or somebody else answers for it; `RateLimited` where an
    allowance is used up; `AuthenticationError` where the account lacks a right. Others stay `RequestRefused`.
    """
    try:
        return (yield from exchange)
    except RequestRefused as refused:
        raise _plain(refused) from refused


def naming_fields(
    exchange: Exchange[T], names: Collection[str], describe: Callable[[], Exchange[ObjectSchema]]
) -> Exchange[T]:
    """``exchange``, whose refusal is a `ConfigurationError` where one of the fields ``names`` does not exist.

    The object is described only then. Names with a dot lead to another object, and are not looked at.
    """
    try:
        return (yield from exchange)
    except RequestRefused as refused:
        if refused.error_class is not ErrorClass.VALIDATION:
            raise
        schema = yield from describe()
        strange = next((name for name in names if name not in schema.fields and "." not in name), None)
        if strange is None:
            raise
        hint = did_you_mean(strange, schema.fields)
        raise ConfigurationError(f"{schema.name} has no field {strange!r}", hint=hint) from refused


def _plain(refused: RequestRefused) -> AumconnectError:
    status = refused.response.status
    match refused.error_class:
        case ErrorClass.TRANSIENT | ErrorClass.UNKNOWN:
            hint = "try again later; if it stays like this, check the connection's URL and what lies in between"
            return Unavailable(f"the system does not answer sensibly (HTTP {status})", hint=hint)
        case ErrorClass.THROTTLED | ErrorClass.LOCKED:
            return Unavailable(f"the system is too busy (HTTP {status})", hint="try again later")
        case ErrorClass.QUOTA:
            return RateLimited("the account's quota is used up", hint="try again when it is renewed")
        case ErrorClass.PERMISSION | ErrorClass.AUTH_REVOKED:
            hint = "its administrator must grant it: access by API, and rights to the object and its fields"
            return AuthenticationError(f"the account may not do this (HTTP {status})", hint=hint)
    return refused

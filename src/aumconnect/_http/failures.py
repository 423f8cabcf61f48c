"""httpx's exceptions as `TransportError`: whether anything was sent, in words that quote neither side."""

from __future__ import annotations

from typing import NamedTuple

import httpx

from aumconnect._http.tls import why_not_connected
from aumconnect.errors import TransportError

__all__ = ["Limits", "failure_of"]

_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""These come before the request's first byte; after any other error it may have been carried out."""


class Limits(NamedTuple):
    """The seconds an attempt had, and had until it was connected."""

    total: float
    connect: float


def failure_of(error: httpx.TransportError, where: str, limits: Limits) -> TransportError:
    """The same in our words; httpx's own may quote header fields or the answer. ``where`` begins the message."""
    if isinstance(error, _NOT_SENT):
        what, hint, permanent = _why_not_sent(error, limits)
        return TransportError(f"{where}: {what}", sent=False, hint=hint, permanent=permanent)
    return TransportError(f"{where}: {_why_no_answer(error, limits)}", sent=True)


def _why_not_sent(error: httpx.TransportError, limits: Limits) -> tuple[str, str | None, bool]:
    """(what happened, a hint, whether the next attempt would end the same)"""
    system = _system_error(error)
    match error:
        case httpx.ConnectTimeout():
            hint = "check the host and port, and whether a firewall or a proxy stands between"
            return f"no connection within {min(limits):g} s", hint, False
        case httpx.ConnectError() if system is not None:
            return why_not_connected(system)
        case httpx.ProxyError():
            return _what_the_proxy_said(str(error))
        case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
            return "the request is not valid HTTP", None, True
    return "the connection ended before it was set up", None, False


def _why_no_answer(error: httpx.TransportError, limits: Limits) -> str:
    match error:
        case httpx.TimeoutException():
            return f"no whole answer within {limits.total:g} s"
        case httpx.RemoteProtocolError():
            return _what_the_server_broke(str(error))
    system = _system_error(error)
    words = "closed by the other side" if system is None else (system.strerror or type(system).__name__).lower()
    return f"the connection broke ({words})"


def _what_the_proxy_said(message: str) -> tuple[str, str | None, bool]:
    status = message[:3] if message[:3].isdigit() else "no HTTP"
    denied = status in ("401", "403", "407")
    return f"the proxy refused ({status})", "check the proxy's user, password and rules" if denied else None, denied


def _what_the_server_broke(message: str) -> str:
    if message.startswith("Server disconnected"):
        return "the server closed the connection without an answer"
    if message.startswith("peer closed connection"):
        return "the answer was cut short"
    return "the answer is not valid HTTP"


def _system_error(error: BaseException | None) -> OSError | None:
    """The error of the operating system, or of TLS, underneath, where there is one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error
        group = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        error = group[0] if group else error.__cause__ or error.__context__
    return None

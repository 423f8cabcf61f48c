"""The narrow seam between a runner and the network: one request, one answer, one deadline."""

from __future__ import annotations

from typing import Protocol

from aumconnect.wire import Request, Response

__all__ = ["AsyncTransport", "Transport"]


class Transport(Protocol):
    """Sends requests with absolute URLs; one object serves any number of threads."""

    def send(self, request: Request, *, timeout: float) -> Response:
        """The whole answer within ``timeout`` seconds, connect to last byte.

        Raises `TransportError` when there is none, or one that is too large or broken.
        Never follows a redirect, never repeats a request.
        """

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """The same on an event loop."""

    async def send(self, request: Request, *, timeout: float) -> Response: ...

    async def close(self) -> None: ...

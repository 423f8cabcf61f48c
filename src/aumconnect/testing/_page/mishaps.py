"""Things that can be made to go wrong once, by a person at the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aumconnect.wire import Drop, Headers, Request, Response

__all__ = ["Mishaps"]


class Mishaps:
    """Stands between the socket and a fake, and spoils the next exchange when told to."""

    def __init__(self, fake: Callable[[Request], Response]) -> None:
        self._fake = fake
        self._next: list[str] = []
        self._known: dict[str, Callable[[], None]] = {
            "lose-reply": lambda: self._next.append("lose-reply"),
            "unavailable": lambda: self._next.append("unavailable"),
        }
        expire = getattr(fake, "expire_tokens", None)
        if expire:
            self._known["expire-token"] = expire

    @property
    def kinds(self) -> list[str]:
        """``lose-reply`` (carried out, then the connection ends), ``unavailable`` (503, not carried out) and,
        where the fake can, ``expire-token``."""
        return list(self._known)

    @property
    def waiting(self) -> list[str]:
        """What the next requests have coming, in order."""
        return list(self._next)

    def cause(self, kind: str) -> None:
        """Raises `LookupError` for an unknown kind."""
        if kind not in self._known:
            raise LookupError(f"no fault is called {kind!r}; there are {', '.join(self._known)}")
        self._known[kind]()

    def __call__(self, request: Request) -> Response:
        coming = self._next.pop(0) if self._next else None
        if coming == "unavailable":
            return Response(503, Headers({"Content-Type": "text/plain"}), b"the emulator was told to be unavailable")
        response = self._fake(request)
        return replace(response, fault=Drop()) if coming == "lose-reply" else response

"""What was asked of the emulator, and what it answered: the newest exchanges, without their bodies."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

from aumconnect.wire import Request, Response

__all__ = ["Asked", "RequestLog"]

KEPT = 2_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and its answer. ``at`` is epoch seconds, ``seconds`` the fake's own time, sizes are bytes."""

    number: int
    at: float
    method: str
    target: str
    status: int
    seconds: float
    received: int
    sent: int
    fault: str | None


class RequestLog:
    """The last `KEPT` exchanges and the number of all, counted from 1."""

    def __init__(self) -> None:
        self.total = 0
        self.newest: deque[Asked] = deque(maxlen=KEPT)

    def add(self, request: Request, response: Response, *, seconds: float) -> None:
        self.total += 1
        self.newest.appendleft(
            Asked(
                number=self.total,
                at=time.time(),
                method=request.method,
                target=_target(request.url),
                status=response.status,
                seconds=seconds,
                received=len(request.body) if isinstance(request.body, bytes) else request.body.size,
                sent=len(response.body),
                fault=type(response.fault).__name__ if response.fault else None,
            )
        )


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path

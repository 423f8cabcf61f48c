"""How much we may ask of a system: retry budget, requests per window, requests at once, share of a quota.

All of it is pure arithmetic on times handed in (seconds, any clock that only goes forward), and safe to
share between threads. One set of these objects serves one (origin, account).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock

__all__ = ["Concurrency", "QuotaShare", "RateLimit", "RetryBudget"]


class RetryBudget:
    """Repeats are paid from a purse: ``start`` tokens, plus ``share`` of a token for every first attempt.

    However long a system is down, requests never exceed ``first attempts x (1 + share) + start``; the purse
    never holds more than ``most``, so a long calm does not pay for a storm.
    """

    def __init__(self, start: float = 10.0, share: float = 0.1, most: float = 100.0) -> None:
        self._tokens = start
        self._share = share
        self._most = max(most, start)
        self._lock = Lock()

    def first(self) -> None:
        """A request is made for the first time."""
        with self._lock:
            self._tokens = min(self._tokens + self._share, self._most)

    def spend(self) -> bool:
        """Whether one repeat is allowed; it is paid for when it is."""
        with self._lock:
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True

    @property
    def tokens(self) -> float:
        return self._tokens


class RateLimit:
    """At most ``requests`` in any ``seconds``, and none at all while the system asked for a pause."""

    def __init__(self, requests: int | None = None, seconds: float = 1.0) -> None:
        self._requests = requests
        self._seconds = seconds
        self._times: deque[float] = deque()
        self._paused_until = 0.0
        self._lock = Lock()

    def reserve(self, now: float) -> float:
        """0 when a request may go now (it is then counted), else the time at which to ask again."""
        with self._lock:
            if now < self._paused_until:
                return self._paused_until
            return 0.0 if self._requests is None else self._take(now, self._requests)

    def _take(self, now: float, allowed: int) -> float:
        times = self._times
        while times and times[0] + self._seconds <= now:
            times.popleft()
        if len(times) >= allowed:
            return times[0] + self._seconds
        times.append(now)
        return 0.0

    def pause(self, until: float) -> None:
        """Nobody sends before ``until``; a shorter pause never shortens a longer one."""
        with self._lock:
            self._paused_until = max(self._paused_until, until)


class Concurrency:
    """How many requests at once: halved when throttled, one more after each full round without it (AIMD)."""

    def __init__(self, most: int) -> None:
        self.limit = self.most = max(1, most)
        self._calm = 0
        self._halved_in_round = False

    def throttled(self) -> None:
        """Halve, once a round: the answers of one burst are one piece of news."""
        if not self._halved_in_round:
            self.limit = max(1, self.limit // 2)
            self._halved_in_round = True
        self._calm = 0

    def answered(self) -> None:
        """One request came back without complaint."""
        self._calm += 1
        if self._calm >= self.limit:
            self._calm = 0
            self._halved_in_round = False
            self.limit = min(self.most, self.limit + 1)


@dataclass(frozen=True, slots=True)
class QuotaShare:
    """The part of an account's allowance that we use; the rest is for its other applications."""

    share: float = 0.9

    def spent(self, used: int, allowed: int) -> bool:
        """Whether the account's counter has reached our part."""
        return allowed > 0 and used >= self.share * allowed

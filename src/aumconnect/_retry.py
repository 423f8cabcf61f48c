"""Retry as an exchange around an exchange.

`retrying` stands between a connector's exchange and whoever performs its effects, and repeats single
requests. tenacity keeps the loop (`Retrying.iter` says what to do next and does nothing itself); what is
worth a repeat, how long to wait and when to stop is decided here, once, for every connector.
"""

from __future__ import annotations

import random as _random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying

from aumconnect._clock import SYSTEM_CLOCK, Clock
from aumconnect._limits import RetryBudget
from aumconnect._relay import relay
from aumconnect.errors import ErrorClass, RateLimited, RequestRefused, TransportError
from aumconnect.events import Hook, RetryPlanned
from aumconnect.wire import Effect, Exchange, Request, Response, Wait

__all__ = ["RetryPolicy", "parse_retry_after", "retrying"]

_JITTER = _random.Random()  # noqa: S311  (one for all: seeding takes longer than a request)

T = TypeVar("T")
Classify = Callable[[Response], ErrorClass | None]

REFUSED_UNREAD = frozenset({ErrorClass.THROTTLED, ErrorClass.LOCKED})
"""Nothing was written: any request may be repeated."""
IN_DOUBT = frozenset({ErrorClass.TRANSIENT, ErrorClass.UNKNOWN})
"""It may have been written: only what is safe or idempotent may be repeated."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a request is repeated. Times are seconds.

    Pause number n is ``min(maximum, initial * 2 ** (n - 1))``, of which ``jitter`` (0 to 1) is random. A
    Retry-After is a floor for it; one above ``max_inline_wait`` is not slept but raised as `RateLimited`.
    ``attempts=1`` turns repeats off. ``total`` bounds one request with all its repeats and pauses.
    """

    attempts: int = 5
    total: float = 300.0
    initial: float = 0.5
    maximum: float = 60.0
    jitter: float = 1.0
    max_inline_wait: float = 60.0

    def pause(self, attempt: int, random: _random.Random) -> float:
        """The seconds to wait after attempt number ``attempt`` (1 is the first)."""
        longest = min(self.maximum, self.initial * 2.0 ** min(attempt - 1, 60))
        return longest * (1.0 - self.jitter * random.random())


def retrying(
    exchange: Exchange[T],
    *,
    classify: Classify,
    policy: RetryPolicy,
    budget: RetryBudget,
    clock: Clock = SYSTEM_CLOCK,
    random: _random.Random | None = None,
    on_retry: Hook | None = None,
) -> Exchange[T]:
    """``exchange`` with its requests repeated where that is safe and may help.

    Answers that ``classify`` calls None are sent in. Others are thrown in as `RequestRefused` once repeats
    are used up or pointless, lost requests as `TransportError`, and a longer pause than we wait in line as
    `RateLimited`. Other effects, and exceptions of any other type, pass through untouched.
    """
    rules = _Rules(classify, policy, budget, clock, random or _JITTER, on_retry)

    def each(effect: Effect) -> Exchange[Any]:
        return (yield from _attempts(effect, rules)) if isinstance(effect, Request) else (yield effect)

    return relay(exchange, each)


@dataclass(frozen=True, slots=True)
class _Rules:
    classify: Classify
    policy: RetryPolicy
    budget: RetryBudget
    clock: Clock
    random: _random.Random
    on_retry: Hook | None


@dataclass(slots=True)
class _Call:
    """One request on its way through its attempts; what the loop's decisions look at."""

    request: Request
    rules: _Rules
    started: float


def _attempts(request: Request, rules: _Rules) -> Exchange[Response]:
    call = _Call(request, rules, rules.clock.now())
    state = RetryCallState(_LOOP, None, (call,), {})
    rules.budget.first()
    _LOOP.begin()
    while True:
        action = _LOOP.iter(state)
        if isinstance(action, DoAttempt):
            yield from _attempt(state, call)
        elif isinstance(action, DoSleep):
            state.prepare_for_next_attempt()
            yield Wait(float(action))
        else:
            response: Response = action
            return response


def _attempt(state: RetryCallState, call: _Call) -> Exchange[None]:
    try:
        response = yield call.request
    except TransportError as lost:
        state.set_exception((type(lost), lost, lost.__traceback__))
        return
    error_class = call.rules.classify(response)
    if error_class is None:
        state.set_result(response)
        return
    after = parse_retry_after(response, call.rules.clock.epoch())
    refused = RequestRefused(error_class, response, retry_after=after)
    state.set_exception((RequestRefused, refused, None))


def _worth_it(state: RetryCallState) -> bool:
    """An allow-list: these errors, of requests that can bear it."""
    error, request = _error(state), _call(state).request
    harmless = request.safe or request.idempotent
    if isinstance(error, TransportError):
        return not error.permanent and (harmless or not error.sent)
    if isinstance(error, RequestRefused):
        return error.error_class in REFUSED_UNREAD or (harmless and error.error_class in IN_DOUBT)
    return False


def _pause(state: RetryCallState) -> float:
    call, error = _call(state), _error(state)
    policy, floor = call.rules.policy, getattr(error, "retry_after", None) or 0.0
    if floor > policy.max_inline_wait:
        at = call.rules.clock.epoch() + floor
        raise RateLimited(f"the system asks for a pause of {floor:.0f} s", retry_at=at) from error
    return max(floor, policy.pause(state.attempt_number, call.rules.random))


def _enough(state: RetryCallState) -> bool:
    """Attempts, time or budget are used up. The budget is asked last, because asking pays."""
    call = _call(state)
    policy, elapsed = call.rules.policy, call.rules.clock.now() - call.started
    if state.attempt_number >= policy.attempts or elapsed + state.upcoming_sleep > policy.total:
        return True
    return not call.rules.budget.spend()


def _announce(state: RetryCallState) -> None:
    call, error = _call(state), _error(state)
    if call.rules.on_retry is not None:
        url, cause = call.request.url.partition("?")[0], getattr(error, "error_class", None)
        call.rules.on_retry(RetryPlanned(call.request.method, url, state.attempt_number, state.upcoming_sleep, cause))


def _call(state: RetryCallState) -> _Call:
    call: _Call = state.args[0]
    return call


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None


_LOOP = Retrying(retry=_worth_it, wait=_pause, stop=_enough, before_sleep=_announce, reraise=True)
"""Shared: everything about a request is in its `RetryCallState`; only tenacity's own statistics are per thread."""


# --- Retry-After -----------------------------------------------------------------------------------------

LONGEST_RETRY_AFTER = 366 * 86_400.0
"""Anything longer is taken for a mistake and ignored."""

_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = (  # RFC 9110 §5.6.7: IMF-fixdate, then the two obsolete forms a recipient must accept
    re.compile(rf"[A-Z][a-z]{{2}}, (?P<day>[0-9]{{2}}) (?P<month>[A-Z][a-z]{{2}}) (?P<year>[0-9]{{4}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]+day, (?P<day>[0-9]{{2}})-(?P<month>[A-Z][a-z]{{2}})-(?P<year>[0-9]{{2}}) {_CLOCK} GMT"),
    re.compile(rf"[A-Z][a-z]{{2}} (?P<month>[A-Z][a-z]{{2}}) (?P<day>[ 0-9][0-9]) {_CLOCK} (?P<year>[0-9]{{4}})"),
)


def parse_retry_after(response: Response, epoch: float) -> float | None:
    """The pause in seconds that ``response`` asks for (RFC 9110 §10.2.3), or None for none or nonsense.

    A date counts from the answer's own Date, so that a wrong clock on either side cancels out; ``epoch``
    is our clock, used when there is no Date. Never negative, never NaN, never infinite.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:20])
    else:
        then = _http_date(text)
        if then is None:
            return None
        sent = _http_date(response.headers.get("Date", "").strip())
        seconds = max(0.0, then - (epoch if sent is None else sent))
    return seconds if seconds <= LONGEST_RETRY_AFTER else None


def _http_date(text: str) -> float | None:
    for form in _DATES:
        found = form.fullmatch(text)
        if found is not None:
            return _timestamp(found)
    return None


def _timestamp(found: re.Match[str]) -> float | None:
    year, month = int(found["year"]), _MONTHS.get(found["month"], 0)
    if year < 100:
        year += 2000 if year < 70 else 1900
    clock = (int(found["hour"]), int(found["minute"]), int(found["second"]))
    try:
        return datetime(year, month, int(found["day"]), *clock, tzinfo=UTC).timestamp()
    except ValueError:
        return None

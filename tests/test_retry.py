"""A request is repeated when that is safe and may help, never sooner than asked, never more than is paid for."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aumconnect._limits import RetryBudget
from aumconnect._retry import LONGEST_RETRY_AFTER, RetryPolicy, parse_retry_after, retrying
from aumconnect._runner import Runner
from aumconnect.errors import ErrorClass, RateLimited, RequestRefused, TransportError
from aumconnect.events import RetryPlanned
from aumconnect.testing.clock import VirtualClock
from aumconnect.wire import Checkpoint, Exchange, Headers, Request, Response, Wait

GET, POST, PUT = Request("GET", "/"), Request("POST", "/"), Request("PUT", "/")
LOST, UNSENT = TransportError("lost", sent=True), TransportError("refused", sent=False)
CLASSES = {
    400: ErrorClass.VALIDATION,
    401: ErrorClass.AUTH_REVOKED,
    402: ErrorClass.QUOTA,
    403: ErrorClass.PERMISSION,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.UNKNOWN,
    409: ErrorClass.DUPLICATE,
    412: ErrorClass.CONFLICT,
    423: ErrorClass.LOCKED,
    429: ErrorClass.THROTTLED,
    503: ErrorClass.TRANSIENT,
}
DEFINITE = [400, 401, 402, 403, 404, 409, 412]


def classify(response: Response) -> ErrorClass | None:
    return CLASSES.get(response.status)


class Line:
    """The other end: answers from a script, the last one for ever."""

    def __init__(self, *script: Response | BaseException | int) -> None:
        self.script = list(script)
        self.sent: list[tuple[float, Request]] = []
        self.clock = VirtualClock()
        self.retries: list[Any] = []
        self.budget = RetryBudget()

    def send(self, request: Request, *, timeout: float) -> Response:
        self.sent.append((self.clock.now(), request))
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(said, BaseException):
            raise said
        return Response(said) if isinstance(said, int) else said

    def close(self) -> None:
        pass

    def run(self, request: Request, **policy: Any) -> Response:
        def once() -> Exchange[Response]:
            return (yield request)

        exchange = retrying(
            once(),
            classify=classify,
            policy=RetryPolicy(**policy),
            budget=self.budget,
            clock=self.clock,
            random=random.Random(1),
            on_retry=self.retries.append,
        )
        return Runner(self, clock=self.clock).run(exchange)


# --- which requests are repeated ---


@pytest.mark.parametrize("request_", [GET, POST, PUT], ids=["get", "post", "put"])
@pytest.mark.parametrize("status", DEFINITE)
def test_a_definite_refusal_is_sent_once(request_: Request, status: int) -> None:
    line = Line(status)

    with pytest.raises(RequestRefused) as refused:
        line.run(request_)

    assert refused.value.error_class is CLASSES[status]
    assert len(line.sent) == 1


@pytest.mark.parametrize("fate", [LOST, 503, 408], ids=["lost", "503", "408"])
def test_a_create_whose_fate_is_unknown_is_not_sent_again(fate: Any) -> None:
    line = Line(fate, 200)

    with pytest.raises((TransportError, RequestRefused)):
        line.run(POST)

    assert len(line.sent) == 1


@pytest.mark.parametrize("fate", [LOST, UNSENT, 503, 408, 423, 429], ids=str)
@pytest.mark.parametrize("request_", [GET, PUT, Request("POST", "/", idempotent=True)], ids=["get", "put", "said so"])
def test_what_is_idempotent_is_repeated_until_answered(request_: Request, fate: Any) -> None:
    line = Line(fate, fate, 200)

    assert line.run(request_).status == 200
    assert len(line.sent) == 3


@pytest.mark.parametrize("fate", [UNSENT, 423, 429], ids=["unsent", "locked", "throttled"])
def test_a_create_that_was_refused_unread_is_repeated(fate: Any) -> None:
    line = Line(fate, 200)

    assert line.run(POST).status == 200
    assert len(line.sent) == 2


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), ValueError("a bug")], ids=lambda e: type(e).__name__
)
def test_other_exceptions_are_never_retried(error: BaseException) -> None:
    line = Line(error)

    with pytest.raises(type(error)):
        line.run(GET)

    assert len(line.sent) == 1


def test_the_last_error_comes_out_when_attempts_are_used_up() -> None:
    line = Line(503)

    with pytest.raises(RequestRefused, match="503"):
        line.run(GET, attempts=4)

    assert len(line.sent) == 4
    assert [event.attempt for event in line.retries] == [1, 2, 3]
    assert line.retries[0] == RetryPlanned("GET", "/", 1, line.retries[0].wait, ErrorClass.TRANSIENT)


def test_one_attempt_turns_retries_off() -> None:
    line = Line(503)

    with pytest.raises(RequestRefused):
        line.run(GET, attempts=1)

    assert len(line.sent) == 1


def test_effects_that_are_no_requests_pass_untouched() -> None:
    def talk() -> Exchange[str]:
        yield Wait(3.0)
        yield Checkpoint({"job": 1})
        return "done"

    exchange = retrying(talk(), classify=classify, policy=RetryPolicy(), budget=RetryBudget())

    assert next(exchange) == Wait(3.0)
    assert exchange.send(None) == Checkpoint({"job": 1})
    with pytest.raises(StopIteration) as end:
        exchange.send(None)
    assert end.value.value == "done"


def test_closing_the_retry_closes_the_exchange_inside() -> None:
    closed = []

    def talk() -> Exchange[None]:
        try:
            yield GET
        finally:
            closed.append(True)

    exchange = retrying(talk(), classify=classify, policy=RetryPolicy(), budget=RetryBudget())
    next(exchange)
    exchange.close()

    assert closed


# --- how long it waits ---


def test_a_repeat_never_comes_before_the_time_asked_for() -> None:
    line = Line(Response(429, Headers({"Retry-After": "7"})), 200)

    line.run(POST)

    assert line.sent[1][0] - line.sent[0][0] >= 7.0


def test_a_pause_longer_than_we_wait_in_line_is_told_not_slept() -> None:
    line = Line(Response(503, Headers({"Retry-After": "21600"})), 200)

    with pytest.raises(RateLimited) as limited:
        line.run(GET)

    assert limited.value.retry_at == pytest.approx(line.clock.epoch() + 21600)
    assert line.clock.slept == []


@given(st.integers(1, 200), st.floats(0.01, 10), st.floats(1, 100), st.floats(0, 1), st.randoms())
def test_pauses_grow_to_the_maximum_and_never_above(
    attempt: int, initial: float, maximum: float, jitter: float, random_: random.Random
) -> None:
    pause = RetryPolicy(initial=initial, maximum=maximum, jitter=jitter).pause(attempt, random_)
    longest = min(maximum, initial * 2.0 ** (attempt - 1))

    assert longest * (1 - jitter) - 1e-9 <= pause <= longest


def test_the_total_bounds_a_request_with_all_its_repeats() -> None:
    line = Line(503)

    with pytest.raises(RequestRefused):
        line.run(GET, attempts=100, total=20.0, initial=1.0, jitter=0.0)

    assert line.clock.now() <= 20.0
    assert len(line.sent) > 3


def test_requests_to_a_dead_system_stay_within_the_budget() -> None:
    """P5 of the fault study: at most 1.10 x first attempts + 10."""
    line = Line(503)

    for _ in range(1000):
        with pytest.raises(RequestRefused):
            line.run(GET)

    assert len(line.sent) <= 1000 * 1.1 + 10


# --- Retry-After (RFC 9110 §10.2.3) ---

EPOCH = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def asked(value: str, date: str | None = None, epoch: datetime = EPOCH) -> float | None:
    fields = {"Retry-After": value} | ({"Date": date} if date else {})
    return parse_retry_after(Response(503, Headers(fields)), epoch.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("120.5", None),
        ("-1", None),
        ("+5", None),
        ("1e3", None),
        ("99999999999", None),
        ("9" * 400, None),
        ("inf", None),
        ("NaN", None),
        ("", None),
        ("soon", None),
        ("١٢", None),
        ("²", None),
        ("1_000", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 120.0),
        ("Monday, 23-Nov-26 12:02:00 GMT", 120.0),
        ("Mon Nov 23 12:02:00 2026", 120.0),
        ("Sun Nov  1 12:02:00 2026", 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", None),
        ("2099-10-21T07:28:00Z", None),
        ("Mon, 31 Feb 2026 12:02:00 GMT", None),
        ("Mon, 23 Foo 2026 12:02:00 GMT", None),
        ("Mon, 23 Nov 2026 25:02:00 GMT", None),
        ("Mon, 23 Nov 2026 12:02:00 +0100", None),
    ],
)
def test_retry_after_is_read_strictly(value: str, seconds: float | None) -> None:
    assert asked(value) == seconds


@pytest.mark.parametrize("skew", [timedelta(days=-1), timedelta(0), timedelta(days=1), timedelta(days=3650)])
def test_a_date_counts_from_the_answers_own_date_whatever_our_clock_says(skew: timedelta) -> None:
    then = format_datetime(EPOCH + timedelta(seconds=90), usegmt=True)

    assert asked(then, date=format_datetime(EPOCH, usegmt=True), epoch=EPOCH + skew) == 90.0


VALID = ["120", "0", "Mon, 23 Nov 2026 12:02:00 GMT", "Monday, 23-Nov-26 12:02:00 GMT", "Mon Nov 23 12:02:00 2026"]
TOKENS = st.sampled_from(["Mon", "Nov", ", ", " ", "GMT", "23", "2026", "12:00:00", "-", "Monday", "1", "0", "e", "."])
NOISE = st.one_of(st.text(max_size=40), st.lists(TOKENS, max_size=12).map("".join), st.integers().map(str))


def mutated(rng: random.Random) -> str:
    """A valid header with a few characters changed, dropped or doubled."""
    text = list(rng.choice(VALID))
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(text) + 1)
        text[at : at + rng.randint(0, 2)] = rng.choice(
            ["", "-", "9", "0", ":", " ", "٣", "e", "inf", "\x00", "é", "GMT"]
        )
    return "".join(text)


def test_ten_thousand_damaged_headers_make_no_absurd_pause() -> None:
    """P7 of the fault study."""
    rng = random.Random(7)
    for _ in range(10_000):
        seconds = asked(mutated(rng), rng.choice([None, mutated(rng)]))
        assert seconds is None or (math.isfinite(seconds) and 0.0 <= seconds <= LONGEST_RETRY_AFTER)


@given(NOISE, NOISE | st.none())
def test_no_header_makes_a_pause_that_is_negative_infinite_or_no_number(value: str, date: str | None) -> None:
    seconds = asked(value, date)

    assert seconds is None or (math.isfinite(seconds) and 0.0 <= seconds <= LONGEST_RETRY_AFTER)


@pytest.mark.parametrize("value", ["NaN", "inf", "-5", "99999999999", "٣"])
def test_a_malformed_header_means_ordinary_back_off(value: str) -> None:
    line = Line(Response(429, Headers({"Retry-After": value})), 200)

    line.run(GET, initial=1.0, jitter=0.0)

    assert line.clock.slept == [1.0]

"""Runners perform effects and know no vendor; every attempt passes the gate."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from aumconnect._limits import RateLimit
from aumconnect._runner import AsyncRunner, Gate, Runner, origin_of
from aumconnect.connector import Origins
from aumconnect.errors import LedgerError, ProtocolError, RateLimited, TransportError, Unavailable
from aumconnect.events import RequestEnded
from aumconnect.testing.clock import VirtualClock
from aumconnect.wire import Checkpoint, Exchange, Exclusive, Request, Response, Settled, Wait

GET = Request("GET", "https://api.example/x?secret=1")
HOME = Origins(frozenset({"https://api.example"}), announced=r"https://[a-z]+\.eu\.example")


class Line:
    """A transport that answers what it is told to."""

    def __init__(self, answer: Callable[[Request], Response] = lambda request: Response(200)) -> None:
        self.answer = answer
        self.sent: list[tuple[Request, float]] = []

    def send(self, request: Request, *, timeout: float) -> Response:
        self.sent.append((request, timeout))
        return self.answer(request)

    def close(self) -> None:
        pass


class AsyncLine(Line):
    async def send(self, request: Request, *, timeout: float) -> Response:  # type: ignore[override]
        return Line.send(self, request, timeout=timeout)

    async def close(self) -> None:  # type: ignore[override]
        pass


class Both:
    """Runs an exchange on either runner; the tests below hold for both."""

    def __init__(self, kind: str) -> None:
        self.line = Line() if kind == "blocking" else AsyncLine()
        self.kind, self.clock, self.events, self.noted = kind, VirtualClock(), [], []

    def run(self, exchange: Exchange[Any], gate: Gate | None = None) -> Any:
        options = {"gate": gate, "clock": self.clock, "on_event": self.events.append}
        if self.kind == "blocking":
            return Runner(self.line, **options).run(exchange, self.noted.append)

        async def sink(effect: Checkpoint | Settled) -> None:
            self.noted.append(effect)

        return asyncio.run(AsyncRunner(self.line, **options).run(exchange, sink))


@pytest.fixture(params=["blocking", "async"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


def ask(*requests: Request) -> Exchange[list[int]]:
    statuses = []
    for request in requests:
        statuses.append((yield request).status)  # noqa: PERF401  (a comprehension cannot yield)
    return statuses


def yielding(*effects: Any) -> Exchange[list[Any]]:
    results = []
    for effect in effects:
        results.append((yield effect))  # noqa: PERF401  (a comprehension cannot yield)
    return results


def test_the_result_of_an_exchange_is_what_it_returns(both: Both) -> None:
    def one() -> Exchange[int]:
        reply = yield GET
        return reply.status

    assert both.run(one()) == 200


def test_time_passes_and_notes_reach_the_sink(both: Both) -> None:
    assert both.run(yielding(Wait(5.0), Checkpoint({"job": 1}), Settled([]))) == [None, None, None]
    assert both.clock.now() == 5.0
    assert both.noted == [Checkpoint({"job": 1}), Settled([])]


def test_errors_are_thrown_in_where_the_effect_was_yielded(both: Both) -> None:
    def lose(request: Request) -> Response:
        raise TransportError("lost", sent=True)

    def careful() -> Exchange[str]:
        try:
            yield GET
        except TransportError as lost:
            return f"lost, sent={lost.sent}"
        return "answered"

    both.line.answer = lose

    assert both.run(careful()) == "lost, sent=True"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_is_not_thrown_in_but_closes_the_exchange(both: Both, error: type[BaseException]) -> None:
    closed, swallowed = [], []

    def stubborn() -> Exchange[None]:
        try:
            yield GET
        except Exception as caught:  # noqa: BLE001  (what a careless connector does)
            swallowed.append(caught)
        finally:
            closed.append(True)

    def end(request: Request) -> Response:
        raise error

    both.line.answer = end
    with pytest.raises(error):
        both.run(stubborn())

    assert closed
    assert not swallowed


def test_what_is_no_effect_is_a_bug_of_the_connector(both: Both) -> None:
    with pytest.raises(TypeError, match="str"):
        both.run(yielding("GET /"))


def test_an_exclusive_exchange_returns_its_result(both: Both) -> None:
    def login() -> Exchange[str]:
        yield GET
        return "token"

    assert both.run(yielding(Exclusive("login", login()))) == ["token"]


def test_exclusive_exchanges_of_one_key_never_overlap_between_threads() -> None:
    inside, overlaps = [], []

    def busy(request: Request) -> Response:
        inside.append(1)
        overlaps.append(len(inside))
        time.sleep(0.002)
        inside.pop()
        return Response(200)

    def login() -> Exchange[None]:
        yield GET

    runner = Runner(Line(busy))
    threads = [threading.Thread(target=runner.run, args=(yielding(Exclusive("key", login())),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert overlaps == [1] * 8


async def test_exclusive_exchanges_of_one_key_never_overlap_between_tasks() -> None:
    inside, overlaps = [], []

    class Slow:
        async def send(self, request: Request, *, timeout: float) -> Response:
            inside.append(1)
            overlaps.append(len(inside))
            await asyncio.sleep(0)
            inside.pop()
            return Response(200)

        async def close(self) -> None:
            pass

    def login() -> Exchange[None]:
        yield GET

    runner = AsyncRunner(Slow())
    await asyncio.gather(*(runner.run(yielding(Exclusive("key", login()))) for _ in range(8)))

    assert overlaps == [1] * 8


async def test_a_cancellation_closes_the_exchange_and_passes() -> None:
    closed = []

    class Silent:
        async def send(self, request: Request, *, timeout: float) -> Response:
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None:
            pass

    def talk() -> Exchange[None]:
        try:
            yield GET
        finally:
            closed.append(True)

    task = asyncio.create_task(AsyncRunner(Silent()).run(talk()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert closed


def test_every_attempt_is_told_without_its_query(both: Both) -> None:
    both.run(ask(GET))

    assert both.events == [RequestEnded("GET", "https://api.example/x", 200, 0.0)]


# --- the gate ---


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "http://api.example/x",
        "https://api.example:8443/x",
        "https://api.example@evil.example/x",
        "https://api.example.evil.example/x",
        "https://user:pw@api.example/x",
        "https://evil.example\\@api.example/x",
        "https://x.eu.example.evil.example/",
        "file:///etc/passwd",
        "//api.example/x",
        "/x",
        "https://[::1/x",
    ],
)
def test_a_foreign_url_is_refused_before_anything_is_sent(both: Both, url: str) -> None:
    with pytest.raises(ProtocolError):
        both.run(ask(Request("GET", url)), Gate(HOME))

    assert both.line.sent == []


@pytest.mark.parametrize(
    "url", ["https://api.example/x", "https://API.EXAMPLE:443/x", "https://na.eu.example/services"]
)
def test_home_and_announced_hosts_are_let_through(both: Both, url: str) -> None:
    assert both.run(ask(Request("GET", url)), Gate(HOME)) == [200]


def test_an_origin_is_written_one_way() -> None:
    assert origin_of("HTTPS://Api.Example:443/x?y#z") == "https://api.example"
    assert origin_of("http://[::1]:8080/") == "http://[::1]:8080"


def test_the_fence_is_asked_before_each_write_and_before_no_read(both: Both) -> None:
    asked = []

    def fence() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise LedgerError("another run holds the lease")

    post = Request("POST", "https://api.example/x")
    with pytest.raises(LedgerError):
        both.run(ask(GET, post, GET, post), Gate(HOME, fence=fence))

    assert [request.method for request, _ in both.line.sent] == ["GET", "POST", "GET"]


def test_an_attempt_gets_its_own_time_cut_by_the_runs_deadline(both: Both) -> None:
    gate = Gate(HOME, attempt_timeout=60.0, deadline=100.0)

    both.run(
        yielding(GET, Request("GET", GET.url, timeout=5.0), Wait(70.0), GET),
        gate,
    )

    assert [timeout for _, timeout in both.line.sent] == [60.0, 5.0, 30.0]
    both.clock.advance(30.0)
    with pytest.raises(Unavailable):
        both.run(ask(GET), gate)


def test_an_agreed_rate_is_waited_for(both: Both) -> None:
    both.run(ask(*[GET] * 5), Gate(HOME, limits=[RateLimit(2, 10.0)]))

    assert both.clock.now() == 20.0
    assert len(both.line.sent) == 5


def test_a_limit_that_wants_too_much_patience_is_told(both: Both) -> None:
    limit = RateLimit()
    limit.pause(1000.0)

    with pytest.raises(RateLimited):
        both.run(ask(GET), Gate(HOME, limits=[limit], patience=300.0))

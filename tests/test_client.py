"""`Client` and `AsyncClient`: what a user types, over the smallest system there is."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Le

import aumconnect as aum
from aumconnect.events import ChunkSettled
from aumconnect.testing import faults
from aumconnect.testing.fakes.memory import FakeMemory
from aumconnect.testing.transport import AsyncFakeTransport, FakeTransport
from aumconnect.wire import Headers, Request, Response, Wait


class Score(aum.Record, object="Item"):
    code: Annotated[str, aum.Key("code")]
    score: Annotated[float, aum.To("score"), Ge(0), Le(1)]
    band: Annotated[Literal["low", "mid", "high"] | None, aum.To("band", missing="clear")] = None


ROWS = [{"code": f"C-{n}", "score": n / 10, "band": "low"} for n in range(5)]


@pytest.fixture
def fake() -> FakeMemory:
    return FakeMemory()


@pytest.fixture
def client(fake: FakeMemory) -> aum.Client:
    return aum.Client("memory://test", transport=FakeTransport(fake), clock=fake.clock)


@pytest.fixture
def async_client(fake: FakeMemory) -> aum.AsyncClient:
    return aum.AsyncClient("memory://test", transport=AsyncFakeTransport(fake), clock=fake.clock)


def values(fake: FakeMemory, code: str) -> dict[str, Any]:
    [record] = [record for record in fake.tables()["Item"] if record["code"] == code]
    return dict(record)


def test_rows_arrive_typed_and_are_counted(client: aum.Client, fake: FakeMemory) -> None:
    report = client.upsert(Score, ROWS)

    assert str(report) == "5 created"
    assert report.exit_code == 0
    assert str(values(fake, "C-3")["score"]) == "0.3"


async def test_the_async_client_does_the_same(
    async_client: aum.AsyncClient, client: aum.Client, fake: FakeMemory
) -> None:
    """Two fresh systems, two clients, one trace of requests."""
    awaited = await async_client.upsert(Score, ROWS)
    there = [(request.method, request.url) for request in fake.requests]
    other = FakeMemory()
    blocking = aum.Client("memory://test", transport=FakeTransport(other), clock=other.clock).upsert(Score, ROWS)

    assert str(blocking) == str(awaited)
    assert [(r.method, r.url.split("/jobs/")[0]) for r in other.requests] == there


def test_a_bad_row_costs_one_row(client: aum.Client, fake: FakeMemory) -> None:
    """NaN in a required column and a value out of range are named by row, key and field; the rest goes."""
    rows = [*ROWS, {"code": "C-7", "score": float("nan")}, {"code": "C-8", "score": 3.0}]
    report = client.upsert(Score, rows)

    assert {status.value: n for status, n in report.counts.items()} == {"created": 5, "rejected": 2}
    assert sorted(outcome.key for outcome in report.attention) == [("C-7",), ("C-8",)]
    assert {"score"} == {problem.field for outcome in report.attention for problem in outcome.problems}
    with pytest.raises(aum.RecordsFailed):
        report.raise_for_errors()


def test_absent_clear_and_value_are_three_things(client: aum.Client, fake: FakeMemory) -> None:
    client.upsert("Item", [{"code": "A", "score": 0.5, "band": "low", "label": "kept"}], key="code")
    client.update(Score, [{"code": "A", "score": 0.7, "band": None}])

    assert (values(fake, "A")["label"], values(fake, "A")["band"]) == ("kept", None)


def test_an_update_without_a_match_is_skipped_and_never_creates(client: aum.Client, fake: FakeMemory) -> None:
    report = client.update(Score, ROWS[:1])

    assert "no match" in str(report)
    assert list(fake.tables()["Item"]) == []


def test_columns_of_plain_rows_are_fields(client: aum.Client, fake: FakeMemory) -> None:
    client.upsert("Item", [{"code": "A", "label": "x"}], key="code")
    client.update("Item", iter([{"code": "A", "label": "y"}]), key="code")

    assert values(fake, "A")["label"] == "y"


def test_a_plain_row_can_clear_a_field(client: aum.Client, fake: FakeMemory) -> None:
    client.upsert("Item", [{"code": "A", "label": "x", "score": 1}], key="code")
    report = client.update("Item", [{"code": "A", "label": aum.CLEAR, "score": 2}], key="code")

    assert str(report) == "1 updated"
    assert values(fake, "A")["label"] is None


def test_a_key_is_never_cleared(client: aum.Client) -> None:
    assert client.update("Item", [{"code": aum.CLEAR, "label": "x"}], key="code").counts[aum.Status.REJECTED] == 1


def test_no_value_vanishes_because_the_first_row_has_no_such_column(client: aum.Client, fake: FakeMemory) -> None:
    """A list's columns are those of all its rows; a stream that grows one later has that row rejected."""
    rows = [{"code": "A", "score": 1}, {"code": "B", "label": "kept"}]
    client.upsert("Item", rows, key="code")
    report = client.upsert("Item", iter([{"code": "C"}, {"code": "D", "label": "not lost in silence"}]), key="code")

    assert values(fake, "B")["label"] == "kept"
    assert "'label'" in str(report)
    assert report.counts[aum.Status.REJECTED] == 1


def test_rows_can_carry_remote_ids(client: aum.Client, fake: FakeMemory) -> None:
    """No look-up is made when the key is the remote id itself."""
    client.upsert(Score, ROWS[:1])
    [record] = client.find("Item", {"code": "C-0"})
    before = fake.received
    client.update("Item", [{"Id": record.id, "label": "by id"}], key="Id")

    assert (values(fake, "C-0")["label"], fake.received - before) == ("by id", 1)


def test_every_problem_is_named_before_anything_is_sent(client: aum.Client, fake: FakeMemory) -> None:
    with pytest.raises(aum.ConfigurationError) as caught:
        client.upsert("Item", [{"code": "A", "scor": 1, "labell": "x"}], key="code")

    assert "score" in str(caught.value)
    assert "label" in str(caught.value)
    assert fake.mutations == 0


def test_delete_takes_keys_only(client: aum.Client, fake: FakeMemory) -> None:
    client.upsert(Score, ROWS)
    report = client.delete("Item", [{"code": "C-1"}, {"code": "C-2"}], key="code")

    assert report.counts[aum.Status.DELETED] == 2
    assert [record["code"] for record in fake.tables()["Item"]] == ["C-0", "C-3", "C-4"]


def test_reading_is_paged_and_stops_at_the_limit(client: aum.Client) -> None:
    client.upsert("Item", [{"code": f"{n:04}"} for n in range(250)], key="code")

    assert len(list(client.read("Item", fields=["code"]))) == 250
    assert len(list(client.read("Item", fields=["code"], limit=7))) == 7


async def test_reading_awaits_pages(async_client: aum.AsyncClient) -> None:
    await async_client.upsert("Item", [{"code": f"{n:04}"} for n in range(250)], key="code")

    assert len([record async for record in async_client.read("Item", fields=["code"])]) == 250
    assert len([record async for record in async_client.read("Item", fields=["code"], limit=7)]) == 7


def test_since_needs_a_time_zone(client: aum.Client) -> None:
    with pytest.raises(aum.ConfigurationError, match="time zone"):
        client.read("Item", since=datetime(2026, 1, 1))  # noqa: DTZ001
    assert list(client.read("Item", since=datetime(2026, 1, 1, tzinfo=UTC))) == []


def test_a_record_is_got_by_id_and_none_when_it_is_gone(client: aum.Client) -> None:
    client.upsert(Score, ROWS[:1])
    [found] = client.find("Item", {"code": "C-0"}, fields=["score"])

    assert found.values["score"] == client.get("Item", found.id, ["score"]).values["score"]
    assert client.get("Item", "M999999999", ["score"]) is None


@pytest.mark.parametrize("accident", [faults.lose_reply, faults.lose_request], ids=["after commit", "before commit"])
def test_a_lost_answer_never_makes_a_second_record(
    client: aum.Client, fake: FakeMemory, accident: Callable[[], Any]
) -> None:
    fake.faults.write(1, accident())
    client.insert(Score, ROWS)

    assert {1} == set(fake.creations.values())
    assert len(fake.creations) == 5


def test_a_system_that_is_down_is_left_alone(client: aum.Client, fake: FakeMemory) -> None:
    """Every row is failed, none unknown, and the system is not asked once a row."""
    client.describe("Item")
    fake.faults.each(lambda request, index: faults.unreachable())
    report = client.upsert("Item", [{"code": f"{n}"} for n in range(5000)], key="code")

    assert report.exit_code == 75
    assert report.counts[aum.Status.FAILED] == 5000
    assert isinstance(report.stopped, aum.Unavailable)
    assert fake.received < 60


def test_when_one_is_throttled_nobody_sends_before_the_time_the_system_named(
    client: aum.Client, fake: FakeMemory
) -> None:
    """While one request waits out its Retry-After, the gate holds every other one of this client back."""
    client.describe("Item")
    throttled = client.around(client.connector.check())
    next(throttled)
    busy = Response(429, Headers({"Retry-After": "7"}))
    assert isinstance(throttled.send(busy), Wait)
    held = client._gate().admit(Request("GET", "https://test.invalid/objects"), fake.clock.now())

    assert held >= 7.0


def test_an_interrupted_write_says_what_was_done(client: aum.Client, fake: FakeMemory) -> None:
    settled = []

    def stop(event: object) -> None:
        if isinstance(event, ChunkSettled):
            settled.append(event)
            if len(settled) == 1:  # a second signal would end it at once
                signal.raise_signal(signal.SIGINT)

    client.on_event = stop
    with pytest.raises(KeyboardInterrupt) as caught:
        client.upsert(Score, [{"code": f"C-{n}", "score": 0.5} for n in range(5000)])

    written = len(fake.tables()["Item"])
    assert 0 < written < 5000
    assert f"{written:,} created" in caught.value.__notes__[0]


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(TypeError, match="paralel"):
        aum.Client("memory://test", paralel=3)


def test_a_misspelt_connector_is_refused_with_the_near_name() -> None:
    with pytest.raises(aum.UnknownConnector, match="did you mean 'memory'"):
        aum.Client("memroy://test")


@pytest.mark.parametrize("call", ["update", "upsert", "delete"])
def test_what_needs_a_key_says_so(client: aum.Client, call: str) -> None:
    with pytest.raises(aum.ConfigurationError, match="needs a key"):
        getattr(client, call)("Item", [{"label": "x"}])


def test_a_client_is_not_pickled(client: aum.Client) -> None:
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(client)


def test_only_systems_with_a_native_client_have_one(client: aum.Client) -> None:
    with pytest.raises(aum.ConfigurationError, match="no native client"):
        _ = client.native

"""Scripts of accidents, on the smallest fake there is, as a transport shows them."""

from __future__ import annotations

import pytest

from aumconnect.errors import TransportError
from aumconnect.testing import faults
from aumconnect.testing.fakes import Fake
from aumconnect.testing.faults import Accident
from aumconnect.testing.transport import AsyncFakeTransport, FakeTransport
from aumconnect.wire import Request, Response, Spool


class Shelf(Fake):
    """Keeps whatever is posted; answers a GET with how many there are."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.kept: list[bytes] = []
        self.expired = 0

    def respond(self, request: Request) -> Response:
        if request.method == "GET":
            return Response(200, body=str(len(self.kept)).encode())
        assert isinstance(request.body, bytes)
        self.kept.append(request.body)
        self.count("Thing", request.body.decode(), created=True)
        return Response(201, body=b"kept")

    def expire_tokens(self) -> None:
        self.expired += 1


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def post(shelf: Shelf, body: str = "a", timeout: float = 10.0) -> Response:
    return FakeTransport(shelf).send(Request("POST", "http://shelf/things", body=body.encode()), timeout=timeout)


def get(shelf: Shelf, timeout: float = 10.0) -> Response:
    return FakeTransport(shelf).send(Request("GET", "http://shelf/things"), timeout=timeout)


def test_a_lost_reply_was_carried_out_and_a_lost_request_was_not(shelf: Shelf) -> None:
    shelf.faults.write(1, faults.lose_reply())
    shelf.faults.write(2, faults.lose_request())

    for body in "ab":
        with pytest.raises(TransportError) as lost:
            post(shelf, body)
        assert lost.value.sent

    assert shelf.kept == [b"a"]
    assert shelf.mutations == 1


def test_writes_are_counted_apart_from_reads(shelf: Shelf) -> None:
    shelf.faults.write(3, faults.lose_reply())
    post(shelf)
    get(shelf)
    post(shelf)
    get(shelf)
    with pytest.raises(TransportError):
        post(shelf)


def test_an_answer_is_given_so_many_times_and_the_fake_never_sees_the_request(shelf: Shelf) -> None:
    shelf.faults.next(faults.answer(503, {"sorry": True}), times=2)

    assert [post(shelf).status for _ in range(3)] == [503, 503, 201]
    assert shelf.mutations == 1
    assert shelf.received == 3


def test_a_late_commit_takes_effect_when_its_time_comes(shelf: Shelf) -> None:
    shelf.faults.write(1, faults.late_commit(30))
    with pytest.raises(TransportError):
        post(shelf)

    shelf.clock.sleep(29)
    assert get(shelf).body == b"0"
    assert shelf.pending == 1
    shelf.clock.sleep(1)
    assert get(shelf).body == b"1"
    assert shelf.mutations == 1


def test_an_unreachable_host_is_known_to_have_seen_nothing(shelf: Shelf) -> None:
    shelf.faults.next(faults.unreachable())

    with pytest.raises(TransportError) as refused:
        post(shelf)

    assert not refused.value.sent
    assert not shelf.kept


def test_a_delay_takes_its_time_and_beyond_the_deadline_the_answer_is_lost(shelf: Shelf) -> None:
    shelf.faults.next(faults.delay(4), times=2)

    assert post(shelf).status == 201
    assert shelf.clock.now() == 4
    with pytest.raises(TransportError) as late:
        post(shelf, timeout=3)
    assert late.value.sent
    assert shelf.clock.now() == 7
    assert len(shelf.kept) == 2


def test_a_dripping_answer_meets_the_deadline(shelf: Shelf) -> None:
    shelf.faults.next(faults.drip(1))
    with pytest.raises(TransportError):
        post(shelf, timeout=60)
    assert shelf.clock.now() == 60


def test_a_truncated_answer_is_lost_unless_it_was_shorter(shelf: Shelf) -> None:
    shelf.faults.next(faults.truncate(2))
    shelf.faults.next(faults.truncate(100))

    with pytest.raises(TransportError):
        post(shelf)
    assert post(shelf).body == b"kept"


def test_an_html_page_may_come_with_status_200(shelf: Shelf) -> None:
    shelf.faults.next(faults.html_page())

    reply = post(shelf)

    assert (reply.status, reply.headers["content-type"]) == (200, "text/html")


def test_something_may_happen_just_before_a_request_is_read(shelf: Shelf) -> None:
    shelf.faults.write(1, faults.meanwhile(lambda fake: fake.kept.append(b"somebody else's")))
    shelf.faults.write(2, faults.expire_token())
    post(shelf, "mine")
    post(shelf, "mine too")

    assert shelf.kept == [b"somebody else's", b"mine", b"mine too"]
    assert shelf.expired == 1


def test_a_request_is_met_by_its_url_or_any_test_of_it(shelf: Shelf) -> None:
    shelf.faults.when("/things", faults.answer(500), nth=2)
    shelf.faults.when(lambda request: request.method == "GET", faults.answer(404), times=1)

    assert [get(shelf).status, get(shelf).status, get(shelf).status] == [404, 500, 200]


def test_a_function_decides_for_every_request_by_its_number() -> None:
    shelf = Shelf(faults=lambda request, index: Accident(reply=Response(418)) if index % 2 else None)

    assert [get(shelf).status for _ in range(4)] == [200, 418, 200, 418]
    shelf.faults.clear()
    assert [get(shelf).status for _ in range(2)] == [200, 200]


def test_commits_are_counted_by_key(shelf: Shelf) -> None:
    post(shelf, "a")
    post(shelf, "a")

    assert shelf.commits["Thing", "a"] == 2
    assert shelf.creations.total() == 2


def test_latency_is_every_answers_delay() -> None:
    shelf = Shelf(latency=0.25)
    post(shelf)
    get(shelf)
    assert shelf.clock.now() == 0.5


def test_a_spooled_answer_goes_to_its_spool(shelf: Shelf) -> None:
    spool = Spool()
    reply = FakeTransport(shelf).send(Request("POST", "http://shelf/", body=b"x", reply_to=spool), timeout=1)
    assert (reply.body, b"".join(spool.chunks())) == (b"", b"kept")


async def test_the_same_on_an_event_loop(shelf: Shelf) -> None:
    shelf.faults.next(faults.delay(2))
    shelf.faults.next(faults.lose_reply())
    transport = AsyncFakeTransport(shelf)

    assert (await transport.send(Request("POST", "http://shelf/", body=b"x"), timeout=9)).status == 201
    assert shelf.clock.now() == 2
    with pytest.raises(TransportError):
        await transport.send(Request("POST", "http://shelf/", body=b"y"), timeout=9)
    assert shelf.kept == [b"x", b"y"]

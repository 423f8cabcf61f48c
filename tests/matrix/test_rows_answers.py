"""Fault matrix, rows of odd answers: what a user of a client sees, in virtual time."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from matrix_org import believed, counts, every_answer, made, organization, outcomes, rows, scores, sent_rows, with_body
from matrix_org import writes as writes_of

import aumconnect as aum
from aumconnect.outcome import Status
from aumconnect.testing import faults

MARK = "page-of-somebody-else"
HTML = {"Content-Type": "text/html"}


def page(status: int) -> faults.Accident:
    return faults.answer(status, f"<!DOCTYPE html><p>{MARK}</p>".encode(), HTML)


def test_row_01_a_refused_connection_is_tried_again_even_for_a_create() -> None:
    fake = organization()
    client = fake.client()
    client.describe("Contact")
    fake.faults.next(faults.unreachable(), times=2)
    report = client.insert("Contact", rows(3))

    assert counts(report) == {"created": 3}
    assert made(fake) == {1: 3}
    assert fake.clock.now() < 60  # nothing was in doubt, so nothing had to settle


@pytest.mark.parametrize("seconds", [0, 30, 599])
def test_row_12_what_is_carried_out_late_is_waited_for_and_found(seconds: float) -> None:
    fake = organization()
    fake.faults.write(1, faults.late_commit(seconds) if seconds else faults.lose_reply())
    report = fake.client(settle_wait=900.0).insert("Contact", rows(3), key="Ext__c")
    fake.settle()

    assert counts(report) == {"created": 3}
    assert made(fake) == {1: 3}


def test_row_13_nothing_is_sent_before_the_time_the_system_asked_for() -> None:
    fake = organization()
    client = fake.client()
    client.describe("Contact")
    times: list[float] = []
    fake.faults.each(lambda request, index: times.append(fake.clock.now()))
    fake.faults.write(1, faults.answer(429, headers={"Retry-After": "20"}))
    start = fake.clock.now()
    report = client.insert("Contact", rows(3))

    assert counts(report) == {"created": 3}
    assert min(times) >= start + 20


def test_row_16_a_pause_of_hours_suspends_the_run_until_then() -> None:
    fake = organization()
    client = fake.client()
    client.describe("Contact")
    fake.faults.write(1, faults.answer(429, headers={"Retry-After": "21600"}))
    report = client.insert("Contact", rows(3))

    assert report.exit_code == 75
    assert report.resume_at == pytest.approx(fake.clock.epoch() + 21_600, abs=60)
    assert (counts(report), fake.clock.now() < 60) == ({"failed": 3}, True)


@pytest.mark.parametrize("value", ["NaN", "-1", "inf", "1e9", "tomorrow"])
def test_row_16_nonsense_in_retry_after_is_ordinary_back_off(value: str) -> None:
    fake = organization()
    fake.faults.write(1, faults.answer(429, headers={"Retry-After": value}))

    assert counts(fake.client().insert("Contact", rows(3))) == {"created": 3}
    assert fake.clock.now() < 60


@pytest.mark.parametrize("status", [200, 403, 404, 500, 502, 503, 504])
@pytest.mark.parametrize("carried_out", [True, False])
def test_row_17_18_21_a_page_of_html_is_neither_success_nor_refusal(
    status: int, carried_out: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A create is looked up, never simply sent again; nothing of the page is shown."""
    caplog.set_level(logging.DEBUG)
    fake = organization()
    if carried_out:
        every_answer(fake, lambda response: page(status).reply or response, times=1)
    else:
        fake.faults.write(1, page(status))
    report = fake.client(settle_wait=900.0).insert("Contact", rows(3), key="Ext__c")

    assert counts(report) == {"created": 3}
    assert made(fake) == {1: 3}
    assert MARK not in caplog.text + str(report)


@pytest.mark.parametrize("accident", [page(503), page(200), faults.answer(500), faults.answer(302)])
def test_row_17_21_36_a_system_that_is_down_is_said_to_be(accident: faults.Accident) -> None:
    """Also before the first write, and with the exit code of something to be continued."""
    fake = organization()
    fake.faults.when("/describe", accident, times=99)
    with pytest.raises(aum.Unavailable) as caught:
        fake.client().upsert("Contact", rows(3), key="Ext__c")

    assert caught.value.exit_code == 75
    assert MARK not in str(caught.value)
    assert fake.mutations == 0


@pytest.mark.parametrize("place", ["/describe", "/query"])
def test_row_34_an_object_the_account_may_not_see_is_a_matter_of_rights(place: str) -> None:
    fake = organization(contacts=1)
    client = fake.client()
    client.check()
    refusal = [{"errorCode": "INSUFFICIENT_ACCESS", "message": MARK}]
    fake.faults.when(place, faults.answer(403, refusal), times=99)
    with pytest.raises(aum.AuthenticationError, match="may not") as caught:
        list(client.read("Contact"))

    assert (caught.value.exit_code, fake.received) == (3, 3 if place == "/describe" else 4)
    assert caught.value.hint


@pytest.mark.parametrize("status", [500, 502, 503, 302])
def test_row_19_a_system_that_stays_down_is_left_alone(status: int) -> None:
    fake = organization()
    client = fake.client()
    client.describe("Contact")
    fake.faults.write(1, faults.answer(status), times=10**6)
    report = client.upsert("Contact", rows(10_000), key="Ext__c")

    assert isinstance(report.stopped, aum.Unavailable)
    assert (report.exit_code, report.total, fake.mutations) == (75, 10_000, 0)
    assert len(writes_of(fake)) <= 60  # of 50 chunks


@pytest.mark.parametrize("carried_out", [True, False])
def test_row_19_a_system_that_answers_nothing_but_nonsense_is_left_alone(carried_out: bool) -> None:
    """Every such answer leaves 200 rows in doubt; a few are enough to see that it goes on like this."""
    fake = organization()
    client = fake.client(settle_wait=0.0)
    client.describe("Contact")
    if carried_out:
        every_answer(fake, with_body(b"{}"))
    else:
        fake.faults.write(1, faults.answer(200, {}), times=10**6)
    report = client.insert("Contact", rows(10_000), key="Ext__c")

    assert isinstance(report.stopped, aum.Unavailable)
    assert (report.exit_code, report.total) == (75, 10_000)
    assert len(writes_of(fake)) <= 40  # of 50 chunks


BODIES = {
    "empty": b"",
    "byte order mark": b"\xef\xbb\xbf[]",
    "latin-1": '[{"id":"é"}]'.encode("latin-1"),
    "NaN": b"[NaN]",
    "doubled key": b'[{"id":"1","id":"2"}]',
    "deep": b"[" * 100_000,
    "number beyond all bounds": b"[1e99999999999999999999]",
    "number with too many digits": b"[" + b"9" * 10_000 + b"]",
    "object": b"{}",
    "null": b"null",
    "short": b'[{"id":"003000000000001AAA","success":true}]',
    "nulls": b"[null,null,null]",
    "no verdicts": b"[{},{},{}]",
    "verdict as text": b'[{"success":"true"},{"success":"true"},{"success":"true"}]',
    "id as number": b'[{"success":true,"id":5},{"success":true,"id":5},{"success":true,"id":5}]',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_row_22_23_24_an_answer_that_cannot_be_read_leaves_its_rows_to_be_looked_up(body: bytes) -> None:
    fake = organization()
    every_answer(fake, with_body(body), times=1)
    report = fake.client(settle_wait=900.0).insert("Contact", rows(3), key="Ext__c")

    assert counts(report) == {"created": 3}
    assert made(fake) == {1: 3}


@pytest.mark.parametrize(
    "errors",
    ["5", '"text"', "[5]", "{}", '[{"statusCode":["X"],"message":{"a":1},"fields":{"a":1}}]', '[{"fields":7}]', "null"],
)
def test_row_23_a_refusal_in_odd_clothes_is_still_a_refusal(errors: str) -> None:
    fake = organization()
    one = '{"success":false,"errors":' + errors + "}"
    fake.faults.write(1, faults.answer(200, f"[{one},{one}]".encode()))
    report = fake.client().insert("Contact", rows(2))

    assert (counts(report), report.stopped) == ({"rejected": 2}, None)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("place", ["/describe", "/query", "/oauth2/token"])
def test_row_23_an_answer_that_cannot_be_read_is_one_of_our_errors_everywhere(place: str, body: bytes) -> None:
    fake = organization(contacts=1)
    every_answer(fake, with_body(body), to=place)
    with pytest.raises(aum.AumconnectError):
        fake.client().update("Contact", scores(1), key="Ext__c").raise_for_errors()


RECORDS = {
    "no records": lambda records: {"a": 1},
    "numbers": lambda records: [5 for _ in records],
    "id as number": lambda records: [{**record, "Id": 5} for record in records],
    "id as list": lambda records: [{**record, "Id": [1]} for record in records],
    "no id": lambda records: [{**record, "Id": None} for record in records],
}


@pytest.mark.parametrize("damage", RECORDS.values(), ids=RECORDS)
def test_row_23_a_record_without_a_proper_id_is_a_breach(damage: Callable[[Any], Any]) -> None:
    fake = organization(contacts=3)
    client = fake.client()
    known = fake["Contact"].one(Ext__c="C-0")["Id"]
    every_answer(fake, with_body(lambda answer: {**answer, "records": damage(answer["records"])}), to="/query")
    every_answer(fake, with_body(damage), to="composite/sobjects/Contact")
    with pytest.raises(aum.ProtocolError):
        list(client.read("Contact", fields=["LastName"]))
    with pytest.raises(aum.ProtocolError):
        client.find("Contact", {"Ext__c": "C-0"})
    with pytest.raises(aum.ProtocolError):
        client.get("Contact", known, ["LastName"])

    assert fake.mutations == 0


DESCRIBED = [
    {"length": "x"},
    {"length": -1},
    {"scale": 10**12},
    {"scale": "2"},
    {"precision": [1]},
    {"name": 5},
    {"name": None},
    {"type": [1]},
    {"picklistValues": 5},
    {"picklistValues": [{"value": 5, "active": True}]},
    {"referenceTo": 5},
]


@pytest.mark.parametrize("damage", DESCRIBED, ids=str)
def test_row_23_a_description_that_makes_no_sense_is_a_breach(damage: dict[str, object]) -> None:
    """Our arithmetic does not stumble over it later."""
    fake = organization(contacts=1)

    def damaged(answer: dict[str, Any]) -> dict[str, Any]:
        fields = [field | damage if field["name"] in ("Score__c", "Band__c") else field for field in answer["fields"]]
        return {**answer, "fields": fields}

    every_answer(fake, with_body(damaged), to="/describe")
    with pytest.raises(aum.ProtocolError, match="description"):
        fake.client().update("Contact", [{"Ext__c": "C-0", "Score__c": 1.5, "Band__c": "low"}], key="Ext__c")


@pytest.mark.parametrize("status", [200, 204])
def test_row_24_no_answer_where_one_is_due(status: int) -> None:
    fake = organization()
    fake.faults.write(1, faults.answer(status))
    report = fake.client(settle_wait=900.0).insert("Contact", rows(3), key="Ext__c")

    assert counts(report) == {"created": 3}
    assert made(fake) == {1: 3}


def test_row_25_of_a_chunk_only_the_rows_worth_it_go_again() -> None:
    fake = organization(contacts=20)
    fake["Contact"].validation_rules.append(lambda record: "odd" if record.get("Score__c") in (3, 4) else None)
    for key in ("C-7", "C-8", "C-9"):
        fake.locks.lock(fake["Contact"].one(Ext__c=key)["Id"], attempts=1)
    report = fake.client().update("Contact", scores(20), key="Ext__c")

    assert counts(report) == {"updated": 18, "rejected": 2}
    assert [len(sent_rows(request)) for request in writes_of(fake)] == [20, 3]


def test_row_26_results_out_of_order_are_not_given_to_the_wrong_rows() -> None:
    fake = organization(contacts=5)
    fake["Contact"].validation_rules.append(lambda record: "odd" if record.get("Score__c") == 1 else None)
    every_answer(fake, with_body(lambda results: results[::-1]), times=1)
    report = fake.client(settle_wait=900.0).update("Contact", scores(5), key="Ext__c")

    believed(fake, report)
    assert [outcome.ref for outcome in report.attention] == [1]
    assert counts(report) == {"updated": 4, "rejected": 1}


@pytest.mark.parametrize(
    "change", [lambda r: r[:-1], lambda r: r + r[:1], lambda r: [r[0], *r]], ids=["missing", "extra", "doubled"]
)
def test_row_27_another_number_of_results_than_rows_is_no_answer(change: object) -> None:
    fake = organization()
    every_answer(fake, with_body(change), times=1)
    report = fake.client(settle_wait=900.0).insert("Contact", rows(5), key="Ext__c")

    believed(fake, report)
    assert (counts(report), made(fake)) == ({"created": 5}, {1: 5})


def test_row_28_the_answer_to_another_request_is_not_believed() -> None:
    """A cache on the way gives the second chunk the first one's answer, and swallows the chunk."""
    fake = organization(contacts=400)
    client = fake.client(settle_wait=900.0, parallel=1)
    kept: list[faults.Accident] = []
    every_answer(fake, lambda response: kept.append(faults.Accident(reply=response)) or response, times=1)
    client.describe("Contact")
    fake.faults.each(lambda request, index: kept.pop() if kept and fake.mutates(request) else None)
    report = client.update("Contact", scores(400), key="Ext__c")

    believed(fake, report)
    assert counts(report) == {"updated": 400}
    assert {int(record["Score__c"]) for record in fake["Contact"]} == set(range(400))


def test_row_30_the_loser_of_a_race_for_a_new_key_updates_the_winners_record() -> None:
    fake = organization()
    taken = {"success": False, "errors": [{"statusCode": "DUPLICATE_VALUE", "message": "taken", "fields": ["Ext__c"]}]}
    winner = faults.answer(200, [taken])
    fake.faults.write(
        1, faults.Accident(reply=winner.reply, meanwhile=lambda org: org["Contact"].insert(LastName="w", Ext__c="C-0"))
    )
    report = fake.client().upsert("Contact", rows(1, Score__c=7), key="Ext__c")

    assert [outcome.status for outcome in outcomes(report)] == [Status.UPDATED]
    assert (len(fake["Contact"]), fake["Contact"].one(Ext__c="C-0")["Score__c"]) == (1, 7)


def test_row_31_a_token_that_expires_puts_no_write_in_doubt() -> None:
    """The login in between is no write: what is refused afterwards is refused for good, at once."""
    fake = organization()
    client = fake.client()
    client.describe("Contact")
    refusal = faults.answer(400, [{"errorCode": "JSON_PARSER_ERROR", "message": "no"}])
    fake.faults.when(fake.mutates, faults.expire_token())
    fake.faults.when(fake.mutates, refusal, nth=2, times=99)
    report = client.insert("Contact", rows(4), key="Ext__c")

    assert counts(report) == {"rejected": 4}
    assert fake.clock.now() < 60


def test_row_37_pages_that_lead_in_a_circle_are_left() -> None:
    fake = organization(contacts=1000)
    fake.queries.page_rows = 200
    links: list[str] = []

    def circle(answer: dict[str, object]) -> dict[str, object]:
        """Behind the second page comes the first again."""
        link = str(answer.get("nextRecordsUrl"))
        if link not in links:
            links.append(link)
        return answer | {"nextRecordsUrl": links[0]} if links.index(link) == 2 else answer

    every_answer(fake, with_body(circle), to="/query")
    records = islice(fake.client().read("Contact", fields=["LastName"]), 3000)
    with pytest.raises(aum.ProtocolError, match="read already"):
        deque(records)


def test_row_37_as_many_pages_as_there_are_can_be_read() -> None:
    fake = organization(contacts=1000)
    fake.queries.page_rows = 200

    assert len({record.id for record in fake.client().read("Contact", fields=["LastName"])}) == 1000

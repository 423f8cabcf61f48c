"""A writeback from its source to the system and back, on both ledgers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from _shop import PickyMemory, Shop, row

from aumconnect.errors import LedgerError
from aumconnect.outcome import Status
from aumconnect.testing import faults
from aumconnect.wire import Headers, Request, Response


@pytest.fixture
def shop(tmp_path: Path, ledger_url: str) -> Shop:
    return Shop(tmp_path, ledger_url)


def test_a_plan_writes_nothing_and_applying_it_does(shop: Shop) -> None:
    shop.rows(row(number) for number in range(5))
    with shop.project() as project:
        plan = project["items"].plan()
        assert shop.fake.mutations == 0
        assert plan.counts == {"create": 5}
        report = plan.apply()
    assert report.counts == {Status.CREATED: 5}
    assert {code: float(item["score"]) for code, item in shop.items.items()} == {f"I-{n}": 0.5 for n in range(5)}


def test_a_second_run_sends_nothing(shop: Shop) -> None:
    shop.rows(row(number) for number in range(250))
    with shop.project() as project:
        project["items"].apply()
        before = shop.fake.mutations
        report = project["items"].apply()
    assert shop.fake.mutations == before
    assert report.counts == {Status.UNCHANGED: 250}


def test_only_what_changed_is_sent(shop: Shop) -> None:
    shop.rows(row(number) for number in range(50))
    with shop.project() as project:
        project["items"].apply()
        shop.rows(row(number, score=0.9 if number == 7 else 0.5) for number in range(50))
        plan = project["items"].plan()
        (change,) = plan.sample()
        report = plan.apply()
    assert (change.key, change.action) == (("I-7",), "update")
    assert [(c.field, float(c.old), float(c.new)) for c in change.fields] == [("score", 0.5, 0.9)]
    assert report.counts == {Status.UNCHANGED: 49, Status.UPDATED: 1}


class OtherAccount(PickyMemory):
    def respond(self, request: Request) -> Response:
        if request.url.endswith("/account"):
            body = b'{"id": "2", "name": "Other", "user": "tester"}'
            return Response(200, Headers({"Content-Type": "application/json"}), body)
        return super().respond(request)


def test_another_account_gets_everything(shop: Shop) -> None:
    """A job tried on a test system starts anew in production, whatever the ledger knows of the first."""
    shop.rows(row(number) for number in range(3))
    with shop.project() as project:
        project["items"].apply()
    shop.fake = OtherAccount()
    with shop.project() as project:
        assert project["items"].plan(diff="ledger").counts == {"create": 3}
        assert project["items"].apply().counts == {Status.CREATED: 3}


def test_a_failed_row_is_sent_again_and_a_rejected_one_is_not(shop: Shop) -> None:
    """The rejected row stays counted, until it or the field's rules change."""
    busy = {"I-1"}
    shop.fake.locked = lambda object, record: record.get("code") in busy
    shop.fake.refused = {"I-2"}
    shop.rows([row(0), row(1), row(2)])
    with shop.project() as project:
        first = project["items"].apply()
        busy.clear()
        second = project["items"].apply()
        before = shop.fake.mutations
        third = project["items"].apply()
        assert shop.fake.mutations == before
    assert first.counts == {Status.CREATED: 1, Status.FAILED: 1, Status.REJECTED: 1}
    assert second.counts == {Status.UNCHANGED: 1, Status.CREATED: 1, Status.REJECTED: 1}
    assert third.counts == {Status.UNCHANGED: 2, Status.REJECTED: 1}


def test_a_rejected_row_that_changed_is_sent_again(shop: Shop) -> None:
    shop.fake.refused = {"I-0"}
    shop.rows([row(0)])
    with shop.project() as project:
        assert project["items"].apply().counts == {Status.REJECTED: 1}
        shop.fake.refused = set()
        assert project["items"].apply().counts == {Status.REJECTED: 1}
        shop.rows([row(0, score=0.6)])
        assert project["items"].apply().counts == {Status.CREATED: 1}
        assert project["items"].apply().counts == {Status.UNCHANGED: 1}


def test_a_rejection_says_why_also_when_it_is_only_remembered(shop: Shop) -> None:
    shop.fake.refused = {"I-0"}
    shop.rows([row(0)])
    with shop.project() as project:
        project["items"].apply()
        report = project["items"].apply()
    (reason,) = report.reasons()
    assert (reason.code, reason.message, reason.field) == ("no-thanks", "a rule of ours", "score")


def test_a_human_edit_is_respected_and_stays_counted(shop: Shop) -> None:
    shop.rows(row(number) for number in range(3))
    with shop.project() as project:
        project["items"].apply()
        shop.fake.edit("Item", shop.items["I-1"]["Id"], "score", "0.1")
        plan = project["items"].plan()
        assert plan.counts == {"unchanged": 2, "skipped": 1}
        assert plan.summary.edited == {"score": 1}
        shop.rows(row(number, score=0.7) for number in range(3))
        report = project["items"].apply()
        again = project["items"].apply()
    assert report.counts == {Status.UPDATED: 2, Status.SKIPPED: 1}
    assert again.counts == {Status.UNCHANGED: 2, Status.SKIPPED: 1}
    assert float(shop.items["I-1"]["score"]) == 0.1


@pytest.mark.parametrize("policy", ["overwrite", "report"])
def test_a_human_edit_may_be_overwritten(tmp_path: Path, policy: str) -> None:
    shop = Shop(tmp_path, "ledger.db", more=f'on_human_edit = "{policy}"')
    shop.rows([row(0)])
    with shop.project() as project:
        project["items"].apply()
        shop.fake.edit("Item", shop.items["I-0"]["Id"], "score", "0.1")
        report = project["items"].apply()
    assert report.counts == {Status.UPDATED: 1}
    assert float(shop.items["I-0"]["score"]) == 0.5


def test_what_the_system_has_already_is_confirmed_not_sent(shop: Shop) -> None:
    for number in range(3):
        shop.fake.add("Item", code=f"I-{number}", score="0.50", band="mid")
    shop.rows(row(number) for number in range(3))
    with shop.project() as project:
        report = project["items"].apply()
        assert report.counts == {Status.UNCHANGED: 3}
        assert shop.fake.mutations == 0
        assert project["items"].plan(diff="ledger").summary.reads == 0


def test_unknown_keys_are_skipped_on_update(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "ledger.db", operation="update")
    shop.fake.add("Item", code="I-0", score="0.1")
    shop.rows([row(0), row(1)])
    with shop.project() as project:
        plan = project["items"].plan()
        assert plan.summary.reasons == {"no match": 1}
        report = plan.apply()
    assert report.counts == {Status.UPDATED: 1, Status.SKIPPED: 1}


def test_a_gap_clears_only_where_the_mapping_says_so(shop: Shop) -> None:
    shop.rows([row(0)])
    with shop.project() as project:
        project["items"].apply()
        shop.rows([{"id": "I-0", "score": "", "band": ""}])
        plan = project["items"].plan()
        assert plan.summary.cleared == {"band": 1}
        plan.apply()
    assert shop.items["I-0"].get("band") is None
    assert float(shop.items["I-0"]["score"]) == 0.5


def test_full_ignores_what_the_ledger_remembers(shop: Shop) -> None:
    """Someone emptied the system behind our back."""
    shop.rows([row(0)])
    with shop.project() as project:
        project["items"].apply()
        shop.fake["Item"].drop(shop.items["I-0"]["Id"])
        assert project["items"].plan(diff="ledger").counts == {"unchanged": 1}
        assert project["items"].plan(full=True).counts == {"create": 1}


def test_without_cheap_reads_unchanged_rows_are_not_read(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "ledger.db", more="cheap_reads = 1")
    shop.rows(row(number) for number in range(1500))
    with shop.project() as project:
        project["items"].apply()
        shop.rows(row(number, score=0.9 if number == 7 else 0.5) for number in range(1500))
        plan = project["items"].plan()
    assert plan.summary.reads == 1
    assert plan.summary.compared_with == "the ledger; 1 rows were read from the system"
    assert plan.counts == {"unchanged": 1499, "update": 1}


def test_a_sample_of_unchanged_rows_tells_of_edits(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "ledger.db", more='diff = "sample"\nsample = 20')
    shop.rows(row(number) for number in range(300))
    with shop.project() as project:
        project["items"].apply()
        for item in list(shop.items.values()):
            shop.fake.edit("Item", item["Id"], "score", "0.1")
        plan = project["items"].plan()
    assert plan.summary.reads == 20
    assert plan.counts == {"unchanged": 280, "skipped": 20}


def test_of_a_key_in_one_file_twice_the_newest_score_is_written(tmp_path: Path) -> None:
    """Also where the source is longer than a chunk: it is looked through first, then staged."""
    shop = Shop(tmp_path, "ledger.db", more='stamp = { seen = "scored_at" }')
    days = {number: f"2026-11-{1 + number % 20:02}T00:00:00Z" for number in range(1500)}
    rows = [row(number) | {"scored_at": day} for number, day in days.items()]
    rows.append(row(7, score=0.9) | {"scored_at": "2026-11-22T00:00:00Z"})
    with shop.project() as project:
        report = project["items"].apply(rows)
        again = project["items"].apply(iter(rows))
    assert report.counts == {Status.CREATED: 1500, Status.SKIPPED: 1}
    assert float(shop.items["I-7"]["score"]) == 0.9
    assert again.counts[Status.UNCHANGED] == 1499


def test_limit_sends_so_many_and_the_next_run_goes_on(shop: Shop) -> None:
    shop.rows(row(number) for number in range(30))
    with shop.project() as project:
        first = project["items"].plan().apply(limit=10)
        assert len(shop.items) == 10
        second = project["items"].apply()
    assert first.counts == {Status.CREATED: 10}
    assert second.counts == {Status.UNCHANGED: 10, Status.CREATED: 20}


def test_only_sends_the_rows_with_these_keys(shop: Shop) -> None:
    shop.rows(row(number) for number in range(30))
    with shop.project() as project:
        project["items"].apply(only=["I-3", "I-5"])
    assert set(shop.items) == {"I-3", "I-5"}


def test_a_plan_overtaken_by_another_run_is_made_anew(shop: Shop) -> None:
    shop.rows(row(number) for number in range(3))
    with shop.project() as project:
        early, late = project["items"].plan(), project["items"].plan()
        late.apply()
        before = shop.fake.mutations
        assert early.apply().counts == {Status.UNCHANGED: 3}
        assert shop.fake.mutations == before


def test_require_history_stops_a_job_whose_ledger_vanished(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "ledger.db", more="require_history = true")
    shop.rows([row(0)])
    with shop.project() as project:
        with pytest.raises(LedgerError, match="require_history"):
            project["items"].plan()
        project["items"].apply(full=True)
        assert project["items"].plan().counts == {"unchanged": 1}


def test_a_run_says_by_whom_and_with_what(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "ledger.db", more='model = { name = "churn", version = "7" }')
    shop.rows([row(0)])
    with shop.project() as project:
        project["items"].apply()
        (run,) = project["items"].runs()
    assert (run.state, run.counts, run.account) == ("ended", {"created": 1}, "memory:1")
    assert run.details["model"] == {"name": "churn", "version": "7"}
    assert run.details["job_file"]
    assert run.started is not None
    assert run.ended is not None


def test_a_server_that_is_down_leaves_the_rest_for_the_next_run(shop: Shop) -> None:
    shop.rows(row(number) for number in range(500))
    with shop.project() as project:
        shop.fake.faults.each(lambda request, index: faults.answer(503) if shop.fake.mutates(request) else None)
        report = project["items"].apply()
        assert not report.ok
        assert report.exit_code in (1, 75)  # all failed one by one, or the run gave the system up: either goes on
        assert report.total == 500
        shop.fake.faults.clear()
        assert project["items"].apply().ok
    assert len(shop.items) == 500


def test_a_lost_answer_is_settled_by_the_next_run(shop: Shop) -> None:
    """What the system did carry out is not sent a second time."""
    shop.rows(row(number) for number in range(3))
    shop.job_file(shop.ledger, operation="insert")
    with shop.project() as project:
        shop.fake.faults.write(1, faults.lose_reply())
        first = project["items"].apply()
        second = project["items"].apply()
    assert first.total == second.total == 3
    assert second.counts == {Status.UNCHANGED: 3}
    assert all(count == 1 for count in shop.fake.commits.values())


def test_the_plan_shows_itself(shop: Shop) -> None:
    shop.rows([row(0), row(1, score="nan")])
    with shop.project() as project:
        plan = project["items"].plan()
        text, page, data = str(plan), plan._repr_html_(), json.dumps(plan.to_json())
    assert "items → Item (memory:1 Memory)" in text
    assert "guarantee: idempotent" in text
    assert "<table>" in page
    assert '"I-0"' in data


def test_a_plan_applied_twice_is_made_anew_and_its_first_run_stays_on_record(shop: Shop) -> None:
    shop.rows([row(0)])
    with shop.project() as project:
        plan = project["items"].plan()
        plan.apply()
        assert plan.apply().counts == {Status.UNCHANGED: 1}
        assert len(project["items"].runs()) == 2


def test_a_plan_kept_too_long_is_made_anew(shop: Shop) -> None:
    shop.rows([row(0)])
    with shop.project() as project:
        plan = project["items"].plan()
        shop.fake.clock.sleep(2 * 24 * 3600)
        project["items"].plan()
        assert plan.apply().counts == {Status.CREATED: 1}


def test_a_plan_says_how_much_of_the_quota_is_used(shop: Shop) -> None:
    shop.rows([row(0)])
    quota = Headers({"Content-Type": "application/json", "X-Quota": "1200/15000"})
    respond = shop.fake.respond
    shop.fake.respond = lambda request: replace(respond(request), headers=quota)
    with shop.project() as project:
        assert "the account has used 1,200 of 15,000" in str(project["items"].plan())

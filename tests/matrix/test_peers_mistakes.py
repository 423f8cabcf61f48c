"""Mistakes that users reported of other tools, each tried on this one."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from pathlib import Path

import pytest
from matrix_org import Desk, counts, every_answer, made, organization, outcomes, rows, scores, with_body
from matrix_org import writes as writes_of

import aumconnect as aum
from aumconnect.outcome import Status
from aumconnect.testing import faults
from aumconnect.testing.fakes.salesforce import FakeSalesforce


def refusing(contacts: int = 10) -> FakeSalesforce:
    """Takes nothing, with HTTP 200."""
    fake = organization(contacts=contacts)
    fake["Contact"].validation_rules.append(lambda record: "the rule says no" if record.get("Score__c") else None)
    return fake


def test_a_run_whose_rows_all_failed_is_not_green() -> None:
    """apache/airflow#63930: a bulk upsert failed silently."""
    report = refusing().client().upsert("Contact", rows(10, Score__c=1), key="Ext__c")

    assert (report.ok, report.exit_code, counts(report)) == (False, 1, {"rejected": 10})
    with pytest.raises(aum.RecordsFailed, match="the rule says no"):
        report.raise_for_errors()


def test_rows_in_error_have_reasons_and_are_not_skipped_for_ever(tmp_path: Path) -> None:
    """Multiwoven/multiwoven#910: success with 10 of 10 rows in error, no reason, then skipped."""
    fake = refusing()
    desk = Desk(tmp_path, fake)
    desk.scores(11)
    first = desk.apply()
    again = desk.apply()
    desk.scores(11, start=1)
    fake["Contact"].validation_rules.clear()
    mended = desk.apply()

    assert "the rule says no" in str(first)
    assert (again.exit_code, again.counts[Status.REJECTED]) == (1, first.counts[Status.REJECTED])
    assert mended.counts[Status.UPDATED] == 10


def test_the_reason_of_each_rejection_reaches_the_report() -> None:
    """segment-docs#6831, #5852: rejected in Salesforce, shown as success, no alert on partial failure."""
    fake = refusing(contacts=4)
    report = fake.client().update("Contact", [*scores(1), {"Ext__c": "C-1", "Score__c": 2}], key="Ext__c")

    assert (report.exit_code, counts(report)) == (1, {"updated": 1, "rejected": 1})


def test_an_update_that_found_nobody_says_so() -> None:
    """HubSpot/hubspot-api-nodejs#548: batch update by another key, no error, nothing changes."""
    report = organization(contacts=1).client().update("Contact", [{"Ext__c": "who", "Score__c": 1}], key="Ext__c")

    assert counts(report) == {"skipped": 1}
    assert "no match" in str(report)


def test_an_answer_without_success_or_errors_is_no_success() -> None:
    """simple-salesforce#638, #544: nothing happens, success and error fields empty."""
    fake = organization(contacts=2)
    every_answer(fake, with_body(lambda results: [{} for _ in results]))
    fake.faults.write(1, faults.Accident(commits_after=0.0))
    report = fake.client(settle_wait=0.0).upsert("Contact", rows(2, Score__c=1), key="Ext__c")

    assert report.exit_code == 75
    assert counts(report) == {"unknown": 2}


def test_which_record_failed_is_told_by_row_and_key() -> None:
    """simple-salesforce#313, #627, #643: the id is None on failure, and nobody knows whose it was."""
    fake = refusing()
    report = fake.client().upsert("Contact", [*rows(3), {"Ext__c": "C-7", "Score__c": 5}], key="Ext__c")

    [outcome] = report.attention
    assert (outcome.ref, outcome.key) == (3, ("C-7",))


def test_every_conflict_is_named_not_only_the_first() -> None:
    """HubSpot/hubspot-api-python#51: batch create names only the first conflict."""
    fake = organization(contacts=3)
    report = fake.client().insert("Contact", rows(5), key="Ext__c")

    assert counts(report) == {"created": 2, "rejected": 3}
    assert [outcome.ref for outcome in report.attention] == [0, 1, 2]
    assert {outcome.problems[0].code for outcome in report.attention} == {"DUPLICATE_VALUE"}


def test_rejected_rows_come_back_as_a_file_with_reasons(tmp_path: Path) -> None:
    """forcedotcom/cli#1888, SFDX-Data-Move-Utility#1073, meltano/sdk#133: where are the failed rows, and why?"""
    desk = Desk(tmp_path, refusing())
    desk.scores(4)
    desk.apply()
    with desk.project() as project:
        assert project["churn"].rejects().write(tmp_path / "fixme.csv") == 3

    told = (tmp_path / "fixme.csv").read_text()
    assert told.count("the rule says no") == 3
    assert "C-3" in told


def test_one_bad_record_does_not_fail_the_other_199() -> None:
    """datahub PR#19369: one bad record fails 100, all with the same error. SFDX too; powerapps-docs#2843."""
    fake = refusing(contacts=200)
    report = fake.client().update(
        "Contact", [{"Ext__c": f"C-{n}", "Score__c": 1 if n == 77 else 0} for n in range(200)], key="Ext__c"
    )

    assert counts(report) == {"updated": 199, "rejected": 1}
    assert report.attention[0].ref == 77


@pytest.mark.parametrize("accident", [faults.lose_reply(), faults.delay(500), faults.truncate(1)])
def test_a_read_timeout_makes_no_second_record(accident: faults.Accident) -> None:
    """django-salesforce#159, segment-docs#3459: read timeout, retry, duplicate."""
    fake = organization()
    fake.faults.write(1, accident)
    fake.client(settle_wait=900.0).insert("Contact", rows(5), key="Ext__c")

    assert made(fake) == {1: 5}


def test_two_upserts_of_one_new_key_make_one_record() -> None:
    """MemberJunction/MJ PR#2757: create-then-create race."""
    fake = organization()

    async def both() -> list[aum.Report]:
        one, other = fake.async_client(), fake.async_client()
        return await asyncio.gather(*(client.upsert("Contact", rows(20), key="Ext__c") for client in (one, other)))

    reports = asyncio.run(both())

    assert made(fake) == {1: 20}
    assert all(report.ok for report in reports)


def test_being_told_to_wait_is_obeyed_for_writes() -> None:
    """hubspot-api-python#117, hubspot-api-nodejs#256: retry not applied on 429."""
    fake = organization()
    fake.faults.write(1, faults.answer(429, headers={"Retry-After": "3"}), times=2)

    assert counts(fake.client().insert("Contact", rows(3))) == {"created": 3}
    assert fake.clock.now() >= 6


def test_being_told_to_wait_is_obeyed_at_the_token_endpoint() -> None:
    """PostHog PR#64726: Retry-After ignored on the token endpoint."""
    fake = organization()
    times: list[float] = []
    fake.faults.each(lambda request, index: times.append(fake.clock.now()))
    fake.faults.when("/oauth2/token", faults.answer(429, headers={"Retry-After": "17"}))
    fake.client().check()

    assert min(times) >= 17


def test_a_reset_connection_costs_nothing() -> None:
    """simple-salesforce#402, #646: connection reset, no retry setting."""
    fake = organization(contacts=3)
    fake.faults.next(faults.lose_request(), times=1)
    fake.faults.when("/query", faults.lose_reply(), times=2)

    assert counts(fake.client().update("Contact", scores(3), key="Ext__c")) == {"updated": 3}


def test_a_daily_quota_is_not_burned() -> None:
    """django-salesforce#317, NangoHQ PR#4046: a share stays for other applications."""
    fake = organization()
    fake.daily_requests, fake.used_requests = 1000, 880
    report = fake.client().insert("Contact", rows(20_000))

    assert isinstance(report.stopped, aum.RateLimited)
    assert report.exit_code == 75
    assert fake.used_requests <= 900 + 10 + 1  # our share is 90 %; what was in flight still counts


def test_too_many_at_once_is_no_failure() -> None:
    """netsuite-suitecloud-sdk#227, #908: the concurrency limit is a hard failure."""
    fake = organization(contacts=400)
    fake.faults.write(1, fake.too_many(), times=3)

    assert counts(fake.client().update("Contact", scores(400), key="Ext__c")) == {"updated": 400}


def test_only_locked_rows_go_again() -> None:
    """airflow PR#64574, jsforce#1018, forcedotcom/cli#882: UNABLE_TO_LOCK_ROW."""
    fake = organization(contacts=10)
    fake.locks.lock(fake["Contact"].one(Ext__c="C-4")["Id"], attempts=2)
    report = fake.client().update("Contact", scores(10), key="Ext__c")

    assert counts(report) == {"updated": 10}
    assert fake.commits["Contact", "C-0"] == 1


@pytest.mark.parametrize("nothing", [math.nan, None, ""])
def test_no_value_is_neither_null_nor_nan(nothing: object) -> None:
    """simple-salesforce#309, SFDX-Data-Move-Utility#857, rudder-server PR#7151: null, unchanged and NaN."""
    fake = organization(contacts=1)
    client = fake.client()
    client.update("Contact", scores(1), key="Ext__c")
    client.update("Contact", [{"Ext__c": "C-0", "Score__c": nothing, "Note__c": "x"}], key="Ext__c")

    assert fake["Contact"].one(Ext__c="C-0")["Score__c"] == 0
    assert all(b"NaN" not in bytes(request.body) for request in writes_of(fake))


def test_custom_fields_and_objects_are_like_all_others() -> None:
    """Multiwoven#771, PR#1034: custom fields, custom objects."""
    fake = organization()
    fake.add_object("Site__c")
    fake.add_field("Site__c", "Code__c", external_id=True, unique=True, length=20)
    report = fake.client().upsert("Site__c", [{"Code__c": "S", "Name": "n"}], key="Code__c")

    assert counts(report) == {"created": 1}


def test_a_renamed_field_and_a_stale_choice_are_named_before_anything_is_sent() -> None:
    """object-sync-for-salesforce PR#345, #128: field removed, restricted picklist."""
    fake = organization(contacts=1)
    with pytest.raises(aum.ConfigurationError, match="Score__c"):
        fake.client().update("Contact", [{"Ext__c": "C-0", "Scor__c": 1}], key="Ext__c")
    report = fake.client().update("Contact", [{"Ext__c": "C-0", "Band__c": "gone"}], key="Ext__c")

    assert counts(report) == {"rejected": 1}
    assert report.attention[0].problems[0].field == "Band__c"
    assert fake.mutations == 0


def test_an_upsert_can_choose_its_external_id() -> None:
    """mage-ai PR#4130: upsert could not choose an external id."""
    fake = organization()
    fake.client().upsert("Contact", [{"Loose__c": "L", "LastName": "n"}], key="Loose__c")

    assert fake["Contact"].one(Loose__c="L")["LastName"] == "n"


def test_the_systems_own_words_are_passed_on() -> None:
    """supaglue#538: CRM errors not passed on."""
    report = refusing(contacts=2).client().update("Contact", [{"Ext__c": "C-1", "Score__c": 1}], key="Ext__c")

    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in str(report)
    assert "the rule says no" in str(report)


def test_the_schema_is_read_once() -> None:
    """zeep#612, #678: descriptions are fetched again by each call."""
    fake = organization(contacts=2)
    client = fake.client()
    for number in range(3):
        client.update("Contact", [{"Ext__c": "C-0", "Score__c": number}], key="Ext__c")

    assert sum("/describe" in request.url for request in fake.requests) == 1


def test_a_mass_change_is_stopped_by_a_guard_with_nothing_written(tmp_path: Path) -> None:
    """islandora_workbench#751, ChurchCRM#8291, azure-docs#44661: what exactly happens at the threshold?"""
    fake = organization(contacts=100)
    desk = Desk(tmp_path, fake)
    desk.scores(100)
    desk.apply()
    before = fake.mutations
    text = (tmp_path / "aumconnect.toml").read_text()
    (tmp_path / "aumconnect.toml").write_text(text + '\n[writebacks.churn.guards]\nchanged = "20 %"\n')
    desk.source({"id": f"C-{n}", "score": n + 1 if n < 21 else n} for n in range(100))
    with pytest.raises(aum.GuardTripped):
        desk.apply()
    assert fake.mutations == before

    desk.source({"id": f"C-{n}", "score": n + 1 if n < 20 else n} for n in range(100))
    assert desk.apply().counts[Status.UPDATED] == 20
    assert fake["Contact"].one(Ext__c="C-19")["Score__c"] == Decimal(20)
    assert outcomes(aum.Report()) == []

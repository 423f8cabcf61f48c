"""Fault matrix, rows about records: what is in the data, and what happens to records meanwhile."""

from __future__ import annotations

import csv
from decimal import Decimal
from math import log2
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matrix_org import Desk, counts, organization, outcomes, rows, scores
from matrix_org import writes as writes_of

import aumconnect as aum
from aumconnect.errors import ErrorClass
from aumconnect.outcome import Status
from aumconnect.testing import faults
from aumconnect.testing.fakes.salesforce import FakeSalesforce

HOSTILE = [
    "O'Brien",
    "\\",
    "\\'",
    "' OR Name != '",
    "') OR (Id != '",
    '"',
    "a\nb\tc\rd",
    "..",
    "../../sobjects/User/005000000000001",
    "%2e%2e%2f",
    "%27",
    "?_HttpMethod=DELETE",
    "a&b=c#d",
    "x,y",
    "{0}{:literal}%s%(a)s",
    "<a href='x'>&amp;</a>",
    "=HYPERLINK(1)",
    "#N/A",
    "null",
    "NaN",
    "ünïcödé \U0001f600",
    "﻿x",
    "a\u2028b",
    "_%*",
    ":x",
    "https://evil.example/x",
    "//evil.example",
    "@evil.example",
]
texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)


def same(one: str, other: object) -> bool:
    """As the system keeps text: without white space around it."""
    return one.strip() == other


@pytest.fixture(scope="module")
def busy() -> FakeSalesforce:
    """An organisation for many examples, each of which leaves it as it was."""
    return organization(contacts=3)


@given(text=texts)
@settings(max_examples=60, deadline=None)
def test_row_42_text_arrives_as_data_and_names_only_its_own_record(busy: FakeSalesforce, text: str) -> None:
    """As a key and as a value; in a look-up, in a body and in a filter."""
    if not text.strip():
        return
    client, before = busy.client(), [dict(record) for record in busy["Contact"]]
    first = client.upsert("Contact", [{"Ext__c": text, "LastName": text, "Note__c": text}], key="Ext__c")
    second = client.update("Contact", [{"Ext__c": text, "Score__c": 1}], key="Ext__c")
    [found] = client.find("Contact", {"Ext__c": text}, fields=["Note__c", "LastName"])
    [read] = list(client.read("Contact", fields=["Note__c"], where={"Note__c": text.strip()}))
    client.delete("Contact", [{"Ext__c": text}], key="Ext__c").raise_for_errors()

    assert (counts(first), counts(second)) == ({"created": 1}, {"updated": 1})
    assert same(text, found.values["Note__c"])
    assert same(text, found.values["LastName"])
    assert read.id == found.id
    assert [dict(record) for record in busy["Contact"]] == before


@pytest.mark.parametrize("text", ["a\x00b", "\x07", "a\x1fb", "\ud800"])
def test_row_42_characters_that_no_system_keeps_cost_their_row_or_arrive(text: str) -> None:
    """Never the run, and never the rows beside it."""
    fake = organization()
    report = fake.client().upsert("Contact", [*rows(1), {"Ext__c": "odd", "LastName": text}], key="Ext__c")
    kept = [record["LastName"] for record in fake["Contact"] if record.get("Ext__c") == "odd"]

    assert (report.stopped, report.total) == (None, 2)
    assert outcomes(report)[0].status is Status.CREATED
    assert kept == [text] or (kept == [] and outcomes(report)[1].status is Status.REJECTED)


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\r" not in text])
def test_row_43_what_a_csv_file_quotes_arrives_as_it_is(tmp_path: Path, text: str) -> None:
    fake = organization(contacts=1)
    desk = Desk(tmp_path, fake)
    with (tmp_path / "churn.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "score", "name"], ["C-0", "1", text]])
    report = desk.apply()

    assert counts(report) == {"updated": 1}
    assert same(text, fake["Contact"].one(Ext__c="C-0")["LastName"])


def test_row_43_an_empty_cell_leaves_the_field_alone(tmp_path: Path) -> None:
    """There is no telling None from "" in a CSV file, so neither clears anything unless the mapping says so."""
    fake = organization(contacts=1)
    desk = Desk(tmp_path, fake)
    desk.source([{"id": "C-0", "score": "1", "name": ""}])
    desk.apply()

    assert fake["Contact"].one(Ext__c="C-0")["LastName"] == "Person 0"


def test_row_45_a_field_that_goes_meanwhile_is_named_and_the_error_rate_stops_the_run(tmp_path: Path) -> None:
    fake = organization(contacts=1000)
    desk = Desk(tmp_path, fake, more='error_rate = "5 %"')
    desk.scores(1000)
    fake.faults.write(1, faults.meanwhile(lambda org: org.hide("Contact", "Score__c")))
    report = desk.apply()

    assert isinstance(report.stopped, aum.GuardTripped)
    assert report.exit_code == 3
    assert "Score__c" in str(report)
    assert report.total == 1000
    assert fake.mutations <= 11  # one for each of ten lines, and one more


def test_row_46_a_choice_that_goes_meanwhile_costs_the_rows_that_need_it() -> None:
    fake = organization(contacts=4)

    def without_mid(org: FakeSalesforce) -> None:
        org.add_field("Contact", "Band__c", "picklist", values=("low", "high"), restricted=True)

    fake.faults.write(1, faults.meanwhile(without_mid))
    bands = [{"Ext__c": f"C-{n}", "Band__c": band} for n, band in enumerate(["low", "mid", "high", "mid"])]
    report = fake.client().update("Contact", bands, key="Ext__c")

    assert [outcome.status.value for outcome in outcomes(report)] == ["updated", "rejected", "updated", "rejected"]
    assert {problem.field for outcome in report.attention for problem in outcome.problems} == {"Band__c"}


def test_row_46_a_field_that_shrinks_meanwhile_rejects_by_name() -> None:
    fake = organization(contacts=2)
    fake.faults.write(1, faults.meanwhile(lambda org: org.add_field("Contact", "Note__c", length=3)))
    notes = [{"Ext__c": "C-0", "Note__c": "abc"}, {"Ext__c": "C-1", "Note__c": "abcdef"}]
    report = fake.client().update("Contact", notes, key="Ext__c")

    assert counts(report) == {"updated": 1, "rejected": 1}
    assert report.attention[0].problems[0].field == "Note__c"


def test_row_49_a_record_deleted_between_look_and_write_is_said_to_be_gone() -> None:
    fake = organization(contacts=3)
    fake.faults.write(1, faults.meanwhile(lambda org: org["Contact"].delete({"Ext__c": "C-1"})))
    report = fake.client().update("Contact", scores(3), key="Ext__c")

    assert counts(report) == {"updated": 2, "rejected": 1}
    assert report.attention[0].error_class is ErrorClass.NOT_FOUND


def test_row_51_a_day_used_up_ends_the_run_and_the_next_day_goes_on(tmp_path: Path) -> None:
    fake = organization(contacts=1000)
    desk = Desk(tmp_path, fake)
    desk.scores(1000)
    fake.faults.write(3, faults.meanwhile(lambda org: setattr(org, "used_requests", org.daily_requests)))
    first = desk.apply()
    fake.used_requests = 0
    second = desk.apply()

    assert isinstance(first.stopped, aum.RateLimited)
    assert (first.exit_code, second.exit_code) == (75, 0)
    assert {record["Score__c"] for record in fake["Contact"]} == {Decimal(number) for number in range(1000)}
    assert {count for (name, _), count in fake.commits.items() if name == "Contact"} <= {1, 2}


@pytest.mark.parametrize("size", [2, 64, 200])
def test_row_69_a_row_that_sinks_its_chunk_is_found_by_halving(size: int) -> None:
    """One value of the wrong kind makes the whole request HTTP 400; the others must not pay for it."""
    fake = organization(contacts=size)
    poison = Decimal(size // 3)

    def sinks(request: object, index: int) -> faults.Accident | None:
        told = getattr(request, "body", b"")
        bad = fake.mutates(request) and f'"Score__c":{poison}'.encode() + b"}" in told  # type: ignore[arg-type]
        return faults.answer(400, [{"errorCode": "JSON_PARSER_ERROR", "message": "Cannot read"}]) if bad else None

    fake.faults.each(sinks)
    report = fake.client().update("Contact", scores(size), key="Ext__c")

    assert counts(report) == {"updated": size - 1, "rejected": 1}
    assert report.attention[0].ref == size // 3
    assert len(writes_of(fake)) <= 2 * log2(size) + 3


def test_row_70_too_many_refusals_stop_the_run_with_the_rest_unsent(tmp_path: Path) -> None:
    fake = organization(contacts=2000)
    fake["Contact"].validation_rules.append(lambda record: "no" if (record.get("Score__c") or 0) % 2 else None)
    desk = Desk(tmp_path, fake, more='error_rate = "5 %"')
    desk.scores(2000)
    report = desk.apply()

    assert isinstance(report.stopped, aum.GuardTripped)
    assert report.exit_code == 3
    assert report.total == 2000
    assert len(writes_of(fake)) < 10 + 2
    assert "hint" in str(report).lower()

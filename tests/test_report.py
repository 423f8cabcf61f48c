"""The report counts every record once and says why the others did not make it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aumconnect.errors import ErrorClass, GuardTripped, RecordsFailed
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.report import Report

texts = st.text(max_size=20)
problems = st.builds(Problem, texts, texts, st.none() | texts, st.sampled_from(ErrorClass))
outcomes = st.builds(
    Outcome,
    st.integers(0, 1 << 40),
    st.sampled_from(Status),
    st.none() | texts,
    st.lists(texts, max_size=2).map(tuple),
    st.lists(problems, max_size=2).map(tuple),
    st.lists(problems, max_size=2).map(tuple),
    st.none() | texts,
    st.lists(texts, max_size=2).map(tuple),
)


def reported(*groups: list[Outcome]) -> Report:
    report = Report()
    for group in groups:
        report.add(group)
    return report


@given(st.lists(st.lists(outcomes, max_size=5), max_size=5))
def test_every_outcome_comes_back_as_it_went_in(groups: list[list[Outcome]]) -> None:
    """The spool loses nothing that there is something to say about, and never a row, a status or an id."""
    told = list(reported(*groups).outcomes())
    given = [outcome for group in groups for outcome in group]

    assert [(o.ref, o.status, o.id) for o in given] == [(o.ref, o.status, o.id) for o in told]
    assert [o for o in given if o.problems or o.reason or o.warnings] == [
        o for o in told if o.problems or o.reason or o.warnings
    ]


@given(st.lists(st.lists(outcomes, max_size=5), max_size=5))
def test_counts_add_up_to_the_input(groups: list[list[Outcome]]) -> None:
    assert reported(*groups).total == sum(map(len, groups))


def test_the_summary_is_one_line_of_counts() -> None:
    rows = [Outcome(n, Status.UPDATED) for n in range(4112)]
    report = reported(rows, [Outcome(5000, Status.UNCHANGED)], [Outcome.rejected(5001, [Problem("x", "no")])])

    assert report.summary() == "4,112 updated · 1 unchanged · 1 rejected"


def test_reasons_are_grouped_and_name_an_example() -> None:
    taken = [Outcome.rejected(n, [Problem("INVALID", "not in the list", "Band__c")], key=(f"C-{n}",)) for n in (7, 9)]
    report = reported(taken, [Outcome(1, Status.SKIPPED, reason="a person changed it")])

    assert [reason.count for reason in report.reasons()] == [2, 1]
    assert "2 × rejected INVALID Band__c: not in the list (e.g. row 7, key C-7)" in str(report)


@pytest.mark.parametrize(
    ("status", "code"),
    [(Status.UPDATED, 0), (Status.SKIPPED, 0), (Status.REJECTED, 1), (Status.FAILED, 1), (Status.UNKNOWN, 75)],
)
def test_the_exit_code_follows_the_worst_outcome(status: Status, code: int) -> None:
    report = reported([Outcome(0, Status.UPDATED), Outcome(1, status)])

    assert code == report.exit_code


def test_a_stopped_run_raises_what_stopped_it() -> None:
    report = reported([Outcome(0, Status.UPDATED)])
    report.stopped = GuardTripped("37 % would change")

    assert report.exit_code == 3
    with pytest.raises(GuardTripped):
        report.raise_for_errors()


def test_raise_for_errors_tells_the_main_reason() -> None:
    report = reported([Outcome.rejected(3, [Problem("TOO_LONG", "over 10 characters", "Name")])])

    with pytest.raises(RecordsFailed, match="TOO_LONG Name: over 10 characters"):
        report.raise_for_errors()


def test_a_notebook_shows_text_not_markup() -> None:
    report = reported([Outcome.rejected(3, [Problem("X", "<script>alert(1)</script>")])])

    assert "<script>" not in report._repr_html_()


def test_memory_does_not_grow_with_messages_that_name_each_record() -> None:
    report = reported(*([Outcome.rejected(n, [Problem("DUP", f"record {n} is taken")])] for n in range(5000)))

    assert len(report.reasons()) <= 1001
    assert sum(reason.count for reason in report.reasons()) == 5000
    assert len(report.attention) == 1000

"""Rejected rows go out to people and come back mended."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from _shop import Shop, row
from hypothesis import example, given
from hypothesis import strategies as st

from aumconnect.errors import ConfigurationError
from aumconnect.outcome import Status
from aumconnect.writeback.rejects import DANGEROUS, guarded, unguarded


@given(st.text())
@example("'=1+1")
@example("\r")
@example("")
def test_guarding_against_formulas_is_undone_exactly(text: str) -> None:
    assert unguarded(guarded(text)) == text


@given(st.text())
@example("=HYPERLINK(1)")
@example("'")
def test_nothing_guarded_starts_a_formula(text: str) -> None:
    out = guarded(text)
    assert not out.startswith(tuple(set(DANGEROUS) - {"'"}))


def rejected(folder: Path) -> Shop:
    """One row refused by the system, one by the mapping, one written."""
    shop = Shop(folder, "ledger.db")
    shop.rows([row(0), {"id": "=I-1", "score": 0.5, "band": "none of these"}, row(2, score="much")])
    with shop.project() as project:
        project["items"].apply()
    return shop


def test_rejects_carry_row_ids_reasons_and_the_source_row(tmp_path: Path) -> None:
    shop = rejected(tmp_path)
    with shop.project() as project:
        found = list(project["items"].rejects())
        run = project["items"].runs()[0].id
        assert project["items"].rejects().write(tmp_path / "fixme.jsonl") == 2
    assert [(each.outcome.ref, each.outcome.status) for each in found] == [(1, Status.REJECTED), (2, Status.REJECTED)]
    lines = [json.loads(line) for line in (tmp_path / "fixme.jsonl").read_text().splitlines()]
    assert [(line["aumconnect_row"], line["aumconnect_run"], line["id"]) for line in lines] == [
        (1, run, "=I-1"),
        (2, run, "I-2"),
    ]
    assert all(line["aumconnect_reasons"] for line in lines)


def test_a_formula_in_a_csv_of_rejects_is_text(tmp_path: Path) -> None:
    shop = rejected(tmp_path)
    with shop.project() as project:
        project["items"].rejects().write(tmp_path / "fixme.csv")
    with (tmp_path / "fixme.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert first["id"] == "'=I-1"


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_mended_rows_are_sent_and_nothing_else(tmp_path: Path, ending: str) -> None:
    shop = rejected(tmp_path)
    path = tmp_path / f"fixme.{ending}"
    with shop.project() as project:
        project["items"].rejects().write(path)
        path.write_text(path.read_text().replace("none of these", "high").replace("much", "0.25"))
        before = shop.fake.mutations
        plan = project["items"].retry(path)
        assert plan.counts == {"create": 2}
        assert plan.apply().counts == {Status.CREATED: 2}
        assert shop.fake.mutations == before + 1
    assert shop.items["=I-1"]["band"] == "high"


def test_old_data_never_wins_over_newer(tmp_path: Path) -> None:
    """A parked row that a later run has overtaken stays parked."""
    shop = Shop(tmp_path, "ledger.db")
    shop.rows([row(0, score=0.1, band="none of these")])
    with shop.project() as project:
        project["items"].apply()
        project["items"].rejects().write(tmp_path / "fixme.csv")
        shop.fake.clock.sleep(60)
        shop.rows([row(0, score=0.9)])
        project["items"].apply()
        mended = tmp_path / "fixme.csv"
        mended.write_text(mended.read_text().replace("none of these", "low"))
        report = project["items"].retry(mended).apply()
    assert report.counts == {Status.SKIPPED: 1}
    assert float(shop.items["I-0"]["score"]) == 0.9


def test_a_refused_row_is_tried_again_when_asked(tmp_path: Path) -> None:
    """The reason may have lain with the system, not with the row."""
    shop = Shop(tmp_path, "ledger.db")
    shop.fake.refused = {"I-0"}
    shop.rows([row(0)])
    with shop.project() as project:
        project["items"].apply()
        project["items"].rejects().write(tmp_path / "fixme.csv")
        shop.fake.refused = set()
        assert project["items"].plan().counts == {"rejected": 1}
        assert project["items"].retry(tmp_path / "fixme.csv").apply().counts == {Status.CREATED: 1}


def test_shares_do_not_judge_a_retry_but_numbers_do(tmp_path: Path) -> None:
    """One mended row of two is half the file: no sign that something is wrong."""
    shop = rejected(tmp_path)
    with shop.project() as project:
        project["items"].rejects().write(tmp_path / "fixme.csv")
    mended = (tmp_path / "fixme.csv").read_text().replace("none of these", "high")
    (tmp_path / "fixme.csv").write_text(mended)
    tripped = {}
    for limit in ('"1 %"', "0"):
        shop.job_file("ledger.db", more=f"guards = {{ rejected = {limit} }}")
        with shop.project() as project:
            tripped[limit] = [guard.name for guard in project["items"].retry(tmp_path / "fixme.csv").tripped]
    assert tripped == {'"1 %"': [], "0": ["rejected"]}


def test_a_row_the_system_refused_is_exported_with_its_source(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "ledger.db")
    shop.fake.refused = {"I-1"}
    shop.rows([row(0), row(1, score=0.75)])
    with shop.project() as project:
        project["items"].apply()
        (found,) = project["items"].rejects()
    assert found.row == {"id": "I-1", "score": "0.75", "band": "mid"}
    assert found.outcome.problems[0].code == "no-thanks"


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    shop = rejected(tmp_path)
    with shop.project() as project, pytest.raises(ConfigurationError, match="not a file of one run's rejects"):
        project["items"].retry(tmp_path / "items.csv")

"""The demo tells the truth: what it shows is what the CRM counted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from aumconnect.demo import run
from aumconnect.errors import ConfigurationError


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any], float, Path]:
    """Exit code, facts, seconds and the folder that was kept."""
    import contextlib
    import io

    folder, out, started = tmp_path_factory.mktemp("kept") / "demo", io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(out):
        code = run(folder, as_json=True)
    return code, json.loads(out.getvalue()), time.perf_counter() - started, folder


Told = tuple[int, dict[str, Any], float, Path]


def test_every_claim_holds_within_half_a_minute(told: Told) -> None:
    code, _, seconds, _ = told

    assert code == 0
    assert seconds < 30


def test_every_row_has_an_outcome_and_the_dirt_is_told_by_its_reasons(told: Told) -> None:
    first = told[1]["first_run"]

    assert first["total"] == 2360
    assert sum(first["counts"].values()) == 2360
    assert first["counts"]["rejected"] == 10
    assert first["counts"]["skipped"] == 5
    assert first["counts"]["updated"] == 2345
    fields = {reason["field"] for reason in first["reasons"] if reason["outcome"] == "rejected"}
    assert {"Expected_Spend__c", "Expected_Purchases__c", "Value_Band__c", "Customer_Id__c"} <= fields


def test_the_second_run_sends_nothing(told: Told) -> None:
    second = told[1]["second_run"]

    assert second["mutating_requests"] == 0
    assert second["counts"].get("updated", 0) == 0


def test_a_persons_edit_stays(told: Told) -> None:
    edit = told[1]["human_edit"]

    assert edit["band"] == "low"
    assert edit["counts"]["updated"] == 4
    assert any("a person changed" in reason["message"] for reason in edit["reasons"])


def test_what_is_kept_is_a_job_that_could_go_on_and_is_never_overwritten(told: Told) -> None:
    folder = told[3]

    assert {"aumconnect.toml", "predictions.csv"} <= {path.name for path in folder.iterdir()}
    with pytest.raises(ConfigurationError, match="holds a job file already"):
        run(folder, as_json=True)


def test_it_can_be_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0

    shown = capsys.readouterr().out
    assert "✗" not in shown
    assert shown.count("✓") >= 4
    quickstart = (Path(__file__).parents[2] / "docs/quickstart.md").read_text()
    printed = quickstart.partition("```text\n")[2].partition("```")[0].splitlines()
    assert printed
    assert [line for line in printed if line not in shown] == []

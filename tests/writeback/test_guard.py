"""Guards stop a plan before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from _shop import Shop, row

from aumconnect.errors import ConfigurationError, GuardTripped
from aumconnect.outcome import Status
from aumconnect.writeback.guard import evaluate, stop_at
from aumconnect.writeback.jobfile import GuardLimit


def guarded(folder: Path, guards: str, *, operation: str = "upsert", more: str = "") -> Shop:
    return Shop(folder, "ledger.db", operation=operation, more=f"{more}\nguards = {{ {guards} }}")


def test_an_exceeded_guard_stops_with_exit_code_3_and_nothing_written(tmp_path: Path) -> None:
    shop = guarded(tmp_path, 'changed = "20 %"')
    shop.rows(row(number) for number in range(10))
    with shop.project() as project:
        project["items"].apply()
        shop.rows(row(number, score=0.9 if number < 3 else 0.5) for number in range(10))
        before = shop.fake.mutations
        plan = project["items"].plan()
        with pytest.raises(GuardTripped, match=r"changed: 3 of 10 rows \(30.0%\)") as caught:
            plan.apply()
        assert caught.value.exit_code == 3
        assert shop.fake.mutations == before
        assert [guard.name for guard in plan.tripped] == ["changed"]
        assert plan.apply(override_guards=["changed"]).counts == {Status.UPDATED: 3, Status.UNCHANGED: 7}


def test_a_first_run_that_only_fills_empty_fields_changes_nothing(tmp_path: Path) -> None:
    """Values that nobody had are no change; those the system has are."""
    shop = guarded(tmp_path, 'changed = "20 %"', operation="update")
    for number in range(10):
        shop.fake.add("Item", code=f"I-{number}")
    shop.rows(row(number) for number in range(10))
    with shop.project() as project:
        assert project["items"].apply().counts == {Status.UPDATED: 10}


def test_a_first_run_over_values_of_others_is_stopped(tmp_path: Path) -> None:
    shop = guarded(tmp_path, 'changed = "20 %"', operation="update")
    for number in range(10):
        shop.fake.add("Item", code=f"I-{number}", score="0.1")
    shop.rows(row(number) for number in range(10))
    with shop.project() as project, pytest.raises(GuardTripped, match="10 of 10"):
        project["items"].apply()


@pytest.mark.parametrize(
    ("guard", "rows", "count"),
    [
        ('cleared = "5 %"', [row(0, band=""), *(row(number) for number in range(1, 10))], 1),
        ("created = 1", [row(number) for number in range(12)], 2),
        ('rejected = "5 %"', [row(0, score="much"), *(row(number) for number in range(1, 10))], 1),
    ],
)
def test_each_guard_counts_its_rows(tmp_path: Path, guard: str, rows: list[dict[str, object]], count: int) -> None:
    shop = guarded(tmp_path, guard)
    for number in range(10):
        shop.fake.add("Item", code=f"I-{number}", score="0.5", band="mid")
    shop.rows(rows)
    with shop.project() as project:
        plan = project["items"].plan()
        assert [result.count for result in plan.tripped] == [count]


def test_unmatched_keys_are_guarded(tmp_path: Path) -> None:
    shop = guarded(tmp_path, 'unmatched = "50 %"', operation="update")
    shop.fake.add("Item", code="I-0")
    shop.rows(row(number) for number in range(3))
    with shop.project() as project, pytest.raises(GuardTripped, match="unmatched: 2 of 3"):
        project["items"].apply()


def test_rows_that_could_not_be_compared_count_as_the_worst() -> None:
    (result,) = evaluate({"changed": GuardLimit(0.2)}, {"changed": 10}, {"changed": 15}, 100)
    assert result.tripped
    assert "15 of them because they could not be compared" in str(result)


def test_a_guard_that_cannot_be_judged_trips(tmp_path: Path) -> None:
    shop = guarded(tmp_path, 'changed = "20 %"')
    shop.rows([])
    with shop.project() as project, pytest.raises(GuardTripped, match="cannot be judged"):
        project["items"].apply()


def test_a_minimum_spares_small_plans() -> None:
    limits = {"changed": GuardLimit(0.2, minimum=10)}
    assert not evaluate(limits, {"changed": 9}, {}, 10)[0].tripped
    assert evaluate(limits, {"changed": 10}, {}, 10)[0].tripped


def test_a_limit_of_rows_may_be_reached_but_not_exceeded() -> None:
    limits = {"created": GuardLimit(3)}
    assert not evaluate(limits, {"created": 3}, {}, 10)[0].tripped
    assert evaluate(limits, {"created": 4}, {}, 10)[0].tripped


def test_overriding_a_guard_that_does_not_exist_is_a_mistake() -> None:
    results = evaluate({"changed": GuardLimit(0.2)}, {"changed": 9}, {}, 10)
    with pytest.raises(ConfigurationError, match="no guard 'chnged'"):
        stop_at(results, ["chnged"])


def test_overriding_one_guard_does_not_override_another() -> None:
    results = evaluate({"changed": GuardLimit(0.2), "created": GuardLimit(0)}, {"changed": 9, "created": 1}, {}, 10)
    with pytest.raises(GuardTripped, match="created"):
        stop_at(results, ["changed"])

"""The record store behind fakes: indexes, history and rollback agree with the records whatever is done to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aumconnect.testing.clock import VirtualClock
from aumconnect.testing.fakes._tables import Store, Table

CODES = st.sampled_from(["a", "A", "b", None])
STEPS = st.lists(st.tuples(st.sampled_from(["insert", "edit", "delete"]), st.integers(0, 5), CODES), max_size=20)


class Ledger:
    """Remembers what a store tells about."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = []

    def __call__(
        self, object: str, id: str, before: Mapping[str, Any], after: Mapping[str, Any], *, by: str | None = None
    ) -> None:
        self.told.append((id, before, after))


def table(clock: VirtualClock | None = None, ledger: Ledger | None = None) -> Table:
    return Table("Thing", Store((clock or VirtualClock()).epoch, ledger or Ledger()), indexed=["code"])


def play(things: Table, steps: list[tuple[str, int, str | None]]) -> None:
    for action, which, code in steps:
        living = [str(values["id"]) for values in things]
        if action == "insert" or not living:
            things.insert(code=code)
        elif action == "edit":
            things.edit(living[which % len(living)], code=code)
        else:
            things.delete(living[which % len(living)])


def by_scan(things: Table, code: str) -> set[str]:
    return {str(values["id"]) for values in things if str(values.get("code")).lower() == code}


@given(STEPS)
def test_an_index_finds_what_a_scan_finds(steps: list[tuple[str, int, str | None]]) -> None:
    things = table()
    play(things, steps)
    for code in ("a", "b"):
        assert {row.id for row in things.find("code", code)} == by_scan(things, code)


@given(STEPS, STEPS)
def test_a_rollback_leaves_no_trace(before: Any, inside: Any) -> None:
    ledger = Ledger()
    things = table(ledger=ledger)
    play(things, before)
    records, told = things.all(), list(ledger.told)

    with things.store.transaction() as roll_back:
        play(things, inside)
        roll_back()

    assert things.all() == records
    assert ledger.told == told
    assert {row.id for row in things.find("code", "a")} == by_scan(things, "a")


@given(STEPS, STEPS, STEPS)
def test_an_inner_transaction_is_taken_back_with_the_outer_one(before: Any, outer: Any, inner: Any) -> None:
    things = table()
    play(things, before)
    records = things.all()

    with things.store.transaction() as roll_back:
        play(things, outer)
        with things.store.transaction():
            play(things, inner)
        roll_back()

    assert things.all() == records


@given(st.lists(STEPS, min_size=1, max_size=4))
def test_a_lagging_reader_sees_exactly_the_past(rounds: list[Any]) -> None:
    clock = VirtualClock()
    things = table(clock)
    things.store.remember = 2.5
    past: list[list[dict[str, Any]]] = []
    for steps in rounds:
        play(things, steps)
        past.append(things.all())
        clock.sleep(1)

    for ago, records in enumerate(reversed(past[-2:]), start=1):
        seen = [row.as_of(clock.epoch() - ago) for row in things.rows()]
        assert [dict(row.values) for row in seen if row is not None and not row.deleted] == records


def test_a_test_asks_for_exactly_one() -> None:
    things = table()
    things.insert(code="a")
    things.insert(code="a", note="twin")

    assert things.one(note="twin")["id"] == "2"
    with pytest.raises(LookupError, match="2 records"):
        things.one(code="a")
    with pytest.raises(LookupError, match="0 records"):
        things.one(code="b")
    assert len(things) == 2

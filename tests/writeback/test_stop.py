"""A run that is told to stop, or is overtaken."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from _shop import PickyMemory, Shop, row

from aumconnect.errors import LedgerError
from aumconnect.outcome import Status
from aumconnect.testing import faults
from aumconnect.testing.clock import VirtualClock
from aumconnect.writeback import _database
from aumconnect.writeback._lease import Owner
from aumconnect.writeback.ledger import Ledger

RUN = """
import json, sys
from dataclasses import replace
from pathlib import Path
from aumconnect.client import Client
from aumconnect.connectors.memory import CAPABILITIES, Memory
from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.memory import FakeMemory
from aumconnect.writeback import Project

fake = FakeMemory()
with serve(fake, latency=0.05) as emulator:
    memory = Memory(emulator.url, capabilities=replace(CAPABILITIES, batch_rows=10, parallel=2))
    with Project(Path(sys.argv[1]), connect=lambda _: Client(memory)) as project:
        plan = project["items"].plan()
        print("planned", flush=True)
        try:
            plan.apply()
        except (KeyboardInterrupt, SystemExit) as stop:
            report = plan.report
            said = {"stop": type(stop).__name__, "exit": report.exit_code, "counts": report.to_json()["counts"]}
            said |= {"written": len(fake["Item"]), "notes": report.notes, "run": project["items"].runs()[0].state}
            print(json.dumps(said), flush=True)
            rest = project["items"].apply()
            print(json.dumps({"counts": rest.to_json()["counts"], "twice": max(fake.commits.values())}), flush=True)
"""


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "SystemExit")])
def test_a_stop_finishes_what_is_in_flight_and_the_next_run_goes_on(tmp_path: Path, number: int, raised: str) -> None:
    """The signal then passes on; the account says what was done, and that the rest was not."""
    shop = Shop(tmp_path, "ledger.db")
    shop.rows(row(number) for number in range(1000))
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path / "aumconnect.toml")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "planned\n"
    time.sleep(0.8)
    process.send_signal(number)
    began = time.monotonic()
    stopped = json.loads(process.stdout.readline())
    assert time.monotonic() - began < 10
    rest = json.loads(process.stdout.readline())
    process.communicate()
    written = stopped["written"]
    assert stopped["stop"] == raised
    assert stopped["exit"] == 75
    assert stopped["run"] == "ended"
    assert 0 < written < 1000
    assert stopped["counts"] == {"created": written, "failed": 1000 - written}
    assert f"{1000 - written} rows are not done" in stopped["notes"][-1]
    assert rest == {"counts": {"unchanged": written, "created": 1000 - written}, "twice": 1}


def test_a_run_that_was_overtaken_sends_nothing_more(tmp_path: Path) -> None:
    """It sleeps through its lease in the middle of a run; another takes it; the first is stopped at the gate."""
    shop = Shop(tmp_path, "ledger.db")
    shop.rows(row(number) for number in range(2000))

    def overtaken(fake: object) -> None:
        shop.fake.clock.sleep(120)
        with Ledger(str(tmp_path / "ledger.db"), clock=shop.fake.clock) as ledger:
            lease = ledger.lease("items")
            lease._owner = replace(Owner.me(), pid=1, born="long ago", host="elsewhere")
            lease.take(heartbeat=False)

    with shop.project() as project:
        shop.fake.faults.write(2, faults.meanwhile(overtaken))
        before_the_end = len(shop.items)
        report = project["items"].apply()
        assert isinstance(report.stopped, LedgerError)
        assert report.exit_code == 75
        assert shop.fake.mutations < 10
        assert before_the_end <= len(shop.items) < 2000
        assert report.total == 2000


class Patient(VirtualClock):
    """Pauses are real: a database needs its time to come back."""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 1.0))
        super().sleep(seconds)


def test_a_restart_of_postgresql_in_the_middle_of_a_run_is_survived(tmp_path: Path, mortal_postgres: Any) -> None:
    """Every transaction is repeated until it is known to be durable; none counts twice."""
    shop = Shop(tmp_path, mortal_postgres.url)
    shop.fake = PickyMemory(clock=Patient())
    shop.rows(row(number) for number in range(2000))

    def restart(fake: object) -> None:
        mortal_postgres.kill()
        mortal_postgres.start()

    with shop.project() as project:
        plan = project["items"].plan()
        for number in (2, 5, 8):
            shop.fake.faults.write(number, faults.meanwhile(restart))
        report = plan.apply()
        assert (report.stopped, report.counts) == (None, {Status.CREATED: 2000})
        assert project["items"].apply().counts == {Status.UNCHANGED: 2000}
    assert set(shop.fake.commits.values()) == {1}


def test_a_ledger_that_cannot_be_written_stops_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full: no write goes out without a durable intent, and the next run knows all that did."""
    shop = Shop(tmp_path, "ledger.db")
    shop.rows(row(number) for number in range(3000))
    with shop.project() as project:
        project["items"].plan().discard()
        pages = (tmp_path / "ledger.db").stat().st_size // 4096
    stops = 0
    for more in (70, 80, 90, 100):
        with monkeypatch.context() as full:
            full.setattr(_database, "SETTINGS", (*_database.SETTINGS, f"max_page_count = {pages + more}"))
            with shop.project() as project:
                try:
                    stops += isinstance(project["items"].apply().stopped, LedgerError)
                except LedgerError:
                    stops += 1
        with Ledger(str(tmp_path / "ledger.db")) as ledger:
            told = {ref for run in ledger.runs("items") for ref, _, _ in ledger.outcomes(run.id)}
            scope = ledger.scope("items", "memory:1", "Item")
            assert len(shop.items) <= len(told) + len(ledger.in_doubt(scope))
    assert stops == 4
    with shop.project() as project:
        assert project["items"].apply().ok
    assert len(shop.items) == 3000
    assert set(shop.fake.commits.values()) == {1}


def test_two_runs_at_once_are_one_run(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "ledger.db")
    shop.rows([row(0)])
    with shop.project() as one, shop.project() as two:
        plan = one["items"].plan()
        with two.ledger.lease("items"):
            asked = len(shop.fake.requests)
            with pytest.raises(LedgerError, match="held by"):
                plan.apply()
            with pytest.raises(LedgerError, match="held by"):
                one["items"].apply()
            assert len(shop.fake.requests) == asked
        assert plan.apply().counts == {Status.CREATED: 1}

"""One run at a time, and none that was overtaken."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aumconnect.errors import LedgerError
from aumconnect.writeback._lease import Lease, Owner
from aumconnect.writeback.ledger import Ledger


class Hands:
    """A clock whose hands are set."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def epoch(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def elsewhere(lease: Lease) -> Lease:
    """The same lease, wanted by a program on another machine."""
    lease._owner = replace(Owner.me(), host="elsewhere", pid=1)
    return lease


def taken_by_another_process(url: str, folder: Path, *, then: str) -> None:
    code = f"from aumconnect.writeback.ledger import Ledger; Ledger({url!r}).lease('churn').take(); {then}"
    subprocess.run([sys.executable, "-c", f"import os; {code}"], check=False, cwd=folder)


def test_a_second_run_is_refused_at_once_and_told_by_whom(ledger: Ledger) -> None:
    began = time.monotonic()
    with ledger.lease("churn"), pytest.raises(LedgerError, match=f"held by process {Owner.me().pid} on") as caught:
        ledger.lease("churn").take()
    assert time.monotonic() - began < 2
    assert "wait for it to end" in str(caught.value)


def test_other_writebacks_go_on(ledger: Ledger) -> None:
    with ledger.lease("churn"), ledger.lease("value"):
        pass


def test_each_holder_has_a_higher_epoch(ledger: Ledger) -> None:
    epochs = []
    for _ in range(3):
        with ledger.lease("churn") as lease:
            epochs.append(lease.epoch)
    assert epochs == [1, 2, 3]


def test_the_lease_of_a_dead_process_is_taken_over_at_once(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    taken_by_another_process(ledger_url, tmp_path, then="os.kill(os.getpid(), 9)")
    with ledger.lease("churn") as lease:
        assert lease.epoch == 2


def test_a_machine_that_cannot_be_seen_is_waited_for_until_the_lease_expires(tmp_path: Path) -> None:
    clock = Hands()
    with Ledger(str(tmp_path / "ledger.db"), clock=clock) as ledger:
        elsewhere(ledger.lease("churn", lifetime=60)).take(heartbeat=False)
        clock.time += 59
        with pytest.raises(LedgerError, match="on elsewhere"):
            ledger.lease("churn").take(heartbeat=False)
        clock.time += 2
        assert ledger.lease("churn").take(heartbeat=False).epoch == 2


def test_a_run_that_slept_through_its_lease_is_stopped_at_the_gate(tmp_path: Path) -> None:
    clock = Hands()
    with Ledger(str(tmp_path / "ledger.db"), clock=clock) as ledger:
        zombie = elsewhere(ledger.lease("churn")).take(heartbeat=False)
        zombie.check()
        clock.time += 61
        ledger.lease("churn").take(heartbeat=False)
        with pytest.raises(LedgerError, match="taken over"):
            zombie.check()


def test_a_run_that_slept_and_was_not_overtaken_goes_on(tmp_path: Path) -> None:
    clock = Hands()
    with Ledger(str(tmp_path / "ledger.db"), clock=clock) as ledger:
        lease = ledger.lease("churn").take(heartbeat=False)
        clock.time += 3600
        lease.check()


def test_a_heartbeat_keeps_the_lease(ledger: Ledger) -> None:
    lease = ledger.lease("churn", lifetime=0.6).take()
    time.sleep(1.5)
    other = elsewhere(ledger.lease("churn"))
    with pytest.raises(LedgerError, match="held by"):
        other.take(heartbeat=False)
    lease.release()


def test_releasing_late_does_not_disturb_the_next_holder(tmp_path: Path) -> None:
    clock = Hands()
    with Ledger(str(tmp_path / "ledger.db"), clock=clock) as ledger:
        late = elsewhere(ledger.lease("churn")).take(heartbeat=False)
        clock.time += 61
        ledger.lease("churn").take(heartbeat=False)
        late.release()
        with pytest.raises(LedgerError, match="held by"):
            ledger.lease("churn").take(heartbeat=False)


def test_a_recycled_process_id_is_not_taken_for_its_owner() -> None:
    me = Owner.me()
    assert not me.is_dead()
    assert replace(me, born="1").is_dead()
    assert not replace(me, born="1", namespace="pid:[1]").is_dead()


def test_of_many_started_together_one_works(ledger_url: str, ledger: Ledger, tmp_path: Path) -> None:
    """The others end within two seconds of asking, naming the holder."""
    code = f"""
import sys, time
from aumconnect.errors import LedgerError
from aumconnect.writeback.ledger import Ledger
ledger = Ledger({ledger_url!r})
sys.stdin.readline()
asked = time.monotonic()
try:
    ledger.lease("churn").take()
except LedgerError as error:
    print("held by" in str(error), time.monotonic() - asked < 2)
else:
    time.sleep(3)
    print("worked")
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for run in runs:
        assert run.stdin
        run.stdin.write("go\n")
        run.stdin.flush()
    said = sorted(run.communicate()[0].strip() for run in runs)
    assert said == ["True True"] * 3 + ["worked"]

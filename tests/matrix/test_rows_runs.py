"""Fault matrix, rows about runs: the ledger, the process and the source under it."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from matrix_org import Desk, counts, made, organization
from matrix_org import writes as writes_of

import aumconnect as aum
from aumconnect._clock import SYSTEM_CLOCK
from aumconnect.testing import faults
from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.writeback import _database

JOB = """\
[connections.crm]
url = "salesforce+{url}?settle_time=0.1"
auth = {{ kind = "client_credentials", id = "env:SF_CLIENT_ID", secret = "env:SF_SECRET" }}
parallel = 1

[writebacks.churn]
source = "churn.csv"
to = "crm:Contact"
operation = "insert"
key = {{ Ext__c = "id" }}

[writebacks.churn.fields]
LastName = "name"
"""
COMMAND = [sys.executable, "-m", "aumconnect", "apply", "churn", "--yes"]


@pytest.fixture(scope="module")
def system() -> Iterator[tuple[FakeSalesforce, str]]:
    """One organisation over real HTTP for all tests here; each brings its own keys."""
    fake = organization(clock=SYSTEM_CLOCK)
    with serve(fake) as emulator:
        yield fake, emulator.url


def folder_of(path: Path, url: str, keys: range) -> None:
    (path / "aumconnect.toml").write_text(JOB.format(url=url))
    (path / "churn.csv").write_text("id,name\n" + "".join(f"K-{number},Person\n" for number in keys))


def environment(fake: FakeSalesforce) -> dict[str, str]:
    return os.environ | {
        "SF_CLIENT_ID": fake.logins.consumer_key,
        "SF_SECRET": fake.logins.consumer_secret,
        "COLUMNS": "200",
    }


def apply(fake: FakeSalesforce, folder: Path, *before: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, *COMMAND],
        check=False,
        cwd=folder,
        env=environment(fake),
        capture_output=True,
        text=True,
        timeout=60,
        **options,  # type: ignore[call-overload]
    )


def creations(fake: FakeSalesforce, keys: range) -> set[int]:
    with fake.lock:
        return {fake.creations["Contact", f"K-{number}"] for number in keys}


# --- the disk --------------------------------------------------------------------------------------------

FAULTS = {
    "EIO later": "fdatasync:error=EIO:when=8+",
    "disk full later": "pwrite64:error=ENOSPC:when=60+",
}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace to make the disk fail")
@pytest.mark.parametrize("number", range(len(FAULTS)), ids=FAULTS)
def test_row_60_a_disk_that_fails_stops_the_run_before_it_sends_and_nothing_doubles(
    system: tuple[FakeSalesforce, str], tmp_path: Path, number: int
) -> None:
    """P14: whatever the system was sent stood in the ledger before; the next run finishes."""
    fake, url = system
    keys = range(1000 * number, 1000 * number + 400)
    folder_of(tmp_path, url, keys)
    call, _, fault = list(FAULTS.values())[number].partition(":")
    broken = apply(
        fake, tmp_path, "strace", "-fqqo", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{fault}"
    )
    if "ptrace" in broken.stderr:
        pytest.skip("this machine lets nobody trace processes")
    told = broken.stdout + broken.stderr

    assert broken.returncode in (3, 75), told
    assert "ledger" in told
    assert "Traceback" not in told
    whole = apply(fake, tmp_path)
    for _ in range(3):
        if whole.returncode == 75:
            whole = apply(fake, tmp_path)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert creations(fake, keys) == {1}


def test_row_60_a_ledger_that_may_not_be_written_stops_before_anything_is_sent(tmp_path: Path) -> None:
    fake = organization(contacts=3)
    desk = Desk(tmp_path, fake)
    desk.scores(3)
    desk.apply()
    before = fake.mutations
    desk.scores(3, start=10)
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as database, database:
        for act in ("INSERT", "UPDATE"):
            fails = "BEGIN SELECT RAISE(FAIL, 'disk full'); END"
            database.execute(f"CREATE TRIGGER no_{act} BEFORE {act} ON aumconnect_lease {fails}")
    database.close()
    with pytest.raises(aum.LedgerError, match="ledger") as caught:
        desk.apply()

    assert caught.value.exit_code == 3
    assert fake.mutations == before


def test_row_61_a_ledger_locked_by_somebody_else_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = [setting for setting in _database.SETTINGS if not setting.startswith("busy_timeout")]
    monkeypatch.setattr(_database, "SETTINGS", ("busy_timeout = 50", *patient))
    fake = organization(contacts=3)
    desk = Desk(tmp_path, fake)
    desk.scores(3)
    with desk.project() as project:
        plan = project["churn"].plan()
        with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(aum.LedgerError, match="locked"):
                plan.apply()
            other.execute("ROLLBACK")
        assert fake.mutations == 0
        assert counts(plan.apply()) == {"updated": 3}


def test_row_62_p15_a_flipped_byte_never_makes_a_change_look_done(tmp_path: Path) -> None:
    """Either the ledger is refused, or each change is planned, or held back as a person's edit and said so."""
    fake = organization(contacts=50)
    desk = Desk(tmp_path, fake)
    desk.scores(50)
    desk.apply()
    desk.scores(50, start=1)
    ledger = tmp_path / "ledger.db"
    with closing(sqlite3.connect(ledger)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole, dice = ledger.read_bytes(), random.Random(15)
    refused = 0
    for _ in range(20):
        place = dice.randrange(len(whole))
        ledger.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << dice.randrange(8))]) + whole[place + 1 :])
        for beside in tmp_path.glob("ledger.db-*"):
            beside.unlink()
        try:
            with desk.project() as project:
                plan = project["churn"].plan()
                assert plan.changes + plan.counts.get("skipped", 0) == 50, f"byte {place}: {plan}"
        except aum.LedgerError:
            refused += 1

    assert refused < 20


# --- the process -----------------------------------------------------------------------------------------


def limited(which: int, most: int) -> Callable[[], None]:
    return partial(resource.setrlimit, which, (most, most))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "most", "number"), [(resource.RLIMIT_NOFILE, 6, 10), (resource.RLIMIT_FSIZE, 40_000, 11)]
)
def test_row_66_a_process_out_of_means_ends_and_the_next_one_finishes(
    system: tuple[FakeSalesforce, str], tmp_path: Path, which: int, most: int, number: int
) -> None:
    """File descriptors, file size: no outcome is lost, nothing is written twice."""
    fake, url = system
    keys = range(1000 * number, 1000 * number + 400)
    folder_of(tmp_path, url, keys)

    def starve() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limited(which, most)()

    starved = apply(fake, tmp_path, preexec_fn=starve)
    whole = apply(fake, tmp_path)
    if whole.returncode == 75:
        whole = apply(fake, tmp_path)

    assert starved.returncode != 0, starved.stdout
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert creations(fake, keys) == {1}


@contextmanager
def running(fake: FakeSalesforce, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(COMMAND, cwd=folder, env=environment(fake), stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("kill", "number"), [(signal.SIGTERM, 20), (signal.SIGKILL, 21)])
def test_row_56_59_a_run_that_is_killed_is_finished_by_the_next(
    system: tuple[FakeSalesforce, str], tmp_path: Path, kill: signal.Signals, number: int
) -> None:
    fake, url = system
    keys = range(1000 * number, 1000 * number + 999)
    folder_of(tmp_path, url, keys)
    with fake.lock:
        before = fake.mutations
        fake.faults.when(fake.mutates, faults.delay(0.3), times=99)
    with running(fake, tmp_path) as process:
        until = time.monotonic() + 30
        while fake.mutations < before + 2 and time.monotonic() < until:
            time.sleep(0.01)  # the real thing: a scheduler's patience, not a virtual clock
        process.send_signal(kill)
        told, _ = process.communicate(timeout=30)
    fake.faults.clear()
    second = apply(fake, tmp_path)
    if second.returncode == 75:
        second = apply(fake, tmp_path)

    assert process.returncode == (75 if kill is signal.SIGTERM else -kill), told
    assert second.returncode == 0, second.stdout + second.stderr
    assert creations(fake, keys) == {1}


# --- the source ------------------------------------------------------------------------------------------


def test_row_68_what_was_planned_is_what_is_sent_whatever_becomes_of_the_source(tmp_path: Path) -> None:
    fake = organization(contacts=5)
    desk = Desk(tmp_path, fake)
    desk.scores(5)
    with desk.project() as project:
        plan = project["churn"].plan()
        desk.scores(5, start=900)
        plan.apply()

    assert {record["Score__c"] for record in fake["Contact"]} == {Decimal(number) for number in range(5)}


@pytest.mark.parametrize("value", ["NaN", "inf", "-inf", "1e400", "nan", "Infinity"])
def test_row_68_what_is_no_number_costs_its_row(tmp_path: Path, value: str) -> None:
    fake = organization(contacts=3)
    desk = Desk(tmp_path, fake)
    desk.source([{"id": "C-0", "score": 1}, {"id": "C-1", "score": value}, {"id": "C-2", "score": 3}])
    report = desk.apply()
    kept = [fake["Contact"].one(Ext__c=f"C-{n}").get("Score__c") for n in range(3)]

    assert kept == [1, None, 3]
    assert report.counts[aum.Status.UPDATED] == 2


def test_row_68_a_source_that_breaks_off_leaves_nothing_planned_and_nothing_sent(tmp_path: Path) -> None:
    fake = organization(contacts=3)
    desk = Desk(tmp_path, fake)
    desk.scores(3)

    def broken() -> Iterator[dict[str, object]]:
        yield {"id": "C-0", "score": 1, "name": ""}
        raise OSError("the feature store went away")

    with desk.project() as project:
        with pytest.raises(OSError, match="went away"):
            project["churn"].apply(broken())
        assert fake.mutations == 0
        assert counts(project["churn"].apply()) == {"updated": 3}


def test_row_55_58_an_intent_without_an_outcome_is_looked_up_before_anything_is_sent(tmp_path: Path) -> None:
    """The last run's answer got lost at its end; the next looks first, and makes nothing twice."""
    fake = organization()
    desk = Desk(tmp_path, fake, operation="insert", more="")
    desk.source({"id": f"C-{n}", "score": n, "name": "Person"} for n in range(5))
    fake.faults.write(1, faults.lose_reply())
    first = desk.apply()
    fake.clock.sleep(3600)
    second = desk.apply()

    assert counts(first) == {"unknown": 5}
    assert first.exit_code == 75
    assert (second.exit_code, made(fake), len(writes_of(fake))) == (0, {1: 5}, 1)

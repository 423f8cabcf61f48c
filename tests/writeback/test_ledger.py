"""The ledger, on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aumconnect.connector import Batch, Change, Operation
from aumconnect.errors import ConfigurationError, LedgerError
from aumconnect.journal import Attempted, Checkpointed, Intent, Outcomes
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, Reference
from aumconnect.writeback import _database, _opening, _tables
from aumconnect.writeback._fingerprint import Fingerprints
from aumconnect.writeback._journal import RunJournal
from aumconnect.writeback._lease import Lease
from aumconnect.writeback._packing import Planned, Stamp
from aumconnect.writeback.ledger import Ledger, Scope

PRINTS = Fingerprints("Contact", ("Ext",), ("score", "band"), None)


@dataclass
class Book:
    """A ledger with one applied plan of some rows, half way through its run."""

    ledger: Ledger
    scope: Scope
    run: str
    lease: Lease
    journal: RunJournal
    changes: list[Change] = field(default_factory=list)

    def intent(self, chunk: int, *refs: int) -> Intent:
        changes = tuple(self.changes[ref] for ref in refs)
        return Intent(chunk, Batch("Contact", Operation.UPSERT, changes, ("Ext",), None, f"token-{chunk}"), 1.0)

    def reopened(self) -> Book:
        """As the next process finds it after a crash."""
        self.lease.release()
        lease = self.ledger.lease("churn").take(heartbeat=False)
        return Book(self.ledger, self.scope, self.run, lease, self.ledger.journal(lease, self.run), self.changes)


def planned(ref: int, **values: object) -> Planned:
    key = (f"C-{ref}",)
    row = {"score": ref / 10, "band": "mid", **values}
    return Planned(
        Change(ref, row, key), Stamp(PRINTS.key_digest(key), PRINTS.payload(row), 7.0, PRINTS.written(row)), "update"
    )


def begun(ledger: Ledger, rows: Sequence[Planned]) -> Book:
    scope = ledger.scope("churn", "memory:1", "Contact")
    run = ledger.new_id()
    ledger.begin_plan(scope, run, operation="upsert", key=("Ext",), fields=PRINTS.fields)
    for seq, at in enumerate(range(0, len(rows), 3)):
        ledger.save_chunk(run, seq, rows[at : at + 3])
    lease = ledger.lease("churn").take(heartbeat=False)
    ledger.start(lease, run)
    journal = ledger.journal(lease, run)
    return Book(ledger, scope, run, lease, journal, list(journal.source(ledger.planned(run))))


def updated(*refs: int) -> list[Outcome]:
    return [Outcome(ref, Status.UPDATED, f"id{ref}", (f"C-{ref}",)) for ref in refs]


def test_a_plan_comes_back_as_it_was_saved(ledger: Ledger) -> None:
    """Every type a row may hold survives the ledger."""
    rows = [planned(0, band=CLEAR), planned(1, band=Reference("Account", "Ext__c", "A1")), planned(2, score=None)]
    book = begun(ledger, rows)
    assert list(ledger.planned(book.run)) == rows


def test_what_was_written_is_remembered_and_the_rest_is_not(ledger: Ledger) -> None:
    """Failed, unknown and unsent rows leave no fingerprint, so that the next plan sends them."""
    rows = [planned(ref) for ref in range(5)]
    book = begun(ledger, rows)
    book.journal.commit([book.intent(0, 0, 1, 2, 3)])
    lost = Outcome(2, Status.UNKNOWN, key=("C-2",), problems=(Problem("lost", "no answer"),))
    failed = Outcome.failed(3, Problem("busy", "locked"), key=("C-3",))
    book.journal.commit([Outcomes(0, [*updated(0, 1), lost, failed], 2.0)])
    book.journal.end({}, {})
    state = ledger.state(book.scope)
    keys = [row.stamp.key for row in rows]
    assert state.payloads(keys) == {keys[ref]: rows[ref].stamp.payload for ref in (0, 1)}
    assert state.remembered(keys)[keys[1]].id == "id1"


def test_a_rejected_row_keeps_what_was_written_before(ledger: Ledger) -> None:
    """It is not sent again, and a human edit can still be told from our own last write."""
    book = begun(ledger, [planned(0)])
    book.journal.commit([book.intent(0, 0), Outcomes(0, updated(0), 2.0)])
    book.journal.end({}, {})
    book.lease.release()
    again = begun(ledger, [planned(0, score=5.0)])
    no = Outcome.rejected(0, [Problem("too-large", "score")], key=("C-0",))
    again.journal.commit([again.intent(0, 0), Outcomes(0, [no], 2.0)])
    again.journal.end({}, {})
    key = planned(0).stamp.key
    state = ledger.state(book.scope)
    found = state.remembered([key])[key]
    assert state.payloads([key]) == {}
    assert found.payload == planned(0).stamp.payload
    assert found.written["score"] == PRINTS.digest("score", 0.0)
    assert found.rejected == planned(0, score=5.0).stamp.payload


def test_a_second_account_knows_nothing_of_the_first(ledger: Ledger) -> None:
    book = begun(ledger, [planned(0)])
    book.journal.commit([book.intent(0, 0), Outcomes(0, updated(0), 2.0)])
    book.journal.end({}, {})
    other = ledger.scope("churn", "memory:2", "Contact")
    assert other.id != book.scope.id
    assert ledger.state(other).empty


def test_an_intent_without_outcome_is_found_after_a_crash(ledger: Ledger) -> None:
    """With its rows, its token and the time it was sent; settled rows are left out."""
    book = begun(ledger, [planned(ref) for ref in range(6)])
    book.journal.commit([book.intent(0, 0, 1), book.intent(1, 2, 3, 4)])
    book.journal.commit([Outcomes(0, updated(0, 1), 2.0), Outcomes(1, updated(3), 2.0)])
    (found,) = book.reopened().journal.recovered("Contact", None)
    assert (found.chunk, found.batch.token, found.at) == (1, "token-1", 1.0)
    assert found.batch.changes == (book.changes[2], book.changes[4])


def test_outcomes_a_dead_run_did_not_fold_are_not_lost(ledger: Ledger) -> None:
    book = begun(ledger, [planned(0), planned(1)])
    no = Outcome.rejected(1, [Problem("taken", "duplicate")], key=("C-1",))
    book.journal.commit([book.intent(0, 0, 1), Outcomes(0, [*updated(0), no], 2.0)])
    again = book.reopened()
    assert ledger.state(book.scope).empty
    again.journal.end({}, {})
    key = planned(1).stamp.key
    found = ledger.state(book.scope).remembered([key, planned(0).stamp.key])
    assert found[planned(0).stamp.key].id == "id0"
    assert "taken" in str(found[key].rejection)


def test_an_attempt_that_changed_nothing_needs_no_reconciling(ledger: Ledger) -> None:
    book = begun(ledger, [planned(0)])
    book.journal.commit([book.intent(0, 0)])
    book.journal.commit([Attempted(0, sent=False, at=2.0)])
    assert book.reopened().journal.recovered("Contact", None) == []


def test_a_row_sent_twice_is_in_doubt_once(ledger: Ledger) -> None:
    """The later intent decides: it was made only because the earlier one was settled."""
    book = begun(ledger, [planned(0), planned(1)])
    book.journal.commit([book.intent(0, 0, 1)])
    book.journal.commit([book.intent(1, 1)])
    found = book.reopened().journal.recovered("Contact", None)
    assert [(each.chunk, [change.ref for change in each.batch.changes]) for each in found] == [(0, [0]), (1, [1])]


def test_a_bulk_job_is_found_with_its_last_checkpoint(ledger: Ledger) -> None:
    book = begun(ledger, [planned(0)])
    book.journal.commit([book.intent(0, 0)])
    book.journal.commit([Checkpointed(0, {"job": "750"}, 1.5), Checkpointed(0, {"job": "750", "page": 2}, 2.0)])
    (found,) = book.reopened().journal.recovered("Contact", None)
    assert found.checkpoint == {"job": "750", "page": 2}


def test_unknown_rows_stay_open_for_the_next_run(ledger: Ledger) -> None:
    book = begun(ledger, [planned(0)])
    unknown = Outcome(0, Status.UNKNOWN, key=("C-0",))
    book.journal.commit([book.intent(0, 0), Outcomes(0, [unknown], 2.0)])
    book.journal.end({}, {})
    assert [run.id for run in ledger.unfinished(book.scope)] == [book.run]
    (found,) = book.reopened().journal.recovered("Contact", None)
    assert found.batch.changes == (book.changes[0],)


def test_what_needs_attention_is_kept_row_by_row(ledger: Ledger) -> None:
    book = begun(ledger, [planned(ref) for ref in range(3)])
    no = Outcome.rejected(1, [Problem("taken", "duplicate", "Ext")], key=("C-1",), twins=("a", "b"))
    ledger.note(book.run, [Outcome(9, Status.SKIPPED, reason="a person changed it")], {9: '{"id": "C-9"}'})
    book.journal.commit([book.intent(0, 0, 1), Outcomes(0, [*updated(0), no], 2.0)])
    found = list(ledger.attention(book.run))
    assert [each.outcome.ref for each in found] == [1, 9]
    assert found[0].outcome == no
    assert found[1].row == {"id": "C-9"}
    assert [each.outcome.ref for each in ledger.attention(book.run, "rejected")] == [1]


def test_old_runs_lose_their_rows_but_not_their_record(ledger: Ledger) -> None:
    book = begun(ledger, [planned(0)])
    book.journal.commit([book.intent(0, 0), Outcomes(0, updated(0), 2.0)])
    book.journal.end({"skipped": 1}, {"model": "churn 3"})
    ledger.prune(book.scope, keep=0)
    assert list(ledger.planned(book.run)) == []
    assert ledger.runs("churn")[0].counts == {"updated": 1, "skipped": 1}
    assert ledger.run(book.run).details == {"model": "churn 3"}


def test_a_run_that_lost_its_lease_writes_nothing_more(ledger: Ledger) -> None:
    book = begun(ledger, [planned(0)])
    stale = book.lease.epoch
    book.lease.release()
    ledger.lease("churn").take(heartbeat=False)
    book.lease.epoch = stale
    with pytest.raises(LedgerError, match="taken over"):
        book.journal.commit([book.intent(0, 0)])
    assert book.journal.recovered("Contact", None) == []


# --- a ledger that cannot be trusted ------------------------------------------------------------------------


def used(path: Path, *, crash: bool = False) -> None:
    """A ledger with content, closed in order, or left behind by a killed process."""
    code = f"""
import os
from aumconnect.writeback.ledger import Ledger
from tests_ledger import begun, planned, updated
from aumconnect.journal import Outcomes
ledger = Ledger({str(path)!r})
book = begun(ledger, [planned(ref) for ref in range(50)])
book.journal.commit([book.intent(0, 0, 1), Outcomes(0, updated(0, 1), 2.0)])
if {crash}:
    os._exit(9)
book.journal.end({{}}, {{}})
book.lease.release()
ledger.close()
"""
    code = code.replace(
        "from tests_ledger", f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom test_ledger"
    )
    subprocess.run([sys.executable, "-c", code], check=not crash)


def test_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(str(path)) as ledger:
        begun(ledger, [planned(0)])
        modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {0o600}


def test_commits_survive_a_power_cut(tmp_path: Path) -> None:
    """synchronous is FULL: WAL with NORMAL may lose a commit when the power goes (sqlite.org/pragma.html)."""
    with Ledger(str(tmp_path / "ledger.db")) as ledger:
        found = ledger._database.read(
            lambda c: [c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        )
    assert found == ["wal", 2]


def test_postgresql_commits_are_synchronous(postgres: str) -> None:
    with Ledger(postgres) as ledger:
        assert ledger._database.read(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar()) == "on"


@pytest.mark.parametrize("damage", ["garbage", "cut", "page"])
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "ledger.db"
    used(path)
    content = path.read_bytes()
    broken = {
        "garbage": b"not a database at all, really" * 100,
        "cut": content[: len(content) // 2],
        "page": content[:4096] + bytes(4096) + content[8192:],
    }[damage]
    path.write_bytes(broken)
    with pytest.raises(LedgerError):
        Ledger(str(path))
    assert path.read_bytes() == broken


def test_a_missing_write_ahead_file_is_noticed(tmp_path: Path) -> None:
    """What it held would be sent again."""
    path = tmp_path / "ledger.db"
    used(path, crash=True)
    path.with_name("ledger.db-wal").unlink()
    path.with_name("ledger.db-shm").unlink()
    with pytest.raises(LedgerError, match="lacks its last 1 commits"):
        Ledger(str(path))


def test_an_old_copy_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    used(path)
    copy = path.read_bytes()
    with Ledger(str(path)) as ledger:
        book = begun(ledger, [planned(0)])
        book.journal.commit([book.intent(0, 0), Outcomes(0, updated(0), 2.0)])
        book.journal.end({}, {})
        book.lease.release()
    path.write_bytes(copy)
    with pytest.raises(LedgerError, match="lacks its last 2 commits"):
        Ledger(str(path))
    path.with_name("ledger.db-mark").unlink()
    Ledger(str(path)).close()


def test_looking_at_a_crashed_ledger_does_no_harm(tmp_path: Path) -> None:
    """Another program may bring the log into the file, as SQLite does when the last reader closes."""
    path = tmp_path / "ledger.db"
    used(path, crash=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("SELECT count(*) FROM aumconnect_run").fetchone()
    connection.close()
    Ledger(str(path)).close()


def test_a_crash_with_its_write_ahead_file_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    used(path, crash=True)
    with Ledger(str(path)) as ledger:
        (run,) = ledger.runs("churn")
        assert [ref for ref, _, _ in ledger.outcomes(run.id)] == [0, 1]
    Ledger(str(path)).close()


def test_a_newer_ledger_is_refused(ledger_url: str) -> None:
    with Ledger(ledger_url) as ledger:
        ledger._database.write(lambda c: _database.save(c, _tables.info, [{"name": "version", "value": "99"}]))
    with pytest.raises(LedgerError, match="newer aumconnect"):
        Ledger(ledger_url)


def test_an_older_ledger_is_migrated_step_by_step(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step runs once, in order, in one transaction with the new version."""
    done: list[int] = []
    with Ledger(ledger_url):
        monkeypatch.setattr(_tables, "VERSION", 3)
        monkeypatch.setattr(_tables, "MIGRATIONS", {1: lambda _: done.append(1), 2: lambda _: done.append(2)})
    Ledger(ledger_url).close()
    Ledger(ledger_url).close()
    assert done == [1, 2]


def test_a_database_of_someone_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customers (id)")
    with pytest.raises(LedgerError, match="something else"):
        Ledger(str(path))


def test_network_file_systems_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_database, "file_system", lambda folder: "nfs4")
    with pytest.raises(LedgerError, match="network file system"):
        Ledger(str(tmp_path / "ledger.db"))


def test_the_mount_that_is_nearest_decides(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/x /home/a\\040b nfs4 rw 0 0\n")
    assert _database.file_system(Path("/home/a b/project"), mounts) == "nfs4"
    assert _database.file_system(Path("/home/a bc"), mounts) == "ext4"


def test_a_wrong_ledger_url_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        Ledger("mysql://localhost/x")


def test_no_password_in_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_opening, "open_database", lambda database: None)
    monkeypatch.setattr("aumconnect.writeback.ledger.open_database", lambda database: None)
    assert "hunter2" not in Ledger("postgresql://aum:hunter2@127.0.0.1:1/x").where


def test_an_unreachable_server_is_a_ledger_error() -> None:
    with pytest.raises(LedgerError) as caught:
        Ledger("postgresql://aum:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(caught.value)

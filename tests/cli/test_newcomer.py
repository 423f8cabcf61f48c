"""The first hour of somebody new: ten things that go wrong, and what they see."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from desk import Desk, crm

from aumconnect.testing import faults
from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.wire import Request


def slow(fake: FakeSalesforce, seconds: float) -> None:
    """Every write takes so long."""
    fake.faults.when(partial(_is_write, fake), faults.delay(seconds), times=99)


def _is_write(fake: FakeSalesforce, request: Request) -> bool:
    return fake.mutates(request) and "composite" in request.url


def test_1_a_nan_is_named_by_row_key_and_column_and_costs_one_row(desk: Desk) -> None:
    desk.write("C-0,0.1,low", "C-1,NaN,low", "C-2,0.3,low")
    code, told = desk.type("apply churn --yes")

    assert code == 1
    assert "2 updated" in told
    assert "score" in told
    assert re.search(r"row 1, key C-1", told)
    assert desk.value("C-1") is None


def test_2_an_unknown_field_stops_before_anything_is_sent_and_names_the_near_one(desk: Desk) -> None:
    desk.job(lambda text: text.replace("Churn_Score__c", "Churn_Scor__c"))
    code, told = desk.type("plan churn")

    assert code == 2
    assert "Churn_Scor__c" in told
    assert "did you mean 'Churn_Score__c'" in told
    assert desk.fake.mutations == 0


def test_3_a_duplicate_key_is_a_rejection_that_names_the_first_row(desk: Desk) -> None:
    desk.write("C-0,0.1,low", "C-1,0.2,low", "C-0,0.9,high")
    code, told = desk.type("apply churn --yes")

    assert code == 1
    assert "2 updated" in told
    assert "row 0 has the same key" in told
    assert desk.value("C-0") == "0.1"


@pytest.mark.parametrize(
    ("typo", "right"), [("operatoin", "operation"), ("on_humn_edit", "on_human_edit"), ("sorce", "source")]
)
def test_4_a_typo_in_a_setting_is_an_error_with_its_line(desk: Desk, typo: str, right: str) -> None:
    desk.job(lambda text: text.replace("key = {", f'{typo} = "x"\nkey = {{', 1))
    code, told = desk.type("plan churn")

    assert code == 2
    assert re.search(r"aumconnect\.toml:\d+: ", told)
    assert f"did you mean '{right}'?" in told


def test_5_a_server_that_is_down_is_said_with_its_host_and_is_to_be_continued(desk: Desk) -> None:
    desk.fake.faults.when("composite", faults.answer(503), times=99)
    code, told = desk.type("apply churn --yes")
    desk.fake.faults.clear()

    assert code in (1, 75)
    assert "20 failed" in told or "20 unknown" in told
    assert "updated" not in told
    code, told = desk.type("apply churn --yes")
    assert (code, "20 updated" in told) == (0, True)


def test_5_a_host_that_refuses_is_named_with_a_hint(desk: Desk) -> None:
    code, told = desk.type("check memory+http://127.0.0.1:9")

    assert code == 75
    assert "127.0.0.1:9" in told
    assert "hint:" in told


def test_6_ctrl_c_says_what_is_done_and_the_next_run_finishes_it(tmp_path: Path) -> None:
    """Interrupted is not success: the account adds up, and nothing is written twice."""
    fake = crm(contacts=3000)
    environment = os.environ | {"SF_CLIENT_ID": "id", "SF_SECRET": "s3cret-canary", "COLUMNS": "200"}
    with serve(fake) as emulator:
        desk = Desk(tmp_path, fake, emulator.url, capture=None)
        desk.job(lambda text: text.replace("[writebacks", "parallel = 1\n\n[writebacks", 1))
        desk.write(*(f"C-{number},0.{number:04},low" for number in range(3000)))
        command = [sys.executable, "-m", "aumconnect", "apply", "churn", "--yes"]
        slow(fake, 0.4)
        first = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
        until = time.monotonic() + 30
        while fake.mutations < 3 and time.monotonic() < until:
            time.sleep(0.02)  # the real thing: a person's finger, not a virtual clock
        first.send_signal(signal.SIGINT)
        told, _ = first.communicate(timeout=30)
        fake.faults.clear()
        second = subprocess.run(
            command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )

    updated = re.search(r"([\d,]+) updated", told)
    assert first.returncode == 75, told
    assert "to be continued" in told
    assert updated is not None
    assert 0 < int(updated[1].replace(",", "")) < 3000
    assert second.returncode == 0, second.stdout + second.stderr
    writes = [count for (kind, _), count in fake.commits.items() if kind == "Contact"]
    assert sum(writes) == 3000
    assert set(writes) == {1}


def test_7_a_second_run_sends_nothing(desk: Desk) -> None:
    desk.type("apply churn --yes")
    before = desk.fake.mutations
    code, told = desk.type("apply churn --yes")

    assert code == 0
    assert "20 unchanged" in told
    assert desk.fake.mutations == before


def test_8_old_data_never_wins(desk: Desk) -> None:
    """A score that is older than the one in the CRM is skipped, whatever file it comes from."""
    stamp = 'stamp = { Churn_Scored_At__c = "scored_at" }\n\n[writebacks.churn.fields]'
    desk.job(lambda text: text.replace("[writebacks.churn.fields]", stamp))
    header = "customer_id,score,band,scored_at"
    desk.write("C-0,0.99,low,2026-11-02T00:00:00Z", header=header)
    desk.type("apply churn --yes")
    desk.write("C-0,0.11,low,2026-11-01T00:00:00Z", header=header)
    code, told = desk.type("apply churn --yes")

    assert code == 0
    assert "newer value was written" in told
    assert desk.value("C-0") == "0.99"


def test_9_a_long_run_shows_how_far_it_is(tmp_path: Path) -> None:
    """On a terminal there is a bar with counts and rate."""
    fake = crm(contacts=2000)
    environment = os.environ | {"SF_CLIENT_ID": "id", "SF_SECRET": "s3cret-canary", "COLUMNS": "120", "TERM": "xterm"}
    with serve(fake) as emulator:
        desk = Desk(tmp_path, fake, emulator.url, capture=None)
        desk.job(lambda text: text.replace("[writebacks", "parallel = 1\n\n[writebacks", 1))
        desk.write(*(f"C-{number},0.{number:04},low" for number in range(2000)))
        slow(fake, 0.2)
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "aumconnect", "apply", "churn", "--yes"]
        running = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        drawn = b""
        try:
            while piece := os.read(ours, 65536):
                drawn += piece
        except OSError:  # the other end has closed
            pass
        running.wait(timeout=30)
        os.close(ours)

    assert running.returncode == 0
    assert re.search(rb"\d+/2000", drawn)
    assert re.search(rb"\d/s", drawn)


def test_10_the_first_record_takes_one_file_and_no_account(tmp_path: Path) -> None:
    script = tmp_path / "first.py"
    script.write_text(
        """
import aumconnect as aum
from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.wire import Request
from aumconnect.testing.fakes import fake_of

with serve(fake_of("memory")) as emulator, aum.Client(f"memory+{emulator.url}") as crm:
    print(crm.upsert("Item", [{"code": "C-17", "score": 0.83}], key="code"))
"""
    )
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=30)

    assert done.stdout.strip() == "1 created", done.stderr


def test_another_account_gets_everything(desk: Desk) -> None:
    """State belongs to the verified account: what was written to one org says nothing of another."""
    desk.type("apply churn --yes")
    other = crm(contacts=20, org=2)
    with serve(other) as emulator:
        desk.job(lambda text: text.replace(desk.url, emulator.url))
        code, told = desk.type("apply churn --yes")

    assert (code, "20 updated" in told) == (0, True), told


def test_a_hand_edit_is_reported_and_respected(desk: Desk) -> None:
    desk.type("apply churn --yes")
    desk.fake["Contact"].edit({"Customer_Id__c": "C-3"}, Churn_Score__c=0.5)
    code, told = desk.type("plan churn")
    desk.type("apply churn --yes")

    assert code == 0
    assert "1 × Churn_Score__c was changed by a person since" in told
    assert desk.value("C-3") == "0.5"


def test_a_failed_row_goes_again_and_a_rejected_one_does_not(desk: Desk) -> None:
    desk.fake["Contact"].validation_rules.append(
        lambda record: "no low scores" if str(record.get("Churn_Score__c")) == "0.02" else None
    )
    locked = desk.fake["Contact"].one(Customer_Id__c="C-5")["Id"]
    desk.fake.locks.lock(locked, attempts=50)
    code, told = desk.type("apply churn --yes")
    assert (code, "18 updated" in told) == (1, True), told
    before = desk.fake.mutations
    desk.fake.locks.unlock(locked)
    code, told = desk.type("apply churn --yes")

    assert "1 updated" in told
    assert "1 rejected" in told
    assert desk.fake.mutations == before + 1


def test_json_is_one_document_and_nothing_else(desk: Desk) -> None:
    desk.capture.readouterr()
    assert desk.type("apply churn --yes --json")[0] == 0
    code, told = desk.type("plan churn --json")

    assert code == 0
    assert json.loads(told)["counts"] == {"unchanged": 20}


def test_no_secret_is_ever_printed(desk: Desk) -> None:
    told = [desk.type(line)[1] for line in ("check crm", "plan churn", "apply churn --yes", "show churn", "runs")]

    assert "s3cret-canary" not in " ".join(told)
    assert b"s3cret-canary" not in b"".join(path.read_bytes() for path in desk.folder.iterdir())


def test_reading_an_unknown_field_names_the_near_one(desk: Desk) -> None:
    code, told = desk.type("read crm Contact --field LstName")
    assert code == 2
    assert "Contact has no field 'LstName'" in told
    assert "LastName" in told


def test_runs_and_show_count_every_row(desk: Desk) -> None:
    desk.write("C-0,0.5,low", "C-1,,low", "C-99,0.5,low")
    desk.type("apply churn --yes")
    desk.type("apply churn --yes")
    for command in ("runs churn", "show churn"):
        _, shown = desk.type(command)
        assert all(count in shown for count in ("1 unchanged", "1 rejected", "1 skipped")), shown


def test_records_with_many_fields_are_read_one_below_the_other(desk: Desk) -> None:
    _, shown = desk.type("read crm Contact --limit 2")
    assert "LastName: Person 0" in shown
    _, shown = desk.type("read crm Contact --field LastName --limit 2")
    assert "Person 1" in shown
    assert "LastName: " not in shown


def test_a_duplicate_that_nobody_mended_does_not_win_by_a_retry(desk: Desk) -> None:
    """Alone in the file of rejects it has no rival any more; it stays rejected until somebody changes it."""
    desk.write("C-0,0.1,low", "C-0,0.9,high")
    desk.type("apply churn --yes")
    desk.type("rejects churn -o fixme.csv")
    code, told = desk.type("retry churn --from fixme.csv --yes")
    assert (code, "1 rejected" in told, desk.value("C-0")) == (1, True, "0.1"), told

    fixme = desk.folder / "fixme.csv"
    fixme.write_text(fixme.read_text().replace("C-0,0.9", "C-1,0.9"))
    code, told = desk.type("retry churn --from fixme.csv --yes")
    assert (code, desk.value("C-0"), desk.value("C-1")) == (0, "0.1", "0.9"), told


def test_init_asks_for_a_key_rather_than_write_a_job_that_cannot_run(desk: Desk) -> None:
    (desk.folder / "odd.csv").write_text("who;score\nC-0;0.5\n", encoding="utf-8")
    before = (desk.folder / "aumconnect.toml").read_text()
    code, told = desk.type("init crm:Contact odd.csv --delimiter ;")
    assert (code, "--key FIELD=COLUMN" in told) == (2, True), told
    assert (desk.folder / "aumconnect.toml").read_text() == before

    code, told = desk.type("init crm:Contact odd.csv --delimiter ; --key Customer_Id__c=who")
    assert code == 0, told
    code, told = desk.type("apply odd --yes")
    assert (code, desk.value("C-0")) == (0, "0.5"), told


def test_a_mistake_with_json_is_json(desk: Desk) -> None:
    code, told = desk.type("plan chrun --json")

    assert (code, json.loads(told)["error"]["exit_code"]) == (2, 2)


def test_a_run_nobody_made_is_wrong_usage(desk: Desk) -> None:
    code, told = desk.type("show churn --run nope")

    assert (code, "aumconnect runs" in told) == (2, True)


def test_a_key_that_is_not_there_is_told(desk: Desk) -> None:
    code, told = desk.type("apply churn --yes --only C-1 --only C-99")

    assert (code, "'C-99'" in told) == (0, True)
    assert desk.fake.commits["Contact", "C-1"] >= 1

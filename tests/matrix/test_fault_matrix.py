"""Every row of the fault matrix is proven somewhere, or its absence has a reason.

A test proves the rows in its name (``test_row_07_09_...`` here, ``test_row_7_...`` elsewhere); `PROVEN` adds tests
whose names say it in words. A row is something that goes wrong between us, the system, the ledger and the source.
"""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
FAULTS = (
    "connection refused",
    "name not found",
    "connecting never ends",
    "certificate expired, of another host, self-signed",
    "server of TLS 1.1 only",
    "reset while sending the body",
    "closed after the request",
    "idle connection closed by the server",
    "reset inside the answer",
    "answer one byte at a time",
    "answer later than we wait",
    "carried out after we have gone",
    "429 with seconds",
    "429 with a date, clocks apart",
    "429 without a header",
    "429 with hours, NaN, -1, inf",
    "503 with a page of HTML",
    "500, 502, 504",
    "500 for ever",
    "200 with an error inside",
    "200 with a page of HTML",
    "truncated JSON",
    "wrong type or encoding, NaN, doubled keys, depth",
    "no body where one is due",
    "partial success",
    "results out of order",
    "results missing, extra, doubled",
    "somebody else's answer",
    "upsert that matches several",
    "two upserts of one new key",
    "token expires in the middle",
    "credential revoked",
    "401 for ever",
    "403 on field, record, object",
    "clocks wrong, set back",
    "redirects",
    "links elsewhere or in circles",
    "addresses inside the network",
    "bombs and answers without end",
    "hostile XML",
    "WSDL that points elsewhere",
    "injection in data",
    "CSV: quotes, formulas, nulls",
    "line breaks in headers",
    "field removed or renamed",
    "type, length or choice changed",
    "field that cannot be written",
    "locked rows",
    "record deleted meanwhile",
    "record edited meanwhile",
    "daily quota used up",
    "too many at once",
    "bulk job stuck or lost",
    "killed before the intent",
    "killed between intent and send",
    "killed between send and answer",
    "killed between answer and outcome",
    "killed while finding out",
    "SIGTERM, Ctrl-C, cancellation",
    "disk full, failing, read-only",
    "ledger locked, on a network disk",
    "ledger damaged, old, new, in part",
    "two runs at once",
    "a run that slept",
    "PostgreSQL gone or behind",
    "out of memory, descriptors, file size",
    "fork and pickle",
    "source changes, NaN, inf",
    "a row that sinks its chunk",
    "too many errors",
)
"""What goes wrong, in the order of their numbers, from 1."""
ROWS = range(1, len(FAULTS) + 1)

PROVEN: dict[int, list[str]] = {
    2: ["_http/test_http_failures.py::test_row_2_a_name_that_is_not_found_is_not_sent"],
    3: ["_http/test_http_deadline.py::test_row_3_a_black_hole_ends_at_the_deadline_unsent"],
    5: ["_http/test_http_tls.py::test_row_5_and_s14_a_server_of_tls_1_1_only"],
    6: ["_http/test_http_failures.py::test_row_6_a_reset_while_the_body_is_sent_may_have_been_carried_out"],
    8: ["_http/test_http_transport.py::test_row_8_an_idle_connection_is_given_up_after_four_seconds"],
    14: ["test_retry.py::test_a_date_counts_from_the_answers_own_date_whatever_our_clock_says"],
    15: [
        "test_limits.py::test_throttling_halves_once_a_round_and_calm_raises_by_one",
        "matrix/test_peers_mistakes.py::test_too_many_at_once_is_no_failure",
    ],
    20: ["connectors/test_salesforce.py::test_http_200_is_not_success"],
    29: ["connectors/test_salesforce_org.py::test_an_ambiguous_upsert_names_the_twins_and_writes_nothing"],
    31: ["auth/test_session.py::test_twenty_threads_refresh_once"],
    32: ["connectors/test_salesforce_org.py::test_a_blocked_user_is_two_calls_not_a_storm"],
    33: ["auth/test_session.py::test_a_fresh_token_that_is_refused_too_ends_it"],
    34: ["connectors/test_salesforce_org.py::test_a_hidden_field_is_refused_in_the_systems_words"],
    35: [
        "test_retry.py::test_a_date_counts_from_the_answers_own_date_whatever_our_clock_says",
        "test_simple_salesforce.py::test_a_wrong_clock_is_named",
    ],
    39: [
        "_http/test_http_limits.py::test_s1_and_p12_a_bomb_stays_within_64_mib",
        "_http/test_http_limits.py::test_row_39_an_endless_header_is_refused",
    ],
    40: ["test_simple_salesforce.py::test_hostile_xml_is_not_parsed_for_long"],
    45: ["cli/test_newcomer.py::test_2_an_unknown_field_stops_before_anything_is_sent_and_names_the_near_one"],
    46: ["mapping/test_preflight.py::test_types_lengths_choices_and_references"],
    47: ["mapping/test_preflight.py::test_read_only_depends_on_the_operation"],
    48: [
        "connectors/test_salesforce_org.py::test_a_locked_row_is_tried_again",
        "test_engine.py::test_chunks_that_lock_one_parent_are_never_in_flight_together",
    ],
    50: ["writeback/test_project.py::test_a_human_edit_is_respected_and_stays_counted"],
    52: ["connectors/test_salesforce_org.py::test_too_many_at_once_is_waited_out"],
    53: [
        "test_engine.py::test_a_bulk_job_is_resumed_from_its_checkpoint_and_not_started_twice",
        "test_engine.py::test_a_bulk_job_is_checkpointed_before_it_is_started",
    ],
    54: ["writeback/test_crash.py::test_each_named_place"],
    55: ["writeback/test_crash.py::test_each_named_place"],
    56: ["writeback/test_crash.py::test_any_moment"],
    57: ["writeback/test_crash.py::test_each_named_place"],
    58: ["writeback/test_crash.py::test_each_named_place"],
    59: [
        "test_pumps.py::test_a_cancellation_finishes_what_is_in_flight_commits_it_and_passes",
        "cli/test_newcomer.py::test_6_ctrl_c_says_what_is_done_and_the_next_run_finishes_it",
    ],
    61: ["writeback/test_ledger.py::test_network_file_systems_are_refused"],
    62: [
        "writeback/test_ledger.py::test_a_damaged_file_is_refused_and_left_as_it_is",
        "writeback/test_ledger.py::test_a_missing_write_ahead_file_is_noticed",
        "writeback/test_ledger.py::test_a_newer_ledger_is_refused",
    ],
    63: ["writeback/test_lease.py::test_of_many_started_together_one_works"],
    64: ["writeback/test_lease.py::test_a_run_that_slept_through_its_lease_is_stopped_at_the_gate"],
    65: [
        "writeback/test_ledger.py::test_an_unreachable_server_is_a_ledger_error",
        "writeback/test_stop.py::test_a_restart_of_postgresql_in_the_middle_of_a_run_is_survived",
    ],
    67: [
        "_http/test_http_transport.py::test_row_67_a_fork_opens_connections_of_its_own",
        "test_client.py::test_a_client_is_not_pickled",
    ],
    70: ["test_engine.py::test_too_many_errors_halt_the_run"],
}

NOT_HERE: dict[int, str] = {
    41: "WSDLs are not part of the Salesforce road, which is REST; it comes with the SOAP systems",
}

_TEST = re.compile(r"^ *(?:async )?def (test_\w+)\(", re.MULTILINE)
_NAME = re.compile(r"test_row_(\d+(?:_(?:to_|and_)?\d+)*)_")


def functions(path: Path) -> list[str]:
    return _TEST.findall(path.read_text(encoding="utf-8"))


def named() -> dict[int, list[str]]:
    """The rows that tests name, and by which tests."""
    found: dict[int, list[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for name in functions(path):
            match = _NAME.match(name)
            for row in re.findall(r"\d+", match[1]) if match else ():
                found.setdefault(int(row), []).append(f"{path.relative_to(TESTS)}::{name}")
    return found


def test_every_row_is_proven_or_has_a_reason() -> None:
    covered = named().keys() | PROVEN.keys() | NOT_HERE.keys()

    assert [FAULTS[row - 1] for row in sorted(set(ROWS) - covered)] == [], "what nothing proves"
    assert sorted(covered - set(ROWS)) == [], "rows that do not exist"


def test_no_row_has_both_a_proof_and_a_reason_for_none() -> None:
    assert NOT_HERE.keys() & (named().keys() | PROVEN.keys()) == set()


def test_what_the_table_names_is_there() -> None:
    """A renamed or deleted test must not take its row's proof with it unseen."""
    there = {f"{path.relative_to(TESTS)}::{name}" for path in TESTS.rglob("test_*.py") for name in functions(path)}

    assert sorted({test for tests in PROVEN.values() for test in tests} - there) == []

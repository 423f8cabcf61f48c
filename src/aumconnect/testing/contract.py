"""What every connector promises, as tests to subclass: the real definition of the interface.

::

    class TestLeadbox(ConnectorContract):
        object, key, clearable = "lead", "code", "note"

        @pytest.fixture
        def fake(self): return FakeLeadbox()

        @pytest.fixture
        def connector(self): return Leadbox("https://leadbox.example")

        def row(self, number): return {"code": f"L{number}", "score": 0.5, "note": "hello"}
        def other(self, row): return {**row, "score": 0.7}
        def bad_row(self, number): return {**self.row(number), "score": 7}

Every law runs with a blocking client and on an event loop, through the library's own retry, engine and runner, in
virtual time. A law that a connector cannot keep is named in ``excused`` with the reason; it must then fail.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from aumconnect.connector import Change, Guarantee, Operation
from aumconnect.errors import ConfigurationError, ErrorClass, TransportError
from aumconnect.outcome import WRITTEN, Status
from aumconnect.schema import CLEAR
from aumconnect.testing import faults
from aumconnect.testing._driver import Driver
from aumconnect.testing._subject import MOST_ROWS, SilentAfterAWrite, Subject, Watch, pickled, writes
from aumconnect.testing.faults import Accident

__all__ = ["ConnectorContract"]


class ConnectorContract(Subject):
    """Subclass as ``Test…``, say what `Subject` asks, and give the fixtures ``connector`` and ``fake`` (a `Fake` with a
    virtual clock that counts its commits by the value of ``key``)."""

    # --- laws: every record ---

    def test_every_record_has_exactly_one_outcome(self, system: Driver) -> None:
        rows = self._rows(7)
        outcomes = self._outcomes(self._write(system, rows), rows)
        assert {outcome.status for outcome in outcomes} <= WRITTEN
        self._check_commits(system.fake, rows, times=1)

    def test_outcomes_name_the_record_they_are_about(self, system: Driver) -> None:
        rows = self._rows(5)
        for outcome in self._carry(system, rows):
            row = rows[outcome.ref]
            assert outcome.key == (row[self.key],), "an outcome carries another row's key"
            assert outcome.id is None or self._is_record(system.fake, outcome.id, row), "another record's id"

    def test_one_bad_row_spares_the_rest(self, system: Driver) -> None:
        rows = self._rows(5)
        rows[2] = self.bad_row(2)
        outcomes = {outcome.ref: outcome for outcome in self._carry(system, rows)}
        assert outcomes[2].status is Status.REJECTED
        assert outcomes[2].problems, "a rejection without a reason"
        assert all(outcome.status in WRITTEN for outcome in outcomes.values() if outcome.ref != 2)
        self._check_commits(system.fake, [row for row in rows if row is not rows[2]], times=1)
        assert system.fake.commits[self._counted(rows[2])] == 0

    def test_no_request_is_larger_than_the_limits(self, system: Driver) -> None:
        most = system.connector.capabilities
        rows = self._rows(min(most.batch_rows * 2 + 1, MOST_ROWS))
        watch = Watch(system.fake)
        system.fake.faults.each(watch)
        self._outcomes(self._write(system, rows), rows)
        assert max(watch.rows()) <= most.batch_rows
        assert max(watch.sizes) <= most.batch_bytes
        self._check_commits(system.fake, rows, times=1)

    def test_a_write_exchange_sends_one_mutating_request_and_answers_for_every_row(self, system: Driver) -> None:
        for batch in self._batches(system):
            before = writes(system.fake)
            outcomes = system.run(system.connector.write(batch))
            assert writes(system.fake) - before == 1, f"{batch.operation.value} sent several requests"
            assert sorted(outcome.ref for outcome in outcomes) == [change.ref for change in batch.changes]

    def test_a_write_that_could_double_is_sent_once(self, system: Driver) -> None:
        for batch in self._batches(system):
            level = system.connector.guarantee(batch.operation, batch.key, batch.schema)
            before = writes(system.fake)
            system.fake.faults.write(1, faults.lose_reply())
            if level in (Guarantee.IDEMPOTENT, Guarantee.KEYED):
                system.run(system.connector.write(batch))
                continue
            with pytest.raises(TransportError):
                system.run(system.connector.write(batch))
            assert writes(system.fake) - before == 1, f"{batch.operation.value} was repeated"

    # --- laws: again and back ---

    def test_writing_twice_changes_nothing(self, system: Driver) -> None:
        rows = self._rows(3)
        assert Operation.UPSERT in system.connector.capabilities.operations, "needs upsert"
        self._outcomes(self._write(system, rows), rows)
        records = self._records(system.fake)
        outcomes = self._outcomes(self._write(system, rows), rows)
        assert all(outcome.status in WRITTEN | {Status.UNCHANGED} for outcome in outcomes)
        assert all(outcome.status is not Status.CREATED for outcome in outcomes)
        assert self._records(system.fake) == records

    def test_what_was_written_reads_back_canonically_equal(self, system: Driver) -> None:
        rows = self._rows(3)
        self._write(system, rows).raise_for_errors()
        schema = self._schema(system)
        for row in rows:
            assert self._read(system, row) == schema.canonical(row)

    def test_a_second_write_replaces_what_it_names_and_leaves_the_rest(self, system: Driver) -> None:
        row = self.row(0)
        self._write(system, [row]).raise_for_errors()
        changed = {name: value for name, value in self.other(row).items() if name == self.key or value != row[name]}
        assert len(changed) > 1, "other() changes nothing"
        system.write(self._again(system), self.object, [changed], self.key).raise_for_errors()
        assert self._read(system, row) == self._schema(system).canonical({**row, **changed})

    def test_clearing_clears(self, system: Driver) -> None:
        row = self.row(0)
        self._write(system, [row]).raise_for_errors()
        assert system.connector.capabilities.clears, "cannot clear"
        operation = self._again(system)
        change = Change(0, {self.clearable: CLEAR}, key=(row[self.key],))
        (outcome,) = system.carry(operation, self.object, [change], (self.key,))
        assert outcome.status in WRITTEN
        cleared = self._schema(system).canonical({**row, self.clearable: None})
        assert self._read(system, row) == cleared

    # --- laws: trouble ---

    def test_busy_then_ready(self, system: Driver) -> None:
        rows = self._rows(3)
        system.fake.faults.write(1, system.fake.busy(), times=2)
        outcomes = self._outcomes(self._write(system, rows), rows)
        assert {outcome.status for outcome in outcomes} <= WRITTEN
        self._check_commits(system.fake, rows, times=1)

    @pytest.mark.parametrize(
        "accident",
        [
            pytest.param(faults.lose_reply(), id="reply lost after the commit"),
            pytest.param(faults.lose_request(), id="lost before the commit"),
            pytest.param(faults.unreachable(), id="never sent"),
            pytest.param(faults.truncate(1), id="answer cut off"),
            pytest.param(faults.html_page(), id="a web page instead"),
            pytest.param(faults.answer(502), id="a gateway without an answer"),
        ],
    )
    def test_a_lost_answer_makes_no_second_record(self, system: Driver, accident: Accident) -> None:
        for number, operation in enumerate(self._creating(system)):
            rows = self._rows(3, start=10 * number)
            system.fake.faults.write(1, accident)
            outcomes = self._outcomes(system.write(operation, self.object, rows, self.key), rows)
            assert {outcome.status for outcome in outcomes} <= WRITTEN | {Status.UNCHANGED}, outcomes
            assert all(system.fake.creations[self._counted(row)] == 1 for row in rows), "lost, or made twice"

    def test_a_write_that_takes_effect_late_makes_no_second_record(self, system: Driver) -> None:
        late = system.connector.capabilities.settle_time / 2
        for number, operation in enumerate(self._creating(system)):
            rows = self._rows(3, start=10 * number)
            system.fake.faults.write(1, faults.late_commit(late))
            report = system.write(operation, self.object, rows, self.key)
            system.fake.clock.sleep(late)
            system.fake.settle()
            self._outcomes(report, rows)
            assert all(system.fake.creations[self._counted(row)] == 1 for row in rows), "lost, or made twice"

    def test_what_cannot_be_decided_is_reported_as_unknown(self, system: Driver) -> None:
        rows = self._rows(min(3, system.connector.capabilities.batch_rows))
        silent = SilentAfterAWrite(system.fake)
        system.fake.faults.each(silent)
        outcomes = self._outcomes(self._write(system, rows), rows)
        assert silent.wrote
        assert {outcome.status for outcome in outcomes} == {Status.UNKNOWN}

    def test_a_token_that_expires_in_the_middle(self, system: Driver) -> None:
        assert hasattr(system.fake, "expire_tokens"), "has no tokens"
        rows = self._rows(min(system.connector.capabilities.batch_rows + 1, MOST_ROWS))
        system.fake.faults.write(2, faults.expire_token())
        outcomes = self._outcomes(self._write(system, rows), rows)
        assert {outcome.status for outcome in outcomes} <= WRITTEN
        self._check_commits(system.fake, rows, times=1)

    # --- laws: reports ---

    def test_a_wrong_field_is_caught_before_anything_is_sent(self, system: Driver) -> None:
        rows = [{**self.row(0), "no_such_field_at_all": 1}]
        with pytest.raises(ConfigurationError, match="no_such_field_at_all"):
            self._write(system, rows)
        assert writes(system.fake) == 0

    def test_a_key_without_a_match_is_reported(self, system: Driver) -> None:
        row = self.row(0)
        (outcome,) = self._outcomes(system.write(Operation.UPDATE, self.object, [row], self.key), [row])
        assert outcome.status is Status.SKIPPED
        assert outcome.reason
        assert writes(system.fake) == 0

    def test_a_key_that_several_share_is_reported(self, system: Driver) -> None:
        field, value = self.twins(system.fake)
        rows = [{**{name: value for name, value in self.row(0).items() if name != self.key}, field: value}]
        (outcome,) = self._outcomes(system.write(Operation.UPDATE, self.object, rows, field), rows)
        assert (outcome.status, outcome.error_class) == (Status.REJECTED, ErrorClass.AMBIGUOUS_KEY)
        assert len(outcome.twins) == 2
        assert writes(system.fake) == 0

    def test_no_secret_is_ever_seen(self, system: Driver, auth: Any, caplog: pytest.LogCaptureFixture) -> None:
        fake = system.fake
        caplog.set_level(logging.DEBUG)
        seen = [repr(system.client()), repr(system.connector), repr(auth), pickled(system.connector), pickled(auth)]
        fake.faults.write(1, faults.lose_reply())
        report = self._write(system, self._rows(3))
        seen += [str(report), repr(report), repr(list(report.outcomes()))]
        fake.faults.next(faults.answer(401), times=20)
        seen += self._refused(system)
        seen += [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        assert fake.secrets, "has no secrets"
        for secret in fake.secrets:
            assert not [text for text in seen if secret in text], "a secret was seen"

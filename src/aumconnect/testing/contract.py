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
import pickle
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from aumconnect.connector import Batch, Change, Connector, Describes, Guarantee, Operation, ReadsByKey
from aumconnect.errors import AumconnectError, ConfigurationError, ErrorClass, TransportError
from aumconnect.outcome import WRITTEN, Outcome, Status
from aumconnect.report import Report
from aumconnect.schema import CLEAR, ObjectSchema
from aumconnect.testing import faults
from aumconnect.testing._driver import Driver, Mode
from aumconnect.testing.fakes import Fake
from aumconnect.testing.faults import Accident
from aumconnect.wire import Request

__all__ = ["ConnectorContract"]

MOST_ROWS = 1_000
"""A law about full chunks uses no more rows than this."""

Row = dict[str, Any]


class ConnectorContract(ABC):
    """Subclass as ``Test…`` and give the fixtures ``connector`` and ``fake`` (a `Fake` with a virtual clock).

    The fake counts its commits by the value of ``key``.
    """

    object: ClassVar[str]
    key: ClassVar[str]
    """A field that the system keeps unique."""
    clearable: ClassVar[str] = ""
    """A text field of `row` that may be empty."""
    excused: ClassVar[Mapping[str, str]] = {}
    """Laws not kept: test name → why not."""

    @abstractmethod
    def row(self, number: int) -> Row:
        """A valid row; another number is another record."""

    @abstractmethod
    def other(self, row: Row) -> Row:
        """The same record with other values."""

    @abstractmethod
    def bad_row(self, number: int) -> Row:
        """A row with the columns of `row` that the system refuses for its values."""

    def twins(self, fake: Fake) -> tuple[str, Any]:
        """Make two records in ``fake`` that share a key which need not be unique; its field and value."""
        pytest.fail("define twins(): how two records come to share a key")

    # --- fixtures ---

    @pytest.fixture
    def auth(self, fake: Fake) -> Any:
        """A credential that the fake accepts."""
        return fake.auth()

    @pytest.fixture(params=["sync", "async"])
    def mode(self, request: pytest.FixtureRequest) -> Mode:
        mode: Mode = request.param
        return mode

    @pytest.fixture
    def system(self, connector: Connector, fake: Fake, auth: Any, mode: Mode) -> Driver:
        return Driver(connector, fake, mode, auth=auth)

    @pytest.fixture(autouse=True)
    def _excuses(self, request: pytest.FixtureRequest) -> None:
        unknown = [name for name in self.excused if not hasattr(self, name)]
        assert not unknown, f"there is no law {unknown[0]!r} to be excused from"
        name = request.node.originalname
        if name in self.excused:
            assert self.excused[name].strip(), f"say why {name} is excused"
            request.applymarker(pytest.mark.xfail(reason=self.excused[name], strict=True))

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
        watch = _Watch(system.fake)
        system.fake.faults.each(watch)
        self._outcomes(self._write(system, rows), rows)
        assert max(watch.rows()) <= most.batch_rows
        assert max(watch.sizes) <= most.batch_bytes
        self._check_commits(system.fake, rows, times=1)

    def test_a_write_exchange_sends_one_mutating_request_and_answers_for_every_row(self, system: Driver) -> None:
        for batch in self._batches(system):
            before = _writes(system.fake)
            outcomes = system.run(system.connector.write(batch))
            assert _writes(system.fake) - before == 1, f"{batch.operation.value} sent several requests"
            assert sorted(outcome.ref for outcome in outcomes) == [change.ref for change in batch.changes]

    def test_a_write_that_could_double_is_sent_once(self, system: Driver) -> None:
        for batch in self._batches(system):
            level = system.connector.guarantee(batch.operation, batch.key, batch.schema)
            before = _writes(system.fake)
            system.fake.faults.write(1, faults.lose_reply())
            if level in (Guarantee.IDEMPOTENT, Guarantee.KEYED):
                system.run(system.connector.write(batch))
                continue
            with pytest.raises(TransportError):
                system.run(system.connector.write(batch))
            assert _writes(system.fake) - before == 1, f"{batch.operation.value} was repeated"

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
        silent = _SilentAfterAWrite(system.fake)
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
        assert _writes(system.fake) == 0

    def test_a_key_without_a_match_is_reported(self, system: Driver) -> None:
        row = self.row(0)
        (outcome,) = self._outcomes(system.write(Operation.UPDATE, self.object, [row], self.key), [row])
        assert outcome.status is Status.SKIPPED
        assert outcome.reason
        assert _writes(system.fake) == 0

    def test_a_key_that_several_share_is_reported(self, system: Driver) -> None:
        field, value = self.twins(system.fake)
        rows = [{**{name: value for name, value in self.row(0).items() if name != self.key}, field: value}]
        (outcome,) = self._outcomes(system.write(Operation.UPDATE, self.object, rows, field), rows)
        assert (outcome.status, outcome.error_class) == (Status.REJECTED, ErrorClass.AMBIGUOUS_KEY)
        assert len(outcome.twins) == 2
        assert _writes(system.fake) == 0

    def test_no_secret_is_ever_seen(self, system: Driver, auth: Any, caplog: pytest.LogCaptureFixture) -> None:
        fake = system.fake
        caplog.set_level(logging.DEBUG)
        seen = [repr(system.client()), repr(system.connector), repr(auth), _pickled(system.connector), _pickled(auth)]
        fake.faults.write(1, faults.lose_reply())
        report = self._write(system, self._rows(3))
        seen += [str(report), repr(report), repr(list(report.outcomes()))]
        fake.faults.next(faults.answer(401), times=20)
        seen += self._refused(system)
        seen += [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
        assert fake.secrets, "has no secrets"
        for secret in fake.secrets:
            assert not [text for text in seen if secret in text], "a secret was seen"

    # --- what the laws are made of ---

    def _rows(self, number: int, *, start: int = 0) -> list[Row]:
        return [self.row(start + each) for each in range(number)]

    def _creating(self, system: Driver) -> list[Operation]:
        """The operations that can make records."""
        able = system.connector.capabilities.operations
        return [operation for operation in (Operation.UPSERT, Operation.INSERT) if operation in able]

    def _carry(self, system: Driver, rows: Sequence[Row]) -> list[Outcome]:
        """Without our own checks of the values, so that the system has to say what is wrong with them."""
        changes = [Change(ref, row, (row[self.key],)) for ref, row in enumerate(rows)]
        return system.carry(self._creating(system)[0], self.object, changes, (self.key,))

    def _again(self, system: Driver) -> Operation:
        able = system.connector.capabilities.operations
        return Operation.UPDATE if Operation.UPDATE in able else Operation.UPSERT

    def _write(self, system: Driver, rows: Sequence[Row]) -> Report:
        return system.write(self._creating(system)[0], self.object, rows, self.key)

    def _outcomes(self, report: Report, rows: Sequence[Row]) -> list[Outcome]:
        """In the order of the rows, one for each."""
        outcomes = sorted(report.outcomes(), key=lambda outcome: outcome.ref)
        assert [outcome.ref for outcome in outcomes] == list(range(len(rows))), "not one outcome for each row"
        assert report.total == len(rows)
        return outcomes

    def _counted(self, row: Row) -> tuple[str, str]:
        return self.object, str(row[self.key])

    def _check_commits(self, fake: Fake, rows: Sequence[Row], *, times: int) -> None:
        counts = {str(row[self.key]): fake.commits[self._counted(row)] for row in rows}
        assert set(counts.values()) == {times}, f"written how often: {counts}"

    def _records(self, fake: Fake) -> int:
        return sum(times for (name, _), times in fake.creations.items() if name == self.object)

    def _is_record(self, fake: Fake, id: str, row: Row) -> bool:
        """Whether the id is that of the row's record; a fake that shows no records is believed."""
        records = fake.tables().get(self.object, ())
        keys = [str(record.get(self.key)) for record in records if str(record.get(fake.id_field)) == id]
        return keys == [str(row[self.key])] or not records

    def _schema(self, system: Driver) -> ObjectSchema:
        assert isinstance(system.connector, Describes), "cannot describe its objects"
        return system.describe(self.object)

    def _read(self, system: Driver, row: Row) -> dict[str, Any]:
        """The record of a row as the system has it now, in canonical form."""
        assert isinstance(system.connector, ReadsByKey), "cannot find records by key"
        (record,) = system.find(self.object, tuple(row), **{self.key: row[self.key]})
        return self._schema(system).canonical(record.values)

    def _batches(self, system: Driver) -> Iterator[Batch]:
        """One of each operation, over different records."""
        for number, operation in enumerate(sorted(system.connector.capabilities.operations)):
            yield self._batch(system, operation, start=10 * number)

    def _batch(self, system: Driver, operation: Operation, *, start: int) -> Batch:
        """Two rows (one, where a chunk holds no more) as the engine would hand them over."""
        rows = self._rows(min(2, system.connector.capabilities.batch_rows), start=start)
        ids: list[str | None] = [None] * len(rows)
        if operation in (Operation.UPDATE, Operation.DELETE):
            ids = [outcome.id for outcome in self._outcomes(self._write(system, rows), rows)]
        schema = self._schema(system) if isinstance(system.connector, Describes) else None
        changes = [
            Change(ref, {} if operation is Operation.DELETE else row, (row[self.key],), ids[ref])
            for ref, row in enumerate(rows)
        ]
        return Batch(self.object, operation, tuple(changes), (self.key,), schema, "contract")

    def _refused(self, system: Driver) -> list[str]:
        """What a person sees of a credential that is not accepted."""
        try:
            report = self._write(system, self._rows(1))
        except AumconnectError as error:
            return ["".join(traceback.format_exception(error)), repr(error)]
        assert report.stopped is not None
        return ["".join(traceback.format_exception(report.stopped)), repr(report.stopped)]


class _Watch:
    """Notes every write that comes in."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self._committed: list[int] = []
        self.sizes: list[int] = []

    def __call__(self, request: Request, index: int) -> None:
        if self._fake.mutates(request):
            self._committed.append(self._fake.commits.total())
            self.sizes.append(len(request.body) if isinstance(request.body, bytes) else request.body.size)

    def rows(self) -> list[int]:
        """How many records each write committed."""
        totals = [*self._committed, self._fake.commits.total()]
        return [after - before for before, after in pairwise(totals)]


class _SilentAfterAWrite:
    """From the first write on, which is carried out, nothing is answered any more."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self.wrote = False

    def __call__(self, request: Request, index: int) -> Accident | None:
        if self.wrote:
            return faults.lose_request()
        self.wrote = self._fake.mutates(request)
        return faults.lose_reply() if self.wrote else None


def _writes(fake: Fake) -> int:
    """Mutating requests that came in, carried out or not."""
    return sum(fake.mutates(request) for request in fake.requests)


def _pickled(thing: Any) -> str:
    """What a pickle would give away; a thing that refuses to be pickled gives nothing."""
    try:
        return pickle.dumps(thing).decode("latin-1")
    except (TypeError, AttributeError, pickle.PicklingError):
        return ""

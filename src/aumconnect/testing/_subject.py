"""What the laws of the contract suite stand on: what a subclass says of itself, fixtures, and short ways to ask."""

from __future__ import annotations

import pickle
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from aumconnect.connector import Batch, Change, Connector, Describes, Operation, ReadsByKey
from aumconnect.errors import AumconnectError
from aumconnect.outcome import Outcome
from aumconnect.report import Report
from aumconnect.schema import ObjectSchema
from aumconnect.testing import faults
from aumconnect.testing._driver import Driver, Mode
from aumconnect.testing.fakes import Fake
from aumconnect.testing.faults import Accident
from aumconnect.wire import Request

__all__ = ["MOST_ROWS", "Row", "SilentAfterAWrite", "Subject", "Watch", "pickled", "writes"]

MOST_ROWS = 1_000
"""A law about full chunks uses no more rows than this."""

Row = dict[str, Any]


class Subject(ABC):
    """A connector and its fake, as a subclass of the contract presents them."""

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


class Watch:
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


class SilentAfterAWrite:
    """From the first write on, which is carried out, nothing is answered any more."""

    def __init__(self, fake: Fake) -> None:
        self._fake = fake
        self.wrote = False

    def __call__(self, request: Request, index: int) -> Accident | None:
        if self.wrote:
            return faults.lose_request()
        self.wrote = self._fake.mutates(request)
        return faults.lose_reply() if self.wrote else None


def writes(fake: Fake) -> int:
    """Mutating requests that came in, carried out or not."""
    return sum(fake.mutates(request) for request in fake.requests)


def pickled(thing: Any) -> str:
    """What a pickle would give away; a thing that refuses to be pickled gives nothing."""
    try:
        return pickle.dumps(thing).decode("latin-1")
    except (TypeError, AttributeError, pickle.PicklingError):
        return ""

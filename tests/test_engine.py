"""The engine decides: one outcome a row, nothing sent without an intent, nothing sent twice that must not be."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aumconnect._limits import RetryBudget
from aumconnect._pumps import pump
from aumconnect._retry import RetryPolicy, retrying
from aumconnect._runner import Runner
from aumconnect.connector import Batch, Change, Guarantee, Operation
from aumconnect.connectors.memory import CAPABILITIES, Memory
from aumconnect.engine import Commit, Done, Engine, Send, Settings, SleepUntil, Take
from aumconnect.errors import (
    AuthenticationError,
    ConfigurationError,
    ErrorClass,
    GuardTripped,
    LedgerError,
    ProtocolError,
    RateLimited,
    Unavailable,
)
from aumconnect.events import ChunkSettled, RunHalted
from aumconnect.journal import Attempted, Checkpointed, Entry, Intent, Outcomes, Recovered
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.testing.fakes.memory import ITEM, FakeMemory
from aumconnect.testing.faults import answer, html_page, late_commit, lose_reply, lose_request, unreachable
from aumconnect.testing.transport import FakeTransport
from aumconnect.wire import Exchange, Request, Response

LOOSE = replace(ITEM, fields={**ITEM.fields, "code": replace(ITEM["code"], required_on_create=False)})


def rows(count: int, first: int = 0, **values: Any) -> list[Change]:
    return [Change(ref, {"score": 0.5, **values}, (f"K{ref}",)) for ref in range(first, first + count)]


class Paper:
    """A journal that keeps its entries, and can break."""

    def __init__(self, fails_at: int = 0) -> None:
        self.entries: list[Entry] = []
        self.commits = 0
        self.fails_at = fails_at

    def commit(self, entries: Sequence[Entry]) -> None:
        self.commits += 1
        if self.commits == self.fails_at:
            raise LedgerError("the disk is full")
        self.entries += entries

    def of(self, kind: type) -> list[Any]:
        return [entry for entry in self.entries if isinstance(entry, kind)]


class Job:
    """A write against the memory fake in virtual time, with everything it left behind."""

    def __init__(
        self,
        source: Iterable[Change | Outcome],
        *,
        fake: FakeMemory | None = None,
        operation: Operation = Operation.UPSERT,
        key: tuple[str, ...] = ("code",),
        connector: Memory | None = None,
        journal: Paper | None = None,
        settings: Settings | None = None,
        before: Callable[[FakeMemory], Any] = lambda fake: None,
        schema: Any = ITEM,
        **capabilities: Any,
    ) -> None:
        self.fake = fake or FakeMemory(schema, latency=0.1)
        before(self.fake)
        self.connector = connector or Memory()
        self.connector.capabilities = replace(CAPABILITIES, **{"batch_rows": 10, **capabilities})
        self.journal = journal or Paper()
        self.outcomes: dict[int, Outcome] = {}
        self.events: list[Any] = []
        budget = RetryBudget()
        settings = settings or Settings(retry=RetryPolicy(attempts=3))
        self.engine = Engine(
            self.connector,
            object="Item",
            operation=operation,
            key=key,
            schema=schema,
            run_token="run",
            around=lambda exchange: retrying(
                exchange,
                classify=self.connector.classify,
                policy=settings.retry,
                budget=budget,
                clock=self.fake.clock,
                random=random.Random(1),
            ),
            settings=settings,
            budget=budget,
            random=random.Random(1),
            on_event=self.events.append,
        )
        runner = Runner(FakeTransport(self.fake), clock=self.fake.clock)
        pump(self.engine, source, runner, self.journal, self.fake.clock, on_outcomes=self._keep)

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            assert outcome.ref not in self.outcomes
            self.outcomes[outcome.ref] = outcome

    @property
    def statuses(self) -> list[str]:
        return [self.outcomes[ref].status.value for ref in sorted(self.outcomes)]

    @property
    def counts(self) -> dict[str, int]:
        return {status.value: count for status, count in self.engine.counts.items()}

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.fake.requests if self.fake.mutates(request)]


# --- chunks ---


@given(st.integers(0, 120), st.integers(1, 50), st.integers(1, 6))
def test_every_row_goes_out_once_in_chunks_within_the_limit(count: int, batch_rows: int, parallel: int) -> None:
    job = Job(rows(count), batch_rows=batch_rows, parallel=parallel)

    sizes = [len(intent.batch.changes) for intent in job.journal.of(Intent)]
    assert sum(sizes) == count
    assert all(size <= batch_rows for size in sizes)
    assert len(sizes) == -(-count // batch_rows)
    assert job.engine.counts == Counter({Status.CREATED: count} if count else {})
    assert job.engine.complete


def test_a_chunk_stays_within_the_byte_limit_but_a_single_row_always_goes() -> None:
    long = [Change(ref, {"label": "x" * 30}, (f"K{ref}",)) for ref in range(8)]

    job = Job(long, batch_bytes=1000)
    assert all(len(request.body) <= 1000 for request in job.writes)
    assert 1 < len(job.writes) < 8

    job = Job(long, batch_bytes=10)
    assert len(job.writes) == 8


def test_rows_are_packed_in_their_order() -> None:
    job = Job(rows(25))

    assert [c.ref for intent in job.journal.of(Intent) for c in intent.batch.changes] == list(range(25))


def test_rows_rejected_before_are_counted_and_never_sent() -> None:
    bad = Outcome.rejected(1, [Problem("nan", "not a number")])

    job = Job([rows(1)[0], bad, *rows(1, first=2)])

    assert job.counts == {"created": 2, "rejected": 1}
    assert job.journal.of(Outcomes)[0].chunk is None


def test_each_chunk_has_a_token_of_its_own() -> None:
    job = Job(rows(30))

    tokens = [intent.batch.token for intent in job.journal.of(Intent)]
    assert tokens == ["run-0", "run-1", "run-2"]


# --- two rows of one record ---


def test_two_rows_of_one_record_are_written_one_after_the_other_in_order() -> None:
    twice = [Change(0, {"score": 1}, ("A",)), Change(1, {"score": 2}, (" a ",)), Change(2, {"score": 3}, ("A",))]

    job = Job(twice)

    assert [len(intent.batch.changes) for intent in job.journal.of(Intent)] == [1, 1, 1]
    assert job.fake["Item"].one(code="A")["score"] == 3
    assert job.fake.creations["Item", "A"] == 1


def test_chunks_that_lock_one_parent_are_never_in_flight_together() -> None:
    class Parents(Memory):
        def conflict_key(self, object: str, change: Change) -> Any:
            return change.ref // 10 % 2

    flying: set[int] = set()
    engine = engine_of(Parents(), batch_rows=10, parallel=4)
    drive(engine, rows(40), flying)
    assert flying == {1, 2}  # two parents: never more than two at once


# --- what a system's answers mean ---


def test_one_bad_row_is_rejected_and_spares_the_others() -> None:
    job = Job([*rows(3), Change(3, {"band": "none"}, ("K3",))])

    assert job.statuses == ["created"] * 3 + ["rejected"]
    assert job.outcomes[3].problems[0].field == "band"


@pytest.mark.parametrize("bad", [0, 7, 15])
def test_one_bad_row_that_sinks_its_chunk_is_found_by_halving(bad: int) -> None:
    source = [*rows(16)]
    source[bad] = Change(bad, {"band": "none"}, (f"K{bad}",))
    fake = FakeMemory(sinks=True, latency=0.1)

    job = Job(source, fake=fake, batch_rows=16, bad_row="sinks")

    assert job.counts == {"created": 15, "rejected": 1}
    assert job.outcomes[bad].status is Status.REJECTED
    assert len(job.writes) - fake.mutations <= 5  # log2(16) + 1 refused requests


def test_locked_rows_are_tried_again_in_a_new_chunk() -> None:
    busy = Counter({"K3": 2, "K12": 1})

    def locked(object: str, values: Any) -> bool:
        busy[values["code"]] -= 1
        return busy[values["code"]] >= 0

    job = Job(rows(20), fake=FakeMemory(locked=locked))

    assert job.counts == {"created": 20}
    assert [len(intent.batch.changes) for intent in job.journal.of(Intent)][:2] == [10, 10]
    assert [entry.sent for entry in job.journal.of(Attempted)] == [False] * 3


def test_a_row_that_stays_locked_fails_after_its_attempts() -> None:
    job = Job(rows(3), fake=FakeMemory(locked=lambda _, values: values["code"] == "K1"))

    assert job.statuses == ["created", "failed", "created"]
    assert job.outcomes[1].error_class is ErrorClass.LOCKED
    assert len(job.writes) == 3


def test_the_loser_of_a_race_for_a_new_key_updates_the_winners_record() -> None:
    class Racy(Memory):
        raced = False

        def write(self, batch: Batch) -> Exchange[list[Outcome]]:
            outcomes = yield from super().write(batch)
            if self.raced:
                return outcomes
            self.raced = True
            taken = Problem("duplicate", "taken", error_class=ErrorClass.DUPLICATE)
            return [Outcome.rejected(outcome.ref, [taken]) for outcome in outcomes]

    assert Job(rows(2), connector=Racy()).statuses == ["updated", "updated"]


def test_a_duplicate_on_insert_is_a_rejection() -> None:
    job = Job(rows(2), operation=Operation.INSERT, before=lambda fake: fake.add("Item", code="K1"))

    assert job.statuses == ["created", "rejected"]


def test_a_record_somebody_else_changed_is_skipped() -> None:
    conflict = Problem("conflict", "changed", error_class=ErrorClass.CONFLICT)
    connector = saying(lambda change: Outcome.rejected(change.ref, [conflict]))

    job = Job(rows(1), connector=connector)

    assert job.outcomes[0].status is Status.SKIPPED
    assert job.outcomes[0].reason == "changed by somebody else"


# --- answers against the contract ---


def saying(tell: Callable[[Change], Outcome | Sequence[Outcome]]) -> Memory:
    """A connector that sends nothing real and says this of each row."""

    class Saying(Memory):
        def write(self, batch: Batch) -> Exchange[list[Outcome]]:
            yield Request("POST", "/objects/Item/write", body=b'{"operation": "upsert", "rows": []}')
            told = [tell(change) for change in batch.changes]
            return [one for item in told for one in ([item] if isinstance(item, Outcome) else item)]

    return Saying()


def test_a_row_the_answer_left_out_is_looked_up() -> None:
    job = Job(rows(2), connector=saying(lambda c: Outcome(c.ref, Status.UPDATED) if c.ref else []))

    assert job.statuses == ["failed", "updated"]
    assert job.outcomes[0].problems[0].code == "not-carried-out"


def test_an_outcome_of_a_row_that_was_not_sent_halts_the_run() -> None:
    job = Job(
        rows(30), connector=saying(lambda c: [Outcome(c.ref, Status.UPDATED), Outcome(c.ref + 100, Status.UPDATED)])
    )

    assert isinstance(job.engine.halted, ProtocolError)
    assert len(job.outcomes) == 30


@given(st.data())
def test_whatever_order_or_selection_is_told_no_outcome_is_misattributed(data: st.DataObject) -> None:
    """P9 of the fault study."""
    told: dict[int, int] = {}

    class Shuffled(Memory):
        def write(self, batch: Batch) -> Exchange[list[Outcome]]:
            yield Request("POST", "/objects/Item/write", body=b'{"operation": "upsert", "rows": []}')
            kept = data.draw(
                st.permutations([c.ref for c in batch.changes for _ in range(data.draw(st.integers(0, 2)))])
            )
            told.update(Counter(kept))
            return [Outcome(ref, Status.UPDATED, id=f"id-{ref}") for ref in kept]

        def find(self, *args: Any, **named: Any) -> Any:
            raise LookupError
            yield

    job = Job(rows(6), connector=Shuffled(), settings=Settings(retry=RetryPolicy(attempts=1)))

    assert set(job.outcomes) == set(range(6))
    for ref, outcome in job.outcomes.items():
        if outcome.status is Status.UPDATED:
            assert outcome.id == f"id-{ref}"
            assert told[ref] == 1
        else:
            assert told.get(ref, 0) != 1 or job.engine.halted


# --- unknowns ---


def test_a_create_whose_reply_was_lost_is_found_and_not_sent_again() -> None:
    job = Job(
        rows(3),
        operation=Operation.INSERT,
        key=("label",),
        schema=LOOSE,
        before=lambda fake: fake.faults.write(1, lose_reply()),
    )

    assert job.statuses == ["created"] * 3
    assert len(job.writes) == 1
    assert job.outcomes[0].id
    assert [entry.sent for entry in job.journal.of(Attempted)] == [True]


def test_a_create_that_got_lost_is_sent_again_once_the_system_can_no_longer_carry_it_out() -> None:
    times: list[float] = []
    job = Job(
        rows(3),
        operation=Operation.INSERT,
        key=("label",),
        schema=LOOSE,
        before=lambda fake: (
            fake.faults.write(1, lose_request()),
            fake.faults.each(lambda request, index: times.append(fake.clock.now())),
        ),
        settle_time=30.0,
    )

    assert job.statuses == ["created"] * 3
    assert len(job.writes) == 2
    assert times[-1] >= 30.0
    assert [intent.batch.token for intent in job.journal.of(Intent)] == ["run-0", "run-1"]


def test_a_create_that_is_carried_out_late_is_waited_for() -> None:
    job = Job(
        rows(3),
        operation=Operation.INSERT,
        key=("label",),
        schema=LOOSE,
        before=lambda fake: fake.faults.write(1, late_commit(25.0)),
        settle_time=30.0,
    )

    assert job.statuses == ["created"] * 3
    assert job.fake.creations.total() == 3


def test_an_upsert_on_a_unique_key_is_simply_sent_again_with_its_token() -> None:
    job = Job(rows(3), before=lambda fake: fake.faults.write(1, lose_reply()))

    assert job.statuses == ["upserted"] * 3  # created or updated: the second answer cannot tell
    assert len(job.writes) == 2
    assert len(job.journal.of(Intent)) == 1


def test_a_deletion_whose_reply_was_lost_is_reported_deleted() -> None:
    def before(fake: FakeMemory) -> None:
        for ref in range(3):
            fake.add("Item", code=f"K{ref}")
        fake.faults.write(1, lose_reply(), times=1)

    job = Job([*rows(3), *rows(1, first=9)], operation=Operation.DELETE, before=before)

    assert job.statuses == ["deleted", "deleted", "deleted", "skipped"]


def test_what_cannot_be_read_back_stays_unknown_unless_duplicates_are_allowed() -> None:
    def lost(fake: FakeMemory) -> None:
        fake.faults.write(1, lose_request())

    quiet = Job(rows(2, label="x"), operation=Operation.INSERT, key=(), schema=LOOSE, before=lost)
    assert quiet.statuses == ["unknown"] * 2

    settings = Settings(allow_duplicates=True)
    bold = Job(rows(2), operation=Operation.INSERT, key=(), schema=LOOSE, before=lost, settings=settings)
    assert bold.statuses == ["created"] * 2


def test_a_record_with_the_key_but_other_values_leaves_an_insert_undecided() -> None:
    job = Job(
        rows(1),
        operation=Operation.INSERT,
        key=("label",),
        schema=LOOSE,
        before=lambda fake: (fake.add("Item", label="K0", score=9), fake.faults.write(1, lose_request())),
    )

    assert job.statuses == ["unknown"]
    assert len(job.outcomes[0].twins) == 1
    assert "other values" in str(job.outcomes[0].reason)


def test_an_answer_that_cannot_be_read_makes_its_rows_unknown_not_the_run_fail() -> None:
    class Blind(Memory):
        read = False

        def write(self, batch: Batch) -> Exchange[list[Outcome]]:
            outcomes = yield from super().write(batch)
            if not self.read:
                self.read = True
                raise ProtocolError("not JSON")
            return outcomes

    job = Job(rows(20), connector=Blind(), operation=Operation.INSERT, key=("label",), schema=LOOSE, parallel=1)

    assert job.counts == {"created": 20}
    assert job.engine.complete


def test_settling_waits_for_the_end_of_the_run_but_not_for_ever() -> None:
    settings = Settings(settle_wait=60.0)
    job = Job(
        rows(1),
        operation=Operation.INSERT,
        key=("label",),
        schema=LOOSE,
        before=lambda fake: fake.faults.write(1, lose_reply()),
        settings=settings,
        settle_time=3600.0,
    )

    assert job.statuses == ["unknown"]
    assert job.outcomes[0].reason == "not settled in time"


# --- aiming ---


def test_an_update_by_a_key_is_aimed_by_looking_ids_up_in_the_same_exchange() -> None:
    def before(fake: FakeMemory) -> None:
        fake.add("Item", code="K0")
        fake.add("Item", label="K1")
        fake.add("Item", code="K2")

    job = Job(rows(3), operation=Operation.UPDATE, before=before)

    assert job.statuses == ["updated", "skipped", "updated"]
    assert job.outcomes[1].reason == "no match"
    assert [job.fake.mutates(request) for request in job.fake.requests] == [False, True]


def test_several_records_of_one_key_are_a_rejection_that_names_them() -> None:
    job = Job(
        rows(1),
        operation=Operation.UPDATE,
        key=("label",),
        before=lambda fake: [fake.add("Item", label="K0") for _ in range(2)],
    )

    assert job.statuses == ["rejected"]
    assert job.outcomes[0].error_class is ErrorClass.AMBIGUOUS_KEY
    assert len(job.outcomes[0].twins) == 2
    assert job.writes == []


def test_two_rows_that_mean_one_record_by_different_keys_do_not_both_go() -> None:
    class Kind(Memory):
        def find(self, object: str, key: Any, values: Any, fields: Any, schema: Any = None) -> Any:
            found = yield from super().find(object, key, [("K0",)] * len(values), fields, schema)
            return found

    job = Job(rows(2), connector=Kind(), operation=Operation.UPDATE, before=lambda fake: fake.add("Item", code="K0"))

    assert job.statuses == ["updated", "rejected"]


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        (Operation.INSERT, {"operations": frozenset({Operation.UPDATE})}),
        (Operation.UPSERT, {"by_key": frozenset()}),
    ],
)
def test_a_write_the_connector_cannot_do_is_refused_at_once(operation: Operation, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Job(rows(1), operation=operation, **changes)


# --- early ends ---


def test_a_used_up_quota_suspends_and_says_what_is_left() -> None:
    job = Job(
        rows(100),
        parallel=1,
        before=lambda fake: fake.faults.write(3, answer(402, headers={"Retry-After": "3600"}), times=99),
    )

    assert isinstance(job.engine.halted, RateLimited)
    assert job.engine.resume_at == pytest.approx(job.fake.clock.epoch() + 3600, abs=1)
    assert job.counts == {"created": 20, "failed": 80}
    assert len(job.writes) == 3


def test_a_pause_too_long_to_wait_for_suspends_until_then() -> None:
    job = Job(rows(10), before=lambda fake: fake.faults.write(1, answer(429, headers={"Retry-After": "7200"})))

    assert job.engine.resume_at == pytest.approx(job.fake.clock.epoch() + 7200, abs=5)
    assert job.counts == {"failed": 10}


def test_our_share_of_the_quota_is_not_exceeded_by_more_than_what_is_in_flight() -> None:
    class Metered(Memory):
        used = 80

        def quota(self, response: Response) -> tuple[int, int]:
            self.used += 1
            return self.used, 100

    job = Job(rows(500), connector=Metered(), parallel=1)

    assert isinstance(job.engine.halted, RateLimited)
    assert len(job.writes) == 10
    assert len(job.outcomes) == 500


def test_a_revoked_credential_halts_after_one_refusal() -> None:
    job = Job(rows(100), parallel=1, before=lambda fake: fake.faults.write(2, answer(401), times=99))

    assert isinstance(job.engine.halted, AuthenticationError)
    assert job.counts == {"created": 10, "failed": 90}
    assert len(job.writes) == 2


def test_a_system_that_is_down_is_given_up_with_a_bounded_number_of_requests() -> None:
    job = Job(rows(10_000), before=lambda fake: fake.faults.each(lambda request, index: unreachable()))

    assert isinstance(job.engine.halted, Unavailable)
    assert job.counts == {"failed": 10_000}
    assert len(job.fake.requests) <= 40


def test_too_many_errors_halt_the_run() -> None:
    source = [Change(ref, {"band": "none"} if ref % 5 == 0 else {}, (f"K{ref}",)) for ref in range(1000)]

    job = Job(source, settings=Settings(error_rate=0.05))

    assert isinstance(job.engine.halted, GuardTripped)
    assert len(job.writes) < 30
    assert len(job.outcomes) == 1000


def test_nothing_is_sent_after_the_journal_failed() -> None:
    job = Job(rows(100), parallel=1, journal=Paper(fails_at=2))

    assert isinstance(job.engine.halted, LedgerError)
    assert len(job.writes) == 1
    assert job.engine.counts.total() == 100


def test_a_source_that_breaks_off_keeps_what_it_gave_and_ends_the_run() -> None:
    def broken() -> Iterable[Change]:
        yield from rows(15)
        raise OSError("the file ends here")

    job = Job(broken(), parallel=1)

    assert isinstance(job.engine.halted, OSError)
    assert len(job.outcomes) == 15
    assert not job.engine.complete


def test_rows_after_an_early_end_stay_unread_where_asked() -> None:
    source = iter(rows(1000))

    job = Job(source, parallel=1, settings=Settings(drain=False), before=lambda fake: fake.faults.write(1, answer(401)))

    assert len(job.outcomes) < 100
    assert len(list(source)) == 1000 - len(job.outcomes)


def test_a_maintenance_page_is_no_success() -> None:
    job = Job(rows(5), before=lambda fake: fake.faults.write(1, html_page(), times=2))

    assert job.counts == {"upserted": 5} or job.counts == {"created": 5}
    assert len(job.writes) == 3


# --- a restart ---


def recovered(operation: Operation, key: tuple[str, ...], count: int = 3) -> Recovered:
    batch = Batch("Item", operation, tuple(rows(count)), key, LOOSE, token="old-7")
    return Recovered(7, batch, at=1_767_225_600.0)


def restart(found: Recovered, fake: FakeMemory, **options: Any) -> tuple[Engine, Paper]:
    journal = Paper()
    engine = Engine(
        Memory(),
        object="Item",
        operation=found.batch.operation,
        key=found.batch.key,
        schema=LOOSE,
        run_token="new",
        unresolved=[found],
        **options,
    )
    pump(engine, [], Runner(FakeTransport(fake), clock=fake.clock), journal, fake.clock)
    return engine, journal


def test_what_a_dead_run_may_have_inserted_is_looked_up_before_anything_is_sent() -> None:
    fake = FakeMemory(LOOSE)
    fake.add("Item", label="K1", score=0.5)

    engine, journal = restart(recovered(Operation.INSERT, ("label",)), fake)

    assert engine.counts == Counter({Status.CREATED: 3})
    assert fake.creations.total() == 2
    assert fake.clock.now() >= CAPABILITIES.settle_time
    assert [intent.chunk for intent in journal.of(Intent)] == [8]


def test_what_a_dead_run_may_have_upserted_is_sent_again_with_the_same_token() -> None:
    fake = FakeMemory(LOOSE)

    engine, journal = restart(recovered(Operation.UPSERT, ("code",)), fake)

    assert engine.counts.total() == 3
    assert journal.of(Intent) == []
    assert fake.mutations == 1


def test_a_bulk_job_is_resumed_from_its_checkpoint_and_not_started_twice() -> None:
    fake = FakeMemory(LOOSE, job_seconds=5.0)
    found = recovered(Operation.INSERT, ("label",), count=150)
    exchange = Memory().write_bulk(replace(found.batch, token="job-1"))
    state = next(exchange).state
    fake(exchange.send(None))

    engine, journal = restart(replace(found, checkpoint=state), fake, settings=Settings(bulk_rows=1000))

    assert engine.counts == Counter({Status.CREATED: 150})
    assert fake.creations.total() == 150
    assert [len(entry.outcomes) for entry in journal.of(Outcomes)] == [100, 50]


def test_a_bulk_job_is_checkpointed_before_it_is_started() -> None:
    job = Job(rows(250), settings=Settings(bulk_rows=100))

    assert job.counts == {"created": 250}
    assert [entry.state["job"] for entry in job.journal.of(Checkpointed)] == ["run-0", "run-1", "run-2"]


# --- the machine, step by step ---


def engine_of(connector: Memory, **capabilities: Any) -> Engine:
    connector.capabilities = replace(CAPABILITIES, **capabilities)
    return Engine(connector, object="Item", operation=Operation.UPSERT, key=("code",), schema=ITEM, run_token="run")


def drive(engine: Engine, source: list[Change], sizes: set[int]) -> None:
    """Carry steps out by hand, finishing sends only when there is nothing else to do."""
    left, flying = list(source), []
    while not isinstance(step := engine.next(0.0), Done):
        match step:
            case Take(count):
                engine.done(step, left[:count], 0.0)
                del left[:count]
            case Commit():
                engine.done(step, None, 0.0)
            case Send():
                flying.append(step)
                sizes.add(len(flying))
            case SleepUntil():
                first = flying.pop(0)
                engine.done(first, [Outcome(c.ref, Status.UPDATED) for c in first.chunk.changes], 0.0)


def test_an_intent_is_committed_before_its_send_and_never_two_commits_at_once() -> None:
    engine, left = engine_of(Memory(), batch_rows=5, parallel=2), rows(60)
    durable: set[int] = set()
    committing: list[Commit] = []
    flying: list[Send] = []
    while not isinstance(step := engine.next(0.0), Done):
        match step:
            case Take(count):
                engine.done(step, left[:count], 0.0)
                del left[:count]
            case Commit():
                assert not committing
                committing.append(step)
            case Send(chunk):
                assert chunk.number in durable
                flying.append(step)
            case SleepUntil() if committing:
                done = committing.pop()
                durable |= {entry.chunk for entry in done.entries if isinstance(entry, Intent)}
                engine.done(done, None, 0.0)
            case SleepUntil():
                first = flying.pop()
                engine.done(first, [Outcome(c.ref, Status.CREATED) for c in first.chunk.changes], 0.0)

    assert engine.counts == Counter({Status.CREATED: 60})


def test_as_many_are_in_flight_as_the_connector_allows() -> None:
    sizes: set[int] = set()
    drive(engine_of(Memory(), batch_rows=5, parallel=3), rows(100), sizes)

    assert max(sizes) == 3


def test_a_stop_takes_no_more_finishes_what_is_in_flight_and_accounts_for_the_rest() -> None:
    engine, left, flying = engine_of(Memory(), batch_rows=5, parallel=2), rows(1000), []
    while not isinstance(step := engine.next(0.0), Done):
        match step:
            case Take(count):
                assert not flying
                engine.done(step, left[:count], 0.0)
                del left[:count]
            case Commit():
                engine.done(step, None, 0.0)
            case Send():
                flying.append(step)
                engine.stop(0.0)
            case SleepUntil(at):
                assert at == 10.0
                for send in flying:
                    engine.done(send, [Outcome(c.ref, Status.CREATED) for c in send.chunk.changes], 5.0)

    assert engine.stopped
    assert engine.counts[Status.CREATED] == 5
    assert engine.counts.total() == 1000 - len(left)


def test_what_does_not_answer_within_the_grace_of_a_stop_is_unknown() -> None:
    engine, flying = engine_of(Memory(), batch_rows=5), []
    source = rows(5)
    now = 0.0
    while not isinstance(step := engine.next(now), Done):
        match step:
            case Take(count):
                engine.done(step, source[:count], now)
            case Commit():
                engine.done(step, None, now)
            case Send():
                flying.append(step)
                engine.stop(now)
            case SleepUntil(at):
                now = at

    assert engine.counts == Counter({Status.UNKNOWN: 5})
    engine.done(flying[0], [Outcome(ref, Status.CREATED) for ref in range(5)], 99.0)
    assert isinstance(engine.next(99.0), Done)
    with pytest.raises(Unavailable):
        next(flying[0].exchange)  # whoever still drives it may send nothing more


def test_throttling_halves_what_is_in_flight() -> None:
    busy = answer(429, headers={"Retry-After": "1"})

    job = Job(rows(40), parallel=4, before=lambda fake: fake.faults.write(1, busy, times=4))

    assert job.counts == {"created": 40}
    assert job.engine._health.limit < 4


def test_the_hook_hears_of_outcomes_and_of_the_halt() -> None:
    job = Job(rows(30), parallel=1, before=lambda fake: fake.faults.write(2, answer(401)))

    told = [event for event in job.events if isinstance(event, ChunkSettled)]
    assert sum(sum(event.counts.values()) for event in told) == 30
    assert [type(event.error) for event in job.events if isinstance(event, RunHalted)] == [AuthenticationError]


def test_a_keyed_write_is_sent_again_under_its_key() -> None:
    class Keyed(Memory):
        def __init__(self) -> None:
            super().__init__()
            self.tokens: list[str] = []

        def guarantee(self, *asked: Any) -> Guarantee:
            return Guarantee.KEYED

        def write(self, batch: Batch) -> Exchange[list[Outcome]]:
            self.tokens.append(batch.token)
            return super().write(batch)

    connector = Keyed()

    job = Job(
        rows(2),
        connector=connector,
        operation=Operation.INSERT,
        before=lambda fake: fake.faults.write(1, lose_request()),
    )

    assert job.statuses == ["created"] * 2
    assert connector.tokens == ["run-0", "run-0"]

"""Connectors that are wrong on purpose, each in one way, and the law that must notice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from leadbox import Leadbox

from aumconnect.connector import Batch, Key, Operation, RemoteRecord
from aumconnect.connectors.memory import Memory
from aumconnect.errors import ErrorClass, ProtocolError, TransportError
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, ObjectSchema
from aumconnect.wire import Exchange, Request, Response


def reworked(exchange: Exchange[Any], rework: Callable[[Request], Request]) -> Exchange[Any]:
    """The exchange with every request replaced."""
    try:
        effect = next(exchange)
        while True:
            try:
                result = yield rework(effect) if isinstance(effect, Request) else effect
            except Exception as error:  # noqa: BLE001
                effect = exchange.throw(error)
            else:
                effect = exchange.send(result)
    except StopIteration as end:
        return end.value


def without(batch: Batch, value: Any) -> Batch:
    changes = [
        replace(change, values={name: each for name, each in change.values.items() if each is not value})
        for change in batch.changes
    ]
    return replace(batch, changes=tuple(changes))


class DropsARow(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        return (yield from super().write(batch))[:-1]


class RepeatsACreate(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        return (yield from reworked(super().write(batch), lambda request: replace(request, idempotent=True)))


class MixesRowsUp(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        outcomes = yield from super().write(batch)
        ids = [outcome.id for outcome in reversed(outcomes)]
        return [outcome.replace(id=other) for outcome, other in zip(outcomes, ids, strict=True)]


class SwallowsARefusal(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        outcomes = yield from super().write(batch)
        return [Outcome(outcome.ref, Status.UPDATED, outcome.id, outcome.key) for outcome in outcomes]


class SendsTwoRequests(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        half = len(batch.changes) // 2
        outcomes: list[Outcome] = []
        for part in filter(None, (batch.changes[:half], batch.changes[half:])):
            outcomes += yield from super().write(replace(batch, changes=part))
        return outcomes


class ForgetsToClear(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        return super().write(without(batch, CLEAR))


class ClearsWhatIsAbsent(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        blank = {} if batch.operation is not Operation.UPDATE else {"label": CLEAR}
        changes = [replace(change, values={**blank, **change.values}) for change in batch.changes]
        return super().write(replace(batch, changes=tuple(changes)))


class CallsTheUnknownFailed(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        try:
            return (yield from super().write(batch))
        except TransportError:
            lost = Problem("lost", "no answer", error_class=ErrorClass.TRANSIENT)
            return [Outcome.failed(change.ref, lost, key=change.key) for change in batch.changes]


class TakesAnyAnswerForSuccess(Memory):
    def classify(self, response: Response) -> ErrorClass | None:
        return None if response.ok else super().classify(response)

    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        try:
            return (yield from super().write(batch))
        except ProtocolError:
            return [Outcome(change.ref, Status.UPSERTED, None, change.key) for change in batch.changes]


class SeesOnlyOneTwin(Memory):
    def find(
        self,
        object: str,
        key: tuple[str, ...],
        values: Sequence[Key],
        fields: Sequence[str],
        schema: ObjectSchema | None = None,
    ) -> Exchange[list[list[RemoteRecord]]]:
        return [found[:1] for found in (yield from super().find(object, key, values, fields, schema))]


class RoundsOnTheWay(Memory):
    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        changes = [
            replace(change, values={**change.values, "score": 0}) if "score" in change.values else change
            for change in batch.changes
        ]
        return super().write(replace(batch, changes=tuple(changes)))


class LogsItsToken(Leadbox):
    def sign(self, request: Request, token: str) -> Request:
        logging.getLogger(__name__).debug("signing with %s", token)
        return super().sign(request, token)


MUTANTS = {
    DropsARow: "test_a_write_exchange_sends_one_mutating_request_and_answers_for_every_row",
    RepeatsACreate: "test_a_write_that_could_double_is_sent_once",
    MixesRowsUp: "test_outcomes_name_the_record_they_are_about",
    SwallowsARefusal: "test_one_bad_row_spares_the_rest",
    SendsTwoRequests: "test_a_write_exchange_sends_one_mutating_request_and_answers_for_every_row",
    ForgetsToClear: "test_clearing_clears",
    ClearsWhatIsAbsent: "test_a_second_write_replaces_what_it_names_and_leaves_the_rest",
    CallsTheUnknownFailed: "test_a_write_that_could_double_is_sent_once",
    TakesAnyAnswerForSuccess: "test_a_lost_answer_makes_no_second_record",
    SeesOnlyOneTwin: "test_a_key_that_several_share_is_reported",
    RoundsOnTheWay: "test_what_was_written_reads_back_canonically_equal",
    LogsItsToken: "test_no_secret_is_ever_seen",
}

"""Exchanges that look records up by key: to aim a write, and to find out what became of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from aumconnect.connector import Batch, Change, Connector, Key, Operation, ReadsById, ReadsByKey, RemoteRecord
from aumconnect.errors import ErrorClass
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, ObjectSchema, Reference
from aumconnect.wire import Exchange, Settled

__all__ = ["NO_MATCH", "aimed", "readable", "reconciled"]

NO_MATCH = "no match"


def aimed(connector: Connector, batch: Batch) -> Exchange[list[Outcome]]:
    """Write ``batch`` by remote id: keys are looked up first, in the same exchange.

    No match is skipped; several matches, and a record that an earlier row of the batch already means, are rejected.
    For a deletion these are settled before it is sent: afterwards no match would mean nothing.
    """
    open_rows = [change for change in batch.changes if change.id is None]
    found = yield from _find(connector, batch, [change.key for change in open_rows], ())
    matches = {change.ref: records for change, records in zip(open_rows, found, strict=True)}
    targets: list[Change] = []
    outcomes: list[Outcome] = []
    seen: set[str] = set()
    for change in batch.changes:
        aim = change if change.id is not None else _aim(change, matches[change.ref])
        if isinstance(aim, Change) and aim.id in seen:
            aim = _same_record(aim)
        if isinstance(aim, Outcome):
            outcomes.append(aim)
        else:
            seen.add(str(aim.id))
            targets.append(aim)
    if outcomes and batch.operation is Operation.DELETE:
        yield Settled(outcomes)
        outcomes = []
    if targets:
        outcomes += yield from connector.write(replace(batch, changes=tuple(targets)))
    return outcomes


def _aim(change: Change, records: Sequence[RemoteRecord]) -> Change | Outcome:
    if not records:
        return Outcome(change.ref, Status.SKIPPED, key=change.key, reason=NO_MATCH)
    if len(records) > 1:
        return _ambiguous(change, records)
    return replace(change, id=records[0].id)


def _ambiguous(change: Change, records: Sequence[RemoteRecord]) -> Outcome:
    twins = tuple(record.id for record in records)
    problem = Problem("ambiguous-key", f"{len(twins)} records share the key", error_class=ErrorClass.AMBIGUOUS_KEY)
    return Outcome.rejected(change.ref, [problem], key=change.key, twins=twins)


def _same_record(change: Change) -> Outcome:
    problem = Problem(
        "same-record", "another row of this chunk means the same record", error_class=ErrorClass.DUPLICATE
    )
    return Outcome.rejected(change.ref, [problem], key=change.key, id=change.id)


def readable(connector: Connector, batch: Batch, change: Change) -> bool:
    """Whether the record that ``change`` of ``batch`` means can be read back."""
    if change.id is not None and isinstance(connector, ReadsById):
        return True
    return bool(batch.key and change.key) and isinstance(connector, ReadsByKey)


def reconciled(connector: Connector, batch: Batch) -> Exchange[list[Outcome | None]]:
    """What became of each change of ``batch``, by reading: its outcome, or None when it was not carried out.

    An outcome of UNKNOWN says that reading could not decide.
    """
    by_id = [change for change in batch.changes if change.id is not None and isinstance(connector, ReadsById)]
    known = {change.ref for change in by_id}
    by_key = [change for change in batch.changes if change.ref not in known]
    names = tuple(sorted({name for change in batch.changes for name in change.values}))
    there = yield from _fetch(connector, batch.object, [str(change.id) for change in by_id], names)
    found = yield from _find(connector, batch, [change.key for change in by_key], names)
    records = {change.ref: [] if record is None else [record] for change, record in zip(by_id, there, strict=True)}
    records |= {change.ref: list(hits) for change, hits in zip(by_key, found, strict=True)}
    return [_fate(batch, change, records[change.ref]) for change in batch.changes]


_APPLIED = {Operation.INSERT: Status.CREATED, Operation.UPDATE: Status.UPDATED, Operation.UPSERT: Status.UPSERTED}


def _fate(batch: Batch, change: Change, records: list[RemoteRecord]) -> Outcome | None:
    if batch.operation is Operation.DELETE:
        return None if records else Outcome(change.ref, Status.DELETED, id=change.id, key=change.key)
    if not records:
        return _gone(change) if batch.operation is Operation.UPDATE else None
    if len(records) > 1:
        return _undecided(change, records, "several records share the key")
    [record] = records
    if _holds(batch.schema, change, record):
        return Outcome(change.ref, _APPLIED[batch.operation], id=record.id, key=change.key)
    if batch.operation is Operation.INSERT:
        return _undecided(change, records, "a record with this key but other values is there")
    return None


def _gone(change: Change) -> Outcome:
    problem = Problem("not-found", "the record is not there", error_class=ErrorClass.NOT_FOUND)
    return Outcome.rejected(change.ref, [problem], id=change.id, key=change.key)


def _undecided(change: Change, records: Sequence[RemoteRecord], reason: str) -> Outcome:
    twins = tuple(record.id for record in records)
    return Outcome(change.ref, Status.UNKNOWN, key=change.key, twins=twins, reason=reason)


def _holds(schema: ObjectSchema | None, change: Change, record: RemoteRecord) -> bool:
    """Whether ``record`` has every value of ``change``; references cannot be compared and are left out."""
    return all(
        _same(schema, name, value, record.values.get(name))
        for name, value in change.values.items()
        if not isinstance(value, Reference)
    )


def _same(schema: ObjectSchema | None, name: str, ours: Any, theirs: Any) -> bool:
    if schema is not None and name in schema.fields:
        return bool(schema[name].canonical(ours) == schema[name].canonical(theirs))
    ours = None if ours is CLEAR or ours == "" else ours
    return bool(ours == theirs or (theirs is not None and str(ours) == str(theirs)))


def _find(
    connector: Connector, batch: Batch, keys: Sequence[Key], fields: Sequence[str]
) -> Exchange[list[list[RemoteRecord]]]:
    if not keys:
        return []
    assert isinstance(connector, ReadsByKey)
    found: list[list[RemoteRecord]] = []
    for piece in _pieces(keys, connector.capabilities.find_keys):
        found += yield from connector.find(batch.object, batch.key, piece, fields, batch.schema)
    return found


def _fetch(
    connector: Connector, object: str, ids: Sequence[str], fields: Sequence[str]
) -> Exchange[list[RemoteRecord | None]]:
    if not ids:
        return []
    assert isinstance(connector, ReadsById)
    records: list[RemoteRecord | None] = []
    for piece in _pieces(ids, connector.capabilities.fetch_ids):
        records += yield from connector.fetch(object, piece, fields)
    return records


def _pieces(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

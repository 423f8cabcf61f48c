"""What must hold after every history, and while it happens."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from aumconnect.connector import Change, Operation
from aumconnect.engine.chunks import claims_of
from aumconnect.outcome import WRITTEN, Outcome, Status
from aumconnect.schema import ObjectSchema
from aumconnect.testing.simulation._scenario import Scenario
from aumconnect.testing.simulation._world import Journey, LawBroken, World

__all__ = ["after", "on_departure"]


def on_departure(world: World, scenario: Scenario, journey: Journey) -> None:
    """At the moment a mutating request leaves."""
    rows = _rows(journey)
    if not rows:
        return
    refs = [row["ref"] for row in rows]
    limits = scenario.connector.capabilities
    bulk = scenario.settings.bulk_rows
    _law(len(rows) <= (bulk or limits.batch_rows), "a request is over the row limit")
    size = len(journey.request.body) if isinstance(journey.request.body, bytes) else 0
    _law(bulk is not None or len(rows) == 1 or size <= limits.batch_bytes, "a request is over the byte limit")
    for ref in refs:
        _law(ref in world.paper.chunk_of, f"row {ref} is sent without a durable intent")
        _law(world.paper.final(ref) is None, f"row {ref} is sent although it has its outcome")
    covered = {world.paper.chunk_of[ref] for ref in refs}
    _law(len(covered) == 1, "one request, several intents")
    others = [_rows(other) for other in world.in_flight]
    changes = {change.ref: change for change in scenario.changes}
    mine = claims_of(changes[ref] for ref in refs)
    for other in others:
        theirs = claims_of(changes[row["ref"]] for row in other)
        _law(mine.isdisjoint(theirs), "two requests in flight mean one record")
        if scenario.connector.parents:
            parents = {scenario.connector.conflict_key("Item", changes[ref]) for ref in refs}
            locked = {scenario.connector.conflict_key("Item", changes[row["ref"]]) for row in other}
            _law(parents.isdisjoint(locked), "two requests in flight lock one parent")


def after(world: World, scenario: Scenario, counted: Counter[Status], *, complete: bool) -> None:
    """At the end of everything, when nothing is on its way any more."""
    if world.broken:
        raise world.broken[0]
    told = world.paper.outcomes
    _law("stuck" not in {entry[1] for entry in world.trace}, "the run waits for nothing")
    for change in scenario.changes:
        outcomes = told.get(change.ref, [])
        settled = [outcome for outcome in outcomes if outcome.status is not Status.UNKNOWN]
        _law(len(settled) <= 1, f"row {change.ref} has {len(settled)} outcomes")
        _law(bool(outcomes) or not complete, f"row {change.ref} has no outcome")
    _law(not set(told) - {change.ref for change in scenario.changes}, "an outcome for a row that does not exist")
    last = {ref: outcomes[-1] for ref, outcomes in told.items()}
    by_key: dict[Any, list[Change]] = defaultdict(list)
    for change in scenario.changes:
        by_key[change.key].append(change)
    for key, changes in by_key.items():
        _check_key(world, scenario, key[0], changes, last)


def _check_key(world: World, scenario: Scenario, key: str, changes: list[Change], last: Mapping[int, Outcome]) -> None:
    """What the system holds under one key is what was reported of the rows that have it."""
    statuses = Counter(last[change.ref].status for change in changes if change.ref in last)
    sure = not statuses[Status.UNKNOWN] and statuses.total() == len(changes)
    table = world.fake["Item"]
    field = scenario.key[0]
    commits, created = world.fake.commits["Item", key], world.fake.creations["Item", key]
    written = sum(statuses[status] for status in WRITTEN)
    if scenario.operation is Operation.INSERT:
        most = len(changes) if not sure else statuses[Status.CREATED]
        _law(created <= most, f"{key}: {created} records for {most} rows")
        _law(created >= statuses[Status.CREATED], f"{key}: reported created, {created} are there")
    else:
        there = any(values[field] == key for values in scenario.present)
        most = 0 if there or scenario.operation is not Operation.UPSERT else 1
        _law(created <= most, f"{key}: {created} records were made")
    if sure and not written:
        _law(commits == 0, f"{key}: reported {dict(statuses)}, but it was written {commits} times")
    gone_anyway = scenario.operation is Operation.DELETE  # it may have been gone before a run that died could look
    _law(commits > 0 or not written or gone_anyway, f"{key}: reported written, but it was not")
    if sure and len(changes) == 1 and written:
        _check_values(table.schema, table.where(**{field: key}), changes[0], scenario.operation)


def _check_values(schema: ObjectSchema, found: list[dict[str, Any]], change: Change, operation: Operation) -> None:
    if operation is Operation.DELETE:
        _law(not found, f"{change.key}: reported deleted, but it is there")
        return
    wanted = schema.canonical(change.values).items()
    held = [record for record in found if wanted <= schema.canonical(record).items()]
    _law(len(held) == 1, f"{change.key}: reported written, but {len(held)} records hold its values")


def _rows(journey: Journey) -> list[dict[str, Any]]:
    body = journey.request.body
    if isinstance(body, bytes) and b'"rows"' in body:
        rows: list[dict[str, Any]] = json.loads(body)["rows"]
        return rows
    return []


def _law(holds: bool, otherwise: str) -> None:
    if not holds:
        raise LawBroken(otherwise)

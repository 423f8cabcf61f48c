"""What a row would change, given what the system has and what we wrote last. Pure: no ledger, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aumconnect.connector import Change, Operation, RemoteRecord
from aumconnect.errors import ErrorClass
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, Reference
from aumconnect.writeback._fingerprint import Fingerprints, value_digest
from aumconnect.writeback._state import Remembered

__all__ = ["NO_MATCH", "Differ", "Difference", "Edited", "moment"]

Action = Literal["create", "update", "upsert", "delete", "confirm"]
NO_MATCH = "no match"
"""The reason of a skipped row whose key no record has."""
HUMAN_EDIT = "a person changed"
OLDER = "older than what is there"
EXISTS = "there is a record with this key already"


@dataclass(frozen=True, slots=True)
class Edited:
    """Fields that somebody else changed since we wrote them."""

    fields: tuple[str, ...]

    @property
    def reason(self) -> str:
        return f"{HUMAN_EDIT} {', '.join(self.fields)} since"


@dataclass(frozen=True, slots=True)
class Difference:
    """What sending one row would do.

    ``outcome`` is set when it is not to be sent at all. ``fields`` differ; of these, ``cleared`` hold a value
    that would be emptied, ``replaced`` one that would give way to another. ``compared`` is False where nothing
    is known of what would be overwritten. ``before`` is what the system has.
    """

    action: Action
    fields: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    compared: bool = True
    before: Mapping[str, Any] | None = None
    id: str | None = None
    outcome: Outcome | None = None
    edited: Edited | None = None


class Differ:
    """Compares rows of one plan. ``newer_field`` is the remote field that says when a record was scored."""

    def __init__(
        self,
        operation: Operation,
        prints: Fingerprints,
        *,
        newer_field: str | None = None,
        on_human_edit: str = "skip",
    ) -> None:
        self._operation = operation
        self._prints = prints
        self._newer_field = newer_field
        self._on_human_edit = on_human_edit

    def unread(self, change: Change, known: Remembered | None) -> Difference:
        """Compared with what we wrote last, if anything; the system was not asked."""
        if self._operation is Operation.DELETE:
            return Difference("delete", compared=known is not None)
        written = known.written if known else {}
        differing = [name for name in self._names(change) if self._digest(change, name) != written.get(name)]
        action = _ACTIONS[self._operation] if known is None or self._operation is Operation.INSERT else "update"
        had = [name for name in differing if written.get(name) not in (None, NOTHING)]
        return self._difference(action, change, differing, had, compared=known is not None)

    def read(self, change: Change, records: Sequence[RemoteRecord], known: Remembered | None) -> Difference:
        """Compared with every record that has the row's key (or id)."""
        if len(records) > 1:
            return Difference("update", outcome=_ambiguous(change, records))
        if not records:
            return self._missing(change)
        (record,) = records
        if self._operation is Operation.INSERT:
            return Difference("create", outcome=_skipped(change, EXISTS, record.id))
        if self._operation is Operation.DELETE:
            return Difference("delete", before=dict(record.values), id=record.id)
        return self._existing(change, record, known)

    def _missing(self, change: Change) -> Difference:
        if self._operation in (Operation.UPDATE, Operation.DELETE):
            return Difference("update", outcome=_skipped(change, NO_MATCH))
        return self._difference("create", change, self._names(change), [])

    def _existing(self, change: Change, record: RemoteRecord, known: Remembered | None) -> Difference:
        before = {name: record.values.get(name) for name in change.values}
        differing = [name for name in self._names(change) if self._differs(change, record, name, known)]
        if not differing:
            return Difference("confirm", before=before, id=record.id)
        if self._is_older(change, record):
            return Difference("update", outcome=_skipped(change, OLDER, record.id))
        edited = self._edited(record, differing, known)
        if edited and self._on_human_edit == "skip":
            return Difference("update", outcome=_skipped(change, edited.reason, record.id), edited=edited)
        had = [name for name in differing if self._prints.canonical(name, before[name]) is not None]
        return self._difference("update", change, differing, had, before=before, id=record.id, edited=edited)

    def _difference(
        self, action: Any, change: Change, fields: Sequence[str], had: Sequence[str], **rest: Any
    ) -> Difference:
        emptied = [name for name in fields if change.values[name] is CLEAR]
        compared = rest.get("compared", True)
        cleared = tuple(name for name in emptied if name in had or not compared)
        return Difference(action, tuple(fields), tuple(name for name in had if name not in emptied), cleared, **rest)

    def _names(self, change: Change) -> list[str]:
        return [name for name in self._prints.fields if name in change.values]

    def _digest(self, change: Change, name: str) -> bytes:
        return self._prints.digest(name, change.values[name])

    def _differs(self, change: Change, record: RemoteRecord, name: str, known: Remembered | None) -> bool:
        value = change.values[name]
        if isinstance(value, Reference):  # the system shows an id where we name a key
            return known is None or known.written.get(name) != self._digest(change, name)
        return bool(self._prints.canonical(name, value) != self._prints.canonical(name, record.values.get(name)))

    def _edited(self, record: RemoteRecord, fields: Sequence[str], known: Remembered | None) -> Edited | None:
        """The system has neither what we wrote last nor what we are about to write."""
        written = known.written if known else {}
        found = tuple(
            name
            for name in fields
            if name in written and self._prints.digest(name, record.values.get(name)) != written[name]
        )
        return Edited(found) if found else None

    def _is_older(self, change: Change, record: RemoteRecord) -> bool:
        if self._newer_field is None:
            return False
        ours, theirs = moment(change.values.get(self._newer_field)), moment(record.values.get(self._newer_field))
        return ours is not None and theirs is not None and ours < theirs


NOTHING = value_digest(None)
_ACTIONS: Mapping[Operation, Action] = {
    Operation.INSERT: "create",
    Operation.UPDATE: "update",
    Operation.UPSERT: "upsert",
    Operation.DELETE: "delete",
}


def moment(value: Any) -> float | None:
    """Epoch seconds of a date and time, or None."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.timestamp() if value.tzinfo else None


def _skipped(change: Change, reason: str, id: str | None = None) -> Outcome:
    return Outcome(change.ref, Status.SKIPPED, id, change.key, reason=reason)


def _ambiguous(change: Change, records: Sequence[RemoteRecord]) -> Outcome:
    twins = tuple(record.id for record in records)
    problem = Problem("ambiguous_key", f"{len(twins)} records share this key", error_class=ErrorClass.AMBIGUOUS_KEY)
    return Outcome.rejected(change.ref, [problem], key=change.key, twins=twins)

"""How rows are kept in a ledger: many in one compressed value, each with the digests its state needs.

A packed value is JSON under zlib, whose checksum tells a damaged one; types JSON lacks are tagged
(a one-key object whose name begins with NUL). Nothing here is ever unpickled.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

from aumconnect.connector import Change
from aumconnect.errors import ErrorClass, LedgerError
from aumconnect.outcome import Outcome, Problem, Status
from aumconnect.schema import CLEAR, Reference

__all__ = [
    "CONFIRM",
    "NEVER",
    "Planned",
    "Stamp",
    "outcome_of",
    "pack",
    "pack_outcomes",
    "pack_plan",
    "pack_refs",
    "text_of",
    "unpack",
    "unpack_outcomes",
    "unpack_plan",
    "unpack_refs",
]

_LENGTH = struct.Struct(">I")
_STAMP = struct.Struct(">16s8sdH")
NEVER = float("-inf")
CONFIRM = "confirm"
"""The action of a row that needs no sending, only remembering: the system has its values already."""


class Stamp(NamedTuple):
    """What the state keeps of a row once it is written.

    ``key`` is the digest of its key (16 bytes), ``payload`` the fingerprint of the row as mapped (8),
    ``scored_at`` epoch seconds (`NEVER` where rows have no time), ``written`` 8 bytes a field of the layout.
    """

    key: bytes
    payload: bytes
    scored_at: float
    written: bytes


@dataclass(slots=True)
class Planned:
    """One row of a plan: the change, why it is made, and what was there before."""

    change: Change
    stamp: Stamp
    action: str
    """``create``, ``update``, ``upsert`` (either of the two), ``delete`` or ``confirm`` (nothing to send)."""
    before: Mapping[str, Any] | None = None
    """What the system had in the fields to be written, where it was read."""
    source: Mapping[str, Any] | None = None
    """The row as it came."""


def pack(data: Any) -> bytes:
    """Any JSON values, plus dates, decimals, references and `CLEAR`, compressed."""
    return zlib.compress(text_of(data).encode(), 1)


def unpack(body: bytes) -> Any:
    """What was packed. Raises `LedgerError` for a damaged value."""
    try:
        text = zlib.decompress(body)
        return json.loads(text, object_hook=_untagged if b'{"\\u0000' in text else None)
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"the ledger is damaged: a packed value cannot be read ({type(error).__name__})") from None


def text_of(data: Any) -> str:
    return json.dumps(data, default=_tagged, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def pack_refs(refs: Iterable[int]) -> bytes:
    return zlib.compress(array("q", refs).tobytes(), 1)


def unpack_refs(body: bytes) -> list[int]:
    try:
        return array("q", zlib.decompress(body)).tolist()
    except (zlib.error, ValueError):
        raise LedgerError("the ledger is damaged: the rows of an intent cannot be read") from None


def pack_plan(rows: Sequence[Planned]) -> bytes:
    fields = [
        [row.change.ref, row.change.key, row.change.values, row.change.id, row.action, row.before, row.source]
        for row in rows
    ]
    return _join(pack(fields), (row.stamp for row in rows))


def unpack_plan(body: bytes) -> list[Planned]:
    fields, stamps = _split(body)
    return [
        Planned(Change(ref, values, tuple(key), remote_id), stamp, action, before, source)
        for (ref, key, values, remote_id, action, before, source), stamp in zip(fields, stamps, strict=True)
    ]


def pack_outcomes(outcomes: Sequence[Outcome], rows: Mapping[int, Planned]) -> bytes:
    """What became of some rows, each with the stamp of its planned row where ``rows`` has it."""
    fields = [[outcome.ref, outcome.status, outcome.id, outcome.ref in rows] for outcome in outcomes]
    return _join(pack(fields), (rows[outcome.ref].stamp for outcome in outcomes if outcome.ref in rows))


def unpack_outcomes(body: bytes) -> list[tuple[int, Status, str | None, Stamp | None]]:
    fields, stamps = _split(body)
    rest = iter(stamps)
    return [(ref, Status(status), remote_id, next(rest) if has else None) for ref, status, remote_id, has in fields]


def outcome_of(data: Mapping[str, Any]) -> Outcome:
    """The `Outcome` whose ``asdict`` was packed."""
    return Outcome(
        data["ref"],
        Status(data["status"]),
        data["id"],
        tuple(data["key"]),
        _problems(data["problems"]),
        _problems(data["warnings"]),
        data["reason"],
        tuple(data["twins"]),
    )


def outcome_text(outcome: Outcome) -> str:
    return text_of(asdict(outcome))


def _problems(found: Sequence[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(
        Problem(each["code"], each["message"], each["field"], ErrorClass(each["error_class"])) for each in found
    )


def _join(body: bytes, stamps: Iterable[Stamp]) -> bytes:
    parts = [_LENGTH.pack(len(body)), body]
    for stamp in stamps:
        parts.append(_STAMP.pack(stamp.key, stamp.payload, stamp.scored_at, len(stamp.written)))
        parts.append(stamp.written)
    return b"".join(parts)


def _split(body: bytes) -> tuple[list[Any], list[Stamp]]:
    try:
        (length,) = _LENGTH.unpack_from(body)
        at = _LENGTH.size + length
        fields, stamps = unpack(body[_LENGTH.size : at]), []
        while at < len(body):
            key, payload, scored_at, size = _STAMP.unpack_from(body, at)
            at += _STAMP.size + size
            stamps.append(Stamp(key, payload, scored_at, body[at - size : at]))
    except struct.error:
        raise LedgerError("the ledger is damaged: a packed value is cut off") from None
    return fields, stamps


def _tagged(value: Any) -> Any:
    for kind, tag, write in _TAGS:
        if isinstance(value, kind):
            return {tag: write(value)}
    return str(value)  # of a source row: whatever a frame may hold, as a person would read it


def _untagged(data: dict[str, Any]) -> Any:
    if len(data) == 1:
        ((tag, value),) = data.items()
        if tag in _READERS:
            return _READERS[tag](value)
    return data


_TAGS: tuple[tuple[type, str, Callable[[Any], Any]], ...] = (
    (Decimal, "\0decimal", str),
    (datetime, "\0datetime", datetime.isoformat),
    (date, "\0date", date.isoformat),
    (time, "\0time", time.isoformat),
    (Reference, "\0reference", lambda value: [value.object, value.by, value.value]),
    (type(CLEAR), "\0clear", lambda value: 1),
    (Enum, "\0enum", lambda value: value.value),
    ((frozenset), "\0set", sorted),
    (set, "\0set", sorted),
    (bytes, "\0bytes", bytes.hex),
)
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "\0decimal": Decimal,
    "\0datetime": datetime.fromisoformat,
    "\0date": date.fromisoformat,
    "\0time": time.fromisoformat,
    "\0reference": lambda parts: Reference(*parts),
    "\0clear": lambda _: CLEAR,
    "\0enum": lambda value: value,
    "\0set": frozenset,
    "\0bytes": bytes.fromhex,
}

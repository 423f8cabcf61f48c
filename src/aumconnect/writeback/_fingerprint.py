"""Digests of keys, rows and single values: what the ledger remembers instead of the data itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from aumconnect.schema import CLEAR, ObjectSchema, Reference

__all__ = ["UNWRITTEN", "Fingerprints", "value_digest"]

WIDTH = 8
"""Bytes of a digest of one value or one row; two different ones agree once in 2⁶⁴."""
UNWRITTEN = bytes(WIDTH)
"""Stands in a layout for a field that was never written."""

_PLAIN = frozenset({str, int, float, bool, Decimal, date, datetime, time, type(None), type(CLEAR), type(...)})


class Fingerprints:
    """The digests of one object's rows. ``fields`` are those whose change counts as a change of the row."""

    def __init__(self, object: str, key: Sequence[str], fields: Sequence[str], schema: ObjectSchema | None) -> None:
        self.fields = tuple(fields)
        self.key = tuple(key)
        self.schema = schema
        self._form = schema.key_form(self.key) if schema else tuple
        self._seed = blake2b(repr((object, self.key)).encode(), digest_size=16)
        self._payload_seed = blake2b(repr(self.fields).encode(), digest_size=WIDTH)

    def key_digest(self, key: tuple[Any, ...]) -> bytes:
        """16 bytes that two keys share exactly when the system takes them for the same."""
        digest = self._seed.copy()
        digest.update(repr(self._form(key)).encode("utf-8", "surrogatepass"))
        return digest.digest()

    def payload(self, values: Mapping[str, Any]) -> bytes:
        """The fingerprint of a row as it was mapped: quick to compare, and equal rows are the same row.

        Rows that differ here may still be equal to the system; `written` tells.
        """
        row = [values.get(name, ...) for name in self.fields]
        if not _PLAIN.issuperset(map(type, row)):
            row = [_plain(value) for value in row]
        digest = self._payload_seed.copy()
        digest.update(repr(row).encode("utf-8", "surrogatepass"))
        return digest.digest()

    def written(self, values: Mapping[str, Any], before: Mapping[str, bytes] | None = None) -> bytes:
        """One digest a field, in order; fields the row leaves alone keep what ``before`` says."""
        known = before or {}
        return b"".join(
            self.digest(name, values[name]) if name in values else known.get(name, UNWRITTEN) for name in self.fields
        )

    def digest(self, name: str, value: Any) -> bytes:
        """The digest of one value in its canonical form."""
        return value_digest(self.canonical(name, value))

    def canonical(self, name: str, value: Any) -> Any:
        known = self.schema.fields.get(name) if self.schema else None
        return known.canonical(value) if known else (None if value is CLEAR or value == "" else value)


def value_digest(canonical: Any) -> bytes:
    return blake2b(repr(_plain(canonical)).encode("utf-8", "surrogatepass"), digest_size=WIDTH).digest()


def _plain(value: Any) -> Any:
    """A form whose ``repr`` tells different values apart; a `Reference` shows no value of its own accord."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Reference):
        return (value.object, value.by, _plain(value.value))
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value) if isinstance(value, str) else (type(value).__name__, str(value))

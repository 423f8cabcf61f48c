"""A first job file, guessed from what a system describes and what a sample of the source holds.

The guess is meant to be read and corrected: columns without a likely field are left as comments.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aumconnect.schema import FieldSchema, ObjectSchema

__all__ = ["Proposal", "propose", "toml_string"]

CLOSE = 0.72
"""How alike (0 to 1, difflib's ratio) a column and a field must be named to be matched."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Which column fills which field, and by which field records are found."""

    key: tuple[str, str] | None
    """(remote field, column)"""
    fields: Mapping[str, str]
    """remote field → column"""
    unmatched: tuple[str, ...]
    """columns without a likely field"""

    def to_toml(self, name: str, *, source: str, to: str, operation: str = "update", delimiter: str = ",") -> str:
        """The ``[writebacks.<name>]`` tables of a job file."""
        lines = [f"[writebacks.{_bare(name)}]", f"source = {toml_string(source)}", f"to = {toml_string(to)}"]
        lines.append(f"operation = {toml_string(operation)}")
        if delimiter != ",":
            lines.append(f"delimiter = {toml_string(delimiter)}")
        if self.key:
            lines.append(f"key = {{ {_bare(self.key[0])} = {toml_string(self.key[1])} }}")
        lines += ['on_human_edit = "skip"', "", f"[writebacks.{_bare(name)}.fields]"]
        lines += [f"{_bare(field)} = {toml_string(column)}" for field, column in self.fields.items()]
        lines += [f"# ? = {toml_string(column)}   # no field looks like it" for column in self.unmatched]
        lines += [
            "",
            f"[writebacks.{_bare(name)}.guards]",
            'cleared = "1 %"',
            'rejected = "10 %"',
            'unmatched = "10 %"',
        ]
        lines.append('# changed = "20 %"   # for scores that move little from one run to the next')
        return "\n".join(lines) + "\n"


def propose(
    schema: ObjectSchema,
    columns: Sequence[str],
    sample: Iterable[Mapping[str, Any]] = (),
    *,
    key: tuple[str, str] | None = None,
) -> Proposal:
    """Match columns with fields that can be written, best first, each used once.

    ``key`` is (field, column) where it is known already.
    """
    rows = list(sample)
    writable = {name: field for name, field in schema.fields.items() if field.updateable or field.createable}
    keys = {name: field for name, field in schema.fields.items() if field.unique or field.matchable}
    key = key or _key(keys, columns, rows)
    left = [column for column in columns if key is None or column != key[1]]
    taken: dict[str, str] = {}
    pairs = sorted(
        ((_alike(column, field), column, name) for column in left for name, field in writable.items()), reverse=True
    )
    for score, column, name in pairs:
        if score >= CLOSE and name not in taken and column not in taken.values() and (key is None or name != key[0]):
            taken[name] = column
    in_order = {name: column for column in left for name, used in taken.items() if used == column}
    return Proposal(key, in_order, tuple(column for column in left if column not in taken.values()))


def _key(
    keys: Mapping[str, FieldSchema], columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[str, str] | None:
    def distinct(column: str) -> bool:
        values = [row.get(column) for row in rows]
        return len(set(map(str, values))) > 0.9 * len(values) if values else True

    ranked = sorted(
        (
            (_alike(column, field) + 0.1 * field.unique, name, column)
            for column in columns
            for name, field in keys.items()
        ),
        reverse=True,
    )
    return next(((name, column) for score, name, column in ranked if score >= CLOSE and distinct(column)), None)


def _alike(column: str, field: FieldSchema) -> float:
    """How alike the names are, 0 to 1: letter by letter, or because one's words are among the other's."""
    names = (field.name, field.label or field.name)
    return max(_likeness(_words(column), _words(name)) for name in names)


def _likeness(column: Sequence[str], name: Sequence[str]) -> float:
    by_letter = difflib.SequenceMatcher(None, "".join(column), "".join(name)).ratio()
    shared = set(column) & set(name)
    if column and shared in (set(column), set(name)):
        return max(by_letter, CLOSE + (1 - CLOSE) * len(shared) / max(len(column), len(name)))
    return by_letter


def _words(name: str) -> list[str]:
    """``Churn_Score__c``, ``churnScore`` and ``churn score`` are the words churn and score."""
    plain = re.sub(r"__[a-z]$", "", name)
    return re.findall(r"[a-z]+|[0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", plain).lower())


def toml_string(value: str) -> str:
    """A TOML basic string (TOML v1.0.0, "String"): JSON's escapes, and DEL, which JSON lets pass."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_string(name)

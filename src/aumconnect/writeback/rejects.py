"""Rows that did not make it, as a file for people to mend, and back.

In CSV a value that a spreadsheet would take for a formula is written with ``'`` before it
(https://owasp.org/www-community/attacks/CSV_Injection), and so is one that begins with ``'`` itself; reading the
file takes exactly one away again. JSON lines need none of that.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aumconnect._mapping.convert import Unreadable
from aumconnect.errors import ConfigurationError
from aumconnect.outcome import NEEDS_ATTENTION, Outcome
from aumconnect.sources import Rows, rows
from aumconnect.writeback._attention import Rejected
from aumconnect.writeback.ledger import Ledger, RunRecord

__all__ = ["Rejects", "Returned", "guarded", "returned", "unguarded"]

ROW, RUN, STATUS, REASONS = ("aumconnect_row", "aumconnect_run", "aumconnect_status", "aumconnect_reasons")
OURS = (ROW, RUN, STATUS, REASONS)
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")  # noqa: RUF001  (full width counts too)


class Rejects:
    """The rows of one run that need a person. Iterate, or `write` them to a file."""

    def __init__(self, ledger: Ledger, run: RunRecord) -> None:
        self.run = run
        self._ledger = ledger

    def __iter__(self) -> Iterator[Rejected]:
        return self._ledger.attention(self.run.id, *(status.value for status in NEEDS_ATTENTION))

    def write(self, path: str | Path) -> int:
        """Write a ``.csv`` or ``.jsonl`` file and return how many rows it has.

        Raises `ConfigurationError` for another ending.
        """
        path = Path(path)
        if path.suffix == ".jsonl":
            return self._write_lines(path)
        if path.suffix == ".csv":
            return self._write_csv(path)
        raise ConfigurationError(f"rejects cannot be written to {path.name}", hint="name a .csv or .jsonl file")

    def _write_lines(self, path: Path) -> int:
        count = 0
        with path.open("w", encoding="utf-8") as file:
            for found in self:
                file.write(json.dumps({**self._about(found.outcome), **(found.row or {})}, ensure_ascii=False) + "\n")
                count += 1
        return count

    def _write_csv(self, path: Path) -> int:
        columns = list(dict.fromkeys(name for found in self for name in found.row or {}))
        count = 0
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*OURS, *map(guarded, columns)])
            for found in self:
                row = found.row or {}
                about = [guarded(str(value)) for value in self._about(found.outcome).values()]
                writer.writerow([*about, *(guarded(_cell(row.get(name))) for name in columns)])
                count += 1
        return count

    def _about(self, outcome: Outcome) -> dict[str, Any]:
        return {ROW: outcome.ref, RUN: self.run.id, STATUS: outcome.status.value, REASONS: reasons(outcome)}


DUPLICATE = "duplicate_key"


@dataclass(frozen=True, slots=True)
class Returned:
    """A mended file, and the run whose rejects it held."""

    run: str
    file: Rows

    def rows(self, rejects: Rejects) -> Rows:
        """The rows to send. One that was rejected because another row has its key, and is as it was, stays rejected:
        alone in this file it would win over the row that stood.
        """
        standing = {found.outcome.ref: found.row or {} for found in rejects if _is_duplicate(found.outcome)}
        return Rows(lambda: map(partial(_mended, standing), self.file), _columns(self.file))


def returned(path: str | Path) -> Returned:
    """Read a mended file of rejects. Raises `ConfigurationError` when it is none, or of several runs."""
    path = Path(path)
    if not path.exists():
        raise ConfigurationError(f"there is no file {path}")
    found = _csv(path) if path.suffix == ".csv" else rows(path)
    runs = {str(row.get(RUN) or "") for row in found if isinstance(row, Mapping)}
    if len(runs) != 1 or runs == {""}:
        raise ConfigurationError(
            f"{path} is not a file of one run's rejects: it needs the column {RUN}",
            hint="write one with: aumconnect rejects NAME -o fixme.csv",
        )
    return Returned(runs.pop(), found)


def guarded(text: str) -> str:
    """A text as a spreadsheet takes for text; `unguarded` gives back the original, whatever it was."""
    return f"'{text}" if text.startswith(DANGEROUS) else text


def unguarded(text: str) -> str:
    return text.removeprefix("'")


def reasons(outcome: Outcome) -> str:
    """Why, in one line: code, field and the system's own words."""
    found = [": ".join(part for part in (p.code, p.field, p.message) if part) for p in outcome.problems]
    return "; ".join(found) or outcome.reason or ""


def _csv(path: Path) -> Rows:
    def read() -> Iterator[Any]:
        for row in plain:
            yield {unguarded(k): unguarded(v) if v else v for k, v in row.items()} if isinstance(row, Mapping) else row

    plain = rows(path)
    return Rows(read, tuple(map(unguarded, plain.columns)) if plain.columns is not None else None)


def _columns(found: Rows) -> tuple[str, ...] | None:
    return tuple(name for name in found.columns if name not in OURS) if found.columns is not None else None


def _mended(standing: Mapping[int, Mapping[str, Any]], row: Any) -> Any:
    if not isinstance(row, Mapping):
        return row
    plain = {name: value for name, value in row.items() if name not in OURS}
    number = str(row.get(ROW))
    before = standing.get(int(number)) if number.isdecimal() else None
    if before is not None and all(_cell(before.get(name)) == _cell(value) for name, value in plain.items()):
        return Unreadable(DUPLICATE, "another row has this key: mend this one, or take it out of the file")
    return plain


def _is_duplicate(outcome: Outcome) -> bool:
    return any(problem.code == DUPLICATE for problem in outcome.problems)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)

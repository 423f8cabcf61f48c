"""Rows from text files: CSV (RFC 4180) and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from aumconnect._mapping.convert import WHITE, Unreadable
from aumconnect.errors import ConfigurationError

__all__ = ["CSV", "json_lines"]


class CSV:
    """A CSV file with a header. Cells stay text (``00123`` is a key, not a number); an empty one is a gap.

    Raises `ConfigurationError` for a header that cannot be meant.
    """

    def __init__(self, path: Path, delimiter: str, encoding: str) -> None:
        self._path, self._delimiter, self._encoding = path, delimiter, encoding
        header = next(iter(self._reader(_Lines(self._open()))), None)
        if not header:
            raise ConfigurationError(f"{path.name} has no header", hint="the first line names the columns")
        self.columns = tuple(name.strip(WHITE) for name in header)
        self._check_header()

    def rows(self) -> Iterator[Any]:
        """The rows below the header; empty lines are none."""
        names, width = self.columns, len(self.columns)
        lines = _Lines(self._open())
        reader = self._reader(lines)
        next(reader)
        while True:
            first = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Unreadable("csv", f"lines {first} to {reader.line_num}: {error}")
                continue
            if lines.garbled:
                lines.garbled = False
                yield Unreadable("encoding", f"line {first} is not {self._encoding.removesuffix('-sig')}")
            elif len(cells) == width:
                yield dict(zip(names, [cell or None for cell in cells], strict=True))
            elif cells:
                yield Unreadable("column_count", f"line {first} has {len(cells)} columns, the header has {width}")

    def _open(self) -> Iterator[str]:
        with self._path.open(newline="", encoding=self._encoding, errors="surrogateescape") as file:
            yield from file

    def _reader(self, lines: Iterable[str]) -> Any:
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _check_header(self) -> None:
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ConfigurationError(f"{self._path.name} has the column {twice[0]!r} more than once")
        others = [mark for mark in ",;\t|" if mark != self._delimiter and mark in self.columns[0]]
        if len(self.columns) == 1 and others:
            raise ConfigurationError(
                f"{self._path.name} seems to have one column, {self.columns[0]!r}",
                hint=f"set delimiter = {others[0]!r}",
            )


class _Lines:
    """The lines of a file; ``garbled`` after one whose bytes were not in the encoding (kept as surrogates)."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.garbled = False

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if not line.isascii() and not _encodes(line):
                self.garbled = True
            yield line


def _encodes(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def json_lines(path: Path) -> Iterator[Any]:
    """One JSON object a line (RFC 8259); a line that is none becomes `Unreadable`.

    ``NaN`` and ``Infinity``, which Python writes, are read, so that the mapping can name their row, key and column.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                yield _json_row(content, number)


def _json_row(line: bytes, number: int) -> Any:
    try:
        row = _DECODER.decode(line.decode())
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error).partition(":")[0]
        return Unreadable("json", f"line {number} is not JSON: {reason}")
    return row if isinstance(row, dict) else Unreadable("json", f"line {number} is not a JSON object")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a repeated key")
    return found


def _number(text: str) -> float | Decimal:
    """A float where it is exact to the last digit written, else a Decimal."""
    value = float(text)
    return value if len(text) <= _ALWAYS_EXACT or repr(value) == text else Decimal(text)


_ALWAYS_EXACT = 16  # fifteen significant digits and a point survive a float
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_number)

"""Rows from anything: iterables, dataframes, Arrow, CSV, JSON lines, Parquet; streamed, never copied whole.

A `Rows` yields one mapping a row, in order; a row that cannot be read comes as `Unreadable`, so that it is
rejected under its own number and the rest goes on.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from aumconnect._mapping.convert import Unreadable
from aumconnect.errors import ConfigurationError

__all__ = ["Rows", "rows"]


class Rows:
    """A source of rows. ``columns`` are its columns where it knows them before the first row.

    Iterating starts over each time, except where the source itself can be read only once.
    """

    def __init__(self, open_rows: Callable[[], Iterator[Any]], columns: tuple[str, ...] | None = None) -> None:
        self._open = open_rows
        self.columns = columns

    def __iter__(self) -> Iterator[Any]:
        return self._open()


def rows(source: Any, *, delimiter: str = ",", encoding: str = "utf-8-sig") -> Rows:
    """The rows of ``source``."""
    if isinstance(source, Rows):
        return source
    if isinstance(source, (str, PathLike)):
        path = Path(source)
        if path.suffix == ".csv":
            return _csv(path, delimiter, encoding)
    if isinstance(source, Iterable):
        return Rows(lambda: iter(source))
    raise ConfigurationError(f"rows cannot be read from {type(source).__name__}")


def _csv(path: Path, delimiter: str, encoding: str) -> Rows:
    def read() -> Iterator[Any]:
        with path.open(newline="", encoding=encoding) as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(reader, [])
            width = len(header)
            for cells in reader:
                if len(cells) == width:
                    yield dict(zip(header, [cell or None for cell in cells], strict=True))
                elif cells:
                    yield Unreadable(
                        "column_count", f"line {reader.line_num} has {len(cells)} columns, the header {width}"
                    )

    with path.open(newline="", encoding=encoding) as file:
        columns = tuple(next(csv.reader(file, delimiter=delimiter), []))
    return Rows(read, columns)

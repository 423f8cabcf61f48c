"""Rows from anything: iterables, dataframes, Arrow, CSV, JSON lines, Parquet; streamed, never copied whole.

A `Rows` yields one mapping a row, in order; a row that cannot be read comes as `Unreadable`, so that it is
rejected under its own number and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from aumconnect._mapping.convert import Unreadable
from aumconnect._near import did_you_mean
from aumconnect.errors import ConfigurationError

__all__ = ["Rows", "Unreadable", "rows"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


class Rows:
    """A source of rows. ``columns`` are its columns where it knows them before the first row.

    Iterating starts over each time; where the source itself can be read only once (``once``), a second time raises
    `ConfigurationError` instead of finding nothing.
    """

    def __init__(
        self, start: Callable[[], Iterator[Any]], columns: Sequence[str] | None = None, *, once: bool = False
    ) -> None:
        self._start = start
        self.columns = None if columns is None else tuple(columns)
        self.once = once
        self._started = False

    def __iter__(self) -> Iterator[Any]:
        if self.once and self._started:
            raise ConfigurationError("this source can be read only once", hint="pass a list, a frame or a file")
        self._started = True
        return self._start()


def rows(
    source: Any, *, columns: Iterable[str] | None = None, delimiter: str | None = None, encoding: str = "utf-8-sig"
) -> Rows:
    """The rows of ``source``.

    - a path to ``.csv``, ``.tsv`` (``delimiter`` and ``encoding`` apply), ``.jsonl``, ``.ndjson`` or ``.parquet``;
    - a pandas, polars (also lazy), modin or pyarrow frame, or any other object with an Arrow stream;
    - an iterable of mappings, Records, dataclasses or named tuples.

    ``columns`` reads only these, where that saves work. Raises `ConfigurationError` for what cannot be read at all.
    """
    if isinstance(source, Rows):
        return source
    if isinstance(source, (str, PathLike)):
        return _file(Path(source), columns, delimiter, encoding)
    if isinstance(source, Mapping) or hasattr(type(source), "model_fields"):
        raise ConfigurationError("rows are expected, this is a single one", hint="put it in a list")
    if isinstance(source, Iterator) and not hasattr(source, "__arrow_c_stream__"):
        return Rows(lambda: source, once=True)
    if not isinstance(source, (list, tuple)) and (framed := _frame(source, columns)):
        return framed
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        return Rows(lambda: iter(source))
    raise ConfigurationError(
        f"rows cannot be read from {type(source).__name__}", hint="pass a path, a frame, or an iterable of mappings"
    )


def _file(path: Path, columns: Iterable[str] | None, delimiter: str | None, encoding: str) -> Rows:
    from aumconnect.sources import frames, text

    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigurationError(f"{path.name}: rows are read from {', '.join(SUFFIXES)}")
    if not path.is_file():
        near = did_you_mean(path.name, (other.name for other in path.parent.glob("*") if other.suffix in SUFFIXES))
        raise ConfigurationError(f"there is no file {path}", hint=near)
    if suffix == ".parquet":
        return Rows(*frames.parquet(path, columns))
    if suffix in (".csv", ".tsv"):
        file = text.CSV(path, delimiter or ("\t" if suffix == ".tsv" else ","), encoding)
        return Rows(file.rows, file.columns)
    return Rows(lambda: text.json_lines(path))


def _frame(source: Any, columns: Iterable[str] | None) -> Rows | None:
    from aumconnect.sources import frames

    found = frames.frame(source, columns)
    return None if found is None else Rows(found.rows, found.columns, once=found.once)

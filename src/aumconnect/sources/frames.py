"""Rows from frames: whatever narwhals knows, Arrow streams, and Parquet files; a slice at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from aumconnect.errors import ConfigurationError

__all__ = ["Framed", "frame", "parquet"]

SLICE = 8192
"""Rows turned into Python objects at a time."""
_READ_AHEAD = 1 << 16  # bytes a column; else a whole row group of a Parquet file is held in memory


@dataclass(frozen=True, slots=True)
class Framed:
    """How to read a frame's rows, and its columns."""

    rows: Callable[[], Iterator[Any]]
    columns: tuple[str, ...]
    once: bool = False


def frame(source: Any, columns: Iterable[str] | None = None) -> Framed | None:
    """The rows of a frame or an Arrow stream; None for what is neither."""
    import narwhals as nw

    native = nw.from_native(source, pass_through=True)
    if isinstance(native, nw.LazyFrame) and not hasattr(source, "__arrow_c_stream__"):
        names = _chosen(native.collect_schema().names(), columns)
        return Framed(lambda: _lazily(native.select(names), names), names)
    if isinstance(native, nw.DataFrame):
        names = _chosen(native.columns, columns)
        return Framed(lambda: _rows_of(native, names), names)
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
        return _arrow(source, columns)
    return None


def parquet(path: Path, columns: Iterable[str] | None = None) -> tuple[Callable[[], Iterator[Any]], tuple[str, ...]]:
    """The rows of a Parquet file, batch by batch. Raises `ConfigurationError` without pyarrow, or for another file."""
    pyarrow = _pyarrow("a Parquet file")
    from pyarrow.parquet import ParquetFile

    try:
        names = _chosen(ParquetFile(path).schema_arrow.names, columns)
    except (pyarrow.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path.name} is not a Parquet file: {str(error).splitlines()[0]}") from None

    def read() -> Iterator[Any]:
        with ParquetFile(path, pre_buffer=False, buffer_size=_READ_AHEAD) as file:
            yield from _batches(file.iter_batches(SLICE, columns=list(names), use_threads=False), names)

    return read, names


def _arrow(source: Any, columns: Iterable[str] | None) -> Framed:
    pyarrow = _pyarrow("an Arrow stream")
    if not hasattr(source, "__arrow_c_stream__"):
        batch = pyarrow.record_batch(source)
        names = _chosen(batch.schema.names, columns)
        return Framed(lambda: _batches([batch], names), names)
    reader = pyarrow.RecordBatchReader.from_stream(source)
    names = _chosen(reader.schema.names, columns)
    return Framed(lambda: _batches(reader, names), names, once=True)


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow as pa
    except ImportError:
        raise ConfigurationError(f"reading {what} needs pyarrow", hint="pip install 'aumconnect[parquet]'") from None
    return pa


def _chosen(names: Sequence[str], columns: Iterable[str] | None) -> tuple[str, ...]:
    wanted = None if columns is None else set(columns)
    return tuple(name for name in names if wanted is None or name in wanted)


def _lazily(frame: Any, names: Sequence[str]) -> Iterator[Any]:
    """A lazy frame's rows; polars' streaming engine hands them over in pieces, others collect first."""
    import narwhals as nw

    if hasattr(frame.to_native(), "collect_batches"):
        for part in frame.to_native().collect_batches(chunk_size=SLICE):
            yield from _rows_of(nw.from_native(part, eager_only=True), names)
    else:
        yield from _rows_of(frame.collect(), names)


def _batches(batches: Iterable[Any], names: Sequence[str]) -> Iterator[Any]:
    import narwhals as nw
    import pyarrow as pa

    for batch in batches:
        yield from _rows_of(nw.from_native(pa.Table.from_batches([batch]), eager_only=True), names)


def _rows_of(frame: Any, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    slices = (frame[start : start + SLICE] for start in range(0, len(frame), SLICE))
    return chain.from_iterable(map(_sliced(names), slices))


def _sliced(names: Sequence[str]) -> Callable[[Any], Iterator[dict[str, Any]]]:
    def rows(part: Any) -> Iterator[dict[str, Any]]:
        lists = [_values(part[name]) for name in names]
        return (dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True))

    return rows


def _values(series: Any) -> list[Any]:
    """A column as Python values. A float32 is read by its shortest text: 0.1, not 0.10000000149011612."""
    import narwhals as nw

    dtype = series.dtype
    if dtype == nw.Float32:
        series = series.cast(nw.String).cast(nw.Float64)
    if series.implementation.is_polars():
        values: list[Any] = series.to_list()
    elif isinstance(dtype, nw.Datetime):
        read = _arrow_moments if series.implementation.is_pyarrow() else _moments
        values = read(series.to_native(), aware=dtype.time_zone is not None)
    elif series.implementation.is_pyarrow():
        values = series.to_native().to_pylist()
    else:
        values = _without_gaps(series)
    return [None if value != value else value for value in values] if dtype.is_float() else values  # noqa: PLR0124


def _without_gaps(series: Any) -> list[Any]:
    """A pandas column with None where it has NaN, NaT or NA."""
    values: list[Any] = series.to_list()
    if not series.null_count():
        return values
    return [None if gap else value for value, gap in zip(values, series.is_null().to_list(), strict=True)]


def _moments(series: Any, *, aware: bool) -> list[Any]:
    """A pandas column of times as Python has them: to the microsecond, those with a zone in UTC."""
    if aware:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    values = series.to_numpy().astype("datetime64[us]").tolist()
    return [value and value.replace(tzinfo=UTC) for value in values] if aware else values


def _arrow_moments(array: Any, *, aware: bool) -> list[Any]:
    """Like ``to_pylist``, which imports pandas and takes twenty times as long."""
    import pyarrow as pa

    ticks = array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64()).to_pylist()
    start = datetime(1970, 1, 1, tzinfo=UTC if aware else None)
    return [None if tick is None else start + timedelta(microseconds=tick) for tick in ticks]

"""The same data gives the same outcomes, whatever brings it."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aumconnect._mapping.mapper import Mapper
from aumconnect._mapping.tables import mapping_from_table
from aumconnect.errors import ConfigurationError
from aumconnect.record import Key, Record, To, mapping_of
from aumconnect.sources import Rows, Unreadable, rows

# --- one truth, many carriers -----------------------------------------------------------------------------

MOMENT = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
DATA: list[dict[str, Any]] = [
    {"id": "00123", "no": 7, "score": 0.1, "amount": 12.5, "band": "low", "at": MOMENT, "ok": True},
    {"id": " x ", "no": 8, "score": 0.25, "amount": None, "band": None, "at": None, "ok": None},
    {"id": "00123", "no": 7, "score": 0.1, "amount": 12.5, "band": "low", "at": MOMENT, "ok": True},
    {"id": "00123", "no": 7, "score": 0.2, "amount": 12.5, "band": "low", "at": MOMENT, "ok": True},
    {"id": None, "no": 9, "score": 0.5, "amount": 1.0, "band": "mid", "at": MOMENT, "ok": False},
    {"id": "d", "no": None, "score": 0.5, "amount": 1.0, "band": "low", "at": MOMENT, "ok": False},
    {"id": "e", "no": 10, "score": None, "amount": 2.0, "band": "low", "at": MOMENT, "ok": False},
    {"id": "f", "no": 11, "score": 1.5, "amount": 3.0, "band": "gone", "at": MOMENT, "ok": False},
    {"id": 'g,\n"h"', "no": 12, "score": 1.0, "amount": 4.25, "band": "ü", "at": MOMENT, "ok": False},
]
MAPPING = mapping_from_table(
    "Contact",
    {
        "Score": {"from": "score", "type": "float", "ge": 0, "le": 1},
        "Amount": {"from": "amount", "type": "decimal", "round": 1, "missing": "skip"},
        "Band": {"from": "band", "choices": ["low", "mid", "ü"], "missing": "clear"},
        "At": {"from": "at", "type": "datetime", "missing": "skip"},
        "Ok": {"from": "ok", "type": "boolean", "missing": "skip"},
    },
    {"Id": "id", "No": "no"},
)


def as_csv(path: Path) -> Any:
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(DATA[0]))
        writer.writeheader()
        writer.writerows(DATA)
    return path


def as_jsonl(path: Path) -> Any:
    path.write_text("\n".join(json.dumps(row, default=str) for row in DATA) + "\n\n")
    return path


def as_parquet(path: Path) -> Any:
    pq.write_table(pa.Table.from_pylist(DATA), path, row_group_size=2)
    return path


@dataclass
class Stream:
    """Any object with an Arrow stream, such as a database's result."""

    table: Any

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def floats(frame: pd.DataFrame) -> pd.DataFrame:
    """As a join leaves it: keys next to a gap are floats, everything else is an object."""
    return frame.astype({"no": "float64"}).astype({"band": object, "ok": object})


SOURCES = {
    "dicts": lambda _: DATA,
    "generator": lambda _: (row for row in DATA),
    "csv": lambda path: as_csv(path / "a.csv"),
    "jsonl": lambda path: as_jsonl(path / "a.jsonl"),
    "parquet": lambda path: as_parquet(path / "a.parquet"),
    "pandas": lambda _: pd.DataFrame(DATA),
    "pandas floats": lambda _: floats(pd.DataFrame(DATA)),
    "pandas nullable": lambda _: pd.DataFrame(DATA).convert_dtypes(),
    "pandas arrow": lambda _: pa.Table.from_pylist(DATA).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda _: pl.DataFrame(DATA),
    "polars lazy": lambda _: pl.DataFrame(DATA).lazy(),
    "pyarrow table": lambda _: pa.Table.from_pylist(DATA),
    "pyarrow batch": lambda _: pa.RecordBatch.from_pylist(DATA),
    "pyarrow reader": lambda _: pa.Table.from_pylist(DATA).to_reader(),
    "arrow stream": lambda _: Stream(pa.Table.from_pylist(DATA)),
}


def outcome_of(source: Any) -> tuple[Any, ...]:
    mapper = Mapper(MAPPING)
    mapped = list(mapper.map(rows(source)))
    changes = [(c.ref, c.key, dict(c.values)) for m in mapped for c in m.changes]
    ended = {
        o.ref: o.reason or sorted((p.code, p.field, p.column, p.message) for p in o.problems)
        for m in mapped
        for o in m.outcomes
    }
    return changes, ended, mapper.missing


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_every_source_gives_the_same_outcomes(source, tmp_path):
    changes, ended, missing = outcome_of(source(tmp_path))

    assert changes == [
        (0, ("00123", "7"), {"Score": 0.1, "Amount": Decimal("12.5"), "Band": "low", "At": MOMENT, "Ok": True}),
        (1, ("x", "8"), {"Score": 0.25, "Band": outcome_of(DATA)[0][1][2]["Band"]}),
        (8, ('g,\n"h"', "12"), {"Score": 1.0, "Amount": Decimal("4.2"), "Band": "ü", "At": MOMENT, "Ok": False}),
    ]
    assert (ended, missing) == outcome_of(DATA)[1:]
    assert ended[2] == "the same as row 0"
    assert sorted(ended) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"k": ["a", "b"], "s": pd.Series([0.1, None], dtype="float32")}),
        pl.DataFrame({"k": ["a", "b"], "s": [0.1, None]}, schema_overrides={"s": pl.Float32}),
        pa.table({"k": ["a", "b"], "s": pa.array([0.1, None], pa.float32())}),
        [{"k": "a", "s": np.float32(0.1)}, {"k": "b", "s": np.float32("nan")}],
    ],
    ids=["pandas", "polars", "pyarrow", "numpy scalars"],
)
def test_a_float32_is_read_by_its_shortest_text(frame):
    mapping = mapping_from_table(
        "X", {"S": {"from": "s", "type": "decimal", "missing": "skip"}, "C": {"constant": 1}}, {"K": "k"}
    )

    [mapped] = Mapper(mapping).map(rows(frame))

    assert [dict(change.values) for change in mapped.changes] == [{"S": Decimal("0.1"), "C": 1}]


def test_times_are_read_to_the_microsecond_without_a_warning():
    moment = pd.Timestamp("2026-11-23T10:30:00.123456789Z")
    frames = [
        pd.DataFrame({"at": [moment, None]}),
        pa.table({"at": pa.array([moment, None])}),
        [{"at": moment}, {"at": pd.NaT}],
    ]

    for frame in frames:
        mapping = mapping_from_table("X", {"At": {"from": "at", "type": "datetime", "missing": "clear"}}, {})
        [mapped] = Mapper(mapping).map(rows(frame))
        assert mapped.changes[0].values["At"] == datetime(2026, 11, 23, 10, 30, 0, 123456, tzinfo=UTC)


class Score(Record, object="Contact"):
    customer: Annotated[str, Key("Id")]
    score: Annotated[float | None, To("Score", missing="clear")] = None


def test_records_are_rows_and_what_was_never_set_is_absent():
    [mapped] = Mapper(mapping_of(Score)).map(rows([Score(customer="a", score=1), Score(customer="b")]))

    assert [change.values for change in mapped.changes] == [{"Score": 1.0}]
    assert [outcome.ref for outcome in mapped.skipped] == [1]


# --- files ------------------------------------------------------------------------------------------------


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_bad_csv_row_is_told_by_its_line_and_the_rest_goes_on(tmp_path):
    path = write(tmp_path / "a.csv", b'\xef\xbb\xbfk, a\n1,2\n1,2,3\n\n"x\ny",\n\xff,4\nlast,"5"6\n7,8\n')

    assert rows(path).columns == ("k", "a")
    assert list(rows(path)) == [
        {"k": "1", "a": "2"},
        Unreadable("column_count", "line 3 has 3 columns, the header has 2"),
        {"k": "x\ny", "a": None},
        Unreadable("encoding", "line 7 is not utf-8"),
        Unreadable("csv", "lines 8 to 8: ',' expected after '\"'"),
        {"k": "7", "a": "8"},
    ]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)


@settings(max_examples=150)
@given(st.lists(st.tuples(cells.filter(bool), cells), max_size=6))
def test_what_the_csv_module_writes_comes_back(tmp_path_factory, table):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("k", "a"), *table])
    path = write(tmp_path_factory.getbasetemp() / "round.csv", text.getvalue())

    assert list(rows(path)) == [{"k": key, "a": cell or None} for key, cell in table]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "has no header"),
        ("a.csv", "k,k\n1,2\n", "the column 'k' more than once"),
        ("a.csv", "k;a\n1;2\n", "seems to have one column"),
        ("a.parquet", "PAR1", "is not a Parquet file"),
        ("a.xlsx", "", "rows are read from"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(tmp_path, name, content, message):
    with pytest.raises(ConfigurationError, match=message):
        rows(write(tmp_path / name, content))


def test_a_missing_file_names_its_neighbours(tmp_path):
    write(tmp_path / "predictions.csv", "k\n1\n")

    with pytest.raises(ConfigurationError) as refused:
        rows(tmp_path / "prediction.csv")

    assert refused.value.hint == "did you mean 'predictions.csv'?"


def test_delimiters(tmp_path):
    assert list(rows(write(tmp_path / "a.csv", "k;a\n1;2\n"), delimiter=";")) == [{"k": "1", "a": "2"}]
    assert list(rows(write(tmp_path / "a.tsv", "k\ta\n1\t2\n"))) == [{"k": "1", "a": "2"}]


def test_a_bad_json_line_is_told_by_its_number_and_the_rest_goes_on(tmp_path):
    lines = [
        b'\xef\xbb\xbf{"k": 1}',
        b"",
        b"{",
        b'{"k": 1, "k": 2}',
        b"[1]",
        b'{"k": "\xff"}',
        b"[" * 99999,
        b'{"k": NaN}',
    ]
    found = list(rows(write(tmp_path / "a.jsonl", b"\n".join(lines))))

    assert found[0] == {"k": 1}
    assert [one.message.partition(":")[0] for one in found[1:6]] == [
        "line 3 is not JSON",
        "line 4 is not JSON",
        "line 5 is not a JSON object",
        "line 6 is not JSON",
        "line 7 is not JSON",
    ]
    assert math.isnan(found[6]["k"])


def test_json_numbers_keep_every_digit(tmp_path):
    path = write(tmp_path / "a.ndjson", '{"a": 0.1, "b": 12345678901234567.89, "c": 12345678901234567890}')

    assert list(rows(path)) == [{"a": 0.1, "b": Decimal("12345678901234567.89"), "c": 12345678901234567890}]


def test_a_parquet_file_reads_only_the_columns_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2]}), path)

    assert list(rows(path, columns=["b", "nope"])) == [{"b": 2}]


def test_without_pyarrow_the_error_names_the_extra(tmp_path):
    program = "import sys; sys.modules['pyarrow'] = None; from aumconnect.sources import rows; rows('a.parquet')"
    (tmp_path / "a.parquet").touch()

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "pip install 'aumconnect[parquet]'" in done.stderr


# --- reading twice, and what is no source -----------------------------------------------------------------


def test_a_file_starts_over_and_an_iterator_says_that_it_cannot(tmp_path):
    path = rows(write(tmp_path / "a.csv", "k\n1\n"))
    once = rows(iter([{"k": 1}]))

    assert list(path) == list(path)
    assert list(once) == [{"k": 1}]
    with pytest.raises(ConfigurationError, match="only once"):
        iter(once)


@pytest.mark.parametrize("source", [{"k": 1}, Score(customer="a"), 17, b"bytes", None])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(ConfigurationError):
        rows(source)


def test_rows_of_rows_are_the_same_rows():
    source = Rows(lambda: iter([{"k": 1}]))

    assert rows(source) is source


# --- memory -----------------------------------------------------------------------------------------------


def test_a_long_parquet_file_is_never_in_memory_at_once(tmp_path):
    """Resident memory above the imports; the rows as Python objects would take over 100 MB."""
    path = tmp_path / "big.parquet"
    writer = None
    for start in range(0, 300_000, 50_000):
        table = pa.table(
            {
                "id": [f"C-{n:07d}" for n in range(start, start + 50_000)],
                "score": np.random.default_rng(1).random(50_000),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    program = f"""
import resource, narwhals, pyarrow.parquet
from aumconnect.sources import rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in rows({str(path)!r}))
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, megabytes = map(int, done.stdout.split())

    assert count == 300_000
    assert megabytes < 60

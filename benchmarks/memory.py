"""What a large run holds in memory: rows from a Parquet file to the last outcome, MiB above the imports.

python -m benchmarks.memory [--rows 1000000]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import harness
from benchmarks.records import BANDS
from benchmarks.salesforce import WORKERS, all_written, connection, record
from benchmarks.server import running


def make(path: Path, rows: int) -> None:
    """Predictions as a model job leaves them, written in row groups of 64k."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("customer_id", pa.string()), ("score", pa.float64()), ("band", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(1, rows + 1, 65_536):
            keys = range(start, min(start + 65_536, rows + 1))
            columns = [list(map(str, keys)), [key % 1000 / 1000 for key in keys], [BANDS[key % 3] for key in keys]]
            writer.write_table(pa.table(columns, schema=schema))


def write(url: str, path: Path, rows: int) -> None:
    from aumconnect import Client

    with Client(**connection(url)) as crm:
        all_written(crm.upsert(record(), path), rows)


def compare(counts: list[int]) -> str:
    found = []
    with running() as server, tempfile.TemporaryDirectory() as folder:
        for rows in counts:
            path = Path(folder) / f"{rows}.parquet"
            make(path, rows)
            server.reset(0.0)
            figures = harness.run_once(__spec__.name, "--url", server.url, "--path", path, "--rows", rows)
            server.check(rows)
            found.append((f"{rows:,}", f"{figures.wall:.1f}", f"{figures.cpu:.1f}", f"{figures.peak:.0f}"))
    return harness.table(["rows", "wall s", "CPU s", "peak MiB above the imports"], found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--url")
    parser.add_argument("--path", type=Path)
    arguments = parser.parse_args()
    if arguments.url:
        harness.pin()
        with tempfile.TemporaryDirectory() as folder:
            warm = Path(folder) / "warm.parquet"
            make(warm, WORKERS)
            write_nothing(arguments.url, warm)
        harness.report(harness.measure(lambda: write(arguments.url, arguments.path, arguments.rows[0])))
        return
    print(compare(arguments.rows))


def write_nothing(url: str, path: Path) -> None:
    """Import what a run needs, and read a file, without sending a record."""
    from aumconnect import Client
    from aumconnect.sources import rows

    with Client(**connection(url)) as crm:
        all_written(crm.upsert(record(), []), 0)
    list(rows(path))


if __name__ == "__main__":
    main()

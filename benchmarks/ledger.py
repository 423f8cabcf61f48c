"""What the ledger costs: CPU a record for its journal, and the time to find what changed among rows it knows.

python -m benchmarks.ledger [--quick] [--postgres postgresql://…]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import harness

CHUNK = 200
JOB = """\
ledger = {ledger!r}
[connections.shop]
url = "memory://shop"
[writebacks.items]
source = "items.parquet"
to = "shop:Item"
operation = "upsert"
diff = "ledger"
key = {{ code = "id" }}
[writebacks.items.fields]
score = "score"
band = "band"
"""


class Shop:
    """A job file and its source in one folder; the system is `FakeMemory`, in this process."""

    def __init__(self, folder: Path, ledger: str, rows: int) -> None:
        from aumconnect.testing.fakes.memory import FakeMemory

        self.folder, self.rows, self.fake = folder, rows, FakeMemory()
        (folder / "aumconnect.toml").write_text(JOB.format(ledger=ledger))
        self.score(changed=False)

    def score(self, *, changed: bool) -> None:
        """The predictions of one day; ``changed``: of every hundredth row another."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("id", pa.string()), ("score", pa.float64()), ("band", pa.string())])
        with pq.ParquetWriter(self.folder / "items.parquet", schema) as writer:
            for start in range(0, self.rows, 65_536):
                refs = range(start, min(start + 65_536, self.rows))
                scores = [ref % 1000 / 1000 + (changed and ref % 100 == 0) for ref in refs]
                columns = [[f"I-{ref}" for ref in refs], scores, ["mid"] * len(refs)]
                writer.write_table(pa.table(columns, schema=schema))

    def project(self) -> Any:
        from aumconnect.client import Client
        from aumconnect.connectors.memory import Memory
        from aumconnect.testing.transport import FakeTransport
        from aumconnect.writeback import Project

        def connect(_: Any) -> Client:
            return Client(Memory("https://shop.invalid"), transport=FakeTransport(self.fake), clock=self.fake.clock)

        return Project(self.folder / "aumconnect.toml", connect=connect)

    def outcomes(self, changes: Sequence[Any]) -> list[Any]:
        """As if all had been written; the records that will change are really there."""
        from aumconnect.outcome import Outcome, Status

        return [Outcome(change.ref, Status.CREATED, self._id(change), change.key) for change in changes]

    def _id(self, change: Any) -> str:
        if change.ref % 100:
            return f"N{change.ref:09d}"
        return str(self.fake.add("Item", code=change.key[0], score=str(change.values["score"]), band="mid"))


def journal(shop: Shop, project: Any, plan: Any, group: int) -> harness.Figures:
    """Intents and outcomes of a whole plan, ``group`` chunks a commit, and the state brought up to date."""
    ledger = project.ledger
    with ledger.lease("items") as lease:
        ledger.start(lease, plan.run)
        book = ledger.journal(lease, plan.run)
        entries = list(_entries(shop, book.source(ledger.planned(plan.run)), group))

        def work() -> None:
            for commit in entries:
                book.commit(commit)
            book.end({}, {})

        return harness.measure(work)


def _entries(shop: Shop, changes: Iterator[Any], group: int) -> Iterator[list[Any]]:
    """What an engine with ``group`` chunks under way commits: the outcomes of the last and the intents of the next."""
    from aumconnect.connector import Batch, Operation
    from aumconnect.journal import Intent, Outcomes

    chunks = enumerate(iter(lambda: tuple(islice(changes, CHUNK)), ()))
    ended: list[Any] = []
    while some := list(islice(chunks, group)):
        batches = [
            (number, Batch("Item", Operation.UPSERT, rows, ("code",), None, f"t{number}")) for number, rows in some
        ]
        yield [*ended, *(Intent(number, batch, 1.0) for number, batch in batches)]
        ended = [Outcomes(number, shop.outcomes(batch.changes), 2.0) for number, batch in batches]
    yield ended


def second_plan(shop: Shop, project: Any) -> harness.Figures:
    shop.score(changed=True)
    found: list[Any] = []
    figures = harness.measure(lambda: found.append(project["items"].plan()))
    expected = {"update": -(-shop.rows // 100), "unchanged": shop.rows - -(-shop.rows // 100)}
    if found[0].counts != expected:
        raise RuntimeError(f"the plan says {found[0].counts}, not {expected}")
    return figures


def measure(rows: int, ledger: str, group: int) -> tuple[harness.Figures, harness.Figures]:
    with tempfile.TemporaryDirectory() as name:
        shop = Shop(Path(name), ledger, rows)
        with shop.project() as project:
            written = journal(shop, project, project["items"].plan(), group)
            return written, second_plan(shop, project)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--postgres", help="URL of an empty database to measure as well")
    arguments = parser.parse_args()
    harness.pin()
    rows, many = (5_000, 20_000) if arguments.quick else (100_000, 1_000_000)
    print(f"Journal and state of {rows:,} records in chunks of {CHUNK}: an intent before, an outcome after each.\n")
    journals = []
    for ledger in ["ledger.db", *([arguments.postgres] if arguments.postgres else [])]:
        kind = "PostgreSQL" if "://" in ledger else "SQLite, fsync on"
        for group in (1, 4):
            figures, _ = measure(rows, ledger, group)
            cost = f"{1e6 * figures.cpu / rows:.1f}"
            journals.append((f"{kind}, {group} chunks a commit", cost, f"{figures.wall:.2f}"))
    print(harness.table(["ledger", "CPU µs a record", "wall s"], journals), flush=True)
    print("\nA plan over rows the ledger knows, of which 1 % changed; those are read back and compared.\n")
    _, figures = measure(many, "ledger.db", 4)
    found = (f"{many:,}", f"{figures.wall:.1f}", f"{figures.cpu:.1f}", f"{figures.peak:.0f}")
    print(harness.table(["rows", "wall s", "CPU s", "peak MiB"], [found]))


if __name__ == "__main__":
    main()

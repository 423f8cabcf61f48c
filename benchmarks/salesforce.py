"""Scores into Salesforce, end to end: this library beside simple-salesforce, over the same server in one run.

Each way starts from a list of dicts, maps it to records, sends them and reads the outcome of every record.
This library's ways also check the types and ranges of every field and hold them against the describe; with
the journal, an intent is durable (fsync) before its request leaves, and an outcome after its answer.

    python -m benchmarks.salesforce [--records 10000 100000] [--latencies 0 20 100] [--runs 3]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from benchmarks import harness
from benchmarks.records import PATH, predictions
from benchmarks.send import WORKERS, check, collection, in_threads
from benchmarks.server import Server, running

LOOP_RECORDS = 200
Rows = list[dict[str, Any]]


# --- simple-salesforce -----------------------------------------------------------------------------------


def loop(url: str, rows: Rows) -> None:
    from benchmarks.peers import salesforce

    sf = salesforce(url)
    for row in rows:
        sf.Contact.upsert(f"Ext__c/{row['customer_id']}", {"Score__c": row["score"], "Band__c": row["band"]})


def collections(url: str, rows: Rows) -> None:
    from benchmarks.peers import salesforce

    path, sf = PATH.partition("v62.0/")[2], salesforce(url)
    in_threads(rows, lambda: lambda batch: check(sf.restful(path, method="PATCH", json=collection(batch))))


# --- this library ----------------------------------------------------------------------------------------


def connection(url: str) -> dict[str, Any]:
    return {"target": url.replace("http://", "salesforce+http://"), "auth": lambda: "token", "parallel": WORKERS}


def record() -> Any:
    from annotated_types import Ge, Le

    import aumconnect as aum

    class Score(aum.Record, object="Contact"):
        customer_id: Annotated[str, aum.Key("Ext__c")]
        score: Annotated[float, aum.To("Score__c"), Ge(0), Le(1)]
        band: Annotated[Literal["low", "mid", "high"] | None, aum.To("Band__c")]

    return Score


def client(url: str, rows: Rows) -> None:
    from aumconnect import Client

    with Client(**connection(url)) as crm:
        all_written(crm.upsert(record(), rows), len(rows))


def async_client(url: str, rows: Rows) -> None:
    from aumconnect import AsyncClient

    async def main() -> None:
        async with AsyncClient(**connection(url)) as crm:
            all_written(await crm.upsert(record(), rows), len(rows))

    asyncio.run(main())


def journaled(url: str, rows: Rows) -> None:
    """As a writeback does it, without its plan: intents and outcomes in a ledger, a fence before each request."""
    from aumconnect import Client
    from aumconnect.connector import Operation
    from aumconnect.report import Report
    from aumconnect.writeback.ledger import Ledger

    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger(folder=Path(folder)) as ledger,
        Client(**connection(url)) as crm,
    ):
        writing = crm.run(crm._prepared(Operation.UPSERT, record(), rows, None))  # noqa: SLF001  (what `write` does)
        scope = ledger.scope("bench", "salesforce:bench", writing.object)
        run = writing.run_id
        ledger.begin_plan(scope, run, operation="upsert", key=writing.key, fields=writing.mapper.fields)
        lease, report = ledger.lease("bench"), Report()
        with lease:
            ledger.start(lease, run)
            journal = ledger.journal(lease, run)
            engine = crm.engine(writing.object, Operation.UPSERT, writing.key, writing.schema, run_token=run)
            crm.carry(engine, writing.rows(), journal=journal, fence=lease.check, on_outcomes=report.add)
            journal.fold()
    all_written(report, len(rows))


def all_written(report: Any, rows: int) -> None:
    report.raise_for_errors()
    if report.total != rows:
        raise AssertionError(f"{rows} rows, but {report}")


WAYS = {
    "simple-salesforce, one by one": loop,
    "simple-salesforce, collections, 10 threads": collections,
    "aumconnect Client.upsert": client,
    "aumconnect AsyncClient.upsert": async_client,
    "aumconnect with a journal": journaled,
}


def compare(records: list[int], latencies: list[int], runs: int, server: Server) -> str:
    """Medians for every way, size and latency (ms)."""
    rows = []
    for count in records:
        for latency in latencies:
            ways = [way for way in WAYS if count == records[0] or WAYS[way] is not loop]
            found: dict[str, list[harness.Figures]] = {way: [] for way in ways}
            for _ in range(runs):
                for way, figures in found.items():
                    figures.append(one(way, size(way, count), latency, server))
            rows += [line(way, size(way, count), latency, harness.medians(figures)) for way, figures in found.items()]
    return harness.table(["records", "latency ms", "way", "wall s", "CPU s", "peak MiB", "records/s"], rows)


def size(way: str, records: int) -> int:
    """One record a request is not worth waiting for any longer, nor twice."""
    return min(records, LOOP_RECORDS) if WAYS[way] is loop else records


def line(way: str, records: int, latency: int, figures: harness.Figures) -> tuple[object, ...]:
    wall, cpu, peak = figures.wall, figures.cpu, figures.peak
    return f"{records:,}", latency, way, f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}", f"{records / wall:,.0f}"


def one(way: str, records: int, latency: int, server: Server) -> harness.Figures:
    """One run; raises unless each record arrived once."""
    server.reset(latency / 1000)
    figures = harness.run_once(__spec__.name, "--way", way, "--url", server.url, "--records", records)
    server.check(records)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--latencies", type=int, nargs="+", default=[0, 20, 100])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--url")
    arguments = parser.parse_args()
    if arguments.way:
        harness.pin()
        rows = predictions(arguments.records[0])
        WAYS[arguments.way](arguments.url, [])  # imports what it needs
        harness.report(harness.measure(lambda: WAYS[arguments.way](arguments.url, rows)))
        return
    with running() as server:
        print(compare(arguments.records, arguments.latencies, arguments.runs, server))


if __name__ == "__main__":
    main()

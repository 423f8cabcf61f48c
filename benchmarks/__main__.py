"""All benchmarks as one page; ``--quick`` for a glance, ``--write`` to put it into the documentation.

python -m benchmarks [--quick] [--write] [--only send start ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import harness, memory, salesforce, send, server, start

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
INTRODUCTION = """\
# Benchmarks

`make bench` measures on your machine: `make bench ARGS=--quick` for a glance, `ARGS=--write` to renew this page. The
server runs on a core of its own and the client on another; it answers at constant cost from prepared bytes, and its
ceiling stands below, so that a figure near it is the server's and not the client's. Each run is a process of its own
and counts only if the server's counters show every record exactly once. Figures are medians; CPU is the client's,
user and system, and imports are not in it.
"""
FROM_LIST = """\
From a list of dicts to the outcome of every record, ten requests in flight. This library's figures include typed
validation of every field; “with a journal” also a durable intent before each request and a durable outcome after it.
simple-salesforce does neither: what a record costs more here is mostly its validation, the search for duplicate keys
and its outcome; the sending itself costs less (above)."""


def ceiling() -> str:
    with server.running() as running:
        return f"{server.ceiling(running):,.0f} records/s in collections of 200 over ten bare sockets."


def sending(quick: bool) -> str:
    with server.running() as running:
        return send.compare(*((2_000, 1) if quick else (100_000, 3)), running)


def end_to_end(quick: bool) -> str:
    with server.running() as running:
        return salesforce.compare(*(([2_000], [0], 1) if quick else ([10_000, 100_000], [0, 20, 100], 3)), running)


def script(name: str) -> Callable[[bool], str]:
    """A benchmark that prints its own table."""

    def run(quick: bool) -> str:
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    return run


SECTIONS: dict[str, tuple[str, str, Callable[[bool], str]]] = {
    "ceiling": ("The server's ceiling", "", lambda quick: ceiling()),
    "send": (
        "How to send",
        "The same collections of 200 records by ten workers, JSON both ways, through one HTTP stack after another.",
        sending,
    ),
    "salesforce": (
        "Scores into Salesforce",
        FROM_LIST,
        end_to_end,
    ),
    "mapping": ("Typed mapping", "From a list of dicts to changes ready to send.", script("mapping")),
    "ledger": ("The ledger", "", script("ledger")),
    "memory": (
        "Memory",
        "Rows from a Parquet file to the last outcome.",
        lambda quick: memory.compare([50_000] if quick else [1_000_000]),
    ),
    "start": ("Starting", "", lambda quick: start.compare(3 if quick else 15)),
}


def page(names: list[str], quick: bool) -> str:
    """The whole page, printed section by section as it grows."""
    measured_on = harness.machine("aumconnect", "httpx", "simple-salesforce", "pydantic", "SQLAlchemy")
    parts = [INTRODUCTION, f"Measured on {measured_on}.\n"]
    print("\n".join(parts), flush=True)
    for name in names:
        title, text, measure = SECTIONS[name]
        parts.append("\n\n".join(part for part in (f"## {title}", text, measure(quick)) if part) + "\n")
        print(parts[-1], flush=True)
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run: does it work, not how fast is it")
    parser.add_argument("--write", action="store_true", help=f"write the page to {PAGE.name}")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="these sections only")
    arguments = parser.parse_args()
    text = page(arguments.only or list(SECTIONS), arguments.quick)
    if arguments.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

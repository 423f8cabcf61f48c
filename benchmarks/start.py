"""What starting costs: seconds of CPU of a fresh interpreter above a bare one, median of several.

python -m benchmarks.start [--runs 15]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import aumconnect
from benchmarks import harness

WAYS = {
    "aumconnect: import aumconnect": ["-c", "import aumconnect"],
    "aumconnect: aumconnect --help": [
        "-c",
        'import sys; sys.argv = ["aumconnect", "--help"]; from aumconnect.cli import main; main()',
    ],
    "aumconnect: from aumconnect import Client": ["-c", "from aumconnect import Client"],
    "import httpx": ["-c", "import httpx"],
    "import requests": ["-c", "import requests"],
    "import simple_salesforce": ["-c", "import simple_salesforce"],
}


def cpu_of(arguments: list[str]) -> float:
    """Seconds of CPU, user and system, of one fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "100"}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def compare(runs: int) -> str:
    cpu_of(["-m", "compileall", "-q", str(Path(aumconnect.__file__).parent)])
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    bare = []
    for _ in range(runs):
        bare.append(cpu_of(["-c", ""]))
        for way, arguments in WAYS.items():
            found[way].append(cpu_of(arguments))
    floor = statistics.median(bare)
    rows = [(way, f"{1000 * (statistics.median(times) - floor):.0f}") for way, times in found.items()]
    return harness.table(["start", f"CPU ms above bare Python ({1000 * floor:.0f})"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    harness.pin()
    print(compare(arguments.runs))


if __name__ == "__main__":
    main()

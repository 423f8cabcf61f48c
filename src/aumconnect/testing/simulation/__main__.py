"""``python -m aumconnect.testing.simulation --seeds 10000`` or ``--seed 4711``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from aumconnect.testing.simulation import compare

BLOCK = 100


def main(arguments: list[str] | None = None) -> int:
    """0 when every law holds; 1 otherwise, with the command that shows the first broken one again."""
    parser = argparse.ArgumentParser(prog="python -m aumconnect.testing.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run just this one and show its trace")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: one a core)")
    asked = parser.parse_args(arguments)
    return show(asked.seed) if asked.seed is not None else campaign(asked.first, asked.seeds, asked.jobs)


def show(seed: int) -> int:
    """Run one seed and print what happened."""
    history = compare(seed)
    for entry in history.trace:
        print(*entry)  # noqa: T201  (a command)
    print(dict(history.counts), f"{history.lives} lives")  # noqa: T201  (a command)
    return 0


def campaign(first: int, seeds: int, jobs: int | None) -> int:
    """Run many seeds on all cores."""
    started = time.perf_counter()
    blocks = [range(start, min(start + BLOCK, first + seeds)) for start in range(first, first + seeds, BLOCK)]
    with ProcessPoolExecutor(jobs) as pool:
        broken = [found for block in pool.map(failures, blocks) for found in block]
    print(f"{seeds} seeds in {time.perf_counter() - started:.0f} s, {len(broken)} broke a law")  # noqa: T201  (a command)
    for seed, law in broken[:20]:
        print(f"  python -m aumconnect.testing.simulation --seed {seed}   # {law}")  # noqa: T201  (a command)
    return 1 if broken else 0


def failures(seeds: Iterable[int]) -> list[tuple[int, str]]:
    """The seeds that break a law, and which."""
    found = []
    for seed in seeds:
        try:
            compare(seed)
        except Exception as error:  # noqa: BLE001  (whatever goes wrong is a finding)
            found.append((seed, f"{type(error).__name__}: {error}"))
    return found


if __name__ == "__main__":
    sys.exit(main())

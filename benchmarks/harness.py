"""Runs one way of doing a job in a process of its own, pinned to one core, and says what it cost.

A benchmark script defines ``WAYS``: name → function. Called with ``--way`` it does that one and prints its
figures as JSON; otherwise it runs every way several times, interleaved, and prints the medians as a table.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

CLIENT_CORE, SERVER_CORE = 1, 0


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run, or the medians of several: seconds, seconds of the process's CPU, MiB above the start of the work."""

    wall: float
    cpu: float
    peak: float


def pin(core: int = CLIENT_CORE) -> None:
    """Keep this process on one core, where there are two."""
    if (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})


def measure(work: Callable[[], Any]) -> Figures:
    """What ``work`` costs in this process."""
    before, cpu, started = _resident(), time.process_time(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Figures(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)


def _resident() -> float:
    """MiB of memory in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)


def report(figures: Figures) -> None:
    """Hand the figures to the process that started this one."""
    print(json.dumps([figures.wall, figures.cpu, figures.peak]))


def run_once(module: str, *arguments: object) -> Figures:
    """One run of ``module`` in a fresh process."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return Figures(*json.loads(done.stdout.splitlines()[-1]))


def medians(runs: Sequence[Figures]) -> Figures:
    return Figures(
        *(statistics.median(column) for column in zip(*((run.wall, run.cpu, run.peak) for run in runs), strict=True))
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown; our own ways stand out."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = [f"**{cell}**" if str(cell).startswith("aumconnect") else str(cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine(*packages: str) -> str:
    """One line: what this was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    libraries = ", ".join(f"{name} {version(name)}" for name in packages)
    load = os.getloadavg()[0]
    return (
        f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {libraries}; load {load:.1f} at the start"
    )

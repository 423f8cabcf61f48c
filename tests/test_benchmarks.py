"""The benchmarks run, and their server would notice a record that was lost or sent twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def server():
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.server import running
    finally:
        sys.path.remove(str(ROOT))
    with running(core=None) as server:
        yield server


def benchmark(module, *arguments):
    script = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(script, check=False, capture_output=True, text=True, timeout=100, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


WAYS = [
    ("send", "simple-salesforce, collections, 10 threads"),
    ("send", "aumconnect HTTPTransport"),
    ("send", "aumconnect AsyncHTTPTransport"),
    ("salesforce", "simple-salesforce, one by one"),
    ("salesforce", "aumconnect Client.upsert"),
    ("salesforce", "aumconnect AsyncClient.upsert"),
    ("salesforce", "aumconnect with a journal"),
]


@pytest.mark.parametrize(("module", "way"), WAYS)
def test_each_way_sends_every_record_once(server, module, way):
    server.reset(0.0)

    benchmark(module, "--way", way, "--url", server.url, "--records", "450")

    server.check(450)
    with pytest.raises(AssertionError, match="not every record"):
        server.check(451)


def test_a_large_file_is_carried_in_little_memory():
    table = benchmark("memory", "--rows", "20000")

    assert float(table.splitlines()[-1].split("|")[-2]) < 150

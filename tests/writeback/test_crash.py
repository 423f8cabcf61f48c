"""A run may die anywhere: nothing is lost, nothing is written twice. The long form is ``killloop.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

LOOP = Path(__file__).with_name("killloop.py")


def loop(ledger_url: str, operation: str, *more: str) -> None:
    command = [sys.executable, str(LOOP), "--ledger", ledger_url, "--operation", operation, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("operation", ["upsert", "insert"])
def test_each_named_place(ledger_url: str, operation: str) -> None:
    loop(ledger_url, operation, "--hooks", "--rows", "60")


@pytest.mark.parametrize("operation", ["upsert", "insert"])
def test_any_moment(ledger_url: str, operation: str) -> None:
    loop(ledger_url, operation, "--kills", "3", "--rows", "200")

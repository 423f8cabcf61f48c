"""A CRM over real HTTP, and a folder with a job file that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk, crm

from aumconnect.testing.emulator import serve


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SF_CLIENT_ID", "id")
    monkeypatch.setenv("SF_SECRET", "s3cret-canary")
    monkeypatch.setenv("COLUMNS", "200")
    fake = crm(contacts=20)
    with serve(fake) as emulator:
        desk = Desk(tmp_path, fake, emulator.url, capsys)
        desk.job()
        desk.write(*(f"C-{number},0.{number:02},low" for number in range(20)))
        yield desk

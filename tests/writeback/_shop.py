"""A job file, its source and an in-memory system, for tests of whole writebacks."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aumconnect.client import Client
from aumconnect.connectors.memory import Memory
from aumconnect.testing.fakes.memory import FakeMemory
from aumconnect.testing.transport import FakeTransport
from aumconnect.writeback import Project

JOB = """\
ledger = {ledger!r}

[connections.shop]
url = "memory://shop"

[writebacks.items]
source = "items.csv"
to = "shop:Item"
operation = "{operation}"
key = {{ code = "id" }}
{more}

[writebacks.items.fields]
score = {{ from = "score", missing = "skip" }}
band = {{ from = "band", missing = "clear" }}
"""


class PickyMemory(FakeMemory):
    """Refuses the records whose code is in ``refused``, for reasons only it knows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.refused: set[str] = set()

    def _write_row(self, table: Any, asked: Any, row: Any) -> dict[str, Any]:
        if row["values"].get("code") in self.refused:
            problem = {"code": "no-thanks", "message": "a rule of ours", "field": "score", "class": "validation"}
            return {"ref": row["ref"], "status": "rejected", "problems": [problem]}
        return super()._write_row(table, asked, row)


class Shop:
    """Everything a writeback needs, in one folder. The fake's clock is the project's."""

    def __init__(self, folder: Path, ledger: str, *, operation: str = "upsert", more: str = "") -> None:
        self.folder = folder
        self.fake: PickyMemory = PickyMemory()
        self.ledger = ledger
        self.job_file(ledger, operation=operation, more=more)

    def job_file(self, ledger: str, *, operation: str = "upsert", more: str = "") -> None:
        (self.folder / "aumconnect.toml").write_text(JOB.format(ledger=ledger, operation=operation, more=more))

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write the source."""
        with (self.folder / "items.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["id", "score", "band"])
            writer.writeheader()
            writer.writerows(rows)

    def project(self) -> Project:
        def connect(settings: Any) -> Client:
            transport = FakeTransport(self.fake)
            return Client(
                Memory(settings.url.replace("memory://", "https://") + ".invalid"),
                transport=transport,
                clock=self.fake.clock,
            )

        return Project(self.folder / "aumconnect.toml", connect=connect, clock=self.fake.clock)

    @property
    def items(self) -> dict[str, dict[str, Any]]:
        """The records of the system, by code."""
        return {record["code"]: record for record in self.fake["Item"]}


def row(number: int, score: object = 0.5, band: str = "mid") -> dict[str, Any]:
    return {"id": f"I-{number}", "score": score, "band": band}

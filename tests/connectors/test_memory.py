"""The memory connector keeps every law of the contract that its system can."""

from typing import ClassVar

import pytest

from aumconnect.connectors.memory import Memory
from aumconnect.testing.contract import ConnectorContract
from aumconnect.testing.fakes.memory import FakeMemory


class TestMemory(ConnectorContract):
    object, key, clearable = "Item", "code", "label"
    excused: ClassVar = {
        "test_a_token_that_expires_in_the_middle": "the system has no logins",
        "test_no_secret_is_ever_seen": "the system has no logins",
    }

    @pytest.fixture
    def fake(self):
        return FakeMemory()

    @pytest.fixture
    def connector(self):
        return Memory()

    def row(self, number):
        return {"code": f"C-{number}", "label": f"Label {number}", "score": 0.25, "band": "low"}

    def other(self, row):
        return {**row, "score": 0.75, "band": "high"}

    def bad_row(self, number):
        return {**self.row(number), "band": "no such band"}

    def twins(self, fake):
        for code in ("T-1", "T-2"):
            fake.add("Item", code=code, label="twin")
        return "label", "twin"

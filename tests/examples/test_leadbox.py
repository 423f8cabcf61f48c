"""The connector in one file keeps the contract, as far as a system can that only upserts."""

from typing import ClassVar

import pytest
from leadbox import Leadbox
from leadbox_fake import FakeLeadbox

from aumconnect.testing.contract import ConnectorContract

BLIND = "Leadbox has no way to read"


class TestLeadbox(ConnectorContract):
    object, key, clearable = "lead", "code", "note"
    excused: ClassVar = {
        "test_what_was_written_reads_back_canonically_equal": BLIND,
        "test_a_second_write_replaces_what_it_names_and_leaves_the_rest": BLIND,
        "test_clearing_clears": BLIND,
        "test_a_key_without_a_match_is_reported": BLIND,
        "test_a_key_that_several_share_is_reported": BLIND,
        "test_a_wrong_field_is_caught_before_anything_is_sent": "Leadbox does not say which fields it has",
        "test_a_token_that_expires_in_the_middle": "its tokens do not expire",
    }

    @pytest.fixture
    def fake(self):
        return FakeLeadbox()

    @pytest.fixture
    def connector(self):
        return Leadbox("https://leadbox.example")

    def row(self, number):
        return {"code": f"L{number}", "score": 0.5, "note": "hello"}

    def other(self, row):
        return {**row, "score": 0.75}

    def bad_row(self, number):
        return {**self.row(number), "score": 7}

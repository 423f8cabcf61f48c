"""The contract suite fails for connectors that break it, and for excuses that are not needed or say nothing."""

from __future__ import annotations

import pytest
from contract_mutants import MUTANTS, LogsItsToken

pytest_plugins = ["pytester"]

SUITE = """
import pytest
from contract_mutants import *
from leadbox_fake import FakeLeadbox
from aumconnect.testing.contract import ConnectorContract
from aumconnect.testing.fakes.memory import FakeMemory

class MemoryContract(ConnectorContract):
    object, key, clearable = "Item", "code", "label"
    connector_type = Memory

    @pytest.fixture
    def fake(self): return FakeMemory()

    @pytest.fixture
    def connector(self): return self.connector_type()

    def row(self, number): return {"code": f"C-{number}", "label": "x", "score": 0.25, "band": "low"}
    def other(self, row): return {**row, "score": 0.75}
    def bad_row(self, number): return {**self.row(number), "band": "no such band"}
    def twins(self, fake):
        for code in ("T-1", "T-2"):
            fake.add("Item", code=code, label="twin")
        return "label", "twin"

class LeadboxContract(ConnectorContract):
    object, key, clearable = "lead", "code", "note"

    @pytest.fixture
    def fake(self): return FakeLeadbox()

    @pytest.fixture
    def connector(self): return self.connector_type("https://leadbox.example")

    def row(self, number): return {"code": f"L{number}", "score": 0.5, "note": "hello"}
    def other(self, row): return {**row, "score": 0.75}
    def bad_row(self, number): return {**self.row(number), "score": 7}
"""
ONE = """
class Test{name}({base}):
    connector_type = {connector}
    excused = {excused}
"""
LAW = "test_clearing_clears"


def suite(name: str, base: str = "MemoryContract", connector: str = "Memory", excused: str = "{}") -> str:
    return ONE.format(name=name, base=base, connector=connector, excused=excused)


def failures(pytester: pytest.Pytester, source: str, selected: str) -> set[tuple[str, str]]:
    """(class, law) of what fails in the suites over ``source``, blocking only."""
    pytester.makepyfile(SUITE + source)
    scope = "asyncio_default_fixture_loop_scope=function"
    run = pytester.inline_run("-p", "no:cacheprovider", "-o", scope, "-k", f"({selected}) and not async")
    found = [report.nodeid.split("::")[1:] for report in run.getfailures()]
    return {(name.removeprefix("Test"), law.partition("[")[0]) for name, law in found}


def test_a_connector_that_is_wrong_in_one_way_breaks_the_law_about_it(pytester: pytest.Pytester) -> None:
    expected = {(mutant.__name__, law) for mutant, law in MUTANTS.items()}
    bases = {mutant: "LeadboxContract" if mutant is LogsItsToken else "MemoryContract" for mutant in MUTANTS}
    source = "".join(suite(mutant.__name__, base, mutant.__name__) for mutant, base in bases.items())
    selected = " or ".join(f"(Test{name} and {law})" for name, law in expected)

    assert failures(pytester, source, selected) == expected


def test_an_excuse_must_be_needed_have_a_reason_and_name_a_law(pytester: pytest.Pytester) -> None:
    source = (
        suite("Honest")
        + suite("Needless", excused=f'{{"{LAW}": "we say so"}}')
        + suite("WithoutReason", excused=f'{{"{LAW}": ""}}')
        + suite("OfNoLaw", excused='{"test_no_such_law": "we say so"}')
    )

    names = {name for name, _ in failures(pytester, source, LAW)}

    assert names == {"Needless", "WithoutReason", "OfNoLaw"}

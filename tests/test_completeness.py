"""A connector is whole when it has a fake, a test, a page, and a line in the changelog; this walks the registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aumconnect._registry import connectors, load
from aumconnect.connector import Connector
from aumconnect.testing.fakes import fake_of

ROOT = Path(__file__).parent.parent
BUILT_IN = sorted(name for name, entry in connectors().items() if entry.value.startswith("aumconnect."))
PAGES = ROOT / "docs" / "connectors"


def traps(name: str) -> list[str]:
    """The numbered traps of a connector's page: ``**SF-1** …``"""
    return re.findall(r"\*\*([A-Z]+-\d+)\*\*", (PAGES / f"{name}.md").read_text())


def test_the_built_in_connectors_are_registered_as_outsiders_are() -> None:
    modules = {path.stem for path in (ROOT / "src/aumconnect/connectors").glob("[!_]*")}

    assert modules == set(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_connector_answers_to_its_name_and_says_what_it_is(name: str) -> None:
    found = load(name)

    assert issubclass(found, Connector)
    assert found.name == name
    assert found.__doc__


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_connector_has_a_fake(name: str) -> None:
    assert callable(fake_of(name))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_connector_has_a_test_that_runs_the_contract_suite(name: str) -> None:
    assert "ConnectorContract" in (ROOT / "tests/connectors" / f"test_{name}.py").read_text()


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_connector_has_a_page_in_the_navigation(name: str) -> None:
    assert len((PAGES / f"{name}.md").read_text()) > 200
    assert f"connectors/{name}.md" in (ROOT / "mkdocs.yml").read_text()


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_connector_has_a_line_in_the_changelog(name: str) -> None:
    assert re.search(rf"^- .*\b{name}\b.*connector", (ROOT / "CHANGELOG.md").read_text(), re.IGNORECASE | re.MULTILINE)


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_trap_a_page_numbers_has_a_test_that_carries_the_number(name: str) -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    untested = [trap for trap in traps(name) if not re.search(rf"\b{trap}\b", tests)]

    assert not untested

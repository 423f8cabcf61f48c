"""What is imported is declared, and what is declared is explained."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCE = ROOT / "src" / "aumconnect"
OPTIONAL = {"pytest", "keyring", "psycopg", "pyarrow", "pandas", "polars"}
"""Used only where the user has them; the extras and the tests bring them."""
PINNED_BY = {"pydantic_core": "pydantic", "pydantic-core": "pydantic"}
"""Released together with the package that declares it."""


def name_of(requirement: str) -> str:
    return requirement.partition(">")[0].partition("[")[0].partition("<")[0].lower()


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


DECLARED = sorted(name_of(requirement) for requirement in PROJECT["dependencies"])


def imported() -> set[str]:
    """The top-level packages of every import in the source."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"aumconnect"}


def test_every_package_that_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    needed = {PINNED_BY.get(name, name) for name in imported()} - OPTIONAL
    missing = {name for name in needed if not {*map(normal, distributions.get(name, [name]))} & set(DECLARED)}

    assert missing == set()


@pytest.mark.parametrize("package", DECLARED)
def test_every_dependency_is_explained(package: str) -> None:
    page = (ROOT / "docs/dependencies.md").read_text().lower()

    assert package in page


@pytest.mark.parametrize("extra", sorted(set(PROJECT["optional-dependencies"]) - {"all"}))
def test_all_is_every_extra(extra: str) -> None:
    [everything] = PROJECT["optional-dependencies"]["all"]

    assert extra in everything

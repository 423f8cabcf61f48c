"""Starting is quick, and each of the libraries below is spoken to in one place only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aumconnect

SOURCE = Path(aumconnect.__file__).parent
HEAVY = {"httpx", "httpcore", "pydantic", "zeep", "lxml", "requests", "simple_salesforce", "sqlalchemy"}
PLACES = {
    "httpx": "_http/*.py",
    "httpcore": "_http/*.py",
    "zeep": "protocols/soap/*.py",
    "simple_salesforce": "protocols/_simple_salesforce.py",
    "sqlalchemy": "writeback/*.py",
}


def loaded_by(statement):
    """The top-level packages that a fresh interpreter has loaded after ``statement``."""
    script = [sys.executable, "-X", "importtime", "-c", statement]
    done = subprocess.run(script, check=True, capture_output=True, text=True, timeout=60)
    names = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {name.partition(".")[0] for name in names}


def test_importing_the_package_loads_no_heavy_library():
    assert loaded_by("import aumconnect") & HEAVY == set()


def test_the_vocabulary_alone_loads_no_heavy_library():
    modules = "wire, errors, outcome, schema, connector, journal, transport"

    assert loaded_by(f"from aumconnect import {modules}") & HEAVY == set()


def imports_of(path):
    """The top-level packages a file imports when it runs, inside functions too."""
    waiting = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize(("library", "place"), PLACES.items())
def test_a_library_is_imported_in_its_place_only(library, place):
    users = {path for path in SOURCE.rglob("*.py") if library in imports_of(path)}

    assert sorted(str(path) for path in users - set(SOURCE.glob(place))) == []

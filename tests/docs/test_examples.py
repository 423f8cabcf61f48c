"""What the documentation shows works: Python runs against the fakes, commands and job files are checked."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aumconnect.writeback.jobfile import json_schema, load

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """(line number, code) of every fenced block in ``language``."""
    text = page.read_text()
    return [(text.count("\n", 0, m.start(2)) + 1, m[2]) for m in FENCE.finditer(text) if m[1] == language]


def pages_with(language: str) -> list[Any]:
    found = [page for page in PAGES if blocks(page, language)]
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in found]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every ``aumconnect …`` the documentation tells to type, with where."""
    for page in PAGES:
        lines = [line for _, block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
        lines += re.findall(r"`(aumconnect [^`\n]+)`", page.read_text())
        for line in lines:
            if line.startswith("aumconnect "):
                yield f"{page.name}: {line}", shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_on_a_page_runs_from_top_to_bottom(page: Path, documented_world: dict[str, Any], tmp_path: Path) -> None:
    names = dict(documented_world)
    for line, code in blocks(page, "python"):
        exec(compile("\n" * (line - 1) + code, str(page), "exec", dont_inherit=True), names)
        if "def test_" in code:
            (tmp_path / f"test_line_{line}.py").write_text(code)
    if list(tmp_path.glob("test_*.py")):
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize(("where", "arguments"), [pytest.param(*found, id=found[0]) for found in commands()])
def test_a_command_that_is_shown_exists_with_these_options(where: str, arguments: list[str]) -> None:
    import typer

    from aumconnect.cli._app import app

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    name, *rest = arguments
    if name.startswith("-"):
        return
    assert name in known, where
    options = {option for parameter in known[name].params for option in parameter.opts} | {"--help"}
    shown = {word for word in rest if word.startswith("-")}
    assert shown <= options, where


def test_the_command_line_page_lists_every_command() -> None:
    from aumconnect.cli._app import app

    page = (ROOT / "docs/cli.md").read_text()
    names = [command.callback.__name__ for command in app.registered_commands if command.callback]

    assert [name for name in names if f"`aumconnect {name}" not in page] == []


CONNECTION = """
[connections.crm]
url = "salesforce://acme.my.salesforce.com"
"""


@pytest.mark.parametrize("page", pages_with("toml"))
def test_toml_on_a_page_is_valid_and_a_job_file_is_one(page: Path, tmp_path: Path) -> None:
    for _, text in blocks(page, "toml"):
        found = tomllib.loads(text)
        if "writebacks" in found:
            job_file = tmp_path / "aumconnect.toml"
            job_file.write_text(text if "connections" in found else text + CONNECTION)
            assert load(job_file).jobs


def test_the_published_schema_is_the_one_that_checks() -> None:
    published = json.loads((ROOT / "docs/aumconnect.schema.json").read_text())

    assert published == json_schema()


def test_the_connector_page_shows_the_example_as_it_is() -> None:
    code = (ROOT / "examples/leadbox.py").read_text()

    assert code.strip() in (ROOT / "docs/write-a-connector.md").read_text()


def test_every_page_is_in_the_navigation_and_links_lead_somewhere() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES[1:]:
        assert str(page.relative_to(ROOT / "docs")) in navigation
    for page in PAGES:
        for target in re.findall(r"\]\(((?!https?:)[^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_setting_of_a_job_file_is_on_its_page() -> None:
    from aumconnect._mapping.tables import OPTIONS
    from aumconnect.writeback._settings import CONNECTION, GUARDS, WRITEBACK

    settings = (ROOT / "docs/writebacks.md").read_text()
    mapping = (ROOT / "docs/mapping.md").read_text()

    assert [name for name in (*CONNECTION, *WRITEBACK, *GUARDS) if f"`{name}`" not in settings] == []
    assert [name for name in OPTIONS if f"`{name}`" not in mapping] == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/concepts.md", "docs/dependencies.md"])
def test_every_module_that_a_page_names_is_there(page: str) -> None:
    source = ROOT / "src/aumconnect"
    text = (ROOT / page).read_text()
    named = {
        name for name in re.findall(r"[\w/]+\.py\b|\b_?[a-z]\w*/(?=[\s`,)]|$)", text) if not name.startswith("tests/")
    }

    assert named
    assert [name for name in sorted(named) if not (source / name).exists()] == []

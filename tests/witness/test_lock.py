"""The witnesses' packages are pinned, and their lock file names no host."""

import json
from pathlib import Path

HERE = Path(__file__).parent


def test_every_package_is_pinned_by_version_and_hash():
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]

    assert all(locked[f"node_modules/{name}"]["version"] == version for name, version in wanted.items())
    assert all("integrity" in package for path, package in locked.items() if path)


def test_no_package_is_bound_to_a_host():
    assert '"resolved"' not in (HERE / "package-lock.json").read_text()

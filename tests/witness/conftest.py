"""Other people's programs as witnesses: what they need to run here, and a reason to skip where it is missing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    """``node("jsforce.mjs", "http://…")``: run a script of this folder and read the JSON that it prints.

    Needs ``npm ci --prefix tests/witness``, or another folder with the same packages in AUMCONNECT_NODE_MODULES.
    """
    modules = Path(os.environ.get("AUMCONNECT_NODE_MODULES", HERE / "node_modules"))
    program = shutil.which("node")
    if program is None or not modules.is_dir():
        pytest.skip("no Node.js, or `npm ci --prefix tests/witness` has not been run")
    folder = tmp_path_factory.mktemp("node")
    (folder / "node_modules").symlink_to(modules.resolve())

    def run(script: str, *arguments: str):
        shutil.copy(HERE / script, folder)
        command = [program, script, *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def chromium():
    """The browser's path."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium (Debian: apt-get install chromium)")
    return found

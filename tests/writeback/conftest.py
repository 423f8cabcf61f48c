"""Ledgers on both databases: a file, and a private PostgreSQL server started for the test session."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest

from aumconnect.writeback.ledger import Ledger


def binaries() -> Path | None:
    """The folder of PostgreSQL's server programs, newest first."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    return next(
        (folder for folder in [*debian, *([Path(on_path).parent] if on_path else [])] if (folder / "initdb").exists()),
        None,
    )


def unprivileged() -> dict[str, str]:
    """PostgreSQL refuses to run as root: then it runs as its own user, or nobody."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            return {"user": pwd.getpwnam(name).pw_name}
        except KeyError:
            continue
    pytest.skip("running as root, and there is no unprivileged user for PostgreSQL")


class Server:
    """A PostgreSQL server of our own, on a loopback port, with its data in a temporary folder."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._options = unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="aum-pg-", dir="/tmp"))
        if self._options:
            shutil.chown(self._folder, self._options["user"])
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"postgresql://aum@127.0.0.1:{self._port}/postgres"

    def __enter__(self) -> Self:
        self._call("initdb", "-A", "trust", "-U", "aum", "-E", "UTF8", "--no-sync")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Without fsync: here the server dies, never the machine."""
        settings = f"-c listen_addresses=127.0.0.1 -c port={self._port} -c unix_socket_directories={self._folder}"
        settings += " -c fsync=off"
        self._call("pg_ctl", "-w", "-l", f"{self._folder}/log", "-o", settings, "start")

    def kill(self) -> None:
        """As a power cut would end it, for its clients."""
        self._call("pg_ctl", "-m", "immediate", "stop")

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", f"{self._folder}/data", *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=self._folder, **self._options
        )


def programs() -> Path:
    """Where PostgreSQL's programs are; skips the test when they are nowhere."""
    pytest.importorskip("psycopg")
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL programs found (initdb, pg_ctl)")
    return found


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server; ``AUMCONNECT_TEST_POSTGRES`` names one to use instead."""
    named = os.environ.get("AUMCONNECT_TEST_POSTGRES")
    if named:
        pytest.importorskip("psycopg")
        yield named
        return
    with Server(programs()) as server:
        yield server.url


@pytest.fixture
def mortal_postgres() -> Iterator[Server]:
    """A server that a test may kill and start again."""
    with Server(programs()) as server:
        yield server


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The URL of an empty schema of its own."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    yield f"{postgres_server}?options=-csearch_path%3D{name}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger may live: once a file, once a PostgreSQL schema."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return str(request.getfixturevalue("postgres"))


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger(ledger_url) as found:
        yield found

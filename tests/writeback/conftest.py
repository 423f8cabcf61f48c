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


def start_postgres(programs: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="aum-pg-", dir="/tmp"))
    options = unprivileged()
    if options:
        shutil.chown(folder, options["user"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def call(*command: str) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=folder, **options)

    try:
        call(str(programs / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "aum", "-E", "UTF8", "--no-sync")
        settings = (
            f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c max_connections=50"
        )
        call(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", settings, "start")
        try:
            yield f"postgresql://aum@127.0.0.1:{port}/postgres"
        finally:
            call(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server; ``AUMCONNECT_TEST_POSTGRES`` names one to use instead."""
    pytest.importorskip("psycopg")
    named = os.environ.get("AUMCONNECT_TEST_POSTGRES")
    if named:
        yield named
        return
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL programs found (initdb, pg_ctl)")
    yield from start_postgres(programs)


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

"""Is this a ledger we can trust? Asked once, before anything is written.

A damaged, foreign or newer file is refused. So is one that lacks commits it once had, because its
write-ahead file was deleted or an older copy was put in its place: what it forgot would be sent again.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from sqlalchemy import Connection, inspect, select

from aumconnect.errors import LedgerError
from aumconnect.writeback import _tables as t
from aumconnect.writeback._database import Database, fetch, save

__all__ = ["Watermark", "open_database"]

MAGIC = b"SQLite format 3\x00"  # https://www.sqlite.org/fileformat.html#the_database_header
CHECKED_WHOLE = 64 << 20
"""Bytes up to which a file is read through at opening; beyond, SQLite finds damage when it comes to it."""
_COUNT = f"UPDATE {t.info.name} SET value = CAST(value AS INTEGER) + 1 WHERE name = 'commits' RETURNING value"  # noqa: S608
RESTORE = "restore it from a copy, or move it away and plan with --full, which compares with the system itself"


def open_database(database: Database) -> None:
    """Check, create or migrate the ledger's tables. Raises `LedgerError`, having written nothing."""
    path = Path(database.url.database or "") if database.is_file else None
    fresh = path is None or path.stat().st_size == 0
    if path is not None and not fresh:
        _check_file(path)
    found = database.look(_version)
    if path is not None and not fresh:
        database.read(lambda connection: _check_content(connection, path))
        database.read(lambda connection: Watermark(database).check(connection, empty=found is None))
    if found is None:
        database.write(_create)
        return
    if found > t.VERSION:
        raise LedgerError(
            f"the ledger was written by a newer aumconnect (its schema is {found}, this version reads {t.VERSION})",
            hint="upgrade aumconnect on this machine",
        )
    if found < t.VERSION:
        database.write(lambda connection: migrate(connection, found))


class Watermark:
    """How many commits a ledger file has had, told by the file itself and by a small file beside it.

    The second is written after each commit and never waited for. It can be behind, never ahead: a ledger
    that counts fewer has lost some. PostgreSQL needs none.
    """

    def __init__(self, database: Database) -> None:
        self._path = Path(f"{database.url.database}-mark") if database.is_file else None
        self._file: int | None = None

    def count(self, connection: Connection) -> int:
        """One more commit, as part of its transaction."""
        if self._path is None:
            return 0
        ((value,),) = fetch(connection, _COUNT, ())
        return int(value)

    def note(self, count: int) -> None:
        """The transaction is durable."""
        if self._path is None:
            return
        if self._file is None:
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        os.pwrite(self._file, b"%020d" % count, 0)

    def check(self, connection: Connection, *, empty: bool) -> None:
        """Raise `LedgerError` when commits are missing."""
        if self._path is None or not self._path.exists():
            return
        noted = self._path.read_bytes()[:20]
        found = "0" if empty else connection.scalar(select(t.info.c.value).where(t.info.c.name == "commits")) or "0"
        if noted.isdigit() and int(found) < int(noted):
            raise LedgerError(
                f"the ledger lacks its last {int(noted) - int(found)} commits: "
                "its -wal file was deleted, or it is an old copy",
                hint=f"{RESTORE}; remove {self._path.name} to use it as it is",
            )

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def migrate(connection: Connection, found: int) -> None:
    """Bring the tables from schema ``found`` to ours, one step at a time."""
    for version in range(found, t.VERSION):
        t.MIGRATIONS[version](connection)
    save(connection, t.info, [{"name": "version", "value": str(t.VERSION)}])


def _check_file(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(MAGIC):
        raise LedgerError(f"{path} is not a ledger: not an SQLite file", hint=RESTORE)
    page = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    in_log = path.with_name(f"{path.name}-wal").exists()
    if not in_log and size < (65536 if page == 1 else page) * pages:
        raise LedgerError(f"the ledger {path} is cut off", hint=RESTORE)


def _check_content(connection: Connection, path: Path) -> None:
    if path.stat().st_size <= CHECKED_WHOLE:
        complaint = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if complaint != "ok":
            raise LedgerError(f"the ledger {path} is damaged: {complaint}", hint=RESTORE)


def _version(connection: Connection) -> int | None:
    """The schema found; None for an empty database."""
    names = inspect(connection).get_table_names()
    if t.info.name not in names:
        if connection.dialect.name == "sqlite" and names:
            raise LedgerError("this database holds something else, not a ledger", hint="name another file")
        return None
    value = connection.scalar(select(t.info.c.value).where(t.info.c.name == "version"))
    if value is None or not value.isdigit():
        raise LedgerError("the ledger is damaged: it does not say its version", hint=RESTORE)
    return int(value)


def _create(connection: Connection) -> None:
    t.metadata.create_all(connection)
    facts = {"version": str(t.VERSION), "commits": "0", "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    save(connection, t.info, [{"name": name, "value": value} for name, value in facts.items()])

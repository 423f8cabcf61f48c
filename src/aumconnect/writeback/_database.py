"""Opening a ledger's database and running transactions on it, SQLite and PostgreSQL alike.

A transaction is repeated when the server went away or chose it as a victim: everything a ledger writes is
an upsert under a known key, so a second copy changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Select, Table, create_engine, event, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, CursorResult
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from aumconnect._clock import SYSTEM_CLOCK, Clock
from aumconnect.errors import ConfigurationError, LedgerError

__all__ = ["Database", "bodies", "change", "database_url", "fetch", "file_system", "keep", "save", "save_tuples"]

T = TypeVar("T")

NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "ceph", "cifs", "davfs", "glusterfs", "lustre", "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs"}
    | {"fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)
REPEATABLE = ("40001", "40P01", "08", "53", "57P")
"""SQLSTATEs, or their classes, of what passes: https://www.postgresql.org/docs/current/errcodes-appendix.html"""
PAUSES = (0.1, 0.3, 1.0, 3.0, 5.0)
"""Seconds between repeats of a transaction whose connection was lost."""
SETTINGS = ("busy_timeout = 30000", "journal_mode = WAL", "synchronous = FULL", "cache_size = -16384")
"""SQLite: wait 30 s for another's transaction; commits survive a power cut; 16 MiB of pages in memory."""


class Database:
    """Short transactions on one database; safe to use from several threads."""

    def __init__(self, url: URL, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.url = url
        self.clock = clock
        self._engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)

    @property
    def is_file(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def write(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, after its transaction is durable. Raises `LedgerError`."""
        return self._patiently(partial(_transaction, self._engine, work))

    def read(self, work: Callable[[Connection], T]) -> T:
        """The same for reading; takes no lock others must wait for."""
        return self._patiently(partial(_look, self._engine, work))

    def look(self, work: Callable[[Connection], T]) -> T:
        """`read` without patience: for a first look at a database that may not be there."""
        try:
            return _look(self._engine, work)
        except SQLAlchemyError as error:
            raise _said(error) from error

    def _patiently(self, work: Callable[[], T]) -> T:
        for pause in (*PAUSES, None):
            try:
                return work()
            except SQLAlchemyError as error:
                if pause is None or not _passing(error):
                    raise _said(error) from error
                self.clock.sleep(pause)
        raise AssertionError("unreachable")

    def rows(self, query: Select[*tuple[Any, ...]]) -> Sequence[Any]:
        """All rows of a query."""
        return self.read(lambda connection: connection.execute(query).all())

    def row(self, query: Select[*tuple[Any, ...]]) -> Any:
        """The first row of a query, or None."""
        return self.read(lambda connection: connection.execute(query).first())

    def close(self) -> None:
        self._engine.dispose()


def database_url(text: str, folder: Path) -> URL:
    """The URL of a ledger named in a job file: a PostgreSQL or SQLite URL, or a path beside the job file."""
    if "://" not in text:
        return URL.create("sqlite", database=str((folder / text).resolve()))
    try:
        url = make_url(text)
    except SQLAlchemyError:
        hint = "write postgresql://user@host/database"
        raise ConfigurationError("the ledger's URL cannot be read", hint=hint) from None
    backend = url.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and url.database:
        return URL.create("sqlite", database=str((folder / url.database).resolve()))
    raise ConfigurationError(f"a ledger cannot live in {backend!r}", hint="use a file, sqlite:// or postgresql://")


def save(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns; where the primary key exists, these columns are overwritten."""
    if rows:
        columns = tuple(name for name in table.c.keys() if name in rows[0])  # noqa: SIM118  (iterating gives columns)
        save_tuples(connection, table, columns, [tuple(row[name] for name in columns) for row in rows])


def save_tuples(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """`save` for rows already in the order of ``columns``, which is the table's, at the driver's own speed."""
    if rows:
        connection.exec_driver_sql(_upsert_sql(connection.dialect, table, columns), list(rows))


def bodies(database: Database, table: Table, run: str) -> Iterator[tuple[int, bytes]]:
    """(seq, body) of a run's packed rows in order, read one at a time so that no reader holds up a writer."""
    query = select(table.c.seq, table.c.body).where(table.c.run == run).order_by(table.c.seq).limit(1)
    seq = -1
    while (found := database.row(query.where(table.c.seq > seq))) is not None:
        seq = found.seq
        yield seq, found.body


def keep(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row unless one like it is there."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(table).values(**values).on_conflict_do_nothing())


def fetch(connection: Connection, sql: str, parameters: Sequence[Any]) -> Sequence[Any]:
    """All rows of a hand-written query with ``?`` for parameters, at the driver's own speed."""
    return _run(connection, sql, parameters).cursor.fetchall()


def change(connection: Connection, sql: str, parameters: Sequence[Any]) -> int:
    """How many rows a hand-written UPDATE or DELETE with ``?`` for parameters touched."""
    return _run(connection, sql, parameters).rowcount


def _run(connection: Connection, sql: str, parameters: Sequence[Any]) -> CursorResult[Any]:
    text = sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s")
    return connection.exec_driver_sql(text, tuple(parameters))


@lru_cache(maxsize=64)
def _upsert_sql(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> str:
    make = sqlite.insert if dialect.name == "sqlite" else postgresql.insert
    statement: Any = make(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in columns if name not in keys}
    statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return str(statement.compile(dialect=dialect, column_keys=list(columns)))


def _sqlite(url: URL) -> Engine:
    path = Path(url.database or "")
    _refuse_network_file_system(path.parent)
    _make_private(path)
    engine = create_engine(url, pool_size=5, max_overflow=5)

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, as ours
        for setting in SETTINGS:
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        only_reads = connection.get_execution_options().get("only_reads")
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=True, pool_size=3, max_overflow=5, paramstyle="format")
    except ModuleNotFoundError:
        raise ConfigurationError(
            "a PostgreSQL ledger needs psycopg", hint="pip install 'aumconnect[postgres]'"
        ) from None

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _: Any) -> None:
        connection.execute("SET synchronous_commit = on")
        connection.execute("SET lock_timeout = '30s'")
        connection.commit()

    return engine


def _transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _look(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.connect().execution_options(only_reads=True) as connection:
        return work(connection)


def _passing(error: SQLAlchemyError) -> bool:
    """The server went away, is coming back, or chose this transaction to give way."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return isinstance(error, DBAPIError)
    state = getattr(error.orig, "sqlstate", "")  # SQLite has none; a connection that broke has None
    return state.startswith(REPEATABLE) if state else state is None and isinstance(error, OperationalError)


def _said(error: SQLAlchemyError) -> LedgerError:
    """The database's own words, without the statement or its parameters."""
    original = getattr(error, "orig", None)
    text = str(original or error).strip().splitlines()[0] if str(original or error).strip() else type(error).__name__
    return LedgerError(f"the ledger cannot be used: {text}")


def _make_private(path: Path) -> None:
    """The file exists and only its owner may read it: it tells what was written about whom."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise LedgerError(f"the ledger file {path} cannot be opened: {error.strerror}") from None


def _refuse_network_file_system(folder: Path) -> None:
    kind = file_system(folder.resolve())
    if kind in NETWORK_FILE_SYSTEMS:
        raise LedgerError(
            f"{folder} is on a network file system ({kind}), where SQLite's locks cannot be trusted",
            hint="put the ledger on a local disk, or use PostgreSQL (ledger = 'postgresql://…')",
        )


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of file system a folder is on (proc(5)), or "" where the machine does not say."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    best = ("", "")
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]

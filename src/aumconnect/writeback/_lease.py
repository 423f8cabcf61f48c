"""One run of a writeback at a time: a lease with a fencing epoch.

Whoever takes the lease raises its epoch by one. Every write to the ledger names the epoch it was begun
under, and the gate asks `Lease.check` before every request, so a run that slept through its expiry can
neither write to the ledger nor to the system. Between that check and the first byte of the request
microseconds remain in which a run may be overtaken; only a key the system keeps unique closes that gap.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, func, select, update

from aumconnect.errors import LedgerError, RunInProgress
from aumconnect.writeback import _tables as t
from aumconnect.writeback._crash import hook
from aumconnect.writeback._database import Database, change, keep

__all__ = ["Lease", "Owner"]

LIFETIME = 60.0
"""Seconds after its last sign of life in which nobody else may take a lease."""

_OURS = "WHERE writeback = ? AND epoch = ? AND owner IS NOT NULL"
_RENEW = f"UPDATE {t.lease.name} SET expires = ?, run = COALESCE(?, run) {_OURS}"  # noqa: S608  (our own names)
_RELEASE = f"UPDATE {t.lease.name} SET owner = NULL {_OURS}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Owner:
    """A running program: where, which, and since when, as far as this machine can tell them apart."""

    host: str
    pid: int
    boot: str
    namespace: str
    born: str

    @classmethod
    def me(cls) -> Owner:
        return cls(socket.gethostname(), os.getpid(), *_machine(), _born(os.getpid()))

    def is_dead(self) -> bool:
        """True only when this very machine can see that the program has ended."""
        if (self.host, self.boot, self.namespace) != (socket.gethostname(), *_machine()):
            return False
        return _born(self.pid) != self.born

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@lru_cache(maxsize=1)
def _machine() -> tuple[str, str]:
    """(boot id, process id namespace), each "" where the machine does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return boot, str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "", ""


def _born(pid: int) -> str:
    """When a process was started (proc(5), field 22), "" when there is none, "alive" when only that is known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _alive(pid)
    state, *fields = text.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _alive(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "alive"


class Lease:
    """The right to run one writeback; in a ``with`` statement, taken at once or refused, and given back at the end."""

    def __init__(
        self, database: Database, writeback: str, *, lifetime: float = LIFETIME, owner: Owner | None = None
    ) -> None:
        self.writeback = writeback
        self.epoch = 0
        self._database = database
        self._lifetime = lifetime
        self._owner = owner or Owner.me()
        self._seen = (float("-inf"), float("-inf"))
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    def take(self, *, heartbeat: bool = True) -> Self:
        """Take the lease or raise `LedgerError` naming who holds it."""
        hook("lease", "before")
        seen = self._moments()
        self.epoch = self._database.write(self._take)
        self._seen = seen
        hook("lease", "after")
        if heartbeat:
            self._heart = threading.Thread(target=self._beat, name=f"lease of {self.writeback}", daemon=True)
            self._heart.start()
        return self

    def ensure_free(self) -> None:
        """Raise `LedgerError` naming who holds the lease, without taking it."""
        query = select(t.lease).where(self._mine)
        self._database.read(
            lambda connection: self._refuse(connection.execute(query).first(), moment(connection, self._database))
        )

    def _take(self, connection: Connection) -> int:
        now = moment(connection, self._database)
        keep(connection, t.lease, {"writeback": self.writeback, "epoch": 0, "expires": 0.0})
        held = connection.execute(select(t.lease).where(self._mine).with_for_update()).one()
        self._refuse(held, now)
        values = {"owner": json.dumps(asdict(self._owner)), "run": None, "expires": now + self._lifetime}
        connection.execute(update(t.lease).where(self._mine).values(epoch=held.epoch + 1, **values))
        return int(held.epoch) + 1

    def _refuse(self, held: Any, now: float) -> None:
        if held is None or held.owner is None or held.expires <= now:
            return
        other = Owner(**json.loads(held.owner))
        if not other.is_dead():
            raise RunInProgress(
                f"{self.writeback!r} is held by {other} (run {held.run or 'not yet started'})",
                hint=f"wait for it to end; should its machine be gone, the lease ends in {held.expires - now:.0f} s",
            )

    @property
    def _mine(self) -> Any:
        return t.lease.c.writeback == self.writeback

    def fence(self, connection: Connection, run: str | None = None) -> None:
        """Part of every transaction that writes: renews the lease; `LedgerError` when it is no longer ours."""
        if not self.epoch:
            raise LedgerError(f"no run of {self.writeback!r} has begun")
        seen = self._moments()
        expires = moment(connection, self._database) + self._lifetime
        if change(connection, _RENEW, (expires, run, self.writeback, self.epoch)) != 1:
            raise RunInProgress(
                f"another run has taken over {self.writeback!r}; this one stops and writes nothing more",
                hint="this happens when a run was suspended for longer than its lease",
            )
        self._seen = seen

    def check(self) -> None:
        """Raise `LedgerError` unless the lease is still ours. Asks the database only when the last answer is old."""
        if max(now - then for now, then in zip(self._moments(), self._seen, strict=True)) > self._lifetime / 4:
            self._database.write(self.fence)

    def _moments(self) -> tuple[float, float]:
        """Both clocks: one cannot be set, the other goes on while a machine sleeps."""
        return self._database.clock.now(), self._database.clock.epoch()

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        self._stop.set()
        if self._heart is not None:
            self._heart.join(timeout=5)
        mine = (self.writeback, self.epoch)
        self._database.write(lambda connection: change(connection, _RELEASE, mine))
        self.epoch = 0

    def _beat(self) -> None:
        while not self._stop.wait(self._lifetime / 6):
            try:
                self._database.write(self.fence)
            except LedgerError:
                return  # the next check or commit says so where it can be heard

    def __enter__(self) -> Self:
        return self.take()

    def __exit__(self, *_: object) -> None:
        self.release()


def moment(connection: Connection, database: Database) -> float:
    """Epoch seconds: the database server's clock, or for a file this machine's."""
    if database.is_file:
        return database.clock.epoch()
    return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0)

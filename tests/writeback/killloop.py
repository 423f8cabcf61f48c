"""Runs of a writeback killed again and again, and what the system says it wrote.

    python tests/writeback/killloop.py --kills 200 --operation insert --ledger postgresql://…

A server process holds the system (`FakeMemory` behind the emulator) and counts the commits under each key. Runs
are forked, killed with SIGKILL at random moments between their first write and their last, and started again until
one ends by itself; then the source changes and it starts over. At the end no key may have been created twice, none
may be missing, and every run's account must add up. A kill counts only when a run was in the middle of writing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

from aumconnect.client import Client
from aumconnect.connectors.memory import CAPABILITIES, Memory
from aumconnect.schema import ObjectSchema
from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.memory import ITEM, FakeMemory
from aumconnect.writeback import Project
from aumconnect.writeback._crash import PLACES

FORK = multiprocessing.get_context("fork")
SETTLE = 0.3
"""Seconds the server may take to carry out what it was sent before its client died."""

JOB = """\
ledger = {ledger!r}
[connections.shop]
url = "memory://shop"
[writebacks.{name}]
source = "items.csv"
to = "shop:Item"
operation = "{operation}"
key = {{ code = "id" }}
[writebacks.{name}.fields]
score = "score"
"""


@dataclass
class Server:
    """The system, in a process of its own."""

    url: str
    pipe: Connection
    process: Any

    @classmethod
    def start(cls, *, unique: bool, latency: float) -> Server:
        ours, theirs = FORK.Pipe()
        process = FORK.Process(target=_serve, args=(theirs, unique, latency), daemon=True)
        process.start()
        return cls(ours.recv(), ours, process)

    def ask(self, what: str) -> Any:
        self.pipe.send(what)
        return self.pipe.recv()

    def stop(self) -> None:
        self.pipe.send("stop")
        self.process.join(10)


def _serve(pipe: Connection, unique: bool, latency: float) -> None:
    fields = {**ITEM.fields, "code": replace(ITEM.fields["code"], unique=unique)}
    fake = FakeMemory(ObjectSchema("Item", fields))
    with serve(fake, latency=latency) as emulator:
        pipe.send(emulator.url)
        while (what := pipe.recv()) != "stop":
            with emulator.lock:
                pipe.send({"mutations": fake.mutations, "creations": fake.creations, "commits": fake.commits}[what])


@dataclass
class Loop:
    """Kills runs of one writeback until ``kills`` of them landed in the middle of writing."""

    folder: Path
    server: Server
    operation: str
    rows: int = 400
    chunk: int = 20
    random: random.Random = field(default_factory=lambda: random.Random(1))
    kills: int = 0
    missed: int = 0
    rounds: int = 0

    def source(self) -> None:
        """New values; for an insert, new records."""
        first = self.rounds * self.rows if self.operation == "insert" else 0
        lines = [f"I-{first + n},{self.rounds}.{n}" for n in range(self.rows)]
        (self.folder / "items.csv").write_text("\n".join(["id,score", *lines]) + "\n")

    def round(self, kills: int) -> None:
        """Change the source and run until one run ends by itself, killing those before it."""
        self.source()
        for _ in range(1000):
            if self.kills < kills and self.killed():
                continue
            code = self.fork()
            if code == 0:
                self.rounds += 1
                return
            assert code == 75, f"a run ended with exit code {code}"
        raise AssertionError("the writeback never came to its end")

    def crashed_everywhere(self) -> list[str]:
        """Die once at each named place, before and after; returns the places that were never reached."""
        unreached = []
        for place in PLACES:
            for side in ("before", "after"):
                self.source()
                if place == "reconcile":
                    self.fork("outcome:before")
                if self.fork(f"{place}:{side}") != -signal.SIGKILL:
                    unreached.append(f"{place}:{side}")
                while (code := self.fork()) == 75:
                    pass
                assert code == 0, f"after a crash at {place}:{side} a run ended with exit code {code}"
                self.rounds += 1
        return unreached

    def killed(self) -> bool:
        """Start a run and kill it; False when it was done before that."""
        before = self.server.ask("mutations")
        process = FORK.Process(target=run, args=(self.folder, self.server.url, self.chunk))
        process.start()
        while process.is_alive() and self.server.ask("mutations") == before:
            time.sleep(0.001)
        time.sleep(self.random.uniform(0, 0.15))
        process.kill()
        process.join()
        landed = process.exitcode == -signal.SIGKILL and self.server.ask("mutations") > before
        self.kills += landed
        self.missed += not landed
        return landed

    def fork(self, crash: str | None = None) -> int:
        """One run in a process of its own; its exit code, or the negative signal it died of."""
        process = FORK.Process(target=run, args=(self.folder, self.server.url, self.chunk, crash))
        process.start()
        process.join(120)
        assert process.exitcode is not None
        return process.exitcode


def run(folder: Path, url: str, chunk: int, crash: str | None = None) -> None:
    """One run, as a process of its own; ends with the exit code of its report."""
    if crash:
        os.environ["AUMCONNECT_CRASH"] = crash

    def connect(_: Any) -> Client:
        capabilities = replace(CAPABILITIES, batch_rows=chunk, settle_time=SETTLE)
        return Client(Memory(url, capabilities=capabilities), settle_wait=10.0)

    with Project(folder / "aumconnect.toml", connect=connect) as project:
        report = project[next(iter(project))].apply()
        if not report.ok:
            print(report, file=sys.stderr)
    os._exit(report.exit_code)


def prepared(folder: Path, ledger: str, operation: str) -> None:
    """A job of its own name, so that a ledger used before knows nothing of it."""
    name = f"items-{uuid4().hex}"
    (folder / "aumconnect.toml").write_text(JOB.format(name=name, ledger=ledger, operation=operation))


def verdict(server: Server, keys: int, rounds: int) -> list[str]:
    """What is wrong with what the server counted, after each of ``keys`` was to be written once in ``rounds``."""
    creations, commits = server.ask("creations"), server.ask("commits")
    twice = [key for key, count in creations.items() if count > 1]
    again = [key for key, count in commits.items() if count > rounds]
    too_few = [key for key, count in commits.items() if count < rounds]
    found = {"created twice": twice, "written twice": again, "not written": too_few}
    wrong = [f"{len(keys)} keys {what}, e.g. {keys[0]}" for what, keys in found.items() if keys]
    return wrong + ([f"{keys - len(creations)} keys missing"] if len(creations) != keys else [])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--hooks", action="store_true", help="die once at each named place instead")
    parser.add_argument("--operation", choices=["upsert", "insert"], default="upsert")
    parser.add_argument("--ledger", default="ledger.db", help="a file name, or postgresql://…")
    parser.add_argument("--latency", type=float, default=0.01, help="seconds before each answer")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, options.ledger, options.operation)
        server = Server.start(unique=options.operation == "upsert", latency=options.latency)
        loop = Loop(folder, server, options.operation, rows=options.rows, random=random.Random(options.seed))
        if options.hooks:
            wrong += [f"{place} was never reached" for place in loop.crashed_everywhere()]
        while not options.hooks and loop.kills < options.kills:
            loop.round(options.kills)
        inserts = options.operation == "insert"
        wrong += verdict(server, loop.rows * (loop.rounds if inserts else 1), 1 if inserts else loop.rounds)
        server.stop()
    did = (
        f"{len(PLACES) * 2} crashes at named places" if options.hooks else f"{loop.kills} kills ({loop.missed} missed)"
    )
    print(f"{did} in {loop.rounds} rounds of {loop.rows} rows: {'; '.join(wrong) or 'each key written once'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

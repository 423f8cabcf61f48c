"""What a ledger's tables hold. One schema for SQLite and PostgreSQL.

Rows of a run are kept packed, a chunk at a time (`_packing`); single rows exist only in ``attention``
(what a person must look at) and ``state`` (what was last written under each key).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "MIGRATIONS",
    "VERSION",
    "attention",
    "chunk",
    "info",
    "layout",
    "lease",
    "metadata",
    "plan_chunk",
    "run",
    "scope",
    "settled",
    "state",
]

VERSION = 1
"""The schema this code reads and writes."""

MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {}
"""How to bring a ledger of version n to n + 1, by n."""

metadata = MetaData()

info = Table(
    "aumconnect_ledger",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""``version`` and ``created``."""

scope = Table(
    "aumconnect_scope",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("writeback", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("object", Text, nullable=False),
    UniqueConstraint("writeback", "account", "object"),
)
"""Whose state it is: a writeback, the account as the system itself names it, and an object."""

layout = Table(
    "aumconnect_layout",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fields", Text, nullable=False, unique=True),
)
"""Which remote field each place in ``state.written`` stands for: a JSON list of names."""

lease = Table(
    "aumconnect_lease",
    metadata,
    Column("writeback", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text),
    Column("run", Text),
    Column("expires", Float, nullable=False),
)
"""Who may write under a writeback's name; ``owner`` (JSON) is null when nobody holds it."""

run = Table(
    "aumconnect_run",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("layout", Integer, nullable=False),
    Column("operation", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("counts", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("folded", Integer, nullable=False, default=0),
    Index("aumconnect_run_of_scope", "scope", "created"),
)
"""A plan, and what was made of it. ``state``: planned, running, ended. ``folded``: the highest
``settled.seq`` that has found its way into ``state``."""

plan_chunk = Table(
    "aumconnect_plan_chunk",
    metadata,
    Column("run", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""The changes of a plan, packed; ``first`` and ``last`` are the refs it spans."""

chunk = Table(
    "aumconnect_chunk",
    metadata,
    Column("run", Text, primary_key=True),
    Column("chunk", Integer, primary_key=True),
    Column("token", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("refs", LargeBinary, nullable=False),
    Column("checkpoint", Text),
    Column("sent", Integer, nullable=False, default=1),
    Column("open", Integer, nullable=False, default=1),
)
"""An intent: what was about to be sent. ``open`` until every row of it has an outcome; ``sent`` is 0 once
the attempt is known to have changed nothing."""

settled = Table(
    "aumconnect_settled",
    metadata,
    Column("run", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("chunk", Integer),
    Column("at", Float, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
"""Outcomes, packed, in the order they became known."""

attention = Table(
    "aumconnect_attention",
    metadata,
    Column("run", Text, primary_key=True),
    Column("ref", BigInteger, primary_key=True),
    Column("key", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("row", Text),
    Index("aumconnect_attention_by_status", "run", "status"),
)
"""One row for each record somebody may have to look at: rejected, failed, unknown, skipped, or warned about."""

state = Table(
    "aumconnect_state",
    metadata,
    Column("scope", Integer, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("id", Text),
    Column("payload", LargeBinary),
    Column("layout", Integer),
    Column("written", LargeBinary),
    Column("scored_at", Float),
    Column("status", Text),
    Column("at", Float),
    Column("rejected", LargeBinary),
    Column("rejection", Text),
    sqlite_with_rowid=False,
)
"""What was last written under a key: ``payload`` is the fingerprint of the row as mapped, ``written`` one
digest a field, ``at`` when the run was planned that wrote it. ``rejected`` is the fingerprint (with the
schema's) of what the system refused since, ``rejection`` that outcome as JSON."""

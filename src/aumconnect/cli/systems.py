"""Commands about systems: connectors, check, describe, read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aumconnect.cli import _show
from aumconnect.cli._options import DEFAULT_FILE, AuthOption, Env, File, Json, Limit, Where

if TYPE_CHECKING:
    from aumconnect.client import Client
    from aumconnect.schema import FieldSchema

__all__ = ["check", "connectors", "describe", "read"]

WIDE = 8
"""Columns up to which records are shown as a table."""


@contextmanager
def opened(
    where: str, *, auth: str | None = None, file: Path = DEFAULT_FILE, env: str | None = None
) -> Iterator[Client]:
    """A client for a URL, or for a connection of the job file.

    Raises `ConfigurationError` when the job file or the connection is missing.
    """
    from aumconnect.client import Client

    if "://" in where:
        from aumconnect.auth import credential_from

        with Client(where, auth=credential_from(dict(pairs(auth))) if auth else None) as client:
            yield client
        return
    from aumconnect.errors import ConfigurationError
    from aumconnect.writeback import Project

    if auth:
        raise ConfigurationError(
            f"{where!r} is a connection of {file}, which says how to log in", hint="leave --auth out"
        )
    with Project(file, env=env) as project, project.client(where) as client:
        yield client


def pairs(text: str) -> Iterator[tuple[str, str]]:
    import shlex

    for part in shlex.split(text):
        name, equals, found = part.partition("=")
        if not equals:
            raise typer.BadParameter(f"{part!r} is not name=value", param_hint="--auth")
        yield name, found


def connectors(json: Json = False) -> None:
    """List the installed connectors."""
    from aumconnect._registry import connectors as installed
    from aumconnect._registry import load

    rows = []
    for name, entry in installed().items():
        found = load(name)
        about = (found.__doc__ or "").strip().partition("\n")[0]
        rows.append({"name": name, "about": about, "from": entry.dist.name if entry.dist else ""})
    if json:
        _show.value(rows)
    else:
        _show.table(("connector", "about", "package"), [tuple(row.values()) for row in rows])


def check(
    where: Where, auth: AuthOption = None, file: File = DEFAULT_FILE, env: Env = None, json: Json = False
) -> None:
    """Log in and say which account the credential opens; writes nothing."""
    with opened(where, auth=auth, file=file, env=env) as client:
        account = client.check()
    found = {"identity": account.identity, "name": account.name, "user": account.user, "sandbox": account.sandbox}
    if json:
        _show.value(found)
    else:
        sandbox = {True: "yes", False: "no", None: ""}[account.sandbox]
        _show.table(("", ""), [(name, cell) for name, cell in (found | {"sandbox": sandbox}).items() if cell])


def describe(
    where: Where,
    object: Annotated[str | None, typer.Argument(help="An object, e.g. Contact; none lists them all.")] = None,
    auth: AuthOption = None,
    file: File = DEFAULT_FILE,
    env: Env = None,
    json: Json = False,
) -> None:
    """Show a system's objects, or the fields of one ("crm Contact" or "crm:Contact")."""
    if object is None and "://" not in where and ":" in where:
        where, _, object = where.partition(":")
    with opened(where, auth=auth, file=file, env=env) as client:
        if object is None:
            names = list(client.objects())
            _show.value(names) if json else _show.table(("object",), [(name,) for name in names])
            return
        schema = client.describe(object)
    rows = [_field(field) for field in schema.fields.values()]
    if json:
        _show.value({"object": schema.name, "label": schema.label, "fields": rows})
    else:
        _show.table(tuple(rows[0]) if rows else ("field",), [tuple(row.values()) for row in rows], title=schema.name)


def _field(field: FieldSchema) -> dict[str, Any]:
    size = field.length or (f"{field.precision}.{field.scale or 0}" if field.precision else None)
    writes = [word for word, may in (("create", field.createable), ("update", field.updateable)) if may]
    notes = [
        word
        for word, is_so in (("required", field.required_on_create), ("unique", field.unique), ("key", field.matchable))
        if is_so
    ]
    return {
        "field": field.name,
        "type": field.type.value,
        "size": size,
        "writes": "/".join(writes),
        "notes": ", ".join(notes),
        "values": " | ".join(field.choices or field.references) or None,
        "label": field.label,
    }


def read(
    where: Where,
    object: Annotated[str, typer.Argument(help="An object, e.g. Contact.", show_default=False)],
    field: Annotated[list[str] | None, typer.Option("--field", help="A field to read; repeat for more.")] = None,
    since: Annotated[
        datetime | None, typer.Option("--since", help="Only records changed at or after this moment (UTC).")
    ] = None,
    limit: Limit = None,
    auth: AuthOption = None,
    file: File = DEFAULT_FILE,
    env: Env = None,
    json: Json = False,
) -> None:
    """Read records, one JSON object a line with --json."""
    moment = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
    with opened(where, auth=auth, file=file, env=env) as client:
        found = client.read(object, fields=field or None, since=moment, limit=limit)
        rows = ({"id": record.id, **record.values} for record in found)
        if json:
            _show.records(rows)
            return
        first = next(rows, None)
        if first is None:
            _show.lines("no records")
            return
        if len(first) > WIDE:
            _show.blocks(chain([first], rows))
        else:
            _show.table(tuple(first), [tuple(first.values()), *(tuple(row.values()) for row in rows)])

"""Commands to begin with: demo, init, emulator."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aumconnect.cli import _show
from aumconnect.cli._options import DEFAULT_FILE, AuthOption, File, Json
from aumconnect.connector import Operation

if TYPE_CHECKING:
    from aumconnect.auth import Credential
    from aumconnect.schema import ObjectSchema
    from aumconnect.writeback.propose import Proposal

__all__ = ["demo", "emulator", "init"]


def demo(
    json: Json = False,
    keep: Annotated[Path | None, typer.Option("--keep", help="Leave the demo's files in this folder.")] = None,
) -> None:
    """Write a real model's predictions into a built-in CRM: plan, apply, run again, respect a human edit."""
    from aumconnect.demo import run

    raise typer.Exit(run(keep=keep, as_json=json))


def init(
    target: Annotated[
        str, typer.Argument(help="Where to write: connection:Object, e.g. crm:Contact.", show_default=False)
    ],
    source: Annotated[Path, typer.Argument(help="The predictions: CSV, JSONL or Parquet.", show_default=False)],
    url: Annotated[
        str | None, typer.Option("--url", help="The connection's URL, when the job file does not have it yet.")
    ] = None,
    auth: AuthOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The writeback's name; default: from the source's file name.")
    ] = None,
    operation: Annotated[Operation, typer.Option("--operation", help="What to do with the rows.")] = Operation.UPDATE,
    key: Annotated[str | None, typer.Option("--key", help="By which field, from which column: FIELD=COLUMN.")] = None,
    delimiter: Annotated[str, typer.Option("--delimiter", help="Of a CSV source.")] = ",",
    file: File = DEFAULT_FILE,
    json: Json = False,
) -> None:
    """Write a job file from a first look at both ends."""
    from aumconnect.writeback.propose import propose

    connection, job = _names(target, name, source)
    columns, sample = _sample(source, delimiter)
    text = _opened(file, connection, job, url, auth)
    schema = _described(connection, target.partition(":")[2], url, auth, file)
    proposal = propose(schema, columns, sample, key=_key(key))
    _need_key(proposal, schema, columns, operation)
    where = {"source": _relative(source, file), "to": target, "operation": operation.value, "delimiter": delimiter}
    file.write_text(f"{text.rstrip()}\n\n{proposal.to_toml(job, **where)}".lstrip(), encoding="utf-8")
    found = {"file": str(file), "writeback": job, "key": proposal.key, "fields": dict(proposal.fields)}
    if json:
        _show.value(found | {"unmatched": proposal.unmatched})
        return
    left = f", {len(proposal.unmatched)} columns left out" if proposal.unmatched else ""
    _show.lines(f"wrote {file}: writeback {job!r}, {len(proposal.fields)} fields matched{left}")
    _show.lines(f"next: aumconnect plan {job}" + ("" if file == DEFAULT_FILE else f" --file {file}"))


def _names(target: str, name: str | None, source: Path) -> tuple[str, str]:
    """The connection and the writeback."""
    from aumconnect.errors import ConfigurationError

    connection, colon, kind = target.partition(":")
    if not colon or not kind:
        raise ConfigurationError(f"{target!r} is not connection:Object", hint="write for example crm:Contact")
    return connection, name or re.sub(r"[^A-Za-z0-9_-]", "_", source.stem)


def _sample(source: Path, delimiter: str) -> tuple[list[str], list[dict[str, Any]]]:
    """The columns and the first rows that can be read."""
    from itertools import islice

    from aumconnect.errors import ConfigurationError
    from aumconnect.sources import rows

    first = list(islice(rows(source, delimiter=delimiter), 200))
    sample = [row for row in first if isinstance(row, dict)]
    if not sample:
        why = f"no row of {source} can be read: {first[0].message}" if first else f"{source} has no rows"
        raise ConfigurationError(why, hint="a sample is needed to guess the mapping")
    return list(sample[0]), sample


def _opened(file: Path, connection: str, job: str, url: str | None, auth: str | None) -> str:
    """The job file so far, with the connection in it."""
    from aumconnect.errors import ConfigurationError

    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if f"[writebacks.{job}]" in text:
        raise ConfigurationError(f"{file} has a writeback {job!r} already", hint="choose another with --name")
    if f"[connections.{connection}]" not in text:
        return text + _connection(connection, url, auth)
    if url or auth:
        raise ConfigurationError(f"{file} has the connection {connection!r} already", hint="leave --url and --auth out")
    return text


def _key(said: str | None) -> tuple[str, str] | None:
    if said is None:
        return None
    field, equals, column = said.partition("=")
    if not (field and equals and column):
        raise typer.BadParameter(f"{said!r} is not FIELD=COLUMN", param_hint="--key")
    return field, column


def _need_key(proposal: Proposal, schema: ObjectSchema, columns: Sequence[str], operation: Operation) -> None:
    from aumconnect.errors import ConfigurationError

    if proposal.key is not None or operation is Operation.INSERT:
        return
    fit = [name for name, field in schema.fields.items() if field.unique or field.matchable]
    raise ConfigurationError(
        f"no column looks like a key of {schema.name}; the columns are {', '.join(columns)}",
        hint=f"say which: --key FIELD=COLUMN, where FIELD is one of {', '.join(fit) or 'its fields'}",
    )


def _described(connection: str, kind: str, url: str | None, auth: str | None, file: Path) -> ObjectSchema:
    from aumconnect.cli.systems import opened

    with opened(url or connection, auth=auth, file=file) as client:
        return client.describe(kind)


def _connection(name: str, url: str | None, auth: str | None) -> str:
    from aumconnect.cli.systems import pairs
    from aumconnect.errors import ConfigurationError
    from aumconnect.writeback.propose import toml_string

    if url is None:
        raise ConfigurationError(
            f"the job file has no connection {name!r}",
            hint="give --url salesforce://acme.my.salesforce.com "
            "and --auth 'kind=client_credentials id=env:… secret=env:…'",
        )
    lines = [f"[connections.{name}]", f"url = {toml_string(url)}"]
    if auth:
        lines.append("auth = { " + ", ".join(f"{key} = {toml_string(found)}" for key, found in pairs(auth)) + " }")
    return "\n" + "\n".join(lines) + "\n"


def _relative(source: Path, file: Path) -> str:
    try:
        return source.resolve().relative_to(file.resolve().parent).as_posix()
    except ValueError:
        return source.resolve().as_posix()


def emulator(
    system: Annotated[str, typer.Argument(help="The system to stand in for, e.g. salesforce.", show_default=False)],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 chooses a free one.")] = 8080,
    latency: Annotated[float, typer.Option(min=0, help="Milliseconds every answer takes.")] = 0.0,
    json: Json = False,
) -> None:
    """Serve a stateful stand-in for a system over HTTP, with a page to look at it; Ctrl-C ends it."""
    from aumconnect.testing.emulator import run
    from aumconnect.testing.fakes import fake_of

    fake = fake_of(system)
    login = _login(fake.auth())

    def ready(url: str) -> None:
        found = {"system": system, "url": f"{system}+{url}", "page": f"{url}/__emulator__/", "login": login}
        if json:
            _show.value(found)
            return
        _show.lines(f"{system} emulator: use it as {found['url']}, look at it at {found['page']}")
        if login:
            _show.lines("log in with " + ", ".join(f"{name} = {value}" for name, value in login.items()))

    run(fake, host=host, port=port, latency=latency / 1000, ready=ready)


def _login(credential: Credential | None) -> dict[str, str] | None:
    """A made-up credential as people type it."""
    from dataclasses import fields

    from aumconnect.auth import reveal

    if credential is None:
        return None
    known = {item.name: getattr(credential, item.name) for item in fields(credential)}  # type: ignore[arg-type]
    return {"kind": credential.kind, **{name: reveal(value) for name, value in known.items() if value is not None}}

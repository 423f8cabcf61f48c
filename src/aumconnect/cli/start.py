"""Commands to begin with: demo, init, emulator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aumconnect.cli import _show
from aumconnect.cli._options import DEFAULT_FILE, AuthOption, File, Json

if TYPE_CHECKING:
    from aumconnect.auth import Credential
    from aumconnect.schema import ObjectSchema

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
    operation: Annotated[str, typer.Option("--operation", help="update, upsert, insert or delete.")] = "update",
    file: File = DEFAULT_FILE,
    json: Json = False,
) -> None:
    """Write a job file from what the system describes and a sample of the source."""
    from itertools import islice

    from aumconnect.errors import ConfigurationError
    from aumconnect.sources import rows
    from aumconnect.writeback.propose import propose

    connection, colon, kind = target.partition(":")
    if not colon or not kind:
        raise ConfigurationError(f"{target!r} is not connection:Object", hint="write for example crm:Contact")
    sample = [row for row in islice(rows(source), 200) if isinstance(row, dict)]
    if not sample:
        raise ConfigurationError(f"{source} has no rows", hint="a sample is needed to guess the mapping")
    text = file.read_text() if file.exists() else ""
    if f"[connections.{connection}]" not in text:
        text += _connection(connection, url, auth)
    job = name or re.sub(r"[^A-Za-z0-9_-]", "_", source.stem)
    if f"[writebacks.{job}]" in text:
        raise ConfigurationError(f"{file} has a writeback {job!r} already", hint="choose another with --name")
    schema = _described(connection, kind, url, auth, file)
    proposal = propose(schema, list(sample[0]), sample)
    tables = proposal.to_toml(job, source=_relative(source, file), to=target, operation=operation)
    file.write_text(f"{text.rstrip()}\n\n{tables}".lstrip())
    if json:
        _show.value(
            {
                "file": str(file),
                "writeback": job,
                "key": proposal.key,
                "fields": dict(proposal.fields),
                "unmatched": proposal.unmatched,
            }
        )
        return
    _show.lines(
        f"wrote {file}: writeback {job!r}, {len(proposal.fields)} fields matched, "
        f"{len(proposal.unmatched)} columns left out"
    )
    if proposal.key is None:
        _show.lines("no key was found: choose one in the file before you plan")
    _show.lines(f"next: aumconnect plan {job}" + ("" if file == DEFAULT_FILE else f" --file {file}"))


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

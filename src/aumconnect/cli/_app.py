"""The application object and its commands, in the order a newcomer meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from aumconnect.cli import jobs, start, systems

__all__ = ["app"]

app = typer.Typer(
    help="Carry a model's outputs into CRMs and ERPs: planned, written once, accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for command in (
    *(start.demo, start.init),
    *(systems.connectors, systems.check, systems.describe, systems.read),
    *(jobs.plan, jobs.apply, jobs.runs, jobs.show, jobs.rejects, jobs.retry),
    start.emulator,
):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("aumconnect"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Exit codes: 0 all written, 1 some rejected or failed, 2 wrong usage or settings, 3 stopped by a guard or
    credentials, 75 to be continued.
    """

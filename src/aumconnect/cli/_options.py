"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEFAULT_FILE", "AuthOption", "Env", "File", "Json", "Limit", "Only", "Where", "Writeback"]

DEFAULT_FILE = Path("aumconnect.toml")

File = Annotated[Path, typer.Option("--file", "-f", help="The job file.", show_default=True)]
Env = Annotated[str | None, typer.Option("--env", help="Use this environment's tables of the job file ([env.NAME]).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most this many records.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Only the record with this key; repeat for more.")]
Writeback = Annotated[str, typer.Argument(help="A writeback of the job file.", show_default=False)]
Where = Annotated[
    str,
    typer.Argument(
        help="A connection of the job file (crm), or a URL (salesforce://acme.my.salesforce.com).", show_default=False
    ),
]
AuthOption = Annotated[
    str | None,
    typer.Option(
        "--auth",
        help="With a URL: how to log in, e.g. 'kind=client_credentials id=env:SF_CLIENT_ID secret=env:SF_SECRET'.",
    ),
]

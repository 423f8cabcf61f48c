"""Printing: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["blocks", "console", "lines", "records", "table", "value"]


def console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def value(data: Any) -> None:
    """One JSON document on standard output."""
    json.dump(data, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


def records(rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object a line, as they come."""
    for row in rows:
        sys.stdout.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table whose cells are plain text: nothing in the data is taken for markup."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        drawn.add_column(name, overflow="fold", no_wrap=place == 0)  # what one would copy stays whole
    for row in rows:
        drawn.add_row(*(Text(_cell(cell)) for cell in row))
    console().print(drawn)


def blocks(rows: Iterable[Mapping[str, Any]]) -> None:
    """Records too wide for a table: one below the other, a field a line, empty ones left out."""
    for row in rows:
        for name, cell in row.items():
            if cell is not None:
                console().print(f"{name}: {cell}", markup=False, soft_wrap=True)
        console().print()


def lines(text: str) -> None:
    console().print(text, markup=False, soft_wrap=True)


def _cell(cell: Any) -> str:
    if cell is None or cell is False:
        return ""
    if cell is True:
        return "yes"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)

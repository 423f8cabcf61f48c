"""What the demo puts on the screen: acts, tables, remarks; nothing when the facts are wanted as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

__all__ = ["Stage"]


class Stage:
    """Shows the story and keeps its facts."""

    def __init__(self, *, silent: bool) -> None:
        self.console = Console(quiet=silent, highlight=False)
        self.silent = silent
        self.facts: dict[str, Any] = {}
        self._act = 0
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the curtain rose."""
        return time.perf_counter() - self._started

    @property
    def watched(self) -> bool:
        """Whether a person sits at the terminal."""
        return not self.silent and self.console.is_terminal and sys.stdin.isatty()

    def title(self, title: str, *lines: str) -> None:
        text = Text("\n".join(lines))
        self.console.print(Panel(text, title=title, title_align="left", border_style="blue", padding=(0, 2)))

    def act(self, name: str, command: str = "") -> None:
        self._act += 1
        heading = Text(f"{self._act}  {name}", style="bold blue")
        if command:
            heading.append(f"   $ {command}", style="dim")
        self.console.print()
        self.console.print(Rule(heading, align="left", style="blue"))

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    def proof(self, text: str, *, holds: bool) -> None:
        """A claim, checked just now against the stand-in's own counters."""
        self.console.print(Text.assemble(("✓ ", "bold green") if holds else ("✗ ", "bold red"), text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
        drawn = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0), show_header=any(columns))
        for name in columns:
            drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
        for row in rows:
            drawn.add_row(*(Text(_cell(value)) for value in row))
        self.console.print(drawn)

    def end(self) -> None:
        """The facts as one JSON document, where they are wanted so."""
        if self.silent:
            print(json.dumps({**self.facts, "seconds": round(self.seconds, 2)}, indent=2, default=str))  # noqa: T201


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)

"""How far a run has come: a bar with rate and time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aumconnect.events import ChunkSettled, Event

__all__ = ["progress"]


@contextmanager
def progress(label: str, total: int | None, *, quiet: bool = False) -> Iterator[Callable[[Event], None]]:
    """A hook for `on_event` that draws on standard error; nothing is drawn when ``quiet`` or not on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda event: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from aumconnect.cli._show import console

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(label, total=total, rate="")

        def hook(event: Event) -> None:
            if isinstance(event, ChunkSettled):
                drawn.update(task, advance=sum(event.counts.values()), rate=_rate(drawn.tasks[0]))

        yield hook


def _rate(task: Any) -> str:
    return f"{task.completed / task.elapsed:,.0f}/s" if task.elapsed else ""

"""``aumconnect demo``: a real model's predictions into a stand-in CRM, in seconds and without leaving this machine."""

from __future__ import annotations

from pathlib import Path

__all__ = ["run"]


def run(keep: Path | None = None, *, as_json: bool = False) -> int:
    """Tell the story; 0 when every claim held. ``keep``: leave job file, predictions and ledger in this new folder."""
    from aumconnect.demo.story import run as tell

    return tell(keep, as_json=as_json)

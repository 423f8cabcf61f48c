"""The name somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not among ``known``: the nearest ones, else all of them (at most twenty)."""
    names = sorted(set(known))
    folded = {candidate.casefold(): candidate for candidate in reversed(names)}
    found = [folded[match] for match in get_close_matches(name.casefold(), list(folded), n=3, cutoff=0.6)]
    if found:
        return "did you mean " + " or ".join(repr(match) for match in found) + "?"
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"there are: {shown}" if names else "there are none"

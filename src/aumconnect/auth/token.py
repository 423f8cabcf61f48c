"""An access token and what the system said about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from aumconnect.auth.secret import NotPicklable

__all__ = ["Token"]


@dataclass(frozen=True, slots=True)
class Token(NotPicklable):
    """What a login gives. ``base_url`` is where the system wants its requests from now on; None means as configured.

    ``lifetime`` is the seconds it is good for, ``expires_at`` the same as epoch seconds on this machine's clock;
    both None where the system does not say.
    ``refresh`` is the refresh token to use next time, where the system handed out a new one.
    """

    value: str = field(repr=False)
    base_url: str | None = None
    expires_at: float | None = None
    lifetime: float | None = None
    refresh: str | None = field(default=None, repr=False)

"""The page as one document: template, style and script put together, allowed by their hashes and nothing else."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

__all__ = ["document", "policy"]


@cache
def document() -> bytes:
    """The whole page, UTF-8."""
    page = _part("page.html").replace("/* style */", _part("page.css")).replace("/* script */", _part("page.js"))
    return page.encode()


@cache
def policy() -> str:
    """Its Content-Security-Policy (CSP Level 3): our own style and script, requests to our own origin, no more."""
    return (
        f"default-src 'none'; style-src {_hash('page.css')}; script-src {_hash('page.js')}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(name: str) -> str:
    return f"'sha256-{b64encode(sha256(_part(name).encode()).digest()).decode()}'"


@cache
def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

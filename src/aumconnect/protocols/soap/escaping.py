"""Text as XML 1.0 content: nothing can end it early, and every receiver reads back what was meant."""

from __future__ import annotations

import re

__all__ = ["attribute", "content", "special"]

_FORBIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"  # all that XML 1.0 §2.2 leaves out
_ILLEGAL = re.compile(f"[{_FORBIDDEN}]")
_IN_CONTENT = re.compile(f"[&<>\r{_FORBIDDEN}]")
_IN_ATTRIBUTE = re.compile(f'[&<>"\r\n\t{_FORBIDDEN}]')
_REFERENCES = {
    ord(letter): reference
    for letter, reference in {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",  # also in "]]>"
        "\r": "&#13;",  # a parser would make a line feed of it (XML 1.0 §2.11)
    }.items()
}
_MORE_REFERENCES = _REFERENCES | {ord('"'): "&quot;", ord("\n"): "&#10;", ord("\t"): "&#9;"}  # XML 1.0 §3.3.3


special = _IN_CONTENT.search
"""What in a text needs care between tags; None for nothing."""


def content(text: str) -> str:
    """``text`` between tags. Raises `ValueError` for a character that XML cannot hold."""
    return text if _IN_CONTENT.search(text) is None else _legal(text).translate(_REFERENCES)


def attribute(text: str) -> str:
    """``text`` between double quotes. Raises `ValueError` for a character that XML cannot hold."""
    return text if _IN_ATTRIBUTE.search(text) is None else _legal(text).translate(_MORE_REFERENCES)


def _legal(text: str) -> str:
    found = _ILLEGAL.search(text)
    if found:
        raise ValueError(f"a character that XML cannot hold: U+{ord(found[0]):04X}")
    return text

"""Record ids: 15 characters whose case counts, and three more by which a change of case shows."""

from __future__ import annotations

import re

__all__ = ["ID_LENGTH", "has_form", "is_id", "suffix"]

ID_LENGTH = 15
"""Significant characters of an id; three more, where present, only protect its case."""

_FORM = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-5]{3})?")
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def has_form(text: str) -> bool:
    """Whether this has the characters of one id: no comma that would make two of it, no path."""
    return _FORM.fullmatch(text) is not None


def is_id(text: object) -> bool:
    """Whether this can be an id at all; one whose case was changed on its way (by a spreadsheet) cannot."""
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        return False
    return len(text) == ID_LENGTH or text[ID_LENGTH:].upper() == suffix(text)


def suffix(text: str) -> str:
    """The three characters that go with the first 15: for each group of five, which of them are capitals."""
    groups = (text[start : start + 5] for start in (0, 5, 10))
    return "".join(_DIGITS[sum(1 << place for place, one in enumerate(group) if one.isupper())] for group in groups)

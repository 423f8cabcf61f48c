"""Record ids: 15 characters that tell case apart, and three more that protect it."""

from __future__ import annotations

from aumconnect.testing.fakes.salesforce.errors import Refusal

__all__ = ["long_id", "new_id", "normal_id"]

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def new_id(prefix: str, number: int) -> str:
    """The ``number``-th id of the object with this key prefix; a later one sorts behind."""
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = DIGITS[digit] + text
    return long_id(f"{prefix}AA{text.rjust(10, '0')}")


def long_id(short: str) -> str:
    """18 characters from 15: each of the three added ones says which of five characters are capitals."""
    checks = ""
    for start in (0, 5, 10):
        part = short[start : start + 5]
        checks += CHECKS[sum(1 << place for place, letter in enumerate(part) if letter.isascii() and letter.isupper())]
    return short + checks


def normal_id(text: object, field: str = "Id") -> str:
    """The 18-character form of an id of either length. Raises `Refusal` (MALFORMED_ID)."""
    if isinstance(text, str) and len(text) in (15, 18) and text.isascii() and text.isalnum():
        full = long_id(text[:15])
        if len(text) == 15 or full[15:] == text[15:].upper():
            return full
    raise Refusal("MALFORMED_ID", f"{field}: id value of incorrect type: {text}", [field])

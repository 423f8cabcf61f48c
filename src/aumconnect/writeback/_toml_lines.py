"""On which line of a TOML file a key stands; `tomllib` reads values but does not say.

A light scan of text that `tomllib` has already accepted: table headers, keys, dotted and quoted, and the
keys of inline tables. Values spanning lines are stepped over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

__all__ = ["Lines"]

_TOKEN = re.compile(
    r'(?P<skip>[ \t\r]+|\#[^\n]*)|(?P<newline>\n)|(?P<long>"""(?:[^\\]|\\.)*?"""+|\'\'\'.*?\'\'\'+)'
    r'|(?P<string>"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\')|(?P<mark>[\[\]{}=,.])|(?P<bare>[^\s\[\]{}=,."\'#]+)',
    re.DOTALL,
)


class Lines:
    """Line numbers, counted from 1, by path of keys."""

    def __init__(self, text: str) -> None:
        self._found: dict[tuple[str, ...], int] = {}
        for path, line in _keys(text):
            for length in range(1, len(path) + 1):
                self._found.setdefault(path[:length], line)

    def of(self, path: Sequence[str]) -> int | None:
        """The line of ``path``, or of the nearest table or key it is in; None for the file as a whole."""
        for length in range(len(path), 0, -1):
            if (line := self._found.get(tuple(path[:length]))) is not None:
                return line
        return None


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "skip":
            yield kind, match[0], line
        line += match[0].count("\n")


def _keys(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """(path, line) of each table header and key, in order."""
    table: tuple[str, ...] = ()
    inside: list[tuple[str, ...] | None] = []  # the path of each open inline table; None for an array
    name: list[str] = []
    expecting = True  # a key may begin here
    header_depth = 0
    for kind, word, line in _tokens(text):
        if header_depth:
            header_depth, name = _header(kind, word, header_depth, name)
            if not header_depth:
                table, name = tuple(name), []
                yield table, line
            continue
        if kind == "newline":
            expecting = expecting or not inside
            if not inside:
                name = []
        elif expecting and not inside and not name and word == "[":
            header_depth = 1
        elif expecting and word == "=":
            base = next((path for path in reversed(inside) if path is not None), table)
            path = (*base, *name)
            yield path, line
            expecting, last = False, path
        elif expecting and kind in ("bare", "string"):
            name.append(_plain(kind, word))
        elif word == "{":
            inside.append(last)
            expecting, name = True, []
        elif word == "[":
            inside.append(None)
        elif word in ("}", "]"):
            inside.pop()
            expecting, name = False, []
        elif word == "," and inside and inside[-1] is not None:
            expecting, name = True, []


def _header(kind: str, word: str, depth: int, name: list[str]) -> tuple[int, list[str]]:
    if word == "[":
        return depth + 1, name
    if word == "]":
        return depth - 1, name
    return depth, [*name, _plain(kind, word)] if kind in ("bare", "string") else name


def _plain(kind: str, word: str) -> str:
    return word[1:-1] if kind == "string" else word

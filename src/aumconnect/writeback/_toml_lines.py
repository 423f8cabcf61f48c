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
    scan = _Scan()
    for kind, word, line in _tokens(text):
        if (path := scan.take(kind, word)) is not None:
            yield path, line


class _Scan:
    """Follows the tokens of a file: which table we are in, which inline tables are open, which key is being spelled."""

    def __init__(self) -> None:
        self._table: tuple[str, ...] = ()
        self._inside: list[tuple[str, ...] | None] = []  # the path of each open inline table; None for an array
        self._name: list[str] = []
        self._path: tuple[str, ...] = ()
        self._before_key = True
        self._brackets = 0

    def take(self, kind: str, word: str) -> tuple[str, ...] | None:
        """The path that ends with this token, if one does."""
        if self._brackets:
            return self._header(kind, word)
        if kind == "newline":
            self._line()
        elif self._before_key:
            return self._key(kind, word)
        elif word in ("{", "["):
            self._inside.append(self._path if word == "{" else None)
            self._begin(expected=word == "{")
        elif word in ("}", "]"):
            self._inside.pop()
        elif word == "," and self._inside and self._inside[-1] is not None:
            self._begin(expected=True)
        return None

    def _header(self, kind: str, word: str) -> tuple[str, ...] | None:
        self._brackets += (word == "[") - (word == "]")
        if kind in ("bare", "string"):
            self._name.append(_plain(kind, word))
        if self._brackets:
            return None
        self._table = tuple(self._name)
        self._begin(expected=True)
        return self._table

    def _key(self, kind: str, word: str) -> tuple[str, ...] | None:
        if kind in ("bare", "string"):
            self._name.append(_plain(kind, word))
        elif word == "[" and not self._inside and not self._name:
            self._brackets = 1
        elif word == "}":
            self._inside.pop()
            self._begin(expected=False)
        elif word == "=":
            base = next((path for path in reversed(self._inside) if path is not None), self._table)
            self._path = (*base, *self._name)
            self._begin(expected=False)
            return self._path
        return None

    def _line(self) -> None:
        if not self._inside:
            self._begin(expected=True)

    def _begin(self, *, expected: bool) -> None:
        self._name, self._before_key = [], expected


def _plain(kind: str, word: str) -> str:
    return word[1:-1] if kind == "string" else word

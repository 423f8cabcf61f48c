"""SOQL text as a `Select`: the part of the language that integration code uses.

``SELECT a, Parent.b | COUNT() FROM x [WHERE …] [ORDER BY …] [LIMIT n] [OFFSET n]``; conditions with ``= != <> < <= > >=
LIKE IN, NOT IN, INCLUDES, EXCLUDES, AND, OR, NOT`` and parentheses (SOQL and SOSL Reference, SOQL SELECT Syntax).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from aumconnect.testing.fakes.salesforce.errors import BadRequest

T = TypeVar("T")

__all__ = ["Both", "Compare", "Condition", "Either", "Not", "Order", "Select", "parse"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    | (?P<date>\d{4}-\d\d-\d\d)
    | (?P<time>\d\d:\d\d:\d\d(?:\.\d+)?Z)
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<name>[A-Za-z][\w.]*)
    | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE,
)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_WORDS = {"true": True, "false": False, "null": None}
_NOT_NAMES = frozenset({"from", "where", "order", "limit", "offset", "and", "or", "not", "group", "having"})


@dataclass(frozen=True, slots=True)
class Compare:
    """``operator`` in lower case; ``value`` is a list for ``in``, ``not in``, ``includes`` and ``excludes``.

    ``kinds`` are the kinds of literal it was written with: text, number, date, datetime, time, word.
    """

    path: str
    operator: str
    value: Any
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Both:
    parts: Sequence[Condition]


@dataclass(frozen=True, slots=True)
class Either:
    parts: Sequence[Condition]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition = Compare | Both | Either | Not


@dataclass(frozen=True, slots=True)
class Order:
    path: str
    descending: bool = False
    nulls_last: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """``fields`` is empty for ``COUNT()``."""

    fields: tuple[str, ...]
    object: str
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Select:
    """Raises `BadRequest` (MALFORMED_QUERY)."""
    return _Parser(text).select()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def select(self) -> Select:
        self._expect("select")
        fields = self._fields()
        self._expect("from")
        select = Select(
            fields=fields,
            object=self._name(),
            where=self._either() if self._takes("where") else None,
            order=self._order() if self._takes("order") else (),
            limit=self._whole() if self._takes("limit") else None,
            offset=self._whole() if self._takes("offset") else 0,
        )
        if self._at < len(self._tokens):
            self._fail()
        return select

    def _fields(self) -> tuple[str, ...]:
        if self._peek() == "count":
            for word in ("count", "(", ")"):
                self._expect(word)
            return ()
        return self._listed(self._name)

    def _listed(self, one: Callable[[], T]) -> tuple[T, ...]:
        found = [one()]
        while self._takes(","):
            found.append(one())
        return tuple(found)

    def _order(self) -> tuple[Order, ...]:
        self._expect("by")
        return self._listed(self._one_order)

    def _one_order(self) -> Order:
        path = self._name()
        descending = self._takes("desc")
        if not descending:
            self._takes("asc")
        if not self._takes("nulls"):
            return Order(path, descending, nulls_last=descending)
        last = self._takes("last")
        if not last:
            self._expect("first")
        return Order(path, descending, last)

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(parts)

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Both(parts)

    def _one(self) -> Condition:
        if self._takes("not"):
            return Not(self._one())
        if self._takes("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Compare:
        path = self._name()
        operator = self._next()[1].lower()
        if operator == "not":
            self._expect("in")
            operator = "not in"
        if operator in ("in", "not in", "includes", "excludes"):
            self._expect("(")
            literals = self._listed(self._literal)
            self._expect(")")
            return Compare(path, operator, [value for _, value in literals], tuple(kind for kind, _ in literals))
        if operator not in ("=", "!=", "<>", "<", "<=", ">", ">=", "like"):
            self._fail()
        kind, value = self._literal()
        return Compare(path, "!=" if operator == "<>" else operator, value, (kind,))

    def _literal(self) -> tuple[str, Any]:
        kind, text = self._next()
        if kind == "text":
            return kind, re.sub(r"\\(.)", _unescaped, text[1:-1])
        if kind == "number":
            return kind, Decimal(text)
        if kind in ("date", "datetime", "time"):
            return kind, text
        if text.lower() not in _WORDS:
            self._fail()
        return "word", _WORDS[text.lower()]

    def _whole(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdigit():
            self._fail()
        return int(text)

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name" or text.lower() in _NOT_NAMES:
            self._fail()
        return text

    def _peek(self) -> str:
        return self._tokens[self._at][1].lower() if self._at < len(self._tokens) else ""

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            self._fail()
        self._at += 1
        return self._tokens[self._at - 1]

    def _takes(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._at += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            self._fail()

    def _fail(self) -> NoReturn:
        seen = self._peek() or "<EOF>"
        raise BadRequest(400, "MALFORMED_QUERY", f"unexpected token: '{seen}'")


def _unescaped(found: re.Match[str]) -> str:
    """``\\%`` and ``\\_`` stay as they are: they mean something to LIKE."""
    return found[0] if found[1] in "%_" else _ESCAPED.get(found[1], found[1])


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadRequest(400, "MALFORMED_QUERY", f"unexpected character at {at}: {text[at : at + 10].strip()!r}")
        at = found.end()
        yield str(found.lastgroup), found[str(found.lastgroup)]

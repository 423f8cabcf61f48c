"""SOQL over REST (REST API Developer Guide, Query, QueryAll): pages, and cursors that expire."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aumconnect.testing.fakes.salesforce.call import Call, answer
from aumconnect.testing.fakes.salesforce.errors import BadRequest
from aumconnect.testing.fakes.salesforce.query import Reader, rendered
from aumconnect.testing.fakes.salesforce.records import Org
from aumconnect.testing.fakes.salesforce.soql import parse
from aumconnect.wire import Response

__all__ = ["Queries"]

SMALLEST_PAGE, LARGEST_PAGE = 200, 2_000
LONGEST_QUERY = 100_000  # unverified

_OPTION = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class _Cursor:
    records: list[dict[str, Any]]
    page: int
    used_at: float


@dataclass(kw_only=True)
class Queries:
    """``cursor_seconds``: a cursor nobody uses is gone after that (unverified). ``page_rows``: the server's own page
    size, whatever the client asks for."""

    org: Org
    now: Callable[[], float]
    cursor_seconds: float = 900.0
    page_rows: int | None = None
    _cursors: dict[str, _Cursor] = field(default_factory=dict)
    _made: int = 0

    @property
    def index_lag(self) -> float:
        """Queries see records as they were so many seconds ago."""
        return self.org.store.remember

    @index_lag.setter
    def index_lag(self, seconds: float) -> None:
        self.org.store.remember = seconds

    def query(self, call: Call, *, deleted: bool) -> Response:
        text = call.query.get("q", "")
        if len(text) > LONGEST_QUERY:
            raise BadRequest(400, "MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters.")
        select = parse(text)
        moment = self.now() - self.index_lag if self.index_lag else None
        reader = Reader(self.org, select.object, deleted=deleted, moment=moment)
        rows = reader.rows(select)
        if not select.fields:
            return answer({"totalSize": len(rows), "done": True, "records": []})
        records = [rendered(reader, select.fields, values, call.root) for values in rows]
        return self._page(call, self._cursor(records, self._size(call)), 0)

    def more(self, call: Call, locator: str) -> Response:
        name, _, start = locator.rpartition("-")
        cursor = self._cursors.get(name)
        if cursor is None or self.now() - cursor.used_at > self.cursor_seconds or not start.isdigit():
            self._cursors.pop(name, None)
            raise BadRequest(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        cursor.used_at = self.now()
        return self._page(call, name, int(start))

    def expire(self) -> None:
        """Every cursor is forgotten."""
        self._cursors.clear()

    def _size(self, call: Call) -> int:
        found = _OPTION.search(call.header("Sforce-Query-Options"))
        wanted = int(found[1]) if found else LARGEST_PAGE
        return self.page_rows or min(max(wanted, SMALLEST_PAGE), LARGEST_PAGE)

    def _cursor(self, records: list[dict[str, Any]], page: int) -> str:
        self._made += 1
        name = f"01gAA{self._made:010}"
        self._cursors[name] = _Cursor(records, page, self.now())
        return name

    def _page(self, call: Call, name: str, start: int) -> Response:
        cursor = self._cursors[name]
        end = start + cursor.page
        reply: dict[str, Any] = {"totalSize": len(cursor.records), "done": end >= len(cursor.records)}
        if not reply["done"]:
            reply["nextRecordsUrl"] = f"{call.root}/query/{name}-{end}"
        else:
            del self._cursors[name]
        return answer({**reply, "records": cursor.records[start:end]})

"""What the page shows, as JSON values, read from whatever the fake lets be seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Protocol, runtime_checkable

from aumconnect.testing._page.log import RequestLog
from aumconnect.testing._page.mishaps import Mishaps

__all__ = ["Inspectable", "Views"]

PAGE = 50

Values = Mapping[str, Any]


class FieldChange(Protocol):
    """One field of one record got another value: in request number ``request``, or by a person (None)."""

    @property
    def object(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def old(self) -> Any: ...
    @property
    def new(self) -> Any: ...
    @property
    def request(self) -> int | None: ...
    @property
    def at(self) -> float: ...
    @property
    def by(self) -> str: ...


@runtime_checkable
class Inspectable(Protocol):
    """A fake whose records can be looked at and edited. `aumconnect.testing.fakes.Fake` is one."""

    @property
    def changes(self) -> Sequence[FieldChange]: ...

    def tables(self) -> Mapping[str, Sequence[Values]]:
        """Every object's records, in the order they were made."""

    def editable(self, object: str) -> Collection[str]:
        """The fields that `edit` may take."""

    def edit(self, object: str, id: str, field: str, value: Any, *, by: str) -> None:
        """Change one field as a person would in the system itself. Raises `LookupError` or `ValueError`."""


class Views:
    """The answers behind the page. Every method takes and gives plain JSON values."""

    def __init__(self, fake: Any, log: RequestLog, mishaps: Mishaps) -> None:
        self._fake = fake if isinstance(fake, Inspectable) else None
        self._title = _title(fake)
        self._id_field: str = getattr(fake, "id_field", "id")
        self._stamps: Collection[str] = getattr(fake, "stamps", ())
        self._log, self._mishaps = log, mishaps

    def overview(self, query: Mapping[str, str]) -> Any:
        """Names and counts: what tells the page whether anything is new."""
        return {
            "title": self._title,
            "id_field": self._id_field,
            "objects": [{"name": name, "records": len(rows)} for name, rows in self._tables().items()],
            "requests": self._log.total,
            "changes": len(self._changes()),
            "faults": self._mishaps.kinds,
            "waiting": self._mishaps.waiting,
        }

    def records(self, query: Mapping[str, str]) -> Any:
        """One page of an object's records that hold ``search`` anywhere, whatever its case.

        ``columns`` are the fields that hold something on this page: first those that somebody changed, last those
        that are the same in every row.
        """
        name = query.get("object", "")
        rows = self._rows(name)
        if wanted := query.get("search", "").strip().casefold():
            rows = [row for row in rows if any(wanted in _text(value) for value in row.values())]
        page = _page(rows, query)
        written = dict.fromkeys(change.field for change in self._changes() if change.object == name)
        page["rows"] = [_plain(row) for row in page["rows"]]
        page["columns"] = _columns(page["rows"], first=[self._id_field, *written], last=self._stamps)
        return page

    def record(self, query: Mapping[str, str]) -> Any:
        """One record, what of it can be edited, and everything that happened to it, newest first."""
        name, record_id = query.get("object", ""), query.get("id", "")
        found = next((row for row in self._rows(name) if row.get(self._id_field) == record_id), None)
        history = [change for change in self._changes() if (change.object, change.id) == (name, record_id)]
        return {
            "record": found and _plain(found),
            "editable": list(self._fake.editable(name)) if self._fake else [],
            "history": [_change(each) for each in reversed(history)],
        }

    def requests(self, query: Mapping[str, str]) -> Any:
        page = _page(self._log.newest, query)
        page["rows"] = [asdict(row) for row in page["rows"]]
        return page

    def changes(self, query: Mapping[str, str]) -> Any:
        page = _page(list(reversed(self._changes())), query)
        page["rows"] = [_change(row) for row in page["rows"]]
        return page

    def edit(self, arguments: Values) -> Any:
        """A person's change. ``object``, ``id``, ``field`` are text, ``value`` is anything JSON can say."""
        if self._fake is None:
            raise LookupError("this fake has no records to edit")
        name, record_id, field = (_named(arguments, each) for each in ("object", "id", "field"))
        self._fake.edit(name, record_id, field, arguments.get("value"), by="person")
        return self.record({"object": name, "id": record_id})

    def fault(self, arguments: Values) -> Any:
        self._mishaps.cause(_named(arguments, "kind"))
        return self.overview({})

    def _tables(self) -> Mapping[str, Sequence[Values]]:
        return self._fake.tables() if self._fake else {}

    def _changes(self) -> Sequence[FieldChange]:
        return self._fake.changes if self._fake else ()

    def _rows(self, object: str) -> Sequence[Values]:
        tables = self._tables()
        if object not in tables:
            raise LookupError(f"there is no object {object!r}")
        return tables[object]


def _title(fake: Any) -> str:
    """``FakeSalesforce`` is the Salesforce emulator."""
    name: str = getattr(fake, "__name__", None) or type(fake).__name__
    return f"{name.removeprefix('Fake')} emulator"


def _named(arguments: Values, name: str) -> str:
    if isinstance(value := arguments.get(name), str):
        return value
    raise ValueError(f"{name!r} must be text")


def _page(rows: Iterable[Any], query: Mapping[str, str]) -> dict[str, Any]:
    """The rows of page ``page`` (counted from 1; the last one for numbers beyond it)."""
    total = len(rows)  # type: ignore[arg-type]  # a list or deque
    pages = max(1, -(-total // PAGE))
    wanted = query.get("page", "1")
    page = min(max(1, int(wanted) if wanted.isdecimal() else 1), pages)
    return {"total": total, "page": page, "pages": pages, "rows": list(islice(rows, (page - 1) * PAGE, page * PAGE))}


def _columns(rows: Sequence[Values], *, first: Sequence[str], last: Collection[str]) -> list[str]:
    seen: dict[str, set[str]] = {}
    for row in rows:
        for name, value in row.items():
            seen.setdefault(name, set()).add(_text(value))
    filled = [name for name, values in seen.items() if values != {""}]
    varied = [name for name in filled if len(seen[name]) > 1 and name not in last]
    return list(dict.fromkeys([*(name for name in first if name in filled), *varied, *filled]))


def _change(change: FieldChange) -> dict[str, Any]:
    """``kind`` is changed, created or deleted; only the first has values."""
    kind = "changed" if change.field else "created" if change.old is None else "deleted"
    return {
        "object": change.object,
        "id": change.id,
        "field": change.field,
        "kind": kind,
        "old": _value(change.old) if change.field else None,
        "new": _value(change.new) if change.field else None,
        "request": change.request,
        "at": change.at,
        "by": change.by,
    }


def _plain(row: Values) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


def _text(value: Any) -> str:
    return "" if value is None else str(value).casefold()

"""Answers to a SOQL `Select` from the fake org's records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from aumconnect.testing.fakes._tables import Row
from aumconnect.testing.fakes.salesforce.errors import BadRequest
from aumconnect.testing.fakes.salesforce.fields import Field
from aumconnect.testing.fakes.salesforce.ids import long_id
from aumconnect.testing.fakes.salesforce.records import Org, SObject
from aumconnect.testing.fakes.salesforce.soql import Both, Compare, Condition, Either, Not, Order, Select
from aumconnect.testing.fakes.salesforce.values import stamp

__all__ = ["Reader", "rendered"]

Values = Mapping[str, Any]
Test = Callable[[Values], bool]
Get = Callable[[Values], Any]

_LITERALS = {"date": {"date"}, "datetime": {"datetime"}, "time": {"time"}, "boolean": {"word"}}


class Reader:
    """Reads one object as of ``moment`` (epoch seconds): what a lagging index shows. None is now."""

    def __init__(self, org: Org, object: str, *, deleted: bool = False, moment: float | None = None) -> None:
        if object not in org:
            reason = f"sObject type '{object}' is not supported."
            raise BadRequest(400, "INVALID_TYPE", reason)
        self._org = org
        self._table = org[object]
        self._deleted = deleted
        self._moment = moment

    @property
    def table(self) -> SObject:
        return self._table

    def rows(self, select: Select) -> list[Values]:
        """The records' values, in the order asked for."""
        for path in select.fields:
            self.getter(path)
        found = list(self._matching(select.where))
        for order in reversed(select.order):
            found.sort(key=self._sorter(order), reverse=order.descending)
        end = None if select.limit is None else select.offset + select.limit
        return found[select.offset : end]

    def getter(self, path: str) -> Get:
        """How to get the value behind ``Name`` or ``Account.Name``. Raises `BadRequest` (INVALID_FIELD)."""
        return self._walk(self._table, path)[1]

    def _matching(self, where: Condition | None) -> Iterable[Values]:
        test = self._test(where) if where is not None else lambda values: True
        for row in self._candidates(where):
            seen = row if self._moment is None else row.as_of(self._moment)
            if seen is None or (seen.deleted and not self._deleted):
                continue
            values = {**seen.values, "IsDeleted": True} if seen.deleted else seen.values
            if test(values):
                yield values

    def _candidates(self, where: Condition | None) -> Iterable[Row]:
        """Those an index finds for a key that must match; else all rows."""
        if self._moment is None and not self._deleted:
            for part in where.parts if isinstance(where, Both) else [where]:
                if isinstance(part, Compare) and part.operator in ("=", "in"):
                    found = self._by_index(part.path, _listed(part.value))
                    if found is not None:
                        return found
        return list(self._table.rows())

    def _by_index(self, path: str, values: list[Any]) -> Iterable[Row] | None:
        if path.lower() == "id":
            return [row for text in values if (row := self._by_id(text)) is not None]
        field = self._table.field(path)
        if field is None or not self._table.is_indexed(field.name) or None in values:
            return None
        rows = [row for value in values for row in self._table.find(field.name, value)]
        return {row.id: row for row in rows}.values()

    def _by_id(self, text: Any) -> Row | None:
        return self._table.row(long_id(text[:15])) if isinstance(text, str) and len(text) in (15, 18) else None

    def _walk(self, table: SObject, path: str) -> tuple[Field, Get]:
        head, dot, rest = path.partition(".")
        if not dot:
            field = table.field(head)
            if field is None:
                raise _no_column(head, table)
            return field, lambda values: values.get(field.name)
        relation = table.relation(head)
        if relation is None:
            reason = f"Didn't understand relationship '{head}' in field path."
            raise BadRequest(400, "INVALID_FIELD", reason)
        parent = self._org[relation.references[0]]
        last, get = self._walk(parent, rest)
        return last, lambda values: _through(parent, values.get(relation.name), get)

    def _sorter(self, order: Order) -> Callable[[Values], Any]:
        field, get = self._walk(self._table, order.path)
        nulls_rank = order.nulls_last != order.descending

        def sort_key(values: Values) -> Any:
            value = _folded(field, get(values))
            return (value is None) if nulls_rank else (value is not None), value if value is not None else ""

        return sort_key

    def _test(self, condition: Condition) -> Test:
        match condition:
            case Both(parts):
                tests = [self._test(part) for part in parts]
                return lambda values: all(test(values) for test in tests)
            case Either(parts):
                tests = [self._test(part) for part in parts]
                return lambda values: any(test(values) for test in tests)
            case Not(part):
                test = self._test(part)
                return lambda values: not test(values)
            case Compare():
                return self._comparison(condition)

    def _comparison(self, compare: Compare) -> Test:
        field, get = self._walk(self._table, compare.path)
        _check_literals(field, compare)
        if compare.operator == "like":
            pattern = _like(compare.value)
            return lambda values: bool(pattern.fullmatch(str(get(values) or "")))
        if compare.operator in ("includes", "excludes"):
            wanted = [set(value.split(";")) for value in compare.value]
            inside = compare.operator == "includes"
            return lambda values: any(each <= set((get(values) or "").split(";")) for each in wanted) == inside
        if isinstance(compare.value, list):
            among = {_folded(field, _literal(field, value)) for value in compare.value}
            inside = compare.operator == "in"
            return lambda values: (_folded(field, get(values)) in among) == inside
        literal = _folded(field, _literal(field, compare.value))
        return _OPERATORS[compare.operator](lambda values: _folded(field, get(values)), literal)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Get, Any], Test]:
    """Nothing is smaller or greater than null."""

    def build(get: Get, literal: Any) -> Test:
        return lambda values: (found := get(values)) is not None and literal is not None and test(found, literal)

    return build


_OPERATORS: Mapping[str, Callable[[Get, Any], Test]] = {
    "=": lambda get, literal: lambda values: bool(get(values) == literal),
    "!=": lambda get, literal: lambda values: bool(get(values) != literal),
    "<": _ordered(lambda left, right: bool(left < right)),
    "<=": _ordered(lambda left, right: bool(left <= right)),
    ">": _ordered(lambda left, right: bool(left > right)),
    ">=": _ordered(lambda left, right: bool(left >= right)),
}


def _check_literals(field: Field, compare: Compare) -> None:
    """A text is quoted, everything else is not."""
    allowed = {"text"} if field.is_text or field.type in ("id", "reference") else {"number"}
    allowed = _LITERALS.get(field.type, allowed)
    for kind, value in zip(compare.kinds, _listed(compare.value), strict=True):
        if value is not None and kind not in allowed:
            quotes = "should be enclosed in quotes" if "text" in allowed else "should not be enclosed in quotes"
            reason = f"value of filter criterion for field '{field.name}' must be of type {field.type} and {quotes}"
            raise BadRequest(400, "INVALID_FIELD", reason)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _literal(field: Field, value: Any) -> Any:
    if field.type == "datetime" and value is not None:
        return stamp(datetime.fromisoformat(value).timestamp(), milliseconds=True)
    return value


def _folded(field: Field, value: Any) -> Any:
    """Texts compare without case, ids by their first 15 characters, numbers exactly; an empty text is null."""
    if isinstance(value, str):
        if field.type in ("id", "reference"):
            return value[:15]
        return (value if field.case_sensitive else value.casefold()) or None
    return Decimal(repr(value)) if isinstance(value, float) else value


def _like(pattern: str) -> re.Pattern[str]:
    signs = {"%": ".*", "_": ".", "\\%": "%", "\\_": "_"}
    parts = re.findall(r"\\[%_]|.", pattern, re.DOTALL)
    return re.compile("".join(signs.get(part, re.escape(part)) for part in parts), re.IGNORECASE | re.DOTALL)


def _through(parent: SObject, id: str | None, get: Get) -> Any:
    row = parent.row(id) if id is not None else None
    return get(row.values) if row is not None and not row.deleted else None


def _no_column(name: str, table: SObject) -> BadRequest:
    reason = (
        f"No such column '{name}' on entity '{table.name}'. If you are attempting to use a custom field, be sure to "
        "append the '__c' after the custom field name."
    )
    return BadRequest(400, "INVALID_FIELD", reason)


def rendered(reader: Reader, fields: Iterable[str], values: Values, root: str) -> dict[str, Any]:
    """One record as JSON has it: ``attributes``, the fields, and parents as records inside it."""
    name = reader.table.name
    record: dict[str, Any] = {"attributes": {"type": name, "url": f"{root}/sobjects/{name}/{values['Id']}"}}
    for path in fields:
        _place(record, path.split("."), reader.getter(path)(values), reader.table)
    return record


def _place(record: dict[str, Any], path: list[str], value: Any, table: SObject) -> None:
    """A parent's field goes into a record of its own; without a parent that is null."""
    if len(path) == 1:
        field = table.field(path[0])
        record[field.name if field else path[0]] = value
        return
    relation = table.relation(path[0])
    assert relation is not None
    name, parent = str(relation.relationship), table.org[relation.references[0]]
    if value is None and record.get(name) is None:
        record[name] = None
        return
    if record.get(name) is None:
        record[name] = {"attributes": {"type": parent.name}}
    _place(record[name], path[1:], value, parent)

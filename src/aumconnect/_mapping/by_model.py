"""Rows through the Record class itself: for classes whose own code must run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from aumconnect._mapping.convert import MISSING, plain
from aumconnect._mapping.ir import NO_DEFAULT, Column
from aumconnect._mapping.validate import Values, as_row, problem, problems_of, read
from aumconnect.outcome import Problem

__all__ = ["ByModel"]


class ByModel:
    """Reads one row by the class ``record``; what `Careful` is for mappings without code of their own."""

    def __init__(self, record: type[BaseModel], columns: Sequence[Column]) -> None:
        self._record = record
        self._columns = tuple(columns)
        self._read = tuple(column for column in columns if column.source)
        fields = record.model_fields
        self._absent = {c.source: None for c in self._read if not c.required and fields[c.name].is_required()}
        self._by_source = {column.source: column for column in self._read}

    def __call__(self, row: Any) -> tuple[Values, list[Problem]]:
        """Values by slot and every problem. An instance of the class is taken at its word: it was validated once."""
        if isinstance(row, self._record):
            return self._taken(row, row.model_fields_set)
        values, problems = read(self._read, as_row(row))
        given = {c.source: values[c.slot] for c in self._read if c.slot in values and not _defaults(c, values[c.slot])}
        known = {found.column for found in problems}
        try:
            record = self._record.model_validate({**self._absent, **given})
        except ValidationError as error:
            found = [p for p in problems_of(error, self._by_source) if p.column is None or p.column not in known]
            return values, problems + found
        except Exception as error:  # noqa: BLE001  (the class's own code; one bad row must cost one row)
            return values, [*problems, Problem("record_code", f"{type(error).__name__} in {self._record.__name__}")]
        return (values, problems) if problems else self._taken(record, given)

    def _taken(self, record: BaseModel, given: Any) -> tuple[Values, list[Problem]]:
        values: Values = {}
        problems: list[Problem] = []
        for column in self._columns:
            value = plain(getattr(record, column.name))
            if isinstance(value, float) and math.isinf(value):
                problems.append(problem(column, "finite_number", "the number is infinite"))
            elif value is not MISSING:
                values[column.slot] = value
            elif column.required:
                problems.append(problem(column, "missing", "there is no value"))
            elif not column.source or column.source in given or column.name in given:
                values[column.slot] = None
        return values, problems


def _defaults(column: Column, value: Any) -> bool:
    """Whether the class's own default stands in for this gap."""
    return value is None and column.default is not NO_DEFAULT

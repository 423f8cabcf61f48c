"""From a row's typed values to what is written: templates, gaps, steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, MutableSequence
from typing import Any

from aumconnect._mapping.convert import Refused
from aumconnect._mapping.ir import NO_DEFAULT, Column
from aumconnect._mapping.steps import Step, limits_of, steps_of
from aumconnect._mapping.validate import Values, problem
from aumconnect.outcome import Problem
from aumconnect.schema import CLEAR

__all__ = ["Finish"]


class Finish:
    """Turns values by slot into values by remote field, in place. ``missing`` counts gaps by remote field."""

    def __init__(self, columns: Iterable[Column]) -> None:
        columns = tuple(columns)
        self.missing: Counter[str] = Counter()
        self._templates = tuple(column for column in columns if column.template)
        self._inputs = tuple(column.slot for column in columns if column.field is None)
        self._gaps = tuple(_gap(column) for column in columns if column.field and not column.required)
        self._steps = tuple((c, c.slot, steps) for c in columns if (steps := steps_of(c)))
        self._quick_steps = tuple(
            (c.slot, step) for c in columns for step in steps_of(c, within_limits=limits_of(c) is not None)
        )
        late = self._templates or any(column.default is not NO_DEFAULT for column in columns)
        self._order = tuple(column.slot for column in columns) if late else ()
        self._width = len(columns) - len(self._templates)  # values of a row without gaps

    def whole(self, rows: MutableSequence[Values | None]) -> list[Values | None]:
        """The rows of the quick way that have no gap, finished; None for the others.

        Of ``rows`` those become None that a step refuses: they must be read again to say why.
        """
        if self._templates:
            return [None] * len(rows)
        width = self._width
        whole = [v if v is not None and len(v) == width and None not in v.values() else None for v in rows]
        for slot, step in self._quick_steps:
            for index, values in enumerate(whole):
                if values is not None:
                    try:
                        values[slot] = step(values[slot])
                    except Refused:
                        whole[index] = rows[index] = None
        for slot in self._inputs:
            for values in whole:
                if values is not None:
                    del values[slot]
        return whole

    def __call__(self, values: Values) -> list[Problem] | None:
        """The problems found, if any."""
        problems = [found for column in self._templates if (found := _compose(column, values))]
        for slot in self._inputs:
            values.pop(slot, None)
        for slot, field, default, clears in self._gaps:
            if values.get(slot) is None:
                self._settle(values, slot, field, default, clears=clears)
        for column, slot, steps in self._steps:
            value = values.get(slot)
            if value is not None and value is not CLEAR and (found := _take(column, steps, values, value)):
                problems.append(found)
        if self._order:  # values that came late stand where a reader of the mapping looks for them
            for slot in self._order:
                if slot in values:
                    values[slot] = values.pop(slot)
        return problems

    def _settle(self, values: Values, slot: str, field: str, default: Any, *, clears: bool) -> None:
        if default is not NO_DEFAULT:
            values[slot] = default
        elif slot in values:  # a column that was there, without a value; an absent one is left alone
            self.missing[field] += 1
            if clears:
                values[slot] = CLEAR
            else:
                del values[slot]


def _gap(column: Column) -> tuple[str, str, Any, bool]:
    return column.slot, str(column.field), column.default, column.missing == "clear"


def _compose(column: Column, values: Values) -> Problem | None:
    parts = {name: values.get(f"\0in:{name}") for name in column.parts}
    if None not in parts.values():
        values[column.slot] = str(column.template).format(**parts)
        return None
    if not column.required:
        values[column.slot] = None
        return None
    gaps = ", ".join(name for name, value in parts.items() if value is None)
    return problem(column, "missing", f"there is no value in {gaps}")


def _take(column: Column, steps: Iterable[Step], values: Values, value: Any) -> Problem | None:
    try:
        for step in steps:
            value = step(value)
    except Refused as refused:
        return problem(column, refused.code, refused.message)
    values[column.slot] = value
    return None

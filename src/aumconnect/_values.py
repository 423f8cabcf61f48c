"""What happens to a value between its check and its remote field: template, lookup, scale, rounding, reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from aumconnect._convert import Refused
from aumconnect._mapping import Column, Ref
from aumconnect.schema import Reference

__all__ = ["Step", "rounded", "steps_of"]

Step = Callable[[Any], Any]
"""A value to a value; raises `Refused`."""


def steps_of(column: Column) -> tuple[Step, ...]:
    """The steps a column asks for, in the order `Column` promises."""
    steps: list[Step] = []
    if column.lookup is not None:
        steps.append(_looked_up(column.lookup))
    if column.multiply is not None:
        steps.append(_multiplied(column.multiply))
    if column.digits is not None:
        steps.append(rounded(column.digits))
    if column.ref is not None:
        steps.append(_referring(column.ref))
    return tuple(steps)


def _looked_up(table: Mapping[str, Any]) -> Step:
    def step(value: Any) -> Any:
        name = str(value).lower() if isinstance(value, bool) else str(value)
        if name not in table:
            raise Refused("not_in_lookup", f"the value is not among the {len(table)} of the lookup table")
        return table[name]

    return step


def _multiplied(factor: Decimal) -> Step:
    """Exact for Decimal and int; a float is read by its shortest repr and comes back as the nearest float."""

    def step(value: Any) -> Any:
        if isinstance(value, float):
            return float(Decimal(repr(value)) * factor)
        product = value * factor if isinstance(value, Decimal) else Decimal(value) * factor
        whole = isinstance(value, int) and product == product.to_integral_value()
        return int(product) if whole else product

    return step


def rounded(digits: int) -> Step:
    """Round to ``digits`` after the point, half to even on the shortest decimal text, keeping the type.

    ``2.675`` to 2 digits is ``2.68``: what a person reads in the data decides, not the binary value below it.
    """
    unit = Decimal(1).scaleb(-digits)
    scale = 10.0**digits

    def step(value: Any) -> Any:
        if isinstance(value, float):
            near = round(value, digits)
            if near == value or abs(abs(value - near) * scale - 0.5) > 1e-3:
                return near  # not close to a tie: both rules agree
            return float(Decimal(repr(value)).quantize(unit, ROUND_HALF_EVEN))
        if isinstance(value, Decimal):
            return value.quantize(unit, ROUND_HALF_EVEN)
        return value

    return step


def _referring(ref: Ref) -> Step:
    return lambda value: Reference(ref.object, ref.by, value)

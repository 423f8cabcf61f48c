"""What happens to a value between its check and its remote field: lookup, scale, rounding, reference, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal, get_args, get_origin

from pydantic_core import CoreSchema, core_schema

from aumconnect._mapping.convert import Refused
from aumconnect._mapping.ir import Column, Ref
from aumconnect.schema import FieldSchema, FieldType, Reference

__all__ = ["Step", "limits_of", "rounded", "steps_of"]

Step = Callable[[Any], Any]
"""A value to a value; raises `Refused`."""


def steps_of(column: Column, *, within_limits: bool = False) -> tuple[Step, ...]:
    """The steps a column asks for, in the order `Column` promises.

    ``within_limits``: the values are known to pass `limits_of`, so that steps which only check are left out.
    """
    steps: list[Step] = []
    if column.lookup is not None:
        steps.append(_looked_up(column.lookup))
    if column.multiply is not None:
        steps.append(_multiplied(column.multiply))
    if column.digits is not None:
        steps.append(rounded(column.digits))
    if column.ref is not None:
        steps.append(_referring(column.ref))
    elif column.target is not None:
        steps.extend(_shaping(column.target) if within_limits else _fitting(column.target))
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
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise Refused("number_type", f"a number is expected, not {type(value).__name__}")
        product = Decimal(value) * factor
        whole = isinstance(value, int) and product == product.to_integral_value()
        return int(product) if whole else product

    return step


def rounded(digits: int) -> Step:
    """Round to ``digits`` after the point, half to even on the shortest decimal text, keeping the type.

    ``2.675`` to 2 digits is ``2.68``: what a person reads in the data decides, not the binary value below it.
    """
    unit = Decimal(1).scaleb(-digits)
    scale = 10.0**digits

    def exactly(value: Decimal) -> Decimal:
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent >= -digits:
            return value  # nothing to round, and `quantize` would refuse more than 28 digits
        return value.quantize(unit, ROUND_HALF_EVEN)

    def step(value: Any) -> Any:
        if isinstance(value, float):
            near = round(value, digits)
            if near == value or abs(abs(value - near) * scale - 0.5) > _NEAR_A_TIE:
                return near  # both rules agree
            return float(exactly(Decimal(repr(value))))
        return exactly(value) if isinstance(value, Decimal) else value

    return step


_NEAR_A_TIE = 1e-3


def _referring(ref: Ref) -> Step:
    return lambda value: Reference(ref.object, ref.by, value)


def _fitting(target: FieldSchema) -> Iterable[Step]:
    """What the remote field itself asks of every value: see `aumconnect._mapping.bind`."""
    if target.type in (FieldType.DECIMAL, FieldType.INTEGER) and target.precision:
        yield _below(_magnitude(target))
    yield from _shaping(target)
    if target.type in (FieldType.CHOICE, FieldType.CHOICES) and target.restricted and target.choices:
        yield _chosen(target.choices)
    if target.type in (FieldType.TEXT, FieldType.CHOICE) and target.length:
        yield _short(target.length)


def _shaping(target: FieldSchema) -> Iterable[Step]:
    """Those of them that may change a value."""
    if target.type is FieldType.INTEGER:
        yield _integral
    elif target.type is FieldType.DATETIME:
        yield _aware


def _magnitude(target: FieldSchema) -> Decimal:
    return Decimal(10) ** ((target.precision or 0) - (target.scale or 0))


_PLAIN = {FieldType.TEXT: str, FieldType.CHOICE: str, FieldType.DECIMAL: float}


def limits_of(column: Column) -> CoreSchema | None:
    """What passes this fits the remote field; it may refuse more. None where no test is as quick."""
    target = column.target
    if target is None or column.ref or column.lookup or column.multiply or not _is_plain(column, target):
        return None
    if target.type is FieldType.DECIMAL:
        limit = float(_magnitude(target)) * 0.99 if target.precision else None  # rounding may add a little
        return core_schema.float_schema(strict=True, gt=-limit, lt=limit) if limit else core_schema.float_schema()
    if target.type is FieldType.CHOICE and target.restricted and target.choices:
        return core_schema.literal_schema([c for c in target.choices if len(c) <= (target.length or len(c))])
    return core_schema.str_schema(strict=True, max_length=target.length)


def _is_plain(column: Column, target: FieldSchema) -> bool:
    """Whether values come as just the type that the test is about."""
    kind = _PLAIN.get(target.type)
    annotation = column.python_type
    if get_origin(annotation) is Literal:
        return kind is str and all(type(value) is str for value in get_args(annotation))
    return kind is not None and annotation is kind


def _below(limit: Decimal) -> Step:
    bound = float(limit)

    def step(value: Any) -> Any:
        if isinstance(value, (int, float, Decimal)) and not -bound < value < bound:
            raise Refused("too_large", f"the field holds numbers below {limit:f}")
        return value

    return step


def _integral(value: Any) -> Any:
    return int(value) if isinstance(value, (float, Decimal)) else value


def _aware(value: Any) -> Any:
    """A time without a zone is UTC: nothing else could be said of it everywhere alike."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _short(length: int) -> Step:
    def step(value: Any) -> Any:
        if isinstance(value, str) and len(value) > length:
            raise Refused("string_too_long", f"the field holds {length} characters, there are {len(value)}")
        return value

    return step


def _chosen(choices: Iterable[str]) -> Step:
    """Case is left to the system: whether it minds is not something every ``describe`` says."""
    exact = frozenset(choices)
    folded = frozenset(choice.casefold() for choice in exact)

    def step(value: Any) -> Any:
        for choice in (value,) if isinstance(value, str) and value in exact else parts_of(value):
            if choice not in exact and choice.casefold() not in folded:
                raise Refused("not_a_choice", "the field does not offer this value (any longer)")
        return value

    return step


def parts_of(value: Any) -> list[str]:
    """The choices in a value: several in a list, or in text between semicolons."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return [str(part) for part in value]
    return [part.strip() for part in str(value).split(";")]

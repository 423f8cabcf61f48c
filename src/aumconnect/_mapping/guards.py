"""Which values of which types need no thought: for each kind of column, what the compiled validator lets through."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from pydantic import AllowInfNan, GetCoreSchemaHandler, Strict
from pydantic_core import CoreSchema, core_schema

from aumconnect._mapping.convert import CLOCK, DAY, EXACT, NUMBER, WHOLE, Kind
from aumconnect._mapping.ir import Column

__all__ = ["TYPES", "First", "guards"]


class First:
    """Validate by these core schemas first, then by the annotation."""

    def __init__(self, *steps: CoreSchema) -> None:
        self._steps = steps

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.chain_schema([*self._steps, handler(source)])


def _text(pattern: str) -> First:
    return First(core_schema.str_schema(strict=True, pattern=pattern))


def _instance(*types: type) -> First:
    return First(core_schema.is_instance_schema(types))


def _exactly(kind: type) -> First:
    """Nothing derived from it: pandas' NaT is a datetime, and valid to pydantic."""

    def check(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise ValueError

    return First(core_schema.no_info_plain_validator_function(check))


_WHOLE_FLOAT = (
    core_schema.is_instance_schema(float),
    core_schema.float_schema(ge=-EXACT, le=EXACT),
    core_schema.int_schema(),
)
_AS_TEXT = core_schema.str_schema(coerce_numbers_to_str=True)
_INTEGER = core_schema.int_schema(strict=True)
_FLAG = core_schema.int_schema(strict=True, ge=0, le=1)
_FINITE = core_schema.float_schema(strict=True, allow_inf_nan=False)
_FLOAT = core_schema.is_instance_schema(float)
_FILLED = r"\S"

# (kind, type of the values at hand) → metadata that lets through what needs no thought.
_GUARDS: dict[tuple[Kind, type], tuple[Any, ...]] = {
    (Kind.TEXT, str): (Strict(), _text(_FILLED)),
    (Kind.TEXT, int): (First(_INTEGER, _AS_TEXT),),
    (Kind.TEXT, float): (First(*_WHOLE_FLOAT, _AS_TEXT),),
    (Kind.INTEGER, int): (Strict(),),
    (Kind.INTEGER, float): (First(*_WHOLE_FLOAT),),
    (Kind.INTEGER, str): (_text(WHOLE),),
    (Kind.FLOAT, float): (Strict(), AllowInfNan(False), _instance(float, int)),
    (Kind.FLOAT, int): (Strict(), AllowInfNan(False), _instance(float, int)),
    (Kind.FLOAT, str): (AllowInfNan(False), _text(NUMBER)),
    (Kind.DECIMAL, float): (First(_FLOAT, _FINITE),),
    (Kind.DECIMAL, int): (First(_INTEGER),),
    (Kind.DECIMAL, Decimal): (_instance(Decimal),),
    (Kind.DECIMAL, str): (_text(NUMBER),),
    (Kind.BOOLEAN, bool): (Strict(),),
    (Kind.BOOLEAN, int): (First(_FLAG),),
    (Kind.BOOLEAN, str): (_text(_FILLED),),
    (Kind.DATE, date): (_exactly(date),),
    (Kind.DATE, datetime): (_exactly(datetime),),
    (Kind.DATE, str): (_text(DAY),),
    (Kind.DATETIME, datetime): (_exactly(datetime),),
    (Kind.DATETIME, str): (_text(DAY),),
    (Kind.TIME, time): (_exactly(time),),
    (Kind.TIME, str): (_text(CLOCK),),
    (Kind.ANY, str): (_text(_FILLED),),
    (Kind.ANY, int): (First(_INTEGER),),
    (Kind.ANY, float): (First(_FLOAT, _FINITE),),
    (Kind.ANY, bool): (First(core_schema.bool_schema(strict=True)),),
    (Kind.ANY, Decimal): (First(core_schema.is_instance_schema(Decimal), core_schema.decimal_schema()),),
    (Kind.ANY, date): (_exactly(date),),
    (Kind.ANY, datetime): (_exactly(datetime),),
    (Kind.ANY, list): (_exactly(list),),
}
TYPES = frozenset(found for _, found in _GUARDS)
"""The types a chunk is looked through for."""
_STRIPPED = First(core_schema.str_schema(strict=True, strip_whitespace=True, min_length=1))
_KEY_GUARDS: dict[tuple[Kind, type], tuple[Any, ...]] = {
    (Kind.TEXT, str): (_STRIPPED,),
    (Kind.ANY, str): (_STRIPPED,),
    (Kind.ANY, float): (First(*_WHOLE_FLOAT),),
    (Kind.DECIMAL, float): (First(*_WHOLE_FLOAT),),
}


def guards(column: Column, found: type) -> tuple[Any, ...] | None:
    """Pydantic metadata that lets values of type ``found`` into ``column`` if they need no thought; None for no way."""
    if column.identifies:
        if (column.kind, found) in _KEY_GUARDS:
            return _KEY_GUARDS[column.kind, found]
        if found in (bool, list):
            return None
    return _GUARDS.get((column.kind, found))

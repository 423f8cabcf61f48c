"""Dataclasses of which a run makes one a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

__all__ = ["unguarded"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def unguarded(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots to the type checker; at run time nothing guards its fields.

    The guard is paid for by whoever makes an object: a frozen dataclass sets each field by a call of
    ``object.__setattr__``, which takes five times as long.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)

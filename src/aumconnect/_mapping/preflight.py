"""What does not fit between a mapping and a remote object, all of it at once, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aumconnect._mapping.mapper import Mapper
from aumconnect._near import did_you_mean
from aumconnect.connector import Operation
from aumconnect.schema import ObjectSchema

__all__ = ["Finding", "preflight"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (``error``) or worth knowing (``warning``)."""

    severity: Literal["error", "warning"]
    field: str
    code: str
    message: str
    hint: str | None = None


def preflight(mapper: Mapper, operation: Operation, schema: ObjectSchema) -> list[Finding]:
    """Everything in ``mapper`` that ``schema`` does not take."""
    found = []
    for name in dict.fromkeys([*mapper.key, *mapper.fields]):
        if name not in schema.fields:
            hint = did_you_mean(name, schema.fields)
            found.append(Finding("error", name, "unknown_field", f"{schema.name} has no such field", hint))
    return found

"""Typed mapping: rows to changes ready to send, per second of CPU.

python -m benchmarks.mapping [--quick]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from decimal import Decimal
from statistics import median
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, field_validator

from aumconnect import Key, Record, To
from aumconnect._mapping.mapper import Mapper
from aumconnect.record import mapping_of
from benchmarks import harness
from benchmarks.records import predictions


class FloatScore(Record, object="Contact"):
    customer_id: Annotated[str, Key("Ext__c")]
    score: Annotated[float, To("Score__c"), Ge(0), Le(1)]
    band: Annotated[Literal["low", "mid", "high"] | None, To("Band__c", missing="clear")]


class DecimalScore(Record, object="Contact"):
    customer_id: Annotated[str, Key("Ext__c")]
    score: Annotated[Decimal, To("Score__c"), Ge(0), Le(1)]
    band: Annotated[Literal["low", "mid", "high"] | None, To("Band__c", missing="clear")]


class WithValidator(FloatScore, object="Contact"):
    @field_validator("score")
    @classmethod
    def as_it_is(cls, value: float) -> float:
        return value


class Model(BaseModel):
    """What the same checks cost as a plain pydantic model, with nothing mapped."""

    customer_id: str
    score: Annotated[float, Ge(0), Le(1)]
    band: Literal["low", "mid", "high"] | None


def mapped(record: type[Record]) -> Callable[[list[dict[str, Any]]], int]:
    mapping = mapping_of(record)

    def work(rows: list[dict[str, Any]]) -> int:
        return sum(len(one.changes) + len(one.outcomes) for one in Mapper(mapping).map(rows))

    return work


def with_bad_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every hundredth row has two mistakes."""
    return [row | {"score": "?", "band": "none"} if number % 100 == 0 else row for number, row in enumerate(rows)]


WAYS: dict[str, tuple[Callable[[list[dict[str, Any]]], int], bool]] = {
    "float score": (mapped(FloatScore), False),
    "float score, 1 % bad rows, every error told": (mapped(FloatScore), True),
    "Decimal score": (mapped(DecimalScore), False),
    "a Record with a validator (model path)": (mapped(WithValidator), False),
    "pydantic models only, for comparison": (lambda rows: len([Model.model_validate(row) for row in rows]), False),
}


def compare(count: int, repeats: int) -> str:
    clean = predictions(count)
    dirty = with_bad_rows(clean)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(repeats):
        for name, (work, bad) in WAYS.items():
            started = time.process_time()
            done = work(dirty if bad else clean)
            seconds[name].append(time.process_time() - started)
            if done != count:
                raise RuntimeError(f"{name}: {done} of {count} rows came out")
    found = [(name, f"{count / median(taken):,.0f}", f"{count / min(taken):,.0f}") for name, taken in seconds.items()]
    return harness.table(["rows with a key, a score and a choice", "rows per CPU second, median", "best"], found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    harness.pin()
    print(compare(20_000 if quick else 100_000, 3 if quick else 9))


if __name__ == "__main__":
    main()

"""The records every benchmark writes: a customer's churn score and band, keyed 1 to n."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")
BANDS = ("low", "mid", "high")
PATH = "/services/data/v62.0/composite/sobjects/Contact/Ext__c"


def predictions(count: int) -> list[dict[str, Any]]:
    """What a model leaves behind: one row a customer."""
    return [
        {"customer_id": str(key), "score": key % 1000 / 1000, "band": BANDS[key % 3]} for key in range(1, count + 1)
    ]


def batches(rows: Iterable[T], size: int = 200) -> Iterator[list[T]]:
    source = iter(rows)
    while batch := list(islice(source, size)):
        yield batch


def contact(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a Salesforce record, mapped by hand."""
    return {
        "attributes": {"type": "Contact"},
        "Ext__c": row["customer_id"],
        "Score__c": row["score"],
        "Band__c": row["band"],
    }

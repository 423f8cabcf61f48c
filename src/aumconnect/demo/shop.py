"""The demo's two sides: a CD shop's CRM with its customers, and the predictions that shall reach it.

The customers are those of the CDNOW data set (see NOTICE); their names are made up from their numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from aumconnect._clock import SYSTEM_CLOCK
from aumconnect.testing.fakes.salesforce import FakeSalesforce

__all__ = ["job_file", "open_shop", "predictions", "rescored"]

FIRST = "Ada Ben Cleo Dan Eve Finn Gwen Hugo Ines Jon Kaja Leo Maya Nils Olga Paul Quinn Rosa Sam Tess Uwe Vera".split()
LAST = "Abel Baker Cruz Dietz Egan Fox Gray Hahn Ito Jones Kern Lang Moss Neri Ortiz Price Reed Stone Tran Voss".split()

VALUE_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "Customer_Id__c": {"length": 10, "unique": True, "external_id": True},
    "Expected_Purchases__c": {"type": "double", "precision": 8, "scale": 2},
    "Expected_Spend__c": {"type": "currency", "precision": 12, "scale": 2},
    "Value_Band__c": {"type": "picklist", "values": ("low", "mid", "high"), "inactive": ("vip",), "restricted": True},
    "Value_Model__c": {"length": 40},
    "Value_Scored_At__c": {"type": "datetime"},
}
"""What the shop added to Contact for the predictions."""


def job_file() -> str:
    """The job file, as a user would write it."""
    return _data("aumconnect.toml")


def predictions() -> str:
    """What the model said of 2,357 customers, with the dirt that real files contain (CSV)."""
    return _data("predictions.csv")


def open_shop(customers: Iterable[str] | None = None) -> FakeSalesforce:
    """A CRM in which these customers, or those of the shipped predictions, are Contacts without any score."""
    crm = FakeSalesforce(clock=SYSTEM_CLOCK)
    contacts = crm["Contact"]
    for name, attributes in VALUE_FIELDS.items():
        crm.add_field("Contact", name, **attributes)
    for customer in sorted(_customers() if customers is None else customers):
        first, last = FIRST[int(customer) % len(FIRST)], LAST[int(customer) // 7 % len(LAST)]
        contacts.insert(Customer_Id__c=customer, FirstName=first, LastName=last)
    crm.changes.clear()  # its page shall show what happens from now on
    return crm


def rescored(customers: Iterable[str], scored_at: str) -> str:
    """Predictions as of a later day, in which these customers' spend rose by a tenth (CSV)."""
    chosen = set(customers)
    header, *rows = csv.reader(predictions().splitlines())
    spend, at = header.index("spend"), header.index("scored_at")
    for row in rows:
        if row[0] in chosen:
            row[spend] = f"{float(row[spend]) * 1.1:.2f}"
            row[at] = scored_at
    return "".join(",".join(row) + "\n" for row in [header, *rows])


def _customers() -> set[str]:
    rows = csv.DictReader(predictions().splitlines())
    return {row["customer_id"].removesuffix(".0") for row in rows if not row["customer_id"].startswith("999")}


def _data(name: str) -> str:
    return (files("aumconnect.demo") / "data" / name).read_text(encoding="utf-8")

"""The CDNOW purchases: who bought how much when. See data/README.md for where they come from."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pandas as pd

SAMPLE = Path(__file__).parent / "data" / "CDNOW_sample.txt"
START = pd.Timestamp("1997-01-01")
LEARNED_UNTIL = START + pd.Timedelta(weeks=39)
KNOWN_UNTIL = LEARNED_UNTIL + pd.Timedelta(weeks=39)


def sample() -> pd.DataFrame:
    """2,357 customers: a row a purchase with ``customer_id`` (text, five digits), ``date`` and ``dollars``."""
    return _table(SAMPLE, ["customer_id", "sample_id", "date", "cds", "dollars"], skip=0)


def everyone() -> pd.DataFrame:
    """All 23,570 customers; the file is taken from the package lifetimes 0.11.3, which is not installed for it."""
    with tempfile.TemporaryDirectory() as folder:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", folder, "lifetimes==0.11.3"]
        subprocess.run(fetch, check=True)  # noqa: S603  (our own arguments)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            path = packed.extract("lifetimes/datasets/CDNOW_master.txt", folder)
        return _table(Path(path), ["customer_id", "date", "cds", "dollars"], skip=1)


def _table(path: Path, columns: list[str], skip: int) -> pd.DataFrame:
    table = pd.read_csv(path, sep=r"\s+", names=columns, skiprows=skip, dtype={"customer_id": str, "date": str})
    table["date"] = pd.to_datetime(table["date"], format="%Y%m%d")
    return table[["customer_id", "date", "dollars"]]


def summarise(purchases: pd.DataFrame) -> pd.DataFrame:
    """One row a customer, known on the day `LEARNED_UNTIL`: purchase days, spend, and times in weeks."""
    past = purchases[purchases["date"] < LEARNED_UNTIL]
    grouped = past.groupby("customer_id")
    first, last = grouped["date"].min(), grouped["date"].max()
    return pd.DataFrame(
        {
            "purchases": grouped["date"].nunique(),
            "spend": grouped["dollars"].sum(),
            "weeks_since_first": (LEARNED_UNTIL - first).dt.days / 7,
            "weeks_since_last": (LEARNED_UNTIL - last).dt.days / 7,
            "weeks_active": (last - first).dt.days / 7,
        }
    )


def what_came(purchases: pd.DataFrame, customers: pd.Index) -> pd.DataFrame:
    """What these customers really did in the 39 weeks after: purchase days and spend, zero for most."""
    later = purchases[(purchases["date"] >= LEARNED_UNTIL) & (purchases["date"] < KNOWN_UNTIL)]
    grouped = later.groupby("customer_id")
    found = pd.DataFrame({"purchases": grouped["date"].nunique(), "spend": grouped["dollars"].sum()})
    return found.reindex(customers, fill_value=0)

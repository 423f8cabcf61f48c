"""Train the model, then carry its predictions into a stand-in CRM with the job file beside this script.

    python run.py [--everyone]

Ends with 0 when every row got an outcome, the second run sent nothing, and the dirt in the file was rejected.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import aumconnect as aum
from aumconnect.demo.shop import open_shop
from aumconnect.testing.emulator import serve

HERE = Path(__file__).parent


def train(predictions: Path, *, everyone: bool) -> None:
    command = [sys.executable, str(HERE / "train.py"), "-o", str(predictions), *(["--everyone"] if everyone else [])]
    subprocess.run(command, check=True)  # noqa: S603  (our own script)


def customers(predictions: Path) -> set[str]:
    """Whom the CRM knows: everybody in the file but the strangers put there on purpose."""
    with predictions.open() as file:
        found = {row["customer_id"].removesuffix(".0") for row in csv.DictReader(file)}
    return {customer for customer in found if not customer.startswith("999")}


def carry(folder: Path) -> tuple[aum.Report, aum.Report]:
    """Plan and apply, twice."""
    with aum.Project(folder / "aumconnect.toml") as project:
        plan = project["customer_value"].plan()
        print(plan)
        first = plan.apply()
        print(first)
        return first, project["customer_value"].plan().apply()


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--everyone", action="store_true", help="all 23,570 customers")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder / "predictions.csv", everyone=chosen.everyone)
        crm = open_shop(customers(folder / "predictions.csv"))
        os.environ.update(CRM_ID=crm.logins.consumer_key, CRM_SECRET=crm.logins.consumer_secret)
        with serve(crm) as emulator:
            shutil.copy(HERE / "aumconnect.toml", folder)
            job = (folder / "aumconnect.toml").read_text()
            (folder / "aumconnect.toml").write_text(job.replace("http://127.0.0.1:8080", emulator.url))
            first, second = carry(folder)
            sent = crm.mutations
    rejected = first.counts[aum.Status.REJECTED]
    print(f"{first.total:,} rows, {rejected} rejected; {sent} requests that write in the first run, none in the second")
    return 0 if rejected == 10 and second.counts[aum.Status.UPDATED] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

"""The example's model is worth carrying anywhere, and what the package ships is what it says."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

sklearn = pytest.importorskip("sklearn")

import purchases  # noqa: E402  (examples/customer_value)
import train  # noqa: E402

EXAMPLE = Path(train.__file__).parent
SHIPPED = files("aumconnect.demo") / "data"


@pytest.fixture(scope="module")
def predicted() -> tuple[pd.DataFrame, pd.DataFrame]:
    return train.predict(purchases.sample())


def read(text: str) -> pd.DataFrame:
    from io import StringIO

    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)


def test_every_customer_gets_a_prediction(predicted: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    guesses, truth = predicted

    assert len(guesses) == len(truth) == 2357
    assert (guesses > 0).all().all()


def test_the_predictions_beat_going_on_as_before(predicted: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    guess, truth = (table["purchases"] for table in predicted)
    known = purchases.summarise(purchases.sample())
    as_before = (known["purchases"] - 1) / known["weeks_since_first"] * 39

    assert (guess - truth).abs().mean() < 0.85 * (as_before - truth).abs().mean()


def test_the_top_fifth_by_prediction_spends_most_of_the_money(predicted: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    guesses, truth = predicted
    top = guesses["spend"] >= guesses["spend"].quantile(0.8)

    assert truth["spend"][top].sum() > 0.6 * truth["spend"].sum()


def test_the_shipped_predictions_are_the_models(predicted: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    shipped = read((SHIPPED / "predictions.csv").read_text())
    made = read(train.spoil(train.rows(predicted[0])).to_csv(index=False))

    assert shipped["customer_id"].tolist() == made["customer_id"].tolist()
    difference = pd.to_numeric(shipped["spend"]) - pd.to_numeric(made["spend"])
    assert difference.abs().max() < 0.1  # versions of scikit-learn may differ in the last digit


def test_the_shipped_job_file_is_the_examples() -> None:
    assert (SHIPPED / "aumconnect.toml").read_text() == (EXAMPLE / "aumconnect.toml").read_text()

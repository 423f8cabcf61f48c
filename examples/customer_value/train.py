"""Train a model of customer value on the CDNOW purchases and write its predictions to a file.

    python train.py                      2,357 customers -> predictions.csv
    python train.py --everyone           all 23,570
    python train.py --clean              without the deliberate dirt

From what was known after 39 weeks the model predicts each customer's purchases and spend in the next 39. Every
customer's prediction comes from a model that never saw that customer (ten-fold cross-validation), so the figures
printed at the end are honest about new customers; about new times they are not, since there is only one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from purchases import LEARNED_UNTIL, everyone, sample, summarise, what_came
from sklearn.linear_model import PoissonRegressor, TweedieRegressor
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

HERE = Path(__file__).parent
BANDS = {"low": 0.0, "mid": 15.0, "high": 75.0}  # dollars in 39 weeks, from this much on


def predict(purchases: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and what really came, both indexed by customer: purchase days and dollars in 39 weeks."""
    known = summarise(purchases)
    truth = what_came(purchases, known.index)
    folds = KFold(10, shuffle=True, random_state=0)
    models = {
        "purchases": PoissonRegressor(alpha=0.1, solver="newton-cholesky"),
        "spend": TweedieRegressor(power=1.5, alpha=0.1, solver="newton-cholesky"),
    }
    predicted = {name: cross_val_predict(_road(model), known, truth[name], cv=folds) for name, model in models.items()}
    return pd.DataFrame(predicted, index=known.index), truth


def _road(model: PoissonRegressor | TweedieRegressor) -> Pipeline:
    pairs = PolynomialFeatures(2, include_bias=False)
    return make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), pairs, model)


def rows(predicted: pd.DataFrame) -> pd.DataFrame:
    """The predictions as a CRM wants them: text throughout, rounded once, with a band a seller can filter by."""
    bands = pd.cut(predicted["spend"], [*BANDS.values(), np.inf], labels=list(BANDS), right=False)
    return pd.DataFrame(
        {
            "customer_id": predicted.index,
            "purchases": predicted["purchases"].map("{:.2f}".format).to_numpy(),
            "spend": predicted["spend"].map("{:.2f}".format).to_numpy(),
            "band": bands.astype(str).to_numpy(),
            "scored_at": LEARNED_UNTIL.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def spoil(clean: pd.DataFrame) -> pd.DataFrame:
    """The same with what real files contain; each kind ends as a rejection or a skip that says why."""
    dirty = clean.copy()
    dirty.loc[[101, 102, 103], "spend"] = ""  # the query had no value
    dirty.loc[[201, 202], "purchases"] = "NaN"  # the model had none
    dirty.loc[301, "purchases"] = "inf"  # somebody divided by zero
    dirty.loc[401, "spend"] = "-3.00"  # out of range
    dirty.loc[[501, 502, 503], "customer_id"] += ".0"  # a column with gaps became a column of floats
    dirty.loc[[601, 602], "band"] = "vip"  # a value the CRM no longer has
    again = dirty.loc[[701]].assign(spend="999.00")  # a join that matched twice
    strangers = dirty.loc[[801, 802]].assign(customer_id=["99901", "99902"])  # customers the CRM has never seen
    return pd.concat([dirty, again, strangers], ignore_index=True)


def judge(predicted: pd.DataFrame, truth: pd.DataFrame) -> str:
    """How good the predictions are, in three lines."""
    lines = [f"{len(predicted):,} customers; {(truth['purchases'] > 0).mean():.0%} bought again in the next 39 weeks"]
    for name in ("purchases", "spend"):
        guess, real = predicted[name], truth[name]
        best = real[guess >= guess.quantile(0.8)].sum() / real.sum()
        sums = f"{guess.sum():,.0f} predicted, {real.sum():,.0f} came"
        lines.append(f"{name}: {sums}; the top fifth by prediction made {best:.0%}")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("-o", "--output", type=Path, default=HERE / "predictions.csv")
    options.add_argument("--everyone", action="store_true", help="all 23,570 customers (downloads 0.6 MB)")
    options.add_argument("--clean", action="store_true", help="leave the deliberate dirt out")
    chosen = options.parse_args()
    predicted, truth = predict(everyone() if chosen.everyone else sample())
    table = rows(predicted)
    (table if chosen.clean else spoil(table)).to_csv(chosen.output, index=False)
    print(judge(predicted, truth))
    print(f"written to {chosen.output}")


if __name__ == "__main__":
    main()

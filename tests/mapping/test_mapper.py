"""Rows in, changes and rejections out."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from aumconnect._mapping.convert import Kind
from aumconnect._mapping.ir import Column, Mapping
from aumconnect._mapping.mapper import Mapped, Mapper

NOWHERE = float("nan")

raw = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-3, 3),
    st.floats(),
    st.integers(-(2**60), 2**60).map(float),
    st.floats(width=32).map(np.float32),
    st.integers(-9, 9).map(np.int64),
    st.booleans().map(np.bool_),
    st.decimals(),
    st.integers(-99, 99).map(Decimal),
    st.text(max_size=4),
    st.sampled_from(
        ["", " ", "0.5", " 7 ", "007", "7.0", "1e3", "nan", "NaN", "-inf", "1_000", "٣", "12a", "true", "0"]
    ),
    st.sampled_from(["2026-11-23", "20261123", "2026-11-23T10:00:00Z", "2026-11-23 10:00", "10:30:00", "1700000000"]),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.times(),
    st.sampled_from([pd.NA, pd.NaT, pd.Timestamp("2026-11-23"), np.datetime64("2026-11-23"), np.datetime64("NaT")]),
    st.sampled_from([b"x", object(), [1], ["a", "b"], {"a": 1}, 2 + 0j]),
)
pools = st.one_of(raw, st.floats(), st.text("0123456789.-e ", max_size=5), st.integers(-99, 99))
kinds = st.sampled_from(Kind)


def seen(mapped: list[Mapped]) -> list[Any]:
    """Everything that came of a source, in an order and a form to compare; codes, not wording."""
    ended = [
        *(
            (c.ref, "change", list(typed(item) for item in c.values.items()), typed(c.key))
            for m in mapped
            for c in m.changes
        ),
        *(
            (o.ref, o.status, o.reason, sorted((p.field, p.column) for p in o.problems))
            for m in mapped
            for o in m.outcomes
        ),
    ]
    return sorted(ended, key=lambda one: one[0])


def typed(value: Any) -> Any:
    """Equal only with the same types all the way down: 1, 1.0 and True differ here."""
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [typed(part) for part in value]
    return type(value).__name__, repr(value) if isinstance(value, Decimal) else value


def carefully(mapping: Mapping, **options: Any) -> Mapper:
    """A mapper that takes no short cut."""
    mapper = Mapper(mapping, **options)
    mapper._quick = lambda rows: [None] * len(rows)
    return mapper


@settings(max_examples=600, deadline=None)
@given(kinds, st.sampled_from(["reject", "skip", "clear"]), st.lists(pools, min_size=1, max_size=12))
def test_the_quick_way_and_the_careful_way_agree_on_every_value_of_every_kind(kind, missing, values):
    mapping = Mapping(object="X", columns=(Column(source="v", field="V", kind=kind, missing=missing),))
    rows = [{"v": value} for value in values]

    assert seen(list(Mapper(mapping).map(rows))) == seen(list(carefully(mapping).map(rows)))


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from([Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.ANY, Kind.DATE]),
    st.lists(pools, min_size=1, max_size=12),
)
def test_they_agree_on_keys(kind, values):
    columns = (
        Column(source="k", field="K", kind=kind, key=True, write=False),
        Column(source="n", field="N", kind=Kind.INTEGER),
    )
    rows = [{"k": value, "n": number} for number, value in enumerate(values)]
    mapping = Mapping(object="X", columns=columns)

    assert seen(list(Mapper(mapping).map(rows))) == seen(list(carefully(mapping).map(rows)))

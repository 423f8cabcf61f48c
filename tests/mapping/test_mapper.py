"""Rows in, changes and rejections out."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pytest
from annotated_types import Ge, Le
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, computed_field, field_validator

from aumconnect._mapping.convert import Kind, Unreadable
from aumconnect._mapping.ir import Column, Mapping
from aumconnect._mapping.mapper import Mapped, Mapper
from aumconnect._mapping.tables import mapping_from_table
from aumconnect.errors import ConfigurationError
from aumconnect.outcome import Outcome, Status
from aumconnect.record import Key, Record, ScoredAt, To, mapping_of
from aumconnect.schema import CLEAR, Reference

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
    st.sampled_from(
        [pd.NA, pd.NaT, pd.Timestamp("2026-11-23"), np.datetime64("2026-11-23"), np.datetime64("NaT", "s")]
    ),
    st.sampled_from([b"x", object(), [1], ["a", "b"], {"a": 1}, 2 + 0j]),
)
pools = st.one_of(raw, st.floats(), st.text("0123456789.-e ", max_size=5), st.integers(-99, 99))
kinds = st.sampled_from(Kind)


def seen(mapped: list[Mapped]) -> list[Any]:
    """Everything that came of a source, in an order and a form to compare; codes, not wording."""
    ended = [
        *(
            (c.ref, "change", [typed(item) for item in c.values.items()], typed(c.key))
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


def carefully(mapping: Mapping) -> Mapper:
    """A mapper that takes no short cut."""
    mapper = Mapper(mapping)
    mapper._quick = lambda rows: [None] * len(rows)
    return mapper


@cache
def both_ways(kind: Kind, missing: str, *, key: bool) -> tuple[Mapper, Mapper]:
    columns = [Column(source="v", field="V", kind=kind, missing=missing, key=key, write=not key)]
    columns += [Column(source="n", field="N", kind=Kind.INTEGER)] if key else []
    mapping = Mapping(object="X", columns=tuple(columns))
    return Mapper(mapping), carefully(mapping)


@settings(max_examples=400, deadline=None)
@given(kinds, st.sampled_from(["reject", "skip", "clear"]), st.lists(pools, min_size=1, max_size=12))
def test_the_quick_way_and_the_careful_way_agree_on_every_value_of_every_kind(kind, missing, values):
    quick, careful = both_ways(kind, missing, key=False)
    rows = [{"v": value} for value in values]

    assert seen(list(quick.map(rows))) == seen(list(careful.map(rows)))


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.ANY, Kind.DATE]),
    st.lists(pools, min_size=1, max_size=12),
)
def test_they_agree_on_keys(kind, values):
    quick, careful = both_ways(kind, "reject", key=True)
    rows = [{"v": value, "n": number} for number, value in enumerate(values)]

    assert seen(list(quick.map(rows))) == seen(list(careful.map(rows)))


# --- a class with code of its own -------------------------------------------------------------------------


class Plain(Record, object="Contact"):
    customer: Annotated[str, Key("Customer_Id__c")]
    score: Annotated[float, To("Score__c"), Ge(0), Le(1)]
    amount: Annotated[Decimal | None, To("Amount__c", round=2)]
    visits: Annotated[int | None, To("Visits__c", missing="clear")] = None
    band: Annotated[Literal["low", "high"], To("Band__c")] = "low"
    scored_at: Annotated[datetime | None, ScoredAt("Scored_At__c")] = None


class WithCode(Plain, object="Contact"):
    @field_validator("score")
    @classmethod
    def as_it_is(cls, value: float) -> float:
        return value


rows_of_records = st.fixed_dictionaries(
    {
        "customer": st.one_of(raw, st.integers(0, 5), st.text("0123456789 ", max_size=4)),
        "score": st.one_of(raw, st.floats(0, 1)),
    },
    optional={
        "amount": st.one_of(raw, st.decimals(-99, 99, places=4)),
        "visits": raw,
        "band": st.one_of(raw, st.sampled_from(["low", "high", "mid", None])),
        "scored_at": raw,
    },
)


def test_a_class_with_validators_takes_the_model_path_and_says_why():
    assert (Mapper(mapping_of(Plain)).path, Mapper(mapping_of(Plain)).why) == ("columns", ())
    assert (Mapper(mapping_of(WithCode)).path, Mapper(mapping_of(WithCode)).why) == ("model", ("it has validators",))


PATHS = Mapper(mapping_of(Plain)), Mapper(mapping_of(WithCode))


@settings(max_examples=300, deadline=None)
@given(st.lists(rows_of_records, max_size=8))
def test_both_paths_give_the_same_outcomes(rows):
    quick, by_model = PATHS
    quick.missing.clear()
    by_model.missing.clear()

    assert seen(list(quick.map(rows))) == seen(list(by_model.map(rows)))
    assert quick.missing == by_model.missing


class Recomputed(Record, object="Contact"):
    customer: Annotated[str, Key("Customer_Id__c")]
    score: float
    tags: list[str] = Field(default_factory=lambda: ["new"])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def percent(self) -> Annotated[float, To("Percent__c")]:
        return self.score * 100


def test_a_computed_field_is_written_where_its_annotation_says():
    mapper = Mapper(mapping_of(Recomputed))

    [mapped] = mapper.map([{"customer": "a", "score": 0.25}, {"customer": "b", "score": None}])

    assert mapper.why == ("it has computed fields", "tags has a default factory")
    assert mapped.changes[0].values == {"Percent__c": 25.0}
    assert [problem.column for problem in mapped.rejected[0].problems] == ["score"]


class Fragile(Record, object="Contact"):
    customer: Annotated[str, Key("Customer_Id__c")]
    score: Annotated[float, To("Score__c")]

    @field_validator("score")
    @classmethod
    def broken(cls, value: float) -> float:
        return {0.5: math.nan, 0.25: math.inf}[value]


def test_a_bug_in_a_class_costs_its_row_and_never_sends_nan():
    [mapped] = Mapper(mapping_of(Fragile)).map([{"customer": str(n), "score": n} for n in (0.5, 0.25, 1)])

    assert mapped.changes == []
    assert [outcome.problems[0].code for outcome in mapped.rejected] == ["missing", "finite_number", "record_code"]


def test_a_record_that_was_validated_once_is_taken_at_its_word():
    class Halved(Record, object="Contact"):
        customer: Annotated[str, Key("Customer_Id__c")]
        score: Annotated[float, To("Score__c")]

        @field_validator("score")
        @classmethod
        def half(cls, value: float) -> float:
            return value / 2

    [mapped] = Mapper(mapping_of(Halved)).map([Halved(customer="a", score=1), {"customer": "b", "score": 1}])

    assert [change.values["Score__c"] for change in mapped.changes] == [0.5, 0.5]


# --- outcomes ---------------------------------------------------------------------------------------------


def rejections(mapped: Mapped) -> dict[int, list[tuple[str, str | None, str | None]]]:
    return {o.ref: [(p.code, p.field, p.column) for p in o.problems] for o in mapped.rejected}


def test_every_error_of_every_bad_row_is_told_with_row_key_column_and_field():
    rows = [
        {"customer": "C-1", "score": 0.5, "amount": None},
        {"customer": "C-2", "score": math.nan, "amount": "12,5", "band": "mid"},
        {"customer": math.nan, "score": 7, "amount": 1},
        Unreadable("column_count", "line 5 has 2 columns, the header 3"),
        17,
    ]

    [mapped] = Mapper(mapping_of(Plain)).map(rows, first_ref=100)

    assert [change.ref for change in mapped.changes] == [100]
    assert [outcome.key for outcome in mapped.rejected] == [("C-2",), (), (), ()]
    assert rejections(mapped) == {
        101: [
            ("missing", "Score__c", "score"),
            ("number_parsing", "Amount__c", "amount"),
            ("literal_error", "Band__c", "band"),
        ],
        102: [("missing", "Customer_Id__c", "customer"), ("less_than_equal", "Score__c", "score")],
        103: [("column_count", None, None)],
        104: [("row_type", None, None)],
    }


SECRET = "4111-1111-1111-1111"


@pytest.mark.parametrize("column", ["customer", "score", "amount", "visits", "band", "scored_at"])
@pytest.mark.parametrize("record", [Plain, WithCode])
def test_no_message_quotes_a_value(record, column):
    row = {"customer": "C-1", "score": 0.5, "amount": 1} | {column: [SECRET]}

    [mapped] = Mapper(mapping_of(record)).map([row])

    assert SECRET not in "".join(problem.message for problem in mapped.rejected[0].problems)
    assert SECRET not in repr(mapped.rejected)


def test_absent_is_left_alone_a_gap_is_skipped_or_cleared_and_both_are_counted():
    mapper = Mapper(mapping_of(Plain))

    [mapped] = mapper.map(
        [
            {"customer": "a", "score": 1, "amount": None, "visits": None},
            {"customer": "b", "score": 1},
            {"customer": "c", "score": 1, "amount": pd.NA, "visits": pd.NA, "band": None},
        ]
    )

    assert [change.values for change in mapped.changes] == [
        {"Score__c": 1.0, "Visits__c": CLEAR, "Band__c": "low"},
        {"Score__c": 1.0, "Band__c": "low"},
        {"Score__c": 1.0, "Visits__c": CLEAR, "Band__c": "low"},
    ]
    assert mapper.missing == {"Amount__c": 2, "Visits__c": 2}


def test_a_row_with_nothing_but_its_key_is_skipped_and_says_why():
    mapping = mapping_from_table("X", {"A": {"from": "a", "missing": "skip"}}, {"K": "k"}, stamp={"R": "run.id"})

    [mapped] = Mapper(mapping, run_id="r1").map([{"k": 1, "a": None}, {"k": 2, "a": 3}])

    assert [(o.status, o.key, o.reason) for o in mapped.skipped] == [(Status.SKIPPED, ("1",), "every value is missing")]
    assert [change.values for change in mapped.changes] == [{"A": 3, "R": "r1"}]


def test_a_source_that_lacks_a_needed_column_is_refused_before_its_first_row():
    with pytest.raises(ConfigurationError, match="no column 'customer'") as refused:
        Mapper(mapping_of(Plain)).check_columns(["custmer", "score"])

    assert refused.value.hint == "did you mean 'custmer'?"


class Pair(NamedTuple):
    k: str
    a: int


def test_rows_may_be_objects_with_names():
    mapping = mapping_from_table("X", {"A": "a"}, {"K": "k"})

    [mapped] = Mapper(mapping).map([Pair("x", 1)])

    assert (mapped.changes[0].key, mapped.changes[0].values) == (("x",), {"A": 1})


# --- keys -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("00123", "00123"),
        (" 123 ", "123"),
        (123, "123"),
        (123.0, "123"),
        (np.float32(123), "123"),
        (np.int64(123), "123"),
        (Decimal("123.00"), "123"),
        (-0.0, "0"),
    ],
)
def test_a_text_key_reads_every_spelling_of_a_whole_number(raw, key):
    [mapped] = Mapper(mapping_from_table("X", {}, {"K": "k"})).map([{"k": raw}])

    assert [change.key for change in mapped.changes] == [(key,)]


@pytest.mark.parametrize(
    "raw", [123.5, np.float32(0.1), Decimal("1.5"), True, np.True_, math.inf, float(2**60), [1], b"1"]
)
@pytest.mark.parametrize("kind", ["text", "integer"])
def test_what_cannot_be_a_key_is_refused_not_guessed(raw, kind):
    [mapped] = Mapper(mapping_from_table("X", {}, {"K": {"from": "k", "type": kind}})).map([{"k": raw}])

    assert mapped.changes == []
    assert [problem.column for problem in mapped.rejected[0].problems] == ["k"]


def test_a_composite_key_needs_all_its_parts():
    mapping = mapping_from_table("X", {"A": "a"}, {"Region": "region", "Number": {"from": "no", "type": "integer"}})

    [mapped] = Mapper(mapping).map([{"region": "eu", "no": "07", "a": 1}, {"region": "eu", "no": None, "a": 1}])

    assert [(change.key, dict(change.values)) for change in mapped.changes] == [(("eu", 7), {"A": 1})]
    assert rejections(mapped) == {1: [("missing", "Number", "no")]}


def test_a_key_is_written_only_when_asked():
    mapping = mapping_from_table("X", {"A": "a"}, {"K": {"from": "k", "write": True}})

    [mapped] = Mapper(mapping).map([{"k": "x", "a": 1}])

    assert (mapped.changes[0].key, mapped.changes[0].values) == (("x",), {"A": 1, "K": "x"})


# --- duplicates -------------------------------------------------------------------------------------------


def ends(mapped: list[Mapped]) -> dict[int, str]:
    """Row → what became of it, over all chunks."""
    found = {change.ref: "written" for one in mapped for change in one.changes}

    def why(outcome: Outcome) -> str:
        return outcome.reason or outcome.problems[0].message

    return found | {outcome.ref: why(outcome) for one in mapped for outcome in one.outcomes}


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_of_rows_with_one_key_the_first_stands_and_the_others_name_it(chunk):
    rows = [{"k": key, "a": value} for key, value in [("x", 1), ("y", 1), ("x", 1), ("x", 2), ("y", 1.0)]]
    mapping = mapping_from_table("X", {"A": {"from": "a", "type": "integer"}}, {"K": "k"})

    assert ends(list(Mapper(mapping, chunk=chunk).map(rows))) == {
        0: "written",
        1: "written",
        2: "the same as row 0",
        3: "row 0 has the same key and other values",
        4: "the same as row 1",
    }


def test_a_row_that_was_rejected_does_not_stand_in_the_way_of_a_good_one():
    mapping = mapping_from_table("X", {"A": {"from": "a", "type": "integer"}}, {"K": "k"})

    assert ends(list(Mapper(mapping).map([{"k": "x", "a": "?"}, {"k": "x", "a": 1}])))[1] == "written"


def scored(*days: int) -> list[dict[str, Any]]:
    return [{"k": "x", "a": day, "scored_at": f"2026-11-{day:02}T00:00:00Z"} for day in days]


@pytest.mark.parametrize("chunk", [1, 1000])
def test_of_rows_with_one_key_the_newest_score_is_written(chunk):
    mapping = mapping_from_table("X", {"A": {"from": "a", "type": "integer"}}, {"K": "k"}, stamp={"At": "scored_at"})
    mapper = Mapper(mapping, chunk=chunk)

    assert ends(list(mapper.map(scored(3, 7, 5, 7)))) == {
        0: "row 1 has the same key and is newer",
        1: "written",
        2: "row 1 has the same key and is newer",
        3: "the same as row 1",
    }


def test_what_can_be_read_only_once_keeps_the_first_and_rejects_the_rest():
    mapping = mapping_from_table("X", {"A": {"from": "a", "type": "integer"}}, {"K": "k"}, stamp={"At": "scored_at"})

    assert ends(list(Mapper(mapping).map(iter(scored(3, 7))))) == {
        0: "written",
        1: "row 0 has the same key and other values",
    }


# --- what a job file can say ------------------------------------------------------------------------------


def one(fields: dict[str, Any], row: dict[str, Any], **rest: Any) -> Any:
    """The values written for one row, or its problems."""
    [mapped] = Mapper(mapping_from_table("X", fields, {"K": "k"}, **rest)).map([{"k": "x"} | row])
    return mapped.changes[0].values if mapped.changes else [(p.code, p.column) for p in mapped.rejected[0].problems]


def test_steps_are_taken_in_their_promised_order():
    fields = {"A": {"from": "a", "ge": 0, "le": 1, "multiply": 100, "round": 1}}

    assert one(fields, {"a": 0.12345}) == {"A": Decimal("12.3")}
    assert one(fields, {"a": "1.01"}) == [("less_than_equal", "a")]


def test_a_lookup_table_translates_and_refuses_what_it_does_not_know():
    fields = {"A": {"from": "a", "lookup": {"gold": "A", "1": "B", "true": "C"}, "default": "gold"}}

    assert [one(fields, {"a": value}) for value in ("gold", 1, None)] == [{"A": "A"}, {"A": "B"}, {"A": "A"}]
    assert one(fields, {"a": "lead"}) == [("not_in_lookup", "a")]


def test_a_template_joins_columns_and_is_missing_when_a_part_is():
    fields = {"A": {"template": "{region}-{no}"}}

    assert one(fields, {"region": "eu", "no": 7.0}) == {"A": "eu-7"}
    assert one(fields, {"region": "eu", "no": math.nan}) == [("missing", None)]
    assert one({"A": {"template": "{region}", "missing": "clear"}}, {"region": ""}) == {"A": CLEAR}


def test_references_constants_and_stamps_are_written():
    fields = {"AccountId": {"from": "account", "ref": "Account.Ext__c"}, "Source": {"constant": "model"}}
    stamp = {"V": "model.version", "At": "scored_at"}

    written = one(fields, {"account": 7.0, "scored_at": "2026-11-23T10:00:00Z"}, stamp=stamp, model={"version": "3"})

    assert written == {
        "AccountId": Reference("Account", "Ext__c", "7"),
        "Source": "model",
        "V": "3",
        "At": datetime(2026, 11, 23, 10, tzinfo=UTC),
    }


def test_the_mapper_names_the_field_that_tells_older_rows_from_newer_ones():
    mapping = mapping_from_table("X", {"A": "a"}, {"K": "k"}, stamp={"At": "scored_at"}, model={"scored_at": "ts"})

    assert Mapper(mapping).newer_field == "At"
    assert Mapper(mapping_of(Plain)).newer_field == "Scored_At__c"
    assert Mapper(mapping_from_table("X", {"A": "a"}, {"K": "k"})).newer_field is None


def test_a_delete_maps_nothing_but_keys():
    mapping = mapping_from_table("X", {"A": "a"}, {"K": {"template": "{region}-{no}", "write": True}}).keys_only()

    [mapped] = Mapper(mapping).map([{"region": "eu", "no": 1}])

    assert (mapped.changes[0].key, mapped.changes[0].values) == (("eu-1",), {})

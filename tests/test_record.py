"""A Record class says what a row is and where each value goes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Le
from pydantic import BaseModel, Field, ValidationError

import aumconnect as aum
from aumconnect._mapping.convert import Kind
from aumconnect._mapping.mapper import Mapper
from aumconnect.errors import ConfigurationError
from aumconnect.record import Key, Record, Ref, ScoredAt, To, mapping_of
from aumconnect.schema import CLEAR, Reference


class ChurnScore(aum.Record, object="Contact"):
    customer_id: Annotated[str, aum.Key("Customer_Id__c")]
    score: Annotated[float, aum.To("Churn_Score__c"), Ge(0), Le(1)]
    band: Annotated[Literal["low", "mid", "high"] | None, aum.To("Churn_Band__c", missing="clear")]


def written(record: type[Record], row: dict[str, Any], **options: Any) -> Any:
    """The change's key and values, or the codes of its problems."""
    [mapped] = Mapper(mapping_of(record), **options).map([row])
    if mapped.changes:
        return mapped.changes[0].key, dict(mapped.changes[0].values)
    return [problem.code for outcome in mapped.outcomes for problem in outcome.problems]


def test_the_class_of_the_first_page_means_what_it_says():
    mapping = mapping_of(ChurnScore)

    assert (mapping.object, mapping.key, mapping.fields) == (
        "Contact",
        ("Customer_Id__c",),
        ("Churn_Score__c", "Churn_Band__c"),
    )
    assert written(ChurnScore, {"customer_id": 17, "score": "0.83", "band": None}) == (
        ("17",),
        {"Churn_Score__c": 0.83, "Churn_Band__c": CLEAR},
    )
    assert written(ChurnScore, {"customer_id": "C-17", "score": 2, "band": "mid"}) == ["less_than_equal"]


def test_a_record_is_a_pydantic_model_that_keeps_values_out_of_its_errors():
    assert issubclass(ChurnScore, BaseModel)
    with pytest.raises(ValidationError) as refused:
        ChurnScore(customer_id="C-17", score=17.25, band="low")

    assert "17.25" not in str(refused.value)


def test_a_class_inside_a_function_finds_its_local_names():
    class Band(StrEnum):
        LOW = "low"

    class Local(Record, object="Lead"):
        key: Annotated[str, Key("K")]
        band: Annotated[Band, To("B")]

    assert written(Local, {"key": "a", "band": "low"}) == (("a",), {"B": Band.LOW})


def test_attributes_without_a_target_are_read_and_checked_but_not_written():
    class Checked(Record, object="X"):
        key: Annotated[str, Key("K")]
        score: Annotated[float, To("S")]
        confidence: Annotated[float, Ge(0.5)]

    assert written(Checked, {"key": "a", "score": 1, "confidence": 0.9}) == (("a",), {"S": 1.0})
    assert written(Checked, {"key": "a", "score": 1, "confidence": 0.1}) == ["greater_than_equal"]
    assert written(Checked, {"key": "a", "score": 1}) == ["missing"]


def test_an_alias_is_the_source_column_and_a_default_fills_gaps():
    class Aliased(Record, object="X"):
        key: Annotated[str, Key("K"), Field(alias="Customer ID")]
        tier: Annotated[str, To("T")] = "bronze"

    assert mapping_of(Aliased).sources == ("Customer ID", "tier")
    assert written(Aliased, {"Customer ID": "a"}) == (("a",), {"T": "bronze"})
    assert written(Aliased, {"Customer ID": "a", "tier": float("nan")}) == (("a",), {"T": "bronze"})


def test_a_target_inside_a_union_counts_too():
    class Inside(Record, object="X"):
        key: Annotated[str, Key("K")]
        score: Annotated[float, To("S", missing="clear"), Ge(0)] | None

    assert written(Inside, {"key": "a", "score": None}) == (("a",), {"S": CLEAR})
    assert written(Inside, {"key": "a", "score": 0.5}) == (("a",), {"S": 0.5})
    assert written(Inside, {"key": "a", "score": -1}) == ["greater_than_equal"]


def test_rounding_scaling_references_and_several_keys():
    class Rich(Record, object="Opportunity"):
        region: Annotated[str, Key("Region__c")]
        number: Annotated[int, Key("Number__c", write=True)]
        share: Annotated[Decimal, To("Percent__c", multiply=100, round=1)]
        account: Annotated[str, To("AccountId"), Ref("Account", by="Ext__c")]

    assert written(Rich, {"region": "eu", "number": 7.0, "share": 0.12345, "account": 42.0}) == (
        ("eu", 7),
        {
            "Percent__c": Decimal("12.3"),
            "AccountId": Reference("Account", "Ext__c", "42"),
            "Number__c": 7,
        },
    )


def test_stamps_and_the_moment_of_scoring():
    class Stamped(
        Record,
        object="Contact",
        model={"name": "churn", "version": "2026.11"},
        stamp={"Model__c": "model.version", "Run__c": "run.id", "Began__c": "run.started_at"},
    ):
        key: Annotated[str, Key("K")]
        score: Annotated[float, To("S")]
        scored_at: Annotated[datetime, ScoredAt("At")]

    began = datetime(2026, 11, 23, tzinfo=UTC)

    assert mapping_of(Stamped).newer_field == "At"
    assert written(
        Stamped, {"key": "a", "score": 1, "scored_at": "2026-11-22T10:00:00Z"}, run_id="r7", started_at=began
    ) == (
        ("a",),
        {
            "S": 1.0,
            "At": datetime(2026, 11, 22, 10, tzinfo=UTC),
            "Model__c": "2026.11",
            "Run__c": "r7",
            "Began__c": began,
        },
    )


def test_a_subclass_inherits_and_may_name_another_object():
    class ForLeads(ChurnScore, object="Lead"):
        reason: Annotated[str | None, To("Reason__c")] = None

    assert mapping_of(ForLeads).object == "Lead"
    assert mapping_of(ForLeads).fields == ("Churn_Score__c", "Churn_Band__c", "Reason__c")
    assert mapping_of(ChurnScore).object == "Contact"


def declared(**annotations: Any) -> type[Record]:
    return type("Wrong", (Record,), {"__annotations__": annotations, "__module__": __name__}, object="X")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (lambda: declared(a=Annotated[float, To("A"), Key("A")]), "has 2 of To, Key and ScoredAt"),
        (lambda: declared(a=Annotated[float, To]), "To needs a field"),
        (lambda: declared(a=Annotated[float, Key("A")]), "a float cannot be a key"),
        (lambda: declared(a=Annotated[bool, Key("A")]), "a boolean cannot be a key"),
        (lambda: declared(a=Annotated[float, To("A", missing="clear")]), "needs a value that may be missing"),
        (lambda: declared(a=Annotated[float, To("A", missing="ignore")]), "'ignore' is not one of"),
        (lambda: declared(a=Annotated[str, To("A", round=2)]), "only a number can be"),
        (lambda: declared(a=Annotated[float, To("A")], b=Annotated[float, To("A")]), "X.A is mapped twice"),
        (lambda: declared(a=Annotated["Nowhere", To("A")]), "names 'Nowhere', which is not known"),  # noqa: F821  (the point)
        (lambda: declared(a=Annotated[str, Ref("Account", by="E")]), "says what it refers to but not where it goes"),
        (lambda: type("NoObject", (Record,), {}), "does not say which object"),
    ],
)
def test_a_contradiction_is_told_before_any_row(record, message):
    with pytest.raises(ConfigurationError, match=message):
        mapping_of(record())


def test_an_unknown_stamp_is_told_with_a_near_name():
    class Stamped(Record, object="X", stamp={"V": "model.versoin"}):
        a: Annotated[str, Key("A")]

    with pytest.raises(ConfigurationError, match=r"model\.versoin") as refused:
        mapping_of(Stamped)

    assert "model.version" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, Kind.TEXT),
        (int | None, Kind.INTEGER),
        (Decimal, Kind.DECIMAL),
        (Literal["a"], Kind.ANY),
        (int | str, Kind.ANY),
    ],
)
def test_kinds_follow_annotations(annotation, kind):
    assert mapping_of(declared(a=Annotated[annotation, To("A")])).columns[0].kind is kind


def test_importing_the_package_imports_no_pydantic():
    program = "import sys, aumconnect; sys.exit('pydantic' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

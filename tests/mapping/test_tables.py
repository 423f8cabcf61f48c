"""A job file's mapping tables, and what is said of their mistakes."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest

from aumconnect._mapping.tables import OPTIONS, TableError, mapping_from_table

JOB = """
key = { Customer_Id__c = "customer_id" }
model = { name = "churn", version = "2026.11" }
stamp = { Churn_Model__c = "model.version", Churn_Scored_At__c = "scored_at" }

[fields]
Churn_Score__c = { from = "score", ge = 0, le = 1 }
Churn_Band__c = { from = "band", missing = "clear" }
Label__c = { template = "{region}/{segment}", missing = "skip" }
Source__c = { constant = "model" }
"""


def test_a_job_file_says_what_a_class_says():
    mapping = mapping_from_table("Contact", **tomllib.loads(JOB))

    assert mapping.key == ("Customer_Id__c",)
    assert sorted(mapping.fields) == sorted(
        ["Churn_Score__c", "Churn_Band__c", "Label__c", "Source__c", "Churn_Model__c", "Churn_Scored_At__c"]
    )
    assert mapping.sources == ("customer_id", "score", "band", "scored_at", "region", "segment")
    assert [(c.source, c.missing) for c in mapping.columns if c.field == "Churn_Score__c"] == [("score", "reject")]


def test_a_fixed_moment_of_scoring_is_a_stamp_that_still_orders():
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    mapping = mapping_from_table("X", {"A": "a"}, {"K": "k"}, stamp={"At": "scored_at"}, model={"scored_at": moment})

    assert (mapping.stamps, mapping.model.scored_at, mapping.newer_field) == ({"At": "scored_at"}, moment, "At")


def wrong(**said: Any) -> TableError:
    with pytest.raises(TableError) as refused:
        mapping_from_table("X", said.pop("fields", {}), said.pop("key", {"K": "k"}), **said)
    return refused.value


def field(**said: Any) -> dict[str, Any]:
    return {"fields": {"F": {"from": "a"} | said}}


@pytest.mark.parametrize(
    ("said", "path", "message"),
    [
        ({"fields": {"F": 7}}, "fields.F", "a column name or a table is expected"),
        ({"fields": {"F": {}}}, "fields.F", "there is none"),
        (field(constant=1), "fields.F", "there is from and constant"),
        (field(missng="skip"), "fields.F.missng", "there is no such option"),
        (field(missing="ignore"), "fields.F.missing", "'ignore' is not one of skip, clear, reject"),
        (field(type="flot"), "fields.F.type", "'flot' is not one of"),
        (field(type="text", ge=1), "fields.F.ge", "needs a number, but the type is text"),
        (field(type="integer", pattern="x"), "fields.F.pattern", "needs text, but the type is integer"),
        (field(ge="0"), "fields.F.ge", "a number is expected"),
        (field(ge=True), "fields.F.ge", "a number is expected"),
        (field(round=-1), "fields.F.round", "a whole number from 0"),
        (field(max_length=1.5), "fields.F.max_length", "a whole number from 0"),
        (field(pattern="("), "fields.F.pattern", "cannot be used"),
        (field(choices=[]), "fields.F.choices", "a list of texts"),
        (field(lookup={}), "fields.F.lookup", "a table is expected"),
        (field(ref="Account"), "fields.F.ref", "the object and its field"),
        (field(ge=0, default=-1), "fields.F.default", "greater than or equal to 0"),
        (field(type="integer", default="x"), "fields.F.default", "a number is expected"),
        (field(type="text", default=" "), "fields.F.default", "the default is empty"),
        (field(default="x", missing="skip"), "fields.F.missing", "says nothing beside default"),
        ({"fields": {"F": {"constant": "x", "missing": "skip"}}}, "fields.F.missing", "a constant takes no other"),
        ({"fields": {"F": {"constant": ""}}}, "fields.F.constant", "text, a number"),
        ({"fields": {"F": {"template": "plain"}}}, "fields.F.template", "must name source columns"),
        ({"fields": {"F": {"template": "{a.b}"}}}, "fields.F.template", "must name source columns"),
        ({"fields": {"F": {"template": "{a"}}}, "fields.F.template", "cannot be read"),
        ({"fields": {"K": "x"}}, "fields.K", "is a key field already"),
        ({"key": {"K": {"from": "k", "missing": "skip"}}}, "key.K.missing", "there is no such option"),
        ({"key": {"K": {"from": "k", "type": "float"}}}, "key.K.type", "a float cannot be a key"),
        ({"key": {"K": {"from": "k", "write": 1}}}, "key.K.write", "true or false"),
        ({"stamp": {"S": "model.versoin"}}, "stamp.S", "is not one of"),
        ({"stamp": {"S": "model.version"}}, "stamp.S", "model.version is not known"),
        ({"fields": {"S": "a"}, "stamp": {"S": "run.id"}}, "stamp.S", "is mapped in fields already"),
        ({"model": {"nme": "x"}}, "model.nme", "there is no such option"),
        ({"model": {"name": ""}}, "model.name", "text is expected"),
    ],
)
def test_a_mistake_is_told_where_it_stands(said, path, message):
    error = wrong(**said)

    assert (".".join(error.path), path in error.message) == (path, True)
    assert message in error.message


@pytest.mark.parametrize(
    ("option", "meant"),
    [("scale", "multiply"), ("column", "from"), ("lookp", "lookup"), ("mising", "missing"), ("regex", None)],
)
def test_a_wrong_option_names_the_one_that_was_meant(option, meant):
    hint = str(wrong(**field(**{option: 1})).hint)

    assert hint == f"did you mean {meant!r}?" if meant else all(name in hint for name in OPTIONS)

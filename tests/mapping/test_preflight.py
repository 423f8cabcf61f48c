"""What does not fit a remote object is told before anything is sent, all of it at once."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest

from aumconnect._mapping.mapper import Mapper
from aumconnect._mapping.preflight import Finding, preflight
from aumconnect._mapping.tables import mapping_from_table
from aumconnect.connector import Operation
from aumconnect.record import Key, Record, To, mapping_of
from aumconnect.schema import FieldSchema, FieldType, ObjectSchema

T = FieldType
FIELDS = [
    FieldSchema(name="Id", type=T.ID, createable=False, updateable=False, unique=True, matchable=True),
    FieldSchema(name="Ext__c", type=T.TEXT, length=20, unique=True, matchable=True),
    FieldSchema(name="Loose__c", type=T.TEXT, length=20, matchable=True),
    FieldSchema(name="Email", type=T.TEXT, length=80),
    FieldSchema(name="LastName", type=T.TEXT, length=10, required_on_create=True, nillable=False, label="Last Name"),
    FieldSchema(name="Score__c", type=T.DECIMAL, precision=5, scale=2),
    FieldSchema(name="Visits__c", type=T.INTEGER, precision=4),
    FieldSchema(name="Active__c", type=T.BOOLEAN, nillable=False),
    FieldSchema(name="Band__c", type=T.CHOICE, choices=("low", "high"), restricted=True),
    FieldSchema(name="Tags__c", type=T.CHOICES, choices=("a", "b")),
    FieldSchema(name="Scored_At__c", type=T.DATETIME),
    FieldSchema(name="Since__c", type=T.DATE),
    FieldSchema(name="AccountId", type=T.REFERENCE, references=("Account",)),
    FieldSchema(name="Total__c", type=T.DECIMAL, createable=False, updateable=False),
    FieldSchema(name="Origin__c", type=T.TEXT, updateable=False),
    FieldSchema(name="Address", type=T.COMPOUND),
]
CONTACT = ObjectSchema("Contact", {field.name: field for field in FIELDS})


def findings(fields: dict[str, Any], operation: str = "update", key: Any = None, **rest: Any) -> list[Finding]:
    mapping = mapping_from_table("Contact", fields, {"Ext__c": "id"} if key is None else key, **rest)
    return preflight(Mapper(mapping), Operation(operation), CONTACT)


def codes(*args: Any, **options: Any) -> list[tuple[str, str]]:
    return [(finding.field, finding.code) for finding in findings(*args, **options)]


def test_a_mapping_that_fits_has_no_findings():
    fields = {
        "Score__c": {"from": "score", "ge": 0, "le": 1},
        "Visits__c": "visits",
        "Active__c": "active",
        "Band__c": {"from": "band", "choices": ["low", "high"], "missing": "clear"},
        "AccountId": {"from": "account", "ref": "Account.Ext__c"},
        "Since__c": {"constant": date(2026, 11, 23)},
    }

    assert findings(fields, stamp={"Scored_At__c": "scored_at"}) == []


def test_all_problems_come_at_once_errors_first():
    fields = {
        "Scor__c": "a",
        "Total__c": "b",
        "Active__c": {"from": "c", "missing": "clear"},
        "Band__c": {"constant": "mid"},
    }

    found = findings(fields, key={"Email": "mail"})

    assert [(finding.severity, finding.field, finding.code) for finding in found] == [
        ("error", "Scor__c", "unknown_field"),
        ("error", "Total__c", "read_only"),
        ("error", "Active__c", "not_clearable"),
        ("error", "Band__c", "choice_not_offered"),
        ("warning", "Email", "key_not_unique"),
    ]
    assert str(found[0].hint).startswith("did you mean 'Score__c'")


def test_an_unknown_name_that_is_a_label_is_told_so():
    assert findings({"Last Name": "x"})[0].hint == "the field labelled 'Last Name' is LastName"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("insert", []), ("update", [("Origin__c", "read_only")]), ("upsert", [("Origin__c", "read_only")])],
)
def test_read_only_depends_on_the_operation(operation, expected):
    found = codes({"Origin__c": "x", "LastName": "y"}, operation)

    assert [one for one in found if one[1] == "read_only"] == expected


@pytest.mark.parametrize(
    ("field", "said", "expected"),
    [
        ("Score__c", {"from": "a", "type": "text"}, ["type_mismatch"]),
        ("Score__c", {"from": "a", "type": "boolean"}, ["type_mismatch"]),
        ("Score__c", {"from": "a", "type": "integer"}, []),
        ("Score__c", {"constant": "high"}, ["type_mismatch"]),
        ("Score__c", {"constant": 1000}, ["too_large"]),
        ("Score__c", {"from": "a", "lookup": {"x": 1.5}}, []),
        ("Visits__c", {"from": "a", "type": "float"}, ["fraction_lost"]),
        ("Visits__c", {"from": "a"}, []),
        ("Active__c", {"from": "a", "type": "integer"}, ["type_mismatch"]),
        ("Email", {"from": "a", "ge": 0}, ["type_mismatch"]),
        ("Since__c", {"from": "a", "type": "datetime"}, ["type_mismatch"]),
        ("Scored_At__c", {"from": "a", "type": "date"}, ["type_mismatch"]),
        ("Address", {"from": "a"}, ["compound"]),
        ("LastName", {"constant": "x" * 11}, ["too_long"]),
        ("LastName", {"from": "a", "default": "x" * 11, "type": "text"}, ["too_long"]),
        ("Band__c", {"from": "a", "choices": ["low", "mid"]}, ["choice_not_offered"]),
        ("Band__c", {"from": "a", "choices": ["LOW"]}, []),
        ("Band__c", {"from": "a", "lookup": {"1": "low", "2": "gone"}}, ["choice_not_offered"]),
        ("Tags__c", {"constant": "a;c"}, ["choice_not_offered"]),
        ("Email", {"from": "a", "ref": "Account.Ext__c"}, ["not_a_reference"]),
        ("AccountId", {"from": "a", "ref": "Lead.Ext__c"}, ["reference_object"]),
    ],
)
def test_types_lengths_choices_and_references(field, said, expected):
    assert [code for _, code in codes({field: said})] == expected


def test_an_unrestricted_choice_only_warns():
    assert [finding.severity for finding in findings({"Tags__c": {"constant": "c"}})] == ["warning"]


def test_a_stale_member_of_a_record_s_literal_is_named():
    class Score(Record, object="Contact"):
        key: Annotated[str, Key("Ext__c")]
        band: Annotated[Literal["low", "medium", "high"] | None, To("Band__c")]

    [found] = preflight(Mapper(mapping_of(Score)), Operation.UPDATE, CONTACT)

    assert (found.field, found.message) == ("Band__c", "does not offer 'medium' (any longer)")


@pytest.mark.parametrize(
    ("key", "operation", "expected"),
    [
        ({"Ext__c": "k"}, "upsert", []),
        ({"Id": "k"}, "update", []),
        ({"Loose__c": "k"}, "upsert", [("warning", "key_not_unique")]),
        ({"Email": "k"}, "upsert", [("error", "key_not_matchable")]),
        ({"Email": "k"}, "delete", [("warning", "key_not_unique")]),
        ({"Email": "k", "Ext__c": "j"}, "upsert", []),
        ({"Nope": "k"}, "update", [("error", "unknown_field")]),
        ({"Ext__c": {"from": "k", "type": "integer"}}, "update", [("error", "type_mismatch")]),
        ({}, "update", [("error", "no_key")]),
        ({}, "insert", []),
    ],
)
def test_keys(key, operation, expected):
    found = findings({} if operation == "delete" else {"LastName": "x"}, operation, key)

    assert [(finding.severity, finding.code) for finding in found] == expected


@pytest.mark.parametrize(("operation", "severity"), [("insert", "error"), ("upsert", "warning"), ("update", None)])
def test_what_a_new_record_needs(operation, severity):
    found = [finding for finding in findings({"Email": "x"}, operation) if finding.code == "required_on_create"]

    assert [(finding.severity, finding.field) for finding in found] == ([(severity, "LastName")] if severity else [])

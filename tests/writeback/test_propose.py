"""A guessed job file matches what is alike, claims nothing twice, and is TOML whatever the names are."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from aumconnect.schema import FieldSchema, FieldType, ObjectSchema
from aumconnect.writeback.propose import propose

CONTACT = ObjectSchema(
    "Contact",
    {
        field.name: field
        for field in (
            FieldSchema(name="Id", type=FieldType.ID, createable=False, updateable=False),
            FieldSchema(name="Customer_Id__c", type=FieldType.TEXT, unique=True, matchable=True, label="Customer Id"),
            FieldSchema(name="Churn_Score__c", type=FieldType.DECIMAL, label="Churn score"),
            FieldSchema(name="Churn_Band__c", type=FieldType.CHOICE, label="Churn band"),
            FieldSchema(name="CreatedDate", type=FieldType.DATETIME, createable=False, updateable=False),
        )
    },
)


def test_columns_find_their_fields_and_the_unique_one_is_the_key() -> None:
    found = propose(CONTACT, ["customer_id", "churn_score", "churn_band", "weather"])

    assert found.key == ("Customer_Id__c", "customer_id")
    assert found.fields == {"Churn_Score__c": "churn_score", "Churn_Band__c": "churn_band"}
    assert found.unmatched == ("weather",)


def test_a_column_named_by_a_part_of_the_field_is_enough() -> None:
    assert propose(CONTACT, ["score", "band", "noise"]).fields == {"Churn_Score__c": "score", "Churn_Band__c": "band"}


def test_a_column_that_repeats_itself_is_no_key() -> None:
    found = propose(CONTACT, ["customer_id"], [{"customer_id": "same"}] * 20)

    assert found.key is None


def test_what_cannot_be_written_is_not_proposed() -> None:
    assert "CreatedDate" not in propose(CONTACT, ["created_date"]).fields


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True))
def test_the_proposal_is_toml_and_uses_nothing_twice(columns: list[str]) -> None:
    found = propose(CONTACT, columns)
    job = tomllib.loads(found.to_toml("job", source="a.csv", to="crm:Contact"))["writebacks"]["job"]
    used = [*job["fields"].values(), *job.get("key", {}).values()]

    assert len(used) == len(set(used))
    assert set(columns) == set(used) | set(found.unmatched)

"""The Salesforce emulator as jsforce sees it, over real HTTP."""

import json

import pytest
from salesforce_org import open_org

from aumconnect.testing.emulator import serve


@pytest.fixture(scope="module")
def org():
    return open_org()


@pytest.fixture(scope="module")
def seen(org, node):
    logins = org.logins
    who = {
        "username": logins.username,
        "password": logins.password + logins.security_token,
        "clientId": logins.consumer_key,
        "clientSecret": logins.consumer_secret,
    }
    with serve(org) as emulator:
        return node("jsforce.mjs", emulator.url, json.dumps(who)) | {"url": emulator.url}


def codes(answers):
    return {name: answer.get("errorCode") for name, answer in answers.items()}


class TestLogins:
    def test_every_login_opens_the_same_account(self, seen):
        assert len({tuple(user) for user in seen["logins"]["users"]}) == 1
        assert seen["logins"]["work"] == [True, True, True]

    def test_the_instance_is_the_emulator(self, seen):
        assert seen["logins"]["instances"] == [seen["url"]] * 3

    def test_the_identity_page_names_the_user(self, seen, org):
        identity = seen["logins"]["identity"]

        assert [identity["organization_id"], identity["user_id"]] == seen["logins"]["users"][0]
        assert identity["username"] == org.logins.username

    def test_a_wrong_password_is_refused(self, seen):
        assert seen["logins"]["wrong"]["name"] == "invalid_grant"
        assert "INVALID_LOGIN" in seen["logins"]["wrongSoap"]["message"]


class TestDescribe:
    def test_objects_and_fields_are_described(self, seen):
        schema = seen["schema"]

        assert {"Account", "Contact", "Lead"} <= set(schema["objects"])
        assert (schema["key"]["externalId"], schema["key"]["unique"]) == (True, True)
        assert (schema["score"]["type"], schema["score"]["precision"], schema["score"]["scale"]) == ("double", 5, 4)
        assert [each["value"] for each in schema["band"]["picklistValues"]] == ["low", "mid", "high"]
        assert schema["id"]["type"] == "id"

    def test_an_unknown_object_is_not_found(self, seen):
        assert seen["schema"]["unknown"]["errorCode"] == "NOT_FOUND"


class TestCollections:
    def test_450_are_created_in_three_calls(self, seen):
        created = seen["collections"]["created"]

        assert (created["count"], created["success"]) == (450, 450)
        assert created["first"] == {"id": seen["collections"]["ids"][0], "success": True, "errors": []}

    def test_they_are_updated_by_id(self, seen):
        assert (seen["collections"]["updated"]["count"], seen["collections"]["updated"]["success"]) == (450, 450)

    def test_an_upsert_creates_what_was_not_there(self, seen):
        upserted = seen["collections"]["upserted"]

        assert (upserted["count"], upserted["success"], upserted["created"]) == (250, 250, 200)
        assert upserted["first"]["created"] is False

    def test_a_bad_row_spares_the_others(self, seen):
        good, *bad = seen["collections"]["mixed"]

        assert good["success"]
        assert [each["errors"][0]["statusCode"] for each in bad] == [
            "REQUIRED_FIELD_MISSING",
            "DUPLICATE_VALUE",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ]

    def test_all_or_none_takes_the_good_rows_back(self, seen, org):
        assert [each["errors"][0]["statusCode"] for each in seen["collections"]["undone"]] == [
            "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "REQUIRED_FIELD_MISSING",
        ]
        assert not [row for row in org.tables()["Contact"] if row["LastName"] == "Innocent"]

    def test_records_are_read_by_id_in_order(self, seen):
        assert [row and (row["Customer_Id__c"], row["Churn_Score__c"]) for row in seen["collections"]["fetched"]] == [
            ("J-3", 0.003),
            None,
            ("J-1", 0.001),
        ]

    def test_210_are_deleted_once(self, seen):
        assert seen["collections"]["destroyed"]["success"] == 210
        assert [each["success"] for each in seen["collections"]["again"]] == [False, False]
        assert seen["collections"]["again"][0]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"

    def test_201_are_too_many_for_one_call(self, seen):
        assert seen["collections"]["tooMany"]["errorCode"]


class TestQueries:
    def test_pages_are_followed(self, seen):
        queries = seen["queries"]

        assert (queries["done"], queries["size"], queries["second"]) == (False, 200, 200)
        assert queries["totalSize"] == queries["all"] == queries["distinct"] == queries["count"] == 441

    def test_records_say_what_they_are(self, seen):
        assert seen["queries"]["attributes"]["type"] == "Contact"
        assert seen["queries"]["attributes"]["url"].startswith("/services/data/v60.0/sobjects/Contact/003")

    def test_records_are_found_by_key(self, seen):
        assert [row["Churn_Band__c"] for row in seen["queries"]["found"]] == ["high", "high"]

    def test_usage_is_in_every_answer(self, seen):
        usage = seen["queries"]["limit"]["apiUsage"]

        assert 0 < usage["used"] < usage["limit"] == seen["limits"]["DailyApiRequests"]["Max"]


class TestSingleRecords:
    def test_create_update_upsert_read_delete(self, seen):
        singles = seen["singles"]

        assert singles["made"]["success"]
        assert singles["updated"]["success"]
        assert singles["upsertOld"]["success"]
        assert singles["upsertNew"]["created"] is True
        assert (singles["read"]["FirstName"], singles["read"]["Churn_Score__c"]) == ("Ada", 0.5)
        assert singles["destroyed"]["success"]
        assert singles["gone"]["errorCode"] == "ENTITY_IS_DELETED"


class TestErrors:
    def test_every_refusal_has_its_code(self, seen):
        assert codes(seen["errors"]) == {
            "soql": "MALFORMED_QUERY",
            "field": "INVALID_FIELD",
            "object": "INVALID_TYPE",
            "required": "REQUIRED_FIELD_MISSING",
            "unknown": "INVALID_FIELD",
            "picklist": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "long": "STRING_TOO_LONG",
            "twins": "MULTIPLE_CHOICES",
            "missing": "NOT_FOUND",
            "resource": "NOT_FOUND",
        }

    def test_a_shared_key_names_its_twins(self, seen):
        assert len(seen["errors"]["twins"]["data"]) == 2

    def test_an_expired_session_is_told_and_renewed(self, seen):
        assert seen["expiry"]["error"]["errorCode"] == "INVALID_SESSION_ID"
        assert (seen["expiry"]["refreshed"], seen["expiry"]["size"]) == (1, 1)

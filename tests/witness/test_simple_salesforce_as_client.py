"""The Salesforce emulator as simple-salesforce sees it, over real HTTP."""

from urllib.parse import urlsplit

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from salesforce_org import open_org
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_external_id, format_soql

from aumconnect.testing import faults
from aumconnect.testing.emulator import serve

NOBODY = "003000000000000AAA"


class ToEmulator(HTTPAdapter):
    """Sends every request for https://*.salesforce.com to the emulator, which sees the name it was meant for."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request, **settings):
        meant = urlsplit(request.url)
        assert meant.hostname.endswith(".salesforce.com")
        request.headers["Host"] = meant.netloc
        request.url = self._url + meant.path + (f"?{meant.query}" if meant.query else "")
        return super().send(request, **settings)


@pytest.fixture
def org():
    return open_org()


@pytest.fixture
def session(org):
    with serve(org) as emulator, requests.Session() as session:
        session.mount("https://", ToEmulator(emulator.url))
        yield session


@pytest.fixture
def sf(org, session):
    logins = org.logins
    return Salesforce(
        consumer_key=logins.consumer_key,
        consumer_secret=logins.consumer_secret,
        domain="acme.my",
        session=session,
        version="60.0",
    )


@pytest.fixture(scope="module")
def key():
    """A private key and its public half, PEM."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    public = private.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain).decode(), public.decode()


class TestLogins:
    def test_by_client_credentials(self, sf):
        assert sf.auth_type == "client-credentials"
        assert sf.query("SELECT Id FROM Contact")["totalSize"] == 2

    def test_by_password_grant(self, org, session):
        logins = org.logins
        sf = Salesforce(
            username=logins.username,
            password=logins.password + logins.security_token,
            consumer_key=logins.consumer_key,
            consumer_secret=logins.consumer_secret,
            session=session,
        )

        assert sf.query("SELECT Id FROM Contact")["totalSize"] == 2

    def test_by_json_web_token(self, org, session, key):
        private, org.logins.public_key = key
        sf = Salesforce(
            username=org.logins.username,
            consumer_key=org.logins.consumer_key,
            privatekey=private,
            session=session,
        )

        assert sf.query("SELECT Id FROM Contact")["totalSize"] == 2

    def test_by_soap(self, org, session):
        logins = org.logins
        sf = Salesforce(
            username=logins.username, password=logins.password, security_token=logins.security_token, session=session
        )

        assert sf.query("SELECT Id FROM Contact")["totalSize"] == 2

    def test_a_wrong_secret_is_refused(self, org, session):
        with pytest.raises(SalesforceAuthenticationFailed, match="invalid_client"):
            Salesforce(consumer_key=org.logins.consumer_key, consumer_secret="no", domain="acme.my", session=session)

    def test_a_wrong_password_is_refused(self, org, session):
        with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
            Salesforce(username=org.logins.username, password="no", security_token="", session=session)

    def test_a_token_signed_by_another_key_is_refused(self, org, session, key):
        org.logins.public_key = key[1]
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        who = {"username": org.logins.username, "consumer_key": org.logins.consumer_key}
        with pytest.raises(SalesforceAuthenticationFailed, match="invalid_grant"):
            Salesforce(**who, privatekey=pem.decode(), session=session)


class TestDescribe:
    def test_objects_are_listed(self, sf):
        assert {"Account", "Contact", "Lead"} <= {each["name"] for each in sf.describe()["sobjects"]}

    def test_an_object_is_described(self, sf):
        fields = {each["name"]: each for each in sf.Contact.describe()["fields"]}

        assert fields["Customer_Id__c"]["externalId"]
        assert fields["Customer_Id__c"]["unique"]
        assert [each["value"] for each in fields["Churn_Band__c"]["picklistValues"]] == ["low", "mid", "high"]
        assert (fields["Churn_Score__c"]["type"], fields["Churn_Score__c"]["scale"]) == ("double", 4)
        assert not fields["Id"]["createable"]

    def test_metadata_comes_with_a_link_to_more(self, sf):
        assert sf.Contact.metadata()["objectDescribe"]["urls"]["describe"].endswith("/Contact/describe")

    def test_an_unknown_object_is_not_found(self, sf):
        with pytest.raises(SalesforceResourceNotFound):
            sf.Contcat.describe()


class TestQueries:
    @pytest.fixture
    def many(self, org):
        for number in range(2_500):
            org["Contact"].insert(LastName=f"Person {number}", Customer_Id__c=f"Q-{number:04}")

    def test_pages_are_followed(self, sf, many):
        soql = "SELECT Id, Customer_Id__c FROM Contact WHERE Customer_Id__c LIKE 'Q-%' ORDER BY Customer_Id__c"
        first = sf.query(soql)
        assert (first["totalSize"], first["done"], len(first["records"])) == (2_500, False, 2_000)

        rest = sf.query_more(first["nextRecordsUrl"], identifier_is_url=True)
        assert (rest["done"], len(rest["records"])) == (True, 500)
        assert [row["Customer_Id__c"] for row in sf.query_all_iter(soql)] == [f"Q-{n:04}" for n in range(2_500)]

    def test_a_bad_cursor_is_refused(self, sf):
        with pytest.raises(SalesforceMalformedRequest, match="INVALID_QUERY_LOCATOR"):
            sf.query_more("01g000000000000AAA-2000")

    def test_quotes_and_unicode_are_found_as_written(self, sf, org):
        name = 'O\'Brien \\ "ä" 100%\n2'
        made = org["Contact"].insert(LastName=name)

        found = sf.query(format_soql("SELECT Id, LastName FROM Contact WHERE LastName = {}", name))
        assert [row["LastName"] for row in found["records"]] == [name]
        assert found["records"][0]["attributes"]["url"].endswith(f"/sobjects/Contact/{found['records'][0]['Id']}")
        assert made

    def test_deleted_records_are_in_query_all_only(self, sf):
        made = sf.Contact.create({"LastName": "Gone"})
        sf.Contact.delete(made["id"])

        soql = "SELECT Id, IsDeleted FROM Contact WHERE LastName = 'Gone'"
        assert sf.query(soql)["totalSize"] == 0
        assert [row["IsDeleted"] for row in sf.query(soql, include_deleted=True)["records"]] == [True]

    def test_parents_are_records_inside(self, sf):
        account = sf.Account.create({"Name": "Acme"})
        sf.Contact.create({"LastName": "Child", "AccountId": account["id"]})

        found = sf.query("SELECT LastName, Account.Name FROM Contact WHERE LastName = 'Child'")["records"][0]
        assert found["Account"]["Name"] == "Acme"

    @pytest.mark.parametrize(
        ("soql", "code"),
        [
            ("SELEKT Id FROM Contact", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact WHERE LastName = 'open", "MALFORMED_QUERY"),
            ("SELECT Nope__c FROM Contact", "INVALID_FIELD"),
            ("SELECT Id FROM Contcat", "INVALID_TYPE"),
        ],
    )
    def test_nonsense_is_refused_with_its_code(self, sf, soql, code):
        with pytest.raises(SalesforceMalformedRequest) as raised:
            sf.query(soql)

        assert [each["errorCode"] for each in raised.value.content] == [code]

    def test_a_query_too_long_for_a_url_is_refused(self, sf):
        with pytest.raises(SalesforceGeneralError) as raised:
            sf.query(f"SELECT Id FROM Contact WHERE LastName = '{'x' * 20_000}'")

        assert raised.value.status in (414, 431)


class TestSingleRecords:
    def test_create_read_update_delete(self, sf, org):
        made = sf.Contact.create({"LastName": "Single", "Churn_Score__c": 0.25})
        assert made == {"id": made["id"], "success": True, "errors": []}

        assert sf.Contact.update(made["id"], {"FirstName": "Ada", "Churn_Score__c": None}) == 204
        read = sf.Contact.get(made["id"])
        assert (read["FirstName"], read["Churn_Score__c"], read["Name"]) == ("Ada", None, "Ada Single")

        assert sf.Contact.delete(made["id"]) == 204
        with pytest.raises(SalesforceResourceNotFound):
            sf.Contact.get(made["id"])

    def test_upsert_says_whether_it_created(self, sf):
        assert sf.Contact.upsert("Customer_Id__c/U-1", {"LastName": "New"}) == 201
        assert sf.Contact.upsert("Customer_Id__c/U-1", {"FirstName": "Old"}) in (200, 204)
        assert sf.Contact.get_by_custom_id("Customer_Id__c", "U-1")["FirstName"] == "Old"

    def test_a_key_may_hold_any_sign(self, sf):
        key = "a/b?c=d&e #ä"

        assert sf.Contact.upsert(format_external_id("Customer_Id__c", key), {"LastName": "Odd"}) == 201
        found = sf.query(format_soql("SELECT Customer_Id__c FROM Contact WHERE Customer_Id__c = {}", key))
        assert found["totalSize"] == 1

    def test_a_shared_key_names_its_twins(self, sf):
        with pytest.raises(SalesforceMoreThanOneRecord) as raised:
            sf.Contact.upsert("Shared_Id__c/twin", {"FirstName": "x"})

        assert len(raised.value.content) == 2

    @pytest.mark.parametrize(
        ("record", "code", "fields"),
        [
            ({"FirstName": "x"}, "REQUIRED_FIELD_MISSING", ["LastName"]),
            ({"LastName": "x", "Nope__c": 1}, "INVALID_FIELD", None),
            ({"LastName": "x", "Churn_Band__c": "odd"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Churn_Band__c"]),
            ({"LastName": "x" * 81}, "STRING_TOO_LONG", ["LastName"]),
            ({"LastName": "x", "Churn_Score__c": 12.5}, "NUMBER_OUTSIDE_VALID_RANGE", ["Churn_Score__c"]),
            ({"LastName": "x", "Id": NOBODY}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Id"]),
            ({"LastName": "x", "AccountId": "001000000000000AAA"}, "INVALID_CROSS_REFERENCE_KEY", None),
        ],
    )
    def test_a_bad_record_is_refused_with_code_and_field(self, sf, record, code, fields):
        with pytest.raises(SalesforceMalformedRequest) as raised:
            sf.Contact.create(record)

        assert [each["errorCode"] for each in raised.value.content] == [code]
        assert fields is None or raised.value.content[0]["fields"] == fields

    def test_a_taken_unique_value_is_refused(self, sf):
        sf.Contact.create({"LastName": "First", "Customer_Id__c": "same"})
        with pytest.raises(SalesforceMalformedRequest, match="DUPLICATE_VALUE"):
            sf.Contact.create({"LastName": "Second", "Customer_Id__c": "same"})

    def test_a_missing_record_is_not_found(self, sf):
        with pytest.raises(SalesforceResourceNotFound):
            sf.Contact.update(NOBODY, {"FirstName": "x"})


class TestCollections:
    @staticmethod
    def records(*rows):
        return [{"attributes": {"type": "Contact"}, **row} for row in rows]

    def call(self, sf, method, path="", rows=(), *, all_or_none=False):
        body = {"allOrNone": all_or_none, "records": self.records(*rows)}
        return sf.restful(f"composite/sobjects{path}", method=method, json=body)

    def test_200_are_written_in_one_call_and_answered_in_order(self, sf, org):
        before = org.mutations
        made = self.call(sf, "POST", rows=[{"LastName": f"P{n}", "Customer_Id__c": f"C-{n}"} for n in range(200)])
        assert all(each["success"] for each in made)
        assert org.mutations == before + 1

        self.call(sf, "PATCH", rows=[{"id": each["id"], "Churn_Score__c": n / 1000} for n, each in enumerate(made)])
        stored = sf.query("SELECT Customer_Id__c, Churn_Score__c FROM Contact WHERE Customer_Id__c LIKE 'C-%'")[
            "records"
        ]
        assert {row["Customer_Id__c"]: row["Churn_Score__c"] for row in stored} == {
            f"C-{n}": n / 1000 for n in range(200)
        }

    def test_upsert_by_external_id_says_which_were_created(self, sf):
        self.call(sf, "POST", rows=[{"LastName": "Old", "Customer_Id__c": "old"}])
        rows = [{"Customer_Id__c": "old", "LastName": "Older"}, {"Customer_Id__c": "new", "LastName": "New"}]
        found = self.call(sf, "PATCH", "/Contact/Customer_Id__c", rows)

        assert [(each["success"], each["created"]) for each in found] == [(True, False), (True, True)]

    def test_a_bad_row_spares_the_others(self, sf):
        found = self.call(sf, "POST", rows=[{"LastName": "Good"}, {"FirstName": "Bad"}])

        assert [each["success"] for each in found] == [True, False]
        assert [(each["statusCode"], each["fields"]) for each in found[1]["errors"]] == [
            ("REQUIRED_FIELD_MISSING", ["LastName"])
        ]

    def test_all_or_none_takes_the_good_rows_back(self, sf):
        found = self.call(sf, "POST", rows=[{"LastName": "Innocent"}, {"FirstName": "Bad"}], all_or_none=True)

        assert found[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        assert sf.query("SELECT Id FROM Contact WHERE LastName = 'Innocent'")["totalSize"] == 0

    def test_201_are_too_many(self, sf):
        with pytest.raises(SalesforceMalformedRequest):
            self.call(sf, "POST", rows=[{"LastName": f"P{n}"} for n in range(201)])

    def test_delete_by_ids(self, sf):
        made = [each["id"] for each in self.call(sf, "POST", rows=[{"LastName": "A"}, {"LastName": "B"}])]
        found = sf.restful("composite/sobjects", params={"ids": ",".join([*made, NOBODY])}, method="DELETE")

        assert [each["success"] for each in found] == [True, True, False]
        assert found[2]["errors"][0]["statusCode"] in ("INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED")

    def test_read_by_ids(self, sf):
        made = [each["id"] for each in self.call(sf, "POST", rows=[{"LastName": "A"}, {"LastName": "B"}])]
        asked = {"ids": [made[1], NOBODY, made[0]], "fields": ["LastName"]}
        found = sf.restful("composite/sobjects/Contact", method="POST", json=asked)

        assert [each and each["LastName"] for each in found] == ["B", None, "A"]


class TestSessionsAndLimits:
    def test_an_expired_session_is_renewed_in_the_middle(self, sf, org):
        stale = sf.session_id
        org.expire_tokens()

        assert sf.query("SELECT Id FROM Contact")["totalSize"] == 2
        assert sf.session_id != stale

    def test_an_expired_session_without_a_login_ends(self, sf, org, session):
        direct = Salesforce(session_id=sf.session_id, instance=sf.sf_instance, session=session, version="60.0")
        org.expire_tokens()

        with pytest.raises(SalesforceExpiredSession) as raised:
            direct.query("SELECT Id FROM Contact")
        assert raised.value.content[0]["errorCode"] == "INVALID_SESSION_ID"

    def test_usage_is_in_every_answer(self, sf):
        sf.query("SELECT Id FROM Contact")
        first = sf.api_usage["api-usage"]
        sf.query("SELECT Id FROM Contact")

        assert sf.api_usage["api-usage"].used == first.used + 1
        assert sf.limits()["DailyApiRequests"]["Max"] == first.total

    def test_too_many_requests_are_refused_as_forbidden(self, sf, org):
        body = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
        org.faults.next(faults.answer(403, body))

        with pytest.raises(SalesforceRefusedRequest, match="REQUEST_LIMIT_EXCEEDED"):
            sf.query("SELECT Id FROM Contact")

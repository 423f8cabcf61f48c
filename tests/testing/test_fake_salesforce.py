"""The fake org's rules, as its own API shows them. Trap numbers are those of the connector's page."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from aumconnect.connectors.salesforce.soql import literal
from aumconnect.testing import faults
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.testing.fakes.salesforce.soql import Compare, parse
from aumconnect.wire import Headers, Request, Response

HOST = "https://acme.my.salesforce.com"
ROOT = "/services/data/v62.0"


class Org:
    """A caller that is logged in, and speaks JSON."""

    def __init__(self, fake: FakeSalesforce) -> None:
        self.fake = fake
        self.token = fake.logins.issue()

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        url = HOST + (path if path.startswith("/services") else ROOT + path)
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        fields = {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-"): v for name, v in headers.items()}}
        return self.fake(Request(method, url, Headers(fields), content))

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        reply = self.send(method, path, body, **headers)
        return json.loads(reply.body) if reply.body else reply.status

    def query(self, soql: str, path: str = "/query", **headers: str) -> list[dict[str, Any]]:
        reply = self.ask("GET", f"{path}?q={quote(soql)}", **headers)
        assert isinstance(reply, dict), reply
        return reply["records"]

    def code(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        reply = self.send(method, path, body, **headers)
        return reply.status, json.loads(reply.body)[0]["errorCode"]


@pytest.fixture
def fake() -> FakeSalesforce:
    fake = FakeSalesforce()
    fake.add_field("Contact", "Customer_Id__c", external_id=True, unique=True, length=20)
    fake.add_field("Contact", "Region__c", external_id=True, length=20)
    fake.add_field("Contact", "Score__c", "double", precision=4, scale=3)
    fake.add_field("Contact", "Band__c", "picklist", values=("low", "high"), inactive=("mid",), restricted=True)
    fake.add_field("Contact", "Tags__c", "multipicklist", values=("a", "b", "c"))
    return fake


@pytest.fixture
def org(fake: FakeSalesforce) -> Org:
    return Org(fake)


@pytest.fixture
def contact(fake: FakeSalesforce) -> dict[str, Any]:
    return fake["Contact"].insert(LastName="Lovelace", FirstName="Ada", Customer_Id__c="C-1", Score__c=0.5)


def row(**values: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}, **values}


def collection(org: Org, *rows: dict[str, Any], method: str = "POST", path: str = "", **more: Any) -> Any:
    return org.ask(method, f"/composite/sobjects{path}", {"records": list(rows), **more})


def codes(results: list[dict[str, Any]]) -> list[str]:
    """The code of each result's first error; "" for a success."""
    return ["" if result["success"] else result["errors"][0]["statusCode"] for result in results]


class TestLogins:
    def login(self, fake: FakeSalesforce, host: str = HOST, authorization: str = "", **form: str) -> tuple[int, Any]:
        headers = Headers({"Authorization": authorization} if authorization else {})
        reply = fake(Request("POST", f"{host}/services/oauth2/token", headers, urlencode(form).encode()))
        return reply.status, json.loads(reply.body)

    def credentials(self, fake: FakeSalesforce, **other: str) -> dict[str, str]:
        return {"client_id": fake.logins.consumer_key, "client_secret": fake.logins.consumer_secret, **other}

    def test_client_credentials_work_on_the_own_domain_only(self, fake: FakeSalesforce) -> None:
        form = self.credentials(fake, grant_type="client_credentials")

        status, granted = self.login(fake, **form)
        refused, reason = self.login(fake, "https://login.salesforce.com", **form)

        assert (status, granted["instance_url"]) == (200, HOST)
        assert "expires_in" not in granted
        assert (refused, reason["error"]) == (400, "invalid_grant")

    def test_a_password_login_on_the_shared_host_announces_the_instance(self, fake: FakeSalesforce) -> None:
        known = {"username": fake.logins.username, "password": fake.logins.password + fake.logins.security_token}
        form = self.credentials(fake, grant_type="password", **known)

        status, granted = self.login(fake, "https://login.salesforce.com", **form)

        assert (status, granted["instance_url"]) == (200, fake.instance_url)
        assert self.login(fake, **{**form, "password": "wrong"})[1]["error"] == "invalid_grant"

    def test_a_jwt_is_checked_against_the_apps_public_key(self, fake: FakeSalesforce) -> None:
        ours, theirs = (rsa.generate_private_key(65537, 2048) for _ in range(2))
        public = ours.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        fake.logins.public_key = public.decode()
        claims = {"iss": fake.logins.consumer_key, "sub": fake.logins.username, "aud": "https://login.salesforce.com"}

        def login(key: rsa.RSAPrivateKey, **changes: Any) -> int:
            assertion = jwt.encode({**claims, "exp": fake.clock.epoch() + 180, **changes}, key, algorithm="RS256")
            grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            return self.login(fake, grant_type=grant, assertion=assertion)[0]

        assert login(ours) == 200
        assert login(theirs) == 400
        assert login(ours, exp=fake.clock.epoch() - 1) == 400
        assert login(ours, sub="somebody@else.example") == 400

    def test_a_rotating_refresh_token_is_good_once(self, fake: FakeSalesforce) -> None:
        fake.logins.rotates = True
        first = fake.logins.refresh_token()
        form = {"grant_type": "refresh_token", "client_id": fake.logins.consumer_key}

        status, granted = self.login(fake, **form, refresh_token=first)

        assert status == 200
        assert self.login(fake, **form, refresh_token=first)[0] == 400
        assert self.login(fake, **form, refresh_token=granted["refresh_token"])[0] == 200

    def test_the_soap_login_ends_with_version_65(self, fake: FakeSalesforce) -> None:
        """SF-9."""
        person = f"<u:username>{fake.logins.username}</u:username><u:password>{fake.logins.password}</u:password>"
        envelope = (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
            f'<u:login xmlns:u="urn:partner.soap.sforce.com">{person}</u:login></e:Body></e:Envelope>'
        )

        def login(version: str) -> Response:
            return fake(Request("POST", f"{HOST}/services/Soap/u/{version}", body=envelope.encode()))

        assert b"<sessionId>" in login("59.0").body
        assert login("65.0").status == 500
        assert b"UNSUPPORTED_API_VERSION" in login("65.0").body

    def test_a_session_slides_with_use_and_then_expires(self, fake: FakeSalesforce, org: Org) -> None:
        fake.clock.sleep(7_000)
        assert org.send("GET", "/limits").status == 200
        fake.clock.sleep(7_000)
        assert org.send("GET", "/limits").status == 200
        fake.clock.sleep(7_200)
        assert org.code("GET", "/limits") == (401, "INVALID_SESSION_ID")

    def test_a_session_may_end_after_so_many_requests_or_at_a_revocation(self, fake: FakeSalesforce, org: Org) -> None:
        fake.logins.session_requests = 2
        assert [org.send("GET", "/limits").status for _ in range(3)] == [200, 200, 401]
        org.token = fake.logins.issue()
        org.send("POST", "/services/oauth2/revoke", urlencode({"token": org.token}).encode())
        assert org.send("GET", "/limits").status == 401

    def test_the_list_of_versions_needs_no_login_and_costs_nothing(self, fake: FakeSalesforce) -> None:
        reply = fake(Request("GET", f"{HOST}/services/data/"))

        assert "66.0" in [version["version"] for version in json.loads(reply.body)]
        assert fake.used_requests == 0


class TestRules:
    @pytest.mark.parametrize(
        ("values", "code"),
        [
            ({"LastName": None}, "REQUIRED_FIELD_MISSING"),
            ({"LastName": "x" * 81}, "STRING_TOO_LONG"),
            ({"Score__c": 10}, "NUMBER_OUTSIDE_VALID_RANGE"),
            ({"Band__c": "mid"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            ({"Email": "nobody"}, "INVALID_EMAIL_ADDRESS"),
            ({"Nonsense__c": 1}, "INVALID_FIELD"),
            ({"Name": "Full Name"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
            ({"AccountId": "nonsense"}, "MALFORMED_ID"),
            ({"AccountId": "001AA0000000009YAA"}, "INVALID_CROSS_REFERENCE_KEY"),
            ({"Account": {"Nonsense__c": 1}}, "INVALID_FIELD"),
            ({"Customer_Id__c": " c-1 "}, "DUPLICATE_VALUE"),
            ({"DoNotCall": None}, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ],
    )
    def test_a_bad_value_refuses_its_record(self, org: Org, contact: Any, values: dict[str, Any], code: str) -> None:
        results = collection(org, row(LastName="Before"), row(**{"LastName": "Bad", **values}), row(LastName="After"))

        assert codes(results) == ["", code, ""]
        assert org.code("POST", "/sobjects/Contact", {"LastName": "Bad", **values}) == (400, code)

    @pytest.mark.parametrize(
        "body", [b'{"LastName": NaN}', b"{", b"[]", b'{"LastName": true}', b'{"Score__c": "many"}']
    )
    def test_what_is_not_the_json_expected_refuses_the_request(self, org: Org, body: bytes) -> None:
        assert org.code("POST", "/sobjects/Contact", body) == (400, "JSON_PARSER_ERROR")

    def test_extra_decimals_are_rounded_silently(self, fake: FakeSalesforce, org: Org, contact: Any) -> None:
        """SF-10."""
        org.ask("PATCH", f"/sobjects/Contact/{contact['Id']}", {"Score__c": 0.12345})
        assert fake["Contact"].one(Id=contact["Id"])["Score__c"] == 0.123

    def test_text_is_trimmed_and_nothing_left_is_null(self, fake: FakeSalesforce, org: Org, contact: Any) -> None:
        org.ask("PATCH", f"/sobjects/Contact/{contact['Id']}", {"FirstName": "  ", "Title": " Countess "})
        record = fake["Contact"].one(Id=contact["Id"])
        assert (record["FirstName"], record["Title"], record["Name"]) == (None, "Countess", "Lovelace")

    def test_absent_is_left_alone_and_null_clears(self, fake: FakeSalesforce, org: Org, contact: Any) -> None:
        """SF-2."""
        org.ask("PATCH", f"/sobjects/Contact/{contact['Id']}", {"Score__c": None})
        record = fake["Contact"].one(Id=contact["Id"])
        assert (record["Score__c"], record["FirstName"]) == (None, "Ada")

    def test_several_choices_are_one_text(self, org: Org, contact: Any) -> None:
        """SF-3."""
        path = f"/sobjects/Contact/{contact['Id']}"
        assert org.send("PATCH", path, {"Tags__c": "b;a"}).status == 204
        assert org.ask("GET", path)["Tags__c"] == "b;a"
        assert org.code("PATCH", path, {"Tags__c": ["a", "b"]}) == (400, "JSON_PARSER_ERROR")

    def test_an_id_may_have_15_characters_and_case_counts(self, org: Org, contact: Any) -> None:
        """SF-5."""
        short = contact["Id"][:15]
        assert org.ask("GET", f"/sobjects/Contact/{short}")["Id"] == contact["Id"]
        assert org.query(f"SELECT Id FROM Contact WHERE Id = '{short}'")[0]["Id"] == contact["Id"]
        assert org.send("GET", f"/sobjects/Contact/{short.lower()}").status == 404

    def test_a_hidden_field_looks_like_none(self, fake: FakeSalesforce, org: Org, contact: Any) -> None:
        """SF-8."""
        fake.hide("Contact", "Score__c")
        path = f"/sobjects/Contact/{contact['Id']}"
        described = org.ask("GET", "/sobjects/Contact/describe")
        assert "Score__c" not in [field["name"] for field in described["fields"]]
        assert org.code("PATCH", path, {"Score__c": 0.1}) == (400, "INVALID_FIELD")
        assert org.code("GET", f"/query?q={quote('SELECT Score__c FROM Contact')}") == (400, "INVALID_FIELD")
        assert "Score__c" not in org.ask("GET", path)

    def test_a_validation_rule_sees_the_record_as_it_would_be(
        self, fake: FakeSalesforce, org: Org, contact: Any
    ) -> None:
        fake["Contact"].validation_rules.append(
            lambda record: "Ada scores high" if record["FirstName"] == "Ada" and record["Score__c"] < 0.5 else None
        )
        path = f"/sobjects/Contact/{contact['Id']}"
        assert org.code("PATCH", path, {"Score__c": 0.4}) == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
        assert org.send("PATCH", path, {"Score__c": 0.4, "FirstName": "Bob"}).status == 204

    @pytest.mark.parametrize(("action", "status"), [("alert", 201), ("block", 400)])
    def test_a_duplicate_rule_that_alerts_can_be_overridden(
        self, fake: FakeSalesforce, org: Org, action: str, status: int
    ) -> None:
        fake["Contact"].insert(LastName="One", Email="a@acme.example")
        fake["Contact"].duplicate_rule = (action, ("Email",))
        twin = {"LastName": "Two", "Email": "a@acme.example"}

        assert org.code("POST", "/sobjects/Contact", twin) == (400, "DUPLICATES_DETECTED")
        overridden = org.send("POST", "/sobjects/Contact", twin, Sforce_Duplicate_Rule_Header="allowSave=true")
        assert overridden.status == status

    def test_a_parent_can_be_named_by_its_external_id(self, fake: FakeSalesforce, org: Org) -> None:
        fake.add_field("Account", "Code__c", external_id=True, unique=True)
        parent = fake["Account"].insert(Name="Acme", Code__c="A-1")

        results = collection(
            org, row(LastName="x", Account={"Code__c": "A-1"}), row(LastName="y", Account={"Code__c": "A-2"})
        )

        assert codes(results) == ["", "INVALID_FIELD"]
        assert fake["Contact"].one()["AccountId"] == parent["Id"]

    def test_stamps_move_with_every_write(self, fake: FakeSalesforce, org: Org, contact: Any) -> None:
        fake.clock.sleep(90)
        org.ask("PATCH", f"/sobjects/Contact/{contact['Id']}", {"Score__c": 0.1})
        record = fake["Contact"].one(Id=contact["Id"])
        assert record["CreatedDate"] == "2026-01-01T00:00:00.000+0000"
        assert record["SystemModstamp"] == record["LastModifiedDate"] == "2026-01-01T00:01:30.000+0000"


class TestSingleRecords:
    def test_an_upsert_creates_then_updates_and_says_which(self, org: Org) -> None:
        path = f"/sobjects/Contact/Customer_Id__c/{quote('a/b c', safe='')}"
        created, updated = (org.send("PATCH", path, {"LastName": name}) for name in ("One", "Two"))

        assert (created.status, json.loads(created.body)["created"]) == (201, True)
        assert (updated.status, json.loads(updated.body)["created"]) == (200, False)
        assert org.fake["Contact"].one()["Customer_Id__c"] == "a/b c"
        assert org.fake.commits["Contact", "a/b c"] == 2

    def test_before_version_46_an_update_has_no_body(self, org: Org, contact: Any) -> None:
        path = "/services/data/v45.0/sobjects/Contact/Customer_Id__c/C-1"
        assert org.send("PATCH", path, {"FirstName": "B"}).status == 204

    def test_a_key_that_several_share_is_300_and_nothing_happens(self, fake: FakeSalesforce, org: Org) -> None:
        ids = [fake["Contact"].insert(LastName="Twin", Region__c="r")["Id"] for _ in range(2)]
        reply = org.send("PATCH", "/sobjects/Contact/Region__c/r", {"LastName": "x"})

        assert reply.status == 300
        assert json.loads(reply.body) == [f"{ROOT}/sobjects/Contact/{each}" for each in ids]
        assert fake.commits.total() == fake.mutations == 0

    def test_update_only_never_creates(self, org: Org) -> None:
        path = "/sobjects/Contact/Customer_Id__c/C-9?updateOnly=true"
        assert org.code("PATCH", path, {"LastName": "x"}) == (404, "NOT_FOUND")
        assert len(org.fake["Contact"]) == 0

    def test_the_key_does_not_belong_into_the_body(self, org: Org) -> None:
        body = {"LastName": "x", "Customer_Id__c": "C-9"}
        path = "/sobjects/Contact/Customer_Id__c/C-9"
        assert org.code("PATCH", path, body) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")

    def test_what_is_gone_is_404(self, org: Org, contact: Any) -> None:
        path = f"/sobjects/Contact/{contact['Id']}"
        assert org.send("DELETE", path).status == 204
        assert org.code("GET", path) == (404, "ENTITY_IS_DELETED")
        assert org.code("PATCH", path, {"LastName": "x"}) == (404, "ENTITY_IS_DELETED")
        assert org.code("GET", "/sobjects/Contact/003AA0000000099YAA")[0] == 404
        assert org.code("GET", "/sobjects/Nonsense/003AA0000000099YAA") == (404, "NOT_FOUND")

    def test_a_wrong_method_is_405_and_an_old_version_410(self, org: Org) -> None:
        assert org.code("PUT", "/sobjects/Contact") == (405, "METHOD_NOT_ALLOWED")
        assert org.code("GET", "/services/data/v25.0/limits")[0] == 410


class TestCollections:
    def test_it_answers_200_although_every_row_failed(self, org: Org) -> None:
        """SF-1."""
        reply = org.send("POST", "/composite/sobjects", {"records": [row(), row(LastName="x" * 99)]})
        assert reply.status == 200
        assert codes(json.loads(reply.body)) == ["REQUIRED_FIELD_MISSING", "STRING_TOO_LONG"]
        assert org.fake.mutations == 1
        assert org.fake.commits.total() == 0

    def test_upsert_says_what_was_created(self, org: Org, contact: Any) -> None:
        results = collection(
            org,
            row(Customer_Id__c="C-2", LastName="New"),
            row(customer_id__c="c-1", FirstName="Augusta"),
            row(LastName="Keyless"),
            method="PATCH",
            path="/Contact/Customer_Id__c",
        )
        assert [result.get("created") for result in results] == [True, False, None]
        assert codes(results)[2] == "MISSING_ARGUMENT"
        assert org.fake["Contact"].one(Customer_Id__c="C-1")["FirstName"] == "Augusta"

    def test_an_ambiguous_upsert_names_the_twins(self, fake: FakeSalesforce, org: Org) -> None:
        ids = [fake["Contact"].insert(LastName="Twin", Region__c="r")["Id"] for _ in range(2)]
        (result,) = collection(org, row(Region__c="R", LastName="x"), method="PATCH", path="/Contact/Region__c")
        assert codes([result]) == ["DUPLICATE_EXTERNAL_ID"]
        assert all(each in result["errors"][0]["message"] for each in ids)

    @pytest.mark.parametrize(("switch", "expected"), [("all", ["D", "", "D"]), ("later", ["", "", "D"])])
    def test_a_record_named_twice(
        self, fake: FakeSalesforce, org: Org, contact: Any, switch: Any, expected: list[str]
    ) -> None:
        fake.repeats_fail = switch
        keyed = [row(Customer_Id__c=key, LastName="x") for key in ("K", "L", "k")]
        results = collection(org, *keyed, method="PATCH", path="/Contact/Customer_Id__c")
        assert [code[:1] for code in codes(results)] == expected

        ids = [contact["Id"], fake["Contact"].insert(LastName="x")["Id"], contact["Id"][:15]]
        results = collection(org, *(row(id=each, Title="t") for each in ids), method="PATCH")
        assert [code[:1] for code in codes(results)] == expected

    def test_all_or_none_takes_everything_back(self, fake: FakeSalesforce, org: Org, contact: Any) -> None:
        fake.changes.clear()
        results = collection(
            org,
            row(Customer_Id__c="C-1", FirstName="Changed"),
            row(Customer_Id__c="C-2", LastName="New"),
            row(Customer_Id__c="C-3"),
            method="PATCH",
            path="/Contact/Customer_Id__c",
            allOrNone=True,
        )
        rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        assert codes(results) == [rolled_back, rolled_back, "REQUIRED_FIELD_MISSING"]
        assert [record["FirstName"] for record in fake["Contact"]] == ["Ada"]
        assert fake.commits.total() == len(fake.changes) == 0
        assert org.query("SELECT Id FROM Contact WHERE Customer_Id__c = 'C-2'") == []

    @pytest.mark.parametrize("sinks", [False, True])
    def test_an_unknown_column_spares_or_sinks_the_call(self, fake: FakeSalesforce, org: Org, sinks: bool) -> None:
        fake.column_sinks_call = sinks
        reply = org.send("POST", "/composite/sobjects", {"records": [row(LastName="x"), row(LastName="y", No__c=1)]})
        assert reply.status == (400 if sinks else 200)
        assert len(fake["Contact"]) == (0 if sinks else 1)

    def test_limits_of_200_rows_and_10_chunks(self, org: Org) -> None:
        rows = [row(LastName="x")] * 201
        assert org.code("POST", "/composite/sobjects", {"records": rows}) == (400, "EXCEEDED_ID_LIMIT")
        account = {"attributes": {"type": "Account"}, "Name": "x"}
        mixed = [row(LastName="x"), account] * 6
        assert org.code("POST", "/composite/sobjects", {"records": mixed}) == (400, "LIMIT_EXCEEDED")
        assert len(org.fake["Contact"]) == 0
        sorted_by_type = {"records": [*[row(LastName="x")] * 6, *[account] * 6]}
        assert org.send("POST", "/composite/sobjects", sorted_by_type).status == 200

    def test_delete_and_retrieve(self, fake: FakeSalesforce, org: Org, contact: Any) -> None:
        other = fake["Contact"].insert(LastName="Other")
        ids = f"{contact['Id']},{other['Id']},003AA0000000099YAA"
        assert codes(org.ask("DELETE", f"/composite/sobjects?ids={contact['Id']},nonsense")) == ["", "MALFORMED_ID"]

        body = {"ids": ids.split(","), "fields": ["Id", "LastName"]}
        found = org.ask("POST", "/composite/sobjects/Contact", body)

        assert [record and record["LastName"] for record in found] == [None, "Other", None]
        assert found == org.ask("GET", f"/composite/sobjects/Contact?ids={ids}&fields=Id,LastName")
        assert fake.mutations == 1


class TestQueries:
    @pytest.fixture(autouse=True)
    def people(self, fake: FakeSalesforce) -> None:
        acme = fake["Account"].insert(Name="Acme")["Id"]
        for number, (name, score) in enumerate([("Ada", 0.1), ("bob", 0.5), ("Cleo", None), ("O'Hara_%", 0.9)]):
            account = acme if number % 2 else None
            fake["Contact"].insert(
                LastName=name, Score__c=score, AccountId=account, Customer_Id__c=f"C-{number}", Tags__c="a;b"
            )
            fake.clock.sleep(60)

    @pytest.mark.parametrize(
        ("where", "found"),
        [
            ("LastName = 'ada'", ["Ada"]),
            ("LastName != 'ADA'", ["bob", "Cleo", "O'Hara_%"]),
            ("LastName = 'O\\'Hara_%'", ["O'Hara_%"]),
            ("LastName LIKE '%a\\_\\%'", ["O'Hara_%"]),
            ("LastName LIKE '_o%'", ["bob"]),
            ("Score__c > 0.1 AND Score__c <= 0.9", ["bob", "O'Hara_%"]),
            ("Score__c = null", ["Cleo"]),
            ("Score__c != null AND NOT LastName = 'bob'", ["Ada", "O'Hara_%"]),
            ("(LastName = 'Ada' OR LastName = 'bob') AND Score__c IN (0.5, 0.9)", ["bob"]),
            ("Customer_Id__c IN ('c-0', 'C-2', 'C-99')", ["Ada", "Cleo"]),
            ("Customer_Id__c NOT IN ('C-0', 'C-2')", ["bob", "O'Hara_%"]),
            ("Account.Name = 'acme'", ["bob", "O'Hara_%"]),
            ("AccountId = null", ["Ada", "Cleo"]),
            ("SystemModstamp >= 2026-01-01T01:02:00+01:00", ["Cleo", "O'Hara_%"]),
            ("Tags__c INCLUDES ('c', 'b;a') AND DoNotCall = false", ["Ada", "bob", "Cleo", "O'Hara_%"]),
            ("Tags__c EXCLUDES ('a')", []),
        ],
    )
    def test_conditions(self, org: Org, where: str, found: list[str]) -> None:
        records = org.query(f"SELECT LastName FROM Contact WHERE {where} ORDER BY Customer_Id__c")
        assert [record["LastName"] for record in records] == found

    @pytest.mark.parametrize(
        ("tail", "found"),
        [
            ("ORDER BY Score__c", [None, 0.1, 0.5, 0.9]),
            ("ORDER BY Score__c DESC", [0.9, 0.5, 0.1, None]),
            ("ORDER BY Score__c NULLS LAST", [0.1, 0.5, 0.9, None]),
            ("ORDER BY Score__c DESC NULLS FIRST", [None, 0.9, 0.5, 0.1]),
            ("ORDER BY Account.Name DESC, Score__c LIMIT 3 OFFSET 1", [0.9, None, 0.1]),
        ],
    )
    def test_order_and_limits(self, org: Org, tail: str, found: list[Any]) -> None:
        assert [record["Score__c"] for record in org.query(f"SELECT Score__c FROM Contact {tail}")] == found

    def test_a_parents_field_is_inside_its_record(self, org: Org) -> None:
        first, second = org.query("SELECT Account.Name FROM Contact ORDER BY Customer_Id__c LIMIT 2")
        assert first["Account"] is None
        assert second["Account"]["Name"] == "Acme"

    def test_count(self, org: Org) -> None:
        reply = org.ask("GET", f"/query?q={quote('SELECT COUNT() FROM Contact WHERE Score__c > 0.2')}")
        assert reply == {"totalSize": 2, "done": True, "records": []}

    @pytest.mark.parametrize(
        ("soql", "code"),
        [
            ("SELECT FROM Contact", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact WHERE LastName IN ()", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact WHERE LastName = 'open", "MALFORMED_QUERY"),
            ("SELECT Id FROM Contact LIMIT 1 nonsense", "MALFORMED_QUERY"),
            ("SELECT Nonsense__c FROM Contact", "INVALID_FIELD"),
            ("SELECT Nonsense.Name FROM Contact", "INVALID_FIELD"),
            ("SELECT Id FROM Contact WHERE Score__c = '0.5'", "INVALID_FIELD"),
            ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD"),
            ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
        ],
    )
    def test_a_wrong_query_is_refused(self, org: Org, soql: str, code: str) -> None:
        assert org.code("GET", f"/query?q={quote(soql)}") == (400, code)

    def test_pages_follow_until_done_and_cursors_expire(self, fake: FakeSalesforce, org: Org) -> None:
        for number in range(446):
            fake["Contact"].insert(LastName=f"n{number}")
        option = {"Sforce_Query_Options": "batchSize=200"}
        reply = org.ask("GET", f"/query?q={quote('SELECT Id FROM Contact')}", **option)
        sizes = [len(reply["records"])]
        while not reply["done"]:
            last = reply["nextRecordsUrl"]
            reply = org.ask("GET", last)
            sizes.append(len(reply["records"]))
        assert (sizes, reply["totalSize"]) == ([200, 200, 50], 450)

        reply = org.ask("GET", f"/query?q={quote('SELECT Id FROM Contact')}", **option)
        fake.clock.sleep(901)
        assert org.code("GET", reply["nextRecordsUrl"]) == (400, "INVALID_QUERY_LOCATOR")

    def test_the_bin_is_seen_by_query_all_only(self, fake: FakeSalesforce, org: Org) -> None:
        fake["Contact"].delete({"LastName": "Ada"})
        soql = "SELECT IsDeleted FROM Contact WHERE LastName = 'Ada'"
        assert org.query(soql) == []
        assert [record["IsDeleted"] for record in org.query(soql, "/queryAll")] == [True]

    def test_a_lagging_index_shows_the_past(self, fake: FakeSalesforce, org: Org) -> None:
        fake.queries.index_lag = 30
        fake["Contact"].edit({"LastName": "Ada"}, Score__c=0.7)
        fake["Contact"].insert(LastName="New")
        fake["Contact"].delete({"LastName": "bob"})

        def scores() -> dict[str, Any]:
            return {each["LastName"]: each["Score__c"] for each in org.query("SELECT LastName, Score__c FROM Contact")}

        assert scores() == {"Ada": 0.1, "bob": 0.5, "Cleo": None, "O'Hara_%": 0.9}
        fake.clock.sleep(30)
        assert scores() == {"Ada": 0.7, "Cleo": None, "O'Hara_%": 0.9, "New": None}

    def test_a_url_that_is_too_long_is_414(self, org: Org) -> None:
        soql = f"SELECT Id FROM Contact WHERE LastName = '{'x' * 17_000}'"
        assert org.code("GET", f"/query?q={quote(soql)}")[0] == 414


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_quoted_text_means_itself(text: str) -> None:
    """Our connector writes literals, this parser reads them; neither knows the other."""
    where = parse(f"SELECT Id FROM Contact WHERE Title = {literal(text)}").where
    assert isinstance(where, Compare)
    assert where.value == text


class TestTrouble:
    def test_the_days_allowance_ends_with_403(self, fake: FakeSalesforce, org: Org) -> None:
        fake.daily_requests = 2
        reply = org.send("GET", "/limits")
        assert reply.headers["Sforce-Limit-Info"] == "api-usage=1/2"
        assert json.loads(reply.body)["DailyApiRequests"] == {"Max": 2, "Remaining": 1}
        assert org.send("GET", "/limits").status == 200
        refused = org.send("GET", "/limits")
        assert (refused.status, "Retry-After" in refused.headers) == (403, False)

    def test_a_locked_record_is_refused_for_a_time_or_some_attempts(
        self, fake: FakeSalesforce, org: Org, contact: Any
    ) -> None:
        def write() -> str:
            return codes(collection(org, row(id=contact["Id"], Score__c=0.1), method="PATCH"))[0]

        fake.locks.lock(contact["Id"], attempts=2)
        assert [write() for _ in range(3)] == ["UNABLE_TO_LOCK_ROW", "UNABLE_TO_LOCK_ROW", ""]
        fake.locks.lock(contact["Id"], seconds=5)
        assert write() == "UNABLE_TO_LOCK_ROW"
        fake.clock.sleep(5)
        assert write() == ""

    def test_writes_side_by_side_fight_for_a_parent(self, fake: FakeSalesforce, org: Org) -> None:
        """SF-6."""
        fake.locks.hold_parents = 2.0
        parent, other = (fake["Account"].insert(Name=name)["Id"] for name in ("One", "Two"))

        def write(*parents: str) -> list[str]:
            return codes(collection(org, *(row(LastName="x", AccountId=each) for each in parents)))

        assert write(parent, parent) == ["", ""]
        assert write(parent, other) == ["UNABLE_TO_LOCK_ROW", ""]
        fake.clock.sleep(2)
        assert write(parent) == [""]

    def test_a_late_commit_is_counted_when_it_happens(self, fake: FakeSalesforce, org: Org) -> None:
        fake.faults.write(1, faults.late_commit(60))
        org.send("POST", "/composite/sobjects", {"records": [row(LastName="x", Customer_Id__c="C-1")]})
        assert fake.commits["Contact", "C-1"] == 0
        fake.clock.sleep(60)
        assert len(org.query("SELECT Id FROM Contact")) == 1
        assert fake.creations["Contact", "C-1"] == fake.mutations == 1


class TestComposite:
    def test_later_parts_may_name_what_earlier_ones_answered(self, fake: FakeSalesforce, org: Org) -> None:
        parts = [
            {"method": "POST", "url": f"{ROOT}/sobjects/Account", "referenceId": "a", "body": {"Name": "Acme"}},
            {
                "method": "POST",
                "url": f"{ROOT}/sobjects/Contact",
                "referenceId": "c",
                "body": {"LastName": "x", "AccountId": "@{a.id}"},
            },
        ]
        reply = org.ask("POST", "/composite", {"compositeRequest": parts})
        assert [part["httpStatusCode"] for part in reply["compositeResponse"]] == [201, 201]
        assert fake["Contact"].one()["AccountId"] == fake["Account"].one()["Id"]

    def test_all_or_none_takes_the_others_back(self, fake: FakeSalesforce, org: Org) -> None:
        parts = [
            {"method": "POST", "url": f"{ROOT}/sobjects/Account", "referenceId": "a", "body": {"Name": "Acme"}},
            {"method": "POST", "url": f"{ROOT}/sobjects/Contact", "referenceId": "c", "body": {}},
        ]
        reply = org.ask("POST", "/composite", {"allOrNone": True, "compositeRequest": parts})
        assert [part["httpStatusCode"] for part in reply["compositeResponse"]] == [400, 400]
        assert len(fake["Account"]) == fake.commits.total() == 0

    def test_a_batch_answers_each_by_itself(self, org: Org) -> None:
        parts = [{"method": "GET", "url": "v62.0/limits"}, {"method": "GET", "url": "v62.0/nonsense"}]
        reply = org.ask("POST", "/composite/batch", {"batchRequests": parts})
        assert (reply["hasErrors"], [part["statusCode"] for part in reply["results"]]) == (True, [200, 404])


class TestPeople:
    def test_a_person_edits_by_hand_and_it_shows_as_theirs(self, fake: FakeSalesforce, contact: Any) -> None:
        fake.changes.clear()
        fake.edit("Contact", contact["Id"], "Score__c", "0.75")
        fake.edit("Contact", contact["Id"], "Score__c", 0.75)

        changes = [(change.field, change.new, change.by) for change in fake.changes]
        assert ("Score__c", 0.75, "person") in changes
        assert len([field for field, _, _ in changes if field == "Score__c"]) == 1
        with pytest.raises(ValueError, match="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"):
            fake.edit("Contact", contact["Id"], "Band__c", "sideways")
        with pytest.raises(LookupError):
            fake.edit("Contact", "003AA0000000099YAA", "Score__c", 1)

    def test_near_names_are_offered(self, fake: FakeSalesforce) -> None:
        with pytest.raises(LookupError, match="Contact"):
            fake["Contakt"]
        with pytest.raises(ValueError, match="LastName"):
            fake["Contact"].insert(LastNam="x")


def test_ten_thousand_upserts_take_seconds() -> None:
    """The fake must not be what a test waits for."""
    fake = FakeSalesforce()
    fake.add_field("Contact", "Customer_Id__c", external_id=True, unique=True, length=20)
    org = Org(fake)
    started = time.process_time()
    for first in range(0, 10_000, 200):
        rows = [row(Customer_Id__c=f"C-{first + each}", LastName="x") for each in range(200)]
        collection(org, *rows, method="PATCH", path="/Contact/Customer_Id__c")
    assert len(fake["Contact"]) == 10_000
    assert time.process_time() - started < 10

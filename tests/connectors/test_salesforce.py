"""Salesforce by hand: each request as it leaves, each answer as the documentation shows it."""

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simple_salesforce.format import format_soql, quote_soql_value

from aumconnect.connector import (
    Account,
    Batch,
    BulkWrites,
    Change,
    Describes,
    Guarantee,
    Operation,
    Query,
    Reads,
    ReadsById,
    ReadsByKey,
    RemoteRecord,
)
from aumconnect.connectors.salesforce import Salesforce
from aumconnect.connectors.salesforce.describe import object_schema
from aumconnect.connectors.salesforce.ids import is_id, suffix
from aumconnect.connectors.salesforce.rows import RowWriter
from aumconnect.connectors.salesforce.soql import literal
from aumconnect.errors import ConfigurationError, ErrorClass, ProtocolError, RequestRefused
from aumconnect.outcome import Status
from aumconnect.schema import CLEAR, FieldType, Reference
from aumconnect.testing.contract import ConnectorContract
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.wire import Headers, Response

DATA = "/services/data/v62.0"
ID = "003000000000001AAA"
ID2 = "003000000000002AAA"

SF = Salesforce("acme.my.salesforce.com")


def reply(content, status=200, **headers):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Response(status, Headers({"Content-Type": "application/json", **headers}), body)


def refusal(status, code, message="", fields=()):
    return reply([{"errorCode": code, "message": message, "fields": list(fields)}], status)


def converse(exchange, *answers, connector=SF):
    """Drive an exchange with these answers, as retries would; what it returned, and its requests."""
    requests = []
    waiting = list(answers)
    try:
        request = next(exchange)
        while True:
            requests.append(request)
            answer = waiting.pop(0)
            error_class = connector.classify(answer)
            if error_class is None:
                request = exchange.send(answer)
            else:
                request = exchange.throw(RequestRefused(error_class, answer))
    except StopIteration as done:
        assert not waiting, "an answer nobody asked for"
        return done.value, requests


def described(**fields):
    """A describe answer; each field's attributes override plain ones."""
    plain = {"type": "string", "createable": True, "updateable": True, "nillable": True}
    return {"name": "Contact", "label": "Contact", "fields": [{"name": n, **plain, **a} for n, a in fields.items()]}


def schema(**fields):
    return object_schema(described(**fields), datetime_resolution=1_000_000)


CONTACT = schema(
    Id={"type": "id"},
    Ext__c={"externalId": True, "unique": True, "length": 20},
    Loose__c={"externalId": True},
    LastName={"nillable": False},
    Score__c={"type": "double", "precision": 5, "scale": 2},
    Count__c={"type": "int", "digits": 8},
    Bands__c={"type": "multipicklist", "picklistValues": [{"value": "a", "active": True}]},
    At__c={"type": "datetime"},
    AccountId={"type": "reference", "referenceTo": ["Account"], "relationshipName": "Account"},
    WhoId={"type": "reference", "referenceTo": ["Contact", "Lead"], "relationshipName": "Who"},
    Site__c={"type": "reference", "referenceTo": ["Site__c"], "relationshipName": "Site__r"},
)


def batch(operation, *rows, key=(), ids=None, keys=None, schema=CONTACT):
    ids = ids or [None] * len(rows)
    keys = keys or [tuple(row.get(name) for name in key) for row in rows]
    changes = tuple(Change(n, row, keys[n], ids[n]) for n, row in enumerate(rows))
    return Batch("Contact", operation, changes, key, schema)


def sent(request):
    return json.loads(request.body, parse_float=Decimal)


# --- writing ---------------------------------------------------------------------------------------------


def test_it_has_every_power_but_bulk():
    for power in (Describes, Reads, ReadsByKey, ReadsById):
        assert isinstance(SF, power)
    assert not isinstance(SF, BulkWrites)


def test_an_insert_is_one_collections_post():
    outcomes, [request] = converse(
        SF.write(batch(Operation.INSERT, {"LastName": "Ada"}, {"LastName": "Bob"})),
        reply([{"id": ID, "success": True, "errors": []}, {"id": ID2, "success": True, "errors": []}]),
    )

    assert (request.method, request.url) == ("POST", f"{DATA}/composite/sobjects")
    assert not request.idempotent
    assert request.headers["content-type"] == "application/json"
    assert sent(request) == {
        "allOrNone": False,
        "records": [
            {"attributes": {"type": "Contact"}, "LastName": "Ada"},
            {"attributes": {"type": "Contact"}, "LastName": "Bob"},
        ],
    }
    assert [(o.ref, o.status, o.id) for o in outcomes] == [(0, Status.CREATED, ID), (1, Status.CREATED, ID2)]


def test_an_insert_carries_its_key_or_nobody_would_find_it_again():
    """Without it, a look after a lost answer finds nothing, and the record is made twice."""
    request = next(SF.write(batch(Operation.INSERT, {"LastName": "Ada"}, key=("Ext__c",), keys=[("C-1",)])))
    [record] = sent(request)["records"]
    assert (record["Ext__c"], record["LastName"]) == ("C-1", "Ada")


def test_an_update_carries_the_id_and_only_the_fields_to_write():
    """SF-4: what was read back is not written back."""
    outcomes, [request] = converse(
        SF.write(batch(Operation.UPDATE, {"Score__c": Decimal("0.83"), "Id": "ignored"}, ids=[ID])),
        reply([{"id": ID, "success": True, "errors": []}]),
    )

    assert (request.method, request.url, request.idempotent) == ("PATCH", f"{DATA}/composite/sobjects", True)
    assert sent(request)["records"] == [{"attributes": {"type": "Contact"}, "id": ID, "Score__c": Decimal("0.83")}]
    assert outcomes[0].status is Status.UPDATED


def test_an_upsert_names_the_key_field_in_the_url_and_in_each_row():
    outcomes, [request] = converse(
        SF.write(batch(Operation.UPSERT, {"LastName": "A"}, {"LastName": "B"}, key=("Ext__c",), keys=[("1",), ("2",)])),
        reply(
            [
                {"id": ID, "success": True, "errors": [], "created": True},
                {"id": ID2, "success": True, "errors": [], "created": False},
            ]
        ),
    )

    assert (request.method, request.url) == ("PATCH", f"{DATA}/composite/sobjects/Contact/Ext__c")
    assert [record["Ext__c"] for record in sent(request)["records"]] == ["1", "2"]
    assert [outcome.status for outcome in outcomes] == [Status.CREATED, Status.UPDATED]
    assert [outcome.key for outcome in outcomes] == [("1",), ("2",)]


def test_an_upsert_that_does_not_say_created_or_not_is_upserted():
    [outcome], _ = converse(
        SF.write(batch(Operation.UPSERT, {"Ext__c": "1"}, key=("Ext__c",))), reply([{"id": ID, "success": True}])
    )
    assert outcome.status is Status.UPSERTED


def test_a_delete_names_its_ids():
    outcomes, [request] = converse(
        SF.write(batch(Operation.DELETE, {}, {}, ids=[ID, ID2])),
        reply([{"id": ID, "success": True, "errors": []}, {"id": ID2, "success": True, "errors": []}]),
    )

    assert request.url == f"{DATA}/composite/sobjects?ids={ID},{ID2}&allOrNone=false"
    assert (request.method, request.body) == ("DELETE", b"")
    assert [outcome.status for outcome in outcomes] == [Status.DELETED, Status.DELETED]


def test_http_200_is_not_success():
    """SF-1: each row's own word counts."""
    outcomes, _ = converse(
        SF.write(batch(Operation.UPDATE, {"Score__c": 1}, {"Score__c": 2}, {"Score__c": 3}, ids=[ID, ID2, ID])),
        reply(
            [
                {"id": ID, "success": True, "errors": []},
                {
                    "success": False,
                    "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain", "fields": []}],
                },
                {
                    "success": False,
                    "errors": [
                        {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no", "fields": ["Score__c"]}
                    ],
                },
            ]
        ),
    )

    assert [outcome.status for outcome in outcomes] == [Status.UPDATED, Status.FAILED, Status.REJECTED]
    assert outcomes[1].error_class is ErrorClass.LOCKED
    assert outcomes[2].problems[0].field == "Score__c"
    assert outcomes[2].problems[0].message == "no"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("UNABLE_TO_LOCK_ROW", "", ErrorClass.LOCKED),
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "T: execution of AfterUpdate ... UNABLE_TO_LOCK_ROW",
            ErrorClass.LOCKED,
        ),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", "This error occurred: UNABLE_TO_LOCK_ROW", ErrorClass.LOCKED),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: Attempt to de-reference a null", ErrorClass.VALIDATION),
        ("ALL_OR_NONE_OPERATION_ROLLED_BACK", "", ErrorClass.TRANSIENT),
        ("SERVER_UNAVAILABLE", "", ErrorClass.TRANSIENT),
        ("REQUEST_LIMIT_EXCEEDED", "", ErrorClass.THROTTLED),
        ("DUPLICATE_VALUE", "", ErrorClass.DUPLICATE),
        ("DUPLICATES_DETECTED", "", ErrorClass.DUPLICATE),
        ("ENTITY_IS_DELETED", "", ErrorClass.NOT_FOUND),
        ("ENTITY_IS_LOCKED", "", ErrorClass.VALIDATION),  # an approval: a person must act
        ("INSUFFICIENT_ACCESS_OR_READONLY", "", ErrorClass.PERMISSION),
        ("ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "", ErrorClass.CONFLICT),
        ("NUMBER_OUTSIDE_VALID_RANGE", "", ErrorClass.VALIDATION),
        ("A_CODE_OF_NEXT_YEAR", "", ErrorClass.VALIDATION),
    ],
)
def test_row_codes_have_classes(code, message, expected):
    error = {"statusCode": code, "message": message, "fields": []}
    [outcome], _ = converse(
        SF.write(batch(Operation.UPDATE, {"Score__c": 1}, ids=[ID])), reply([{"success": False, "errors": [error]}])
    )
    assert outcome.error_class is expected
    assert outcome.id == ID


def test_of_several_errors_the_one_that_forbids_another_try_decides():
    errors = [{"statusCode": "UNABLE_TO_LOCK_ROW"}, {"statusCode": "REQUIRED_FIELD_MISSING", "fields": ["LastName"]}]
    [outcome], _ = converse(
        SF.write(batch(Operation.UPDATE, {"Score__c": 1}, ids=[ID])), reply([{"success": False, "errors": errors}])
    )
    assert outcome.status is Status.REJECTED
    assert [problem.code for problem in outcome.problems] == ["REQUIRED_FIELD_MISSING", "UNABLE_TO_LOCK_ROW"]


def test_an_ambiguous_upsert_is_a_rejection_that_names_the_twins():
    message = f"Loose__c: more than one record found for external id field: [{ID}, {ID2}]"
    [outcome], _ = converse(
        SF.write(batch(Operation.UPSERT, {"Loose__c": "x"}, key=("Loose__c",))),
        reply([{"success": False, "errors": [{"statusCode": "DUPLICATE_EXTERNAL_ID", "message": message}]}]),
    )
    assert (outcome.status, outcome.error_class) == (Status.REJECTED, ErrorClass.AMBIGUOUS_KEY)
    assert outcome.twins == (ID, ID2)


@pytest.mark.parametrize("answer", [[], [{"success": True}] * 3, {"success": True}, "ok"])
def test_an_answer_without_one_result_a_row_is_a_breach(answer):
    with pytest.raises(ProtocolError):
        converse(SF.write(batch(Operation.UPDATE, {"a": 1}, {"a": 2}, ids=[ID, ID2])), reply(answer))


@pytest.mark.parametrize("result", [None, {}, {"success": "true"}, [True]])
def test_a_result_that_says_nothing_leaves_its_row_unknown(result):
    outcomes, _ = converse(
        SF.write(batch(Operation.UPDATE, {"a": 1}, {"a": 2}, ids=[ID, ID2])),
        reply([result, {"success": True, "id": ID2}]),
    )
    assert [outcome.status for outcome in outcomes] == [Status.UNKNOWN, Status.UPDATED]


def test_a_field_the_user_may_not_see_is_refused_in_the_systems_words():
    """SF-8: field-level security looks like an unknown field; the reason reaches every row, without bisecting."""
    words = "No such column 'Score__c' on sobject of type Contact"
    outcomes, _ = converse(
        SF.write(batch(Operation.UPDATE, {"Score__c": 1}, {"Score__c": 2}, ids=[ID, ID2])),
        refusal(400, "INVALID_FIELD", words),
    )
    assert [outcome.status for outcome in outcomes] == [Status.REJECTED] * 2
    assert {outcome.problems[0].message for outcome in outcomes} == {words}


@pytest.mark.parametrize(
    ("rows", "code"), [(({"a": "x"}, {"b": "y"}), "INVALID_FIELD"), (({"a": "x"}, {"a": "y"}), "JSON_PARSER_ERROR")]
)
def test_a_refusal_that_one_row_may_have_caused_is_left_to_bisection(rows, code):
    with pytest.raises(RequestRefused):
        converse(SF.write(batch(Operation.UPDATE, *rows, ids=[ID, ID2])), refusal(400, code))

    [outcome], _ = converse(SF.write(batch(Operation.UPDATE, rows[0], ids=[ID])), refusal(400, code, "says why"))
    assert outcome.problems[0].message == "says why"


@pytest.mark.parametrize(
    "answer", [refusal(403, "REQUEST_LIMIT_EXCEEDED"), Response(502), Response(200, body=b"<html>")]
)
def test_refusals_that_are_not_about_content_pass_through(answer):
    with pytest.raises(RequestRefused):
        converse(SF.write(batch(Operation.UPDATE, {"a": 1}, ids=[ID])), answer)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), Decimal("NaN"), {"a;b"}, object(), "\ud800"])
def test_a_value_that_cannot_be_sent_costs_its_own_row_only(bad):
    outcomes, [request] = converse(
        SF.write(batch(Operation.UPDATE, {"x": 1}, {"x": bad}, {"x": 3}, ids=[ID, ID2, ID])),
        reply([{"id": ID, "success": True}, {"id": ID, "success": True}]),
    )
    assert [record["x"] for record in sent(request)["records"]] == [1, 3]
    assert [(outcome.ref, outcome.status) for outcome in outcomes] == [
        (0, Status.UPDATED),
        (1, Status.REJECTED),
        (2, Status.UPDATED),
    ]
    assert outcomes[1].problems[0].field == "x"


@pytest.mark.parametrize(
    "rows",
    [
        batch(Operation.UPDATE, {"a": 1}),
        batch(Operation.DELETE, {}),
        batch(Operation.UPSERT, {"Ext__c": None}, key=("Ext__c",)),
        batch(Operation.UPSERT, {"Ext__c": ""}, key=("Ext__c",)),
        batch(Operation.UPSERT, {"Ext__c": CLEAR}, key=("Ext__c",)),
    ],
)
def test_a_chunk_of_rows_without_a_target_sends_nothing(rows):
    [outcome], requests = converse(SF.write(rows))
    assert (outcome.status, requests) == (Status.REJECTED, [])


@pytest.mark.parametrize("key", [("Ext__c", "Loose__c"), ("Id",), (), ("Ext__c/../../User",)])
def test_an_upsert_needs_exactly_one_external_id_field(key):
    with pytest.raises(ConfigurationError):
        converse(SF.write(batch(Operation.UPSERT, {"a": 1}, key=key, keys=[("x",) * len(key)])))


def test_side_effect_headers_are_sent_where_configured_and_only_there():
    sf = Salesforce(
        "acme",
        auto_assign=False,
        duplicate_rule="allowSave=true",
        update_mru=True,
        call_options="client=aum",
    )
    _, [request] = converse(
        sf.write(batch(Operation.UPDATE, {"a": 1}, ids=[ID])), reply([{"id": ID, "success": True}]), connector=sf
    )

    assert {name: request.headers[name] for name in request.headers if name.startswith("sforce")} == {
        "sforce-auto-assign": "FALSE",
        "sforce-duplicate-rule-header": "allowSave=true",
        "sforce-mru": "updateMru=true",
        "sforce-call-options": "client=aum",
    }
    assert sf.side_effects["Sforce-Auto-Assign"] == "FALSE"
    assert SF.side_effects == {}


# --- values ----------------------------------------------------------------------------------------------


def written(values, schema=CONTACT):
    record = json.loads(RowWriter("Contact", schema).row(values), parse_float=Decimal)
    del record["attributes"]
    return record


def test_values_have_their_documented_forms():
    assert written(
        {
            "Text": 'é "quoted" \n 😀',
            "Yes": True,
            "Whole": 7,
            "Day": date(2026, 11, 22),
            "At": datetime(2026, 11, 22, 11, 0, 0, 123_999, timezone(timedelta(hours=1))),
            "Naive": datetime(2026, 11, 22, 10, 0),  # noqa: DTZ001
            "Clock": time(9, 30, 1, 5000),
            "Bytes": b"\x00\xff",
            "Gone": CLEAR,
        }
    ) == {
        "Text": 'é "quoted" \n 😀',
        "Yes": True,
        "Whole": 7,
        "Day": "2026-11-22",
        "At": "2026-11-22T10:00:00.123Z",
        "Naive": "2026-11-22T10:00:00.000Z",
        "Clock": "09:30:01.005Z",
        "Bytes": "AP8=",
        "Gone": None,
    }


def test_clearing_is_null_and_leaving_alone_is_absence():
    """SF-2: in JSON null clears; what is absent stays."""
    assert written({"Score__c": CLEAR}) == {"Score__c": None}
    assert written({}) == {}


@pytest.mark.parametrize("value", [["b", "a"], ("b", "a")])
def test_a_multi_select_is_one_text_with_semicolons(value):
    """SF-3."""
    assert written({"Bands__c": value}) == {"Bands__c": "b;a"}
    assert written({"Bands__c": {"b", "a"}}) == {"Bands__c": "a;b"}
    assert CONTACT["Bands__c"].canonical("b;a") == CONTACT["Bands__c"].canonical({"a", "b"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.125"), "0.12"),
        (Decimal("0.135"), "0.14"),
        (0.125, "0.12"),
        (1e-7, "0.00"),
        (0.1 + 0.2, "0.30"),
        (Decimal("12345678901234567890.129"), "12345678901234567890.13"),
        (Decimal("1E+3"), "1000.00"),
        (5, "5"),
        (True, "true"),
    ],
)
def test_numbers_are_rounded_once_to_the_fields_scale(value, expected):
    """SF-10: the system would round extra digits without a word, and not as we do."""
    assert RowWriter("Contact", CONTACT).row({"Score__c": value}).endswith(f'"Score__c":{expected}}}')


numbers = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12),
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12),
    st.integers(-(10**12), 10**12),
)


@given(number=numbers)
def test_a_number_arrives_canonically_equal(number):
    """Write, read: the same by the schema's own rule, and exact where there is no scale."""
    for name in ("Score__c", "Count__c"):
        field = CONTACT[name]
        assert field.canonical(written({name: number})[name]) == field.canonical(number)
    assert Decimal(str(written({"Free": number})["Free"])) == Decimal(str(number))


@given(text=st.text())
def test_any_text_arrives_as_it_is_or_is_refused(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(ValueError, match="surrogate"):
            written({"Text": text})
    else:
        assert (
            written({"Text": text, text: 1} if text not in ("Id", "id", "attributes") else {"Text": text})["Text"]
            == text
        )


@given(moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_a_time_arrives_canonically_equal(moment):
    field = CONTACT["At__c"]
    assert field.canonical(written({"At__c": moment})["At__c"]) == field.canonical(moment)


@pytest.mark.parametrize(
    ("field", "reference", "expected"),
    [
        ("AccountId", Reference("Account", "Ext__c", "A-7"), {"Account": {"Ext__c": "A-7"}}),
        ("Site__c", Reference("Site__c", "Code__c", 7), {"Site__r": {"Code__c": 7}}),
        ("WhoId", Reference("Lead", "Ext__c", "L"), {"Who": {"attributes": {"type": "Lead"}, "Ext__c": "L"}}),
        ("AccountId", Reference("Account", "Id", "001"), {"AccountId": "001"}),
        ("AccountId", Reference("Account", "Ext__c", None), {"AccountId": None}),
        ("ReportsToId", Reference("Contact", "Ext__c", "C"), {"ReportsTo": {"Ext__c": "C"}}),
        ("Boss__c", Reference("Contact", "Ext__c", "C"), {"Boss__r": {"Ext__c": "C"}}),
    ],
)
def test_a_reference_is_the_parent_by_its_external_id(field, reference, expected):
    assert written({field: reference}) == expected


# --- classify --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (reply([]), None),
        (Response(204), None),
        (Response(200, body=b"  <!DOCTYPE html><html>maintenance"), ErrorClass.UNKNOWN),
        (Response(200, body=b"<html>"), ErrorClass.UNKNOWN),
        (reply(["/services/data/v62.0/sobjects/Contact/003"], 300), ErrorClass.AMBIGUOUS_KEY),
        (refusal(400, "JSON_PARSER_ERROR"), ErrorClass.VALIDATION),
        (refusal(400, "UNABLE_TO_LOCK_ROW"), ErrorClass.LOCKED),
        (refusal(400, "DUPLICATE_VALUE"), ErrorClass.DUPLICATE),
        (refusal(400, "QUERY_TIMEOUT"), ErrorClass.TRANSIENT),
        (reply({"errorCode": "QUERY_TIMEOUT", "message": "a bare object"}, 400), ErrorClass.TRANSIENT),
        (Response(400, body=b"not json"), ErrorClass.VALIDATION),
        (refusal(401, "INVALID_SESSION_ID", "Session expired or invalid"), ErrorClass.AUTH_REFRESH),
        (Response(401), ErrorClass.AUTH_REFRESH),
        (refusal(403, "INSUFFICIENT_ACCESS"), ErrorClass.PERMISSION),
        (refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), ErrorClass.QUOTA),
        (refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."), ErrorClass.THROTTLED),
        (refusal(403, "REQUEST_LIMIT_EXCEEDED", "some other text"), ErrorClass.THROTTLED),
        (refusal(404, "NOT_FOUND"), ErrorClass.NOT_FOUND),
        (refusal(404, "ENTITY_IS_DELETED"), ErrorClass.NOT_FOUND),
        (refusal(410, "UNSUPPORTED_API_VERSION"), ErrorClass.VALIDATION),
        (Response(412), ErrorClass.CONFLICT),
        (Response(429), ErrorClass.THROTTLED),
        (Response(500), ErrorClass.UNKNOWN),
        (Response(502), ErrorClass.UNKNOWN),
        (Response(503, body=b"<html>"), ErrorClass.UNKNOWN),
        (refusal(503, "SERVER_UNAVAILABLE"), ErrorClass.TRANSIENT),
        (Response(504), ErrorClass.UNKNOWN),
        (Response(302), ErrorClass.UNKNOWN),
        (Response(307, Headers({"Location": "https://elsewhere.example"})), ErrorClass.UNKNOWN),
        (Response(403, body=b"<html>a proxy's page</html>"), ErrorClass.UNKNOWN),
        (Response(404, body=b"<!DOCTYPE html>"), ErrorClass.UNKNOWN),
        (Response(400), ErrorClass.VALIDATION),
    ],
)
def test_an_answer_as_a_whole_has_a_class(response, expected):
    assert SF.classify(response) is expected


@pytest.mark.parametrize(
    "text", ["Connected app is not attached to Agent", "This session is not valid for use with the REST API"]
)
def test_a_401_that_no_login_cures_is_not_refreshed(text):
    """SF-7: refreshing on these loops for ever."""
    assert SF.classify(refusal(401, "INVALID_SESSION_ID", text)) is ErrorClass.AUTH_REVOKED


def test_the_usage_header_decides_between_a_full_day_and_too_many_at_once():
    full = refusal(403, "REQUEST_LIMIT_EXCEEDED", "limit")
    full = Response(403, Headers({"Sforce-Limit-Info": "api-usage=15000/15000"}), full.body)
    assert SF.classify(full) is ErrorClass.QUOTA


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("api-usage=10018/100000", (10018, 100000)),
        ("api-usage=25/5000; per-app-api-usage=17/250(appName=x)", (25, 5000)),
        ("per-app-api-usage=17/250(appName=x)", (17, 250)),
        ("nonsense", None),
    ],
)
def test_the_limit_header_is_the_quota(header, expected):
    assert SF.quota(Response(200, Headers({"Sforce-Limit-Info": header}))) == expected
    assert SF.quota(Response(200)) is None


# --- describe --------------------------------------------------------------------------------------------


def test_describe_becomes_a_schema():
    answer = described(
        Id={"type": "id", "idLookup": True, "createable": False, "updateable": False, "nillable": False},
        LastName={"length": 80, "nillable": False, "label": "Last Name"},
        Ext__c={"externalId": True, "unique": True, "caseSensitive": True, "length": 20},
        Email={"type": "email", "idLookup": True},
        Score__c={"type": "percent", "precision": 5, "scale": 2},
        Count__c={"type": "int", "digits": 8},
        Opt__c={"type": "boolean", "nillable": False, "defaultedOnCreate": True},
        Band__c={
            "type": "picklist",
            "restrictedPicklist": True,
            "picklistValues": [{"value": "low", "active": True}, {"value": "old", "active": False}],
        },
        Total__c={"type": "currency", "updateable": False, "createable": False, "calculated": True},
        MailingAddress={"type": "address"},
        AccountId={"type": "reference", "referenceTo": ["Account"], "relationshipName": "Account"},
        Odd={"type": "anyType"},
    )
    found, [request] = converse(SF.describe("Contact"), reply(answer))

    assert request.url == f"{DATA}/sobjects/Contact/describe/"
    fields = found.fields
    assert found.name == "Contact"
    assert {name: field.type for name, field in fields.items()} == {
        "Id": FieldType.ID,
        "LastName": FieldType.TEXT,
        "Ext__c": FieldType.TEXT,
        "Email": FieldType.TEXT,
        "Score__c": FieldType.DECIMAL,
        "Count__c": FieldType.INTEGER,
        "Opt__c": FieldType.BOOLEAN,
        "Band__c": FieldType.CHOICE,
        "Total__c": FieldType.DECIMAL,
        "MailingAddress": FieldType.COMPOUND,
        "AccountId": FieldType.REFERENCE,
        "Odd": FieldType.OTHER,
    }
    assert [name for name, field in fields.items() if field.required_on_create] == ["LastName"]
    assert [name for name, field in fields.items() if field.unique] == ["Id", "Ext__c"]
    assert [name for name, field in fields.items() if field.matchable] == ["Ext__c", "Email"]
    assert [name for name, field in fields.items() if not field.updateable] == ["Id", "Total__c", "MailingAddress"]
    assert (fields["Score__c"].precision, fields["Score__c"].scale) == (5, 2)
    assert (fields["Count__c"].precision, fields["Count__c"].scale) == (8, 0)
    assert (fields["Band__c"].choices, fields["Band__c"].restricted) == (("low",), True)
    assert fields["Ext__c"].case_sensitive
    assert not fields["Opt__c"].nillable
    assert (fields["AccountId"].references, fields["AccountId"].relationship) == (("Account",), "Account")


def test_ids_of_15_and_18_characters_are_the_same_and_their_case_counts():
    """SF-5."""
    for name in ("Id", "AccountId"):
        field = CONTACT[name]
        assert field.canonical_key("003000000000001") == field.canonical_key("003000000000001AAA")
        assert field.canonical_key("003000000000abc") != field.canonical_key("003000000000ABC")


def test_an_unknown_object_is_named_with_its_neighbours():
    with pytest.raises(ConfigurationError, match="no object 'Contcat'") as caught:
        converse(
            SF.describe("Contcat"),
            refusal(404, "NOT_FOUND"),
            reply({"sobjects": [{"name": "Contact"}, {"name": "Account"}]}),
        )
    assert "'Contact'" in caught.value.hint


@pytest.mark.parametrize("name", ["../User", "Contact/x", "Con tact", "", "Contact?x=1", "Cöntact"])
def test_an_object_name_cannot_be_a_path(name):
    with pytest.raises(ConfigurationError):
        converse(SF.describe(name))


@pytest.mark.parametrize(
    "answer", [[], {"name": "Contact"}, {"name": "Contact", "fields": [{}]}, {"fields": None, "name": 1}]
)
def test_a_description_that_cannot_be_read_is_a_breach(answer):
    with pytest.raises(ProtocolError):
        converse(SF.describe("Contact"), reply(answer))


def test_the_guarantee_follows_the_description_of_the_key():
    assert SF.guarantee(Operation.UPSERT, ("Ext__c",), CONTACT) is Guarantee.IDEMPOTENT
    assert SF.guarantee(Operation.UPSERT, ("Loose__c",), CONTACT) is Guarantee.VERIFIED
    assert SF.guarantee(Operation.UPDATE, (), CONTACT) is Guarantee.IDEMPOTENT
    assert SF.guarantee(Operation.INSERT, ("Ext__c",), CONTACT) is Guarantee.VERIFIED
    assert SF.guarantee(Operation.INSERT, (), CONTACT) is Guarantee.AT_LEAST_ONCE
    for key, idempotent in (("Ext__c", True), ("Loose__c", False)):
        request = next(SF.write(batch(Operation.UPSERT, {key: "x"}, key=(key,))))
        assert request.idempotent is idempotent


# --- reading ---------------------------------------------------------------------------------------------


def soql_of(request):
    return parse_qs(urlsplit(request.url).query)["q"][0]


def records(*values, done=True, next_path=None):
    found = [{"attributes": {"type": "Contact", "url": "x"}, **value} for value in values]
    answer = {"totalSize": len(found), "done": done, "records": found}
    return reply(answer | ({"nextRecordsUrl": next_path} if next_path else {}))


NEXT = f"{DATA}/query/01g000000000001-2000"


def test_a_read_goes_page_by_page():
    query = Query("Contact", ("LastName", "Account.Name"), where={"Band__c": "it's"}, limit=3)
    first, [request] = converse(
        SF.read(query),
        records(
            {"Id": ID, "LastName": "A", "Account": {"attributes": {}, "Name": "X"}},
            {"Id": ID2, "LastName": None, "Account": None},
            done=False,
            next_path=NEXT,
        ),
    )
    assert soql_of(request) == (
        "SELECT Id, LastName, Account.Name FROM Contact WHERE Band__c = 'it\\'s' ORDER BY Id LIMIT 3"
    )
    assert request.headers["Sforce-Query-Options"] == "batchSize=2000"
    assert first.records == [
        RemoteRecord(ID, {"LastName": "A", "Account.Name": "X"}),
        RemoteRecord(ID2, {"LastName": None, "Account.Name": None}),
    ]

    second, [request] = converse(SF.read(query, first.cursor), records({"Id": ID}))
    assert request.url == NEXT
    assert second.cursor is None


@pytest.mark.parametrize("lost", [refusal(400, "INVALID_QUERY_LOCATOR"), refusal(404, "NOT_FOUND")])
def test_a_lost_cursor_starts_again_behind_the_last_record(lost):
    query = Query("Contact", ("LastName",), since=datetime(2026, 11, 22, tzinfo=UTC), limit=10)
    first, _ = converse(SF.read(query), records({"Id": ID}, {"Id": ID2}, done=False, next_path=NEXT))
    second, requests = converse(SF.read(query, first.cursor), lost, records({"Id": "003000000000003AAA"}))

    assert soql_of(requests[1]) == (
        "SELECT Id, LastName FROM Contact WHERE SystemModstamp >= 2026-11-22T00:00:00.000Z "
        f"AND Id > '{ID2}' ORDER BY Id LIMIT 8"
    )
    assert [record.id for record in second.records] == ["003000000000003AAA"]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/services/data/v62.0/query/x",
        "@evil.example/x",
        ".evil.example/x",
        "//evil.example/services/data/v62.0/query/x",
        f"{DATA}/query/../sobjects/User/005",
        f"{DATA}/sobjects/User",
        f"{DATA}/query/x?y",
        7,
    ],
)
def test_a_link_to_anywhere_else_is_refused(link):
    with pytest.raises(ProtocolError):
        converse(SF.read(Query("Contact", ("LastName",))), records({"Id": ID}, done=False, next_path=link))


def test_a_link_to_the_same_page_is_not_followed_for_ever():
    query = Query("Contact", ("LastName",))
    first, _ = converse(SF.read(query), records({"Id": ID}, done=False, next_path=NEXT))
    with pytest.raises(ProtocolError, match="read already"):
        converse(SF.read(query, first.cursor), records({"Id": ID}, done=False, next_path=NEXT))
    with pytest.raises(ProtocolError, match="read already"):
        converse(SF.find("Contact", ("Ext__c",), [("a",)], []), *[records(done=False, next_path=NEXT)] * 2)


@pytest.mark.parametrize("cursor", ["", "x", "[1]", '["https://evil/",null,null]'])
def test_a_foreign_cursor_is_refused(cursor):
    with pytest.raises((ConfigurationError, ProtocolError)):
        converse(SF.read(Query("Contact", ("LastName",)), cursor))


def test_find_gives_every_match_of_every_key_in_order():
    found, [request] = converse(
        SF.find("Contact", ("Ext__c",), [("a",), ("b",), ("C",), (None,)], ["LastName"], CONTACT),
        records(
            {"Id": "1", "Ext__c": "c", "LastName": "x"},
            {"Id": "2", "Ext__c": "a", "LastName": "y"},
            {"Id": "3", "Ext__c": "A", "LastName": "z"},
        ),
    )
    assert soql_of(request) == "SELECT Id, Ext__c, LastName FROM Contact WHERE Ext__c IN ('a','b','C')"
    assert [[record.id for record in records] for records in found] == [["2", "3"], [], ["1"], []]


def test_find_by_several_fields():
    found, [request] = converse(
        SF.find("Contact", ("LastName", "Count__c"), [("O'Hara", 7), ("B", 8)], []),
        records({"Id": "1", "LastName": "o'hara", "Count__c": 7}),
    )
    assert soql_of(request) == (
        "SELECT Id, LastName, Count__c FROM Contact WHERE "
        "((LastName = 'O\\'Hara' AND Count__c = 7) OR (LastName = 'B' AND Count__c = 8))"
    )
    assert [len(matches) for matches in found] == [1, 0]


def test_a_number_as_the_key_of_a_text_field_is_asked_for_as_text():
    found, [request] = converse(
        SF.find("Contact", ("Ext__c",), [(17,)], [], CONTACT), records({"Id": "1", "Ext__c": "17"})
    )
    assert "IN ('17')" in soql_of(request)
    assert [record.id for record in found[0]] == ["1"]


def test_find_by_id_accepts_both_lengths():
    found, _ = converse(SF.find("Contact", ("Id",), [("003000000000001",)], []), records({"Id": ID}))
    assert [record.id for record in found[0]] == [ID]


keys_of_any_text = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip),
    min_size=1,
    max_size=400,
)


@settings(deadline=None)
@given(keys=keys_of_any_text)
def test_no_query_is_longer_than_a_url_may_be_and_every_key_is_asked_for(keys):
    """Values are quoted as simple-salesforce quotes them."""
    requests = []
    found = drain(SF.find("Contact", ("Ext__c",), [(key,) for key in keys], ["LastName"]), requests)
    text = " ".join(soql_of(request) for request in requests)

    assert len(found) == len(keys)
    assert max(len(request.url) for request in requests) < 12_500
    assert all(quote_soql_value(key) in text for key in {key.strip().casefold(): key for key in keys}.values())


def drain(exchange, requests):
    answer = None
    while True:
        try:
            requests.append(exchange.send(answer))
        except StopIteration as done:
            return done.value
        answer = records()


@settings(deadline=None)
@given(value=st.one_of(st.text(), st.booleans(), st.none(), st.integers(-(10**15), 10**15), st.dates()))
def test_literals_are_those_of_simple_salesforce(value):
    assert literal(value) == format_soql("{}", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2026, 11, 22, 11, 0, 0, 999_999, timezone(timedelta(hours=1))), "2026-11-22T10:00:00.999Z"),
        (time(9, 30), "09:30:00.000Z"),
        (Decimal("1E+3"), "1000"),
        (1e-7, "0.0000001"),
    ],
)
def test_literals_it_cannot_write_or_writes_wrongly(value, expected):
    """Its own: a '+' in times, an exponent in floats, no Decimal."""
    assert literal(value) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), b"x", ["a"], object()])
def test_what_has_no_literal_is_refused(value):
    with pytest.raises(ConfigurationError):
        literal(value)


@pytest.mark.parametrize("name", ["Name FROM User", "a,b", "Id)", "1a", "", "a.b.c.d.e.f.g.h", "a--b", "a' OR ''='"])
def test_a_field_name_cannot_be_soql(name):
    with pytest.raises(ConfigurationError):
        converse(SF.read(Query("Contact", (name,))))
    with pytest.raises(ConfigurationError):
        converse(SF.find("Contact", (name,), [("x",)], []))
    with pytest.raises(ConfigurationError):
        converse(SF.fetch("Contact", [ID], [name]))


def test_fetch_matches_by_id_not_by_place():
    found, [request] = converse(
        SF.fetch("Contact", [ID, ID2, "003000000000003AAA", "not an id"], ["LastName"]),
        reply([None, {"Id": ID2, "LastName": "b"}, {"Id": ID, "LastName": "a"}]),
    )
    assert (request.method, request.url, request.safe) == ("POST", f"{DATA}/composite/sobjects/Contact", True)
    assert sent(request) == {"ids": [ID, ID2, "003000000000003AAA"], "fields": ["Id", "LastName"]}
    assert [record and record.values["LastName"] for record in found] == ["a", "b", None, None]


@pytest.mark.parametrize("id", ["nonsense", "", "003000000000001AAB", "003XX000004TMm2IAG"])
def test_what_cannot_be_an_id_is_not_asked_for(id):
    """One wrong id would refuse the request for all; a spreadsheet that changed the case shows in the last three."""
    assert converse(SF.fetch("Contact", [id], ["LastName"])) == ([None], [])
    assert converse(SF.find("Contact", ("Id",), [(id,)], [])) == ([[]], [])


def test_the_last_three_characters_protect_the_case():
    assert is_id("003XX000004TmM2IAK") == (suffix("003XX000004TmM2") == "IAK")
    assert is_id("003000000000001" + suffix("003000000000001"))
    assert suffix("ABCDEabcde01234") == "5AA"


# --- check, limits, settings -----------------------------------------------------------------------------


def test_check_says_which_organisation_this_is():
    account, [request] = converse(SF.check(), records({"Id": "00D000000000001EAA", "Name": "Acme", "IsSandbox": True}))
    assert account == Account("salesforce:00D000000000001", name="Acme", sandbox=True)
    assert "Organization" in unquote(request.url)


def test_check_asks_elsewhere_when_the_user_may_not_read_organization():
    account, requests = converse(
        SF.check(),
        refusal(400, "INVALID_TYPE", "sObject type 'Organization' is not supported"),
        reply({"organization_id": "00D000000000001EAA", "preferred_username": "me@acme", "user_id": "005"}),
    )
    assert account == Account("salesforce:00D000000000001", user="me@acme")
    assert requests[1].url == "/services/oauth2/userinfo"


@pytest.mark.parametrize("answer", [refusal(410, "UNSUPPORTED_API_VERSION"), refusal(404, "NOT_FOUND")])
def test_a_retired_api_version_names_those_there_are(answer):
    with pytest.raises(ConfigurationError, match=r"no API version 62\.0") as caught:
        converse(SF.check(), answer, reply([{"version": "31.0"}, {"version": "67.0"}]))
    assert "between 31.0 and 67.0" in caught.value.hint


def test_a_404_that_is_not_about_the_version_stays_what_it_is():
    with pytest.raises(RequestRefused):
        converse(SF.check(), refusal(404, "NOT_FOUND"), reply([{"version": "62.0"}]))


def test_a_query_too_long_for_a_url_says_what_to_do():
    with pytest.raises(ConfigurationError, match="too long for a URL"):
        converse(SF.read(Query("Contact", tuple(f"Field_With_A_Long_Name_{n}__c" for n in range(500)))))


def test_a_key_no_field_can_hold_is_not_asked_for():
    assert converse(SF.find("Contact", ("Ext__c",), [("x" * 20_000,)], [])) == ([[]], [])


def test_limits_are_used_and_allowed():
    found, _ = converse(SF.limits(), reply({"DailyApiRequests": {"Max": 15000, "Remaining": 14000}}))
    assert found == {"DailyApiRequests": (1000, 15000)}


def test_children_of_one_parent_conflict():
    """SF-6."""
    by_id = Change(0, {"AccountId": "001000000000001AAA"})
    again = Change(1, {"AccountId": "001000000000001"})
    assert SF.conflict_key("Contact", by_id) == SF.conflict_key("Contact", again)
    reference = Change(2, {"AccountId": Reference("Account", "Ext__c", "A")})
    assert SF.conflict_key("Contact", reference) == ("Account", "Ext__c", "A")
    assert SF.conflict_key("Contact", Change(3, {"AccountId": CLEAR})) is None
    assert SF.conflict_key("Thing__c", Change(4, {"Box__c": "a" * 15})) is None
    own = Salesforce("acme", parents={"Thing__c": "Box__c"})
    assert own.conflict_key("Thing__c", Change(4, {"Box__c": "a" * 15})) == "a" * 15


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("acme", "https://acme.my.salesforce.com"),
        ("acme.my", "https://acme.my.salesforce.com"),
        ("acme.my.salesforce.com", "https://acme.my.salesforce.com"),
        ("https://ACME.my.salesforce.com/", "https://acme.my.salesforce.com"),
        ("acme--dev.sandbox.my.salesforce.com", "https://acme--dev.sandbox.my.salesforce.com"),
        ("login", "https://login.salesforce.com"),
        ("test", "https://test.salesforce.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_organisation_can_be_named_in_many_ways(url, origin):
    assert Salesforce(url).base_url == origin


@pytest.mark.parametrize(
    "url", ["http://acme.my.salesforce.com", "https://acme/services/data", "ftp://acme", "https://a@b"]
)
def test_a_wrong_address_is_refused(url):
    with pytest.raises(ConfigurationError):
        Salesforce(url)


def test_plain_http_needs_to_be_asked_for():
    assert Salesforce("http://crm.internal", insecure=True).base_url == "http://crm.internal"


def test_a_login_may_announce_only_the_systems_own_hosts():
    import re

    pattern = SF.origins.announced
    for good in ("https://acme.my.salesforce.com", "https://na1.salesforce.com"):
        assert re.fullmatch(pattern, good)
    for bad in ("https://salesforce.com.evil.org", "http://acme.my.salesforce.com", "https://evilsalesforce.com"):
        assert not re.fullmatch(pattern, bad)
    assert Salesforce("http://127.0.0.1:1").origins.announced is None


def test_a_url_makes_a_connector():
    sf = Salesforce.from_url(
        "salesforce://acme.my.salesforce.com?api_version=66.0&auto_assign=false&parallel=3&settle_time=5.5"
    )
    assert sf == Salesforce(
        "https://acme.my.salesforce.com", api_version="66.0", auto_assign=False, parallel=3, settle_time=5.5
    )
    assert Salesforce.from_url("salesforce+http://127.0.0.1:8080").base_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("salesforce://acme?api_versoin=1", "unknown setting 'api_versoin'", "'api_version'"),
        ("salesforce://acme?parallel=many", "must be int", ""),
        ("salesforce://acme?insecure=perhaps", "must be bool", ""),
        ("salesforce://acme?parallel=1&parallel=2", "twice", ""),
        ("salesforce://user:pw@acme", "host and settings only", ""),
        ("salesforce://acme/path", "host and settings only", ""),
        ("salesforce://acme?parents=x", "unknown setting 'parents'", ""),
        ("salesforce://acme?api_version=v62", "not a version like", ""),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url, message, hint):
    with pytest.raises(ConfigurationError) as caught:
        Salesforce.from_url(url)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "settings",
    [
        {"duplicate_rule": "allowSave"},
        {"auto_assign": "x\r\nX-Evil: 1"},
        {"call_options": "é"},
        {"page_rows": 100},
        {"duplicate_rule": "allowSave=true\r\n"},
    ],
)
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(ConfigurationError):
        Salesforce("acme", **settings)


# --- the contract ------------------------------------------------------------------------------------------


class TestSalesforce(ConnectorContract):
    """Also where an unknown column sinks its whole request, which the vendor's pages leave open."""

    object, key, clearable = "Contact", "Customer_Id__c", "Title"

    @pytest.fixture(params=[False, True], ids=["column spares", "column sinks"])
    def fake(self, request):
        fake = FakeSalesforce()
        fake.column_sinks_call = request.param
        fake.add_field("Contact", "Customer_Id__c", external_id=True, unique=True, length=20)
        fake.add_field("Contact", "Region_Id__c", external_id=True, length=20)
        fake.add_field("Contact", "Churn_Score__c", "double", precision=4, scale=3)
        return fake

    @pytest.fixture
    def connector(self):
        return Salesforce("acme.my.salesforce.com")

    def row(self, number):
        names = {"Customer_Id__c": f"C-{number}", "LastName": f"Name {number}", "Email": f"c{number}@acme.example"}
        return {**names, "Churn_Score__c": 0.25, "Title": "Dr"}

    def other(self, row):
        return {**row, "Churn_Score__c": 0.755}

    def bad_row(self, number):
        return {**self.row(number), "Email": "not an address"}

    def twins(self, fake):
        for name in ("One", "Two"):
            fake["Contact"].insert(LastName=name, Region_Id__c="twin")
        return "Region_Id__c", "twin"

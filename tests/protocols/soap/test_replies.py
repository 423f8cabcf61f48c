"""Only a whole SOAP message without a fault is ever an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aumconnect.errors import ErrorClass, ProtocolError
from aumconnect.protocols.soap.names import ENVELOPE
from aumconnect.protocols.soap.replies import classify, read_reply
from aumconnect.wire import Headers, Response

V11, V12 = ENVELOPE["1.1"], ENVELOPE["1.2"]
XML = "text/xml; charset=utf-8"


def soap(body, *, space=V11):
    return (
        f'<?xml version="1.0"?><s:Envelope xmlns:s="{space}"><s:Header/><s:Body>{body}</s:Body></s:Envelope>'.encode()
    )


def answer(body, *, status=200, type=XML):
    return Response(status, Headers({"Content-Type": type} if type else {}), body)


FAULT_11 = soap(
    "<s:Fault><faultcode>s:Server.userException</faultcode><faultstring>secret 4711</faultstring>"
    '<detail><f:limitFault xmlns:f="urn:f"><f:code>WS_REQUEST_BLOCKED</f:code></f:limitFault></detail></s:Fault>'
)
FAULT_12 = soap(
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:v='urn:v'>v:Busy</s:Value>"
    "<s:Subcode><s:Value>bare</s:Value></s:Subcode></s:Subcode></s:Code>"
    "<s:Reason><s:Text xml:lang='en'>busy</s:Text></s:Reason></s:Fault>",
    space=V12,
)
GOOD = soap('<r:done xmlns:r="urn:r"/>')


def throttled(fault):
    return ErrorClass.THROTTLED


NEVER_SUCCESS = {
    "html with 200": answer(b"<html><body>Sign in</body></html>", type="text/html"),
    "html that says xml": answer(b"<html><body>Sign in</body></html>"),
    "html without a type": answer(b"<!DOCTYPE html><html></html>", type=""),
    "empty 200": answer(b""),
    "empty 202": answer(b"", status=202),
    "white space": answer(b"  \n"),
    "empty body": answer(soap("")),
    "no body": answer(f'<s:Envelope xmlns:s="{V11}"/>'.encode()),
    "two bodies": answer(GOOD.replace(b"</s:Envelope>", b"<s:Body><x/></s:Body></s:Envelope>")),
    "another envelope": answer(soap("<x/>", space="urn:other")),
    "json": answer(b'{"ok": true}', type="application/json"),
    "json that says xml": answer(b'{"ok": true}'),
    "truncated": answer(GOOD[:-10]),
    "two documents": answer(GOOD + GOOD),
    "multipart": answer(b"--b\r\n\r\n" + GOOD + b"\r\n--b--", type='multipart/related; boundary="b"; type="text/xml"'),
    "multipart that says xml": answer(b"--b\r\n\r\n" + GOOD + b"\r\n--b--"),
    "charset that is not true": answer(soap("<x>Zoë</x>"), type="text/xml; charset=us-ascii"),
    "charset nobody knows": answer(GOOD, type="text/xml; charset=x-klingon"),
    "doctype": answer(b"<!DOCTYPE x>" + GOOD.partition(b"?>")[2]),
    "redirect": answer(GOOD, status=302),
    "not found": answer(GOOD, status=404),
    "bad gateway": answer(GOOD, status=502),
    "unavailable": answer(b"<html>down</html>", status=503, type="text/html"),
    "server error without a fault": answer(GOOD, status=500),
    "no content": answer(b"", status=204, type=""),
}


@pytest.mark.parametrize("response", NEVER_SUCCESS.values(), ids=NEVER_SUCCESS)
def test_what_is_no_answer_is_never_success(response):
    assert classify(response, throttled) is ErrorClass.UNKNOWN


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (401, ErrorClass.AUTH_REFRESH),
        (403, ErrorClass.PERMISSION),
        (407, ErrorClass.AUTH_REVOKED),
        (429, ErrorClass.THROTTLED),
        (413, ErrorClass.VALIDATION),
    ],
)
@pytest.mark.parametrize("body", [b"<html/>", b"", GOOD])
def test_some_statuses_speak_for_themselves(status, meaning, body):
    assert classify(answer(body, status=status), lambda fault: ErrorClass.CONFLICT) is meaning


def test_a_refused_password_is_no_old_token():
    assert classify(answer(b"", status=401), throttled, unauthorized=ErrorClass.AUTH_REVOKED) is ErrorClass.AUTH_REVOKED


@pytest.mark.parametrize("status", [200, 202, 400, 500])
@pytest.mark.parametrize("body", [FAULT_11, FAULT_12])
def test_a_fault_is_a_fault_whatever_the_status(status, body):
    assert classify(answer(body, status=status, type="application/soap+xml"), throttled) is ErrorClass.THROTTLED


def test_a_whole_message_is_an_answer():
    assert classify(answer(GOOD), throttled) is None
    assert read_reply(answer(GOOD)).root.tag == "{urn:r}done"


def test_a_fault_of_1_1():
    fault = read_reply(answer(FAULT_11, status=500)).fault

    assert (fault.code, fault.text) == (f"{{{V11}}}Server.userException", "secret 4711")
    assert fault.details == ("{urn:f}limitFault",)
    assert fault.detail_text("code") == "WS_REQUEST_BLOCKED"
    assert fault.detail_text("missing") is None
    assert "4711" not in repr(fault)


def test_a_fault_of_1_2_with_its_subcodes():
    fault = read_reply(answer(FAULT_12, status=400)).fault

    assert (fault.code, fault.subcodes, fault.text) == (f"{{{V12}}}Sender", ("{urn:v}Busy", "bare"), "busy")


@pytest.mark.parametrize(
    "fault", ["<s:Fault/>", "<s:Fault><faultcode/></s:Fault>", "<s:Fault><faultcode>x:y</faultcode></s:Fault>"]
)
def test_a_fault_that_says_little_is_still_one(fault):
    assert classify(answer(soap(fault)), throttled) is ErrorClass.THROTTLED


def test_there_is_no_answer_in_a_fault():
    with pytest.raises(ProtocolError):
        _ = read_reply(answer(FAULT_11)).root


@given(st.binary(max_size=200), st.sampled_from([200, 201, 202, 400, 500]))
def test_no_bytes_are_taken_for_success(body, status):
    assert classify(answer(body, status=status), throttled) is ErrorClass.UNKNOWN


@given(st.integers(0, len(GOOD) - 1))
def test_no_beginning_of_an_answer_is_one(size):
    assert classify(answer(GOOD[:size]), throttled) is ErrorClass.UNKNOWN

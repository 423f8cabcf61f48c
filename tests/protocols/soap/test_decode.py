"""Results are read along checked paths, told apart by position, and never guessed."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from wsdls import SHOP

from aumconnect.errors import ConfigurationError, ProtocolError
from aumconnect.protocols.soap.decode import Decoder
from aumconnect.protocols.soap.model import Simple
from aumconnect.protocols.soap.names import ENVELOPE
from aumconnect.protocols.soap.replies import read_reply
from aumconnect.protocols.soap.texts import reader
from aumconnect.wire import Headers, Response

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
FIELDS = {"ok": "@ok", "id": "id", "count": "count", "codes": "message[]/code"}


def reply(body):
    text = f'<e:Envelope xmlns:e="{ENVELOPE["1.1"]}" xmlns="" {XSI}><e:Body>{body}</e:Body></e:Envelope>'
    return read_reply(Response(200, Headers({"Content-Type": "text/xml"}), text.encode()))


def saved(results):
    return reply(f'<s:saveResponse xmlns:s="{SHOP}">{results}</s:saveResponse>')


@pytest.fixture(scope="session")
def decoder(shop):
    return Decoder(shop, "save", FIELDS, rows="result")


def test_nil_absent_and_empty_are_three_things(decoder):
    rows = decoder.rows(saved('<result><id xsi:nil="1"/></result><result/><result><id/></result>'))

    assert [row.get("id", "absent") for row in rows] == [None, "absent", ""]


def test_the_order_of_children_means_nothing(decoder):
    """T17: a strict reader fails on it."""
    [row] = decoder.rows(saved('<result ok="1"><count> 7 </count><new>x</new><id>a</id></result>'))

    assert row == {"ok": True, "count": 7, "id": "a", "codes": []}


def test_nested_elements_of_the_same_name_are_not_the_rows_own(decoder):
    """T17: messages have an id too."""
    [row] = decoder.rows(
        saved("<result><message><code>E1</code><id>inner</id></message><message><code>E2</code></message></result>")
    )

    assert row == {"codes": ["E1", "E2"]}


def test_results_are_told_apart_by_position_so_their_number_must_fit(decoder):
    with pytest.raises(ProtocolError, match="2 results for 3 records"):
        decoder.rows(saved("<result/><result/>"), 3)
    with pytest.raises(ProtocolError, match="0 results for 1"):
        decoder.one(saved(""))


@pytest.mark.parametrize(
    "result",
    [
        "<result><count>many</count></result>",
        "<result><id>a</id><id>b</id></result>",
        '<result ok="yes"/>',
        "<result><id><b/></id></result>",
        f"<result><count>{'9' * 5000}</count></result>",
    ],
)
def test_a_value_that_is_not_of_its_type_is_no_value(decoder, result):
    with pytest.raises(ProtocolError) as refused:
        decoder.rows(saved(result))

    assert "many" not in str(refused.value)


def test_the_answer_to_another_question_is_none(decoder, shop):
    other = reply(f'<s:putResponse xmlns:s="{SHOP}"><key>a</key></s:putResponse>')

    with pytest.raises(ProtocolError, match="another message than 'saveResponse'"):
        decoder.rows(other)
    assert Decoder(shop, "put", {"key": "key"}).one(other) == {"key": "a"}


def test_paths_are_checked_all_at_once(shop):
    with pytest.raises(ConfigurationError) as refused:
        Decoder(shop, "save", {"a": "idd", "b": "@okay", "c": "message/code", "d": "id"}, rows="result")

    said = str(refused.value)
    assert "'idd': there is no element 'idd'; did you mean 'id'" in said
    assert "'@okay': there is no attribute 'okay'; did you mean 'ok'" in said
    assert "say message[] to have them all" in said


def test_an_rpc_reply_begins_with_its_part(literal):
    decoder = Decoder(literal, "save", {"status": "saveReturn/status", "keys": "saveReturn/messages/item[]/key"})
    found = decoder.one(
        reply(
            '<l:saveResponse xmlns:l="urn:ledger"><saveReturn><status>1</status><text xsi:nil="true"/>'
            "<messages><item><key>a</key></item><item><key>b</key></item></messages></saveReturn></l:saveResponse>"
        )
    )

    assert found == {"status": 1, "keys": ["a", "b"]}


# --- references ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def encoded_decoder(encoded):
    fields = {"status": "saveReturn/status", "text": "saveReturn/text", "keys": "saveReturn/messages/Pair[]/key"}
    return Decoder(encoded, "save", fields)


def test_references_are_followed(encoded_decoder):
    """T17: multiRef, as Axis and Sage X3 answer."""
    found = encoded_decoder.one(
        reply(
            '<l:saveResponse xmlns:l="urn:ledger"><saveReturn href="#id0"/></l:saveResponse>'
            '<multiRef id="id0"><status href="#id1"/><text>done</text><messages href="#id2"/></multiRef>'
            '<multiRef id="id1">1</multiRef>'
            '<multiRef id="id2"><Pair href="#id3"/><Pair href="#id3"/></multiRef>'
            '<multiRef id="id3"><key>k</key></multiRef>'
        )
    )

    assert found == {"status": 1, "text": "done", "keys": ["k", "k"]}


@pytest.mark.parametrize(
    "refs",
    [
        '<multiRef id="a" href="#b"/><multiRef id="b" href="#a"/>',
        '<multiRef id="a" href="#a"/>',
        "",
    ],
)
def test_references_that_lead_nowhere_are_refused(encoded_decoder, refs):
    with pytest.raises(ProtocolError):
        encoded_decoder.one(
            reply(f'<l:saveResponse xmlns:l="urn:ledger"><saveReturn href="#a"/></l:saveResponse>{refs}')
        )


def test_references_cannot_unfold(encoded):
    """Laughs by reference: what is not asked for is not copied."""
    levels = "".join(f'<multiRef id="r{n}">{f"""<a href="#r{n + 1}"/>""" * 10}</multiRef>' for n in range(30))
    started = time.process_time()

    found = Decoder(encoded, "save", {"status": "saveReturn/status"}).one(
        reply(f'<l:saveResponse xmlns:l="urn:ledger"><saveReturn href="#r0"/></l:saveResponse>{levels}')
    )

    assert found == {}
    assert time.process_time() - started < 1


def test_a_link_in_a_literal_reply_is_no_reference(decoder):
    [row] = decoder.rows(saved('<result href="#a"><id>x</id></result>'))

    assert row["id"] == "x"


# --- types -----------------------------------------------------------------------------------------------

TYPED = [
    ("boolean", "0", False),
    ("decimal", "1.50", Decimal("1.50")),
    ("double", "INF", float("inf")),
    ("double", "1e3", 1000.0),
    ("date", "2026-01-02+01:00", date(2026, 1, 2)),
    ("dateTime", "2026-01-02T03:04:05.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)),
    ("base64Binary", " AA\nE= ", b"\0\1"),
    ("hexBinary", "00ff", b"\0\xff"),
    ("string", " a ", " a "),
]


@pytest.mark.parametrize(("base", "text", "value"), TYPED)
def test_values_are_of_their_type(base, text, value):
    assert reader(Simple(base))(text) == value


@pytest.mark.parametrize(
    ("base", "text"),
    [("int", "1_000"), ("decimal", "1e3"), ("double", "infinity"), ("date", "20260102"), ("dateTime", "2026-01-02"),
     ("hexBinary", "a"), ("hexBinary", "0 1"), ("boolean", "TRUE"), ("int", "\u0663"), ("base64Binary", "A")],
)  # fmt: skip
def test_what_only_python_takes_is_refused(base, text):
    with pytest.raises(ValueError, match=r"form|no |padding|base64"):
        reader(Simple(base))(text)


BASES = "int decimal double date dateTime time boolean hexBinary".split()
SCHEMA = etree.XMLSchema(
    etree.fromstring(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        + "".join(f'<xs:element name="{base}" type="xs:{base}"/>' for base in BASES)
        + "</xs:schema>"
    )
)
TEXTS = st.text("0123456789.:-+TZeEINFa \n_,", max_size=12) | st.from_regex(
    r"[+-]?\d{1,3}(\.\d)?|\d{4}-[01]\d-[0-3]\d(T[0-2]\d:[0-6]\d:[0-6]\d)?(Z|\+0\d:00)?|true|[0-9a-f]{2,4}",
    fullmatch=True,
)


@given(TEXTS, st.sampled_from(BASES))
def test_what_is_read_is_valid_for_libxml2(text, base):
    try:
        reader(Simple(base))(text)
    except (ValueError, ArithmeticError):
        return

    element = etree.Element(base)
    element.text = text
    assert SCHEMA.validate(element)

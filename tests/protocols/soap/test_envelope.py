"""Whole messages: by number and size, with what HTTP and the header have to say."""

from __future__ import annotations

import base64
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree
from wsdls import SHOP
from zeep.wsse.username import UsernameToken

from aumconnect.errors import ConfigurationError
from aumconnect.protocols import soap
from aumconnect.protocols.soap.envelope import Encoded, Message, http_headers
from aumconnect.protocols.soap.model_file import dump_model
from aumconnect.protocols.soap.names import ENVELOPE
from aumconnect.protocols.soap.planner import make_block_plan, make_plan
from aumconnect.protocols.soap.security import addressing, username_token

MOMENT = datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)


@pytest.fixture
def message(shop):
    return Message(make_plan(shop, "save", {"mode": "mode", "record[](Customer)/name": "name"}))


def test_records_stand_in_their_frame(message):
    records, _ = message.encode([(0, {"name": "a"}), (1, {"name": "Zoë"})])

    body = etree.fromstring(message.envelope(records, call={"mode": "fast"})).find("{*}Body")

    assert [child.tag for child in body[0]] == ["mode", f"{{{SHOP}}}record", f"{{{SHOP}}}record"]
    assert body[0][2][0].text == "Zoë"


def test_sizes_are_bytes(message):
    [record], _ = message.encode([(0, {"name": "Zoë"})])

    assert record.size == len(record.text.encode())


def test_batches_keep_to_number_and_size(message):
    records = [Encoded(ref, "x" * size, size) for ref, size in enumerate([4, 4, 4, 20, 1, 1, 1, 1])]

    def refs(**bounds):
        return [[record.ref for record in batch] for batch in message.batches(records, **bounds)]

    assert refs(max_bytes=8) == [[0, 1], [2], [3], [4, 5, 6, 7]]
    assert refs(max_records=3) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert refs() == [[0, 1, 2, 3, 4, 5, 6, 7]]


def test_the_schemas_own_bound_holds(message):
    records, _ = message.encode((ref, {"name": "a"}) for ref in range(101))

    assert [len(batch) for batch in message.batches(records)] == [100, 1]
    with pytest.raises(ConfigurationError, match="100 records at a time"):
        message.envelope(records)


def test_a_call_that_does_not_fit_is_said_so(message):
    with pytest.raises(ConfigurationError, match="'moed'"):
        message.envelope([], call={"moed": "x"})
    with pytest.raises(ConfigurationError, match="text is expected"):
        message.envelope([], call={"mode": True})


def test_the_action_goes_where_the_version_wants_it(shop, shop12):
    mapping = {"record[](Customer)/name": "name"}

    old = Message(make_plan(shop, "save", mapping)).headers
    new = Message(make_plan(shop12, "save", mapping)).headers

    assert (old["SOAPAction"], old["Content-Type"]) == ('"urn:shop#save"', "text/xml; charset=utf-8")
    assert new["Content-Type"] == 'application/soap+xml; charset=utf-8; action="urn:shop#save"'
    assert "SOAPAction" not in new
    assert http_headers("1.1", "")["SOAPAction"] == '""'


@pytest.mark.parametrize("action", ["a\r\nX: y", 'a"b', "a\0", "ä"])
def test_an_action_cannot_break_out_of_its_header(action):
    with pytest.raises(ConfigurationError):
        http_headers("1.1", action)


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_envelope_is_that_of_the_version(shop, shop12, version):
    model = shop if version == "1.1" else shop12
    message = Message(make_plan(model, "save", {"record[](Customer)/name": "name"}))

    assert etree.fromstring(message.envelope([])).tag == f"{{{ENVELOPE[version]}}}Envelope"


def test_header_blocks_are_rendered_for_each_attempt(shop, message):
    """A block declares its own namespaces, so that it can be made anew without the rest."""
    block = Message(make_block_plan(shop, f"{{{SHOP}}}session", {"token": "token"}))
    records, _ = message.encode([(0, {"name": "a"})])

    told = [
        etree.fromstring(message.envelope(records, header=[block.block({"token": token})])).find("{*}Header")
        for token in ("first", "second")
    ]

    assert [header[0].tag for header in told] == [f"{{{SHOP}}}session"] * 2
    assert [header[0][0].text for header in told] == ["first", "second"]
    assert etree.fromstring(message.envelope(records)).find("{*}Header") is None
    with pytest.raises(ConfigurationError):
        block.block({"token": None})


# --- WS-Security and WS-Addressing -----------------------------------------------------------------------


def parts(security):
    """Every element of a Security header with its text and type, ids left out."""
    return [(child.tag, child.text, child.get("Type"), child.get("EncodingType")) for child in security.iter("*")]


@pytest.mark.parametrize("digest", [False, True])
def test_zeep_writes_the_same_username_token(digest):
    nonce = b"0123456789abcdef"
    envelope = etree.fromstring(f'<e:Envelope xmlns:e="{ENVELOPE["1.1"]}"><e:Header/><e:Body/></e:Envelope>')
    theirs = UsernameToken(
        "isu@tenant",
        "p<&ss",
        use_digest=digest,
        nonce=nonce.decode() if digest else None,
        created=MOMENT.replace(microsecond=0) if digest else None,
        zulu_timestamp=True,
    )
    theirs.apply(envelope, {})

    ours = username_token("isu@tenant", "p<&ss", digest=(nonce, MOMENT.replace(microsecond=0)) if digest else None)

    their_parts = parts(envelope.find(".//{*}Security"))
    our_parts = parts(etree.fromstring(ours))
    assert [part[0] for part in our_parts] == [part[0] for part in their_parts]
    assert our_parts[1:3] == their_parts[1:3]


def test_the_digest_is_that_of_the_profile():
    """WSS UsernameToken Profile 1.0 §3.1: Base64(SHA-1(nonce + created + password))."""
    import hashlib

    token = etree.fromstring(username_token("u", "pässword", digest=(b"n" * 16, MOMENT)))
    created = token.findtext(".//{*}Created")
    nonce = base64.b64decode(token.findtext(".//{*}Nonce"))

    expected = base64.b64encode(hashlib.sha1(nonce + created.encode() + "pässword".encode()).digest()).decode()
    assert token.findtext(".//{*}Password") == expected
    assert created == "2026-11-22T12:00:00.500Z"


def test_a_timestamp_says_when_it_ends():
    token = etree.fromstring(username_token("u", "p", soap="1.2", timestamp=(MOMENT, timedelta(minutes=5))))

    assert token.findtext("{*}Timestamp/{*}Expires") == "2026-11-22T12:05:00.500Z"
    assert token.get(f"{{{ENVELOPE['1.2']}}}mustUnderstand") == "1"
    with pytest.raises(ValueError, match="time zone"):
        username_token("u", "p", timestamp=(MOMENT.replace(tzinfo=None), timedelta(1)))


def test_addressing_says_where_and_what_and_which():
    blocks = addressing(to="https://a.example/?x=1&y=2", action="urn:a", message_id="urn:uuid:1")

    found = etree.fromstring(f"<x>{blocks}</x>")

    assert [(etree.QName(block).localname, block.text) for block in found] == [
        ("Action", "urn:a"),
        ("MessageID", "urn:uuid:1"),
        ("To", "https://a.example/?x=1&y=2"),
    ]
    assert found[0].get(f"{{{ENVELOPE['1.1']}}}mustUnderstand") == "1"


# --- the door --------------------------------------------------------------------------------------------


def test_writing_needs_neither_zeep_nor_lxml(shop, tmp_path):
    """Once a WSDL was seen, a process writes without an XML library."""
    (tmp_path / "model").write_bytes(dump_model(shop))
    script = f"""
import sys
from pathlib import Path
from aumconnect.protocols.soap import Message, make_plan
from aumconnect.protocols.soap.model_file import load_model
model = load_model(Path({str(tmp_path / "model")!r}).read_bytes())
message = Message(make_plan(model, "save", {{"record[](Customer)/name": "name"}}))
print(message.envelope(message.encode([(0, {{"name": "a"}})])[0]).count(b"<"), {{"zeep", "lxml"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["11", "set()"]


def test_every_name_at_the_door_leads_somewhere():
    assert all(getattr(soap, name).__name__ for name in soap.__all__)
    with pytest.raises(AttributeError):
        _ = soap.nothing

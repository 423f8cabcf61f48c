"""Hostile XML: nothing fetched, nothing opened, bounded time and memory, one typed error."""

from __future__ import annotations

import resource
import time

import pytest

from aumconnect.errors import ProtocolError
from aumconnect.protocols.soap.xml import parse

LAUGHS = "<!DOCTYPE l [<!ENTITY a0 'lol'>{}]><l>&a9;</l>".format(
    "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
)
HOSTILE = {
    "external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "external dtd": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
    "parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]><x/>',
    "billion laughs": LAUGHS.encode(),
    "laughs in an attribute": LAUGHS.replace("<l>&a9;</l>", "<l a='&a9;'/>").encode(),
    "quadratic": b'<!DOCTYPE x [<!ENTITY a "' + b"a" * 100_000 + b'">]><x>' + b"&a;" * 10_000 + b"</x>",
    "doctype after a comment": b"<?xml version='1.0'?><!-- a --><?pi?><!DOCTYPE x><x/>",
    "doctype in utf-16": '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><x/>'.encode("utf-16"),
    "depth": b"<a>" * 300 + b"</a>" * 300,
    "huge text": b"<a>" + b"x" * 11_000_000 + b"</a>",
    "undefined entity": b"<x>&nbsp;</x>",
    "truncated": b"<x><y>half",
    "two roots": b"<x/><y/>",
    "nothing": b"",
    "control character": b"<x>\x00</x>",
    "not utf-8": b"<x>\xff\xfe</x>",
    "utf-7": b'<?xml version="1.0" encoding="utf-7"?><x/>',
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><x/>',
    "two encodings": b'\xef\xbb\xbf<?xml version="1.0" encoding="iso-8859-1"?><x/>',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_documents_are_refused_at_once(body):
    started, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(ProtocolError):
        parse(body)

    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # kB


def test_a_long_prologue_costs_no_more_than_its_length():
    started = time.process_time()

    parse(b"<?pi?>" * 50_000 + b"<!-- a -->" * 50_000 + b"<x/>")

    assert time.process_time() - started < 2


def test_the_whole_is_capped():
    with pytest.raises(ProtocolError, match="more than the 10 allowed"):
        parse(b"<x>12345678901234567890</x>", max_bytes=10)


def test_a_doctype_inside_the_content_is_only_text():
    assert parse(b"<x><![CDATA[<!DOCTYPE html>]]></x>").text == "<!DOCTYPE html>"


def test_messages_do_not_quote_the_document():
    with pytest.raises(ProtocolError) as refused:
        parse(b"<x><secret-4711></wrong>")

    assert "4711" not in str(refused.value)


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("utf-8", None),
        ("utf-8", "UTF-8"),
        ("iso-8859-1", None),
        ("iso-8859-1", "ISO-8859-1"),
        ("utf-16", None),
        ("utf-16", "utf-16"),
        ("windows-1252", None),
    ],
)
def test_every_usual_encoding_is_read(encoding, charset):
    body = f'<?xml version="1.0" encoding="{encoding}"?><x>Zoë</x>'.encode(encoding)

    assert parse(body, charset=charset).text == "Zoë"


def test_an_announced_charset_that_the_document_contradicts_is_refused():
    with pytest.raises(ProtocolError, match="two encodings"):
        parse('<?xml version="1.0" encoding="utf-8"?><x>Zoë</x>'.encode(), charset="iso-8859-1")


def test_an_announced_charset_that_is_not_true_is_refused():
    with pytest.raises(ProtocolError, match="not in the encoding"):
        parse("<x>Zoë</x>".encode("latin-1"), charset="utf-8")

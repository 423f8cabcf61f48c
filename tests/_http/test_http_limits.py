"""Answers that want to be too large are refused at the cap, and cost no more memory than it."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_server import always, http, once

from aumconnect._http.decode import BoundedBody
from aumconnect.errors import AumconnectError, TransportError
from aumconnect.wire import Request, Spool


@contextlib.contextmanager
def refused_for_good(words):
    """The answer cannot be used and would come again as it is; the request may have been carried out."""
    with pytest.raises(TransportError, match=words) as refused:
        yield
    assert refused.value.sent
    assert refused.value.permanent


def endless(head, piece):
    """``head``, then ``piece`` again and again until the client hangs up."""

    def converse(server, connection):
        server.read_request(connection)
        connection.sendall(head)
        while not server.stopping.is_set():
            connection.sendall(piece)

    return converse


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # RFC 1951 §3.2.4: a stored block of no bytes
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        (CHUNKED, b"1\r\nx\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIP_HEADER, EMPTY_BLOCK * 10_000),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 1000),
    ],
    ids=["chunks", "tiny chunks", "no length", "gzip of nothing", "members of nothing"],
)
def test_row_39_an_endless_answer_is_refused_at_the_cap(serve, connect, head, piece):
    server = serve(endless(head, piece))

    with refused_for_good(f"POST {server.url}: the answer is larger than 100,000 bytes"):
        connect(max_body=100_000).send(Request("POST", server.url))


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\n", b"X-Many: canary\r\n" * 4096),
        (b"", b"x" * 65536),
        (CHUNKED, b"1" * 65536),
        (CHUNKED + b"0\r\n", b"X-Trailer: canary\r\n" * 4096),
    ],
    ids=["one field", "many fields", "status line", "chunk size", "trailer"],
)
def test_row_39_an_endless_header_is_refused(serve, client, head, piece):
    server = serve(endless(head, piece))

    with pytest.raises(TransportError, match="not valid HTTP") as refused:
        client.send(Request("POST", server.url))

    assert refused.value.sent


def test_a_longer_answer_than_the_cap_is_refused_from_its_first_excess_byte(serve, connect):
    server = serve(always(http(b"x" * 1001)))

    assert len(connect(max_body=1001).send(Request("GET", server.url)).body) == 1001
    with refused_for_good("larger than 1,000 bytes"):
        connect(max_body=1000).send(Request("GET", server.url))


def test_the_cap_counts_unpacked_bytes(serve, connect):
    server = serve(always(http(gzip.compress(b"x" * 1001), headers=["Content-Encoding: gzip"])))

    with refused_for_good("larger than 1,000 bytes"):
        connect(max_body=1000).send(Request("GET", server.url))


def test_a_spool_has_a_cap_of_its_own(serve, connect):
    server = serve(always(http(b"x" * 5000)))
    client, rows = connect(max_body=10, max_spool=4999), Spool()

    with refused_for_good("larger than 4,999 bytes"):
        client.send(Request("GET", server.url, reply_to=rows))
    rows.close()


@pytest.mark.parametrize(
    "encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,identity", "\r\nContent-Encoding: gzip"]
)
def test_row_39_encodings_we_did_not_ask_for_are_refused(serve, client, encoding):
    fields = [f"Content-Encoding: gzip{encoding}" if encoding.startswith("\r\n") else f"Content-Encoding: {encoding}"]
    server = serve(always(http(gzip.compress(gzip.compress(b"x")), headers=fields)))

    with refused_for_good("did not ask for"):
        client.send(Request("GET", server.url))


PACKED = gzip.compress(b"x", mtime=0)


@pytest.mark.parametrize(
    "body", [b"not gzip", PACKED + b"trailing", PACKED[:-4] + bytes(4)], ids=["plain", "trailing", "wrong length"]
)
def test_damaged_gzip_is_refused(serve, client, body):
    server = serve(once(http(body, headers=["Content-Encoding: gzip"])))

    with refused_for_good("not the gzip"):
        client.send(Request("GET", server.url))


def test_a_connection_that_was_refused_is_not_used_again(serve, connect):
    server = serve(always(http(b"x" * 2000)))
    client = connect(max_body=1000)

    for _ in range(2):
        with refused_for_good("larger than"):
            client.send(Request("GET", server.url))

    assert server.connections == 2


def fed(chunks, encodings=("gzip",), limit=1 << 20):
    written = []
    body = BoundedBody(encodings, written.append, limit=limit, where="here")
    for chunk in chunks:
        body.feed(chunk)
    body.finish()
    return b"".join(written)


@given(st.binary(max_size=300_000), st.integers(1, 100_000), st.integers(0, 9))
def test_however_it_is_cut_an_answer_is_unpacked_to_what_was_packed(body, size, level):
    packed = gzip.compress(body, level)

    assert fed(packed[start : start + size] for start in range(0, len(packed), size)) == body


@given(st.lists(st.binary(max_size=50), max_size=5), st.booleans())
def test_garbage_is_unpacked_or_refused_and_nothing_else(chunks, real_start):
    with contextlib.suppress(AumconnectError):
        fed([GZIP_HEADER if real_start else b"", *chunks], limit=1000)


@given(st.integers(0, 3_000_000), st.integers(1, 100_000))
def test_no_more_than_the_cap_is_ever_written(size, limit):
    written = 0

    def write(piece):
        nonlocal written
        written += len(piece)

    body = BoundedBody(["gzip"], write, limit=limit, where="here")
    packed = zlib.compress(bytes(size), wbits=31)
    if max(size, len(packed)) > limit:
        with refused_for_good("larger than"):
            body.feed(packed)
    else:
        body.feed(packed)
    assert written <= min(size, limit)


MEASURE = """
import resource, sys, asyncio
from aumconnect._http import HTTPTransport, AsyncHTTPTransport
from aumconnect.wire import Request
from aumconnect.errors import AumconnectError
kind, quiet, hostile = sys.argv[1:]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
async def sends(transport, urls):
    for url in urls:
        request = Request("GET", url)
        try:
            await transport.send(request, timeout=20) if kind == "async" else transport.send(request, timeout=20)
        except AumconnectError as error:
            print(type(error).__name__)
        print(peak())
asyncio.run(sends(AsyncHTTPTransport() if kind == "async" else HTTPTransport(), [quiet, hostile]))
"""


@pytest.fixture(scope="module")
def bomb():
    """400 MiB of zeros."""
    zeros, piece = zlib.compressobj(9, wbits=31), bytes(1 << 20)
    return b"".join(zeros.compress(piece) for _ in range(400)) + zeros.flush()


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("hostile", ["bomb", "endless"])
def test_s1_and_p12_a_bomb_stays_within_64_mib(serve, bomb, kind, hostile):
    """398 KiB of gzip that would be 400 MiB, and a body without an end."""
    assert len(bomb) < 410_000
    quiet = serve(always(http(gzip.compress(b"x"), headers=["Content-Encoding: gzip"])))
    if hostile == "bomb":
        server = serve(always(http(bomb, headers=["Content-Encoding: gzip"])))
    else:
        server = serve(endless(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"))

    script = [sys.executable, "-c", MEASURE, kind, quiet.url, server.url]
    done = subprocess.run(script, check=True, capture_output=True, text=True, timeout=60)

    base, refused, peak = done.stdout.split()
    assert refused == "TransportError"
    assert int(peak) - int(base) <= 64

"""Every way to get no answer: whether anything was sent, in words that help and quote neither side."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import traceback

import httpx
import pytest
import respx
from raw_server import always, http, once, reset

from aumconnect._http import AsyncHTTPTransport, HTTPTransport
from aumconnect.errors import ProtocolError, TransportError
from aumconnect.wire import Headers, Request

HTML = b"<html><body>Down for maintenance, canary@example.com</body></html>"


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/path?query"


def test_row_1_refused_is_not_sent(client, post, closed_port):
    with pytest.raises(TransportError, match="refused") as lost:
        client.send(post(closed_port))

    assert not lost.value.sent
    assert not lost.value.permanent
    assert lost.value.message == f"POST {closed_port.removesuffix('/path?query')}: the connection was refused"
    assert "service is running" in lost.value.hint


@pytest.mark.parametrize(("errno", "words"), [("EAI_NONAME", "no host of this name"), ("EAI_AGAIN", "just now")])
def test_row_2_a_name_that_is_not_found_is_not_sent(client, post, monkeypatch, errno, words):
    def getaddrinfo(*args, **options):
        raise socket.gaierror(getattr(socket, errno), "resolver's words")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    with pytest.raises(TransportError, match=words) as lost:
        client.send(post("http://crm.example.com/"))

    assert not lost.value.sent
    assert lost.value.hint


def test_the_second_address_of_a_host_is_tried(serve, client, monkeypatch):
    """As for a host whose IPv6 address leads nowhere."""
    server = serve(always(http(b"here")))
    ask = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **options):
        return [entry for address in ("127.9.9.9", "127.0.0.1") for entry in ask(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    assert client.send(Request("GET", f"http://crm.example.com:{server.port}/")).body == b"here"


def test_row_6_a_reset_while_the_body_is_sent_may_have_been_carried_out(serve, client, post):
    def converse(server, connection):
        connection.recv(1000)
        reset(connection)

    server = serve(converse)

    with pytest.raises(TransportError) as lost:
        client.send(post(server.url, b"x" * 20_000_000))

    assert lost.value.sent
    assert server.connections == 1


def test_row_7_closed_after_the_request_is_one_post_of_unknown_fate(serve, client, post):
    server = serve(once(b""))

    with pytest.raises(TransportError, match="without an answer") as lost:
        client.send(post(server.url))

    assert lost.value.sent
    assert len(server.requests) == 1


@pytest.mark.parametrize("then", [reset, lambda connection: None], ids=["reset", "closed"])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"success":true}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{"su\r\n',
    ],
    ids=["in the header", "before the body", "in the body", "in a chunked body"],
)
def test_row_9_and_22_a_success_that_is_cut_short_is_no_answer(serve, client, post, answer, then):
    server = serve(once(answer, then))

    with pytest.raises(TransportError) as lost:
        client.send(post(server.url))

    assert lost.value.sent
    assert len(server.requests) == 1


def test_row_22_gzip_without_an_end_is_no_answer(serve, client, post):
    packed = gzip.compress(b"record," * 1000)[:-9]
    server = serve(always(http(packed, headers=["Content-Encoding: gzip"])))

    with pytest.raises(TransportError, match="cut short") as lost:
        client.send(post(server.url))

    assert lost.value.sent


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon canary\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x00" * 50 + b"\r\n\r\n",
    ],
    ids=["html", "ssh", "status", "field", "two lengths", "chunk", "zeros"],
)
def test_what_is_not_http_is_no_answer_and_not_quoted(serve, client, post, answer):
    server = serve(once(answer))

    with pytest.raises(TransportError) as lost:
        client.send(post(server.url))

    assert lost.value.sent
    assert "canary" not in everything_of(lost.value)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Oops", "502 Bad", "503 Busy", "504 Late", "401 No"])
def test_row_13_to_21_an_error_status_is_an_answer_for_classify(serve, client, post, status):
    server = serve(always(http(HTML, status=status, headers=["Content-Type: text/html", "Retry-After: 7"])))

    reply = client.send(post(server.url))

    assert (reply.status, reply.body) == (int(status[:3]), HTML)
    assert reply.headers["retry-after"] == "7"
    assert "canary" not in repr(reply)


@pytest.mark.parametrize(
    "body",
    [HTML, b"", b"\xef\xbb\xbf{}", b"\xff\xfe{}", b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 100_000, b'{"success":'],
    ids=["html", "empty", "bom", "utf-16", "nan", "repeated", "deep", "cut"],
)
def test_row_21_23_24_what_is_not_json_is_a_typed_error(serve, client, post, body):
    server = serve(always(http(body, headers=["Content-Type: application/json"])))

    with pytest.raises(ProtocolError) as broken:
        client.send(post(server.url)).json()

    assert "canary" not in everything_of(broken.value)


# --- refused here ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Key": "a\r\nX-Injected: 1"},
        {"X-Key": "a\nb"},
        {"X-Key": "a\rb"},
        {"X-Key": "a\0b"},
        {"X-Key": "snow \u2603"},
        {"X-Key\r\nX-Injected": "1"},
        {"X Key": "1"},
        {"": "1"},
    ],
)
def test_row_44_and_s13_a_field_that_would_break_the_request_apart_is_refused(serve, client, headers):
    server = serve(always(http()))

    with pytest.raises(TransportError, match="illegal characters") as refused:
        client.send(Request("POST", server.url, Headers(headers), b"{}"))

    assert not refused.value.sent
    assert refused.value.permanent
    assert server.requests == []


@pytest.mark.parametrize("method", ["GET\r\nX: 1", "GE T", ""])
def test_a_method_that_would_break_the_request_apart_is_refused(serve, client, method):
    server = serve(always(http()))

    with pytest.raises(TransportError) as refused:
        client.send(Request(method, server.url))

    assert not refused.value.sent
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "/relative",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://",
        "http://user:canary@127.0.0.1/",
        "http://127.0.0.1\\@evil.example/",
        "http://127.0.0.1/a/../../b",
        "http://127.0.0.1/a/%2E%2e/b",
        "http://127.0.0.1/a/.",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nHost: evil",
        "http://127.0.0.1/\u00fc",
        "http://127.0.0.1/a#fragment",
        "http://127.0.0.1:99999999/",
        "http://a..b/",
        "http://" + "a" * 64 + ".example/",
    ],
)
def test_only_urls_that_every_parser_reads_alike_are_sent(client, url, monkeypatch):
    dialled = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: dialled.append(args) or [])

    with pytest.raises(TransportError) as refused:
        client.send(Request("GET", url))

    assert not refused.value.sent
    assert "canary" not in str(refused.value)
    assert dialled == []


def test_dots_in_a_query_are_data(serve, client):
    server = serve(always(http()))

    client.send(Request("GET", f"{server.url}/q?x=/../y"))

    assert server.requests[0].startswith(b"GET /q?x=/../y HTTP/1.1")


# --- nothing leaks ---------------------------------------------------------------------------------------


def everything_of(error):
    """The exception as somebody may print it: with its causes and the variables of every frame."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain = [error]
    while chain[-1].__cause__ or chain[-1].__context__:
        chain.append(chain[-1].__cause__ or chain[-1].__context__)
    own_frames = [line for line in shown.format() if "/tests/" not in line]
    return "".join(own_frames) + repr(chain) + "".join(map(str, chain)) + repr(getattr(error, "hint", None))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX-Token: canary\r\nContent-Length: 9\r\n\r\n{", HTML])
def test_a_failure_tells_no_header_query_or_body(serve, client, answer):
    server = serve(once(answer))
    secret = {"Authorization": "Bearer canary", "X-SFDC-Session": "canary"}

    with pytest.raises(TransportError) as lost:
        client.send(Request("POST", f"{server.url}/x?email=canary", secret, b"canary"))

    assert server.host in str(lost.value)
    assert "canary" not in everything_of(lost.value)


def test_s11_no_log_of_ours_or_httpcores_shows_a_field_a_url_or_a_body(serve, client, caplog):
    answer = http(b"canary", headers=["Set-Cookie: sid=canary", "X-Token: canary"])
    server = serve(always(answer))

    with caplog.at_level(logging.DEBUG):
        client.send(Request("POST", f"{server.url}/?q=canary", {"Authorization": "Bearer canary"}, b"canary"))

    assert "canary" not in caplog.text


def test_somebody_elses_httpx_still_logs(serve, caplog):
    server = serve(always(http(headers=["X-Token: theirs"])))

    with caplog.at_level(logging.DEBUG), httpx.Client() as theirs:
        theirs.get(server.url)

    assert "X-Token" in caplog.text


# --- respx -----------------------------------------------------------------------------------------------


@respx.mock
def test_respx_answers_the_blocking_transport():
    route = respx.post("https://crm.example.com/records", params={"q": "1"}).respond(201, json={"id": "1"})
    transport = HTTPTransport()

    reply = transport.send(Request("POST", "https://crm.example.com/records?q=1", {"X": "1"}, b"{}"), timeout=5)

    assert (reply.status, reply.json()) == (201, {"id": "1"})
    assert route.calls.last.request.content == b"{}"
    assert route.calls.last.request.headers["X"] == "1"


@respx.mock
def test_respx_answers_the_async_transport():
    respx.get("https://crm.example.com/").respond(200, text="hello")

    reply = asyncio.run(AsyncHTTPTransport().send(Request("GET", "https://crm.example.com/"), timeout=5))

    assert reply.body == b"hello"


@respx.mock
@pytest.mark.parametrize(("error", "sent"), [(httpx.ConnectError, False), (httpx.ReadTimeout, True)])
def test_respx_side_effects_are_failures_like_any_other(error, sent):
    respx.get("https://crm.example.com/").mock(side_effect=error)

    with pytest.raises(TransportError) as lost:
        HTTPTransport().send(Request("GET", "https://crm.example.com/"), timeout=5)

    assert lost.value.sent is sent


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx.ConnectError, False),
        (httpx.ConnectTimeout, False),
        (httpx.PoolTimeout, False),
        (httpx.ProxyError, False),
        (httpx.UnsupportedProtocol, False),
        (httpx.LocalProtocolError, False),
        (httpx.WriteError, True),
        (httpx.WriteTimeout, True),
        (httpx.ReadError, True),
        (httpx.ReadTimeout, True),
        (httpx.RemoteProtocolError, True),
    ],
)
@respx.mock
def test_what_each_of_httpx_errors_says_about_the_write(error, sent):
    """Whether a create may be repeated rests on this table."""
    respx.get("https://crm.example.com/").mock(side_effect=error("canary"))

    with pytest.raises(TransportError) as lost:
        HTTPTransport().send(Request("GET", "https://crm.example.com/"), timeout=5)

    assert lost.value.sent is sent
    assert "canary" not in everything_of(lost.value)

"""What goes out and what comes back, over connections that are kept and let go at the right time."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
import time

import pytest
from raw_server import always, http, once, silent

from aumconnect._http import AsyncHTTPTransport, connecting
from aumconnect.errors import TransportError
from aumconnect.wire import Headers, Request, Spool


def test_a_request_arrives_as_it_was_given(serve, client):
    server = serve(always(http(b"ok")))
    fields = Headers([("X-One", "1"), ("X-One", "2")])
    request = Request("PATCH", f"{server.url}/a%20b;c=(1)?q='x'&r=%2F..", fields, b"{}")

    reply = client.send(request)

    assert (reply.status, reply.body) == (200, b"ok")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"PATCH /a%20b;c=(1)?q='x'&r=%2F.. HTTP/1.1",
        b"Host: " + server.host.encode(),
        b"User-Agent: aumconnect",
        b"Accept-Encoding: gzip, identity",
        b"Content-Length: 2",
        b"X-One: 1",
        b"X-One: 2",
    ]
    assert body == b"{}"


def test_framing_is_ours_to_say(serve, client):
    server = serve(always(http()))
    framing = {"Host": "evil.example", "Content-Length": "999", "Transfer-Encoding": "chunked", "User-Agent": "mine"}

    client.send(Request("POST", server.url, framing, b"ab"))

    head = server.requests[0]
    assert b"evil" not in head
    assert b"Transfer-Encoding" not in head
    assert head.count(b"Content-Length") == 1
    assert b"User-Agent: mine" in head


@pytest.mark.parametrize(("method", "sends"), [("GET", False), ("DELETE", False), ("POST", True), ("PUT", True)])
def test_an_empty_body_has_a_length_only_where_one_is_expected(serve, client, method, sends):
    server = serve(always(http()))

    client.send(Request(method, server.url))

    assert (b"Content-Length: 0" in server.requests[0]) is sends


def test_a_spool_is_streamed_with_its_length_as_often_as_needed(serve, client):
    server = serve(always(http()))
    body = Spool([b"x" * 100_000, b"y" * 100_000])

    for _ in range(2):
        client.send(Request("POST", server.url, body=body))

    expected = b"x" * 100_000 + b"y" * 100_000
    assert [request.partition(b"\r\n\r\n")[2] == expected for request in server.requests] == [True, True]
    assert b"Content-Length: 200000" in server.requests[0]
    body.close()


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_answer_is_unpacked(serve, client, encoding):
    body = b"record," * 50_000
    server = serve(always(http(gzip.compress(body), headers=[f"Content-Encoding: {encoding}"])))

    assert client.send(Request("GET", server.url)).body == body


def test_gzip_members_follow_each_other(serve, client):
    server = serve(always(http(gzip.compress(b"one ") + gzip.compress(b"two"), headers=["Content-Encoding: gzip"])))

    assert client.send(Request("GET", server.url)).body == b"one two"


def test_a_success_goes_to_the_spool_and_replaces_what_was_there(serve, client):
    server = serve(always(http(gzip.compress(b"a,b\n" * 1000), headers=["Content-Encoding: gzip"])))
    rows = Spool([b"left over from an attempt before"])

    reply = client.send(Request("GET", server.url, reply_to=rows))

    assert (reply.body, b"".join(rows.chunks())) == (b"", b"a,b\n" * 1000)
    rows.close()


def test_an_error_answer_stays_in_memory_to_be_understood(serve, client):
    server = serve(always(http(b'{"errorCode":"INVALID"}', status="400 Bad Request")))
    rows = Spool()

    reply = client.send(Request("GET", server.url, reply_to=rows))

    assert (reply.status, reply.body, rows.size) == (400, b'{"errorCode":"INVALID"}', 0)
    rows.close()


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
def test_row_24_an_answer_without_a_body_is_an_answer(serve, client, status):
    server = serve(always(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nContent-Encoding: gzip\r\n\r\n".encode()))

    assert client.send(Request("GET", server.url)).body == b""


def test_interim_answers_are_passed_over(serve, client):
    server = serve(always(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + http(b"final")))

    assert client.send(Request("GET", server.url)).body == b"final"


def test_repeated_answer_fields_are_kept(serve, client):
    server = serve(always(http(headers=["Set-Cookie: a=1", "Set-Cookie: b=2", "X-Name: caf\u00e9"])))

    headers = client.send(Request("GET", server.url)).headers

    assert headers.get_all("set-cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_row_36_and_s2_a_redirect_is_just_an_answer(serve, client, post, status):
    elsewhere = serve(always(http()))
    server = serve(always(http(status=f"{status} Moved", headers=[f"Location: {elsewhere.url}/take"])))

    reply = client.send(post(f"{server.url}/give", b"person@example.com", headers={"X-API-Key": "canary"}))

    assert reply.status == status
    assert elsewhere.connections == 0


def test_no_cookie_is_kept(serve, client):
    server = serve(always(http(headers=["Set-Cookie: sid=secret; Path=/"])))

    client.send(Request("GET", server.url))
    client.send(Request("GET", server.url))

    assert b"ookie" not in server.requests[1]


# --- connections -----------------------------------------------------------------------------------------


def test_requests_in_line_share_one_connection(serve, client):
    server = serve(always(http(b"x")))

    for _ in range(5):
        client.send(Request("GET", server.url))

    assert server.connections == 1


def test_there_are_as_many_connections_as_requests_in_flight(serve, client):
    server = serve(always(http(b"x")))

    for _ in range(3):
        client.send_all([Request("GET", server.url)] * 8)

    assert 1 <= server.connections <= 8
    assert len(server.requests) == 24


def test_each_origin_has_its_own(serve, client):
    one, two = serve(always(http(b"1"))), serve(always(http(b"2")))

    bodies = [client.send(Request("GET", server.url)).body for server in (one, two, one, two)]

    assert bodies == [b"1", b"2", b"1", b"2"]
    assert (one.connections, two.connections) == (1, 1)


def test_row_8_a_connection_closed_while_idle_is_not_used_again(serve, client, post):
    server = serve(once(http(b"x")))

    for _ in range(3):
        assert client.send(post(server.url)).status == 200
        wait_until_closed(client)

    assert (server.connections, len(server.requests)) == (3, 3)


def wait_until_closed(client):
    """Until the peer's FIN has arrived at the idle connection."""
    ((line,),) = client.transport._idle._idle.values()
    deadline = time.monotonic() + 5
    while any(not connection.has_expired() for connection in line.pool.connections):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_row_8_a_reused_connection_that_closes_on_the_request_leaves_its_fate_open(serve, client, post):
    def converse(server, connection):
        server.read_request(connection)
        connection.sendall(http(b"x"))
        server.read_request(connection)

    server = serve(converse)
    client.send(post(server.url))

    with pytest.raises(TransportError, match="without an answer") as lost:
        client.send(post(server.url))

    assert lost.value.sent
    assert len(server.requests) == 2  # no hidden repeat


def test_row_8_an_idle_connection_is_given_up_after_four_seconds(serve, connect, monkeypatch):
    assert connecting.KEEP_ALIVE == 4.0
    monkeypatch.setattr(connecting, "KEEP_ALIVE", -1.0)
    client, server = connect(), serve(always(http(b"x")))

    client.send(Request("GET", server.url))
    client.send(Request("GET", server.url))

    assert server.connections == 2


def test_a_connection_is_not_used_again_when_the_server_says_close(serve, client):
    server = serve(always(http(b"x", headers=["Connection: close"])))

    client.send(Request("GET", server.url))
    client.send(Request("GET", server.url))

    assert server.connections == 2


def test_row_28_bytes_beyond_an_answer_are_never_the_next_one(serve, client):
    server = serve(always(http(b"mine") + http(b"forged")))

    bodies = [client.send(Request("GET", server.url)).body for _ in range(3)]

    assert bodies == [b"mine"] * 3


def test_a_closed_transport_says_so(serve, connect):
    client = connect()
    client.close() if client.name == "sync" else client.send_all([])
    if client.name == "async":
        client._runner.run(client.transport.close())

    with pytest.raises(RuntimeError, match="closed"):
        client.send(Request("GET", "http://127.0.0.1:1/"))


def test_an_async_transport_may_meet_another_loop(serve):
    server = serve(once(http(b"x", headers=["Connection: close"])))
    transport = AsyncHTTPTransport()

    replies = [asyncio.run(transport.send(Request("GET", server.url), timeout=5)) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]


def test_a_cancelled_send_is_cancelled_and_leaves_no_line_behind(serve):
    server = serve(silent)

    async def main():
        transport = AsyncHTTPTransport()
        task = asyncio.create_task(transport.send(Request("GET", server.url), timeout=5))
        await asyncio.to_thread(server.received.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return transport._idle.take_all()

    assert asyncio.run(main()) == []


FORK = """
import os, sys
from aumconnect._http import HTTPTransport
from aumconnect.wire import Request
transport = HTTPTransport()
request = Request("GET", sys.argv[1])
def port():
    reply = transport.send(request, timeout=5)
    return reply.body.decode()
before = port()
child = os.fork()
if child == 0:
    print("child", port(), port(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent", before, port(), flush=True)
"""


def test_row_67_a_fork_opens_connections_of_its_own(serve):
    """The answer is the client's port: the child has its own and keeps it, the parent keeps the first."""

    def converse(server, connection):
        while server.read_request(connection):
            connection.sendall(http(str(connection.getpeername()[1]).encode()))

    server = serve(converse)
    script = [sys.executable, "-c", FORK, server.url]
    done = subprocess.run(script, check=True, capture_output=True, text=True, timeout=30)

    assert done.stderr == ""
    child, parent = (line.split()[1:] for line in sorted(done.stdout.splitlines()))
    assert child[0] == child[1] != parent[0] == parent[1]
    assert server.connections == 2

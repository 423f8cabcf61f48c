"""However the other side stalls, an attempt ends at its deadline, and says whether anything was sent."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
from raw_server import http, silent

from aumconnect.errors import TransportError
from aumconnect.wire import Request

DEADLINE = 0.3
GRACE = 0.25
TRIES = int(os.environ.get("AUM_DEADLINE_TRIES", "3"))


def drip(data, pause=0.02):
    """Send ``data`` a byte at a time."""

    def converse(server, connection):
        if server.read_request(connection):
            for byte in data:
                connection.sendall(bytes([byte]))
                time.sleep(pause)

    return converse


def never_reads(server, connection):
    server.stopping.wait()


def tls_hello_drips(server, connection):
    """A TLS record of 16 KiB that takes for ever; the handshake cannot go on without it."""
    for byte in b"\x16\x03\x03\x40\x00" + b"\x02" * 16384:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


DRIPPED_BODY = http(b"x" * 5000)
ENDLESS_HEADER = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 5000
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" * 500

STALLS = {
    "silent": (silent, True),
    "header drips": (drip(ENDLESS_HEADER), True),
    "body drips": (drip(DRIPPED_BODY), True),
    "interim answers drip": (drip(INTERIM), True),
    "our body is not read": (never_reads, True),
}


def end_of(client, request, timeout=DEADLINE):
    started = time.monotonic()
    with pytest.raises(TransportError) as lost:
        client.send(request, timeout)
    return lost.value, time.monotonic() - started


@pytest.mark.parametrize("stall", STALLS)
def test_row_10_a_stalled_answer_ends_at_the_deadline_with_its_fate_open(serve, client, stall):
    answer, sent = STALLS[stall]
    server = serve(answer)

    error, took = end_of(client, Request("POST", server.url, body=b"x" * 20_000_000))

    assert DEADLINE <= took <= DEADLINE + GRACE
    assert error.sent is sent
    assert "0.3 s" in str(error)


def test_row_10_a_dripping_tls_handshake_ends_at_the_deadline_unsent(serve, client):
    server = serve(tls_hello_drips)

    error, took = end_of(client, Request("POST", server.url.replace("http:", "https:")))

    assert DEADLINE <= took <= DEADLINE + GRACE
    assert not error.sent
    assert "no connection within 0.3 s" in str(error)


@pytest.mark.parametrize("stall", ["silent", "body drips"])
def test_row_10_the_deadline_holds_inside_tls(serve, connect, tls, authority_file, stall):
    server = serve(STALLS[stall][0], tls=tls())

    error, took = end_of(connect(verify=authority_file), Request("POST", server.url))

    assert DEADLINE <= took <= DEADLINE + GRACE
    assert error.sent


@pytest.fixture
def black_hole():
    """An address whose queue of waiting connections is full: the next SYN is dropped."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        for sock in waiting:
            sock.close()


def test_row_3_a_black_hole_ends_at_the_deadline_unsent(client, black_hole):
    error, took = end_of(client, Request("POST", black_hole))

    assert DEADLINE <= took <= DEADLINE + GRACE
    assert not error.sent
    assert "firewall" in error.hint


def test_row_3_connecting_has_a_limit_of_its_own(connect, black_hole):
    error, took = end_of(connect(connect_timeout=0.1), Request("POST", black_hole), timeout=30)

    assert took <= 0.1 + GRACE
    assert not error.sent
    assert "no connection within 0.1 s" in str(error)


def test_a_name_server_that_does_not_answer_ends_at_the_deadline_unsent(client, monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: answered.wait(5) and [])

    error, took = end_of(client, Request("POST", "http://crm.example.com/"))
    answered.set()

    assert DEADLINE <= took <= DEADLINE + GRACE
    assert not error.sent


def test_an_answer_within_the_deadline_is_an_answer_however_slow(serve, client):
    server = serve(drip(http(b"slow"), pause=0.005))

    assert client.send(Request("GET", server.url), timeout=10).body == b"slow"


def test_each_attempt_has_its_own_deadline(serve, client):
    """A connection that is used again does not remember when the attempt before had to end."""
    server = serve(lambda server, connection: [drip(http(b"x"), 0.003)(server, connection) for _ in range(4)])

    for _ in range(4):
        client.send(Request("GET", server.url), timeout=1.0)

    assert server.connections == 1


def test_row_11_what_arrives_after_the_deadline_is_never_the_next_answer(serve, client):
    def late(server, connection):
        server.read_request(connection)
        if len(server.requests) == 1:
            time.sleep(DEADLINE * 1.5)
            connection.sendall(http(b"late"))
        else:
            connection.sendall(http(b"mine"))

    server = serve(late)
    end_of(client, Request("POST", server.url))

    assert client.send(Request("GET", server.url)).body == b"mine"


def test_p6_every_attempt_of_many_at_once_ends_in_time(serve, connect):
    """Short of the 200; AUM_DEADLINE_TRIES=25 makes them."""
    client = connect()
    urls = [serve(answer).url for name, (answer, _) in STALLS.items() if name != "our body is not read"]

    for _ in range(TRIES):
        started = time.monotonic()
        results = client.send_all([Request("POST", url, body=b"{}") for url in urls * 2], DEADLINE)
        took = time.monotonic() - started

        assert all(isinstance(result, TransportError) and result.sent for result in results)
        assert DEADLINE <= took <= DEADLINE + GRACE

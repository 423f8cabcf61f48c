"""The emulator speaks HTTP as a real server does, and its faults happen on the socket."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from aumconnect.errors import ConfigurationError
from aumconnect.testing.emulator import Limits, Pace, serve
from aumconnect.wire import Delay, Drip, Drop, Headers, Request, Response, Truncate


def echo(request: Request) -> Response:
    said = {
        "method": request.method,
        "url": request.url,
        "headers": list(request.headers.pairs()),
        "body": request.body.decode(),
    }
    return Response(200, Headers({"Content-Type": "application/json"}), json.dumps(said).encode())


def answering(response: Response):
    return lambda request: response


@pytest.fixture(scope="module")
def emulator():
    with serve(echo, limits=Limits(head=8192, body=100_000, idle=5)) as running:
        yield running


def raw(url: str, data: bytes) -> bytes:
    """Everything the server says to these bytes until it closes."""
    with contextlib.closing(connected(url)) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def connected(url: str) -> socket.socket:
    address = urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


class TestHTTP:
    def test_a_request_arrives_as_it_was_sent(self, emulator):
        reply = httpx.post(f"{emulator.url}/a/b?c=%20d", content="é", headers={"X-Mixed-Case": "1"}).json()

        assert reply["method"] == "POST"
        assert reply["url"] == f"{emulator.url}/a/b?c=%20d"
        assert reply["body"] == "é"
        assert ["X-Mixed-Case", "1"] in reply["headers"]

    def test_the_url_carries_the_host_the_client_asked_for(self, emulator):
        reply = httpx.get(f"{emulator.url}/x", headers={"Host": "acme.my.salesforce.com"}).json()

        assert reply["url"] == "http://acme.my.salesforce.com/x"

    def test_a_connection_serves_many_requests(self, emulator):
        with contextlib.closing(connected(emulator.url)) as sock:
            for _ in range(3):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")

    def test_pipelined_requests_are_answered_in_order(self, emulator):
        said = raw(emulator.url, b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5)))

        assert [said.find(b"http://x/%d" % number) for number in range(5)] == sorted(
            said.find(b"http://x/%d" % number) for number in range(5)
        )
        assert said.count(b"HTTP/1.1 200 OK") == 5

    def test_chunked_requests_are_put_together(self, emulator):
        reply = httpx.post(emulator.url, content=iter([b"one ", b"two ", b"three"])).json()

        assert reply["body"] == "one two three"
        assert ["Transfer-Encoding", "chunked"] in reply["headers"]

    def test_chunked_answers_are_sent_when_the_fake_says_so(self):
        reply = Response(200, Headers({"Transfer-Encoding": "chunked"}), b"in pieces")
        with serve(answering(reply)) as emulator:
            got = httpx.get(emulator.url)

        assert got.text == "in pieces"
        assert "content-length" not in got.headers

    def test_head_has_no_body_but_its_length(self, emulator):
        got = httpx.head(emulator.url)

        assert got.status_code == 200
        assert int(got.headers["content-length"]) > 0

    def test_an_answer_of_204_has_no_length(self):
        with serve(answering(Response(204))) as emulator:
            got = httpx.patch(emulator.url)

        assert got.status_code == 204
        assert "content-length" not in got.headers

    def test_repeated_header_fields_stay_apart(self):
        reply = Response(200, Headers([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]))
        with serve(answering(reply)) as emulator:
            got = httpx.get(emulator.url)

        assert got.headers.get_list("set-cookie") == ["a=1", "b=2"]

    def test_waiting_for_100_continue_is_answered(self, emulator):
        with contextlib.closing(connected(emulator.url)) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 100 ")
            sock.sendall(b"hi")
            assert b"200 OK" in sock.recv(65536)

    def test_every_answer_is_dated_unless_the_fake_dates_it(self, emulator):
        assert httpx.get(emulator.url).headers["date"].endswith(" GMT")

        dated = Response(200, Headers({"Date": "Tue, 15 Nov 1994 08:12:31 GMT"}))
        with serve(answering(dated)) as other:
            assert httpx.get(other.url).headers.get_list("date") == ["Tue, 15 Nov 1994 08:12:31 GMT"]

    def test_http_1_0_is_answered_and_closed(self, emulator):
        assert b"200 OK" in raw(emulator.url, b"GET / HTTP/1.0\r\n\r\n")

    def test_tls_by_option(self, tmp_path):
        authority = trustme.CA()
        certificate = tmp_path / "server.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        context = ssl.create_default_context()
        authority.configure_trust(context)

        with serve(echo, certfile=certificate) as emulator:
            reply = httpx.get(emulator.url, verify=context).json()

        assert emulator.url.startswith("https://127.0.0.1:")
        assert reply["url"] == f"{emulator.url}/"


class TestFaults:
    def test_drop_closes_without_a_byte(self):
        with serve(answering(Response(200, fault=Drop()))) as emulator:
            assert raw(emulator.url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
            with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
                httpx.get(emulator.url)

    def test_truncate_promises_more_than_it_sends(self):
        with serve(answering(Response(200, body=b"0123456789", fault=Truncate(4)))) as emulator:
            head, _, body = raw(emulator.url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
            assert b"Content-Length: 10" in head
            assert body == b"0123"
            with pytest.raises(httpx.RemoteProtocolError, match="received 4 bytes, expected 10"):
                httpx.get(emulator.url)

    def test_a_truncated_chunked_answer_never_ends(self):
        reply = Response(200, Headers({"Transfer-Encoding": "chunked"}), b"0123456789", fault=Truncate(4))
        with serve(answering(reply)) as emulator, pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            httpx.get(emulator.url)

    def test_truncate_to_nothing_still_sends_the_head(self):
        with serve(answering(Response(200, body=b"0123456789", fault=Truncate(0)))) as emulator:
            assert raw(emulator.url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\n")

    def test_drip_sends_one_byte_at_a_time(self):
        with (
            serve(answering(Response(200, body=b"slow", fault=Drip(0.005)))) as emulator,
            contextlib.closing(connected(emulator.url)) as sock,
        ):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            pieces = list(iter(lambda: sock.recv(65536), b""))

        assert b"".join(pieces).endswith(b"\r\n\r\nslow")
        assert max(map(len, pieces)) < 10  # a few may meet in the kernel
        assert len(pieces) > 20

    def test_a_drip_ends_with_the_peer(self):
        with serve(answering(Response(200, body=b"x" * 10_000, fault=Drip(0.01)))) as emulator:
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(emulator.url, timeout=httpx.Timeout(5, read=0.001))
            assert httpx.head(emulator.url, timeout=20).status_code == 200

    def test_delay_is_real_time(self):
        with serve(answering(Response(200, fault=Delay(0.2)))) as emulator:
            started = time.monotonic()
            httpx.get(emulator.url)

        assert time.monotonic() - started >= 0.2

    @pytest.mark.parametrize("pace", [Pace(scale=0.001), Pace(longest=0.05)], ids=["scaled", "limited"])
    def test_long_delays_can_be_shortened(self, pace):
        with serve(answering(Response(200, fault=Delay(60))), pace=pace) as emulator:
            started = time.monotonic()
            httpx.get(emulator.url)

        assert 0.05 <= time.monotonic() - started < 5

    def test_other_connections_go_on_during_a_delay(self):
        def sometimes_late(request: Request) -> Response:
            return Response(200, fault=Delay(30) if "late" in request.url else None)

        with ThreadPoolExecutor() as pool, serve(sometimes_late) as emulator:
            late = pool.submit(httpx.get, f"{emulator.url}/late", timeout=60)
            started = time.monotonic()
            assert httpx.get(emulator.url).status_code == 200
            assert time.monotonic() - started < 5
            assert not late.done()

    def test_a_503_keeps_the_connection(self):
        with (
            serve(answering(Response(503, Headers({"Retry-After": "7"}), b"busy"))) as emulator,
            httpx.Client() as client,
        ):
            got = [client.get(emulator.url) for _ in range(3)]

        assert [reply.status_code for reply in got] == [503] * 3
        assert got[0].headers["retry-after"] == "7"


class TestUnfriendlyPeers:
    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 nonsense\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n\r\n", 400),  # RFC 9112 §3.2: no Host
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            (b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 431),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"z" * 200_000, 413),
        ],
        ids=[
            "TLS",
            "no host",
            "two hosts",
            "no path",
            "bad name",
            "two lengths",
            "bad chunk",
            "coding",
            "head",
            "body",
        ],
    )
    def test_nonsense_is_refused_and_the_server_goes_on(self, emulator, data, status):
        said = raw(emulator.url, data)

        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert b"Connection: close" in said
        assert httpx.get(emulator.url).status_code == 200

    def test_garbage_after_a_good_request_leaves_its_answer_alone(self, emulator):
        said = raw(emulator.url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01\x02garbage\r\n\r\n")

        assert said.startswith(b"HTTP/1.1 200 OK")
        assert b"HTTP/1.1 400 " in said

    def test_half_a_request_is_no_request(self):
        asked = []
        with serve(lambda request: asked.append(request) or Response(200)) as emulator:
            raw(emulator.url, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")

        assert asked == []

    def test_an_idle_connection_is_closed(self):
        with (
            serve(echo, limits=Limits(idle=0.05)) as emulator,
            contextlib.closing(connected(emulator.url)) as sock,
        ):
            sock.sendall(b"GET / HTT")
            assert sock.recv(65536) == b""


class TestLife:
    def test_it_binds_loopback_unless_told(self):
        with serve(echo) as emulator:
            assert emulator.url.startswith("http://127.0.0.1:")

    def test_an_empty_host_is_refused(self):
        with pytest.raises(ConfigurationError, match="every network interface"), serve(echo, ""):
            pass

    def test_a_taken_port_is_told_at_once(self, emulator):
        with pytest.raises(ConfigurationError, match="in use"), serve(echo, port=urlsplit(emulator.url).port):
            pass

    def test_an_option_it_does_not_know_is_refused(self):
        with pytest.raises(TypeError, match="'tls'"), serve(echo, tls=True):
            pass

    def test_it_ends_with_connections_open(self):
        with serve(echo) as emulator:
            sockets = [connected(emulator.url) for _ in range(20)]
            assert httpx.get(emulator.url).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(emulator.url)
        for sock in sockets:
            sock.close()

    def test_the_fake_is_never_called_twice_at_a_time(self):
        inside = threading.Semaphore(1)

        def careful(request: Request) -> Response:
            assert inside.acquire(blocking=False)
            time.sleep(0.001)
            inside.release()
            return Response(200)

        with serve(careful) as emulator, ThreadPoolExecutor(16) as pool, httpx.Client() as client:
            got = list(pool.map(lambda _: client.get(emulator.url).status_code, range(200)))

        assert got == [200] * 200

    def test_hundreds_of_connections_wait_together(self):
        with serve(echo, latency=0.3) as emulator, contextlib.ExitStack() as stack:
            started = time.monotonic()
            sockets = [stack.enter_context(contextlib.closing(connected(emulator.url))) for _ in range(300)]
            for sock in sockets:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert all(sock.recv(65536).startswith(b"HTTP/1.1 200 OK") for sock in sockets)

        assert time.monotonic() - started < 30  # one after the other it would be 90

    def test_holding_the_lock_holds_the_fake(self):
        with serve(echo) as emulator, ThreadPoolExecutor() as pool:
            with emulator.lock:
                waiting = pool.submit(httpx.get, emulator.url)
                time.sleep(0.05)
                assert not waiting.done()
            assert waiting.result().status_code == 200

    def test_a_fake_that_raises_answers_500_and_fails_the_block(self):
        def broken(request: Request) -> Response:
            raise KeyError("a mistake")

        with pytest.raises(ExceptionGroup) as raised, serve(broken) as emulator:  # noqa: PT012
            assert httpx.get(emulator.url).status_code == 500
            assert "mistake" not in httpx.get(emulator.url).text
        assert [str(error) for error in raised.value.exceptions] == ["'a mistake'", "'a mistake'"]

    def test_an_answer_that_is_no_http_fails_the_block(self):
        reply = Response(200, Headers({"Bad Name": "x"}))
        with (
            pytest.raises(ExceptionGroup),
            serve(answering(reply)) as emulator,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            httpx.get(emulator.url)

    def test_run_serves_until_interrupted(self):
        program = "from aumconnect.testing.emulator import run\nfrom aumconnect.wire import Response\n"
        program += "run(lambda request: Response(204), ready=lambda url: print(url, flush=True))"
        with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
            url = process.stdout.readline().strip()
            assert httpx.get(url).status_code == 204
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0

    def test_latency_comes_before_every_answer(self):
        with serve(echo, latency=0.1) as emulator:
            started = time.monotonic()
            httpx.get(emulator.url)

        assert time.monotonic() - started >= 0.1

"""Both transports behind one way to send."""

from __future__ import annotations

import asyncio
import ssl
import threading

import pytest
import trustme
from raw_server import RawServer

from aumconnect._http import AsyncHTTPTransport, HTTPTransport
from aumconnect.errors import AumconnectError
from aumconnect.wire import Request


@pytest.fixture
def serve():
    servers = []

    def start(answer, **options):
        servers.append(RawServer(answer, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class Sync:
    """The blocking transport."""

    name = "sync"

    def __init__(self, **options):
        self.transport = HTTPTransport(**options)

    def send(self, request, timeout=10.0):
        return self.transport.send(request, timeout=timeout)

    def send_all(self, requests, timeout=10.0):
        """All at once; what each gave or raised."""
        results = [None] * len(requests)

        def one(index):
            try:
                results[index] = self.send(requests[index], timeout)
            except AumconnectError as error:
                results[index] = error

        threads = [threading.Thread(target=one, args=(index,)) for index in range(len(requests))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def close(self):
        self.transport.close()


class Async:
    """The event loop's transport, driven from outside of the loop."""

    name = "async"

    def __init__(self, **options):
        self.transport = AsyncHTTPTransport(**options)
        self._runner = asyncio.Runner()

    def send(self, request, timeout=10.0):
        return self._runner.run(self.transport.send(request, timeout=timeout))

    def send_all(self, requests, timeout=10.0):
        async def gather():
            sends = [self.transport.send(request, timeout=timeout) for request in requests]
            return await asyncio.gather(*sends, return_exceptions=True)

        return self._runner.run(gather())

    def close(self):
        self._runner.run(self.transport.close())
        self._runner.close()


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def connect(request):
    """Opens the transport under test with options; tests that take this run for both."""
    opened = []

    def start(**options):
        opened.append(request.param(**options))
        return opened[-1]

    yield start
    for transport in opened:
        transport.close()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def post():
    """A request that must not be repeated."""
    return lambda url, body=b"{}", **options: Request("POST", url, body=body, **options)


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority, tmp_path):
    """Makes a server's TLS context from a certificate (default: one for 127.0.0.1 by `authority`)."""

    def make(certificate=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (certificate or authority.issue_cert("127.0.0.1", "localhost")).configure_cert(context)
        return context

    return make


@pytest.fixture
def authority_file(authority, tmp_path):
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path

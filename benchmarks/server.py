"""A Salesforce-like server of constant cost: it counts what it is sent and answers from prepared bytes.

It checks nothing, so that what a benchmark measures is the client. It takes collections and single upserts,
answers a login, a describe and an identity, and tells its counters: requests, records, and the sum of the
keys (decimal numbers in ``Ext__c``), by which a benchmark proves that each record arrived once.

    python -m benchmarks.server --core 0 --latency 0.02      # prints its URL; GET /counters
    python -m benchmarks.server --ceiling                    # how fast it is itself
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

KEY = re.compile(rb'"Ext__c":\s*"(\d+)"')
FIELDS = {
    "Id": {"type": "id", "length": 18, "idLookup": True},
    "Ext__c": {
        "type": "string",
        "length": 40,
        "externalId": True,
        "unique": True,
        "createable": True,
        "updateable": True,
    },
    "Score__c": {"type": "double", "precision": 18, "scale": 6, "createable": True, "updateable": True},
    "Band__c": {
        "type": "picklist",
        "createable": True,
        "updateable": True,
        "picklistValues": [{"value": value, "label": value, "active": True} for value in ("low", "mid", "high")],
    },
}


def _http(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@functools.cache
def _results(count: int) -> bytes:
    row = {"id": "003000000000001AAA", "success": True, "errors": [], "created": True}
    return _http(json.dumps([row] * count).encode())


_SINGLE = _http(
    json.dumps({"id": "003000000000001AAA", "success": True, "errors": [], "created": True}).encode(), "201 Created"
)
_DESCRIBE = _http(
    json.dumps(
        {
            "name": "Contact",
            "label": "Contact",
            "fields": [{"name": name, "label": name, "nillable": True, **field} for name, field in FIELDS.items()],
        }
    ).encode()
)


class Counters:
    """What arrived, and how long to wait before answering a write (seconds)."""

    def __init__(self, latency: float) -> None:
        self.url = ""
        self.reset(latency)

    def reset(self, latency: float) -> None:
        self.latency = latency
        self.requests = self.records = self.key_sum = 0

    def count(self, keys: list[bytes]) -> None:
        self.requests += 1
        self.records += len(keys)
        self.key_sum += sum(map(int, keys))


class Connection(asyncio.Protocol):
    """One client's connection; requests on it come one after another."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._data = b""
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while len(self._data) >= self._needed and (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            size = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            self._needed = end + 4 + (int(size[1]) if size else 0)
            if len(self._data) < self._needed:
                return
            body, self._data, self._needed = self._data[end + 4 : self._needed], self._data[self._needed :], 0
            method, target, _ = head.partition(b"\r\n")[0].split(b" ")
            self._answer(method, target.decode(), body)

    def _answer(self, method: bytes, target: str, body: bytes) -> None:
        if "/composite/sobjects" in target and method != b"GET":
            keys = KEY.findall(body)
            self._counters.count(keys)
            self._later(_results(len(keys)))
        elif method == b"PATCH":
            self._counters.count([target.rpartition("/")[2].encode()])
            self._later(_SINGLE)
        else:
            self._transport.write(self._other(target))

    def _later(self, answer: bytes) -> None:
        if self._counters.latency:
            asyncio.get_running_loop().call_later(self._counters.latency, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def _other(self, target: str) -> bytes:
        parts, counters = urlsplit(target), self._counters
        if parts.path == "/counters":
            return _http(
                json.dumps(
                    {"requests": counters.requests, "records": counters.records, "key_sum": counters.key_sum}
                ).encode()
            )
        if parts.path == "/reset":
            counters.reset(float(parse_qs(parts.query)["latency"][0]))
            return _http(b"{}")
        if parts.path.endswith("/describe") or parts.path.endswith("/describe/"):
            return _DESCRIBE
        if parts.path.endswith("/oauth2/token"):
            return _http(
                json.dumps({"access_token": "token", "instance_url": counters.url, "token_type": "Bearer"}).encode()
            )
        if parts.path.endswith("/userinfo"):
            who = {
                "organization_id": "00D000000000001AAA",
                "user_id": "005000000000001AAA",
                "preferred_username": "bench",
            }
            return _http(json.dumps(who).encode())
        return _http(b"[]", "404 Not Found")


async def _serve(counters: Counters) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(counters), "127.0.0.1", 0, backlog=256)
    counters.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(counters.url, flush=True)
    await server.serve_forever()


# --- for whoever measures --------------------------------------------------------------------------------


class Server:
    """The server in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def reset(self, latency: float) -> None:
        """Forget the counts; answer writes after ``latency`` seconds from now on."""
        self._get(f"/reset?latency={latency}")

    def counters(self) -> dict[str, int]:
        counters: dict[str, int] = self._get("/counters")
        return counters

    def _get(self, path: str) -> Any:
        with urlopen(self.url + path) as answer:
            return json.load(answer)

    def check(self, records: int) -> None:
        """Raises unless the keys 1 to ``records`` arrived once each."""
        seen = self.counters()
        if (seen["records"], seen["key_sum"]) != (records, records * (records + 1) // 2):
            raise AssertionError(f"not every record arrived once: {seen}, expected {records}")


@contextmanager
def running(core: int | None = 0) -> Iterator[Server]:
    """A server pinned to ``core``, stopped at the end."""
    command = [sys.executable, "-m", "benchmarks.server", *(["--core", str(core)] if core is not None else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Server(process.stdout.readline().strip())
        finally:
            process.kill()


def ceiling(server: Server, seconds: float = 2.0, connections: int = 10, batch: int = 200) -> float:
    """Records a second that the server takes from prepared bytes over bare sockets."""
    rows = [
        {"attributes": {"type": "Contact"}, "Ext__c": str(key), "Score__c": 0.5, "Band__c": "low"}
        for key in range(batch)
    ]
    body = json.dumps({"allOrNone": False, "records": rows}).encode()
    head = f"PATCH /composite/sobjects/Contact/Ext__c HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    host, port = server.url.removeprefix("http://").split(":")
    until = time.perf_counter() + seconds

    def pump() -> None:
        with socket.create_connection((host, int(port))) as sock:
            while time.perf_counter() < until:
                sock.sendall(head.encode() + body)
                left = len(_results(batch))
                while left:
                    left -= len(sock.recv(left))

    threads = [threading.Thread(target=pump) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return server.counters()["records"] / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--ceiling", action="store_true")
    arguments = parser.parse_args()
    if arguments.ceiling:
        with running() as server:
            print(f"{ceiling(server):,.0f} records/s in collections of 200")
        return
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    asyncio.run(_serve(Counters(arguments.latency)))


if __name__ == "__main__":
    main()

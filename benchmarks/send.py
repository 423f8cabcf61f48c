"""How to send: the same 500 collections of 200 records by ten workers, through one HTTP stack after another.

python -m benchmarks.send [--records 100000] [--runs 3]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import queue
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import harness
from benchmarks.records import PATH, batches, contact, predictions
from benchmarks.server import Server, running

WORKERS = 10
JSON = {"Content-Type": "application/json", "Authorization": "Bearer token"}
Send = Callable[[bytes], bytes]
AsyncSend = Callable[[bytes], Awaitable[bytes]]


def collection(batch: list[dict[str, Any]]) -> dict[str, Any]:
    return {"allOrNone": False, "records": [contact(row) for row in batch]}


def body_of(batch: list[dict[str, Any]]) -> bytes:
    return json.dumps(collection(batch)).encode()


def check(results: list[dict[str, Any]]) -> None:
    """Read the outcome of every record."""
    if not all(result["success"] for result in results):
        raise AssertionError("a record was refused")


# --- ten threads -----------------------------------------------------------------------------------------


def in_threads(rows: list[dict[str, Any]], writer: Callable[[], Callable[[Any], None]]) -> None:
    """Each thread makes a writer of its own and takes batches until there are none."""
    waiting: queue.SimpleQueue[list[dict[str, Any]] | None] = queue.SimpleQueue()
    for batch in [*batches(rows), *[None] * WORKERS]:
        waiting.put(batch)

    def work() -> None:
        write = writer()
        while (batch := waiting.get()) is not None:
            write(batch)

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def over_threads(rows: list[dict[str, Any]], sender: Callable[[], Send]) -> None:
    def writer() -> Callable[[list[dict[str, Any]]], None]:
        send = sender()
        return lambda batch: check(json.loads(send(body_of(batch))))

    in_threads(rows, writer)


def simple_salesforce_collections(url: str, rows: list[dict[str, Any]]) -> None:
    from benchmarks.peers import salesforce

    path, sf = PATH.partition("v62.0/")[2], salesforce(url)
    in_threads(rows, lambda: lambda batch: check(sf.restful(path, method="PATCH", json=collection(batch))))


def httpx_client_own_context(url: str, rows: list[dict[str, Any]]) -> None:
    import httpx

    over_threads(rows, lambda: _client(httpx.Client(), url))


def httpx_client_shared_context(url: str, rows: list[dict[str, Any]]) -> None:
    import httpx

    context = httpx.create_ssl_context()
    over_threads(rows, lambda: _client(httpx.Client(verify=context), url))


def _client(client: Any, url: str) -> Send:
    return lambda body: client.patch(url + PATH, content=body, headers=JSON).content


def httpx_transport(url: str, rows: list[dict[str, Any]]) -> None:
    import httpx

    context = httpx.create_ssl_context()

    def sender() -> Send:
        transport = httpx.HTTPTransport(verify=context, limits=httpx.Limits(max_connections=1))

        def send(body: bytes) -> bytes:
            request = httpx.Request("PATCH", url + PATH, headers=JSON, content=body)
            response = transport.handle_request(request)
            return response.read()

        return send

    over_threads(rows, sender)


def aumconnect_transport(url: str, rows: list[dict[str, Any]]) -> None:
    from aumconnect._http import HTTPTransport
    from aumconnect.wire import Request

    transport = HTTPTransport()
    over_threads(rows, lambda: lambda body: transport.send(Request("PATCH", url + PATH, JSON, body), timeout=60).body)


def bare_sockets(url: str, rows: list[dict[str, Any]]) -> None:
    """The floor: no HTTP library, an answer's length taken on trust."""
    host, port = url.removeprefix("http://").split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in {**JSON, "Host": f"{host}:{port}"}.items())

    def sender() -> Send:
        sock = socket.create_connection((host, int(port)))

        def send(body: bytes) -> bytes:
            sock.sendall(f"PATCH {PATH} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            data = sock.recv(1 << 16)
            start = data.index(b"\r\n\r\n") + 4
            size = int(data[: start - 4].rpartition(b": ")[2])
            while len(data) < start + size:
                data += sock.recv(1 << 16)
            return data[start:]

        return send

    over_threads(rows, sender)


# --- ten tasks -------------------------------------------------------------------------------------------


def in_tasks(rows: list[dict[str, Any]], sender: Callable[[], AsyncSend]) -> None:
    async def work(source: Any) -> None:
        send = sender()
        for batch in source:
            check(json.loads(await send(body_of(batch))))

    async def main() -> None:
        source = batches(rows)
        await asyncio.gather(*(work(source) for _ in range(WORKERS)))

    asyncio.run(main())


def httpx_async_client(url: str, rows: list[dict[str, Any]]) -> None:
    import httpx

    context = httpx.create_ssl_context()

    def sender() -> AsyncSend:
        client = httpx.AsyncClient(verify=context)

        async def send(body: bytes) -> bytes:
            return (await client.patch(url + PATH, content=body, headers=JSON)).content

        return send

    in_tasks(rows, sender)


def httpx_async_transport(url: str, rows: list[dict[str, Any]]) -> None:
    import httpx

    context = httpx.create_ssl_context()

    def sender() -> AsyncSend:
        transport = httpx.AsyncHTTPTransport(verify=context, limits=httpx.Limits(max_connections=1))

        async def send(body: bytes) -> bytes:
            request = httpx.Request("PATCH", url + PATH, headers=JSON, content=body)
            response = await transport.handle_async_request(request)
            return await response.aread()

        return send

    in_tasks(rows, sender)


def aumconnect_async_transport(url: str, rows: list[dict[str, Any]]) -> None:
    from aumconnect._http import AsyncHTTPTransport
    from aumconnect.wire import Request

    transport = AsyncHTTPTransport()

    def sender() -> AsyncSend:
        async def send(body: bytes) -> bytes:
            return (await transport.send(Request("PATCH", url + PATH, JSON, body), timeout=60)).body

        return send

    in_tasks(rows, sender)


WAYS = {
    "simple-salesforce, collections, 10 threads": simple_salesforce_collections,
    "httpx.Client a thread, each its own TLS context": httpx_client_own_context,
    "httpx.Client a thread, one shared TLS context": httpx_client_shared_context,
    "httpx.HTTPTransport a thread": httpx_transport,
    "aumconnect HTTPTransport": aumconnect_transport,
    "bare sockets": bare_sockets,
    "httpx.AsyncClient a task": httpx_async_client,
    "httpx.AsyncHTTPTransport a task": httpx_async_transport,
    "aumconnect AsyncHTTPTransport": aumconnect_async_transport,
}


def compare(records: int, runs: int, server: Server) -> str:
    """Medians for every way: wall at 20 ms latency, CPU at none."""
    walls: dict[str, list[harness.Figures]] = {way: [] for way in WAYS}
    cpus: dict[str, list[harness.Figures]] = {way: [] for way in WAYS}
    for _ in range(runs):
        for way in WAYS:
            for figures, latency in ((walls, 0.02), (cpus, 0.0)):
                server.reset(latency)
                figures[way].append(
                    harness.run_once(__spec__.name, "--way", way, "--url", server.url, "--records", records)
                )
                server.check(records)
    floor = records / 200 / WORKERS * 0.02
    rows = [(way, f"{harness.medians(walls[way]).wall:.2f}", f"{harness.medians(cpus[way]).cpu:.2f}") for way in WAYS]
    return harness.table(["way", f"wall s at 20 ms (floor {floor:.1f})", "CPU s at 0 ms"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--url")
    arguments = parser.parse_args()
    if arguments.way:
        harness.pin()
        rows = predictions(arguments.records)
        WAYS[arguments.way](arguments.url, [])  # imports what it needs
        harness.report(harness.measure(lambda: WAYS[arguments.way](arguments.url, rows)))
        return
    with running() as server:
        print(compare(arguments.records, arguments.runs, server))


if __name__ == "__main__":
    main()

"""A server that speaks bytes, so that it can speak them wrong."""

from __future__ import annotations

import contextlib
import socket
import threading


class RawServer:
    """Hands every connection to ``answer(server, connection)`` on a thread of its own; keeps what came in."""

    def __init__(self, answer, *, tls=None):
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self.connections = 0
        self.requests = []
        self.received = threading.Event()
        self.stopping = threading.Event()
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection):
        with contextlib.suppress(OSError), contextlib.closing(connection):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                self._answer(self, connection)

    def read_request(self, connection):
        """One whole request as bytes, kept in ``requests``; b"" when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        size = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < size:
            more = connection.recv(65536)
            if not more:
                return b""
            body += more
        self.requests.append(head + b"\r\n\r\n" + body)
        self.received.set()
        return self.requests[-1]

    def close(self):
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def http(body=b"", *, status="200 OK", headers=()):
    """An answer as bytes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(answer):
    """Answer every request of every connection with the same bytes."""

    def converse(server, connection):
        while server.read_request(connection):
            connection.sendall(answer)

    return converse


def once(answer, then=lambda connection: None):
    """Read one request, send some bytes, do ``then``, close."""

    def converse(server, connection):
        server.read_request(connection)
        connection.sendall(answer)
        then(connection)

    return converse


def reset(connection):
    """Make closing send RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def silent(server, connection):
    """Take a request and say nothing."""
    server.read_request(connection)
    server.stopping.wait()

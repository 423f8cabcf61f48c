"""HTTP, on httpx's transports. Nothing outside this folder imports httpx or httpcore.

======================  ===================================================================
`transport`             `HTTPTransport` and `AsyncHTTPTransport`: lines to origins, one request at a time each
`connecting`            how a line is opened: proxy, TLS, deadline
`deadline`              sockets held to the total time of an attempt
`tls`                   whom we trust, and why a server was not trusted
`messages`              our `Request` as httpx's, httpx's answer as our `Response`
`decode`                answer bodies under a limit
`failures`              httpx's exceptions as `TransportError`
======================  ===================================================================
"""

from aumconnect._http.transport import AsyncHTTPTransport, HTTPTransport

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]

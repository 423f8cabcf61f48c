"""Who is trusted, who is not and why, and what a proxy gets to see."""

from __future__ import annotations

import datetime as dt
import select
import socket
import ssl
from contextlib import suppress

import pytest
import trustme
from raw_server import always, http

from aumconnect._http import HTTPTransport
from aumconnect._http.tls import context_for
from aumconnect.errors import ConfigurationError, TransportError
from aumconnect.wire import Request

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def refusal(client, server, host="127.0.0.1"):
    with pytest.raises(TransportError) as refused:
        client.send(Request("POST", f"https://{host}:{server.port}/", {"Authorization": "Bearer x"}, b"{}"))
    assert not refused.value.sent
    assert refused.value.permanent
    assert refused.value.__context__ is None
    assert server.requests == []
    return str(refused.value)


def test_a_private_authority_is_trusted_when_named(serve, connect, tls, authority_file):
    server = serve(always(http(b"safe")), tls=tls())
    client = connect(verify=authority_file)

    assert [client.send(Request("GET", server.url)).body for _ in range(3)] == [b"safe"] * 3
    assert server.connections == 1


def test_row_4_an_unknown_authority(serve, client, tls):
    assert "unknown authority" in refusal(client, serve(always(http()), tls=tls()))


def test_row_4_an_expired_certificate(serve, connect, tls, authority, authority_file):
    expired = authority.issue_cert("127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO + dt.timedelta(days=90))

    text = refusal(connect(verify=authority_file), serve(always(http()), tls=tls(expired)))

    assert "has expired" in text
    assert "must renew it" in text


def test_row_4_a_certificate_of_another_host(serve, connect, tls, authority, authority_file):
    other = authority.issue_cert("other.example")
    client, server = connect(verify=authority_file), serve(always(http()), tls=tls(other))

    assert "for another" in refusal(client, server)
    assert "for another host" in refusal(client, server, host="localhost")


def test_row_4_a_self_signed_certificate(serve, client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    alone = trustme.CA(organization_name="127.0.0.1")
    with trustme.Blob(alone.private_key_pem.bytes() + alone.cert_pem.bytes()).tempfile() as path:
        context.load_cert_chain(path)

    assert "self-signed" in refusal(client, serve(always(http()), tls=context))


def test_row_5_and_s14_a_server_of_tls_1_1_only(serve, connect, tls, authority_file):
    context = tls()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    assert "no TLS as new as 1.2" in refusal(connect(verify=authority_file), serve(always(http()), tls=context))


def test_a_server_that_speaks_plain_http_on_the_port(serve, client):
    def answers(server, connection):
        connection.recv(10_000)
        connection.sendall(http(status="400 Bad Request"))

    assert "does not speak TLS" in refusal(client, serve(answers))


def test_tls_1_2_is_the_least_for_every_kind_of_context(authority_file):
    for context in (context_for(True, None), context_for(authority_file, None)):
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_public_authorities_are_loaded_once_for_all():
    assert context_for(True, None) is context_for(True, None)


def test_certificates_cannot_be_left_unchecked():
    with pytest.raises(ConfigurationError, match="always checked"):
        HTTPTransport(verify=False)


@pytest.mark.parametrize("option", ["verify", "cert"])
def test_a_wrong_path_is_found_before_the_first_request(option, tmp_path):
    with pytest.raises(ConfigurationError, match=r"nosuch\.pem cannot be loaded"):
        HTTPTransport(**{option: tmp_path / "nosuch.pem"})


def test_a_key_without_its_password_is_a_setting_to_mend(tmp_path):
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        HTTPTransport(cert=(tmp_path / "broken.pem", tmp_path / "broken.pem", "canary"))


def test_a_client_certificate_is_shown_when_asked_for(serve, connect, tls, authority, authority_file, tmp_path):
    context = tls()
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    mine = tmp_path / "mine.pem"
    authority.issue_cert("me@example.com").private_key_and_cert_chain_pem.write_to_path(mine)
    server = serve(always(http(b"known")), tls=context)

    assert connect(verify=authority_file, cert=mine).send(Request("GET", server.url)).body == b"known"


def test_a_directory_of_authorities_and_a_context_of_ones_own(serve, connect, tls, authority):
    server = serve(always(http(b"x")), tls=tls())
    context = ssl.create_default_context()
    authority.configure_trust(context)

    assert connect(verify=context).send(Request("GET", server.url)).body == b"x"


# --- proxies ---------------------------------------------------------------------------------------------


class Proxy:
    """A forwarding proxy: CONNECT opens a tunnel, anything else is answered as "via proxy"."""

    def __init__(self, serve, refuse=b""):
        self._refuse = refuse
        self.server = serve(self._answer)

    def _answer(self, server, connection):
        while request := server.read_request(connection):
            if self._refuse:
                connection.sendall(self._refuse)
            elif request.startswith(b"CONNECT "):
                self._tunnel(request, connection)
            else:
                connection.sendall(http(b"via proxy"))

    def _tunnel(self, request, connection):
        host, port = request.split()[1].decode().rsplit(":", 1)
        with socket.create_connection((host, int(port))) as upstream:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ends = {connection: upstream, upstream: connection}
            with suppress(ValueError):  # a socket that its other user has closed
                while True:
                    for end in select.select(list(ends), [], [], 10)[0]:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)


def test_plain_requests_go_through_the_proxy_with_its_credentials(serve, connect):
    proxy = Proxy(serve)

    reply = connect(proxy=f"http://me:secret@{proxy.server.host}").send(Request("GET", "http://crm.example.com/x"))

    assert reply.body == b"via proxy"
    assert proxy.server.requests[0].startswith(b"GET http://crm.example.com/x HTTP/1.1")
    assert b"Proxy-Authorization: Basic bWU6c2VjcmV0" in proxy.server.requests[0]


def test_https_goes_through_a_tunnel_that_sees_only_the_host(serve, connect, tls, authority_file):
    proxy, server = Proxy(serve), serve(always(http(b"end to end")), tls=tls())
    client = connect(proxy=proxy.server.url, verify=authority_file)

    replies = [client.send(Request("GET", f"{server.url}/x", {"Authorization": "canary"})).body for _ in range(2)]

    assert replies == [b"end to end"] * 2
    assert (proxy.server.connections, server.connections) == (1, 1)
    assert b"canary" not in b"".join(proxy.server.requests)
    assert proxy.server.requests[0].startswith(f"CONNECT {server.host} ".encode())


def test_a_proxy_that_refuses_says_why_and_nothing_was_sent(serve, connect):
    proxy = Proxy(serve, refuse=http(b"canary", status="407 Proxy Authentication Required canary"))

    with pytest.raises(TransportError, match=r"the proxy refused \(407\)") as refused:
        connect(proxy=proxy.server.url).send(Request("POST", "https://crm.example.com/"))

    assert not refused.value.sent
    assert refused.value.permanent
    assert "canary" not in str(refused.value)


def test_a_proxy_in_the_environment_is_used_only_when_told(serve, connect, monkeypatch):
    proxy, server = Proxy(serve), serve(always(http(b"direct")))
    monkeypatch.setenv("http_proxy", proxy.server.url)
    monkeypatch.setenv("no_proxy", "internal.example")

    assert connect().send(Request("GET", server.url)).body == b"direct"
    assert connect(trust_env=True).send(Request("GET", server.url)).body == b"via proxy"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert connect(trust_env=True).send(Request("GET", server.url)).body == b"direct"


@pytest.mark.parametrize("url", ["socks5://h:1", "https://h:1", "ftp://h", "h:3128", "http://user:canary@h:x"])
def test_a_proxy_we_cannot_use_is_named_without_its_password(url):
    with pytest.raises(ConfigurationError) as refused:
        HTTPTransport(proxy=url)

    assert "canary" not in str(refused.value)
    assert "host:port" in refused.value.hint

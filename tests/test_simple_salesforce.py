"""simple-salesforce's logins leave through our runner, and its objects share our session without their faults."""

import base64
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from simple_salesforce.api import Salesforce as NativeSalesforce

from aumconnect.auth import AccessToken, ClientCredentials, JWTBearer, Password, RefreshToken, Session, Token
from aumconnect.auth.session import TokenAccess
from aumconnect.connectors.salesforce import Adopted, Salesforce
from aumconnect.errors import (
    AuthenticationError,
    ConfigurationError,
    ErrorClass,
    ProtocolError,
    RequestRefused,
    Unavailable,
)
from aumconnect.protocols._simple_salesforce import native
from aumconnect.wire import Headers, Request, Response

SF = Salesforce("acme.my.salesforce.com")
TOKEN_URL = "https://acme.my.salesforce.com/services/oauth2/token"
SOAP_URL = "https://acme.my.salesforce.com/services/Soap/u/62.0"
GRANTED = Response(
    200, body=b'{"access_token":"00Dx!tok","instance_url":"https://acme.my.salesforce.com","issued_at":"1"}'
)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def asked(credential, connector=SF):
    exchange = connector.login(credential)
    return exchange, next(exchange)


def result(exchange, answer):
    with pytest.raises(StopIteration) as done:
        exchange.send(answer)
    return done.value.value


def form(request):
    return {name: values[0] for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items()}


# --- flows -----------------------------------------------------------------------------------------------


def test_client_credentials():
    exchange, request = asked(ClientCredentials("app:id", "s3cret"))

    assert (request.method, request.url, request.idempotent) == ("POST", TOKEN_URL, True)
    assert form(request) == {"grant_type": "client_credentials"}
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"app:id:s3cret"
    assert result(exchange, GRANTED) == Token("00Dx!tok", base_url="https://acme.my.salesforce.com")


@pytest.mark.parametrize("host", ["login", "test"])
def test_client_credentials_need_the_organisations_own_domain(host):
    with pytest.raises(ConfigurationError, match="not accepted at login"):
        asked(ClientCredentials("a", "b"), Salesforce(host))


@pytest.mark.parametrize(
    ("host", "audience"),
    [
        ("acme.my.salesforce.com", "https://login.salesforce.com"),
        ("login", "https://login.salesforce.com"),
        ("test", "https://test.salesforce.com"),
        ("acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
    ],
)
def test_jwt_bearer(host, audience):
    connector = Salesforce(host)
    exchange, request = asked(JWTBearer("app", "o'hara@acme.com", PEM), connector)

    assert request.url == f"{connector.base_url}/services/oauth2/token"
    assert form(request)["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(form(request)["assertion"], KEY.public_key(), ["RS256"], audience=audience)
    assert (claims["iss"], claims["sub"]) == ("app", "o'hara@acme.com")
    assert result(exchange, GRANTED).value == "00Dx!tok"


def test_jwt_audience_can_be_said():
    _, request = asked(JWTBearer("app", "me", PEM, audience="https://test.salesforce.com"))
    jwt.decode(form(request)["assertion"], KEY.public_key(), ["RS256"], audience="https://test.salesforce.com")
    with pytest.raises(ConfigurationError, match="audience"):
        asked(JWTBearer("app", "me", PEM, audience="https://evil.example"))


@pytest.mark.parametrize("key", ["no key", PEM[:200], ""])
def test_a_key_that_is_none_is_refused_without_being_quoted(key):
    with pytest.raises(ConfigurationError) as caught:
        asked(JWTBearer("app", "me", key))
    assert key[:40] not in str(caught.value) or not key
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_refresh_token():
    exchange, request = asked(RefreshToken(id="app", secret="s", token="5Aep"))

    assert request.url == TOKEN_URL
    assert form(request) == {
        "grant_type": "refresh_token",
        "refresh_token": "5Aep",
        "client_id": "app",
        "client_secret": "s",
    }
    rotated = GRANTED.body.replace(b'"issued_at":"1"', b'"refresh_token":"next"')
    token = result(exchange, Response(200, body=rotated))
    assert (token.value, token.refresh) == ("00Dx!tok", "next")


def test_a_public_client_refreshes_without_a_secret():
    _, request = asked(RefreshToken(id="app", token="5Aep"))
    assert "client_secret" not in form(request)


def test_the_password_grant():
    exchange, request = asked(Password("a&b@acme", "p<w", security_token="TOK", id="app", secret="s"))

    assert request.url == TOKEN_URL
    assert form(request) == {
        "grant_type": "password",
        "client_id": "app",
        "client_secret": "s",
        "username": "a&b@acme",
        "password": "p<wTOK",
    }
    assert result(exchange, GRANTED).value == "00Dx!tok"


LOGGED_IN = b"""<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns="urn:partner.soap.sforce.com"><soapenv:Body><loginResponse><result>
 <serverUrl>https://acme-api.my.salesforce.com/services/Soap/u/62.0/00D</serverUrl><sessionId>SID!</sessionId>
 </result></loginResponse></soapenv:Body></soapenv:Envelope>"""


@pytest.mark.parametrize(
    ("credential", "inside"),
    [
        (Password("a&b", "p<w", security_token="T<K"), "<n1:password>p&lt;wT&lt;K</n1:password>"),
        (Password("a&b", "p<w"), "<urn:password>p&lt;w</urn:password>"),
        (Password("a&b", "p<w", organization="00D&"), "<urn:organizationId>00D&amp;</urn:organizationId>"),
    ],
    ids=["security token", "known network", "organization"],
)
def test_soap_logins(credential, inside, caplog):
    """SF-9: still there for those who need it, with a warning, and never beyond the last version that has it."""
    exchange, request = asked(credential)

    assert (request.url, request.headers["SOAPAction"]) == (SOAP_URL, "login")
    assert request.headers["content-type"] == "text/xml"
    assert inside in request.body.decode()
    assert "SOAP login ends on 1 June 2027" in caplog.text
    assert result(exchange, Response(200, body=LOGGED_IN)) == Token("SID!", base_url="https://acme.my.salesforce.com")


def test_soap_login_is_asked_of_a_version_that_has_it():
    """SF-9."""
    _, request = asked(Password("a", "b"), Salesforce("acme", api_version="66.0"))
    assert request.url.endswith("/services/Soap/u/64.0")


def test_logins_go_where_the_settings_say():
    local = Salesforce("http://127.0.0.1:8080")
    exchange, request = asked(ClientCredentials("a", "b"), local)
    assert request.url == "http://127.0.0.1:8080/services/oauth2/token"
    answer = Response(200, body=b'{"access_token":"t","instance_url":"http://127.0.0.1:8080"}')
    assert result(exchange, answer).base_url == "http://127.0.0.1:8080"

    _, request = asked(JWTBearer("a", "b", PEM), Salesforce("acme", login_url="login"))
    assert request.url == "https://login.salesforce.com/services/oauth2/token"


def test_a_kind_salesforce_does_not_take_is_named():
    with pytest.raises(ConfigurationError, match="does not log in with AccessToken"):
        asked(AccessToken("t"))


# --- refusals --------------------------------------------------------------------------------------------


def error(code, description="", status=400):
    return Response(status, body=f'{{"error":"{code}","error_description":"{description}"}}'.encode())


@pytest.mark.parametrize("throw", [False, True], ids=["answered", "thrown in by retries"])
@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (error("invalid_grant", "user hasn't approved this consumer"), "pre-authorise"),
        (error("invalid_grant", "expired access/refresh token"), "authorise the application again"),
        (error("invalid_client_id", "client identifier invalid"), "consumer key"),
        (error("invalid_client", "invalid client credentials"), "key and secret"),
        (error("unsupported_grant_type", "grant type not supported"), "allow this flow"),
        (error("invalid_grant", "authentication failure"), "security token"),
    ],
)
def test_a_refused_login_says_what_to_do_and_quotes_nothing(answer, hint, throw, recwarn):
    exchange, _ = asked(ClientCredentials("a", "canary-secret"))
    with pytest.raises(AuthenticationError) as caught:
        exchange.throw(RequestRefused(ErrorClass.VALIDATION, answer)) if throw else exchange.send(answer)

    assert hint in caught.value.hint
    assert "canary" not in str(caught.value)
    assert "approved this consumer" not in str(caught.value)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("seconds", "words"), [(3600, "behind the server's"), (-3600, "ahead of the server's"), (5, None)]
)
def test_a_wrong_clock_is_named(seconds, words):
    """It is the most common reason why an assertion is refused."""
    exchange, _ = asked(JWTBearer("app", "me", PEM))
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    refused = Response(
        400, Headers({"Date": date}), b'{"error":"invalid_grant","error_description":"invalid assertion"}'
    )
    with pytest.raises(AuthenticationError) as caught:
        exchange.send(refused)
    assert (words or "check the certificate") in caught.value.hint


@pytest.mark.parametrize("answer", [error("something_new", "canary"), Response(400, body=b"<html>canary</html>")])
def test_words_nobody_knows_are_not_repeated(answer):
    exchange, _ = asked(ClientCredentials("a", "b"))
    with pytest.raises(AuthenticationError, match="HTTP 400") as caught:
        exchange.send(answer)
    assert "canary" not in str(caught.value)
    assert "something_new" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_login_host_that_is_down_is_not_a_refusal(status):
    exchange, _ = asked(ClientCredentials("a", "b"))
    with pytest.raises(Unavailable):
        exchange.send(Response(status, body=b"<html>"))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>canary</html>",
        b"[]",
        b"{}",
        b'{"access_token":"t"}',
        b'{"access_token":null,"instance_url":"https://acme.my.salesforce.com"}',
        b'{"access_token":"","instance_url":"https://acme.my.salesforce.com"}',
    ],
)
def test_a_login_answered_with_nonsense_is_a_breach(body):
    exchange, _ = asked(ClientCredentials("a", "b"))
    with pytest.raises(ProtocolError) as caught:
        exchange.send(Response(200, body=body))
    assert "canary" not in str(caught.value)


def test_a_soap_fault_says_what_to_do():
    fault = b"""<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
     xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault><detail><sf:LoginFault>
     <sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>canary</sf:exceptionMessage>
     </sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"""
    exchange, _ = asked(Password("a", "b"))
    with pytest.raises(AuthenticationError, match="INVALID_LOGIN") as caught:
        exchange.send(Response(500, body=fault))
    assert "security token" in caught.value.hint
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        b"<x/>",
        b"<broken",
        LOGGED_IN + b" " * (1 << 20),
    ],
    ids=["entities", "no session", "broken", "too large"],
)
def test_hostile_xml_is_not_parsed_for_long(body):
    exchange, _ = asked(Password("a", "b"))
    with pytest.raises(ProtocolError):
        exchange.send(Response(200, body=body))


# --- adopted objects -------------------------------------------------------------------------------------


class Accepts(requests.Session):
    """What the user's object was made with: it logged in once, long ago."""

    def post(self, url, data=None, **_):
        answer = requests.Response()
        answer.status_code = 200
        answer._content = b'{"access_token":"first","instance_url":"https://acme.my.salesforce.com"}'
        return answer


@pytest.fixture
def users_own():
    return NativeSalesforce(consumer_key="app", consumer_secret="s", domain="acme.my", session=Accepts())


def get():
    return (yield Request("GET", "/x"))


def test_an_adopted_object_signs_our_requests(users_own):
    signed = Session(SF, Adopted(users_own)).signed(get())
    request = next(signed)

    assert request.url == "https://acme.my.salesforce.com/x"
    assert request.headers["Authorization"] == "Bearer first"


def test_when_it_renews_itself_we_follow(users_own):
    session = Session(SF, Adopted(users_own))
    next(session.signed(get()))
    users_own.session_id, users_own.sf_instance = "second", "na7.salesforce.com"
    request = next(session.signed(get()))

    assert (request.url, request.headers["Authorization"]) == ("https://na7.salesforce.com/x", "Bearer second")


def test_when_we_renew_it_follows(users_own):
    """Its login is played through our runner; its own way of sending is not used."""
    signed = Session(SF, Adopted(users_own)).signed(get())
    next(signed)
    exclusive = signed.send(Response(401))
    login = next(exclusive.exchange)
    assert login.url == "https://acme.my.salesforce.com/services/oauth2/token"
    with pytest.raises(StopIteration) as done:
        exclusive.exchange.send(GRANTED)
    again = signed.send(done.value.value)

    assert again.headers["Authorization"] == "Bearer 00Dx!tok"
    assert users_own.session_id == "00Dx!tok"
    assert users_own.headers["Authorization"] == "Bearer 00Dx!tok"


def test_one_made_from_a_session_id_cannot_be_renewed():
    direct = NativeSalesforce(session_id="sid", instance_url="https://acme.my.salesforce.com")
    signed = Session(SF, Adopted(direct)).signed(get())
    next(signed)
    exclusive = signed.send(Response(401))
    with pytest.raises(AuthenticationError, match="no login to repeat"):
        next(exclusive.exchange)


def test_one_of_another_organisation_is_refused(users_own):
    users_own.sf_instance = "evil.example"
    with pytest.raises(ProtocolError):
        next(Session(SF, Adopted(users_own)).signed(get()))


def test_only_a_salesforce_object_can_be_adopted():
    with pytest.raises(ConfigurationError, match="not a dict"):
        Adopted({"session_id": "x", "sf_instance": "y"})


def test_an_adopted_object_shows_no_session(users_own):
    assert "first" not in repr(Adopted(users_own))


# --- the native object -----------------------------------------------------------------------------------


class Host(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.accepts = "tok-1"
        self.answers = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        authorization = self.headers.get("Authorization")
        self.server.seen.append((self.command, self.path, authorization))
        status, headers, body = 200, {}, b'{"records":[],"done":true,"totalSize":0}'
        if authorization != f"Bearer {self.server.accepts}":
            status, body = 401, b'[{"errorCode":"INVALID_SESSION_ID","message":"expired"}]'
        elif self.path in self.server.answers:
            status, headers, body = self.server.answers[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815  (http.server looks for these names)

    def log_message(self, *_):
        pass


@pytest.fixture
def host():
    server = Host()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def tokens():
    return ["tok-1"]


@pytest.fixture
def sf(host, tokens):
    def renewed(stale):
        tokens.append(f"tok-{len(tokens) + 1}")
        return Token(tokens[-1], base_url=host.url)

    access = TokenAccess(token=lambda: Token(tokens[-1], base_url=host.url), renewed=renewed)
    found = native(access, base_url=host.url, version="62.0", timeout=5.0)
    yield found
    found.session.close()


def test_the_native_object_works_on_our_login(sf, host):
    assert isinstance(sf, NativeSalesforce)
    assert sf.query("SELECT Id FROM Contact")["records"] == []
    assert host.seen[0][1].startswith("/services/data/v62.0/query/")


def test_the_native_object_refreshes_once_and_through_us(sf, host, tokens):
    host.accepts = "tok-2"
    sf.query("SELECT Id FROM Contact")
    assert [authorization for _, _, authorization in host.seen] == ["Bearer tok-1", "Bearer tok-2"]

    sf.Contact.describe()  # an object made from the old session id still gets the new token
    assert host.seen[-1][2] == "Bearer tok-2"


def test_the_native_object_never_refreshes_for_ever(sf, host):
    """Its own SFType would recurse until the stack is full."""
    host.accepts = "nothing"
    with pytest.raises(AuthenticationError):
        sf.Contact.describe()
    assert len(host.seen) == 2


@pytest.mark.parametrize("record_id", ["https://evil.example/x", "//evil.example/x", "http://127.0.0.1:1/x"])
def test_a_record_id_cannot_lead_to_another_host(sf, host, record_id):
    with pytest.raises(ProtocolError):
        sf.Contact.update(record_id, {"LastName": "x"})
    assert host.seen == []


@pytest.mark.parametrize("link", ["@127.0.0.1:1/x", ".evil.example/x"])
def test_a_next_link_cannot_lead_elsewhere(sf, host, link):
    with pytest.raises(ProtocolError):
        sf.query_more(link, identifier_is_url=True)
    assert host.seen == []


def test_redirects_are_not_followed(sf, host):
    path = "/services/data/v62.0/sobjects/Contact/describe"
    host.answers[path] = (307, {"Location": "http://127.0.0.1:1/"}, b"{}")
    with pytest.raises(Exception, match="307"):
        sf.Contact.describe()
    assert len(host.seen) == 1


def test_the_old_bulk_header_is_signed_too(sf, host):
    with pytest.raises(Exception):  # noqa: B017, PT011  (its answer is not a bulk job; only the request matters)
        sf.bulk.Contact.insert([{"LastName": "x"}])
    assert host.seen[0][2] == "Bearer tok-1"


def test_requests_end_in_time(sf, host, monkeypatch):
    seen = {}

    def slow(self, method, url, **options):
        seen.update(options)
        raise requests.Timeout

    monkeypatch.setattr(requests.Session, "request", slow)
    with pytest.raises(requests.Timeout):
        sf.query("SELECT Id FROM Contact")
    assert (seen["timeout"], seen["allow_redirects"]) == (5.0, False)


def test_the_connector_hands_it_out(host):
    access = TokenAccess(token=lambda: Token("tok-1", base_url=host.url), renewed=lambda stale: stale)
    found = Salesforce(host.url, api_version="60.0").native(access)
    found.query("SELECT Id FROM Contact")
    found.session.close()
    assert host.seen[0][1].startswith("/services/data/v60.0/query/")

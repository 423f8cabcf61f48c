"""One login serves all: first use, expiry, refusal, one refresh for everybody, and no storm of logins."""

import asyncio
import pickle
import threading
from dataclasses import dataclass, field

import pytest

from aumconnect._runner import AsyncRunner, Gate, Runner
from aumconnect.auth import (
    AccessToken,
    ClientCredentials,
    Credential,
    FileTokenStore,
    RefreshToken,
    Session,
    Token,
    TokenProvider,
    classify_login,
    reveal,
)
from aumconnect.auth.oauth import answered, token_from, token_request
from aumconnect.connector import Account, Connector, Origins
from aumconnect.errors import (
    AuthenticationError,
    ConfigurationError,
    ErrorClass,
    ProtocolError,
    RequestRefused,
    TransportError,
    Unavailable,
)
from aumconnect.wire import Exclusive, Headers, Request, Response, Wait

HOST = "https://api.example.com"


class Clock:
    """Time that stands still until somebody sleeps."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    epoch = now

    def sleep(self, seconds):
        self.time += seconds

    async def asleep(self, seconds):
        self.time += seconds


class Shop(Connector):
    """A system with a token endpoint."""

    name = "shop"
    origins = Origins(frozenset({HOST}), announced=r"https://[a-z0-9]+\.example\.com")
    base_url = HOST

    def login(self, credential: Credential):
        assert isinstance(credential, ClientCredentials | RefreshToken)
        token = reveal(credential.token) if isinstance(credential, RefreshToken) else reveal(credential.secret)
        reply = yield from answered(token_request(f"{HOST}/token", {"given": token}))
        return token_from(reply)

    def classify(self, response):
        return {401: ErrorClass.AUTH_REFRESH, 403: ErrorClass.AUTH_REVOKED}.get(response.status)

    def write(self, batch):
        raise AssertionError

    def check(self):
        reply = yield Request("GET", "/me")
        return Account(reply.body.decode())


@dataclass
class ShopServer:
    """Accepts the newest token only; knows how often it was asked for one."""

    accepts: str = "hush"
    lifetime: int | None = None
    rotates: bool = False
    instance: str | None = None
    logins: int = 0
    requests: list = field(default_factory=list)
    token: str | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request) -> Response:
        with self.lock:
            self.requests.append(request)
            return self.log_in(request) if request.url.endswith("/token") else self.answer(request)

    def log_in(self, request):
        self.logins += 1
        if request.body != f"given={self.accepts}".encode():
            return Response(400, body=b'{"error":"invalid_grant","error_description":"canary"}')
        self.token = f"token-{self.logins}"
        extra = f',"expires_in":{self.lifetime}' if self.lifetime else ""
        extra += f',"instance_url":"{self.instance}"' if self.instance else ""
        if self.rotates:
            self.accepts = f"refresh-{self.logins}"
            extra += f',"refresh_token":"{self.accepts}"'
        return Response(200, body=f'{{"access_token":"{self.token}"{extra}}}'.encode())

    def answer(self, request):
        if self.token is None or request.headers.get("Authorization") != f"Bearer {self.token}":
            return Response(401)
        return Response(200, body=b"me")

    def expire(self):
        self.token = None

    # both transports
    def send(self, request, *, timeout):
        return self(request)

    def close(self):
        pass


class AsyncLine:
    def __init__(self, server):
        self.server = server

    async def send(self, request, *, timeout):
        await asyncio.sleep(0)
        return self.server(request)

    async def close(self):
        pass


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server():
    return ShopServer()


@pytest.fixture
def runner(server, clock):
    return Runner(server, gate=Gate(Shop.origins), clock=clock)


@pytest.fixture
def session(clock):
    return Session(Shop(), ClientCredentials("app", "hush"), clock=clock)


def get(path="/me", **headers):
    return (yield Request("GET", path, Headers(headers)))


def test_the_first_request_logs_in_and_later_ones_share_the_token(session, runner, server):
    for _ in range(3):
        assert runner.run(session.signed(Shop().check())).identity == "me"

    assert server.logins == 1
    assert [request.url for request in server.requests[:2]] == [f"{HOST}/token", f"{HOST}/me"]


def test_an_expired_token_is_refreshed_once_and_the_request_repeated(session, runner, server):
    runner.run(session.signed(get()))
    server.expire()

    assert runner.run(session.signed(get())).status == 200
    assert server.logins == 2


def test_the_repeated_request_keeps_its_own_headers(session, runner, server):
    """simple-salesforce loses the caller's headers here."""
    runner.run(session.signed(get()))
    server.expire()
    runner.run(session.signed(get(**{"If-Match": "x"})))

    assert server.requests[-1].headers["If-Match"] == "x"
    assert server.requests[-1].headers.get_all("Authorization") == ["Bearer token-2"]


def test_a_token_about_to_expire_is_replaced_before_it_is_refused(session, runner, server, clock):
    server.lifetime = 600
    runner.run(session.signed(get()))
    clock.time = 1539.0
    runner.run(session.signed(get()))
    assert server.logins == 1
    clock.time = 1540.0
    runner.run(session.signed(get()))

    assert server.logins == 2


def test_a_very_short_life_is_used_for_half_its_time(session, runner, server):
    server.lifetime = 30
    runner.run(session.signed(get()))
    runner.run(session.signed(get()))

    assert server.logins == 1


def test_twenty_threads_refresh_once(session, runner, server):
    runner.run(session.signed(get()))
    server.expire()
    gate = threading.Barrier(20)
    seen = []

    def work():
        gate.wait(10)
        seen.append(runner.run(session.signed(get())).status)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert seen == [200] * 20
    assert server.logins == 2


async def test_twenty_tasks_refresh_once(session, server, clock):
    runner = AsyncRunner(AsyncLine(server), clock=clock)
    await runner.run(session.signed(get()))
    server.expire()

    replies = await asyncio.gather(*(runner.run(session.signed(get())) for _ in range(20)))

    assert [reply.status for reply in replies] == [200] * 20
    assert server.logins == 2


def test_a_refused_login_is_asked_for_once_not_once_a_worker(session, runner, server, clock):
    server.accepts = "something else"
    for _ in range(5):
        with pytest.raises(AuthenticationError, match="refused the login") as caught:
            runner.run(session.signed(get()))
        assert "canary" not in str(caught.value)
        assert caught.value.hint
    assert len(server.requests) == 1

    clock.time += 61
    server.accepts = "hush"
    assert runner.run(session.signed(get())).status == 200


def test_a_revoked_credential_ends_after_two_calls(session, runner, server):
    """The token is refused, then the refresh: no third call."""
    runner.run(session.signed(get()))
    server.expire()
    server.accepts = "something else"
    before = len(server.requests)
    with pytest.raises(AuthenticationError):
        runner.run(session.signed(get()))

    assert len(server.requests) - before == 2


def test_a_fresh_token_that_is_refused_too_ends_it(session, runner, server):
    server.answer = lambda request: Response(401)
    with pytest.raises(AuthenticationError, match="fresh login"):
        runner.run(session.signed(get()))

    assert server.logins == 2  # the first, and one refresh


def test_a_revoked_answer_is_never_refreshed(session, runner, server):
    server.answer = lambda request: Response(403)
    with pytest.raises(AuthenticationError, match="for good"):
        runner.run(session.signed(get()))

    assert server.logins == 1


def test_a_token_endpoint_that_is_down_is_not_a_refusal(session, runner, server):
    server.log_in = lambda request: Response(503, body=b"<html>canary</html>")
    with pytest.raises(Unavailable) as caught:
        runner.run(session.signed(get()))

    assert "canary" not in str(caught.value)
    assert not isinstance(caught.value, AuthenticationError)


def test_the_login_may_announce_another_host(session, runner, server):
    server.instance = "https://eu7.example.com/"
    runner.run(session.signed(get()))

    assert session.base_url == "https://eu7.example.com"
    assert server.requests[-1].url == "https://eu7.example.com/me"


@pytest.mark.parametrize(
    "announced",
    [
        "https://evil.org",
        "http://eu7.example.com",
        "https://eu7.example.com.evil.org",
        "https://api.example.com@evil.org",
    ],
)
def test_a_foreign_host_gets_no_token(session, runner, server, announced):
    server.instance = announced
    with pytest.raises(ProtocolError):
        runner.run(session.signed(get()))

    assert [request.url for request in server.requests] == [f"{HOST}/token"]


@pytest.mark.parametrize("path", ["//evil.org/x", "/\\evil.org", "/@evil.org"])
def test_a_relative_url_cannot_leave_the_host(session, runner, server, path):
    runner.run(session.signed(get(path)))

    assert server.requests[-1].url.startswith(f"{HOST}/")


def test_a_url_of_neither_form_is_refused(session, runner, server):
    with pytest.raises(ConfigurationError):
        runner.run(session.signed(get("@evil.org/x")))
    assert [request.url for request in server.requests] == [f"{HOST}/token"]


def test_an_access_token_that_is_refused_says_so(runner, server, clock):
    session = Session(Shop(), AccessToken("stale", base_url=HOST), clock=clock)
    with pytest.raises(AuthenticationError, match="no longer accepted"):
        runner.run(session.signed(get()))

    assert len(server.requests) == 1


def test_a_provider_is_asked_again_when_its_token_is_refused(runner, server, clock):
    given = iter(["stale", "token-0"])
    server.token = "token-0"
    session = Session(Shop(), TokenProvider(lambda: (next(given), HOST)), clock=clock)

    assert runner.run(session.signed(get())).status == 200
    assert len(server.requests) == 2


def test_a_rotated_file_token_is_picked_up(runner, server, clock, tmp_path):
    path = tmp_path / "token"
    path.write_text("stale\n")
    session = Session(Shop(), AccessToken(f"file:{path}"), clock=clock)
    server.token = "fresh"
    runner_get = session.signed(get())
    next(runner_get)
    path.write_text("fresh\n")

    assert runner.run(session.signed(get())).status == 200


def test_a_token_kept_elsewhere_is_read_before_every_request(runner, server, clock):
    class Kept(Credential):
        def current(self):
            return Token(server.token)

    session = Session(Shop(), Kept(), clock=clock)
    for server.token in ("one", "two"):
        assert runner.run(session.signed(get())).status == 200
    assert server.logins == 0


def test_no_credential_means_no_signature(runner, server, clock):
    server.answer = lambda request: Response(200)
    assert runner.run(Session(Shop(), None, clock=clock).signed(get())).status == 200
    assert "Authorization" not in server.requests[0].headers


def test_a_system_that_asks_for_a_login_gets_none_without_a_credential(runner, server, clock):
    with pytest.raises(AuthenticationError, match="asks for a login"):
        runner.run(Session(Shop(), None, clock=clock).signed(get()))
    assert len(server.requests) == 1


def test_a_rotating_refresh_token_is_kept_for_the_next_process(runner, server, clock, tmp_path):
    server.rotates = True
    for _ in range(3):
        store = FileTokenStore(tmp_path / "tokens")
        session = Session(Shop(), RefreshToken(id="app", token="hush"), clock=clock, token_store=store)
        assert runner.run(session.signed(get())).status == 200
        server.expire()
        assert runner.run(session.signed(get())).status == 200

    assert server.logins == 6


def test_a_newly_configured_refresh_token_wins_over_the_stored_one(runner, server, clock, tmp_path):
    server.rotates = True
    store = FileTokenStore(tmp_path / "tokens")
    runner.run(Session(Shop(), RefreshToken(id="a", token="hush"), clock=clock, token_store=store).signed(get()))
    server.accepts = "authorised-anew"
    session = Session(Shop(), RefreshToken(id="a", token="authorised-anew"), clock=clock, token_store=store)

    assert runner.run(session.signed(get())).status == 200


def test_without_a_store_rotation_works_within_the_process_and_warns(runner, server, clock, caplog):
    server.rotates = True
    session = Session(Shop(), RefreshToken(id="app", token="hush"), clock=clock)
    for _ in range(3):
        runner.run(session.signed(get()))
        server.expire()

    assert "token store" in caplog.text
    assert "refresh-1" not in caplog.text


def test_two_processes_take_turns(server, clock, tmp_path):
    """The second waits for the first one's lock, then uses the token the first one got."""
    server.rotates = True
    sessions = [
        Session(
            Shop(), RefreshToken(id="app", token="hush"), clock=clock, token_store=FileTokenStore(tmp_path / "tokens")
        )
        for _ in range(2)
    ]
    first, second = (session.token() for session in sessions)
    logins = [next(exchange) for exchange in (first, second)]
    assert all(isinstance(login, Exclusive) for login in logins)
    asked = next(logins[0].exchange)
    assert isinstance(next(logins[1].exchange), Wait)
    with pytest.raises(StopIteration):
        logins[0].exchange.send(server(asked))
    again = logins[1].exchange.send(None)

    assert again.body == b"given=refresh-1"
    assert server(again).status == 200


def test_waiting_for_another_process_has_an_end(clock, server, runner, tmp_path):
    store = FileTokenStore(tmp_path / "tokens")
    session = Session(Shop(), RefreshToken(id="app", token="hush"), clock=clock, token_store=store)
    other = FileTokenStore(tmp_path / "tokens")
    name = next(_locked_name(other, session, clock))
    assert other.try_lock(name)
    with pytest.raises(Unavailable, match="another process"):
        runner.run(session.signed(get()))


def _locked_name(store, session, clock):
    seen = []
    watcher = FileTokenStore("unused")
    watcher.try_lock = lambda name: not seen.append(name)
    watcher.load = lambda name: None
    watcher.unlock = lambda name: None
    probe = Session(Shop(), RefreshToken(id="app", token="hush"), clock=clock, token_store=watcher)
    login = next(probe.token())
    next(login.exchange)
    login.exchange.close()
    yield seen[0]


def test_an_abandoned_login_gives_its_lock_up(clock, tmp_path):
    store = FileTokenStore(tmp_path / "tokens")
    session = Session(Shop(), RefreshToken(id="app", token="hush"), clock=clock, token_store=store)
    login = next(session.token())
    next(login.exchange)
    login.exchange.close()

    again = next(session.token())
    assert isinstance(next(again.exchange), Request)


def test_a_lost_request_is_heard_by_the_inner_exchange(session, runner, server):
    heard = []

    def careful():
        try:
            yield Request("GET", "/me")
        except TransportError as lost:
            heard.append(lost.sent)
        return (yield Request("GET", "/again"))

    def lose(request, plain=server.answer):
        if request.url.endswith("/me"):
            raise TransportError("gone", sent=True)
        return plain(request)

    server.answer = lose

    assert runner.run(session.signed(careful())).status == 200
    assert heard == [True]


def test_other_effects_pass_and_nested_exchanges_are_signed(session, runner, clock):
    def nested():
        yield Wait(5.0)
        return (yield Exclusive("key", get()))

    assert runner.run(session.signed(nested())).status == 200
    assert clock.time == 1005.0


def test_closing_closes_the_inner_exchange(session):
    closed = []

    def inner():
        try:
            yield Wait(1.0)
        finally:
            closed.append(True)

    signed = session.signed(inner())
    next(signed)
    signed.close()

    assert closed == [True]


def test_the_retry_of_the_client_wraps_logins(server, clock):
    def twice(login):
        request = next(login)
        yield request
        reply = yield request
        try:
            login.send(reply)
        except StopIteration as done:
            return done.value

    runner = Runner(server, clock=clock)
    runner.run(Session(Shop(), ClientCredentials("a", "hush"), clock=clock, retry=twice).signed(get()))

    assert server.logins == 2


def test_a_login_that_retries_call_an_error_is_still_read():
    """The layers below may throw the endpoint's 400 in; the reason must not get lost."""
    login = Shop().login(ClientCredentials("a", "b"))
    next(login)
    with pytest.raises(AuthenticationError, match="invalid_grant"):
        login.throw(RequestRefused(ErrorClass.VALIDATION, Response(400, body=b'{"error":"invalid_grant"}')))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response(200), None),
        (Response(400), None),
        (Response(401), None),
        (Response(429), ErrorClass.THROTTLED),
        (Response(503), ErrorClass.TRANSIENT),
        (Response(500), ErrorClass.TRANSIENT),
        (Response(500, body=b"<soapenv:Fault>INVALID_LOGIN"), None),
    ],
)
def test_only_a_stumbling_login_is_retried(response, expected):
    assert classify_login(response) is expected


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"access_token": 7}', b"{}"])
def test_a_login_answer_without_a_token_is_nonsense(body):
    with pytest.raises(ProtocolError):
        token_from(Response(200, body=body))


def test_a_session_is_never_pickled(session):
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(session)


def test_a_connector_without_a_login_says_so(clock, runner):
    class Silent(Shop):
        login = None

    with pytest.raises(ConfigurationError, match="does not log in with ClientCredentials"):
        runner.run(Session(Silent(), ClientCredentials("a", "b"), clock=clock).signed(get()))

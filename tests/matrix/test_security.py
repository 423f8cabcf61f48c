"""S1 to S17: secrets stay where they belong, and nothing a server or a row says leads anywhere else."""

from __future__ import annotations

import base64
import csv
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pytest
from matrix_org import Desk, counts, every_answer, organization, rows, scores, with_body
from matrix_org import writes as writes_of

import aumconnect as aum
from aumconnect.auth import AccessToken, ClientCredentials, FileTokenStore, Password, RefreshToken
from aumconnect.client import Client
from aumconnect.connectors.salesforce import Salesforce
from aumconnect.testing import faults
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.testing.transport import FakeTransport

SECRET = 'canary/§"<&>+ 7e1f'
"""Every encoding changes it, so that every encoding can be told apart."""


def encodings(secret: str) -> set[str]:
    raw = secret.encode()
    plain = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret), quote_plus(secret), quote(secret, "")}
    return plain | {base64.b64encode(raw).decode().rstrip("="), raw.hex(), raw.hex().upper(), repr(raw)[2:-1]}


def shown(error: BaseException) -> str:
    """All that a log, a bug report or a crash reporter would show of an error, locals included."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(told.format()) + repr(error) + repr(error.__dict__)


class Ears:
    """Hears everything a process says about itself, and knows the secrets it must not say."""

    def __init__(self, caplog: pytest.LogCaptureFixture, *secrets: str) -> None:
        caplog.set_level(logging.DEBUG)
        self._caplog = caplog
        self.secrets = [*secrets]
        self.heard: list[str] = []

    def hear(self, *things: object) -> None:
        for thing in things:
            self.heard.append(shown(thing) if isinstance(thing, BaseException) else f"{thing!r} {thing}")

    def tell(self) -> list[str]:
        """The secrets that were heard, and where."""
        records = [f"{record.getMessage()} {record.__dict__}" for record in self._caplog.records]
        hay = [*self.heard, *records]
        return [
            text[max(0, text.index(code) - 300) : text.index(code) + 60]
            for secret in self.secrets
            for code in encodings(secret)
            for text in hay
            if code in text
        ]


@pytest.fixture
def fake() -> FakeSalesforce:
    fake = organization(contacts=3)
    fake.logins.consumer_secret = SECRET
    return fake


@pytest.fixture
def ears(caplog: pytest.LogCaptureFixture, fake: FakeSalesforce) -> Iterator[Ears]:
    ears = Ears(caplog, SECRET)
    yield ears
    ears.secrets += fake.secrets
    assert ears.tell() == []


def credentials(fake: FakeSalesforce) -> dict[str, Any]:
    logins = fake.logins
    logins.password = SECRET
    return {
        "client credentials": ClientCredentials(logins.consumer_key, SECRET),
        "password": Password(logins.username, SECRET, security_token=SECRET),
        "password grant": Password(logins.username, SECRET, id=logins.consumer_key, secret=SECRET),
        "refresh token": RefreshToken(token=SECRET, id=logins.consumer_key, secret=SECRET),
        "access token": AccessToken(SECRET),
    }


KINDS = ["client credentials", "password", "password grant", "refresh token", "access token"]
REFUSALS = {
    "401": faults.answer(401),
    "400": faults.answer(400, {"error": "invalid_grant", "error_description": f"bad {SECRET}"}),
    "500": faults.answer(500, f"<html>{SECRET}</html>".encode()),
    "lost": faults.lose_request(),
    "unreachable": faults.unreachable(),
    "html": faults.html_page(),
    "nonsense": faults.answer(200, {"access_token": 7}),
    "elsewhere": faults.answer(200, {"access_token": SECRET, "instance_url": "https://evil.example"}),
    "redirect": faults.answer(307, headers={"Location": "https://evil.example/"}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_s11_p11_a_login_that_fails_shows_no_secret_even_with_locals(
    fake: FakeSalesforce, ears: Ears, kind: str, refusal: faults.Accident
) -> None:
    credential = credentials(fake)[kind]
    client = Client(Salesforce("acme"), auth=credential, transport=FakeTransport(fake), clock=fake.clock)
    ears.hear(client, credential, client.session)
    fake.faults.each(lambda request, index: refusal)
    with pytest.raises(aum.AumconnectError) as caught:
        client.check()
    ears.hear(caught.value)

    assert all(urlsplit(request.url).hostname == "acme.my.salesforce.com" for request in fake.requests)


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_s11_p11_a_stored_refresh_token_is_not_shown_either(
    fake: FakeSalesforce, ears: Ears, refusal: faults.Accident, tmp_path: Path
) -> None:
    """The newest token comes from the store, not from the settings; nobody sees it on the way."""
    credential, fake.logins.rotates = RefreshToken(token=fake.logins.refresh_token(), id=fake.logins.consumer_key), True
    store = FileTokenStore(tmp_path / "tokens")
    for accident in (None, refusal):
        client = Client(
            Salesforce("acme"), auth=credential, transport=FakeTransport(fake), clock=fake.clock, token_store=store
        )
        fake.faults.each(lambda request, index, accident=accident: accident)  # type: ignore[misc]
        try:
            client.check()
        except aum.AumconnectError as error:
            ears.hear(error, client, store)
    (tmp_path / "tokens").write_text("{}")
    with pytest.raises(aum.AumconnectError) as caught:
        client.check()
    ears.hear(caught.value)


@pytest.mark.parametrize("refusal", ["401", "400", "500", "lost", "unreachable", "html", "redirect"])
@pytest.mark.parametrize("place", ["/describe", "/query", "/composite"])
def test_s11_p11_a_run_that_fails_shows_no_token_even_with_locals(
    fake: FakeSalesforce, ears: Ears, place: str, refusal: str
) -> None:
    client = fake.client()
    fake.faults.when(place, REFUSALS[refusal], times=10**6)
    try:
        report = client.update("Contact", scores(3), key="Ext__c")
        ears.hear(report, report.to_json(), list(report.outcomes()), *(filter(None, [report.stopped])))
        report.raise_for_errors()
    except aum.AumconnectError as error:
        ears.hear(error)
    else:
        pytest.fail("nothing went wrong")


def test_s11_p11_no_secret_is_pickled_or_kept_in_the_ledger(fake: FakeSalesforce, ears: Ears, tmp_path: Path) -> None:
    desk = Desk(tmp_path, fake)
    desk.scores(3)
    report = desk.apply()
    with desk.project() as project:
        plan = project["churn"].plan(full=True)
        ears.hear(report, plan, plan.to_json(), project["churn"].runs(), *plan.rows())
        connector = project.client("crm").connector
        for thing in (project.client("crm"), project.client("crm").session, fake.auth(), connector):
            try:
                ears.hear(pickle.dumps(thing).decode("latin-1"))
            except pickle.PicklingError as error:
                ears.hear(error)
    for path in tmp_path.iterdir():
        ears.hear(path.read_bytes().decode("latin-1"))

    assert counts(report) == {"updated": 3}


def test_s11_a_secret_of_the_wrong_type_is_not_shown(ears: Ears) -> None:
    for wrong in ([SECRET], {"a": SECRET}, SECRET.encode()):
        with pytest.raises((aum.ConfigurationError, TypeError)) as caught:
            ClientCredentials("id", wrong)  # type: ignore[arg-type]
        ears.heard.append(repr(caught.value) + str(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        f"salesforce://user:{quote(SECRET, '')}@acme.my.salesforce.com",
        f"salesforce://acme.my.salesforce.com/{quote(SECRET, '')}",
        f"salesforce://acme.my.salesforce.com?secret={quote(SECRET, '')}",
    ],
)
def test_s11_a_secret_put_into_a_connection_url_is_refused_unshown(ears: Ears, url: str) -> None:
    with pytest.raises(aum.ConfigurationError) as caught:
        Client(url)
    ears.heard.append(repr(caught.value) + str(caught.value))


# --- where requests go -----------------------------------------------------------------------------------

ELSEWHERE = [
    "https://evil.example/services/data/v62.0/query/01g",
    "//evil.example/services/data/v62.0/query/01g",
    "@evil.example/services/data/v62.0/query/01g",
    ".evil.example/services/data/v62.0/query/01g",
    ":80@evil.example/",
    "http://acme.my.salesforce.com/services/data/v62.0/query/01g",
    "/services/data/v62.0/query/../../../oauth2/revoke",
    "/services/data/v62.0/query/..",
    "/services/data/v62.0/query/.",
    "/services/data/v62.0/query/%2e%2e/sobjects",
    "/services/data/v62.0/sobjects/User",
    "\\\\evil.example\\x",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    5,
]


@pytest.mark.parametrize("link", ELSEWHERE)
def test_row_37_38_s3_s4_a_next_link_to_anywhere_else_is_refused_before_anything_is_sent(link: object) -> None:
    fake = organization(contacts=3)
    every_answer(fake, with_body(lambda answer: {**answer, "done": False, "nextRecordsUrl": link}), to="/query")
    client = fake.client()
    with pytest.raises(aum.ProtocolError):
        list(client.read("Contact", fields=["LastName"]))
    with pytest.raises(aum.ProtocolError):
        client.find("Contact", {"Ext__c": "C-1"})

    assert {urlsplit(request.url).netloc for request in fake.requests} == {"acme.my.salesforce.com"}
    assert not any("evil" in request.url or ".." in request.url for request in fake.requests)


@pytest.mark.parametrize(
    "host",
    [
        "https://evil.example",
        "https://acme.my.salesforce.com.evil.example",
        "https://acme.my.salesforce.com@evil.example",
        "https://evilsalesforce.com",
        "https://evil.example/.salesforce.com",
        "https://evil.example#.salesforce.com",
        "https://evil.example\\.salesforce.com",
        "http://acme.my.salesforce.com",
        "http://169.254.169.254",
        "http://[::1]",
        "file:///etc",
        "",
        "https://",
    ],
)
@pytest.mark.parametrize("kind", ["client credentials", "refresh token"])
def test_row_38_s2_a_login_cannot_send_the_token_to_another_host(host: str, kind: str) -> None:
    fake = organization()
    credential = {
        "client credentials": fake.auth(),
        "refresh token": RefreshToken(token="r", id=fake.logins.consumer_key, secret=fake.logins.consumer_secret),
    }[kind]
    client = Client(Salesforce("acme"), auth=credential, transport=FakeTransport(fake), clock=fake.clock)
    fake.faults.when("/oauth2/token", faults.answer(200, {"access_token": "t", "instance_url": host}), times=9)
    try:
        client.describe("Contact")
    except aum.AumconnectError:
        pass
    else:
        assert host == "", "a login that names no host means the one that was asked"

    assert {urlsplit(request.url).netloc for request in fake.requests} <= {"acme.my.salesforce.com"}
    assert {urlsplit(request.url).scheme for request in fake.requests} == {"https"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["/oauth2/token", "/describe", "/query", "/composite"])
def test_row_36_s2_a_redirect_is_not_followed(status: int, place: str) -> None:
    fake = organization(contacts=1)
    fake.faults.when(place, faults.answer(status, headers={"Location": "https://evil.example/"}), times=10**6)
    client = fake.client()
    with pytest.raises(aum.AumconnectError):
        client.update("Contact", scores(1), key="Ext__c").raise_for_errors()

    assert {urlsplit(request.url).netloc for request in fake.requests} == {"acme.my.salesforce.com"}
    assert fake.mutations == 0


IDS: list[Callable[[str, str], str]] = [
    lambda one, other: f"{one},{other}",
    lambda one, other: f"{one}&ids={other}",
    lambda one, other: f"{one}%2C{other}",
    lambda one, other: f"{one}/../{other}",
    lambda one, other: f"../../sobjects/Contact/{other}",
    lambda one, other: f"https://evil.example/{other}",
    lambda one, other: f"//evil.example/{other}",
    lambda one, other: f"{one}?_HttpMethod=DELETE",
    lambda one, other: f"{one}\n{other}",
    lambda one, other: "..",
]


@pytest.mark.parametrize("made", IDS)
def test_s5_s6_an_id_that_is_none_touches_no_record(made: Callable[[str, str], str]) -> None:
    """One row means one record at most: a comma in an id once deleted two."""
    fake = organization(contacts=2)
    before = [dict(record) for record in fake["Contact"]]
    odd = made(*(record["Id"] for record in before))
    client = fake.client()
    deleted = client.delete("Contact", [{"Id": odd}], key="Id")
    updated = client.update("Contact", [{"Id": odd, "LastName": "changed"}], key="Id")

    assert (counts(deleted), counts(updated)) == ({"rejected": 1}, {"rejected": 1})
    assert [dict(record) for record in fake["Contact"]] == before
    assert client.get("Contact", odd, ["LastName"]) is None
    assert writes_of(fake) == []


def test_s5_15_and_18_characters_are_one_record() -> None:
    fake = organization(contacts=1)
    long = fake["Contact"].one(Ext__c="C-0")["Id"]
    report = fake.client().update(
        "Contact", [{"Id": long, "LastName": "first"}, {"Id": long[:15], "LastName": "second"}], key="Id"
    )

    assert counts(report) == {"updated": 1, "rejected": 1}
    assert fake["Contact"].one(Ext__c="C-0")["LastName"] == "first"


@pytest.mark.parametrize(
    "name",
    ["Contact/../User", "Contact?x", "Contact WHERE", "..", "", "Contact'", "Contact%20", "https://evil.example"],
)
def test_s5_an_object_or_field_name_cannot_be_a_path_or_a_query(name: str) -> None:
    fake = organization(contacts=1)
    client = fake.client()
    client.check()
    before = fake.received
    with pytest.raises(aum.ConfigurationError):
        client.describe(name)
    with pytest.raises(aum.ConfigurationError):
        list(client.read("Contact", fields=[name]))
    with pytest.raises(aum.ConfigurationError):
        list(client.read("Contact", fields=["LastName"], where={name: 1}))
    with pytest.raises(aum.ConfigurationError):
        client.upsert("Contact", [{name: "x"}], key=name)

    assert not [request.url for request in list(fake.requests)[before:] if name and quote(name) in request.url]
    assert fake.mutations == 0


@pytest.mark.parametrize("setting", ["duplicate_rule", "call_options", "auto_assign"])
def test_s13_row_44_a_setting_cannot_smuggle_a_header(setting: str) -> None:
    with pytest.raises(aum.ConfigurationError):
        Salesforce("acme", **{setting: "allowSave=true\r\nX-Evil: 1"})


# --- what comes back to people ---------------------------------------------------------------------------

SPREADSHEETS_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "\uff1d1+1",
    '=HYPERLINK("https://evil.example")',
]


def test_s16_p11_rejects_hold_no_formula_and_come_back_as_they_were(tmp_path: Path) -> None:
    """A file for people: what a spreadsheet would run is text in it, and reading it back takes the guard away."""
    fake = organization(contacts=len(FORMULAS))
    fake["Contact"].validation_rules.append(lambda record: "no" if record["LastName"].endswith("!") else None)
    desk = Desk(tmp_path, fake)
    project = desk.project()
    source = [{"id": f"C-{n}", "score": 1, "name": text + "!"} for n, text in enumerate(FORMULAS)]
    with project:
        report = project["churn"].apply(source)
        path = tmp_path / "fixme.csv"
        assert project["churn"].rejects().write(path) == len(FORMULAS) == counts(report)["rejected"]
        fake["Contact"].validation_rules.clear()
        project["churn"].retry(path).apply()

    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell.startswith(SPREADSHEETS_RUN)]
    kept = {record["Ext__c"]: record["LastName"] for record in fake["Contact"]}
    assert kept == {f"C-{n}": (text + "!").strip() for n, text in enumerate(FORMULAS)}


def test_s15_an_answer_is_read_strictly_wherever_it_comes() -> None:
    """A doubled key or a NaN in a record is a breach, never a value."""
    fake = organization(contacts=1)
    for body in (b'{"done":true,"records":[{"Id":"1","Id":"2"}]}', b'{"done":true,"records":[{"Id":NaN}]}'):
        fake.faults.when("/query", faults.answer(200, body), times=1)
        with pytest.raises(aum.ProtocolError):
            list(fake.client().read("Contact", fields=["LastName"]))


def test_p11_a_failure_of_the_library_itself_shows_no_row(fake: FakeSalesforce, ears: Ears) -> None:
    """Personal data of rows is not in messages; keys are, because people need them."""
    ears.secrets.append("Jane-Personal-Data")
    people = [{"Ext__c": "C-0", "LastName": "Jane-Personal-Data", "Score__c": "not a number"}]
    report = fake.client().update("Contact", [*people, *rows(1)], key="Ext__c")
    ears.heard.append(f"{report}{report.to_json()}{list(report.outcomes())}")

"""The connector against a whole organisation, as a client uses it: in virtual time, then over real HTTP."""

import asyncio
import logging
import os
import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from aumconnect.auth import (
    AccessToken,
    ClientCredentials,
    FileTokenStore,
    JWTBearer,
    Password,
    RefreshToken,
    TokenProvider,
)
from aumconnect.client import AsyncClient, Client
from aumconnect.connector import Batch, Change, Operation
from aumconnect.connectors.salesforce import Salesforce
from aumconnect.errors import AuthenticationError, ConfigurationError, ErrorClass
from aumconnect.outcome import WRITTEN, Status
from aumconnect.schema import CLEAR, Reference
from aumconnect.testing import faults
from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.salesforce import FakeSalesforce
from aumconnect.testing.transport import FakeTransport


def furnish(fake):
    fake.add_field("Contact", "Ext__c", external_id=True, unique=True, length=20)
    fake.add_field("Contact", "Loose__c", external_id=True, length=20)
    fake.add_field("Contact", "Score__c", "double", precision=5, scale=2)
    fake.add_field("Contact", "Bands__c", "multipicklist", values=("a", "b", "c"))
    fake.add_field("Contact", "At__c", "datetime")
    fake.add_field("Account", "Code__c", external_id=True, unique=True, length=20)
    return fake


@pytest.fixture
def fake():
    return furnish(FakeSalesforce())


@pytest.fixture
def auth(fake):
    return ClientCredentials(fake.logins.consumer_key, fake.logins.consumer_secret)


@pytest.fixture
def crm(fake, auth):
    with Client(Salesforce("acme"), auth=auth, transport=FakeTransport(fake), clock=fake.clock) as client:
        yield client


def rows(*keys, **values):
    return [{"Ext__c": key, "LastName": f"Name {key}", **values} for key in keys]


def told(report):
    return {outcome.ref: outcome for outcome in report.outcomes()}


# --- writing ---------------------------------------------------------------------------------------------


def test_an_upsert_creates_then_updates_and_says_which(crm, fake):
    first = crm.upsert("Contact", rows("a", "b"), key="Ext__c")
    second = crm.upsert("Contact", rows("b", "c", Score__c=0.5), key="Ext__c")

    assert first.counts == {Status.CREATED: 2}
    assert second.counts == {Status.UPDATED: 1, Status.CREATED: 1}
    assert fake["Contact"].one(Ext__c="b")["Score__c"] == Decimal("0.5")
    assert fake.mutations == 2


def test_what_was_written_is_read_back_canonically_equal(crm):
    schema = crm.describe("Contact")
    values = {
        "Ext__c": "a",
        "LastName": "  O'Hara “q” \\ ",
        "Score__c": Decimal("0.125"),
        "Bands__c": ["b", "a"],
        "At__c": datetime(2026, 11, 22, 10, 0, 0, 123_456, UTC),
    }
    crm.upsert("Contact", [values], key="Ext__c").raise_for_errors()
    [record] = crm.read("Contact", fields=list(values))

    for name, value in values.items():
        assert schema[name].canonical(record.values[name]) == schema[name].canonical(value), name


def test_an_update_finds_records_by_key_and_tells_of_those_it_did_not_find(crm, fake):
    crm.upsert("Contact", rows("a", "b"), key="Ext__c")
    for _ in range(2):
        fake["Contact"].insert(LastName="Twin", Loose__c="t")
    crm.update("Contact", [{"Ext__c": "a", "Score__c": 1}], key="Ext__c").raise_for_errors()

    report = crm.update("Contact", [{"Ext__c": "zz", "Score__c": 1}], key="Ext__c")
    assert told(report)[0].status is Status.SKIPPED

    twins = told(crm.update("Contact", [{"Loose__c": "t", "Score__c": 1}], key="Loose__c"))[0]
    assert twins.error_class is ErrorClass.AMBIGUOUS_KEY
    assert len(twins.twins) == 2
    assert fake["Contact"].one(Ext__c="a")["Score__c"] == 1


def test_an_ambiguous_upsert_names_the_twins_and_writes_nothing(crm, fake):
    ids = {fake["Contact"].insert(LastName="Twin", Loose__c="t")["Id"] for _ in range(2)}
    outcome = told(crm.upsert("Contact", [{"Loose__c": "t", "LastName": "x"}], key="Loose__c"))[0]

    assert (outcome.status, outcome.error_class) == (Status.REJECTED, ErrorClass.AMBIGUOUS_KEY)
    assert set(outcome.twins) == ids
    assert {record["LastName"] for record in fake["Contact"]} == {"Twin"}


def test_clearing_and_leaving_alone(crm, fake):
    """SF-2."""
    crm.upsert("Contact", rows("a", Score__c=1, Loose__c="keep"), key="Ext__c")
    by_id = Change(0, {"Score__c": CLEAR}, id=fake["Contact"].one(Ext__c="a")["Id"])
    [outcome] = crm.run(crm.connector.write(Batch("Contact", Operation.UPDATE, (by_id,))))
    assert outcome.status is Status.UPDATED

    record = fake["Contact"].one(Ext__c="a")
    assert (record["Score__c"], record["Loose__c"]) == (None, "keep")


def test_a_parent_by_its_external_id(crm, fake):
    account = fake["Account"].insert(Name="Acme", Code__c="A-7")
    values = {"LastName": "A", "AccountId": Reference("Account", "Code__c", "A-7")}
    batch = Batch("Contact", Operation.UPSERT, (Change(0, values, ("a",)),), ("Ext__c",), crm.describe("Contact"))
    [outcome] = crm.run(crm.connector.write(batch))

    assert outcome.status is Status.CREATED
    assert fake["Contact"].one(Ext__c="a")["AccountId"] == account["Id"]


def test_a_delete_by_key(crm, fake):
    crm.upsert("Contact", rows("a", "b"), key="Ext__c")
    report = crm.delete("Contact", [{"Ext__c": "a"}], key="Ext__c")

    assert report.counts == {Status.DELETED: 1}
    assert [record["Ext__c"] for record in fake["Contact"]] == ["b"]


def test_one_bad_row_spares_the_rest_and_says_why(crm, fake):
    """SF-1."""
    fake["Contact"].insert(LastName="There", Ext__c="taken")
    report = crm.insert("Contact", rows("a", "taken", "b"), key="Ext__c")

    assert [told(report)[n].status for n in range(3)] == [Status.CREATED, Status.REJECTED, Status.CREATED]
    assert told(report)[1].error_class is ErrorClass.DUPLICATE
    assert fake.mutations == 1


def test_a_locked_row_is_tried_again(crm, fake):
    """SF-6: another writer holds it for a while."""
    crm.upsert("Contact", rows("a", "b"), key="Ext__c")
    fake.locks.lock(fake["Contact"].one(Ext__c="a")["Id"], attempts=1)
    report = crm.upsert("Contact", rows("a", "b", Score__c=1), key="Ext__c")

    assert report.counts == {Status.UPDATED: 2}


def test_five_hundred_rows_are_three_requests(crm, fake):
    report = crm.upsert("Contact", rows(*(f"C-{n}" for n in range(500))), key="Ext__c")

    assert report.counts == {Status.CREATED: 500}
    assert fake.mutations == 3
    assert set(fake.commits.values()) == {1}


def test_too_many_at_once_is_waited_out(crm, fake):
    """HTTP 403 and no Retry-After: nothing was written, so even an insert is sent again."""
    fake.faults.write(1, fake.too_many(), times=2)
    report = crm.insert("Contact", rows("a", "b"), key="Ext__c")

    assert report.counts == {Status.CREATED: 2}
    assert set(fake.creations.values()) == {1}


def test_a_day_whose_requests_are_used_up_ends_the_run_without_hammering(crm, fake):
    crm.describe("Contact")
    fake.daily_requests = fake.used_requests
    before = fake.received
    report = crm.upsert("Contact", rows(*(f"C-{n}" for n in range(1000))), key="Ext__c")

    assert report.counts == {Status.FAILED: 1000}
    assert fake.received - before <= 10  # what was in flight at once, and no more


def test_a_maintenance_page_with_http_200_is_no_success(crm, fake):
    fake.faults.write(1, faults.html_page())
    report = crm.upsert("Contact", rows("a", "b"), key="Ext__c")

    assert set(report.counts) <= {Status.CREATED, Status.UPSERTED}
    assert len(list(fake["Contact"])) == 2


@pytest.mark.parametrize("overridden", [False, True])
def test_a_duplicate_rule_speaks_unless_overridden(fake, auth, overridden):
    fake["Contact"].insert(LastName="Ada", Ext__c="first")
    fake["Contact"].duplicate_rule = ("alert", ("LastName",))
    connector = Salesforce("acme", duplicate_rule="allowSave=true" if overridden else None)
    with Client(connector, auth=auth, transport=FakeTransport(fake), clock=fake.clock) as crm:
        report = crm.insert("Contact", [{"Ext__c": "second", "LastName": "Ada"}], key="Ext__c")

    outcome = told(report)[0]
    if overridden:
        assert outcome.status is Status.CREATED
    else:
        assert (outcome.status, outcome.error_class) == (Status.REJECTED, ErrorClass.DUPLICATE)


@pytest.mark.parametrize("accident", [faults.lose_reply(), faults.lose_request(), faults.late_commit(20)])
def test_a_lost_answer_makes_no_second_record(crm, fake, accident):
    fake.faults.write(1, accident)
    report = crm.upsert("Contact", rows("a", "b"), key="Ext__c")
    fake.clock.advance(3600)
    fake.settle()

    assert set(report.counts) <= {Status.UPSERTED, Status.CREATED, Status.UPDATED}
    assert len(list(fake["Contact"])) == 2
    assert set(fake.creations.values()) == {1}


def test_a_lost_insert_is_looked_up_before_anything_is_sent_again(fake, auth):
    client = Client(Salesforce("acme"), auth=auth, transport=FakeTransport(fake), clock=fake.clock, settle_wait=700.0)
    fake.faults.write(1, faults.late_commit(500))
    report = client.insert("Contact", rows("a", "b"), key="Ext__c")

    assert report.counts == {Status.CREATED: 2}
    assert fake.mutations == 1


@pytest.mark.parametrize("seed", range(int(os.environ.get("AUMCONNECT_SALESFORCE_SEEDS", "20"))))
def test_whatever_happens_no_record_is_lost_doubled_or_misreported(seed):
    """A quarter of all requests meets an accident; sessions end after a few requests."""
    chance = random.Random(seed)
    fake = furnish(FakeSalesforce())
    auth = ClientCredentials(fake.logins.consumer_key, fake.logins.consumer_secret)
    fake.logins.session_requests = chance.choice([None, 3, 5])
    write, count = chance.choice(["upsert", "insert"]), chance.choice([3, 250, 450])
    with Client(
        Salesforce("acme"), auth=auth, transport=FakeTransport(fake), clock=fake.clock, settle_wait=5000.0
    ) as crm:
        crm.describe("Contact")
        fake.faults.each(lambda request, _: chance.choice(accidents(fake)) if chance.random() < 0.25 else None)
        report = getattr(crm, write)("Contact", rows(*(f"C-{n}" for n in range(count))), key="Ext__c")
    fake.faults.clear()
    fake.clock.advance(10_000)
    fake.settle()

    there = Counter(record["Ext__c"] for record in fake["Contact"])
    assert sum(report.counts.values()) == count
    assert set(fake.creations.values()) <= {1}
    for outcome in report.outcomes():
        if outcome.status is not Status.UNKNOWN:
            assert there[f"C-{outcome.ref}"] == (outcome.status in WRITTEN)


def accidents(fake):
    return [
        faults.lose_reply(),
        faults.lose_request(),
        faults.late_commit(5),
        faults.late_commit(500),
        faults.truncate(30),
        faults.unreachable(),
        faults.html_page(),
        faults.answer(500),
        faults.answer(502),
        faults.expire_token(),
        fake.busy(),
        fake.too_many(),
    ]


@pytest.mark.parametrize("sinks", [False, True], ids=["a row's error", "the whole request's"])
def test_a_hidden_field_is_refused_in_the_systems_words(sinks):
    """SF-8; whether it refuses the row or the request is unverified, so both."""
    fake = furnish(FakeSalesforce())
    fake.column_sinks_call = sinks
    auth = AccessToken(fake.logins.issue())
    with Client(Salesforce("acme"), auth=auth, transport=FakeTransport(fake), clock=fake.clock) as crm:
        crm.describe("Contact")
        fake.hide("Contact", "Score__c")
        report = crm.upsert("Contact", rows("a", "b", Score__c=1), key="Ext__c")

    assert report.counts == {Status.REJECTED: 2}
    assert "Score__c" in told(report)[0].problems[0].message
    assert fake.mutations <= 1


# --- reading ---------------------------------------------------------------------------------------------


@pytest.fixture
def many(fake):
    for n in range(450):
        fake["Contact"].insert(LastName=f"N{n:03}", Ext__c=f"C-{n:03}")
    fake.queries.page_rows = 200
    return fake


def test_reading_goes_over_all_pages(crm, many):
    names = [record.values["LastName"] for record in crm.read("Contact", fields=["LastName"])]

    assert names == [f"N{n:03}" for n in range(450)]


def test_a_cursor_that_expires_costs_nothing(crm, many):
    names = []
    for record in crm.read("Contact", fields=["LastName"]):
        names.append(record.values["LastName"])
        many.queries.expire()

    assert names == [f"N{n:03}" for n in range(450)]


def test_reading_only_what_changed_since(crm, many):
    many.clock.advance(3600)
    since = datetime.fromtimestamp(many.clock.epoch(), UTC)
    many.edit("Contact", many["Contact"].one(Ext__c="C-007")["Id"], "LastName", "Changed")

    changed = list(crm.read("Contact", fields=["LastName"], since=since))
    assert [record.values["LastName"] for record in changed] == ["Changed"]


def test_two_thousand_keys_and_ids(crm, fake):
    ids = [fake["Contact"].insert(LastName=f"N{n}", Ext__c=f"Kunde {n:06} ü")["Id"] for n in range(1000)]
    connector = crm.connector
    keys = [(f"Kunde {n:06} ü",) for n in range(1500)]
    found = crm.run(connector.find("Contact", ("Ext__c",), keys, ["LastName"], crm.describe("Contact")))

    assert [[record.id for record in records] for records in found] == [[known] for known in ids] + [[]] * 500
    fetched = crm.run(connector.fetch("Contact", [*ids, "003AA0000000zzz"], ["LastName"]))
    assert [record and record.values["LastName"] for record in fetched] == [*(f"N{n}" for n in range(1000)), None]


# --- logins ----------------------------------------------------------------------------------------------

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def credentials(logins):
    app = {"id": logins.consumer_key, "secret": logins.consumer_secret}
    person = {"username": logins.username, "password": logins.password}
    return {
        "client credentials": ClientCredentials(**app),
        "jwt": JWTBearer(logins.consumer_key, logins.username, PEM),
        "refresh token": RefreshToken(**app, token=logins.refresh_token()),
        "password grant": Password(**person, security_token=logins.security_token, **app),
        "soap with token": Password(**person, security_token=logins.security_token),
        "soap from a known network": Password(**person),
        "soap with organization": Password(**person, organization=logins.organization),
        "access token": AccessToken(logins.issue()),
        "provider": TokenProvider(logins.issue),
    }


@pytest.mark.parametrize("kind", list(credentials(FakeSalesforce().logins)))
def test_every_kind_of_login_gets_in(kind):
    fake = FakeSalesforce()
    fake.logins.public_key = PUBLIC
    auth = credentials(fake.logins)[kind]
    with Client(Salesforce("acme"), auth=auth, transport=FakeTransport(fake), clock=fake.clock) as crm:
        account = crm.check()

    assert account.identity == f"salesforce:{fake.org.id[:15]}"
    assert account.sandbox is False


def test_a_login_at_the_shared_host_is_sent_to_the_organisation(fake):
    auth = JWTBearer(fake.logins.consumer_key, fake.logins.username, PEM)
    with Client(Salesforce("login"), auth=auth, transport=FakeTransport(fake), clock=fake.clock) as crm:
        crm.check()

    hosts = [request.url.split("/")[2] for request in fake.requests]
    assert hosts == ["login.salesforce.com", "acme.my.salesforce.com"]


def test_a_session_that_ends_in_the_middle_of_a_run_is_renewed(crm, fake):
    fake.faults.write(2, faults.expire_token())
    report = crm.upsert("Contact", rows(*(f"C-{n}" for n in range(900))), key="Ext__c")

    assert report.counts == {Status.CREATED: 900}
    assert set(fake.creations.values()) == {1}
    assert fake.logins.granted == 2


def test_a_blocked_user_is_two_calls_not_a_storm(crm, fake):
    crm.check()
    fake.logins.blocked = True
    fake.expire_tokens()
    before = fake.received
    with pytest.raises(AuthenticationError) as caught:
        crm.read("Contact", fields=["LastName"]).__next__()

    assert fake.received - before == 2
    assert caught.value.hint


def test_a_rotating_refresh_token_survives_the_process(fake, tmp_path):
    fake.logins.rotates = True
    app = {"id": fake.logins.consumer_key, "secret": fake.logins.consumer_secret}
    auth = RefreshToken(**app, token=fake.logins.refresh_token())
    for _ in range(3):
        with Client(
            Salesforce("acme"),
            auth=auth,
            transport=FakeTransport(fake),
            clock=fake.clock,
            token_store=FileTokenStore(tmp_path / "tokens"),
        ) as crm:
            crm.check()


def test_a_retired_version_names_those_there_are(fake, auth):
    for version in ("25.0", "99.0"):
        connector = Salesforce("acme", api_version=version)
        with (
            Client(connector, auth=auth, transport=FakeTransport(fake), clock=fake.clock) as crm,
            pytest.raises(ConfigurationError, match=f"no API version {version}"),
        ):
            crm.check()


def test_an_unknown_object_is_named_with_its_neighbours(crm):
    with pytest.raises(ConfigurationError, match="no object 'Contcat'") as caught:
        crm.describe("Contcat")
    assert "'Contact'" in caught.value.hint


def test_no_secret_reaches_a_log_or_a_message(fake, auth, caplog):
    with (
        caplog.at_level(logging.DEBUG),
        Client(Salesforce("acme"), auth=auth, transport=FakeTransport(fake), clock=fake.clock) as crm,
    ):
        crm.upsert("Contact", rows("a"), key="Ext__c")
        fake.logins.blocked = True
        fake.expire_tokens()
        with pytest.raises(AuthenticationError) as caught:
            crm.objects()
    shown = caplog.text + str(caught.value) + repr(caught.value) + repr(crm) + repr(crm.session) + repr(auth)

    assert fake.secrets
    assert not [secret for secret in fake.secrets if secret in shown]


# --- over real HTTP --------------------------------------------------------------------------------------


@pytest.fixture
def served():
    fake = furnish(FakeSalesforce())
    with serve(fake) as emulator:
        yield fake, emulator.url


def test_the_same_over_http(served):
    fake, url = served
    auth = ClientCredentials(fake.logins.consumer_key, fake.logins.consumer_secret)
    with Client(url.replace("http://", "salesforce+http://"), auth=auth) as crm:
        report = crm.upsert("Contact", rows(*(f"C-{n}" for n in range(450))), key="Ext__c")
        again = crm.update("Contact", [{"Ext__c": "C-7", "Score__c": 0.83}], key="Ext__c")
        native = crm.native.query("SELECT Score__c FROM Contact WHERE Ext__c = 'C-7'")

    assert report.counts == {Status.CREATED: 450}
    assert again.counts == {Status.UPDATED: 1}
    assert native["records"][0]["Score__c"] == 0.83


async def test_the_same_on_an_event_loop(served):
    fake, url = served
    auth = JWTBearer(fake.logins.consumer_key, fake.logins.username, PEM)
    async with AsyncClient(url.replace("http://", "salesforce+http://"), auth=auth) as crm:
        report = await crm.upsert("Contact", rows(*(f"C-{n}" for n in range(450))), key="Ext__c")
        accounts = await asyncio.gather(*(crm.check() for _ in range(5)))

    assert report.counts == {Status.CREATED: 450}
    assert {account.identity for account in accounts} == {f"salesforce:{fake.org.id[:15]}"}
    assert fake.logins.granted == 1

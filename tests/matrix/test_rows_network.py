"""Fault matrix, rows of the wire: a client over real sockets, with a server that misbehaves on them."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from matrix_org import counts, made, organization, rows, writes

import aumconnect as aum
from aumconnect._clock import SYSTEM_CLOCK
from aumconnect.client import Client
from aumconnect.connectors.salesforce import Salesforce
from aumconnect.testing import faults
from aumconnect.testing.emulator import Emulator, serve
from aumconnect.testing.fakes.salesforce import FakeSalesforce

ACCIDENTS = {
    "row 7: closed after the request": faults.lose_reply(),
    "row 9, 22: cut inside the answer": faults.truncate(3),
    "row 10: one byte at a time": faults.drip(0.05),
    "row 11: later than we wait": faults.delay(1.0),
    "row 7: closed before it was carried out": faults.lose_request(),
    "row 12: carried out after we have gone": faults.late_commit(0.2),
}


@pytest.fixture
def fake() -> FakeSalesforce:
    return organization(clock=SYSTEM_CLOCK)


@pytest.fixture
def emulator(fake: FakeSalesforce) -> Iterator[Emulator]:
    with serve(fake) as emulator:
        yield emulator


def impatient(emulator: Emulator, fake: FakeSalesforce) -> Client:
    connector = Salesforce(emulator.url, attempt_timeout=0.6, settle_time=1.2)
    return Client(connector, auth=fake.auth(), settle_wait=20.0, retry=aum.RetryPolicy(attempts=3, initial=0.05))


@pytest.mark.parametrize("accident", ACCIDENTS.values(), ids=ACCIDENTS)
def test_row_07_09_10_11_12_22_a_create_without_an_answer_is_made_once(
    fake: FakeSalesforce, emulator: Emulator, accident: faults.Accident
) -> None:
    with impatient(emulator, fake) as client:
        client.describe("Contact")
        fake.faults.write(1, accident)
        report = client.insert("Contact", rows(3), key="Ext__c")

    assert counts(report) == {"created": 3}
    with fake.lock:
        fake.settle()
        assert made(fake) == {1: 3}
        assert len(writes(fake)) <= 2


def test_row_07_without_a_key_to_look_by_it_stays_unknown_and_is_sent_once(
    fake: FakeSalesforce, emulator: Emulator
) -> None:
    with impatient(emulator, fake) as client:
        client.describe("Contact")
        fake.faults.write(1, faults.lose_reply())
        report = client.insert("Contact", [{"LastName": "Nobody"}])

    assert (counts(report), report.exit_code) == ({"unknown": 1}, 75)
    assert len(writes(fake)) == 1


@pytest.mark.parametrize("how", ["unknown authority", "another host"])
def test_row_04_a_certificate_that_is_not_right_ends_it_with_a_reason_and_never_goes_plain(
    tmp_path: Path, how: str
) -> None:
    authority, fake = trustme.CA(), organization(clock=SYSTEM_CLOCK)
    issued = authority.issue_cert("127.0.0.1" if how == "unknown authority" else "other.example")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    trusted = ssl.create_default_context()
    if how == "another host":
        authority.configure_trust(trusted)
    with serve(fake, certfile=tmp_path / "server.pem") as emulator:
        client = Client(Salesforce(emulator.url), auth=fake.auth(), verify=trusted)
        with client, pytest.raises(aum.TransportError) as caught:
            client.check()

    assert caught.value.permanent
    assert caught.value.hint
    assert fake.received == 0


def test_row_36_a_redirect_sends_nothing_to_the_other_host(fake: FakeSalesforce, emulator: Emulator) -> None:
    other = organization(clock=SYSTEM_CLOCK)
    with serve(other) as elsewhere, impatient(emulator, fake) as client:
        client.describe("Contact")
        fake.faults.each(lambda request, index: faults.answer(307, headers={"Location": elsewhere.url + "/steal"}))
        report = client.upsert("Contact", rows(3), key="Ext__c")
        with pytest.raises(aum.Unavailable):
            list(client.read("Contact", fields=["LastName"]))

    assert other.received == 0
    assert counts(report) == {"unknown": 3}


def test_p11_a_lost_connection_shows_no_token_even_with_locals(fake: FakeSalesforce, emulator: Emulator) -> None:
    with impatient(emulator, fake) as client:
        client.check()
        for accident in (faults.lose_reply(), faults.truncate(1), faults.delay(1.0)):
            fake.faults.each(lambda request, index, accident=accident: accident)  # type: ignore[misc]
            with pytest.raises(aum.AumconnectError) as caught:
                client.get("Contact", "003000000000001AAA", ["LastName"])
            told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
            fake.faults.clear()
            assert not [secret for secret in fake.secrets if secret in told]

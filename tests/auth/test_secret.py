"""A secret is found when needed and shown nowhere."""

import copy
import json
import logging
import pickle
import sys
import traceback
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from aumconnect.auth import AccessToken, ClientCredentials, JWTBearer, Password, RefreshToken, Secret, Token, reveal
from aumconnect.errors import ConfigurationError

CANARY = "s3cr3t-c4n4ry"


@pytest.mark.parametrize(
    "source",
    [CANARY, SecretStr(CANARY), lambda: CANARY, Secret(CANARY), Secret.literal(CANARY)],
    ids=lambda s: type(s).__name__,
)
def test_every_form_reveals_the_same_text(source):
    assert reveal(source) == CANARY


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{:>40}".format, ascii, "%s".__mod__, "%r".__mod__])
def test_no_way_of_showing_a_secret_shows_it(show):
    assert CANARY not in show(Secret(CANARY))
    assert CANARY not in show(Secret(lambda: CANARY))


@pytest.mark.parametrize(
    "credential",
    [
        ClientCredentials(id="app", secret=CANARY),
        JWTBearer(id="app", username="me", key=CANARY),
        RefreshToken(id="app", secret=CANARY, token=CANARY),
        Password("me", CANARY, security_token=CANARY),
        AccessToken(CANARY),
    ],
    ids=lambda c: c.kind,
)
def test_a_credential_shows_no_secret_anywhere(credential, caplog):
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("aumconnect").warning("%s %r", credential, credential)
    try:
        json.dumps(credential)
    except TypeError:
        text = traceback.format_exc()

    assert CANARY not in caplog.text + text + repr(asdict(credential)) + str(vars(type(credential)))


@pytest.mark.parametrize("holder", [Secret(CANARY), ClientCredentials("id", CANARY), Token(CANARY, refresh=CANARY)])
def test_pickling_refuses_and_says_why(holder):
    with pytest.raises(pickle.PicklingError, match="never pickled"):
        pickle.dumps(holder)


def test_a_token_shows_neither_of_its_secrets():
    assert CANARY not in repr(Token(CANARY, refresh=CANARY))


def test_secrets_compare_by_what_they_hold():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret(SecretStr("a"))}) == 1
    assert ClientCredentials("i", "a") == ClientCredentials("i", SecretStr("a"))


def test_copies_are_the_secret_itself():
    secret = Secret(CANARY)

    assert copy.copy(secret) is secret
    assert copy.deepcopy(ClientCredentials("i", secret)).secret is secret


def test_a_secret_never_changes():
    with pytest.raises(AttributeError):
        Secret(CANARY)._source = "other"


def test_a_variable_is_read_when_needed(monkeypatch):
    secret = Secret("env:AUM_TEST_SECRET")
    monkeypatch.setenv("AUM_TEST_SECRET", "one")
    first = secret.reveal()
    monkeypatch.setenv("AUM_TEST_SECRET", "two")

    assert (first, secret.reveal()) == ("one", "two")
    assert repr(secret) == "Secret('env:AUM_TEST_SECRET')"


def test_a_keyring_that_cannot_be_read_is_what_the_error_speaks_of(monkeypatch):
    def locked(service: str, name: str) -> str:
        raise RuntimeError(CANARY)

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=locked))
    with pytest.raises(ConfigurationError, match=r"the keyring cannot be read \(RuntimeError\)") as caught:
        reveal("keyring:crm/secret")
    assert CANARY not in str(caught.value)


def test_a_missing_variable_is_named(monkeypatch):
    monkeypatch.delenv("AUM_TEST_SECRET", raising=False)
    with pytest.raises(ConfigurationError, match="AUM_TEST_SECRET is not set"):
        reveal("env:AUM_TEST_SECRET")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_file_loses_one_line_break(tmp_path, ending):
    (tmp_path / "secret").write_bytes(f" pass word {ending}".encode())

    assert reveal(f"file:{tmp_path / 'secret'}") == " pass word "


def test_an_unreadable_file_is_named_not_shown(tmp_path):
    (tmp_path / "secret").write_bytes(b"\xff\xfe" + CANARY.encode())
    with pytest.raises(ConfigurationError, match="secret") as caught:
        reveal(f"file:{tmp_path / 'secret'}")
    assert CANARY not in str(caught.value)

    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        reveal(f"file:{tmp_path / 'none'}")


def test_a_literal_may_look_like_a_reference():
    assert Secret.literal("env:HOME").reveal() == "env:HOME"


@pytest.mark.parametrize("source", [None, 7, b"bytes", ["x"]])
def test_anything_else_is_refused_without_being_shown(source):
    with pytest.raises(ConfigurationError, match=type(source).__name__):
        Secret(source)


def test_a_function_must_return_a_text():
    with pytest.raises(ConfigurationError, match="returned int"):
        Secret(lambda: 7).reveal()

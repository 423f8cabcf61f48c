"""Credentials in job files: right ones are built, wrong ones are named precisely."""

import pytest

from aumconnect.auth import (
    AccessToken,
    ClientCredentials,
    JWTBearer,
    RefreshToken,
    as_credential,
    credential_from,
    reveal,
)
from aumconnect.errors import ConfigurationError


def test_client_credentials_by_reference(monkeypatch):
    monkeypatch.setenv("SF_SECRET", "hush")

    credential = credential_from({"kind": "client_credentials", "id": "app", "secret": "env:SF_SECRET"})

    assert credential == ClientCredentials(id="app", secret="env:SF_SECRET")
    assert reveal(credential.secret) == "hush"


def test_optional_settings_may_be_absent():
    assert credential_from({"kind": "refresh_token", "id": "a", "token": "env:T"}) == RefreshToken(
        id="a", token="env:T"
    )


def test_a_relative_file_is_beside_the_job_file(tmp_path):
    (tmp_path / "key.pem").write_text("PEM")
    config = {"kind": "jwt_bearer", "id": "a", "username": "u", "key": "file:key.pem"}

    credential = credential_from(config, folder=tmp_path)

    assert isinstance(credential, JWTBearer)
    assert reveal(credential.key) == "PEM"


@pytest.mark.parametrize(
    ("config", "message", "hint"),
    [
        ({"id": "a"}, "lacks its kind", "client_credentials"),
        ({"kind": "client_credential"}, "'client_credential' is not known", "did you mean 'client_credentials'"),
        ({"kind": "client_credentials", "id": "a"}, "lacks secret", ""),
        ({"kind": "client_credentials"}, "lacks id and secret", ""),
        ({"kind": "client_credentials", "id": "a", "secert": "env:A"}, "no setting 'secert'", "did you mean 'secret'"),
        ({"kind": "client_credentials", "id": 7, "secret": "env:A"}, "'id' must be a text, not int", ""),
        ({"kind": "client_credentials", "id": "a", "secret": "hush-hush"}, "holds a secret in clear", "env:VARIABLE"),
    ],
)
def test_what_is_wrong_is_named(config, message, hint):
    with pytest.raises(ConfigurationError) as caught:
        credential_from(config)

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "hush-hush" not in str(caught.value)


def test_auth_takes_credentials_functions_and_nothing():
    credential = AccessToken("t")

    assert as_credential(credential) is credential
    assert as_credential(None) is None
    assert as_credential(lambda: ("token", "https://h")).provide().base_url == "https://h"
    with pytest.raises(ConfigurationError, match="not str"):
        as_credential("token")

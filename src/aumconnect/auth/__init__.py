"""Credentials, and the session that turns one into signed requests."""

from aumconnect.auth.config import KINDS, credential_from
from aumconnect.auth.credentials import (
    AccessToken,
    ClientCredentials,
    Credential,
    JWTBearer,
    Password,
    RefreshToken,
    TokenProvider,
    as_credential,
)
from aumconnect.auth.oauth import classify_login
from aumconnect.auth.secret import Secret, SecretLike, reveal
from aumconnect.auth.session import LogsIn, Session
from aumconnect.auth.store import FileTokenStore, KeyringTokenStore, TokenStore
from aumconnect.auth.token import Token

__all__ = [
    "KINDS",
    "AccessToken",
    "ClientCredentials",
    "Credential",
    "FileTokenStore",
    "JWTBearer",
    "KeyringTokenStore",
    "LogsIn",
    "Password",
    "RefreshToken",
    "Secret",
    "SecretLike",
    "Session",
    "Token",
    "TokenProvider",
    "TokenStore",
    "as_credential",
    "classify_login",
    "credential_from",
    "reveal",
]

"""Whom we trust, and why a server was not trusted."""

from __future__ import annotations

import functools
import os
import socket
import ssl
from pathlib import Path
from typing import TypeAlias

import certifi

from aumconnect.errors import ConfigurationError

__all__ = ["ClientCertificate", "Verify", "context_for", "default_context", "why_not_connected"]

Verify: TypeAlias = "bool | str | os.PathLike[str] | ssl.SSLContext"
"""True: the public authorities. A path: a file or directory of private ones (PEM). Or a context of one's own."""

_Path: TypeAlias = "str | os.PathLike[str]"
ClientCertificate: TypeAlias = "_Path | tuple[_Path, _Path] | tuple[_Path, _Path, str]"
"""A PEM file with certificate and key, or ``(certificate, key)``, or ``(certificate, key, password)``."""


def context_for(verify: Verify, cert: ClientCertificate | None) -> ssl.SSLContext:
    """One TLS context for any number of connections: TLS 1.2 or newer, names and certificates checked.

    Raises `ConfigurationError` for files that cannot be read and for ``verify=False``.
    """
    if verify is True and cert is None:
        return default_context()
    if verify is False:
        raise ConfigurationError(
            "certificates are always checked",
            hint="verify= takes the path of a private authority's certificate, or an ssl.SSLContext of your own",
        )
    try:
        context = _trusting(verify)
        if cert is not None:
            certificate, key, password = _parts(cert)
            context.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"the certificates in {_named(verify, cert)} cannot be loaded: {type(error).__name__}",
            hint="give PEM files that this user may read; a key with a password needs (certificate, key, password)",
        ) from None
    return context


@functools.cache
def default_context() -> ssl.SSLContext:
    """The public authorities, as certifi lists them. Made once: it takes 30 ms."""
    return _trusting(certifi.where())


def _trusting(verify: Verify) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    path = Path(certifi.where() if isinstance(verify, bool) else verify)
    context = ssl.create_default_context(capath=path) if path.is_dir() else ssl.create_default_context(cafile=path)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # some distributions' Python leaves it to OpenSSL
    return context


def _parts(cert: ClientCertificate) -> tuple[_Path, _Path | None, str | None]:
    """(certificate, key, password)"""
    if isinstance(cert, (str, os.PathLike)):
        return cert, None, None
    return (*cert, None) if len(cert) == 2 else cert


def _named(verify: Verify, cert: ClientCertificate | None) -> str:
    files = [verify] if isinstance(verify, (str, os.PathLike)) else []
    if cert is not None:
        files += [file for file in _parts(cert)[:2] if file is not None]
    return ", ".join(str(file) for file in files)


# --- explanations ----------------------------------------------------------------------------------------

_OWN_AUTHORITY = "give the authority's certificate as verify=PATH if you trust it"
_CERTIFICATE = {  # X509_V_ERR_*: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
    9: ("its certificate is not valid yet", "compare this machine's clock"),
    10: ("its certificate has expired", "the server's owner must renew it; if it is valid, set this machine's clock"),
    18: ("its certificate is self-signed", "give that certificate as verify=PATH if you trust it"),
    19: ("its certificate comes from a private authority", _OWN_AUTHORITY),
    20: ("its certificate comes from an unknown authority", _OWN_AUTHORITY),
    62: ("its certificate is for another host", "check the host name in the URL"),
    64: ("its certificate is for another address", "use the host's name in the URL, not its address"),
}
_HANDSHAKE = {  # parts of OpenSSL's reasons
    "WRONG_VERSION_NUMBER": ("it does not speak TLS on this port", "check the port, or whether it is an http:// URL"),
    "UNSUPPORTED_PROTOCOL": ("it offers no TLS as new as 1.2", "older ones are not safe; its owner must enable 1.2"),
    "PROTOCOL_VERSION": ("it offers no TLS as new as 1.2", "older ones are not safe; its owner must enable 1.2"),
    "CERTIFICATE_REQUIRED": ("it wants a client certificate", "give it as cert=PATH"),
    "HANDSHAKE_FAILURE": ("it refused the TLS handshake", "it may want a client certificate: cert=PATH"),
}


def why_not_connected(error: OSError) -> tuple[str, str | None, bool]:
    """(what happened, a hint, whether the next attempt would end the same) for an error while connecting."""
    match error:
        case ssl.SSLCertVerificationError():
            what, hint = _CERTIFICATE.get(error.verify_code, ("its certificate is not trusted", _OWN_AUTHORITY))
            return what, hint, True
        case ssl.SSLError():
            return _why_no_handshake(error)
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return "its name could not be looked up just now", "check this machine's network and DNS", False
        case socket.gaierror():
            return "no host of this name was found", "check the host name in the URL", False
        case ConnectionRefusedError():
            return "the connection was refused", "check the port, and that the service is running", False
    return (error.strerror or type(error).__name__).lower(), None, False


def _why_no_handshake(error: ssl.SSLError) -> tuple[str, str | None, bool]:
    reason = error.reason or ""
    for part, (what, hint) in _HANDSHAKE.items():
        if part in reason:
            return what, hint, True
    return f"the TLS handshake failed ({reason.lower().replace('_', ' ') or 'no reason given'})", None, False

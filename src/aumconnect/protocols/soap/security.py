"""Header blocks that are the same for every system, made anew for each attempt.

WS-Security UsernameToken (OASIS WSS UsernameToken Profile 1.0, March 2004; digest: §3.1) and WS-Addressing
1.0 (W3C SOAP Binding, 2006). Each block declares its own namespaces.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final

from aumconnect.protocols.soap.escaping import attribute, content
from aumconnect.protocols.soap.names import ENVELOPE

__all__ = ["addressing", "username_token"]

_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_WSSE: Final = _OASIS + "wssecurity-secext-1.0.xsd"
_WSU: Final = _OASIS + "wssecurity-utility-1.0.xsd"
_PROFILE: Final = _OASIS + "username-token-profile-1.0"
_BASE64: Final = _OASIS + "soap-message-security-1.0#Base64Binary"
_WSA: Final = "http://www.w3.org/2005/08/addressing"


def username_token(
    username: str,
    password: str,
    *,
    soap: str = "1.1",
    digest: tuple[bytes, datetime] | None = None,
    timestamp: tuple[datetime, timedelta] | None = None,
) -> str:
    """A ``wsse:Security`` block.

    The password is sent as text, or as Base64(SHA-1(nonce + created + password)) where ``digest`` gives a
    nonce (16 random bytes, never used before) and the present moment. ``timestamp`` adds a ``wsu:Timestamp``
    of that moment and lifetime. Raises `ValueError` for characters that XML cannot hold.
    """
    if digest is None:
        secret = f'<wsse:Password Type="{_PROFILE}#PasswordText">{content(password)}</wsse:Password>'
    else:
        secret = _digest(password, *digest)
    stamp = "" if timestamp is None else _timestamp(*timestamp)
    return (
        f'<wsse:Security xmlns:wsse="{_WSSE}" xmlns:wsu="{_WSU}" xmlns:env="{ENVELOPE[soap]}" env:mustUnderstand="1">'
        f"{stamp}<wsse:UsernameToken><wsse:Username>{content(username)}</wsse:Username>{secret}"
        "</wsse:UsernameToken></wsse:Security>"
    )


def _digest(password: str, nonce: bytes, moment: datetime) -> str:
    created = _instant(moment)
    hashed = hashlib.sha1(nonce + created.encode() + password.encode("utf-8"), usedforsecurity=True).digest()  # noqa: S324  (the profile's)
    return (
        f'<wsse:Password Type="{_PROFILE}#PasswordDigest">{base64.b64encode(hashed).decode()}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{_BASE64}">{base64.b64encode(nonce).decode()}</wsse:Nonce>'
        f"<wsu:Created>{created}</wsu:Created>"
    )


def _timestamp(moment: datetime, lifetime: timedelta) -> str:
    created, expires = _instant(moment), _instant(moment + lifetime)
    return f"<wsu:Timestamp><wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>"


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def addressing(*, to: str, action: str, message_id: str, soap: str = "1.1") -> str:
    """WS-Addressing blocks. ``message_id`` is a URI that stays the same when the message is repeated."""
    blocks = (("Action", action), ("MessageID", message_id), ("To", to))
    return "".join(
        f'<wsa:{name} xmlns:wsa="{attribute(_WSA)}" xmlns:env="{ENVELOPE[soap]}"'
        f"{' env:mustUnderstand=' + chr(34) + '1' + chr(34) if name == 'Action' else ''}>{content(value)}</wsa:{name}>"
        for name, value in blocks
    )

"""A reply as a SOAP message, or a typed refusal to take it for one.

Nothing but an envelope with one body is ever read as an answer: not a page with status 200, not an empty
202, not a half message, not a multipart one. A fault is a fault whatever the HTTP status says.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aumconnect.errors import ErrorClass, ProtocolError
from aumconnect.protocols.soap.names import ENVELOPE, local, namespace, qualified
from aumconnect.protocols.soap.xml import MAX_BYTES, parse
from aumconnect.wire import Response

__all__ = ["Reply", "SoapFault", "classify", "read_reply"]

_XML_TYPES = frozenset({"text/xml", "application/xml", "application/soap+xml", ""})
_TELLING = frozenset({200, 201, 202, 203, 400, 500})
"""HTTP statuses under which a SOAP message may come (SOAP 1.1 §6.2; SOAP 1.2 part 2, §7.5.2)."""
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
_BY_STATUS = {
    403: ErrorClass.PERMISSION,
    407: ErrorClass.AUTH_REVOKED,
    413: ErrorClass.VALIDATION,
    429: ErrorClass.THROTTLED,
}


@dataclass(frozen=True, slots=True)
class SoapFault:
    """What a system says instead of an answer.

    ``code`` and ``subcodes`` are names in Clark notation where their prefix is declared, else as written;
    SOAP 1.1 knows ``code`` alone. ``text`` and ``detail`` may quote a customer's data: for code, not logs.
    ``detail`` is the lxml element, or None.
    """

    code: str
    text: str = field(repr=False)
    subcodes: tuple[str, ...] = ()
    detail: Any = field(default=None, repr=False, compare=False)

    @property
    def details(self) -> tuple[str, ...]:
        """The names of the detail's children: often what tells one fault from another."""
        return () if self.detail is None else tuple(child.tag for child in self.detail.iterchildren(tag="*"))

    def detail_text(self, name: str) -> str | None:
        """The text of the first element of this local name anywhere in the detail."""
        found = None if self.detail is None else next(self.detail.iter("{*}" + name), None)
        return None if found is None else "".join(found.itertext()).strip()


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """One SOAP message that came in: the elements (lxml) of its body and header, or its fault."""

    body: tuple[Any, ...]
    header: tuple[Any, ...] = ()
    fault: SoapFault | None = None

    @property
    def root(self) -> Any:
        """The body's one element. Raises `ProtocolError` where there is a fault, none or several."""
        if self.fault is not None or not self.body:
            raise ProtocolError("a fault, or an empty message, where an answer is expected")
        return self.body[0]


def read_reply(response: Response, *, max_bytes: int = MAX_BYTES) -> Reply:
    """The message in ``response``, whatever its HTTP status. Raises `ProtocolError`."""
    charset = _charset(response)
    if not response.body.strip():
        raise ProtocolError(f"an empty answer (HTTP {response.status}) where a SOAP message is expected")
    root = parse(response.body, charset=charset, max_bytes=max_bytes)
    space = namespace(root.tag)
    if local(root.tag) != "Envelope" or space not in ENVELOPE.values():
        raise ProtocolError(f"an answer (HTTP {response.status}) that is no SOAP message")
    headers = root.findall(qualified(space, "Header"))
    bodies = root.findall(qualified(space, "Body"))
    if len(bodies) != 1 or len(headers) > 1:
        raise ProtocolError("a SOAP message without a body, or with more than one")
    body = tuple(bodies[0].iterchildren(tag="*"))
    fault = next((child for child in body if child.tag == qualified(space, "Fault")), None)
    return Reply(
        body,
        tuple(headers[0].iterchildren(tag="*")) if headers else (),
        None if fault is None else _fault(fault, space),
    )


def classify(
    response: Response,
    of_fault: Callable[[SoapFault], ErrorClass],
    *,
    unauthorized: ErrorClass = ErrorClass.AUTH_REFRESH,
) -> ErrorClass | None:
    """What an answer as a whole means; None only for a whole SOAP message without a fault.

    ``of_fault`` is the system's own table. ``unauthorized`` is what a 401 means: that the token is too old,
    or, where a password is sent, that it is not accepted. What leaves open whether a write was carried out
    is `ErrorClass.UNKNOWN`.
    """
    if response.status == 401:
        return unauthorized
    if response.status in _BY_STATUS:
        return _BY_STATUS[response.status]
    if response.status not in _TELLING:
        return ErrorClass.UNKNOWN
    try:
        reply = read_reply(response)
    except ProtocolError:
        return ErrorClass.UNKNOWN
    if reply.fault is not None:
        return of_fault(reply.fault)
    return None if response.ok and reply.body else ErrorClass.UNKNOWN


def _charset(response: Response) -> str | None:
    """The announced charset. Raises `ProtocolError` for content that is no single XML document."""
    told = response.headers.get("Content-Type", "")
    kind = told.partition(";")[0].strip().lower()
    if kind not in _XML_TYPES and not kind.endswith("+xml"):
        raise ProtocolError(f"an answer (HTTP {response.status}) that is no XML where a SOAP message is expected")
    found = _CHARSET.search(told)
    return found[1] if found else None


def _fault(node: Any, space: str) -> SoapFault:
    if space == ENVELOPE["1.2"]:
        return _fault_12(node, space)
    code = node.find("faultcode")
    text = node.find("faultstring")
    return SoapFault(_qname(code), _text(text), (), node.find("detail"))


def _fault_12(node: Any, space: str) -> SoapFault:
    """Code, its subcodes from the outermost in, and the first reason (SOAP 1.2 part 1, §5.4)."""
    code = node.find(qualified(space, "Code"))
    codes: list[str] = []
    while code is not None:
        codes.append(_qname(code.find(qualified(space, "Value"))))
        code = code.find(qualified(space, "Subcode"))
    reason = node.find(f"{qualified(space, 'Reason')}/{qualified(space, 'Text')}")
    return SoapFault(codes[0] if codes else "", _text(reason), tuple(codes[1:]), node.find(qualified(space, "Detail")))


def _qname(node: Any) -> str:
    text = _text(node)
    prefix, colon, rest = text.partition(":")
    space = None if node is None else node.nsmap.get(prefix if colon else None)
    return qualified(space, rest) if colon and space else text


def _text(node: Any) -> str:
    return "" if node is None else "".join(node.itertext()).strip()

"""Qualified names in Clark notation (``{namespace}local``), and the namespaces that SOAP itself brings."""

from __future__ import annotations

from typing import Final

__all__ = ["ENCODING", "ENVELOPE", "WSDL", "XSD", "XSI", "local", "namespace", "qualified"]

ENVELOPE: Final = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
"""SOAP version → namespace of its envelope (SOAP 1.1 §4.1.2; SOAP 1.2 part 1 §5.1)."""
ENCODING: Final = "http://schemas.xmlsoap.org/soap/encoding/"
"""Namespace of the SOAP 1.1 encoding (SOAP 1.1 §5)."""
ENCODING_12: Final = "http://www.w3.org/2003/05/soap-encoding"
WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
XSD: Final = "http://www.w3.org/2001/XMLSchema"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"


def qualified(namespace: str | None, local: str) -> str:
    """``{namespace}local``, or ``local`` alone for a name in no namespace."""
    return f"{{{namespace}}}{local}" if namespace else local


def local(name: str) -> str:
    return name.rpartition("}")[2]


def namespace(name: str) -> str:
    """The namespace of a name; empty for none."""
    return name[1:].partition("}")[0] if name.startswith("{") else ""

"""XML from outside, read so that no document can fetch, open, expand or exhaust anything.

No DTD, no entities, no network, libxml2's own bounds on depth (256) and on the size of one text (10 MB),
and a cap on the whole. The bytes are decoded by us first, strictly, from a short list of encodings: what a
document claims and what it is cannot differ unnoticed.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

from aumconnect.errors import ProtocolError

if TYPE_CHECKING:
    from lxml.etree import XMLParser

__all__ = ["MAX_BYTES", "parse"]

MAX_BYTES = 64 * 1024 * 1024

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_ENCODINGS = frozenset("utf-8 ascii utf-16 utf-16-le utf-16-be iso8859-1 iso8859-2 iso8859-15 cp1250 cp1252".split())
"""By the names of Python's codecs."""
_DECLARED = re.compile(r"""\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_DOCTYPE = re.compile(r"\s*+(?:(?><\?.*?\?>|<!--.*?-->)\s*+)*+<!DOCTYPE", re.DOTALL)


def parse(body: bytes, *, charset: str | None = None, max_bytes: int = MAX_BYTES) -> Any:
    """The root element (lxml) of ``body``. ``charset`` is the one the transport announced (RFC 7303 §3).

    Raises `ProtocolError` for anything that is not one well-formed, harmless document. Messages never
    quote the document.
    """
    from lxml import etree

    if len(body) > max_bytes:
        raise ProtocolError(f"an XML document of {len(body)} bytes is more than the {max_bytes} allowed")
    text = _decoded(body, charset)
    if _DOCTYPE.match(text):
        raise ProtocolError("an XML document with a DOCTYPE is not read")
    try:
        root = etree.fromstring(text.encode("utf-8"), _parser())
    except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
        raise ProtocolError(f"not a well-formed XML document: {_where(error)}") from None
    if root is None or root.getroottree().docinfo.doctype:
        raise ProtocolError("an XML document without content, or with a DOCTYPE")
    return root


def _parser() -> XMLParser:
    from lxml import etree

    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


def _where(error: Exception) -> str:
    """Line and kind of a mistake; the parser's own message may quote the document."""
    line, code = getattr(error, "lineno", None), getattr(error, "code", None)
    return f"{type(error).__name__} {code}, line {line}" if line else type(error).__name__


def _decoded(body: bytes, charset: str | None) -> str:
    """The text, by byte order mark, announced charset and XML declaration, which must agree."""
    marked = next(((name, len(bom)) for bom, name in _BOMS if body.startswith(bom)), None)
    body = body[marked[1] :] if marked else body
    announced = _codec(charset) if charset else None
    if marked:
        encoding = marked[0]
    else:
        encoding = announced or _guessed(body) or _declared(body[:300].decode("latin-1")) or "utf-8"
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        raise ProtocolError(f"an XML document is not in the encoding it claims, {encoding}") from None
    for claim in (announced, _declared(text[:300])):
        if claim and not _same(claim, encoding):
            raise ProtocolError(f"an XML document claims two encodings, {claim} and {encoding}")
    return text


def _guessed(body: bytes) -> str | None:
    """UTF-16 without a mark (XML 1.0 appendix F)."""
    return {b"<\0": "utf-16-le", b"\0<": "utf-16-be"}.get(body[:2])


def _declared(text: str) -> str | None:
    found = _DECLARED.match(text)
    return _codec(found[1]) if found else None


def _codec(name: str) -> str:
    try:
        found = codecs.lookup(name.strip("\"' ")).name
    except (LookupError, ValueError):
        found = ""
    if found not in _ENCODINGS:
        raise ProtocolError("an XML document in an encoding that is not read", hint="ask for UTF-8")
    return found


def _same(claim: str, encoding: str) -> bool:
    if claim == "ascii":
        return True  # a claim of less than what decoded well
    return claim == encoding or (claim == "utf-16" and encoding.startswith("utf-16"))

"""Answer bodies, decoded under a limit: a few kilobytes of gzip never become a few hundred megabytes of memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from aumconnect.errors import TransportError

__all__ = ["ACCEPT_ENCODING", "BoundedBody"]

ACCEPT_ENCODING = b"gzip, identity"
PIECE = 1 << 16  # bytes inflated at a time


class BoundedBody:
    """Takes an answer's bytes as they come off the wire and passes them on decoded to ``write``.

    ``encodings`` are the answer's ``Content-Encoding`` fields; ``where`` begins every message. Neither the
    bytes fed nor the bytes written may exceed ``limit``. Raises `TransportError` beyond it, for an encoding
    we did not ask for or one around another, and for damaged gzip: a permanent one, since the answer would
    come again as it is, and a ``sent`` one, since the request was carried out for all we know.
    """

    def __init__(self, encodings: Sequence[str], write: Callable[[bytes], Any], *, limit: int, where: str) -> None:
        self._write = write
        self._limit = limit
        self._where = where
        self._fed = 0
        self._written = 0
        self._member = _gzip_member() if self._is_gzip(encodings) else None

    def _is_gzip(self, encodings: Sequence[str]) -> bool:
        if not encodings:
            return False
        names = ",".join(encodings).lower().replace(" ", "")
        if names in ("gzip", "x-gzip"):  # the same by RFC 9110 §8.4.1.3
            return True
        if names in ("identity", ""):
            return False
        raise self._unreadable("the answer is encoded in a way we did not ask for")

    def feed(self, chunk: bytes) -> None:
        """The next bytes off the wire."""
        self._fed += len(chunk)
        self._check(self._fed)
        if self._member is None:
            self._write(chunk)
        else:
            self._inflate(chunk)

    def _inflate(self, chunk: bytes) -> None:
        full = False
        while chunk or full:
            assert self._member is not None
            if self._member.eof:  # RFC 1952 §2.2: a file is a series of members
                self._member = _gzip_member()
            try:
                piece = self._member.decompress(chunk, PIECE)
            except zlib.error:
                raise self._unreadable("the answer is not the gzip it claims to be") from None
            self._written += len(piece)
            self._check(self._written)
            self._write(piece)
            chunk = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            full = len(piece) == PIECE and not self._member.eof

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise self._unreadable(f"the answer is larger than {self._limit:,} bytes")

    def _unreadable(self, why: str) -> TransportError:
        return TransportError(f"{self._where}: {why}", sent=True, permanent=True)

    def finish(self) -> None:
        """No byte follows. Raises `TransportError` when the gzip stream has no end yet."""
        if self._member is not None and self._fed and not self._member.eof:
            raise TransportError(f"{self._where}: the answer was cut short", sent=True)


def _gzip_member() -> zlib._Decompress:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)

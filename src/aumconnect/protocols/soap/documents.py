"""Where a WSDL and the schemas it imports come from: documents that are already here, and nothing else.

zeep asks its transport for every ``wsdl:import``, ``xsd:import`` and ``xsd:include``; `Documents` is that
transport. It has no way to open a connection or a file outside its folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urldefrag

from aumconnect.errors import ConfigurationError, ProtocolError
from aumconnect.protocols.soap.names import ENCODING

__all__ = ["HERE", "Documents"]

_SUFFIXES = frozenset({".wsdl", ".xsd", ".xml"})
HERE = "https://documents.invalid/"
"""What relative names are resolved against; RFC 2606 reserves the host, so that it can never be reached."""


class Documents:
    """The documents of one WSDL: a folder (its files ending in wsdl, xsd or xml), or names to bytes.

    A name is a path with ``/`` relative to the WSDL's place, or the absolute URL by which another document
    imports it. The SOAP encoding schema is always held; give your own under its namespace to replace it.
    ``files``, ``file_bytes`` and ``total_bytes`` cap what is read.
    """

    def __init__(
        self,
        held: Mapping[str, bytes] | Path,
        *,
        files: int = 1000,
        file_bytes: int = 16_000_000,
        total_bytes: int = 64_000_000,
    ) -> None:
        self._held = held if isinstance(held, Mapping) else {}
        self._folder = None if isinstance(held, Mapping) else Path(held).resolve()
        self._files = files
        self._file_bytes = file_bytes
        self._total_bytes = total_bytes
        self.loaded: dict[str, bytes] = {}
        """Every document asked for so far, by URL."""

    def load(self, url: str) -> bytes:
        """The document at ``url``. Raises `ConfigurationError` for one that is not held or is no harmless XML."""
        url = urldefrag(url)[0]
        if url not in self.loaded:
            body = self._find(url)
            self._check(url, body)
            self.loaded[url] = body
        return self.loaded[url]

    def url(self, name: str) -> str:
        """The URL of a held document."""
        return name if "://" in name else HERE + name

    def digest(self) -> str:
        """SHA-256 over every document that was loaded, names included, in order of name."""
        total = hashlib.sha256()
        for url, body in sorted(self.loaded.items()):
            total.update(f"{url}\0{len(body)}\0".encode() + body)
        return total.hexdigest()

    def held_digest(self) -> str:
        """SHA-256 over everything that is held, asked for or not: what a cache is kept under.

        Raises `ConfigurationError` beyond the caps.
        """
        total = hashlib.sha256()
        size = 0
        for count, (name, body) in enumerate(self._everything(), 1):
            size += len(body)
            if count > self._files or size > self._total_bytes:
                raise ConfigurationError(f"more than {self._files} documents or {self._total_bytes} bytes are held")
            total.update(f"{name}\0{len(body)}\0".encode() + body)
        return total.hexdigest()

    def _everything(self) -> list[tuple[str, bytes]]:
        if self._folder is None:
            return sorted(self._held.items())
        paths = sorted(p for p in self._folder.rglob("*") if p.suffix in _SUFFIXES and p.is_file())
        return [(path.relative_to(self._folder).as_posix(), self._read(path)) for path in paths[: self._files + 1]]

    def _find(self, url: str) -> bytes:
        name = unquote(url.removeprefix(HERE)) if url.startswith(HERE) else url
        if name in self._held:
            return self._held[name]
        if self._folder is not None and url.startswith(HERE):
            return self._in_folder(name)
        if name == ENCODING:
            from aumconnect.protocols.soap.encoding_schema import encoding_schema

            return encoding_schema()
        raise self._absent(name)

    def _in_folder(self, name: str) -> bytes:
        assert self._folder is not None
        path = (self._folder / name).resolve()
        inside = path.is_relative_to(self._folder) and path.suffix in _SUFFIXES
        if not (inside and path.is_file()):
            raise self._absent(name)
        return self._read(path)

    def _read(self, path: Path) -> bytes:
        if path.stat().st_size > self._file_bytes:
            raise ConfigurationError(f"{path.name} is larger than {self._file_bytes} bytes")
        return path.read_bytes()

    def _absent(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"the WSDL imports {name!r}, which is not among its documents",
            hint="documents are never fetched: save it and give it under exactly this name",
        )

    def _check(self, url: str, body: bytes) -> None:
        from aumconnect.protocols.soap.xml import parse

        if len(self.loaded) >= self._files:
            raise ConfigurationError(f"a WSDL of more than {self._files} documents")
        if len(body) > self._file_bytes or len(body) + sum(map(len, self.loaded.values())) > self._total_bytes:
            raise ConfigurationError(f"the documents of a WSDL are larger than {self._total_bytes} bytes")
        try:
            parse(body, max_bytes=self._file_bytes)
        except ProtocolError as error:
            raise ConfigurationError(f"{url.removeprefix(HERE)!r}: {error.message}", hint=error.hint) from None

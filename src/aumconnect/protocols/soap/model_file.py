"""A `Model` as a file: small, quick to open, and read only as far as it is asked for."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from aumconnect.protocols.soap.model import NODES, Model
from aumconnect.protocols.soap.packing import pack, unpack

__all__ = ["VERSION", "dump_model", "load_model"]

VERSION = 1
"""Of the form; a file of another version is built anew."""
_LARGEST = 256_000_000  # bytes of a file, unzipped


def dump_model(model: Model) -> bytes:
    """The model for a file: zlib over one line of JSON that says what follows, then the packed texts."""
    index = {
        "version": VERSION,
        "digest": model.digest,
        "types": {name: len(text) for name, text in model.packed_types.items()},
        "elements": {name: len(text) for name, text in model.packed_elements.items()},
        "operations": model.packed_operations,
        "ports": pack(model.ports),
        "heads": model.heads,
    }
    texts = "".join([*model.packed_types.values(), *model.packed_elements.values()])
    return zlib.compress(f"{_json(index)}\n{texts}".encode(), 6)


def load_model(file: bytes) -> Model:
    """The model that `dump_model` wrote. Raises `ValueError` for anything else, and for another version."""
    unzip = zlib.decompressobj()
    try:
        first, _, texts = unzip.decompress(file, _LARGEST).decode("utf-8").partition("\n")
        index = json.loads(first)
    except (zlib.error, RecursionError) as error:
        raise ValueError(f"no model: {error}") from None
    if not isinstance(index, dict) or index.get("version") != VERSION or not unzip.eof:
        raise ValueError("a model of another version, or not whole")
    try:
        cut = _Cut(texts)
        types, elements = cut.next(index["types"]), cut.next(index["elements"])
        ports = unpack(index["ports"], NODES)
        return Model(index["digest"], types, elements, index["operations"], ports, index["heads"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a model that lacks a section: {error}") from None


class _Cut:
    """Cuts texts that stand one after the other apart again."""

    def __init__(self, texts: str) -> None:
        self._texts = texts
        self._at = 0

    def next(self, lengths: Mapping[str, int]) -> dict[str, str]:
        found = {}
        for name, length in lengths.items():
            found[name] = self._texts[self._at : self._at + length]
            self._at += length
        if self._at > len(self._texts):
            raise ValueError("a model that ends early")
        return found


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

"""Models on disk: a WSDL is parsed once, then only its digest is compared."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.model import Model
from aumconnect.protocols.soap.model_file import VERSION, dump_model, load_model

__all__ = ["cached_model"]


def cached_model(documents: Documents, name: str, folder: Path) -> Model:
    """The model of the WSDL ``name``, from ``folder`` where it is there, built and written there where not.

    The file's name is the SHA-256 over all held documents, ``name`` and the version of the form, so that a
    changed document is never served from an old file. A file that is damaged is built anew. The folder is
    made with mode 0700, files with 0600. Raises `ConfigurationError` where the WSDL is broken.
    """
    path = folder / f"{documents.held_digest()}-{_safe(name)}-{VERSION}.soap"
    with contextlib.suppress(OSError, ValueError, KeyError):
        return load_model(path.read_bytes())
    from aumconnect.protocols.soap.build import build

    model = build(documents, name)
    with contextlib.suppress(OSError):  # a cache that cannot be written is only slow
        _write(path, dump_model(model))
    return model


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)[-60:]


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, also for readers of this moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")  # mkstemp: 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

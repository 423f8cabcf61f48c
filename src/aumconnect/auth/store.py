"""Where a rotating refresh token lives between runs: a private file, or the system's keyring.

A system that rotates takes each refresh token once: two processes that refresh at the same time would lock
each other out. So a store has a lock that holds between processes and is given up when its owner dies.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from aumconnect.auth.secret import keyring_module
from aumconnect.errors import ConfigurationError

__all__ = ["FileTokenStore", "KeyringTokenStore", "TokenStore"]


class TokenStore(Protocol):
    """Keeps one text under each name. All calls are short and local; none waits."""

    def load(self, name: str) -> str | None: ...

    def save(self, name: str, text: str) -> None: ...

    def try_lock(self, name: str) -> bool:
        """Whether we now hold the lock of ``name``; False while another process or thread does."""

    def unlock(self, name: str) -> None: ...


class _LockFiles:
    """Locks of the operating system on empty files beside the data: freed by the kernel when a process dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def try_lock(self, name: str) -> bool:
        if name in self._held:
            return False
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        opened = os.open(self._folder / f".{digest}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(opened)
        except OSError:
            os.close(opened)
            return False
        self._held[name] = opened
        return True

    def unlock(self, name: str) -> None:
        os.close(self._held.pop(name))  # closing gives the lock up


def _lock(opened: int) -> None:
    """Take the lock or raise `OSError` at once."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileTokenStore:
    """A JSON file that only its owner may read (0600), replaced as a whole at each change.

    Raises `ConfigurationError` when the file is readable by others, or is not what this class wrote.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).expanduser()
        self._locks = _LockFiles(self._path.parent)

    def load(self, name: str) -> str | None:
        text = self._read().get(name)
        return text if text is None or isinstance(text, str) else None

    def save(self, name: str, text: str) -> None:
        with self._file_lock():
            self._replace({**self._read(), name: text})

    def try_lock(self, name: str) -> bool:
        return self._locks.try_lock(f"{self._path}:{name}")

    def unlock(self, name: str) -> None:
        self._locks.unlock(f"{self._path}:{name}")

    def _read(self) -> dict[str, Any]:
        try:
            if os.name != "nt" and self._path.stat().st_mode & 0o077:
                raise ConfigurationError(
                    f"the token file {self._path} can be read by others", hint=f"chmod 600 {self._path}"
                )
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise ConfigurationError(f"{self._path} is not a token file") from None
        if not isinstance(found, dict):
            raise ConfigurationError(f"{self._path} is not a token file")
        return found

    def _replace(self, content: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened, draft = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # mkstemp gives 0600
        try:
            with os.fdopen(opened, "w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(self._path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        """Held for a read and a write of a small file: names of one file do not lose each other's changes."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.name != "nt":
                import fcntl

                fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"


class KeyringTokenStore:
    """The keyring of the operating system (package ``keyring``); locks are files in ``lock_folder``."""

    def __init__(self, service: str = "aumconnect", *, lock_folder: str | os.PathLike[str] | None = None) -> None:
        self._service = service
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self._locks = _LockFiles(Path(lock_folder) if lock_folder is not None else Path(state) / "aumconnect")

    def load(self, name: str) -> str | None:
        found: str | None = keyring_module().get_password(self._service, name)
        return found

    def save(self, name: str, text: str) -> None:
        keyring_module().set_password(self._service, name, text)

    def try_lock(self, name: str) -> bool:
        return self._locks.try_lock(f"{self._service}:{name}")

    def unlock(self, name: str) -> None:
        self._locks.unlock(f"{self._service}:{name}")

    def __repr__(self) -> str:
        return f"KeyringTokenStore({self._service!r})"

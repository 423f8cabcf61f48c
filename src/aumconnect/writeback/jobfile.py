"""Job files: TOML in, checked `Job`s out, and every error with the line it is on."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aumconnect._mapping import Mapping as FieldMapping
from aumconnect._mapping.tables import TableError, mapping_from_table
from aumconnect._near import did_you_mean
from aumconnect.auth import Credential, credential_from
from aumconnect.auth.secret import is_reference
from aumconnect.connector import Operation
from aumconnect.errors import ConfigurationError
from aumconnect.writeback._settings import CONNECTION, GUARD, GUARDS, JOB_FILE, WRITEBACK, Setting, Wrong, share
from aumconnect.writeback._toml_lines import Lines

__all__ = ["ConnectionSettings", "GuardLimit", "Job", "JobFile", "json_schema", "load"]

DEFAULT_LEDGER = "aumconnect.db"


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """One ``[connections.<name>]`` table. ``options`` goes to `Client` as it is."""

    name: str
    url: str
    credential: Credential | None
    rate: tuple[int, float] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GuardLimit:
    """What stops a plan: more rows than ``limit``, a share (0 to 1) or a count (int), and at least ``minimum``."""

    limit: float | int
    minimum: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One ``[writebacks.<name>]`` table, checked. ``mapping`` says which column goes to which field."""

    name: str
    connection: str
    object: str
    operation: Operation
    mapping: FieldMapping
    source: str | None = None
    guards: Mapping[str, GuardLimit] = field(default_factory=dict)
    on_human_edit: str = "skip"
    diff: str = "auto"
    require_history: bool = False
    allow_duplicates: bool = False
    error_rate: float | int | None = None
    cheap_reads: int = 10
    sample: int = 500
    delimiter: str | None = None
    bulk_rows: int | None = None


@dataclass(frozen=True, slots=True)
class JobFile:
    """A checked job file. ``digest`` changes with every change of it; ``folder`` is what its paths are beside."""

    path: Path
    ledger: str
    connections: Mapping[str, ConnectionSettings]
    jobs: Mapping[str, Job]
    digest: str

    @property
    def folder(self) -> Path:
        return self.path.resolve().parent


def load(path: str | Path, env: str | None = None) -> JobFile:
    """Read and check a job file, with the tables of ``[env.<env>]`` over it.

    Raises `ConfigurationError` that begins with ``<file>:<line>:`` for the first thing that is wrong.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"there is no job file {path}", hint="aumconnect init writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the job file {path} cannot be read ({type(error).__name__})") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return _Reader(path, text, env).file(data)


class _Reader:
    """Checks one file's tables; knows where it is, for whoever has to mend it."""

    def __init__(self, path: Path, text: str, env: str | None) -> None:
        self._path = path
        self._lines = Lines(text)
        self._env = env
        self._digest = hashlib.sha256(f"{env}\n{text}".encode()).hexdigest()[:16]

    def file(self, data: dict[str, Any]) -> JobFile:
        found = self.settings((), self._overlaid(data), JOB_FILE)
        with self.at("ledger"):
            ledger = _no_password(found.get("ledger", DEFAULT_LEDGER))
        connections = {name: self.connection(name, said) for name, said in found.get("connections", {}).items()}
        jobs = {name: self.job(name, said, connections) for name, said in found.get("writebacks", {}).items()}
        return JobFile(self._path, ledger, connections, jobs, self._digest)

    def connection(self, name: str, said: Any) -> ConnectionSettings:
        path = ("connections", name)
        found = self.settings(path, said, CONNECTION)
        credential = None
        if "auth" in found:
            with self.at(*path, "auth"):
                credential = credential_from(found.pop("auth"), folder=self._path.resolve().parent)
        url, rate = found.pop("url"), found.pop("rate", None)
        if "verify" in found:
            found["verify"] = str(self._path.resolve().parent / found["verify"])
        return ConnectionSettings(name, url, credential, rate, found)

    def job(self, name: str, said: Any, connections: Mapping[str, Any]) -> Job:
        path = ("writebacks", name)
        found = self.settings(path, said, WRITEBACK)
        connection, object_name = found.pop("to")
        if connection not in connections:
            raise self.wrong(
                (*path, "to"), f"there is no connection {connection!r}", did_you_mean(connection, connections)
            )
        tables = {table: found.pop(table, {}) for table in ("fields", "key", "stamp", "model")}
        operation = Operation(found.pop("operation"))
        if not tables["key"]:
            raise self.wrong((*path, "key"), "a key is needed, to tell records apart from run to run")
        try:
            mapping = mapping_from_table(object_name, **tables)
        except TableError as error:
            message = str(error.message).removeprefix(".".join(error.path)).removeprefix(": ")
            raise self.wrong((*path, *error.path), message, error.hint) from None
        mapping = _fitting(mapping, operation)
        found["guards"] = {
            guard: self.guard((*path, "guards", guard), limit) for guard, limit in self.guards(path, found)
        }
        return Job(name=name, connection=connection, object=object_name, operation=operation, mapping=mapping, **found)

    def guards(self, path: tuple[str, ...], found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield from self.settings((*path, "guards"), found.get("guards", {}), GUARDS).items()

    def guard(self, path: tuple[str, ...], said: Any) -> GuardLimit:
        if isinstance(said, dict):
            return GuardLimit(**self.settings(path, said, GUARD))
        with self.at(*path):
            return GuardLimit(share(said))

    def settings(self, path: tuple[str, ...], said: Any, declared: Mapping[str, Setting]) -> dict[str, Any]:
        """Every setting of one table, read; unknown, wrong and missing ones are refused."""
        if not isinstance(said, dict):
            raise self.wrong(path, "a table is expected")
        found = {}
        for name, value in said.items():
            if name not in declared:
                raise self.wrong((*path, name), "there is no such setting", did_you_mean(name, declared))
            with self.at(*path, name):
                found[name] = declared[name].read(value)
        for name, setting in declared.items():
            if setting.required and name not in found:
                raise self.wrong(path, f"{name} is missing: {setting.about}")
        return found

    @contextmanager
    def at(self, *path: str) -> Iterator[None]:
        """Whatever goes wrong inside is said with this place."""
        try:
            yield
        except Wrong as error:
            raise self.wrong(path, str(error)) from None
        except ConfigurationError as error:
            raise self.wrong(path, error.message, error.hint) from None

    def wrong(self, path: tuple[str, ...], message: str, hint: str | None = None) -> ConfigurationError:
        line = self._lines.of(("env", self._env or "", *path)) if self._env else None
        overlaid = self._lines.of(("env", self._env or "")) if self._env else None
        if line is None or line == overlaid:
            line = self._lines.of(path)
        where = f"{self._path}:{line}" if line else str(self._path)
        what = ".".join(path)
        return ConfigurationError(f"{where}: {what}: {message}" if what else f"{where}: {message}", hint=hint)

    def _overlaid(self, data: dict[str, Any]) -> dict[str, Any]:
        environments = data.pop("env", {})
        if self._env is None:
            return data
        if self._env not in environments:
            raise self.wrong(("env",), f"there is no [env.{self._env}]", did_you_mean(self._env, environments))
        return _merged(data, environments[self._env])


def _fitting(mapping: FieldMapping, operation: Operation) -> FieldMapping:
    """A delete writes nothing; an insert writes its key too, or the record could never be found again."""
    if operation is Operation.DELETE:
        return mapping.keys_only()
    if operation is Operation.INSERT:
        return mapping.replace(columns=tuple(c.replace(write=True) if c.key else c for c in mapping.columns))
    return mapping


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = dict(under)
    for name, value in over.items():
        old = both.get(name)
        both[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _no_password(url: str) -> str:
    authority = url.partition("://")[2].partition("/")[0]
    if not is_reference(url) and ":" in authority.rpartition("@")[0]:
        raise ConfigurationError(
            "the ledger's URL holds a password in clear",
            hint='name its place instead: ledger = "env:LEDGER_URL"; or leave the password to ~/.pgpass',
        )
    return url


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) of job files, for editors; generated from the declarations that check them."""
    from aumconnect._mapping.tables import KEY_OPTIONS, OPTIONS

    option_tables = {
        "fields": {"anyOf": [{"type": "string"}, _closed(dict.fromkeys(OPTIONS, True))]},
        "key": {"anyOf": [{"type": "string"}, _closed(dict.fromkeys(KEY_OPTIONS, True))]},
        "stamp": {"enum": ["model.name", "model.version", "scored_at", "run.id", "run.started_at"]},
    }
    writeback = _table_schema(WRITEBACK)
    for name, schema in option_tables.items():
        writeback["properties"][name] = {"type": "object", "additionalProperties": schema}
    writeback["properties"]["guards"] = _guards_schema()
    whole = _table_schema(JOB_FILE)
    whole["properties"]["connections"] = {"type": "object", "additionalProperties": _table_schema(CONNECTION)}
    whole["properties"]["writebacks"] = {"type": "object", "additionalProperties": writeback}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "aumconnect job file", **whole}


def _guards_schema() -> dict[str, Any]:
    limits = _table_schema(GUARD)
    schema = _table_schema(GUARDS)
    for guard in schema["properties"].values():
        guard["anyOf"] = [limits if option == {"type": "object"} else option for option in guard["anyOf"]]
    return schema


def _table_schema(declared: Mapping[str, Setting]) -> dict[str, Any]:
    properties = {name: {**setting.schema, "description": setting.about} for name, setting in declared.items()}
    return {**_closed(properties), "required": [name for name, setting in declared.items() if setting.required]}


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}

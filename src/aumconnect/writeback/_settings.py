"""Every setting of a job file, declared once: checks, error messages and the JSON Schema follow from here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aumconnect.connector import Operation

__all__ = ["CONNECTION", "GUARD", "GUARDS", "JOB_FILE", "WRITEBACK", "Setting", "Wrong", "share"]


class Wrong(ValueError):
    """A value that cannot be meant; the text says what is expected."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: what it is for, which JSON Schema describes it, and how its value is read."""

    about: str
    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    required: bool = False


SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def share(value: Any) -> float | int:
    """A share of all rows (``"20 %"`` → 0.2), or a count of rows."""
    if isinstance(value, str) and (found := SHARE.fullmatch(value.strip())) and float(found[1]) <= 100:
        return float(found[1]) / 100
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Wrong('a share such as "20 %", or a number of rows, is expected')


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Wrong("text is expected")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("true or false is expected")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Wrong("a whole number from 1 is expected")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Wrong("a number of seconds is expected")
    return float(value)


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong("a table is expected")
    return value


def _target(value: Any) -> tuple[str, str]:
    connection, colon, object_name = _text(value).partition(":")
    if not (colon and connection and object_name):
        raise Wrong('a connection and an object are expected, for example "crm:Contact"')
    return connection, object_name


def _rate(value: Any) -> tuple[int, float]:
    found = re.fullmatch(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*s", _text(value).strip())
    if not found or int(found[1]) < 1:
        raise Wrong('requests and seconds are expected, for example "100/10 s"')
    return int(found[1]), float(found[2] or 1)


def _one_of(*names: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in names:
            raise Wrong(f"one of {', '.join(names)} is expected, not {value!r}")
        return str(value)

    return read


_TEXT = {"type": "string", "minLength": 1}
_FLAG = {"type": "boolean"}
_WHOLE = {"type": "integer", "minimum": 1}
_SECONDS = {"type": "number", "minimum": 0}
_TABLE = {"type": "object"}
_SHARE = {"anyOf": [{"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%\s*$"}, {"type": "integer", "minimum": 0}]}


def _choice(about: str, *names: str, required: bool = False) -> Setting:
    return Setting(about, {"enum": list(names)}, _one_of(*names), required)


CONNECTION: Mapping[str, Setting] = {
    "url": Setting("<connector>://<host>?<setting>=<value>", _TEXT, _text, required=True),
    "auth": Setting("how to log in; secrets only by reference: env:, file:, keyring:", _TABLE, _table),
    "parallel": Setting("requests in flight; default: the connector's own", _WHOLE, _whole),
    "rate": Setting('at most so many requests, for example "100/10 s"', _TEXT, _rate),
    "settle_wait": Setting("seconds the end of a run waits for unanswered writes", _SECONDS, _seconds),
    "proxy": Setting("URL of an HTTP proxy", _TEXT, _text),
    "verify": Setting("file with the certificates of your own authority", _TEXT, _text),
}

GUARD: Mapping[str, Setting] = {
    "limit": Setting("the share or number of rows that stops the plan when exceeded", _SHARE, share, required=True),
    "minimum": Setting("rows below which a share does not stop the plan", _WHOLE, _whole),
}

_GUARD_SCHEMA = {"anyOf": [*_SHARE["anyOf"], _TABLE]}
GUARDS: Mapping[str, Setting] = {
    "changed": Setting("rows in which a value gives way to another", _GUARD_SCHEMA, lambda value: value),
    "cleared": Setting("rows in which a value is emptied", _GUARD_SCHEMA, lambda value: value),
    "created": Setting("rows that make a new record", _GUARD_SCHEMA, lambda value: value),
    "unmatched": Setting("rows whose key no record has", _GUARD_SCHEMA, lambda value: value),
    "rejected": Setting("rows that cannot be written", _GUARD_SCHEMA, lambda value: value),
}

WRITEBACK: Mapping[str, Setting] = {
    "source": Setting("file of rows: .csv, .jsonl or .parquet, beside this file", _TEXT, _text),
    "to": Setting("<connection>:<object>", _TEXT, _target, required=True),
    "operation": _choice("what to do with each row", *(operation.value for operation in Operation), required=True),
    "key": Setting("remote field = source column by which a record is found", _TABLE, _table, required=True),
    "fields": Setting("remote field = source column, or a table of options", _TABLE, _table),
    "stamp": Setting("remote field = model.name, model.version, scored_at, run.id or run.started_at", _TABLE, _table),
    "model": Setting("name, version and scored_at (column or time) of the predictions", _TABLE, _table),
    "guards": Setting("limits that stop a plan", _TABLE, _table),
    "on_human_edit": _choice("what to do where a person changed the value since", "skip", "overwrite", "report"),
    "diff": _choice("what rows are compared with", "auto", "ledger", "remote", "sample"),
    "require_history": Setting("stop when the ledger knows nothing of this writeback", _FLAG, _flag),
    "allow_duplicates": Setting("insert even where a lost answer may lead to a second record", _FLAG, _flag),
    "error_rate": Setting('stop when more than this share fails, for example "5 %"', _SHARE, share),
    "cheap_reads": Setting("requests up to which diff = auto reads every row", _WHOLE, _whole),
    "sample": Setting("rows that diff = sample reads of those that did not change", _WHOLE, _whole),
    "delimiter": Setting(
        "of a CSV source; default is a comma", {"type": "string", "minLength": 1, "maxLength": 1}, _text
    ),
    "bulk_rows": Setting("send bulk jobs of this many rows", _WHOLE, _whole),
}

JOB_FILE: Mapping[str, Setting] = {
    "ledger": Setting("file beside this one, or postgresql://…, or env:NAME of one", _TEXT, _text),
    "connections": Setting("systems to write to", _TABLE, _table),
    "writebacks": Setting("jobs", _TABLE, _table),
    "env": Setting("tables that replace parts of this file with --env NAME", _TABLE, _table),
}

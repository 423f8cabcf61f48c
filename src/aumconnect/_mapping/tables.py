"""A mapping from a job file's tables: the same columns a Record class declares, said in TOML.

::

    key = { Customer_Id__c = "customer_id" }
    stamp = { Churn_Model__c = "model.version", Churn_Scored_At__c = "scored_at" }
    model = { name = "churn", version = "2026.11" }

    [fields]
    Churn_Score__c = { from = "score", ge = 0, le = 1, multiply = 100, round = 2 }
    Churn_Band__c = { from = "band", choices = ["low", "mid", "high"], missing = "clear" }
    AccountId = { from = "account", ref = "Account.Ext__c" }
    Source__c = { constant = "churn model" }
    Label__c = { template = "{region}-{segment}", missing = "skip" }

A column without ``missing`` or ``default`` is required: a gap in it rejects the row.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from aumconnect._mapping.convert import MISSING, Kind, Refused, convert
from aumconnect._mapping.ir import NO_DEFAULT, Column, Mapping, Missing, Model, Ref, StampName, template_parts
from aumconnect._mapping.validate import annotated
from aumconnect._near import did_you_mean
from aumconnect.errors import ConfigurationError

__all__ = ["OPTIONS", "TYPES", "TableError", "mapping_from_table"]

TYPES: Final = tuple(kind.value for kind in Kind if kind is not Kind.ANY)
"""What ``type`` may say; without it the remote field's own type decides."""

_BOUNDS: Final = {"ge": Ge, "gt": Gt, "le": Le, "lt": Lt}
_LENGTHS: Final = {"min_length": MinLen, "max_length": MaxLen}
_NUMBERS: Final = (Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL)
OPTIONS: Final = (
    *("from", "constant", "template", "type", "missing", "default", "choices", "pattern"),
    *("lookup", "multiply", "round", "ref", *_BOUNDS, *_LENGTHS),
)
"""What a field's table may say."""

KEY_OPTIONS: Final = ("from", "template", "type", "write", "pattern", "max_length", "ref")
_TYPING: Final = {"type", "choices", "lookup", "template", "pattern", *_LENGTHS}
_MEANT: Final = {
    "scale": "multiply",
    "column": "from",
    "source": "from",
    "map": "lookup",
    "digits": "round",
    "value": "constant",
}


class TableError(ConfigurationError):
    """A mapping table is wrong at ``path`` (``("fields", "Churn_Score__c", "missng")``)."""

    def __init__(self, path: Iterable[str], message: str, *, hint: str | None = None) -> None:
        self.path = tuple(path)
        super().__init__(f"{'.'.join(self.path)}: {message}", hint=hint)


def mapping_from_table(
    object: str,
    fields: Table[str, Any],
    key: Table[str, Any],
    *,
    stamp: Table[str, Any] | None = None,
    model: Table[str, Any] | None = None,
) -> Mapping:
    """The mapping of one writeback. Raises `TableError`, with near names, for the first thing that is wrong."""
    described = _model(model or {})
    columns = [_Entry(("key", name), said, KEY_OPTIONS).column(name, key=True) for name, said in key.items()]
    constants: dict[str, Any] = {}
    for name, said in fields.items():
        entry = _Entry(("fields", name), said, OPTIONS)
        if "constant" in entry.said:
            constants[name] = entry.constant()
        else:
            columns.append(entry.column(name))
    stamps: dict[str, StampName] = {}
    for name, said in (stamp or {}).items():
        _stamped(name, said, described, columns, stamps)
    _once(columns, constants, stamps)
    columns += _inputs(columns)
    return Mapping(object=object, columns=tuple(columns), constants=constants, stamps=stamps, model=described)


@dataclass(frozen=True, slots=True)
class _Path:
    """Where in the file we are, to say so."""

    parts: tuple[str, ...]

    def wrong(self, option: str, message: str, hint: str | None = None) -> TableError:
        return TableError((*self.parts, option) if option else self.parts, message, hint=hint)


class _Entry:
    """One remote field's table."""

    def __init__(self, path: tuple[str, ...], said: Any, options: tuple[str, ...]) -> None:
        self.path = _Path(path)
        if isinstance(said, str):
            said = {"from": said}
        if not isinstance(said, dict):
            raise self.path.wrong("", "a column name or a table is expected", 'for example { from = "score" }')
        self.said: dict[str, Any] = said
        _known(self.path, said, options)
        sources = [name for name in ("from", "constant", "template") if name in said]
        if len(sources) != 1:
            said_so = " and ".join(sources) or "none"
            raise self.path.wrong("", f"one of from, constant and template is needed, there is {said_so}")

    def constant(self) -> Any:
        others = sorted(set(self.said) - {"constant"})
        value = self.said["constant"]
        if others:
            raise self.path.wrong(others[0], "a constant takes no other option")
        if not isinstance(value, (str, int, float, bool, date, time)) or value == "":
            raise self.path.wrong("constant", "text, a number, true, false, a date or a time is expected")
        return Decimal(repr(value)) if isinstance(value, float) else value

    def column(self, field: str, *, key: bool = False) -> Column:
        kind = self._kind(key=key)
        template = self._text("template")
        if template is not None:
            self._check_template(template)
        column = Column(
            source=self._text("from") or "",
            field=field,
            kind=kind,
            typed=bool(_TYPING & self.said.keys()),
            annotation=self._choices(),
            constraints=tuple(self._constraints()),
            key=key,
            write=bool(self._flag("write")) if key else True,
            missing=self._one_of("missing", get_args(Missing), "reject"),
            template=template,
            lookup=self._lookup(),
            multiply=self._number("multiply"),
            digits=self._whole("round"),
            ref=self._ref(),
        )
        self._try(column)
        return column.replace(default=self._default(column))

    def _kind(self, *, key: bool) -> Kind:
        bounds = [name for name in (*_BOUNDS, "multiply", "round") if name in self.said]
        texts = [name for name in (*_LENGTHS, "pattern") if name in self.said]
        texty = texts or key or {"template", "ref"} & self.said.keys()
        implied = Kind.DECIMAL if bounds else Kind.TEXT if texty else Kind.ANY
        if "lookup" in self.said and "type" not in self.said:
            return Kind.TEXT
        kind = Kind(self._one_of("type", TYPES, implied))
        if bounds and kind not in _NUMBERS:
            raise self.path.wrong(bounds[0], f"needs a number, but the type is {kind}")
        if texts and kind is not Kind.TEXT:
            raise self.path.wrong(texts[0], f"needs text, but the type is {kind}")
        if key and kind in (Kind.FLOAT, Kind.BOOLEAN):
            raise self.path.wrong("type", f"a {kind} cannot be a key", 'use "text", "integer" or "decimal"')
        return kind

    def _constraints(self) -> Iterable[Any]:
        for name, bound in _BOUNDS.items():
            if name in self.said:
                yield bound(self._number(name))
        for name, length in _LENGTHS.items():
            if (limit := self._whole(name)) is not None:
                yield length(limit)
        if (pattern := self._text("pattern")) is not None:
            yield Field(pattern=pattern)

    def _choices(self) -> Any:
        if "choices" not in self.said:
            return None
        found = self.said["choices"]
        if not isinstance(found, list) or not found or not all(isinstance(choice, (str, int)) for choice in found):
            raise self.path.wrong("choices", "a list of texts or whole numbers is expected")
        return Literal[tuple(found)]

    def _try(self, column: Column) -> None:
        try:
            TypeAdapter(annotated(column.python_type, *column.constraints))
        except (SchemaError, TypeError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise self.path.wrong("pattern" if "pattern" in self.said else "", f"cannot be used: {reason}") from None

    def _default(self, column: Column) -> Any:
        if "default" not in self.said:
            return NO_DEFAULT
        if "missing" in self.said:
            raise self.path.wrong("missing", "says nothing beside default: the default stands in for every gap")
        try:
            value = convert(column.kind, self.said["default"])
            if value is MISSING:
                raise Refused("missing", "the default is empty")
            return TypeAdapter(annotated(column.python_type, *column.constraints)).validate_python(value)
        except (Refused, ValidationError) as error:
            reason = error.message if isinstance(error, Refused) else error.errors()[0]["msg"]
            raise self.path.wrong("default", reason) from None

    def _lookup(self) -> dict[str, Any] | None:
        table = self.said.get("lookup")
        if table is not None and (not isinstance(table, dict) or not table):
            raise self.path.wrong("lookup", "a table is expected", 'for example { gold = "A", silver = "B" }')
        return table

    def _ref(self) -> Ref | None:
        found = self._text("ref")
        if found is None:
            return None
        object_name, dot, by = found.partition(".")
        if not (dot and object_name and by):
            raise self.path.wrong("ref", "the object and its field are expected", '"Account.Ext__c"')
        return Ref(object_name, by)

    def _check_template(self, template: str) -> None:
        try:
            template_parts(template)
        except ConfigurationError as error:
            raise self.path.wrong("template", error.message, error.hint) from None

    def _text(self, option: str) -> str | None:
        value = self.said.get(option)
        if option in self.said and (not isinstance(value, str) or not value):
            raise self.path.wrong(option, "text is expected")
        return value

    def _number(self, option: str) -> Decimal | None:
        value = self.said.get(option)
        if option in self.said and (isinstance(value, bool) or not isinstance(value, (int, float, Decimal))):
            raise self.path.wrong(option, "a number is expected")
        return None if value is None else Decimal(str(value))

    def _whole(self, option: str) -> int | None:
        value = self.said.get(option)
        if option in self.said and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise self.path.wrong(option, "a whole number from 0 is expected")
        return value

    def _flag(self, option: str) -> bool | None:
        value = self.said.get(option)
        if option in self.said and not isinstance(value, bool):
            raise self.path.wrong(option, "true or false is expected")
        return value

    def _one_of(self, option: str, allowed: Iterable[str], otherwise: Any) -> Any:
        value = self.said.get(option, otherwise)
        if option in self.said and value not in tuple(allowed):
            raise self.path.wrong(
                option, f"{value!r} is not one of {', '.join(allowed)}", did_you_mean(str(value), allowed)
            )
        return value


def _known(path: _Path, said: Table[str, Any], options: Iterable[str]) -> None:
    for option in said:
        if option not in options:
            meant = _MEANT.get(option)
            hint = f"did you mean {meant!r}?" if meant and meant in options else did_you_mean(option, options)
            raise path.wrong(option, "there is no such option", hint)


def _model(said: Table[str, Any]) -> Model:
    path = _Path(("model",))
    _known(path, said, ("name", "version", "scored_at"))
    for option, value in said.items():
        allowed = (str, datetime) if option == "scored_at" else (str,)
        if not isinstance(value, allowed) or not value:
            raise path.wrong(option, "text is expected")
    return Model(**said)


def _stamped(name: str, said: Any, model: Model, columns: list[Column], stamps: dict[str, StampName]) -> None:
    path = _Path(("stamp",))
    if said not in get_args(StampName):
        allowed = get_args(StampName)
        raise path.wrong(name, f"{said!r} is not one of {', '.join(allowed)}", did_you_mean(str(said), allowed))
    if said in ("model.name", "model.version") and getattr(model, said.partition(".")[2]) is None:
        raise path.wrong(name, f"{said} is not known", f"set {said.partition('.')[2]} in model")
    if said == "scored_at" and isinstance(model.scored_at, str):
        columns.append(Column(source=model.scored_at, field=name, kind=Kind.DATETIME, newer=True))
    else:
        stamps[name] = said


def _once(columns: Iterable[Column], constants: Table[str, Any], stamps: Table[str, Any]) -> None:
    keys = {column.field for column in columns if column.key}
    written = [column.field for column in columns if column.field and not column.key] + [*constants]
    for name in written:
        if name in keys:
            raise TableError(
                ("fields", name), "is a key field already", hint="to write it too, say write = true in key"
            )
        if name in stamps:
            raise TableError(("stamp", name), "is mapped in fields already")


def _inputs(columns: Iterable[Column]) -> list[Column]:
    """The parts of templates, read as text but not written."""
    parts = dict.fromkeys(part for column in columns for part in column.parts)
    return [Column(source=part, kind=Kind.TEXT, missing="skip") for part in parts]

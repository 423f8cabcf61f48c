"""How a source row becomes a remote record: one description, whether a class or a job file said it.

`Mapping` is data only; the package's first page says who makes it and who carries it out.
"""

from __future__ import annotations

from collections.abc import Mapping as Mapped
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from aumconnect._mapping.convert import PYTHON_TYPES, Kind
from aumconnect.errors import ConfigurationError
from aumconnect.schema import FieldSchema

__all__ = ["NO_DEFAULT", "Column", "Mapping", "Missing", "Model", "Ref", "StampName"]

Missing = Literal["skip", "clear", "reject"]
StampName = Literal["model.name", "model.version", "scored_at", "run.id", "run.started_at"]
NO_DEFAULT: Final = object()


@dataclass(frozen=True, slots=True)
class Ref:
    """The value names another remote record: the ``object`` whose field ``by`` has it."""

    object: str
    by: str


@dataclass(frozen=True, slots=True)
class Model:
    """Which model made the predictions, and when: ``scored_at`` is a source column or one moment for all rows."""

    name: str | None = None
    version: str | None = None
    scored_at: str | datetime = "scored_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One value of a row: where it comes from, what it must be, what is done with it, where it goes.

    The steps are taken in this order: ``source`` or ``template`` → gaps (``default``, else ``missing``) → type
    and ``constraints`` → ``lookup`` → ``multiply`` → ``digits`` → ``ref`` → remote ``field``.

    ``field`` None: read and checked, but not written. ``constraints`` is pydantic metadata (`annotated_types`).
    """

    source: str
    field: str | None = None
    kind: Kind = Kind.ANY
    annotation: Any = None
    constraints: tuple[Any, ...] = ()
    key: bool = False
    write: bool = True
    missing: Missing = "reject"
    default: Any = NO_DEFAULT
    template: str | None = None
    lookup: Mapped[str, Any] | None = None
    multiply: Decimal | None = None
    digits: int | None = None
    ref: Ref | None = None
    newer: bool = False
    """Holds when the row was scored: an older value never overwrites a newer one."""
    target: FieldSchema | None = None
    """The remote field, once `bound` has looked it up."""
    name: str = ""
    """The attribute of the Record class."""
    typed: bool = True
    """Whether the mapping says a type; if not, `bound` takes the remote field's."""

    @property
    def slot(self) -> str:
        """Where the value stands while a row is worked on; unique among a mapping's columns."""
        if self.key:
            return f"\0key:{self.field}"
        return self.field if self.field is not None else f"\0in:{self.source}"

    @property
    def identifies(self) -> bool:
        """Whether the value finds a record, this one or another; then no fraction and no flag will do."""
        return self.key or self.ref is not None

    @property
    def required(self) -> bool:
        return self.default is NO_DEFAULT and (self.key or self.missing == "reject")

    @property
    def python_type(self) -> Any:
        return PYTHON_TYPES[self.kind] if self.annotation is None else self.annotation

    @property
    def parts(self) -> tuple[str, ...]:
        """The source columns a template is made of."""
        return tuple(template_parts(self.template)) if self.template else ()

    def replace(self, **changes: Any) -> Column:
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Columns of one object, plus what is the same for every row.

    ``constants`` are remote field → value; ``stamps`` remote field → what is known only when a run starts.
    ``record`` is the class the mapping came from, ``why_model`` the reasons its own code must run per row.
    """

    object: str
    columns: tuple[Column, ...]
    constants: Mapped[str, Any] = field(default_factory=dict)
    stamps: Mapped[str, StampName] = field(default_factory=dict)
    model: Model = field(default_factory=Model)
    record: Any = None
    why_model: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for name in [*(c.field for c in self.columns if c.field), *self.constants, *self.stamps]:
            if name in seen:
                raise ConfigurationError(f"{self.object}.{name} is mapped twice", hint="map each remote field once")
            seen.add(name)

    @property
    def key(self) -> tuple[str, ...]:
        """The remote fields a record is found by, in order."""
        return tuple(column.field or column.source for column in self.columns if column.key)

    @property
    def fields(self) -> tuple[str, ...]:
        """The remote fields that are written, in order."""
        mapped = [c.field for c in self.columns if c.field and (c.write if c.key else True)]
        return (*mapped, *self.constants, *self.stamps)

    @property
    def has_values(self) -> bool:
        """Whether any column besides the key is written."""
        return any(column.field and not column.key for column in self.columns)

    @property
    def sources(self) -> tuple[str, ...]:
        """The source columns that are read."""
        return tuple(dict.fromkeys(c.source for c in self.columns if c.template is None))

    @property
    def newer_field(self) -> str | None:
        """The remote field that says when a record was scored, by which older rows are told from newer ones."""
        stamped = (name for name, stamp in self.stamps.items() if stamp == "scored_at")
        return next((column.field for column in self.columns if column.newer), next(stamped, None))

    def keys_only(self) -> Mapping:
        """The same records with nothing to write: what a delete needs."""
        return self.keys_and()

    def keys_and(self, *others: Column) -> Mapping:
        """The same records with only these columns to write."""
        keys = tuple(c.replace(write=False) for c in self.columns if c.key)
        parts = {name for column in keys for name in column.parts}
        inputs = tuple(c for c in self.columns if not c.key and c.field is None and c.source in parts)
        return Mapping(object=self.object, columns=(*keys, *others, *inputs), model=self.model)

    def keys_written(self) -> Mapping:
        """The same with its key fields among the values: what an insert needs, or nobody finds the record again."""
        return self.replace(columns=tuple(c.replace(write=True) if c.key else c for c in self.columns))

    def replace(self, **changes: Any) -> Mapping:
        return replace(self, **changes)


def template_parts(template: str) -> list[str]:
    """The source columns a template such as ``{region}-{number}`` names.

    Raises `ConfigurationError` for anything but plain names in braces.
    """
    from string import Formatter

    try:
        found = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigurationError(f"the template {template!r} cannot be read: {error}") from None
    names = [name for _, name, _, _ in found if name is not None]
    plain = all(name and not spec and not conversion for _, name, spec, conversion in found if name is not None)
    if not names or not plain or any(mark in name for name in names for mark in ".["):
        raise ConfigurationError(
            f"the template {template!r} must name source columns in braces", hint='for example "{region}-{number}"'
        )
    return names

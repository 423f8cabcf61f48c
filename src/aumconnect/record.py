"""Records: a class that says what a row is and where each value goes.

::

    class ChurnScore(Record, object="Contact"):
        customer_id: Annotated[str, Key("Customer_Id__c")]
        score: Annotated[float, To("Churn_Score__c"), Ge(0), Le(1)]
        band: Annotated[Literal["low", "mid", "high"] | None, To("Churn_Band__c", missing="clear")]
        scored_at: Annotated[datetime, ScoredAt("Churn_Scored_At__c")]

The attribute (or its alias) is the source column. A value that may be missing is annotated ``| None``; in every
other column a gap (None, NaN, NaT, empty text) rejects the row. Attributes without `To`, `Key` or `ScoredAt`
are read and checked but not written.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, WrapValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aumconnect._mapping.convert import Kind
from aumconnect._mapping.ir import NO_DEFAULT, Column, Mapping, Missing, Model, Ref, StampName
from aumconnect._mapping.validate import source_name
from aumconnect._near import did_you_mean
from aumconnect.errors import ConfigurationError

__all__ = ["Key", "Record", "Ref", "ScoredAt", "To", "mapping_of"]

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class To:
    """Write the value to the remote ``field``.

    ``missing`` says what a gap means for a value annotated ``| None``: leave the field alone (``"skip"``), empty
    it (``"clear"``), or reject the row. ``round`` is digits after the point, half to even; ``multiply`` a factor.
    """

    field: str
    missing: Missing = "skip"
    round: int | None = None
    multiply: Decimal | int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """Find the remote record by this value; several keys together form one.

    ``write`` also writes it, for an insert or to fill a key field that the system's upsert does not set.
    """

    field: str
    write: bool = False


@dataclass(frozen=True, slots=True)
class ScoredAt:
    """When the row was scored, written to ``field``; an older row never overwrites what a newer one wrote."""

    field: str


class Record(BaseModel):
    """One typed row bound for one remote record of ``object``; see the module's first page.

    ``stamp`` maps remote fields to ``model.name``, ``model.version``, ``run.id`` or ``run.started_at``;
    ``model`` names the model. Raises `ConfigurationError` where the declaration contradicts itself.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    __aum_object__: ClassVar[str] = ""
    __aum_model__: ClassVar[Model] = Model()
    __aum_stamps__: ClassVar[Table[str, StampName]] = {}

    def __init_subclass__(
        cls,
        object: str | None = None,
        model: Table[str, str] | None = None,
        stamp: Table[str, StampName] | None = None,
        **rest: Any,
    ) -> None:
        super().__init_subclass__(**rest)
        if object is not None:
            cls.__aum_object__ = object
        if model is not None:
            cls.__aum_model__ = Model(**model)
        if stamp is not None:
            cls.__aum_stamps__ = stamp


def mapping_of(record: type[Record]) -> Mapping:
    """The mapping a Record class declares. Raises `ConfigurationError`."""
    if not record.__aum_object__:
        raise ConfigurationError(
            f"{record.__name__} does not say which object it is",
            hint=f'class {record.__name__}(Record, object="Contact")',
        )
    if not record.__pydantic_complete__:
        _complete(record)
    for stamp in record.__aum_stamps__.values():
        if stamp not in get_args(StampName):
            raise ConfigurationError(
                f"{record.__name__}: there is no stamp {stamp!r}", hint=did_you_mean(stamp, get_args(StampName))
            )
    columns = [_column(name, info, record) for name, info in record.model_fields.items()]
    columns += _computed(record)
    return Mapping(
        object=record.__aum_object__,
        columns=tuple(columns),
        stamps=dict(record.__aum_stamps__),
        model=record.__aum_model__,
        record=record,
        why_model=tuple(_why_model(record)),
    )


def _complete(record: type[Record]) -> None:
    try:
        record.model_rebuild()
    except (NameError, pydantic.PydanticUndefinedAnnotation) as error:
        raise ConfigurationError(
            f"an annotation of {record.__name__} names {error.name!r}, which is not known"
        ) from None


def _column(name: str, info: FieldInfo, record: type[Record]) -> Column:
    target, ref = _one(info, name, record)
    annotation, optional = _without_none(info.annotation)
    kind = _KINDS.get(annotation, Kind.ANY)
    column = Column(
        source=source_name(name, info),
        name=name,
        kind=kind,
        annotation=annotation,
        constraints=tuple(extra for extra in info.metadata if not isinstance(extra, (*_TARGETS, Ref))),
        missing="skip" if optional else "reject",
        default=_default(info),
        ref=ref,
    )
    return _aimed(column, target, optional, f"{record.__name__}.{name}")


def _aimed(column: Column, target: To | Key | ScoredAt | None, optional: bool, where: str) -> Column:
    match target:
        case To():
            if target.missing not in get_args(Missing):
                raise ConfigurationError(
                    f"{where}: missing={target.missing!r} is not one of {', '.join(get_args(Missing))}"
                )
            if target.missing == "clear" and not optional:
                raise ConfigurationError(
                    f'{where}: missing="clear" needs a value that may be missing', hint="annotate it as `… | None`"
                )
            if column.kind not in _NUMBERS and (target.multiply is not None or target.round is not None):
                raise ConfigurationError(
                    f"{where}: only a number can be multiplied or rounded", hint="annotate it float"
                )
            factor = None if target.multiply is None else Decimal(str(target.multiply))
            missing = target.missing if optional else "reject"
            return column.replace(field=target.field, missing=missing, digits=target.round, multiply=factor)
        case Key():
            if column.kind in (Kind.FLOAT, Kind.BOOLEAN):
                raise ConfigurationError(f"{where}: a {column.kind} cannot be a key", hint="use str or int")
            return column.replace(field=target.field, key=True, write=target.write, missing="reject")
        case ScoredAt():
            return column.replace(field=target.field, newer=True)
    if column.ref is not None:
        raise ConfigurationError(
            f"{where} says what it refers to but not where it goes", hint="add To(...) beside Ref(...)"
        )
    return column


def _one(info: FieldInfo, name: str, record: type[Record]) -> tuple[To | Key | ScoredAt | None, Ref | None]:
    extras = [*info.metadata, *_nested(info.annotation)]
    targets = [extra for extra in extras if isinstance(extra, _TARGETS)]
    refs = [extra for extra in extras if isinstance(extra, Ref)]
    if len(targets) > 1:
        raise ConfigurationError(f"{record.__name__}.{name} has {len(targets)} of To, Key and ScoredAt; one is allowed")
    for extra in extras:
        if isinstance(extra, type) and issubclass(extra, (*_TARGETS, Ref)):
            raise ConfigurationError(
                f"{record.__name__}.{name}: {extra.__name__} needs a field", hint=f'{extra.__name__}("Some_Field__c")'
            )
    return (targets[0] if targets else None), (refs[0] if refs else None)


def _nested(annotation: Any) -> Iterator[Any]:
    """Metadata inside a union: ``Annotated[float, To("X")] | None``."""
    for part in get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ():
        if get_origin(part) is Annotated:
            yield from part.__metadata__


def _default(info: FieldInfo) -> Any:
    if info.default_factory is not None:
        return info.default_factory  # the class calls it; here it only says that a gap is no problem
    return NO_DEFAULT if info.default in (PydanticUndefined, None) else info.default


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """An annotation without its ``None``, and whether it had one."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation, annotation is NoneType
    parts = [part for part in get_args(annotation) if part is not NoneType]
    rest = Union[tuple(parts)]  # type: ignore[valid-type]  # noqa: UP007
    return rest, len(parts) < len(get_args(annotation))


def _computed(record: type[Record]) -> list[Column]:
    """Columns of ``@computed_field`` properties whose return annotation says where they go."""
    columns = []
    for name in record.__pydantic_decorators__.computed_fields:
        function: Any = getattr(record, name).fget
        hint: Any = get_type_hints(function, include_extras=True).get("return", Any)
        info = FieldInfo.from_annotation(hint)
        column = _column(name, info, record)
        columns.append(column.replace(source="", name=name))
    return columns


def _why_model(record: type[Record]) -> Iterator[str]:
    """The reasons why the class's own code must run for every row."""
    decorators = record.__pydantic_decorators__
    if (
        decorators.field_validators
        or decorators.validators
        or decorators.root_validators
        or decorators.model_validators
    ):
        yield "it has validators"
    if decorators.computed_fields:
        yield "it has computed fields"
    if record.model_post_init is not BaseModel.model_post_init or vars(record).get("__init__"):
        yield "it has code of its own at construction"
    if record.model_config != Record.model_config:
        yield "its model_config differs from Record's"
    for name, info in record.model_fields.items():
        if info.default_factory is not None:
            yield f"{name} has a default factory"
        if any(isinstance(extra, _FUNCTIONS) for extra in (*info.metadata, *_nested(info.annotation))):
            yield f"{name} has a validator"
        if not isinstance(info.validation_alias, (str, NoneType)):
            yield f"{name} has several aliases"


_NUMBERS = (Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL, Kind.ANY)
_TARGETS = (To, Key, ScoredAt)
_FUNCTIONS = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator)
_KINDS: dict[Any, Kind] = {
    str: Kind.TEXT,
    int: Kind.INTEGER,
    float: Kind.FLOAT,
    Decimal: Kind.DECIMAL,
    bool: Kind.BOOLEAN,
    date: Kind.DATE,
    datetime: Kind.DATETIME,
    time: Kind.TIME,
}

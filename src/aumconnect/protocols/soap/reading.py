"""Paths into a reply, held against the schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aumconnect._near import did_you_mean
from aumconnect.protocols.soap.model import Body, Element, Group, Model, Particle, Simple, Type
from aumconnect.protocols.soap.names import local

__all__ = ["Found", "find"]


@dataclass(frozen=True, slots=True)
class Found:
    """Where a path leads: its steps, the attribute at its end, and the type of the text there."""

    path: tuple[str, ...]
    attribute: str | None
    simple: Simple | None
    type: Type
    shown: str


def find(
    model: Model, body: Body, path: str, mistakes: list[str], *, below: Found | None = None, rows: bool = False
) -> Found | None:
    """The place of ``path`` in a message, or under ``below``; None with a mistake. ``rows`` may repeat.

    Children that only derived types have are found too; an array's items may have any name.
    """
    steps = [step for step in path.split("/") if step]
    attribute = steps.pop()[1:] if steps and steps[-1].startswith("@") else None
    at = below.type if below is not None else _top(model, body)
    for step in steps:
        name = step.removesuffix("[]")
        children = dict(_children(model, at, name))
        if name not in children:
            mistakes.append(f"{path!r}: there is no element {name!r}; {did_you_mean(name, children)}")
            return None
        most, at = children[name]
        if most != 1 and name == step and not rows:
            mistakes.append(f"{path!r}: {name!r} may stand several times; say {name}[] to have them all")
            return None
    if attribute is None:
        return Found(tuple(steps), None, at.simple, at, path)
    return _attribute(model, at, tuple(steps), attribute, path, mistakes)


def _attribute(
    model: Model, type: Type, steps: tuple[str, ...], wanted: str, path: str, mistakes: list[str]
) -> Found | None:
    known = {
        local(name): (name, attribute)
        for one in [*_derived(model, type), type]
        for name, attribute in model.attributes(one).items()
    }
    if wanted not in known:
        mistakes.append(f"{path!r}: there is no attribute {wanted!r}; {did_you_mean(wanted, known)}")
        return None
    name, attribute = known[wanted]
    return Found(steps, name, attribute.simple, type, path)


def _top(model: Model, body: Body) -> Type:
    """What paths begin in: the body's element, or the wrapper of rpc parts."""
    if body.wrapper is None and len(body.parts) == 1:
        return model.type_of(body.parts[0])
    return Type(content=Group("sequence", body.parts))


def _children(model: Model, type: Type, wanted: str) -> Iterator[tuple[str, tuple[int | None, Type]]]:
    """(local name, (how often it may stand, type))."""
    if type.array is not None:
        yield wanted, (None, model.type(type.array))
    for one in [*_derived(model, type), type]:
        for child in _elements(model.content(one)):
            yield local(child.name), (child.most, model.type_of(child))


def _derived(model: Model, base: Type) -> list[Type]:
    """Types that may stand for an abstract one."""
    if not base.abstract:
        return []
    found = (model.type(name) for name in model.packed_types)
    return [one for one in found if model.is_derived(one, base) and one.name != base.name]


def _elements(particles: Iterable[Particle]) -> Iterator[Element]:
    for particle in particles:
        if isinstance(particle, Element):
            yield particle
        elif isinstance(particle, Group):
            yield from _elements(particle.items)

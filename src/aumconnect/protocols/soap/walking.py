"""The particles of a type, in order, beside what a mapping says about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from aumconnect.protocols.soap.branches import Branch
from aumconnect.protocols.soap.model import AnyElement, Element, Group, Model, Particle
from aumconnect.protocols.soap.names import local, namespace
from aumconnect.protocols.soap.plan import GroupNode, Node

__all__ = ["Walk", "elements"]


class Places(Protocol):
    """What the planner knows about single elements."""

    def repeated(self, declared: Element, branches: Sequence[Branch]) -> Iterator[Node]: ...

    def unmapped(self, declared: Element, owners: Sequence[str], path: str) -> Node | None: ...

    def any_child(self, branch: Branch) -> Node | None: ...

    def complain(self, mistake: str) -> None: ...


class Walk:
    """The particles of one type beside the branches of one element."""

    def __init__(self, planner: Places, model: Model, branches: list[Branch], owners: Sequence[str], path: str) -> None:
        self._planner = planner
        self._model = model
        self._branches = branches
        self._owners = owners
        self._path = path
        self._uses: dict[int, int] = {}

    def uses(self, branch: Branch) -> int:
        return self._uses.get(id(branch), 0)

    def nodes(self, particles: Iterable[Particle]) -> Iterator[Node]:
        for particle in particles:
            if isinstance(particle, Element):
                yield from self._element(particle)
            elif isinstance(particle, AnyElement):
                yield from self._any()
            else:
                yield from self._group(particle)

    def _element(self, declared: Element) -> Iterator[Node]:
        branches = [branch for branch in self._branches if self._fits(branch, declared)]
        for branch in branches:
            self._uses[id(branch)] = self.uses(branch) + 1
        if branches:
            yield from self._planner.repeated(declared, branches)
        elif declared.least > 0:
            path = f"{self._path}/{local(declared.name)}".lstrip("/")
            node = self._planner.unmapped(declared, self._owners, path)
            yield from () if node is None else (node,)

    def _any(self) -> Iterator[Node]:
        for branch in self._branches:
            if branch.step.any and not self.uses(branch):
                self._uses[id(branch)] = 1
                node = self._planner.any_child(branch)
                yield from () if node is None else (node,)

    def _group(self, group: Group) -> Iterator[Node]:
        once = group.most == 1
        if group.kind == "choice" and once:
            yield from self._choice(group)
        elif group.kind == "choice":
            yield from self.nodes(_free(item) for item in group.items if self._mentions(item))
        elif group.least > 0:
            yield from self.nodes(group.items)
        elif self._mentions(group):
            yield GroupNode("sequence", self._path, tuple(self.nodes(group.items)))

    def _choice(self, group: Group) -> Iterator[Node]:
        options = [
            GroupNode("sequence", self._path, tuple(self.nodes([item]))) for item in group.items if self._mentions(item)
        ]
        may_be_empty = group.least == 0 or any(_may_be_absent(item) for item in group.items)
        if options:
            yield GroupNode("choice", self._path, tuple(options), required=not may_be_empty)
        elif not may_be_empty:
            names = ", ".join(local(child.name) for child in elements(group.items))
            self._planner.complain(f"{self._path or self._owners[0]!r}: one of {names[:200]} must be mapped")

    def _mentions(self, particle: Particle) -> bool:
        if isinstance(particle, Element):
            return any(self._fits(branch, particle) for branch in self._branches)
        if isinstance(particle, AnyElement):
            return any(branch.step.any for branch in self._branches)
        return any(self._mentions(item) for item in particle.items)

    def _fits(self, branch: Branch, declared: Element) -> bool:
        step = branch.step
        if step.any:
            return False
        others = self._model.substitutes(declared.name) if declared.is_global else {}
        if namespace(step.name):
            return step.name == declared.name or step.name in others.values()
        return step.name == local(declared.name) or step.name in others


def elements(particles: Iterable[Particle]) -> Iterator[Element]:
    for particle in particles:
        if isinstance(particle, Element):
            yield particle
        elif isinstance(particle, Group):
            yield from elements(particle.items)


def _free(particle: Particle) -> Particle:
    """A member of a repeated choice: any of them may stand any number of times."""
    if isinstance(particle, Element):
        return particle._replace(least=0, most=None)
    return particle._replace(least=0)


def _may_be_absent(particle: Particle) -> bool:
    if particle.least == 0:
        return True
    return isinstance(particle, Group) and particle.kind != "choice" and all(map(_may_be_absent, particle.items))

"""A mapping's paths as one tree, which the planner then walks beside the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.paths import Step, parse_path, shown
from aumconnect.protocols.soap.plan import Const, Field

__all__ = ["Branch", "grow"]


@dataclass
class Branch:
    """One step and everything below it. ``source`` is set where a path ends."""

    step: Step
    path: str
    source: Field | Const | None = None
    below: dict[Step, Branch] = field(default_factory=dict)
    names: bool = False
    """The list of fields to clear ends here."""

    def children(self) -> list[Branch]:
        return [branch for branch in self.below.values() if branch.step.is_child]

    def end(self, name: str) -> Branch | None:
        """The branch of an attribute (``@name``) or of the text."""
        return next((branch for branch in self.below.values() if branch.step.name == name), None)

    def ends(self) -> Iterator[Branch]:
        """Every branch at which a path ends, this one included."""
        if self.source is not None:
            yield self
        for branch in self.below.values():
            yield from branch.ends()


def grow(mapping: Mapping[str, str | Field | Const], mistakes: list[str]) -> Branch:
    """The tree of all paths. What is wrong with the paths themselves goes to ``mistakes``."""
    root = Branch(Step(""), "")
    for path, said in mapping.items():
        source = Field(said) if isinstance(said, str) else said
        try:
            end = _branch(root, parse_path(path), mistakes)
        except ConfigurationError as error:
            mistakes.append(str(error))
            continue
        if end.source is not None:
            mistakes.append(f"{path!r} is mapped twice")
        end.source = source
    return root


def _branch(root: Branch, steps: tuple[Step, ...], mistakes: list[str]) -> Branch:
    at = root
    for depth, step in enumerate(steps, 1):
        key = Step(step.name, step.label, step.record, step.rows, None, step.any)
        below = at.below.get(key)
        if below is None:
            below = at.below[key] = Branch(step, shown(steps[:depth]))
        elif step.type and below.step.type and below.step.type != step.type:
            mistakes.append(f"{below.path!r} is given two types, {below.step.type!r} and {step.type!r}")
        elif step.type:
            below.step = step
        at = below
    return at

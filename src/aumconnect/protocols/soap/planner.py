"""A mapping held against the schema: every mistake found at once, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.branches import Branch, grow
from aumconnect.protocols.soap.clearing import clearable
from aumconnect.protocols.soap.model import Body, Group, Model, Type
from aumconnect.protocols.soap.names import ENCODING, ENVELOPE, qualified
from aumconnect.protocols.soap.paths import Step, parse_path
from aumconnect.protocols.soap.plan import (
    AttributeNode,
    Const,
    ElementNode,
    Field,
    Node,
    Plan,
    Profile,
    RecordMark,
    Value,
)
from aumconnect.protocols.soap.planning import Planner

__all__ = ["make_block_plan", "make_plan"]

Version = Literal["1.1", "1.2"]
Sources = Mapping[str, str | Field | Const]


def make_plan(
    model: Model, operation: str, mapping: Sources, profile: Profile | None = None, *, binding: str | None = None
) -> Plan:
    """The plan to write ``operation``, paths (see `paths`) to keys of a record or constants.

    In a document/literal operation paths begin inside the body's element, in an rpc operation with a part's
    name. Raises one `ConfigurationError` that lists every mistake: unknown names with near ones, values in
    the wrong place, required elements that nothing fills, types that are abstract or ambiguous.
    """
    found = model.operation(operation, binding)
    mistakes: list[str] = []
    root = grow(mapping, mistakes)
    profile = profile or Profile()
    record = _record_branch(root, mistakes)
    _grow_clear_list(record or root, profile, mistakes)
    planner = Planner(
        model, profile, mistakes, encoded=found.input.encoded, clearable=clearable(record or root, profile)
    )
    frame = _body(planner, found.input, root, found.soap)
    _raise(mistakes, f"operation {operation!r}")
    keys = _keys(record or root)
    made = planner.record
    return Plan(
        model.digest,
        operation,
        found.soap,
        found.action,
        frame if made else (RecordMark(),),
        made or frame[0],
        keys,
        _keys(root, record) if record else (),
        planner.most if made else 1,
    )


def make_block_plan(
    model: Model, element: str, mapping: Sources, profile: Profile | None = None, *, soap: Version = "1.1"
) -> Plan:
    """The plan to write one header block, the global ``element`` (Clark notation). Raises as `make_plan`."""
    mistakes: list[str] = []
    root = grow(mapping, mistakes)
    planner = Planner(model, profile or Profile(), mistakes, encoded=False, clearable={})
    node = planner.element(model.element(element)._replace(least=1, most=1), root)
    _raise(mistakes, f"header {element!r}")
    assert node is not None
    return Plan(model.digest, element, soap, "", (RecordMark(),), node, _keys(root))


def _body(planner: Planner, body: Body, root: Branch, soap: str) -> tuple[Node, ...]:
    if body.wrapper is not None:
        parts = Type(content=Group("sequence", body.parts))
        content = planner.content(parts, root, (body.wrapper,))
        style = Value("", planner.text, const=ENCODING)
        name = qualified(ENVELOPE[soap], "encodingStyle")
        attributes = (AttributeNode(name, style),) if body.encoded else ()
        return (ElementNode(body.wrapper, "", required=True, content=content, attributes=attributes),)
    if len(body.parts) != 1:
        raise ConfigurationError(f"a document/literal message of {len(body.parts)} parts cannot be written")
    node = planner.element(body.parts[0]._replace(least=1, most=1), root)
    return () if node is None else (node,)


def _record_branch(root: Branch, mistakes: list[str]) -> Branch | None:
    """The one branch marked ``[]``."""
    marked: list[Branch] = []
    waiting = [root]
    while waiting:
        branch = waiting.pop()
        if branch.step.record:
            marked.append(branch)
        waiting += branch.below.values()
    if len(marked) > 1:
        mistakes.append("[] is the record and stands once: " + ", ".join(sorted(branch.path for branch in marked)))
    return marked[0] if marked else None


def _grow_clear_list(record: Branch, profile: Profile, mistakes: list[str]) -> None:
    if profile.clear_list is None or not clearable(record, profile):
        return
    at = record
    for step in parse_path(profile.clear_list):
        path = f"{at.path}/{step.name}" if at.path else step.name
        at = at.below.setdefault(Step(step.name), Branch(step, path))
    if at.source is not None:
        mistakes.append(f"{at.path!r} lists the fields to clear and cannot be mapped")
    at.names = True


def _keys(branch: Branch, without: Branch | None = None) -> tuple[str, ...]:
    """The keys of one level: those inside a sublist are its rows' own."""
    found: dict[str, None] = {}
    waiting = [branch]
    while waiting:
        at = waiting.pop(0)
        if at is without:
            continue
        if at.step.rows is not None and at is not branch:
            found[at.step.rows] = None
            continue
        if isinstance(at.source, Field):
            found[at.source.key] = None
        waiting += at.below.values()
    return tuple(found)


def _raise(mistakes: list[str], what: str) -> None:
    if mistakes:
        lines = "".join(f"\n  - {mistake.replace(chr(10), ' ')}" for mistake in mistakes)
        raise ConfigurationError(f"the mapping does not fit {what}:{lines}")

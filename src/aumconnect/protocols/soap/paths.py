"""The path language: where in a message a value goes.

A path leads from the message's outermost content to one value, by steps between slashes::

    record[](Customer)/@externalId
    record[](Customer)/customFieldList/customField[churn](DoubleCustomFieldRef)/value
    Customer_Data/Email[*emails]/Address
    sObjects[]/any:{urn:sobject.partner.soap.sforce.com}Name

* ``name`` or ``{namespace}name``: a child element; ``@name``: an attribute; ``#text``: the text itself
* ``[]``: the record, once for each record of a batch; ``[label]``: one occurrence of a repeated element,
  told from its siblings by the label; ``[*key]``: once for each row of the list under ``key``
* ``(Type)``: the derived type to send (xsi:type), by local name or ``({namespace}Type)``
* ``any:{namespace}name``: an element where the schema lets any stand
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aumconnect.errors import ConfigurationError

__all__ = ["Step", "parse_path", "shown"]

_NAME = r"(?:\{[^{}]*\})?[^\s/@#\[\](){}:*]+"
_STEP = re.compile(
    rf"(?P<any>any:)?(?P<name>{_NAME})(?:\[(?P<index>[^\]/]*)\])?(?:\((?P<type>{_NAME})\))?|@(?P<attribute>{_NAME})|\#text"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``name`` begins with ``@`` for an attribute and is ``#text`` for the text.

    ``record`` marks ``[]``, ``rows`` is the key in ``[*key]``, ``label`` the word in ``[label]``.
    """

    name: str
    label: str = ""
    record: bool = False
    rows: str | None = None
    type: str | None = None
    any: bool = False

    @property
    def is_child(self) -> bool:
        return not self.name.startswith(("@", "#"))


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of ``path``. Raises `ConfigurationError` that points at the step that cannot be read."""
    steps: list[Step] = []
    position = 0
    while True:
        found = _STEP.match(path, position)
        if found is None or (found.end() < len(path) and path[found.end()] != "/"):
            near = path[position:].partition("/")[0] or "nothing"
            raise ConfigurationError(
                f"the path {path!r} cannot be read at {near!r}",
                hint="steps are name, name[], name[label], name[*key], name(Type), @attribute, #text, any:{ns}name",
            )
        steps.append(_step(found))
        if found.end() == len(path):
            break
        position = found.end() + 1
    if any(not step.is_child for step in steps[:-1]):
        raise ConfigurationError(f"the path {path!r} goes on after an attribute or a text")
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["attribute"]:
        return Step("@" + found["attribute"])
    if found["name"] is None:
        return Step("#text")
    index = found["index"]
    rows = index[1:] if index and index.startswith("*") else None
    label = index if index and rows is None else ""
    return Step(found["name"], label, index == "", rows, found["type"], bool(found["any"]))


def shown(steps: tuple[Step, ...]) -> str:
    """The steps as a path for people: without the types."""
    return "/".join(_shown(step) for step in steps)


def _shown(step: Step) -> str:
    index = "[]" if step.record else f"[*{step.rows}]" if step.rows is not None else step.label and f"[{step.label}]"
    return f"{'any:' if step.any else ''}{step.name}{index}"

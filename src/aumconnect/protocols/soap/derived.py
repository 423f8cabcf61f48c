"""Which type an element is sent as: the declared one, or a derived one that the path names."""

from __future__ import annotations

from aumconnect._near import did_you_mean
from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.branches import Branch
from aumconnect.protocols.soap.model import Element, Model, Type
from aumconnect.protocols.soap.names import XSD, local, namespace, qualified

__all__ = ["chosen_type"]

_ANY_TYPE = qualified(XSD, "anyType")


def chosen_type(model: Model, element: Element, branch: Branch, mistakes: list[str]) -> Type | None:
    """The type, or None with a mistake: unknown, ambiguous, abstract, or not derived from the declared one."""
    declared = model.type_of(element)
    wanted = branch.step.type
    if wanted is None:
        if declared.abstract or declared.name == _ANY_TYPE:
            kind = "abstract" if declared.abstract else "any type"
            hint = did_you_mean(local(declared.name or ""), _derived(model, declared)) if declared.abstract else ""
            mistakes.append(f"{branch.path!r} is of {kind}: say (Type); {hint}".rstrip("; "))
            return None
        return declared
    names = [wanted] if namespace(wanted) else model.types_named(wanted)
    fitting = [name for name in names if name in model.packed_types and _fits(model, name, declared)]
    if len(fitting) == 1:
        found = model.type(fitting[0])
        if not found.abstract:
            return found
        mistakes.append(f"{branch.path!r}: the type {wanted!r} is abstract")
    elif fitting:
        mistakes.append(f"{branch.path!r}: the type {wanted!r} is ambiguous; give one of {', '.join(fitting)}")
    else:
        hint = did_you_mean(local(wanted), _derived(model, declared))
        mistakes.append(f"{branch.path!r}: {wanted!r} is no type that may stand here; {hint}")
    return None


def _fits(model: Model, name: str, declared: Type) -> bool:
    try:
        return declared.name == _ANY_TYPE or model.is_derived(model.type(name), declared)
    except ConfigurationError:
        return False


def _derived(model: Model, base: Type) -> list[str]:
    """Local names of the types that may stand for ``base``."""
    return [local(name) for name in model.packed_types if _fits(model, name, base) and not model.type(name).abstract]

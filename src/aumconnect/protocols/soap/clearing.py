"""Which fields can be cleared by naming them in a list, and what they are called there."""

from __future__ import annotations

from aumconnect.protocols.soap.branches import Branch
from aumconnect.protocols.soap.names import local
from aumconnect.protocols.soap.plan import Field, Profile

__all__ = ["clearable"]


def clearable(record: Branch, profile: Profile) -> dict[str, str]:
    """Key → name in the list: as said by `Field.clear`, else the name of the record's child the value is
    in, where that child holds this one value only (a reference with an id). Rows of sublists have none."""
    if profile.clear_list is None:
        return {}
    found: dict[str, str] = {}
    for child in record.children():
        fields = [end for end in child.ends() if isinstance(end.source, Field)]
        for end in fields:
            source = end.source
            assert isinstance(source, Field)
            if source.clear is not None:
                found[source.key] = source.clear
            elif len(fields) == 1 and not child.step.any and child.step.rows is None and not child.step.label:
                found[source.key] = local(child.step.name)
    return found

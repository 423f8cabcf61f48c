"""Which prefix stands for which namespace in an envelope, and where it is declared.

No default namespace is ever declared, so that unqualified elements stay in none. Elements in ``xsd:any``
declare their own prefix: a receiver may hand them on as they are, without the envelope around them.
"""

from __future__ import annotations

from aumconnect.protocols.soap.names import ENCODING, ENVELOPE, XSD, XSI, local, namespace
from aumconnect.protocols.soap.plan import ElementNode

__all__ = ["Prefixes"]

_XML = "http://www.w3.org/XML/1998/namespace"


class Prefixes:
    """Collects namespaces while a plan is compiled. ``soap`` is the version of the envelope."""

    def __init__(self, soap: str) -> None:
        self._reserved = {ENVELOPE[soap]: "soap", XSI: "xsi", XSD: "xsd", ENCODING: "soapenc", _XML: "xml"}
        self._used: dict[str, str] = {ENVELOPE[soap]: "soap"}

    def name(self, name: str) -> str:
        """The name with its prefix; without one where it is in no namespace."""
        space = namespace(name)
        return f"{self._prefix(space)}:{local(name)}" if space else name

    def tag(self, node: ElementNode) -> str:
        """The name of an element, with what a foreign one has to declare."""
        name = self.name(node.name)
        space = namespace(node.name)
        if not (node.foreign and space):
            return name
        prefix = "f" + name.partition(":")[0]
        return f'{prefix}:{local(name.rpartition(":")[2])} xmlns:{prefix}="{_quoted(space)}"'

    def type(self, node: ElementNode) -> str:
        """The attribute xsi:type, where the element tells its type. Its value is a name with a prefix."""
        if node.type is None:
            return ""
        return f' {self.name(f"{{{XSI}}}type")}="{self.name(node.type)}"{self._again(node, node.type)}'

    def nil(self, node: ElementNode) -> str:
        return f' {self.name(f"{{{XSI}}}nil")}="true"{self._again(node)}'

    def array(self, node: ElementNode) -> str:
        """The start of the attribute soapenc:arrayType, up to the count."""
        assert node.array is not None
        return f' {self.name(f"{{{ENCODING}}}arrayType")}="{self.name(node.array)}'

    def declarations(self) -> str:
        """Every namespace used so far, as attributes, in order of first use."""
        return "".join(f' xmlns:{prefix}="{_quoted(space)}"' for space, prefix in self._used.items() if prefix != "xml")

    def _prefix(self, space: str) -> str:
        prefix = self._used.get(space)
        if prefix is None:
            prefix = self._used[space] = self._reserved.get(space) or f"n{len(self._used)}"
        return prefix

    def _again(self, node: ElementNode, name: str = "") -> str:
        """A foreign element declares the prefixes of its own attributes too."""
        if not node.foreign:
            return ""
        spaces = {XSI, namespace(name)} - {""}
        return "".join(f' xmlns:{self._prefix(space)}="{_quoted(space)}"' for space in sorted(spaces))


def _quoted(space: str) -> str:
    from aumconnect.protocols.soap import escaping

    return escaping.attribute(space)

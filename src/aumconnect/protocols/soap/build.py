"""From a WSDL to a `Model`: zeep loads the WSDL, its imports and its bindings; the schemas are read by us.

The only import of zeep, made when a WSDL is seen for the first time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from aumconnect.errors import ConfigurationError, ProtocolError
from aumconnect.protocols.soap.components import Components
from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.model import Body, Element, Model, Operation, Port
from aumconnect.protocols.soap.names import WSDL, XSD, qualified
from aumconnect.protocols.soap.source import Source
from aumconnect.protocols.soap.xml import parse

__all__ = ["build", "load_document"]

_WS = f"{{{WSDL}}}"
_XS = f"{{{XSD}}}"
_SOAP = {"1.1": "{http://schemas.xmlsoap.org/wsdl/soap/}", "1.2": "{http://schemas.xmlsoap.org/wsdl/soap12/}"}


def build(documents: Documents, name: str) -> Model:
    """The model of the WSDL called ``name`` among ``documents``.

    Raises `ConfigurationError` where the WSDL is broken, or imports a document that is not held.
    """
    document = load_document(documents, name)
    try:
        roots = {url: parse(body) for url, body in documents.loaded.items()}
        components = Components(_sources(roots))
        types = {**dict(components.builtin()), **dict(components.types())}
        elements = {element.name: element for element in components.elements()}
    except RecursionError:
        raise ConfigurationError(f"a type of {name!r} contains itself without end") from None
    except (ValueError, AttributeError, ProtocolError) as error:
        raise ConfigurationError(f"a schema of {name!r} is broken: {error}") from None
    operations = _Operations(roots.values(), components)
    by_binding = {at: operations.of(binding) for at, binding in _soap_bindings(document)}
    if not by_binding:
        raise ConfigurationError(f"{name!r} binds no operation to SOAP")
    return Model.of(documents.digest(), types, elements, by_binding, tuple(_ports(document)))


def load_document(documents: Documents, name: str) -> Any:
    """zeep's own view of the WSDL (`zeep.wsdl.Document`). Raises `ConfigurationError`."""
    from lxml.etree import LxmlError
    from zeep.exceptions import Error
    from zeep.settings import Settings
    from zeep.wsdl import Document

    # `Documents` decides about every address, and fetches none; zeep's own switch would refuse held ones too
    settings = Settings(forbid_dtd=True, forbid_entities=True, forbid_external=False, force_https=False)
    try:
        transport: Any = documents  # all that zeep asks of a transport here is `load`
        return Document(documents.url(name), transport, settings=settings)
    except ConfigurationError:
        raise
    except (Error, LxmlError, LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"the WSDL {name!r} cannot be read: {type(error).__name__}: {error}") from None


def _sources(roots: Mapping[str, Any]) -> Iterator[Source]:
    """Every schema, inline or in a file of its own; one without namespace once for each that includes it."""
    inline = [(url, schema) for url, root in roots.items() for schema in root.iterfind(f"{_WS}types/{_XS}schema")]
    files = [(url, root) for url, root in roots.items() if root.tag == f"{_XS}schema"]
    seen: set[tuple[int, str]] = set()
    waiting = [(url, root, root.get("targetNamespace", "")) for url, root in [*inline, *files]]
    included = {id(roots[there]) for url, root in [*inline, *files] for there in _includes(url, root) if there in roots}
    while waiting:
        url, root, target = waiting.pop(0)
        if (id(root), target) in seen or (not target and id(root) in included):
            continue
        seen.add((id(root), target))
        yield Source(root, target)
        waiting += [
            (there, roots[there], target)
            for there in _includes(url, root)
            if there in roots and roots[there].get("targetNamespace") is None
        ]


def _includes(url: str, root: Any) -> list[str]:
    return [urljoin(url, node.get("schemaLocation", "")) for node in root.iterchildren(_XS + "include")]


# --- operations ------------------------------------------------------------------------------------------


def _definitions(document: Any) -> list[Any]:
    """The WSDL and those it imports: zeep's own lists hold what stands in the first alone."""
    return list(document._definitions.values())  # noqa: SLF001


def _soap_bindings(document: Any) -> Iterator[tuple[str, Any]]:
    from zeep.wsdl.bindings.soap import SoapBinding

    for definition in _definitions(document):
        for at, binding in definition.bindings.items():
            if isinstance(binding, SoapBinding):
                yield str(at), binding


def _ports(document: Any) -> Iterator[Port]:
    services = [service for definition in _definitions(document) for service in definition.services.values()]
    for service in services:
        for port in service.ports.values():
            address = (port.binding_options or {}).get("address") or ""
            yield Port(service.name, port.name, str(port.binding.name), address)


class _Operations:
    """Operations as zeep resolved them, with what it forgets: ``use``, and the namespace of rpc wrappers."""

    def __init__(self, roots: Any, components: Components) -> None:
        self._components = components
        self._bindings: dict[str, Any] = {}
        self._messages: dict[str, Any] = {}
        for root in roots:
            target = root.get("targetNamespace")
            for node in root.iterchildren(_WS + "binding"):
                self._bindings[qualified(target, node.get("name"))] = node
            for node in root.iterchildren(_WS + "message"):
                self._messages[qualified(target, node.get("name"))] = node

    def of(self, binding: Any) -> dict[str, Operation]:
        """The operations of one of zeep's bindings, by name."""
        node = self._bindings[str(binding.name)]
        soap = "1.2" if node.find(_SOAP["1.2"] + "binding") is not None else "1.1"
        nodes = {child.get("name"): child for child in node.iterchildren(_WS + "operation")}
        return {name: self._operation(name, nodes[name], binding, soap) for name in binding.all()}

    def _operation(self, name: str, node: Any, binding: Any, soap: Any) -> Operation:
        resolved = binding.get(name)
        style = "rpc" if resolved.style == "rpc" else "document"
        return Operation(
            name,
            str(binding.name),
            soap,
            style,  # type: ignore[arg-type]
            resolved.soapaction or "",
            self._body(name, node.find(_WS + "input"), resolved.input, style, soap),
            self._body(f"{name}Response", node.find(_WS + "output"), resolved.output, style, soap),
        )

    def _body(self, name: str, node: Any, message: Any, style: str, soap: str) -> Body:
        if node is None or message is None:
            return Body()
        body = node.find(_SOAP[soap] + "body")
        told = {} if body is None else body.attrib
        encoded = told.get("use") == "encoded"
        wanted = told.get("parts")
        headers = tuple(self._headers(node, soap))
        blocks = {part for _, part in headers}
        abstract = getattr(message, "abstract", None)
        parts = {} if abstract is None else abstract.parts
        chosen = wanted.split() if wanted is not None else [part for part in parts if part not in blocks]
        return Body(
            tuple(self._part(part, parts[part], encoded) for part in chosen if part in parts),
            qualified(told.get("namespace", ""), name) if style == "rpc" else None,
            encoded,
            headers=tuple(element for element, _ in headers if element),
        )

    def _part(self, name: str, part: Any, encoded: bool) -> Element:
        if part.element is not None:
            return self._components.element(str(part.element.qname))
        return Element(name, str(part.type.qname), nillable=encoded)  # WS-I Basic Profile 1.1, R2211

    def _headers(self, node: Any, soap: str) -> Iterator[tuple[str, str]]:
        """(element, part) of each declared header block. The part is empty where it is another message's."""
        for header in node.iterchildren(_SOAP[soap] + "header"):
            prefix, _, rest = header.get("message", "").rpartition(":")
            name = qualified(header.nsmap.get(prefix or None), rest)
            message = self._messages.get(name)
            for part in () if message is None else message.iterchildren(_WS + "part"):
                if part.get("name") == header.get("part") and part.get("element"):
                    prefix, _, rest = part.get("element").rpartition(":")
                    yield qualified(part.nsmap.get(prefix or None), rest), header.get("part")

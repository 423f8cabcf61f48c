"""Three who judge our envelopes without us: zeep, libxml2 and PHP's SoapServer."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import zeep
from lxml import etree

from aumconnect.protocols.soap.build import _sources, build, load_document
from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.model import Operation
from aumconnect.protocols.soap.names import XSD, XSI
from aumconnect.protocols.soap.xml import parse

_XS = f"{{{XSD}}}"
ENCODED_ONLY = ("}arrayType", "}encodingStyle")


class Witnesses:
    """One WSDL as zeep, libxml2 and PHP see it, and as our model."""

    def __init__(self, documents: Documents, name: str, folder: Path) -> None:
        self.model = build(documents, name)
        self._documents = documents
        self._folder = folder
        self._name = name
        self.client = zeep.Client(load_document(documents, name), transport=documents)

    def zeep_envelope(self, operation: Operation, arguments: dict[str, Any]) -> bytes:
        service = self.client.create_service(operation.binding, "http://127.0.0.1/")
        envelope, _ = service._binding._create(operation.name, (), arguments, client=self.client, options={})
        return etree.tostring(envelope)

    @cached_property
    def schema(self) -> etree.XMLSchema:
        """Every schema of the WSDL, one file each, bound together by their namespaces."""
        folder = self._folder / "schemas"
        folder.mkdir(exist_ok=True)
        sources = list(_sources({url: parse(body) for url, body in self._documents.loaded.items()}))
        files = {id(source.root): f"{number}.xsd" for number, source in enumerate(sources)}
        first = {source.target: files[id(source.root)] for source in reversed(sources)}
        for source in sources:
            root = etree.fromstring(etree.tostring(source.root))
            root.set("targetNamespace", source.target)
            if root.nsmap.get(None) is None and source.root.get("targetNamespace") is None:
                root = _within(root, source.target)
            for node in root.findall(_XS + "import"):
                node.set("schemaLocation", first[node.get("namespace")])
            for node in root.findall(_XS + "include"):
                root.remove(node)  # each file of a namespace is included by the first
            others = [files[id(one.root)] for one in sources if one.target == source.target and one is not source]
            if first[source.target] == files[id(source.root)]:
                for other in others:
                    root.insert(0, etree.Element(_XS + "include", schemaLocation=other))
            (folder / files[id(source.root)]).write_bytes(etree.tostring(root))
        top = etree.Element(_XS + "schema")
        for target, file in first.items():
            etree.SubElement(top, _XS + "import", namespace=target, schemaLocation=file)
        (folder / "all.xsd").write_bytes(etree.tostring(top))
        return etree.XMLSchema(file=str(folder / "all.xsd"))

    def invalid(self, envelope: bytes) -> str | None:
        """What libxml2 says against the body's element; None when it is valid."""
        element = body_of(envelope)[0]
        alone = etree.fromstring(etree.tostring(element))
        return None if self.schema.validate(alone) else str(self.schema.error_log)

    def php_arguments(self, envelopes: list[bytes]) -> list[Any]:
        """What a PHP SoapServer understands each envelope to say."""
        php = shutil.which("php")
        if php is None:
            pytest.skip("php is not installed")
        if "soap" not in subprocess.run([php, "-m"], capture_output=True, text=True, check=True).stdout.split():
            pytest.skip("php has no soap extension")
        folder = self._folder / "php"
        folder.mkdir(exist_ok=True)
        for url, body in self._documents.loaded.items():
            if url.startswith("https://documents.invalid/"):
                path = folder / url.removeprefix("https://documents.invalid/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
        (folder / "serve.php").write_text(_PHP)
        told = json.dumps([envelope.decode() for envelope in envelopes])
        done = subprocess.run(
            [php, "-d", "soap.wsdl_cache=2", str(folder / "serve.php"), str(folder / self._name)],
            input=told,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return [without_prefix(heard) for heard in json.loads(done.stdout)]


_PHP = """<?php
class Anything {
    public $heard = null;
    public function __call($name, $arguments) { $this->heard = [$name, $arguments]; return null; }
}
$heard = [];
foreach (json_decode(stream_get_contents(STDIN)) as $envelope) {
    $server = new SoapServer($argv[1], ['cache_wsdl' => WSDL_CACHE_MEMORY]);
    $anything = new Anything();
    $server->setObject($anything);
    ob_start();
    try { $server->handle($envelope); } catch (Throwable $error) { }
    $said = ob_get_clean();
    $heard[] = $anything->heard === null ? ['refused', base64_encode($said)] : unserialize_all($anything->heard);
}
function unserialize_all($value) {
    if ($value instanceof SoapVar) { return ['var' => unserialize_all($value->enc_value)]; }
    if (is_object($value)) { $value = get_object_vars($value); }
    if (is_array($value)) { return array_map('unserialize_all', $value); }
    return is_string($value) ? base64_encode($value) : $value;
}
echo json_encode($heard, JSON_PRESERVE_ZERO_FRACTION | JSON_PARTIAL_OUTPUT_ON_ERROR);
"""


def without_prefix(heard: Any) -> Any:
    """PHP takes xsi:type for an attribute called ``type``: prefixes, which mean nothing, come off its values."""
    if isinstance(heard, str):
        text = base64.b64decode(heard).decode("latin-1") if heard != "refused" else heard
        return re.sub(r"^ns?\d+:(?=\w+$)", "", text)
    if isinstance(heard, dict):
        return {key: without_prefix(value) for key, value in heard.items()}
    return [without_prefix(value) for value in heard] if isinstance(heard, list) else heard


def _within(root: Any, target: str) -> Any:
    """The same schema with ``target`` as its default namespace, as an including schema would see it."""
    text = etree.tostring(root).decode()
    return etree.fromstring(text.replace("<" + root.prefix + ":schema", f'<{root.prefix}:schema xmlns="{target}"', 1))


def body_of(envelope: bytes) -> Any:
    return etree.fromstring(envelope).find("{*}Body")


def canonical(envelope: bytes, *, encoded: bool = False) -> str:
    """The body as C14N 2.0 with prefixes rewritten, so that only meaning is compared.

    ``encoded``: without what the SOAP encoding adds and zeep does not write.
    """
    body = body_of(envelope)
    for element in body.iter("*") if encoded else ():
        for name in [name for name in element.attrib if name == f"{{{XSI}}}type" or name.endswith(ENCODED_ONLY)]:
            del element.attrib[name]
    told = etree.tostring(body, encoding="unicode")
    return str(etree.canonicalize(told, rewrite_prefixes=True, qname_aware_attrs={f"{{{XSI}}}type"}))

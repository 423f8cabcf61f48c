"""No document is fetched, opened or expanded that was not given; what is given is read within bounds."""

from __future__ import annotations

import pytest
from wsdls import DOCUMENTS

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.build import build
from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.names import ENCODING


def importing(location):
    """A WSDL whose schema imports ``location``."""
    schema = b'<xs:import namespace="urn:shop:party" schemaLocation="party.xsd"/>'
    assert schema in DOCUMENTS["shop.wsdl"]
    wanted = f'<xs:import namespace="urn:shop:party" schemaLocation="{location}"/>'.encode()
    return DOCUMENTS | {"shop.wsdl": DOCUMENTS["shop.wsdl"].replace(schema, wanted)}


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/x.xsd",
        "file:///etc/passwd",
        "ftp://evil.example/x.xsd",
        "gopher://evil.example/x",
        "//evil.example/x.xsd",
        "../../../../etc/passwd",
        "/etc/passwd",
        "missing.xsd",
    ],
)
def test_an_import_that_is_not_held_is_refused(location):
    with pytest.raises(ConfigurationError, match="not among its documents"):
        build(Documents(importing(location)), "shop.wsdl")


def test_a_wsdl_import_of_a_local_file_is_refused_too():
    wsdl = DOCUMENTS["shop.wsdl"].replace(
        b"<wsdl:types>", b'<wsdl:import namespace="urn:x" location="file:///etc/passwd"/><wsdl:types>'
    )

    with pytest.raises(ConfigurationError) as refused:
        build(Documents(DOCUMENTS | {"shop.wsdl": wsdl}), "shop.wsdl")

    assert "root:" not in str(refused.value)


@pytest.mark.parametrize("name", ["../secret.xsd", "%2e%2e/secret.xsd", "link.xsd", "notes.txt"])
def test_a_folder_is_not_left(tmp_path, name):
    folder = tmp_path / "wsdl"
    folder.mkdir()
    (tmp_path / "secret.xsd").write_bytes(DOCUMENTS["party.xsd"])
    (folder / "notes.txt").write_bytes(DOCUMENTS["party.xsd"])
    (folder / "link.xsd").symlink_to(tmp_path / "secret.xsd")
    documents = Documents(folder)

    with pytest.raises(ConfigurationError, match="not among"):
        documents.load(documents.url(name))


def test_documents_may_be_held_by_the_address_they_are_imported_by():
    held = importing("https://vendor.example/party.xsd")
    held["https://vendor.example/party.xsd"] = held.pop("party.xsd")
    held["https://vendor.example/money.xsd"] = held.pop("money.xsd")

    assert build(Documents(held), "shop.wsdl").type("{urn:shop:party}Customer")


def test_a_folder_is_as_good_as_a_mapping(tmp_path, shop):
    for name, body in DOCUMENTS.items():
        (tmp_path / name).write_bytes(body)

    assert build(Documents(tmp_path), "shop.wsdl") == shop


def test_the_encoding_schema_is_held_without_being_asked_for():
    documents = Documents({})

    assert b"arrayType" in documents.load(ENCODING)


def test_the_users_own_encoding_schema_is_preferred():
    own = b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>'

    assert Documents({ENCODING: own}).load(ENCODING) == own


def test_sizes_are_capped(tmp_path):
    (tmp_path / "a.xsd").write_bytes(DOCUMENTS["party.xsd"])

    with pytest.raises(ConfigurationError, match="larger"):
        Documents(DOCUMENTS, total_bytes=1000).load("https://documents.invalid/shop.wsdl")
    with pytest.raises(ConfigurationError, match="larger"):
        Documents(tmp_path, file_bytes=100).load("https://documents.invalid/a.xsd")
    with pytest.raises(ConfigurationError, match="more than 3"):
        Documents(DOCUMENTS, files=3).held_digest()


def test_a_document_with_a_doctype_is_refused():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><x>&a;</x>'

    with pytest.raises(ConfigurationError, match="DOCTYPE"):
        build(Documents({"x.wsdl": bomb}), "x.wsdl")


@pytest.mark.parametrize("body", [b"", b"no xml", b"<html><body>login</body></html>", b"<a>" * 1000])
def test_what_is_no_wsdl_is_said_so(body):
    with pytest.raises(ConfigurationError):
        build(Documents({"x.wsdl": body}), "x.wsdl")


def test_policies_in_a_wsdl_are_no_trouble(shop):
    """T18."""
    policy = b'<wsp:Policy xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"><wsp:All/></wsp:Policy>'
    wsdl = DOCUMENTS["shop.wsdl"].replace(b"<wsdl:types>", policy + b"<wsdl:types>")
    wsdl = wsdl.replace(b"<soap:operation ", policy + b"<soap:operation ")

    model = build(Documents(DOCUMENTS | {"shop.wsdl": wsdl}), "shop.wsdl")

    assert list(model.operations()) == list(shop.operations())


def test_a_wsdl_in_two_files_is_one(shop):
    """T18: the service in one, everything else in another, imported by a relative name."""
    whole = DOCUMENTS["shop.wsdl"]
    at = whole.index(b"<wsdl:service")
    start = whole[: whole.index(b">") + 1]
    top = start + b'<wsdl:import namespace="urn:shop:messages" location="parts/rest.wsdl"/>' + whole[at:]
    rest = whole[:at] + b"</wsdl:definitions>"
    held = {
        "top.wsdl": top,
        "parts/rest.wsdl": rest,
        "parts/party.xsd": DOCUMENTS["party.xsd"],
        "parts/money.xsd": DOCUMENTS["money.xsd"],
    }

    model = build(Documents(held), "top.wsdl")

    assert [operation.name for operation in model.operations()] == ["save", "put"]
    assert [port.address for port in model.ports] == [port.address for port in shop.ports]
    assert model.packed_types == shop.packed_types

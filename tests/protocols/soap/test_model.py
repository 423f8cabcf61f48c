"""The model says what the schemas say, survives the disk, and is built anew when it must be."""

from __future__ import annotations

import stat
import zlib

import pytest
from wsdls import DOCUMENTS, PARTY, SHOP

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap import build as build_module
from aumconnect.protocols.soap.build import build
from aumconnect.protocols.soap.cache import cached_model
from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.model import AnyElement, Element, Group
from aumconnect.protocols.soap.model_file import dump_model, load_model
from aumconnect.protocols.soap.names import local


def names(particles):
    for particle in particles:
        if isinstance(particle, Element):
            yield local(particle.name)
        elif isinstance(particle, Group):
            yield from names(particle.items)
        else:
            assert isinstance(particle, AnyElement)
            yield "*"


def test_inherited_children_come_first_and_groups_are_opened(shop):
    customer = shop.type(f"{{{PARTY}}}Customer")

    assert " ".join(names(shop.content(customer))) == (
        "cleared code name grade limit balance note since seen active visits score photo tags phone mail "
        "person company staff anonymous street streets property *"
    )


def test_attributes_are_inherited_and_come_from_groups(shop):
    assert set(shop.attributes(shop.type(f"{{{PARTY}}}Customer"))) == {"id", "rank"}


def test_facets_are_kept_all_the_way_down(shop):
    code = shop.type(f"{{{PARTY}}}Code").simple
    limit = shop.type(f"{{{PARTY}}}Limit").simple

    assert (code.base, code.max_length, code.patterns) == ("token", 8, (("[A-Z]\\d*",),))
    assert (limit.base, limit.total_digits, limit.fraction_digits, limit.bounds) == (
        "decimal",
        8,
        2,
        (("minInclusive", "0"),),
    )


def test_a_schema_without_namespace_takes_that_of_the_schema_that_includes_it(shop):
    money = shop.type(f"{{{PARTY}}}Money")

    assert money.simple.fraction_digits == 2
    assert shop.attributes(money)["currency"].simple.length == 3


def test_what_zeep_forgets_is_known(shop):
    assert shop.type(f"{{{PARTY}}}Record").abstract
    assert shop.is_derived(shop.type(f"{{{PARTY}}}Customer"), shop.type(f"{{{PARTY}}}Record"))
    assert not shop.is_derived(shop.type(f"{{{PARTY}}}Street"), shop.type(f"{{{PARTY}}}Record"))


def test_unqualified_and_qualified_names_are_told_apart(shop):
    save = shop.type_of(shop.element(f"{{{SHOP}}}save"))

    assert [child.name for child in save.content.items] == ["mode", f"{{{SHOP}}}record"]


def test_operations_know_their_binding(shop, shop12, literal, encoded):
    assert [(op.name, op.soap, op.style, op.action) for op in shop.operations()] == [
        ("save", "1.1", "document", "urn:shop#save"),
        ("put", "1.1", "document", "urn:shop#put"),
    ]
    assert shop12.operation("save").soap == "1.2"
    assert shop.operation("save").input.headers == (f"{{{SHOP}}}session",)
    assert (literal.operation("save").style, literal.operation("save").input.encoded) == ("rpc", False)
    assert encoded.operation("save").input.encoded
    assert encoded.operation("save").input.wrapper == "{urn:ledger}save"
    assert encoded.operation("save").output.wrapper == "{urn:ledger}saveResponse"


def test_arrays_know_their_item_type_and_lose_the_serialisers_marks(encoded):
    pairs = encoded.type("{urn:ledger}Pairs")

    assert pairs.array == "{urn:ledger}Pair"
    assert encoded.attributes(pairs) == {}


def test_unknown_names_come_with_near_ones(shop):
    with pytest.raises(ConfigurationError, match="did you mean 'save'"):
        shop.operation("svae")
    with pytest.raises(ConfigurationError, match="Customer"):
        shop.type(f"{{{PARTY}}}Custmer")


def one_schema(types):
    """The model of a schema around these components."""
    wsdl = DOCUMENTS["literal.wsdl"].replace(b"</xs:schema>", f"{types}</xs:schema>".encode())
    return build(Documents({"x.wsdl": wsdl}), "x.wsdl")


def test_an_element_that_contains_itself_is_no_trouble():
    model = one_schema(
        '<xs:element name="node"><xs:complexType><xs:sequence><xs:element ref="node" minOccurs="0"/>'
        "</xs:sequence></xs:complexType></xs:element>"
    )
    node = model.element("{urn:ledger}node")

    assert model.type_of(model.type_of(node).content.items[0]) == model.type_of(node)


@pytest.mark.parametrize(
    "types",
    [
        (
            '<xs:group name="g"><xs:sequence><xs:group ref="g"/></xs:sequence></xs:group>'
            '<xs:complexType name="T"><xs:group ref="g"/></xs:complexType>'
        ),
        '<xs:simpleType name="S"><xs:restriction base="S"/></xs:simpleType>',
        '<xs:complexType name="T"><xs:sequence><xs:element ref="missing"/></xs:sequence></xs:complexType>',
        '<xs:complexType name="T"><xs:attribute name="a" type="missing"/></xs:complexType>',
        (
            '<xs:simpleType name="S"><xs:restriction base="xs:string"><xs:length value="many"/>'
            "</xs:restriction></xs:simpleType>"
        ),
    ],
)
def test_a_broken_schema_is_one_typed_error(types):
    with pytest.raises(ConfigurationError):
        one_schema(types)


def test_members_of_a_substitution_group_are_found():
    model = one_schema(
        '<xs:element name="head" type="xs:string" abstract="true"/>'
        '<xs:element name="one" type="xs:string" substitutionGroup="head"/>'
        '<xs:element name="two" substitutionGroup="one"/>'
    )

    assert model.substitutes("{urn:ledger}head") == {"one": "{urn:ledger}one", "two": "{urn:ledger}two"}
    assert model.type_of(model.element("{urn:ledger}two")).simple.base == "string"


def test_restriction_takes_away_and_lists_and_unions_are_known():
    model = one_schema(
        '<xs:complexType name="Base"><xs:sequence><xs:element name="a" minOccurs="0"/></xs:sequence>'
        '<xs:attribute name="x"/><xs:attribute name="y"/></xs:complexType>'
        '<xs:complexType name="Less"><xs:complexContent><xs:restriction base="Base">'
        '<xs:attribute name="x" use="prohibited"/></xs:restriction></xs:complexContent></xs:complexType>'
        '<xs:simpleType name="Sizes"><xs:list itemType="xs:int"/></xs:simpleType>'
        '<xs:simpleType name="Either"><xs:union memberTypes="xs:int Sizes"/></xs:simpleType>'
    )
    less = model.type("{urn:ledger}Less")

    assert list(model.attributes(less)) == ["y"]
    assert list(names(model.content(less))) == []
    assert model.type("{urn:ledger}Sizes").simple.items.base == "int"
    assert [member.base for member in model.type("{urn:ledger}Either").simple.members] == ["int", "string"]


# --- on disk ---------------------------------------------------------------------------------------------


def test_a_model_survives_the_disk(shop):
    again = load_model(dump_model(shop))

    assert again == shop
    assert again.type(f"{{{PARTY}}}Customer") == shop.type(f"{{{PARTY}}}Customer")


@pytest.fixture
def built(monkeypatch):
    """The names of the WSDLs that were built, in order."""
    seen = []
    real = build_module.build
    monkeypatch.setattr(build_module, "build", lambda documents, name: seen.append(name) or real(documents, name))
    return seen


def test_a_second_start_parses_nothing(tmp_path, built, shop):
    first = cached_model(Documents(DOCUMENTS), "shop.wsdl", tmp_path / "cache")
    second = cached_model(Documents(DOCUMENTS), "shop.wsdl", tmp_path / "cache")

    assert built == ["shop.wsdl"]
    assert first == second == shop


def test_only_the_owner_may_read_the_cache(tmp_path):
    cached_model(Documents(DOCUMENTS), "shop.wsdl", tmp_path / "cache")
    [file] = (tmp_path / "cache").iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: b"nonsense",
        lambda whole: zlib.compress(b'{"version": 0}'),
        lambda whole: zlib.compress(b"[" * 100_000),
        lambda whole: zlib.compress(b'{"version": 1, "digest": "x"}'),
    ],
)
def test_a_damaged_file_is_built_anew(tmp_path, built, damage):
    cached_model(Documents(DOCUMENTS), "shop.wsdl", tmp_path)
    [file] = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))

    assert cached_model(Documents(DOCUMENTS), "shop.wsdl", tmp_path).operation("save")
    assert len(built) == 2
    assert load_model(file.read_bytes())


def test_a_changed_document_is_another_model(tmp_path, built):
    changed = DOCUMENTS | {"party.xsd": DOCUMENTS["party.xsd"].replace(b'value="8"', b'value="9"')}

    first = cached_model(Documents(DOCUMENTS), "shop.wsdl", tmp_path)
    second = cached_model(Documents(changed), "shop.wsdl", tmp_path)

    assert first.digest != second.digest
    assert len(built) == 2


def test_a_cache_that_cannot_be_written_is_only_slow(tmp_path):
    (tmp_path / "file").write_text("in the way")

    assert cached_model(Documents(DOCUMENTS), "shop.wsdl", tmp_path / "file" / "cache").operation("save")

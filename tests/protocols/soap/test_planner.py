"""Every mistake of a mapping is found at once, before anything is sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from wsdls import DOCUMENTS, SHOP

from aumconnect.errors import ConfigurationError
from aumconnect.protocols.soap.build import build
from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.envelope import Message
from aumconnect.protocols.soap.paths import Step, parse_path
from aumconnect.protocols.soap.plan import Const, Plan, Profile
from aumconnect.protocols.soap.planner import make_block_plan, make_plan

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = "record[](Customer)"
PUT = {"@version": Const("v1"), "key": "key", "stamp": "stamp", "parameters/skip": "skip"}


def mistakes(model, operation, mapping, profile=None):
    with pytest.raises(ConfigurationError) as refused:
        make_plan(model, operation, mapping, profile)
    return str(refused.value)


def test_the_path_language():
    assert parse_path("record[](Customer)/customField[a]({urn:x}T)/#text") == (
        Step("record", record=True, type="Customer"),
        Step("customField", label="a", type="{urn:x}T"),
        Step("#text"),
    )
    assert parse_path("any:{http://x/y}Name[*rows]/@a") == (
        Step("{http://x/y}Name", rows="rows", any=True),
        Step("@a"),
    )


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a/", "a[", "a]b", "a b", "@a/b", "#text/b", "a[x](T", "#texts"])
def test_a_path_that_cannot_be_read_is_pointed_at(path, shop):
    assert repr(path) in mistakes(shop, "save", {path: "x"})


def test_all_mistakes_come_at_once_with_near_names(shop):
    said = mistakes(
        shop,
        "save",
        {
            f"{RECORD}/nmae": "a",
            f"{RECORD}/@idd": "b",
            f"{RECORD}/street": "c",
            f"{RECORD}/name/first": "d",
            f"{RECORD}/property[a]/value": "e",
            f"{RECORD}/grade": Const("bronze"),
            f"{RECORD}/note": Const("\0"),
            f"{RECORD}/code[a]": "f",
            f"{RECORD}/code[b]": "g",
            f"{RECORD}/photo[*rows]": "h",
        },
    )

    assert "'record[]/nmae' is no element of Customer; did you mean 'name'" in said
    assert "'record[]/@idd' is no attribute of 'record'; did you mean 'id'" in said
    assert "'record[]/street' holds elements, no text: line, postcode" in said
    assert "'record[]/name/first': 'name' holds text" in said
    assert "'record[]/property[a]' is of abstract: say (Type)" in said
    assert "'record[]/grade': not one of the 2 values allowed" in said
    assert "'record[]/note': a character that XML cannot hold: U+0000" in said
    assert "'record[]/code[a]' may stand 1 times, and is mapped 2 times" in said
    assert "'record[]/photo[*rows]' stands once, and cannot be a list" in said


def test_required_children_and_attributes_must_be_mapped(shop):
    said = mistakes(shop, "put", {"data/unit": "unit"})

    assert "'key' is required and not mapped" in said
    assert "'stamp' is required and not mapped, though it may be nil" in said
    assert "'parameters' is required and not mapped" in said
    assert "'@version' is required and not mapped" in said
    assert "'data/value' is required and not mapped" in said


def test_required_children_of_what_is_not_mapped_are_none_of_ours(shop):
    """T3."""
    make_plan(shop, "put", PUT)


def test_a_profile_fills_what_no_mapping_mentions(shop):
    profile = Profile(fill={"Put/@version": "v2", "Put/key": "k", "Put/stamp": NEW_YEAR})

    plan = make_plan(shop, "put", {"data/value": "value", "parameters/skip": "skip"}, profile)

    text = Message(plan).encode([(0, {"value": 1, "skip": False})])[0][0].text
    assert 'version="v2"' in text
    assert "<key>k</key>" in text


def test_a_profile_may_name_the_type_a_child_is_inherited_from(shop):
    profile = Profile(fill={"Property/@code": "x"})

    make_plan(shop, "save", {f"{RECORD}/property[a](TextProperty)/value": "a"}, profile)


@pytest.mark.parametrize(("policy", "written"), [("omit", ""), ("nil", '<stamp xsi:nil="true"/>')])
def test_what_becomes_of_an_unmapped_required_nillable_child(shop, policy, written):
    """T6."""
    mapping = {path: key for path, key in PUT.items() if path != "stamp"}

    plan = make_plan(shop, "put", mapping, Profile(nillable=policy))

    text = Message(plan).encode([(0, {"key": "k", "skip": True})])[0][0].text
    assert f"<key>k</key>{written}<parameters>" in text


def test_a_choice_nobody_takes_is_a_mistake(shop):
    mapping = {path: key for path, key in PUT.items() if not path.startswith("parameters")}

    assert "one of skip, automatic must be mapped" in mistakes(shop, "put", mapping | {"parameters/skp": "x"})


def test_a_dangerous_default_must_be_said(shop):
    """T2: left out, replaceAll replaces the whole sublist."""
    mapping = {f"{RECORD}/streets/street[*rows]/line": "line"}
    profile = Profile(explicit=frozenset({"replaceAll"}))

    assert "'record[]/streets/@replaceAll' must be said; left out it means 'true'" in mistakes(
        shop, "save", mapping, profile
    )
    make_plan(shop, "save", mapping | {f"{RECORD}/streets/@replaceAll": Const(False)}, profile)


@pytest.mark.parametrize(
    ("type", "said"),
    [
        ("Record", "is abstract"),
        ("Street", "is no type that may stand here"),
        ("Custmer", "did you mean 'Customer'"),
        ("{urn:other}Customer", "is no type that may stand here"),
    ],
)
def test_a_type_that_may_not_stand_here(shop, type, said):
    """T13."""
    assert said in mistakes(shop, "save", {f"record[]({type})/@id": "id"})


def test_an_ambiguous_type_needs_its_namespace():
    """T13: the same local name in two namespaces."""
    other = (
        b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:p="urn:shop:party" targetNamespace="urn:other">'
        b'<xs:import namespace="urn:shop:party" schemaLocation="party.xsd"/><xs:complexType name="Supplier">'
        b'<xs:complexContent><xs:extension base="p:Record"/></xs:complexContent></xs:complexType></xs:schema>'
    )
    wsdl = DOCUMENTS["shop.wsdl"].replace(b"</wsdl:types>", other + b"</wsdl:types>")
    model = build(Documents(DOCUMENTS | {"shop.wsdl": wsdl}), "shop.wsdl")

    assert "ambiguous; give one of" in mistakes(model, "save", {"record[](Supplier)/@id": "id"})
    make_plan(model, "save", {"record[]({urn:other}Supplier)/@id": "id"})


def test_the_marks_of_the_encoding_cannot_be_mapped(encoded):
    """T19."""
    said = mistakes(encoded, "save", {"keys/@id": "a", "keys/@href": "b", "keys/@arrayType": "c"})

    assert all(f"'keys/@{name}' is no attribute" in said for name in ("id", "href", "arrayType"))


def test_two_records_or_two_sources_are_mistakes(shop):
    assert "[] is the record and stands once" in mistakes(shop, "save", {"record[]/street[]/line": "a"})
    assert "is mapped twice" in mistakes(shop, "save", {f"{RECORD}/name": "a", "record[]/name": "b"})
    assert "is given two types" in mistakes(shop, "save", {f"{RECORD}/name": "a", "record[](Supplier)/@id": "b"})


# --- plans on disk ---------------------------------------------------------------------------------------


def test_a_plan_survives_json(shop):
    plan = make_plan(
        shop,
        "save",
        {f"{RECORD}/name": "a", f"{RECORD}/property[x](TextProperty)/@code": Const("<&>")}
        | {f"{RECORD}/property[x](TextProperty)/value": "b"},
    )

    assert Plan.load(plan.dump(), digest=shop.digest) == plan


def test_a_plan_of_another_wsdl_is_refused(shop):
    """T20."""
    plan = make_plan(shop, "put", PUT)

    with pytest.raises(ConfigurationError, match="another WSDL"):
        Plan.load(plan.dump(), digest="0" * 64)


@pytest.mark.parametrize(
    "damage",
    [
        lambda parts: parts | {"version": 0},
        lambda parts: parts | {"frame": {"is": "os"}},
        lambda parts: [],
        lambda parts: {"version": 1},
    ],
)
def test_a_damaged_plan_is_refused(shop, damage):
    parts = json.loads(make_plan(shop, "put", PUT).dump())

    with pytest.raises(ConfigurationError):
        Plan.load(json.dumps(damage(parts)), digest=shop.digest)


def test_nothing_in_a_plan_is_code_or_markup(shop):
    """T12: a plan from disk is text; what it holds is escaped."""
    plan = make_plan(shop, "put", PUT | {"@version": Const('"><evil/>')})

    [record], _ = Message(Plan.load(plan.dump(), digest=shop.digest)).encode(
        [(0, {"key": "k", "skip": True, "stamp": NEW_YEAR})]
    )

    assert 'version="&quot;&gt;&lt;evil/&gt;"' in record.text


def test_a_header_block_is_planned_like_a_record(shop):
    plan = make_block_plan(shop, f"{{{SHOP}}}session", {"token": "token"})

    assert Message(plan).block({"token": "<t>"}).endswith("<token>&lt;t&gt;</token></n1:session>")
    with pytest.raises(ConfigurationError, match="did you mean"):
        make_block_plan(shop, f"{{{SHOP}}}session", {"tokn": "token"})

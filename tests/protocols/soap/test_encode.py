"""Records as text: what is left out, what is an error, and that one bad record spoils nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from lxml import etree
from wsdls import DOCUMENTS, PARTY, SHOP

from aumconnect.errors import ErrorClass
from aumconnect.outcome import Status
from aumconnect.protocols.soap.build import build
from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.envelope import Message
from aumconnect.protocols.soap.names import XSI
from aumconnect.protocols.soap.plan import Const, Field, Profile
from aumconnect.protocols.soap.planner import make_plan
from aumconnect.schema import CLEAR

RECORD = "record[](Customer)"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


class Writer:
    """Encodes single records of one mapping and gives back their parsed element."""

    def __init__(self, model, operation, mapping, profile=None):
        self.message = Message(make_plan(model, operation, mapping, profile))

    def __call__(self, **values):
        encoded, rejected = self.message.encode([(0, values)])
        assert rejected == []
        envelope = etree.fromstring(self.message.envelope(encoded))
        return envelope.find("{*}Body")[0]

    def problem(self, **values):
        encoded, [outcome] = self.message.encode([(7, values)])
        assert encoded == []
        assert (outcome.ref, outcome.status) == (7, Status.REJECTED)
        assert outcome.error_class is ErrorClass.VALIDATION
        [problem] = outcome.problems
        return problem


def customer(shop, mapping, profile=None):
    return Writer(shop, "save", {f"{RECORD}/{path}": source for path, source in mapping.items()}, profile)


def test_children_come_in_the_schemas_order_whatever_the_mappings(shop):
    write = customer(shop, {"score": "s", "name": "n", "code": "c", "@id": "i"})

    record = write(s=1.5, n="A", c="A1", i="7")[0]

    assert [(etree.QName(child).localname, child.text) for child in record] == [
        ("code", "A1"),
        ("name", "A"),
        ("score", "1.5"),
    ]
    assert record.get("id") == "7"


def test_absent_and_none_are_left_out(shop):
    write = customer(shop, {"name": "n", "score": "s", "@rank": "r"})

    assert len(write(n=None)[0]) == 0
    assert write(n="")[0][0].text is None  # an empty text is a value


def test_false_and_zero_are_values_also_in_a_choice(shop):
    """T1: zeep drops them."""
    write = Writer(
        shop,
        "put",
        {"@version": "v", "key": "k", "stamp": "t", "parameters/skip": "skip", "parameters/automatic": "auto"},
    )

    assert write(v="1", k="", t=NEW_YEAR, skip=False).find("parameters/skip").text == "false"
    assert write(v="1", k="", t=NEW_YEAR, auto=False).find("parameters/automatic").text == "false"
    assert customer(shop, {"visits": "v"})(v=0)[0][0].text == "0"


def test_two_members_of_a_choice_are_an_error_of_this_record(shop):
    """T14; the branch may differ from record to record."""
    write = customer(shop, {"person": "p", "company": "c", "staff": "s", "anonymous": "a"})

    assert write.problem(p="A", c="B").code == "choice"
    assert [child.text for child in write(c="B", s=3)[0]] == ["B", "3"]
    assert [child.text for child in write(a=True)[0]] == ["true"]
    assert len(write()[0]) == 0
    assert write.problem(s=3).code == "required"  # staff without its company


def test_a_required_choice_must_be_made(shop):
    write = Writer(shop, "put", {"@version": "v", "key": "k", "stamp": "t", "parameters/skip": "skip"})

    assert write.problem(v="1", k="k", t=NEW_YEAR).code == "required"


def test_a_required_child_matters_where_its_parent_is_written(shop):
    """T3."""
    write = customer(shop, {"street/line": "line", "street/postcode": "code"})

    assert len(write()[0]) == 0
    assert len(write(line="a")[0]) == 1
    problem = write.problem(code="1")
    assert (problem.code, problem.field) == ("required", "record[]/street/line")


def test_constants_alone_do_not_keep_a_group_alive(shop):
    """T4: a custom field with its name but no value vanishes; a group of nothing but constants stays."""
    write = customer(
        shop,
        {
            "property[a](NumberProperty)/@code": Const("churn"),
            "property[a](NumberProperty)/value": "churn",
            "street/line": Const("1 Main"),
        },
    )

    assert [etree.QName(child).localname for child in write()[0]] == ["street"]
    assert [child.tag.partition("}")[2] for child in write(churn=0.5)[0]] == ["street", "property"]


def test_an_attribute_without_its_text_is_refused(shop):
    """T5: simple content."""
    write = customer(shop, {"balance": "b", "balance/@currency": "c"})

    element = write(b=Decimal("1.50"), c="EUR")[0][0]
    assert (element.text, element.get("currency")) == ("1.50", "EUR")
    assert len(write()[0]) == 0
    assert write.problem(c="EUR").code == "required"
    assert write.problem(b=1).field == "record[]/balance/@currency"


def test_constant_currency_vanishes_with_its_amount(shop):
    write = customer(shop, {"balance": "b", "balance/@currency": Const("EUR")})

    assert len(write()[0]) == 0
    assert write(b=1)[0][0].get("currency") == "EUR"


# --- clearing --------------------------------------------------------------------------------------------


def test_nil_clears_only_where_the_schema_allows_it(shop):
    """T7."""
    write = customer(shop, {"note": "note", "name": "name"}, Profile(clear="nil"))

    assert write(note=CLEAR)[0][0].get(f"{{{XSI}}}nil") == "true"
    assert write.problem(name=CLEAR).code == "clear"


def test_empty_clears_only_free_text(shop):
    write = customer(shop, {"name": "name", "grade": "grade", "score": "score"}, Profile(clear="empty"))

    assert write(name=CLEAR)[0][0].text is None
    assert write.problem(grade=CLEAR).code == "clear"
    assert write.problem(score=CLEAR).code == "clear"


def test_clearing_is_refused_unless_the_profile_knows_how(shop):
    write = customer(shop, {"note": "note", "@id": "id", "balance": "b", "balance/@currency": Const("EUR")})

    for key in ("note", "id", "b"):
        assert write.problem(**{key: CLEAR}).code == "clear"


def test_a_list_of_names_clears_children_of_the_record(shop):
    """T7: direct children, a reference's only attribute, and what is told by `Field.clear`."""
    write = customer(
        shop,
        {
            "name": "name",
            "street/@main": "main",
            "street/line": Const("x"),
            "property[a](TextProperty)/@code": Const("churn"),
            "property[a](TextProperty)/value": Field("churn", clear="cust_churn"),
            "property[b](TextProperty)/@code": Const("b"),
            "property[b](TextProperty)/value": "unnamed",
        },
        Profile(clear_list="cleared/name"),
    )

    record = write(name=CLEAR, churn=CLEAR, main=CLEAR)[0]

    assert record[0].tag == f"{{{PARTY}}}cleared"
    assert sorted(name.text for name in record[0]) == ["cust_churn", "name", "street"]
    assert write.problem(unnamed=CLEAR).code == "clear"
    assert write(name="A")[0].find("{*}cleared") is None


def test_clearing_inside_any_is_refused(shop):
    write = customer(shop, {"any:{urn:x}Thing": "thing"}, Profile(clear="nil"))

    assert write.problem(thing=CLEAR).code == "clear"


# --- xsd:any, types, prefixes ----------------------------------------------------------------------------


def test_elements_in_any_declare_their_own_namespace(shop):
    """T8: the fragment must stand without the envelope around it."""
    mapping = {f"{RECORD}/any:{{urn:x}}Thing": "a", f"{RECORD}/any:{{{PARTY}}}extra": "b", f"{RECORD}/any:bare": "c"}
    message = Message(make_plan(shop, "save", mapping))
    [record], _ = message.encode([(0, {"a": "1", "b": "2", "c": "3"})])

    fragments = record.text.partition(">")[2].rpartition("</")[0]
    found = etree.fromstring(f"<x>{fragments}</x>")

    assert [(child.tag, child.text) for child in found] == [
        ("{urn:x}Thing", "1"),
        (f"{{{PARTY}}}extra", "2"),
        ("bare", "3"),
    ]


def test_children_of_an_element_in_any_stand_alone_too(shop):
    """T8: of an element that the schemas know."""
    mapping = {f"{RECORD}/any:{{{PARTY}}}place/line": "line", f"{RECORD}/any:{{{PARTY}}}place/@main": Const(True)}
    [record], _ = Message(make_plan(shop, "save", mapping)).encode([(0, {"line": "a"})])

    place = etree.fromstring(f"<x>{record.text.partition('>')[2].rpartition('</')[0]}</x>")[0]

    assert (place.tag, place.get("main"), place[0].tag) == (f"{{{PARTY}}}place", "true", f"{{{PARTY}}}line")


def test_the_type_is_a_name_in_the_types_namespace(shop):
    """T9: the prefix in the attribute's value is declared, and is that of the type, not of the element."""
    element = customer(shop, {"name": "n"})(n="a")[0]
    prefix, _, name = element.get(f"{{{XSI}}}type").partition(":")

    assert element.tag == f"{{{SHOP}}}record"
    assert (element.nsmap[prefix], name) == (PARTY, "Customer")


def test_the_type_is_the_last_attribute(shop):
    """PHP's SoapServer reads the first attribute called ``type`` as the schema's, be it xsi:type."""
    message = customer(shop, {"@id": "id", "@rank": Const(1)}).message

    assert message.encode([(0, {"id": "a"})])[0][0].text.endswith('id="a" rank="1" xsi:type="n3:Customer"/>')


def test_unqualified_elements_are_in_no_namespace(shop):
    """T9."""
    write = Writer(shop, "save", {"mode": Const("fast"), f"{RECORD}/name": "n"})

    assert [child.tag for child in write(n="a")] == ["mode", f"{{{SHOP}}}record"]


def test_no_prefix_is_declared_twice(encoded):
    """T15: the envelope's own namespaces occur in the body too."""
    mapping = {
        "context/language": "l",
        "context/pool": "p",
        "name": "n",
        "keys/item[*rows]/key": "key",
        "keys/item[*rows]/value": "value",
        "count": "c",
    }
    message = Message(make_plan(encoded, "save", mapping))

    opening = (
        message.envelope(
            message.encode([(0, {"l": "a", "p": "b", "n": "c", "rows": [{"key": "k", "value": "v"}], "c": 1})])[0]
        )
        .decode()
        .split("<soap:Body>")[0]
    )

    assert opening.count("http://schemas.xmlsoap.org/soap/envelope/") == 1
    assert opening.count("http://schemas.xmlsoap.org/soap/encoding/") == 1


def test_an_array_says_how_many_items_follow(encoded):
    """T19: the item's name is free, its type and number are not."""
    write = Writer(
        encoded,
        "save",
        {
            "context/language": Const("ENG"),
            "context/pool": Const("P"),
            "name": "n",
            "count": Const(1),
            "keys/item[*rows]/key": "key",
            "keys/item[*rows]/value": "value",
        },
    )

    call = write(n="X", rows=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}])
    keys = call.find("keys")

    prefix, _, rest = keys.get("{http://schemas.xmlsoap.org/soap/encoding/}arrayType").partition(":")
    assert (keys.nsmap[prefix], rest) == ("urn:ledger", "Pair[2]")
    assert (
        call.get("{http://schemas.xmlsoap.org/soap/envelope/}encodingStyle")
        == "http://schemas.xmlsoap.org/soap/encoding/"
    )
    assert call.find("name").get(f"{{{XSI}}}type").endswith(":string")
    assert write(n="X").find("keys").get("{http://schemas.xmlsoap.org/soap/encoding/}arrayType").endswith("Pair[0]")


# --- lists -----------------------------------------------------------------------------------------------


def test_rows_of_a_list_are_written_one_by_one(shop):
    write = customer(shop, {"streets/street[*streets]/line": "line", "streets/@replaceAll": Const(False)})

    streets = write(streets=[{"line": "a"}, {"line": "b"}])[0][0]

    assert streets.get("replaceAll") == "false"
    assert [street[0].text for street in streets] == ["a", "b"]
    assert len(write(streets=[])[0]) == 0


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([{"line": "a"}] * 4, "rows"),
        ([{"line": "a"}, {"line": 1.5}], "value"),
        ([{"lnie": "a"}], "unmapped"),
        ([{}], "rows"),
        ("abc", "value"),
        (CLEAR, "value"),
    ],
)
def test_a_bad_row_is_a_bad_record(shop, rows, code):
    assert customer(shop, {"streets/street[*streets]/line": "line"}).problem(streets=rows).code == code


def test_the_row_is_named_in_the_problem(shop):
    problem = customer(shop, {"streets/street[*streets]/line": "line"}).problem(streets=[{"line": "a"}, {"line": True}])

    assert problem.field == "record[]/streets/street[*streets]/line (row 1)"


def test_a_list_of_plain_values(shop):
    mapping = {"record[](Customer)/cleared/name[*names]": "."}

    assert [name.text for name in Writer(shop, "save", mapping)(names=["a", "b"])[0][0]] == ["a", "b"]


# --- one bad record --------------------------------------------------------------------------------------


def test_one_bad_record_is_rejected_alone(shop):
    mapping = {f"{RECORD}/name": "name", f"{RECORD}/limit": "limit"}
    message = Message(make_plan(shop, "save", mapping))
    records = [{"name": f"n{number}", "limit": number} for number in range(9)]
    records[2] = {"name": "\ud800"}
    records[4] = {"limit": Decimal("0.001")}
    records[6] = {"name": "a", "lmit": 1}

    encoded, rejected = message.encode(enumerate(records))

    assert [record.ref for record in encoded] == [0, 1, 3, 5, 7, 8]
    assert [(outcome.ref, outcome.problems[0].code, outcome.problems[0].column) for outcome in rejected] == [
        (2, "value", "name"),
        (4, "value", "limit"),
        (6, "unmapped", "lmit"),
    ]


def test_a_key_that_no_path_uses_is_refused(shop):
    """T16."""
    assert customer(shop, {"name": "name"}).problem(name="a", nmae="b").code == "unmapped"


def test_a_problem_does_not_quote_the_value(shop):
    problem = customer(shop, {"grade": "grade"}).problem(grade="secret-4711")

    assert "4711" not in problem.message


def test_many_threads_write_the_same(shop):
    write = customer(shop, {"name": "n", "score": "s", "streets/street[*r]/line": "line"})
    records = [
        (number, {"n": f"n{number}", "s": number / 7, "r": [{"line": "x"}] * (number % 3)}) for number in range(500)
    ]

    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: [one.text for one in write.message.encode(records)[0]], range(16)))

    assert all(text == texts[0] for text in texts)


def substituted(types, put):
    wsdl = DOCUMENTS["shop.wsdl"].replace(b'<xs:element name="put" type="Put"/>', f"{types}{put}".encode())
    return build(Documents(DOCUMENTS | {"shop.wsdl": wsdl}), "shop.wsdl")


def test_an_element_may_stand_for_the_head_of_its_group():
    model = substituted(
        '<xs:element name="head" type="xs:string" abstract="true"/>'
        '<xs:element name="one" type="xs:string" substitutionGroup="head"/>',
        '<xs:element name="put"><xs:complexType><xs:sequence><xs:element ref="head"/></xs:sequence>'
        "</xs:complexType></xs:element>",
    )

    assert Writer(model, "put", {"one": "v"})(v="a")[0].tag == f"{{{SHOP}}}one"
    with pytest.raises(ValueError, match="abstract"):
        make_plan(model, "put", {"head": "v"})


def test_members_of_a_repeated_choice_may_all_stand():
    model = substituted(
        "",
        '<xs:element name="put"><xs:complexType><xs:choice maxOccurs="unbounded">'
        '<xs:element name="a" type="xs:string"/><xs:element name="b" type="xs:int"/></xs:choice>'
        "</xs:complexType></xs:element>",
    )

    assert [child.text for child in Writer(model, "put", {"b": "b", "a": "a"})(a="x", b=1)] == ["x", "1"]


def test_a_required_choice_of_the_message_itself_must_be_made():
    """Its path is empty, and it is followed by constants: neither hides that it is missing."""
    model = substituted(
        "",
        '<xs:element name="put"><xs:complexType><xs:sequence><xs:choice><xs:element name="a" type="xs:string"/>'
        '<xs:element name="b" type="xs:int"/></xs:choice><xs:element name="c" nillable="true" type="xs:string"/>'
        "</xs:sequence></xs:complexType></xs:element>",
    )
    write = Writer(model, "put", {"a": "a", "b": "b"}, Profile(nillable="nil"))

    assert write.problem().code == "required"
    assert [child.text for child in write(b=1)] == ["1", None]


def test_a_required_child_cleared_in_the_list_is_missing(shop):
    write = Writer(
        shop,
        "save",
        {"record[](Supplier)/name": "name", "record[](Supplier)/@id": Const("1")},
        Profile(clear_list="cleared/name"),
    )

    assert write.problem(name=CLEAR).code == "required"


def test_a_fixed_value_is_sent_or_refused():
    model = substituted(
        "",
        '<xs:element name="put"><xs:complexType><xs:sequence>'
        '<xs:element name="a" type="xs:string" fixed="x"/></xs:sequence>'
        '<xs:attribute name="v" type="xs:string" fixed="1" use="required"/>'
        "</xs:complexType></xs:element>",
    )

    put = Writer(model, "put", {"a": "a"})
    assert put(a="x").get("v") == "1"
    assert put.problem(a="y").code == "value"

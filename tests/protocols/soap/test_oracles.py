"""Random messages, held against three independent witnesses: zeep, libxml2 and PHP's SoapServer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import zeep.xsd
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from messages import Maker
from witnesses import Witnesses, canonical
from wsdls import DOCUMENTS

from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.envelope import Message
from aumconnect.protocols.soap.plan import Profile
from aumconnect.protocols.soap.planner import make_plan
from aumconnect.protocols.soap.xml import parse
from aumconnect.schema import CLEAR

EXAMPLES = int(os.environ.get("AUMCONNECT_SOAP_EXAMPLES", "12"))
OURS = ("shop.wsdl", "shop12.wsdl", "literal.wsdl", "encoded.wsdl")
VENDORS = {
    "netsuite": ("netsuite/v2023_2", "netsuite.wsdl"),
    "workday": ("workday", "Human_Resources.wsdl"),
    "nav": ("dynamics-nav", "Customer.wsdl"),
    "nav-vendor": ("dynamics-nav", "Vendor.wsdl"),
    "sage-x3": ("sage-x3", "CAdxWebServiceXmlCC.wsdl"),
}
random_messages = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


def vendor(name):
    folder, file = VENDORS[name]
    specs = os.environ.get("AUMCONNECT_VENDOR_SPECS")
    if not specs or not (Path(specs) / folder / file).is_file():
        pytest.skip("AUMCONNECT_VENDOR_SPECS names no folder with this WSDL")
    return Path(specs) / folder, file


@pytest.fixture(scope="module", params=[*OURS, *VENDORS])
def witnesses(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("witnesses")
    if request.param in VENDORS:
        where, name = vendor(request.param)
        return Witnesses(Documents(where), name, folder)
    return Witnesses(Documents(DOCUMENTS), request.param, folder)


def drawn(data, witnesses):
    """A random operation, a message of it, our envelope and zeep's."""
    operation = data.draw(st.sampled_from(list(witnesses.model.operations())))
    body = operation.input
    assume(body.parts)
    maker = Maker(data.draw, witnesses.model, witnesses.client.get_type)
    message = maker.parts(body.parts, inside=body.wrapper is None)
    plan = make_plan(witnesses.model, operation.name, message.mapping)
    [record], rejected = Message(plan).encode([(0, message.values)])
    assert rejected == []
    try:
        theirs = witnesses.zeep_envelope(operation, message.arguments)
    except TypeError:  # zeep cannot call its own type: `search`, types without children
        assume(False)
    return operation, Message(plan).envelope([record]), theirs


@given(data=st.data())
@random_messages
def test_what_zeep_writes_is_what_we_write(witnesses, data):
    operation, ours, theirs = drawn(data, witnesses)

    encoded = operation.input.encoded
    assert canonical(ours, encoded=encoded) == canonical(theirs, encoded=encoded)


@given(data=st.data())
@random_messages
def test_libxml2_finds_it_valid(witnesses, data):
    operation, ours, _ = drawn(data, witnesses)

    if operation.style == "document":  # the wrapper of rpc is declared by no schema
        assert witnesses.invalid(ours) is None
    else:
        assert parse(ours) is not None


@given(data=st.data())
@settings(random_messages, max_examples=max(5, EXAMPLES // 5))
def test_php_reads_ours_as_it_reads_zeeps(witnesses, data):
    _, ours, theirs = drawn(data, witnesses)

    heard = witnesses.php_arguments([ours, theirs])

    assert heard[0] == heard[1]
    assert heard[0][0] != "refused"


# --- what random messages do not have --------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop_witnesses(tmp_path_factory):
    return Witnesses(Documents(DOCUMENTS), "shop.wsdl", tmp_path_factory.mktemp("shop"))


def written(model, mapping, profile=None, **values):
    message = Message(make_plan(model, "save", mapping, profile))
    records, rejected = message.encode([(0, values)])
    assert rejected == []
    return message.envelope(records)


def test_an_element_in_any_is_valid_and_reaches_php(shop_witnesses):
    """T8: PHP hands the fragment on as text, without the envelope's prefixes."""
    envelope = written(shop_witnesses.model, {"record[](Customer)/any:{urn:x}Thing": "thing"}, thing="4711")

    [(name, arguments)] = shop_witnesses.php_arguments([envelope])

    assert name == "save"
    assert shop_witnesses.invalid(envelope) is None
    assert "urn:x" in find_text(arguments[0]["record"]["any"])


def find_text(found):
    return (
        found
        if isinstance(found, str)
        else find_text(next(iter(found.values()) if isinstance(found, dict) else iter(found)))
    )


def test_nil_is_what_zeep_writes_too(shop_witnesses):
    profile = Profile(clear="nil")
    ours = written(shop_witnesses.model, {"record[](Customer)/note": "note"}, profile, note=CLEAR)
    customer = shop_witnesses.client.get_type("{urn:shop:party}Customer")(note=zeep.xsd.Nil)

    theirs = shop_witnesses.zeep_envelope(shop_witnesses.model.operation("save"), {"record": [customer]})

    assert canonical(ours) == canonical(theirs)
    assert shop_witnesses.invalid(ours) is None


MUTANTS = {
    "order": (b"<n3:name>a</n3:name><n3:score>1.5</n3:score>", b"<n3:score>1.5</n3:score><n3:name>a</n3:name>"),
    "namespace": (b"<n3:name>a</n3:name>", b"<n1:name>a</n1:name>"),
    "type": (b'"n3:Customer"', b'"n3:Supplier"'),
    "value": (b"1.5", b"one"),
    "unknown": (b"n3:score", b"n3:scores"),
}


@pytest.mark.parametrize(("before", "after"), MUTANTS.values(), ids=MUTANTS)
def test_the_witnesses_notice(shop_witnesses, before, after):
    """A witness that takes everything proves nothing."""
    mapping = {"record[](Customer)/name": "n", "record[](Customer)/score": "s"}
    envelope = written(shop_witnesses.model, mapping, n="a", s=1.5)
    mutant = envelope.replace(before, after)

    assert mutant != envelope
    assert shop_witnesses.invalid(envelope) is None
    assert shop_witnesses.invalid(mutant) is not None
    assert canonical(mutant) != canonical(envelope)

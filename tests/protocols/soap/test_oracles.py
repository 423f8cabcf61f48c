"""Random messages, held against three independent witnesses: zeep, libxml2 and PHP's SoapServer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from messages import Maker
from witnesses import Witnesses, canonical
from wsdls import DOCUMENTS

from aumconnect.protocols.soap.documents import Documents
from aumconnect.protocols.soap.envelope import Message
from aumconnect.protocols.soap.planner import make_plan
from aumconnect.protocols.soap.xml import parse

EXAMPLES = int(os.environ.get("AUMCONNECT_SOAP_EXAMPLES", "25"))
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

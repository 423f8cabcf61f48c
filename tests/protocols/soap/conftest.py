"""Models of the made-up WSDLs, built once."""

from __future__ import annotations

import pytest
from wsdls import DOCUMENTS

from aumconnect.protocols.soap.build import build
from aumconnect.protocols.soap.documents import Documents


@pytest.fixture(scope="session")
def shop():
    return build(Documents(DOCUMENTS), "shop.wsdl")


@pytest.fixture(scope="session")
def shop12():
    return build(Documents(DOCUMENTS), "shop12.wsdl")


@pytest.fixture(scope="session")
def literal():
    return build(Documents(DOCUMENTS), "literal.wsdl")


@pytest.fixture(scope="session")
def encoded():
    return build(Documents(DOCUMENTS), "encoded.wsdl")

"""Every text either reads back exactly, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from aumconnect.protocols.soap.escaping import attribute, content

LEGAL = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=("Cs", "Cc"))
    | st.sampled_from("\t\n\r\x85\x7f&<>\"']")
)


@given(LEGAL)
def test_a_text_reads_back_exactly(text):
    """T10."""
    document = f'<x a="{attribute(text)}">{content(text)}</x>'
    read = etree.fromstring(document.encode())

    assert read.get("a") == text
    assert (read.text or "") == text


def test_the_end_of_cdata_cannot_stand_in_content():
    assert "]]>" not in content("]]>")


@pytest.mark.parametrize("text", ["\0", "a\x0b", "\x1f", "\ud800", "a\udfff", "\ufffe", "\uffff"])
def test_a_character_that_xml_cannot_hold_is_refused(text):
    with pytest.raises(ValueError, match=r"U\+"):
        content(text)
    with pytest.raises(ValueError, match=r"U\+"):
        attribute(text)

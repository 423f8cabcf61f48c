"""When two values of a field are the same."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from aumconnect.schema import FieldSchema, FieldType, ObjectSchema

VALUES = st.text(" aA\u00df\u0130\r\n\t\u00a0x1", max_size=6) | st.integers() | st.none() | st.floats() | st.decimals()
FIELDS = st.builds(
    FieldSchema, name=st.just("K"), type=st.sampled_from(FieldType), trims=st.booleans(), case_sensitive=st.booleans()
)


@given(FIELDS, st.lists(VALUES, min_size=1, max_size=2))
def test_the_form_of_many_keys_is_the_canonical_key_of_each(field, values):
    schema, names = ObjectSchema("Thing", {"K": field}), ("K", "Unknown")[: len(values)]
    one, many = schema.canonical_key(names, tuple(values)), schema.key_form(names)(tuple(values))

    assert repr(many) == repr(one)  # NaN is not itself


def test_numbers_are_the_same_whatever_their_digits():
    field = FieldSchema(name="N", type=FieldType.DECIMAL, scale=2)

    assert field.canonical(0.1 + 0.2) == field.canonical("0.30") == field.canonical(Decimal("0.300000001"))

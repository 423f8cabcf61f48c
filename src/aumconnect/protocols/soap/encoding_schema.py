"""A schema for the SOAP 1.1 encoding namespace, as much of it as WSDLs build on (SOAP 1.1 §5.3, §5.4.2).

WSDLs of rpc/encoded services import that namespace without saying where its schema is. This one declares
`Array`, `arrayType` and an element and a type for each simple type; ``id``, ``href`` and ``offset`` are
marks of a serialiser, not data, and are left out on purpose.
"""

from __future__ import annotations

from aumconnect.protocols.soap.names import ENCODING, XSD

__all__ = ["encoding_schema"]

_SIMPLE = (
    "string boolean decimal float double duration dateTime time date gYearMonth gYear gMonthDay gDay gMonth "
    "hexBinary base64Binary anyURI QName NOTATION normalizedString token language integer nonPositiveInteger "
    "negativeInteger long int short byte nonNegativeInteger unsignedLong unsignedInt unsignedShort unsignedByte "
    "positiveInteger Name NCName NMTOKEN ID IDREF ENTITY"
).split()


def encoding_schema() -> bytes:
    types = "".join(
        f'<xs:complexType name="{name}"><xs:simpleContent><xs:extension base="xs:{name}"/></xs:simpleContent>'
        f'</xs:complexType><xs:element name="{name}" type="enc:{name}" nillable="true"/>'
        for name in _SIMPLE
    )
    return (
        f'<xs:schema xmlns:xs="{XSD}" xmlns:enc="{ENCODING}" targetNamespace="{ENCODING}">'
        '<xs:attribute name="arrayType" type="xs:string"/>'
        '<xs:simpleType name="base64"><xs:restriction base="xs:base64Binary"/></xs:simpleType>'
        '<xs:complexType name="Array"><xs:sequence>'
        '<xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>'
        '<xs:attribute ref="enc:arrayType"/></xs:complexType>'
        '<xs:complexType name="Struct"><xs:sequence>'
        '<xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>'
        f"</xs:complexType>{types}</xs:schema>"
    ).encode()

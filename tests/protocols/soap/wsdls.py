"""WSDLs of systems that do not exist, made to have every construct the SOAP module promises to write."""

from __future__ import annotations

SHOP = "urn:shop:messages"
PARTY = "urn:shop:party"
XS = "http://www.w3.org/2001/XMLSchema"

_PARTY_XSD = f"""<xs:schema xmlns:xs="{XS}" xmlns="{PARTY}" targetNamespace="{PARTY}" elementFormDefault="qualified">
  <xs:include schemaLocation="money.xsd"/>
  <xs:simpleType name="Grade"><xs:restriction base="xs:string">
    <xs:enumeration value="gold"/><xs:enumeration value="silver"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Code"><xs:restriction base="xs:token">
    <xs:maxLength value="8"/><xs:pattern value="[A-Z]\\d*"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Limit"><xs:restriction base="xs:decimal">
    <xs:totalDigits value="8"/><xs:fractionDigits value="2"/><xs:minInclusive value="0"/>
  </xs:restriction></xs:simpleType>
  <xs:attributeGroup name="Marks"><xs:attribute name="rank" type="xs:int"/></xs:attributeGroup>
  <xs:group name="Contact"><xs:sequence>
    <xs:element name="phone" type="xs:string" minOccurs="0"/>
    <xs:element name="mail" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string">
      <xs:maxLength value="30"/></xs:restriction></xs:simpleType></xs:element>
  </xs:sequence></xs:group>
  <xs:complexType name="Record" abstract="true"><xs:sequence>
    <xs:element name="cleared" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="name" type="xs:string" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
    </xs:element></xs:sequence>
    <xs:attribute name="id" type="xs:string"/></xs:complexType>
  <xs:complexType name="Street"><xs:sequence>
    <xs:element name="line" type="xs:string"/>
    <xs:element name="postcode" type="xs:string" minOccurs="0"/></xs:sequence>
    <xs:attribute name="main" type="xs:boolean" default="false"/></xs:complexType>
  <xs:complexType name="Property" abstract="true">
    <xs:attribute name="code" type="xs:string" use="required"/></xs:complexType>
  <xs:complexType name="TextProperty"><xs:complexContent><xs:extension base="Property"><xs:sequence>
    <xs:element name="value" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="NumberProperty"><xs:complexContent><xs:extension base="Property"><xs:sequence>
    <xs:element name="value" type="xs:double"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Customer"><xs:complexContent><xs:extension base="Record"><xs:sequence>
    <xs:element name="code" type="Code" minOccurs="0"/>
    <xs:element name="name" type="xs:string" minOccurs="0"/>
    <xs:element name="grade" type="Grade" minOccurs="0"/>
    <xs:element name="limit" type="Limit" minOccurs="0"/>
    <xs:element name="balance" type="Money" minOccurs="0"/>
    <xs:element name="note" type="xs:string" nillable="true" minOccurs="0"/>
    <xs:element name="since" type="xs:date" minOccurs="0"/>
    <xs:element name="seen" type="xs:dateTime" minOccurs="0"/>
    <xs:element name="active" type="xs:boolean" minOccurs="0"/>
    <xs:element name="visits" type="xs:int" minOccurs="0"/>
    <xs:element name="score" type="xs:double" minOccurs="0"/>
    <xs:element name="photo" type="xs:base64Binary" minOccurs="0"/>
    <xs:element name="tags" minOccurs="0"><xs:simpleType><xs:list itemType="xs:token"/></xs:simpleType></xs:element>
    <xs:group ref="Contact" minOccurs="0"/>
    <xs:choice minOccurs="0">
      <xs:element name="person" type="xs:string"/>
      <xs:sequence><xs:element name="company" type="xs:string"/>
        <xs:element name="staff" type="xs:int" minOccurs="0"/></xs:sequence>
      <xs:element name="anonymous" type="xs:boolean"/>
    </xs:choice>
    <xs:element name="street" type="Street" minOccurs="0"/>
    <xs:element name="streets" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="street" type="Street" minOccurs="0" maxOccurs="3"/></xs:sequence>
      <xs:attribute name="replaceAll" type="xs:boolean" default="true"/></xs:complexType></xs:element>
    <xs:element name="property" type="Property" minOccurs="0" maxOccurs="unbounded"/>
    <xs:any namespace="##other" processContents="lax" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence><xs:attributeGroup ref="Marks"/></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Supplier"><xs:complexContent><xs:extension base="Record"><xs:sequence>
    <xs:element name="name" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:element name="extra" type="xs:string"/>
  <xs:element name="place" type="Street"/>
</xs:schema>""".encode()

_MONEY_XSD = f"""<xs:schema xmlns:xs="{XS}" elementFormDefault="qualified">
  <xs:complexType name="Money"><xs:simpleContent><xs:extension base="Amount">
    <xs:attribute name="currency" use="required"><xs:simpleType><xs:restriction base="xs:string">
      <xs:length value="3"/></xs:restriction></xs:simpleType></xs:attribute></xs:extension></xs:simpleContent>
  </xs:complexType>
  <xs:simpleType name="Amount"><xs:restriction base="xs:decimal">
    <xs:fractionDigits value="2"/></xs:restriction></xs:simpleType>
</xs:schema>""".encode()

_SHOP_TYPES = f"""<xs:schema xmlns:xs="{XS}" xmlns:p="{PARTY}" targetNamespace="{SHOP}" xmlns="{SHOP}">
  <xs:import namespace="{PARTY}" schemaLocation="party.xsd"/>
  <xs:element name="save"><xs:complexType><xs:sequence>
    <xs:element name="mode" type="xs:string" minOccurs="0"/>
    <xs:element name="record" type="p:Record" maxOccurs="100" form="qualified"/></xs:sequence></xs:complexType>
  </xs:element>
  <xs:element name="saveResponse"><xs:complexType><xs:sequence>
    <xs:element name="result" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="id" type="xs:string" nillable="true" minOccurs="0"/>
      <xs:element name="count" type="xs:int" minOccurs="0"/>
      <xs:element name="message" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
        <xs:element name="code" type="xs:string"/><xs:element name="id" type="xs:string" minOccurs="0"/>
      </xs:sequence></xs:complexType></xs:element>
    </xs:sequence><xs:attribute name="ok" type="xs:boolean"/></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="put" type="Put"/>
  <xs:complexType name="Put"><xs:sequence>
    <xs:element name="key" type="xs:string"/>
    <xs:element name="stamp" type="xs:dateTime" nillable="true"/>
    <xs:element name="parameters"><xs:complexType><xs:choice>
      <xs:element name="skip" type="xs:boolean"/><xs:element name="automatic" type="xs:boolean"/></xs:choice>
    </xs:complexType></xs:element>
    <xs:element name="data" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="value" type="xs:decimal"/><xs:element name="unit" type="xs:string" minOccurs="0"/>
    </xs:sequence></xs:complexType></xs:element></xs:sequence>
    <xs:attribute name="version" type="xs:string" use="required"/></xs:complexType>
  <xs:element name="putResponse"><xs:complexType><xs:sequence>
    <xs:element name="key" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="session"><xs:complexType><xs:sequence>
    <xs:element name="token" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"""

_WSDL = 'xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"'
_SOAP = {
    "1.1": 'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"',
    "1.2": 'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap12/"',
}


def _document(types: str, operations: str, soap: str) -> bytes:
    names = operations.split()
    messages = "".join(
        f'<wsdl:message name="{name}In"><wsdl:part name="parameters" element="tns:{name}"/></wsdl:message>'
        f'<wsdl:message name="{name}Out"><wsdl:part name="parameters" element="tns:{name}Response"/></wsdl:message>'
        for name in names
    )
    abstract = "".join(
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}In"/>'
        f'<wsdl:output message="tns:{name}Out"/></wsdl:operation>'
        for name in names
    )
    header = '<soap:header message="tns:sessionIn" part="session" use="literal"/>'
    concrete = "".join(
        f'<wsdl:operation name="{name}"><soap:operation soapAction="urn:shop#{name}"/>'
        f'<wsdl:input>{header}<soap:body use="literal"/></wsdl:input>'
        f'<wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation>'
        for name in names
    )
    return f"""<wsdl:definitions {_WSDL} {_SOAP[soap]} xmlns:tns="{SHOP}" targetNamespace="{SHOP}">
  <wsdl:types>{types}</wsdl:types>{messages}
  <wsdl:message name="sessionIn"><wsdl:part name="session" element="tns:session"/></wsdl:message>
  <wsdl:portType name="Shop">{abstract}</wsdl:portType>
  <wsdl:binding name="ShopBinding" type="tns:Shop">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>{concrete}</wsdl:binding>
  <wsdl:service name="ShopService"><wsdl:port name="ShopPort" binding="tns:ShopBinding">
    <soap:address location="http://elsewhere.example/shop"/></wsdl:port></wsdl:service>
</wsdl:definitions>""".encode()


_RPC_TYPES = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
    xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns="urn:ledger" targetNamespace="urn:ledger">
  {imports}
  <xs:complexType name="Context"><xs:sequence>
    <xs:element name="language" type="xs:string"{nillable}/>
    <xs:element name="pool" type="xs:string"{nillable}/></xs:sequence></xs:complexType>
  <xs:complexType name="Pair"><xs:sequence>
    <xs:element name="key" type="xs:string"{nillable}/>
    <xs:element name="value" type="xs:string"{nillable}/></xs:sequence></xs:complexType>
  <xs:complexType name="Pairs">{pairs}</xs:complexType>
  <xs:complexType name="Result"><xs:sequence>
    <xs:element name="status" type="xs:int"/>
    <xs:element name="text" type="xs:string" nillable="true"/>
    <xs:element name="messages" type="Pairs" nillable="true"/></xs:sequence></xs:complexType>
</xs:schema>"""
_ENCODED_PAIRS = (
    '<xs:complexContent><xs:restriction base="enc:Array">'
    '<xs:attribute ref="enc:arrayType" wsdl:arrayType="Pair[]"/></xs:restriction></xs:complexContent>'
)
_LITERAL_PAIRS = '<xs:sequence><xs:element name="item" type="Pair" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>'


def _rpc(use: str) -> bytes:
    types = _RPC_TYPES.format(
        imports='<xs:import namespace="http://schemas.xmlsoap.org/soap/encoding/"/>' if use == "encoded" else "",
        pairs=_ENCODED_PAIRS if use == "encoded" else _LITERAL_PAIRS,
        nillable=' nillable="true"' if use == "encoded" else "",
    )
    style = ' encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"' if use == "encoded" else ""
    body = f'<soap:body use="{use}" namespace="urn:ledger"{style}/>'
    return f"""<wsdl:definitions {_WSDL} {_SOAP["1.1"]} xmlns:xs="{XS}"
    xmlns:tns="urn:ledger" targetNamespace="urn:ledger">
  <wsdl:types>{types}</wsdl:types>
  <wsdl:message name="saveIn"><wsdl:part name="context" type="tns:Context"/>
    <wsdl:part name="name" type="xs:string"/><wsdl:part name="keys" type="tns:Pairs"/>
    <wsdl:part name="count" type="xs:int"/></wsdl:message>
  <wsdl:message name="saveOut"><wsdl:part name="saveReturn" type="tns:Result"/></wsdl:message>
  <wsdl:portType name="Ledger"><wsdl:operation name="save"><wsdl:input message="tns:saveIn"/>
    <wsdl:output message="tns:saveOut"/></wsdl:operation></wsdl:portType>
  <wsdl:binding name="LedgerBinding" type="tns:Ledger">
    <soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="rpc"/>
    <wsdl:operation name="save"><soap:operation soapAction=""/><wsdl:input>{body}</wsdl:input>
      <wsdl:output>{body}</wsdl:output></wsdl:operation></wsdl:binding>
  <wsdl:service name="LedgerService"><wsdl:port name="LedgerPort" binding="tns:LedgerBinding">
    <soap:address location="http://elsewhere.example/ledger"/></wsdl:port></wsdl:service>
</wsdl:definitions>""".encode()


DOCUMENTS = {
    "shop.wsdl": _document(_SHOP_TYPES, "save put", "1.1"),
    "shop12.wsdl": _document(_SHOP_TYPES, "save put", "1.2"),
    "literal.wsdl": _rpc("literal"),
    "encoded.wsdl": _rpc("encoded"),
    "party.xsd": _PARTY_XSD,
    "money.xsd": _MONEY_XSD,
}
"""Every document by the name it is imported by."""

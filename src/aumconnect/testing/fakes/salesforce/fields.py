"""What the fake org's fields and objects look like, and how describe tells it.

Attributes: REST API Developer Guide, sObject Describe; field types: SOAP API Developer Guide, FieldType.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["STANDARD", "Field", "describe", "global_describe", "summary", "system_fields"]

SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "time": "xsd:time",
}
TEXT_TYPES = frozenset(
    {"string", "textarea", "phone", "url", "email", "picklist", "multipicklist", "combobox", "encryptedstring"}
)
NUMBER_TYPES = frozenset({"int", "long", "double", "currency", "percent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. ``length`` counts characters, ``precision`` all digits and ``scale`` those after the point.

    ``values`` are a picklist's active values, ``inactive`` those it once had. ``hidden`` by field-level security:
    for our user the field does not exist.
    """

    name: str
    type: str = "string"
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    unique: bool = False
    external_id: bool = False
    id_lookup: bool = False
    case_sensitive: bool = False
    values: tuple[str, ...] = ()
    inactive: tuple[str, ...] = ()
    restricted: bool = False
    references: tuple[str, ...] = ()
    relationship: str | None = None
    default: Any = None
    createable: bool = True
    updateable: bool = True
    hidden: bool = False

    @property
    def is_text(self) -> bool:
        return self.type in TEXT_TYPES

    @property
    def is_number(self) -> bool:
        return self.type in NUMBER_TYPES

    @property
    def is_key(self) -> bool:
        """Whether an upsert can find a record by it."""
        return self.external_id or self.id_lookup


def _read_only(name: str, type: str, **rest: Any) -> Field:
    return Field(name=name, type=type, createable=False, updateable=False, **rest)


def _text(name: str, length: int, type: str = "string", **rest: Any) -> Field:
    return Field(name=name, type=type, length=length, **rest)


def _choice(name: str, *values: str, **rest: Any) -> Field:
    return Field(name=name, type="picklist", length=255, values=values, **rest)


def _parent(name: str, object: str, **rest: Any) -> Field:
    return Field(
        name=name, type="reference", length=18, references=(object,), relationship=name.removesuffix("Id"), **rest
    )


def system_fields(*, owned: bool = True) -> tuple[Field, ...]:
    """The fields every object has."""
    return (
        _read_only("Id", "id", length=18, id_lookup=True, label="Record ID"),
        _read_only("IsDeleted", "boolean", label="Deleted"),
        *([_parent("OwnerId", "User")] if owned else []),
        _read_only("CreatedDate", "datetime"),
        _read_only("CreatedById", "reference", length=18, references=("User",), relationship="CreatedBy"),
        _read_only("LastModifiedDate", "datetime"),
        _read_only("LastModifiedById", "reference", length=18, references=("User",), relationship="LastModifiedBy"),
        _read_only("SystemModstamp", "datetime"),
    )


def _address(prefix: str) -> tuple[Field, ...]:
    return (
        _text(f"{prefix}Street", 255, "textarea"),
        _text(f"{prefix}City", 40),
        _text(f"{prefix}State", 80),
        _text(f"{prefix}PostalCode", 20),
        _text(f"{prefix}Country", 80),
        _read_only(f"{prefix}Address", "address"),
    )


def _money(name: str) -> Field:
    return Field(name=name, type="currency", precision=18, scale=2)


STANDARD: Mapping[str, tuple[str, tuple[Field, ...]]] = {
    "Account": (
        "001",
        (
            *system_fields(),
            _text("Name", 255, required=True, label="Account Name"),
            _choice("Type", "Prospect", "Customer", "Partner", "Other"),
            _choice("Industry", "Banking", "Energy", "Retail", "Technology", "Other"),
            _choice("Rating", "Hot", "Warm", "Cold"),
            _text("AccountNumber", 40),
            _text("Phone", 40, "phone"),
            _text("Website", 255, "url"),
            _text("Description", 32_000, "textarea"),
            _money("AnnualRevenue"),
            Field(name="NumberOfEmployees", type="int", precision=8),
            _parent("ParentId", "Account"),
            *_address("Billing"),
        ),
    ),
    "Contact": (
        "003",
        (
            *system_fields(),
            _parent("AccountId", "Account"),
            _text("LastName", 80, required=True),
            _text("FirstName", 40),
            _choice("Salutation", "Mr.", "Ms.", "Mx.", "Dr."),
            _read_only("Name", "string", length=121, label="Full Name"),
            _text("Title", 128),
            _text("Department", 80),
            _text("Email", 80, "email", id_lookup=True),
            _text("Phone", 40, "phone"),
            _text("MobilePhone", 40, "phone"),
            _text("Description", 32_000, "textarea"),
            Field(name="Birthdate", type="date"),
            Field(name="DoNotCall", type="boolean", default=False),
            Field(name="HasOptedOutOfEmail", type="boolean", default=False),
            _choice("LeadSource", "Web", "Phone Inquiry", "Partner Referral", "Other"),
            *_address("Mailing"),
        ),
    ),
    "Lead": (
        "00Q",
        (
            *system_fields(),
            _text("LastName", 80, required=True),
            _text("FirstName", 40),
            _read_only("Name", "string", length=121, label="Full Name"),
            _text("Company", 255, required=True),
            _text("Title", 128),
            _text("Email", 80, "email", id_lookup=True),
            _text("Phone", 40, "phone"),
            _text("Description", 32_000, "textarea"),
            _choice("Status", "Open", "Working", "Closed", default="Open", required=True),
            _choice("Rating", "Hot", "Warm", "Cold"),
            _choice("LeadSource", "Web", "Phone Inquiry", "Partner Referral", "Other"),
            _money("AnnualRevenue"),
            Field(name="NumberOfEmployees", type="int", precision=8),
            _read_only("IsConverted", "boolean", default=False),
            _text("City", 40),
            _text("Country", 80),
        ),
    ),
    "Opportunity": (
        "006",
        (
            *system_fields(),
            _parent("AccountId", "Account"),
            _text("Name", 120, required=True),
            _choice("StageName", "Prospecting", "Negotiation", "Closed Won", "Closed Lost", required=True),
            Field(name="CloseDate", type="date", required=True),
            _money("Amount"),
            Field(name="Probability", type="percent", precision=3),
            _text("Description", 32_000, "textarea"),
            _choice("Type", "New Business", "Existing Business"),
            Field(name="IsPrivate", type="boolean", default=False),
        ),
    ),
    "Organization": (
        "00D",
        (
            *system_fields(owned=False),
            _read_only("Name", "string", length=80),
            _read_only("IsSandbox", "boolean"),
            _read_only("OrganizationType", "picklist", length=40),
            _read_only("InstanceName", "string", length=5),
        ),
    ),
    "User": (
        "005",
        (
            *system_fields(owned=False),
            _text("Username", 80, required=True, id_lookup=True),
            _text("LastName", 80, required=True),
            _text("FirstName", 40),
            _read_only("Name", "string", length=121),
            _text("Email", 128, "email", required=True),
            Field(name="IsActive", type="boolean", default=True),
        ),
    ),
}


def describe(name: str, prefix: str, fields: Mapping[str, Field], root: str) -> dict[str, Any]:
    """The answer of ``/sobjects/{name}/describe``; ``root`` is ``/services/data/vNN.0``."""
    return {
        **summary(name, prefix, root),
        "fields": [_described(field) for field in fields.values() if not field.hidden],
        "childRelationships": [],
        "recordTypeInfos": [_master_record_type(root, name)],
        "namedLayoutInfos": [],
        "supportedScopes": [{"label": "All records", "name": "everything"}],
        "actionOverrides": [],
        "compactLayoutable": True,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "implementedBy": None,
        "implementsInterfaces": None,
        "listviewable": None,
        "lookupLayoutable": None,
        "networkScopeFieldName": None,
        "searchLayoutable": True,
        "sobjectDescribeOption": "FULL",
    }


def _master_record_type(root: str, name: str) -> dict[str, Any]:
    return {
        "active": True,
        "available": True,
        "defaultRecordTypeMapping": True,
        "developerName": "Master",
        "master": True,
        "name": "Master",
        "recordTypeId": "012000000000000AAA",
        "urls": {"layout": f"{root}/sobjects/{name}/describe/layouts/012000000000000AAA"},
    }


def summary(name: str, prefix: str, root: str) -> dict[str, Any]:
    """One object in the list of all, and the head of its describe."""
    writable = name not in ("Organization", "User")
    path = f"{root}/sobjects/{name}"
    return {
        "name": name,
        "label": name.removesuffix("__c").replace("_", " "),
        "labelPlural": name.removesuffix("__c").replace("_", " ") + "s",
        "keyPrefix": prefix,
        "custom": name.endswith("__c"),
        "customSetting": False,
        "deprecatedAndHidden": False,
        "associateEntityType": None,
        "associateParentEntity": None,
        "hasSubtypes": False,
        "isInterface": False,
        "isSubtype": False,
        "feedEnabled": False,
        "mruEnabled": True,
        "activateable": False,
        "createable": writable,
        "deletable": writable,
        "layoutable": True,
        "mergeable": writable,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "searchable": True,
        "triggerable": writable,
        "undeletable": writable,
        "updateable": writable,
        "deepCloneable": False,
        "urls": {
            "sobject": path,
            "describe": f"{path}/describe",
            "rowTemplate": f"{path}/{{ID}}",
        },
    }


def global_describe(prefixes: Mapping[str, str], root: str) -> dict[str, Any]:
    """The answer of ``/sobjects``."""
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [summary(name, prefix, root) for name, prefix in prefixes.items()],
    }


def _described(field: Field) -> dict[str, Any]:
    writable = field.createable or field.updateable
    return {
        "aggregatable": field.type not in ("address", "textarea"),
        "aiPredictionField": False,
        "autoNumber": False,
        "byteLength": field.length * 3 if field.is_text else field.length,
        "calculated": False,
        "calculatedFormula": None,
        "cascadeDelete": False,
        "caseSensitive": field.case_sensitive,
        "compoundFieldName": None,
        "controllerName": None,
        "createable": field.createable,
        "custom": field.name.endswith("__c"),
        "defaultValue": field.default,
        "defaultValueFormula": None,
        "defaultedOnCreate": field.default is not None or field.name == "OwnerId" or not writable,
        "dependentPicklist": False,
        "deprecatedAndHidden": False,
        "digits": field.precision if field.type == "int" else 0,
        "displayLocationInDecimal": False,
        "encrypted": False,
        "externalId": field.external_id,
        "extraTypeInfo": None,
        "filterable": field.type not in ("textarea", "address"),
        "filteredLookupInfo": None,
        "formulaTreatNullNumberAsZero": False,
        "groupable": field.type not in ("double", "currency", "percent", "textarea", "address"),
        "highScaleNumber": False,
        "htmlFormatted": False,
        "idLookup": field.id_lookup or field.external_id,
        "inlineHelpText": None,
        "label": field.label or field.name.removesuffix("__c").replace("_", " "),
        "length": field.length,
        "mask": None,
        "maskType": None,
        "name": field.name,
        "nameField": field.name == "Name",
        "namePointing": False,
        "nillable": not field.required and field.type not in ("boolean", "id") and field.name != "OwnerId",
        "permissionable": writable and not field.required,
        "picklistValues": _picklist(field),
        "polymorphicForeignKey": len(field.references) > 1,
        "precision": 0 if field.type == "int" else field.precision,
        "queryByDistance": False,
        "referenceTargetField": None,
        "referenceTo": list(field.references),
        "relationshipName": field.relationship,
        "relationshipOrder": None,
        "restrictedDelete": False,
        "restrictedPicklist": field.restricted,
        "scale": field.scale,
        "searchPrefilterable": False,
        "soapType": SOAP_TYPES.get(field.type, "xsd:string"),
        "sortable": field.type not in ("textarea", "address"),
        "type": field.type,
        "unique": field.unique,
        "updateable": field.updateable,
        "writeRequiresMasterRead": False,
    }


def _picklist(field: Field) -> list[dict[str, Any]]:
    known = [(value, True) for value in field.values] + [(value, False) for value in field.inactive]
    return [
        {"active": active, "defaultValue": value == field.default, "label": value, "validFor": None, "value": value}
        for value, active in known
    ]

"""What a field of the fake org is, and how describe tells it.

Attributes: REST API Developer Guide, sObject Describe; field types: SOAP API Developer Guide, FieldType.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Field", "describe", "global_describe", "summary"]

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

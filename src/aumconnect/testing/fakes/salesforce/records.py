"""The fake org's records and its rules about them. No wire format here: see `salesforce` for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from aumconnect._near import did_you_mean
from aumconnect.testing.fakes._tables import PERSON, Row, Store, Table
from aumconnect.testing.fakes.salesforce.errors import Refusal
from aumconnect.testing.fakes.salesforce.fields import Field
from aumconnect.testing.fakes.salesforce.ids import new_id, normal_id
from aumconnect.testing.fakes.salesforce.locks import Locks
from aumconnect.testing.fakes.salesforce.logins import USERNAME
from aumconnect.testing.fakes.salesforce.objects import STANDARD, system_fields
from aumconnect.testing.fakes.salesforce.values import convert, stamp

__all__ = ["Org", "SObject"]

ValidationRule = Callable[[Mapping[str, Any]], str | None]


class SObject(Table):
    """One object. ``validation_rules`` get a record as it would be, and say what is wrong with it.

    ``duplicate_rule`` names fields whose values no two records may share: ``"alert"`` can be overridden by the
    request's header, ``"block"`` cannot.
    """

    id_field = "Id"

    def __init__(self, name: str, prefix: str, fields: tuple[Field, ...], org: Org) -> None:
        super().__init__(name, org.store)
        self.prefix = prefix
        self.org = org
        self.fields: dict[str, Field] = {}
        self.validation_rules: list[ValidationRule] = []
        self.duplicate_rule: tuple[str, tuple[str, ...]] | None = None
        for field in fields:
            self.add(field)

    def add(self, field: Field) -> None:
        """Give the object a field, or another definition of one it has."""
        self.fields[field.name] = field
        self._names = {name.lower(): field for name, field in self.fields.items()}
        self._relations = {field.relationship.lower(): field for field in self.fields.values() if field.relationship}
        if (field.is_key or field.unique) and field.name != "Id" and not self.is_indexed(field.name):
            self.index(field.name)

    def field(self, name: str) -> Field | None:
        """By name, whatever its case; hidden fields do not exist."""
        field = self._names.get(name.lower())
        return field if field is not None and not field.hidden else None

    def relation(self, name: str) -> Field | None:
        """The reference field behind a relationship name (``Account`` → ``AccountId``)."""
        field = self._relations.get(name.lower())
        return field if field is not None and not field.hidden else None

    def as_kept(self, name: str, value: Any) -> Any:
        """What the field would hold if a person typed this value. Raises `ValueError` for one it must not have."""
        return self._converted({name: value}, creating=False, by=PERSON)[self.fields[name].name]

    def key_of(self, values: Mapping[str, Any]) -> str:
        """By what the fake counts commits: the first external id that has a value, else the record's id."""
        for field in self.fields.values():
            if field.external_id and values.get(field.name) is not None:
                return str(values[field.name])
        return str(values["Id"])

    def fold(self, name: str, value: Any) -> Any:
        return value if self.fields[name].case_sensitive else super().fold(name, value)

    def new_id(self) -> str:
        self._made += 1
        return new_id(self.prefix, self._made)

    def save(self, id: str | None, values: Mapping[str, Any], *, by: str | None, override_alert: bool = False) -> str:
        """Make or change a record as the org's rules allow. Raises `Refusal`, and `Mistyped` for impossible JSON.

        A person may set fields that are read-only for the API, so that tests can make any record.
        """
        old = self.current(id) if id is not None else None
        given = self._converted(values, creating=old is None, by=by)
        record = {**(old if old is not None else self._defaults()), **given}
        self._require(record, given, creating=old is None)
        self._refuse_twins(record, given, id)
        self._apply_rules(record, given, id, override_alert)
        self.org.locks.take(id, self._parents(record, given))
        record_id = id or self.new_id()
        self.put(record_id, {**record, **self._stamps(record, given, record_id, old)}, by=by)
        return record_id

    def _converted(self, values: Mapping[str, Any], *, creating: bool, by: str | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Mapping):
                field, parent = self._resolved(name, value)
                found[field.name] = parent
                continue
            field = self._writable(name, creating=creating, by=by)
            found[field.name] = self._reference(field, value) if field.references else convert(field, value)
        return found

    def _writable(self, name: str, *, creating: bool, by: str | None) -> Field:
        """A hidden field looks like one that does not exist."""
        field = self._names.get(name.lower()) if by == PERSON else self.field(name)
        if field is None:
            hint = f"; {did_you_mean(name, self.fields)}" if by == PERSON else ""
            raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {self.name}{hint}")
        if by != PERSON and not (field.createable if creating else field.updateable):
            reason = (
                f"Unable to create/update fields: {field.name}. Please check the security settings of this field and "
                "verify that it is read/write for your profile or permission set."
            )
            raise Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", reason, [field.name])
        return field

    def _resolved(self, relation: str, by: Mapping[str, Any]) -> tuple[Field, str]:
        """A parent named by its external id (sObject Rows by External ID, "Relate Records")."""
        field = self.relation(relation)
        keys = {name: value for name, value in by.items() if name != "attributes"}
        if field is None or len(keys) != 1:
            raise Refusal("INVALID_FIELD", f"No such column '{relation}' on sobject of type {self.name}")
        parent = self.org[by.get("attributes", {}).get("type") or field.references[0]]
        ((name, value),) = keys.items()
        if (key := parent.field(name)) is None or not key.is_key:
            raise Refusal("INVALID_FIELD", f"{name} is not an external id of {parent.name}")
        rows = parent.find(key.name, value)
        if len(rows) == 1:
            return field, rows[0].id
        code = "DUPLICATE_EXTERNAL_ID" if rows else "INVALID_FIELD"
        raise Refusal(code, f"Foreign key external ID: {value} not found for field {name} in entity {parent.name}")

    def _reference(self, field: Field, value: Any) -> str | None:
        if value is None or value == "":
            return None
        record_id = normal_id(value, field.name)
        if not any(self.org.is_alive(parent, record_id) for parent in field.references):
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", f"{field.name}: invalid cross reference id", [field.name])
        return record_id

    def _defaults(self) -> dict[str, Any]:
        values = {field.name: field.default for field in self.fields.values()}
        for field in self.fields.values():
            if field.type == "boolean" and field.default is None:
                values[field.name] = False
        return values | ({"OwnerId": self.org.user_id} if "OwnerId" in self.fields else {})

    def _require(self, record: Mapping[str, Any], given: Mapping[str, Any], *, creating: bool) -> None:
        asked = self.fields if creating else given
        missing = [name for name in asked if self.fields[name].required and record.get(name) is None]
        if missing:
            raise Refusal("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)

    def _refuse_twins(self, record: Mapping[str, Any], given: Mapping[str, Any], id: str | None) -> None:
        for name in given:
            if self.fields[name].unique and record[name] is not None:
                for row in self.find(name, record[name]):
                    if row.id != id:
                        reason = f"duplicate value found: {name} duplicates value on record with id: {row.id[:15]}"
                        raise Refusal("DUPLICATE_VALUE", reason)

    def _apply_rules(
        self, record: Mapping[str, Any], given: Mapping[str, Any], id: str | None, override_alert: bool
    ) -> None:
        for rule in self.validation_rules:
            if reason := rule(record):
                raise Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", reason)
        if self.duplicate_rule is None:
            return
        action, names = self.duplicate_rule
        if (action == "block" or not override_alert) and any(name in given for name in names):
            self._detect_duplicates(record, names, id)

    def _detect_duplicates(self, record: Mapping[str, Any], names: tuple[str, ...], id: str | None) -> None:
        for other in self:
            if other["Id"] != id and all(record.get(name) == other.get(name) is not None for name in names):
                raise Refusal("DUPLICATES_DETECTED", "Use one of these records?")

    def _parents(self, record: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
        """The records a write locks besides its own."""
        for field in self.fields.values():
            parent = record.get(field.name)
            if parent is not None and field.references and field.references != ("User",):
                yield parent

    def _stamps(
        self, record: Mapping[str, Any], given: Mapping[str, Any], id: str, old: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        now = stamp(self.store.now(), milliseconds=self.org.stamp_milliseconds)
        values = {"Id": id, "IsDeleted": False, "LastModifiedDate": now, "SystemModstamp": now}
        values["LastModifiedById"] = self.org.user_id
        if old is None:
            values |= {"CreatedDate": now, "CreatedById": self.org.user_id}
        if "LastName" in self.fields:
            values["Name"] = " ".join(part for part in (record.get("FirstName"), record.get("LastName")) if part)
        return {name: value for name, value in values.items() if name not in given}


class Org:
    """All objects of the fake org, and what they share. ``org["Contact"]`` finds one, whatever the case."""

    def __init__(self, store: Store, *, sandbox: bool, number: int = 1) -> None:
        self.store = store
        self.locks = Locks(store)
        self.stamp_milliseconds = False  # unverified: stamps have whole seconds
        self.objects: dict[str, SObject] = {}
        self.user_id = new_id("005", 1)
        self.id = new_id("00D", number)
        for name, (prefix, fields) in STANDARD.items():
            self.add_object(name, prefix, fields)
        person = {"Username": USERNAME, "LastName": "Integration", "Email": USERNAME}
        self["User"].put(self.user_id, self._standing("User", self.user_id, person), by=PERSON)
        about = {"Name": "Acme", "IsSandbox": sandbox, "OrganizationType": "Developer Edition", "InstanceName": "FAKE1"}
        self["Organization"].put(self.id, self._standing("Organization", self.id, about), by=PERSON)

    def add_object(self, name: str, prefix: str, fields: tuple[Field, ...]) -> SObject:
        self.objects[name.lower()] = found = SObject(name, prefix, fields, self)
        return found

    def add_custom_object(self, name: str, prefix: str) -> SObject:
        return self.add_object(name, prefix, (*system_fields(), Field(name="Name", length=80)))

    def __getitem__(self, name: str) -> SObject:
        """Raises `LookupError` with near names."""
        found = self.objects.get(name.lower())
        if found is None:
            raise LookupError(f"there is no object {name}; {did_you_mean(name, self.store.tables)}")
        return found

    def __contains__(self, name: str) -> bool:
        return name.lower() in self.objects

    def is_alive(self, name: str, id: str) -> bool:
        row = self[name].row(id)
        return row is not None and not row.deleted

    def owner_of(self, id: str) -> SObject | None:
        """The object whose key prefix an id begins with."""
        return next((table for table in self.objects.values() if id.startswith(table.prefix)), None)

    def living(self, table: SObject, id: object) -> Row:
        """A living record by an id of either length. Raises `Refusal` saying why there is none."""
        record_id = normal_id(id)
        row = table.row(record_id)
        if row is None:
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row.deleted:
            raise Refusal("ENTITY_IS_DELETED", "entity is deleted")
        return row

    def hide(self, object: str, field: str) -> None:
        """Field-level security: from now on the field does not exist for our user."""
        table = self[object]
        table.add(replace(table.fields[field], hidden=True))

    def _standing(self, name: str, id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        table = self[name]
        now = stamp(self.store.now(), milliseconds=False)
        blank = {field: table.fields[field].default for field in table.fields}
        return blank | {
            "Id": id,
            "IsDeleted": False,
            "CreatedDate": now,
            "CreatedById": self.user_id,
            "LastModifiedDate": now,
            "LastModifiedById": self.user_id,
            "SystemModstamp": now,
            **values,
        }

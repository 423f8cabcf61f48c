"""Writes as the API carries them out: one record, or many with a result for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aumconnect.testing.fakes.salesforce.errors import BadRequest, Refusal
from aumconnect.testing.fakes.salesforce.fields import Field
from aumconnect.testing.fakes.salesforce.ids import normal_id
from aumconnect.testing.fakes.salesforce.records import Org, SObject
from aumconnect.testing.fakes.salesforce.values import Mistyped, convert

__all__ = ["Saved", "Writer"]

Count = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Saved:
    """One record that was written."""

    id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Writer:
    """Carries out the writes of one request. ``save_alerted`` overrides duplicate rules that only alert."""

    org: Org
    count: Count
    save_alerted: bool = False

    def insert(self, table: SObject, values: Mapping[str, Any]) -> Saved:
        if any(name.lower() == "id" for name in values):
            raise Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
        return self._save(table, None, values)

    def update(self, table: SObject, id: object, values: Mapping[str, Any]) -> Saved:
        return self._save(table, self.org.living(table, id).id, values)

    def upsert(self, table: SObject, key: Field, value: object, values: Mapping[str, Any], **only: bool) -> Saved:
        """``values`` without the key. Raises `Refusal` (DUPLICATE_EXTERNAL_ID naming the twins)."""
        twins = self.twins(table, key, value)
        if len(twins) > 1:
            reason = f"{key.name}: more than one record found for external id field: [{', '.join(twins)}]"
            raise Refusal("DUPLICATE_EXTERNAL_ID", reason, [key.name])
        if twins:
            return self._save(table, twins[0], values)
        if only.get("update_only"):
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return self._save(table, None, {**values, key.name: value})

    def twins(self, table: SObject, key: Field, value: object) -> list[str]:
        """The ids of all living records with this key."""
        if value is None or value == "":
            raise Refusal("MISSING_ARGUMENT", f"{key.name} not specified", [key.name])
        if key.name == "Id":
            return [self.org.living(table, value).id]
        try:
            return [row.id for row in table.find(key.name, convert(key, value))]
        except Mistyped as error:
            raise Refusal("INVALID_FIELD", str(error), [key.name]) from None

    def delete(self, id: object) -> Saved:
        record_id = normal_id(id)
        table = self.org.owner_of(record_id)
        if table is None:
            raise Refusal("MALFORMED_ID", f"malformed id {record_id}")
        row = self.org.living(table, record_id)
        self.org.locks.take(row.id, ())
        table.remove(row.id, by=None)
        self._count(table, row.values, created=False)
        return Saved(row.id, created=False)

    def _save(self, table: SObject, id: str | None, values: Mapping[str, Any]) -> Saved:
        written = {name: value for name, value in values.items() if name != "attributes"}
        try:
            record_id = table.save(id, written, by=None, override_alert=self.save_alerted)
        except Mistyped as error:
            raise BadRequest(400, "JSON_PARSER_ERROR", str(error)) from None
        self._count(table, table.current(record_id), created=id is None)
        return Saved(record_id, created=id is None)

    def _count(self, table: SObject, values: Mapping[str, Any], *, created: bool) -> None:
        key = table.key_of(values)
        self.org.store.afterwards(lambda: self.count(table.name, key, created=created))

"""Salesforce: sObject Collections of 200 for writes, SOQL and collections for reads, describe for the schema."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from aumconnect._near import did_you_mean
from aumconnect.auth import Credential, Token
from aumconnect.connector import (
    Account,
    Batch,
    Capabilities,
    Change,
    Connector,
    Guarantee,
    Key,
    Operation,
    Origins,
    Page,
    Query,
    RemoteRecord,
)
from aumconnect.connectors._settings import settings_from_url
from aumconnect.connectors.salesforce import login as logins
from aumconnect.connectors.salesforce import reading, refusals, soql, writing
from aumconnect.connectors.salesforce.describe import object_schema
from aumconnect.connectors.salesforce.hosts import ANNOUNCED, organization_origin
from aumconnect.connectors.salesforce.ids import ID_LENGTH
from aumconnect.errors import ConfigurationError, ErrorClass, ProtocolError, RequestRefused
from aumconnect.outcome import Outcome
from aumconnect.schema import ObjectSchema, Reference
from aumconnect.wire import Exchange, Request, Response

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce as NativeSalesforce  # noqa: TID251  (the type only)

    from aumconnect.auth.session import TokenAccess

__all__ = ["Salesforce"]

BATCH_ROWS = 200
"""Records a collections request (REST API Developer Guide, sObject Collections)."""
FETCH_IDS = 2_000
"""Ids a collections retrieve (the same page)."""

PARENTS: Mapping[str, str] = {
    "AccountContactRelation": "AccountId",
    "Asset": "AccountId",
    "CampaignMember": "CampaignId",
    "Case": "AccountId",
    "Contact": "AccountId",
    "Contract": "AccountId",
    "ContentDocumentLink": "LinkedEntityId",
    "Event": "WhatId",
    "Opportunity": "AccountId",
    "OpportunityContactRole": "OpportunityId",
    "OpportunityLineItem": "OpportunityId",
    "Order": "AccountId",
    "OrderItem": "OrderId",
    "Quote": "OpportunityId",
    "QuoteLineItem": "QuoteId",
    "Task": "WhatId",
}
"""The reference by which writing a record locks its parent (SF-6); a setting adds custom master-detail fields."""

_VERSION = re.compile(r"[1-9]\d\.0")
_DUPLICATE_RULE = re.compile(
    r"(allowSave|includeRecordDetails|runAsCurrentUser)=(true|false)"
    r"([,;] ?(allowSave|includeRecordDetails|runAsCurrentUser)=(true|false)){0,2}"
)
_HEADER_VALUE = re.compile(r"[ -~]+")


@dataclass(frozen=True)
class Salesforce(Connector):
    """One Salesforce organisation, through its REST API.

    ``url`` is the organisation's own domain (``acme.my.salesforce.com``, or just ``acme``), or ``login`` or
    ``test`` with a login that announces it. What a write sets in motion besides itself is a setting too, sent
    as a header only where given: ``auto_assign`` (Lead and Case assignment rules: False, True or a rule's id),
    ``duplicate_rule`` (for example ``allowSave=true``), ``update_mru``, ``call_options``.
    """

    url: str
    _: KW_ONLY
    api_version: str = "62.0"
    login_url: str | None = None
    """Where logins go; None means ``url``."""
    auto_assign: bool | str | None = None
    duplicate_rule: str | None = None
    update_mru: bool | None = None
    call_options: str | None = None
    announced: str = ANNOUNCED
    """A regular expression: the origins that a login may announce."""
    insecure: bool = False
    """Allow plain HTTP to a host other than this machine."""
    parents: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Object to reference field, added to `PARENTS`."""
    page_rows: int = 2_000
    batch_bytes: int = 4_000_000
    """Longest request body; the system's own limit is unverified."""
    parallel: int = 10
    """Requests in flight; only requests over 20 seconds count against the system's limit of 25."""
    attempt_timeout: float = 120.0
    settle_time: float = 600.0
    """Seconds: a request may run for ten minutes on the server (Salesforce App Limits, API)."""
    datetime_resolution: int = 1_000_000
    """Microseconds within which two times are the same; what the system keeps below a second is unverified."""

    name: ClassVar[str] = "salesforce"

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.api_version):
            raise ConfigurationError(f"api_version {self.api_version!r} is not a version like '62.0'")
        if self.duplicate_rule is not None and not _DUPLICATE_RULE.fullmatch(self.duplicate_rule):
            raise ConfigurationError("duplicate_rule is text like 'allowSave=true, runAsCurrentUser=false'")
        for text in (self.auto_assign, self.call_options):
            if isinstance(text, str) and not _HEADER_VALUE.fullmatch(text):
                raise ConfigurationError("a header setting holds characters that no header can carry")
        if not 200 <= self.page_rows <= 2_000:
            raise ConfigurationError("page_rows must be between 200 and 2000")
        _ = self.origins  # a wrong host is found now, not at the first request

    @classmethod
    def from_url(cls, url: str) -> Salesforce:
        """``salesforce://acme.my.salesforce.com?api_version=62.0``, or ``salesforce+http://127.0.0.1:8080``."""
        origin, settings = settings_from_url(url, cls)
        return cls(origin, **settings)

    # --- where ---

    @cached_property
    def base_url(self) -> str:
        return organization_origin(self.url, insecure=self.insecure)

    @cached_property
    def origins(self) -> Origins:
        local = self.base_url.startswith("http://")
        return Origins(frozenset({self.base_url, self._login_origin}), announced=None if local else self.announced)

    @cached_property
    def _login_origin(self) -> str:
        return organization_origin(self.login_url or self.url, insecure=self.insecure)

    @property
    def _path(self) -> str:
        return f"/services/data/v{self.api_version}/"

    # --- what the library must know ---

    @cached_property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        return Capabilities(
            operations=frozenset(Operation),
            by_key=frozenset({Operation.UPSERT}),
            batch_rows=BATCH_ROWS,
            batch_bytes=self.batch_bytes,
            find_keys=BATCH_ROWS,
            fetch_ids=FETCH_IDS,
            parallel=self.parallel,
            bad_row="sinks",  # most are spared, but one value of the wrong type makes the whole request HTTP 400
            attempt_timeout=self.attempt_timeout,
            settle_time=self.settle_time,
        )

    @cached_property
    def side_effects(self) -> Mapping[str, str]:
        """The headers that steer what a write sets in motion, as configured."""
        found = {
            "Sforce-Auto-Assign": _said(self.auto_assign),
            "Sforce-Duplicate-Rule-Header": self.duplicate_rule,
            "Sforce-Mru": None if self.update_mru is None else f"updateMru={str(self.update_mru).lower()}",
            "Sforce-Call-Options": self.call_options,
        }
        return {name: value for name, value in found.items() if value is not None}

    def classify(self, response: Response) -> ErrorClass | None:
        return refusals.classify(response)

    def quota(self, response: Response) -> tuple[int, int] | None:
        return refusals.usage(response)

    def conflict_key(self, object: str, change: Change) -> Hashable | None:
        """The parent record, which the system locks while it writes its children (SF-6)."""
        parent = change.values.get(self.parents.get(object) or PARENTS.get(object, ""))
        if parent is None:
            return None
        if isinstance(parent, Reference):
            return (parent.object, parent.by, parent.value) if parent.value is not None else None
        return parent[:ID_LENGTH] if isinstance(parent, str) and parent else None

    # --- exchanges ---

    def login(self, credential: Credential) -> Exchange[Token]:
        return logins.login(credential, origin=self._login_origin, api_version=self.api_version)

    def check(self) -> Exchange[Account]:
        """The organisation, by its own id. Raises `ConfigurationError` for an API version it does not have."""
        try:
            records = yield from reading.all_records(self._query("SELECT Id, Name, IsSandbox FROM Organization"))
        except RequestRefused as refused:
            if refused.response.status in (404, 410):
                yield from self._refuse_version()
            if refused.error_class not in (ErrorClass.PERMISSION, ErrorClass.VALIDATION):
                raise
            return (yield from self._who_am_i())
        if len(records) != 1:
            raise ProtocolError("Salesforce did not say which organisation this is")
        organization = reading.remote(records[0], ["Name", "IsSandbox"])
        name, sandbox = organization.values["Name"], organization.values["IsSandbox"]
        return Account(_identity(organization.id), name=name or "", sandbox=sandbox)

    def _who_am_i(self) -> Exchange[Account]:
        """For users who may not read Organization."""
        reply: Response = yield Request("GET", "/services/oauth2/userinfo")
        found = reply.json()
        if not isinstance(found, dict) or not isinstance(found.get("organization_id"), str):
            raise ProtocolError("Salesforce did not say which organisation this is")
        return Account(_identity(found["organization_id"]), user=str(found.get("preferred_username") or ""))

    def _refuse_version(self) -> Exchange[None]:
        """Raise if the organisation's own list of versions (it needs no login) lacks ours."""
        reply: Response = yield Request("GET", "/services/data/")
        try:
            versions = [str(one["version"]) for one in reply.json()]
        except (KeyError, TypeError):
            raise ProtocolError("the list of API versions could not be read") from None
        if versions and self.api_version not in versions:
            hint = f"set api_version between {versions[0]} and {versions[-1]}"
            raise ConfigurationError(f"this organisation has no API version {self.api_version}", hint=hint)

    def objects(self) -> Exchange[Sequence[str]]:
        reply: Response = yield Request("GET", f"{self._path}sobjects/")
        try:
            return [item["name"] for item in reply.json()["sobjects"]]
        except (KeyError, TypeError):
            raise ProtocolError("the list of objects could not be read") from None

    def describe(self, object: str) -> Exchange[ObjectSchema]:
        try:
            reply: Response = yield Request("GET", f"{self._path}sobjects/{soql.object_name(object)}/describe/")
        except RequestRefused as refused:
            if refused.error_class is not ErrorClass.NOT_FOUND:
                raise
            hint = did_you_mean(object, (yield from self.objects()))
            raise ConfigurationError(f"this organisation has no object {object!r} for us", hint=hint) from None
        try:
            return object_schema(reply.json(), datetime_resolution=self.datetime_resolution)
        except (KeyError, TypeError, AttributeError):
            raise ProtocolError(f"the description of {object} could not be read") from None

    def limits(self) -> Exchange[dict[str, tuple[int, int]]]:
        """(used, allowed) of every allowance the organisation has (REST API Developer Guide, Limits)."""
        reply: Response = yield Request("GET", f"{self._path}limits/")
        try:
            return {name: (item["Max"] - item["Remaining"], item["Max"]) for name, item in reply.json().items()}
        except (KeyError, TypeError, AttributeError):
            raise ProtocolError("the limits could not be read") from None

    def read(self, query: Query, cursor: str | None = None) -> Exchange[Page]:
        return reading.page(query, cursor, self._query)

    def find(
        self,
        object: str,
        key: tuple[str, ...],
        values: Sequence[Key],
        fields: Sequence[str],
        schema: ObjectSchema | None = None,
    ) -> Exchange[list[list[RemoteRecord]]]:
        return reading.find(object, key, values, fields, schema, self._query)

    def fetch(self, object: str, ids: Sequence[str], fields: Sequence[str]) -> Exchange[list[RemoteRecord | None]]:
        return reading.fetch(self._path, object, ids, fields)

    def write(self, batch: Batch) -> Exchange[list[Outcome]]:
        idempotent = self.guarantee(batch.operation, batch.key, batch.schema) is Guarantee.IDEMPOTENT
        return writing.write(batch, path=self._path, headers=self.side_effects, idempotent=idempotent)

    def native(self, access: TokenAccess) -> NativeSalesforce:
        """A `simple_salesforce.Salesforce` that shares our login and cannot leave the organisation's host."""
        from aumconnect.protocols import _simple_salesforce

        return _simple_salesforce.native(
            access, base_url=self.base_url, version=self.api_version, timeout=self.attempt_timeout
        )

    def _query(self, text: str) -> Request:
        return reading.query_request(self._path, text, self.page_rows)


def _said(value: bool | str | None) -> str | None:
    return str(value).upper() if isinstance(value, bool) else value


def _identity(organization_id: str) -> str:
    return f"salesforce:{organization_id[:ID_LENGTH]}"

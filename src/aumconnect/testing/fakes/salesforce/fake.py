"""The fake org as a whole: who gets in, which resource answers, what it costs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack
from urllib.parse import urlsplit

from aumconnect.auth import ClientCredentials
from aumconnect.testing.fakes import Fake, Options
from aumconnect.testing.fakes._tables import PERSON, Store
from aumconnect.testing.fakes.salesforce import entrance, resources
from aumconnect.testing.fakes.salesforce.call import Call, refusal
from aumconnect.testing.fakes.salesforce.errors import BadRequest
from aumconnect.testing.fakes.salesforce.fields import Field
from aumconnect.testing.fakes.salesforce.logins import Logins
from aumconnect.testing.fakes.salesforce.queries import Queries
from aumconnect.testing.fakes.salesforce.records import Org, SObject
from aumconnect.testing.faults import Accident
from aumconnect.testing.faults import answer as refuse_with
from aumconnect.wire import Headers, Request, Response

__all__ = ["FakeSalesforce"]

RETIRED = range(21, 31)  # answered with 410
LONGEST_URI = 16_384  # bytes, else 414

_VERSIONED = re.compile(r"(/services/data/v(\d+)\.0)(?:/(.*))?")


class FakeSalesforce(Fake):
    """A Salesforce org: OAuth and SOAP logins, describe, records, collections, SOQL, limits.

    In tests: ``fake["Contact"].one(Customer_Id__c="C-17")["Churn_Score__c"]``, ``fake.add_field(…)``. Commits are
    counted by a record's first external id that has a value, else by its id.

    Its parts have knobs: ``logins`` (app and user, how long a session lasts), ``queries`` (cursors, index lag),
    ``locks`` (records somebody else holds), ``fake["Contact"].validation_rules`` and ``.duplicate_rule``. What the
    vendor's pages do not settle can be switched: ``repeats_fail``, ``column_sinks_call`` (see `Collections`).

    ``instance_url`` is announced to logins on ``login.salesforce.com``; on any other host it is that host.
    ``daily_requests`` is the allowance of API requests, of which ``used_requests`` are gone.
    """

    id_field = "Id"
    stamps = frozenset({"LastModifiedDate", "LastModifiedById", "SystemModstamp"})
    connection_url = "salesforce://acme.my.salesforce.com"

    def __init__(self, *, sandbox: bool = False, org: int = 1, **options: Unpack[Options]) -> None:
        """``org`` tells one organisation from another: its id is made of it."""
        super().__init__(**options)
        self.store = Store(self.clock.epoch, self.changed)
        self.org = Org(self.store, sandbox=sandbox, number=org)
        self.changes.clear()
        self.locks = self.org.locks
        self.logins = Logins(now=self.clock.epoch, organization=self.org.id)
        self.queries = Queries(org=self.org, now=self.clock.epoch)
        self.instance_url = "https://acme.my.salesforce.com"
        self.daily_requests = 100_000
        self.used_requests = 0
        self.repeats_fail: Literal["all", "later"] = "all"
        self.column_sinks_call = False

    # --- what a test does ---

    def __getitem__(self, object: str) -> SObject:
        """The records of one object. Raises `LookupError` with near names."""
        return self.org[object]

    def add_field(self, object: str, name: str, type: str = "string", **attributes: Any) -> Field:
        """Give an object a field: ``fake.add_field("Contact", "Churn_Score__c", "double", precision=4, scale=3)``.

        ``attributes`` are those of `Field`: ``length=``, ``external_id=True``, ``unique=True``, ``values=("low",)``,
        ``restricted=True``, ``required=True``, ``references=("Account",)``, ``hidden=True`` …
        """
        if type in ("string", "picklist", "multipicklist", "url"):
            attributes.setdefault("length", 255)
        if attributes.get("references"):
            attributes.setdefault("relationship", name.removesuffix("__c") + "__r")
        attributes["values"] = tuple(attributes.get("values", ()))
        field = Field(name=name, type=type, **attributes)
        self.org[object].add(field)
        return field

    def add_object(self, name: str, prefix: str | None = None) -> SObject:
        """A custom object with the fields every object has, and a Name."""
        prefix = prefix or f"a{len(self.org.objects):02}"
        return self.org.add_custom_object(name, prefix)

    def hide(self, object: str, field: str) -> None:
        """Field-level security: for our user the field does not exist any more (SF-8)."""
        self.org.hide(object, field)

    def expire_tokens(self) -> None:
        self.logins.expire()

    def auth(self) -> ClientCredentials:
        return ClientCredentials(self.logins.consumer_key, self.logins.consumer_secret)

    @property
    def secrets(self) -> list[str]:
        return self.logins.secrets

    def busy(self) -> Accident:
        """HTTP 503; nothing was done."""
        return refuse_with(503, [{"message": "Server is busy", "errorCode": "SERVER_UNAVAILABLE"}])

    def too_many(self) -> Accident:
        """How it says that too many long requests run at once: HTTP 403, never 429, and no Retry-After."""
        reason = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
        return refuse_with(403, [{"message": reason, "errorCode": "REQUEST_LIMIT_EXCEEDED"}])

    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        return {name: list(table) for name, table in self.store.tables.items()}

    def editable(self, object: str) -> list[str]:
        return [name for name, field in self.org[object].fields.items() if field.updateable]

    def edit(self, object: str, id: str, field: str, value: Any, *, by: str = PERSON) -> None:
        table = self.org[object]
        if field not in self.editable(object):
            raise ValueError(f"{object} has no field {field} that a person could edit")
        if table.current(id).get(field) != table.as_kept(field, value):
            table.save(id, {field: value}, by=by)

    # --- what a request does ---

    def mutates(self, request: Request) -> bool:
        """Logins and retrieving by POST write nothing."""
        parts = urlsplit(request.url)
        found = _VERSIONED.fullmatch(parts.path)
        if request.method == "GET" or found is None:
            return False
        return not (request.method == "POST" and re.fullmatch(r"composite/sobjects/\w+", found[3] or ""))

    def respond(self, request: Request) -> Response:
        self.store.request = self._number
        parts = urlsplit(request.url)
        path = parts.path.rstrip("/")
        try:
            if len(parts.path) + len(parts.query) > LONGEST_URI:
                raise BadRequest(414, "URI_TOO_LONG", "The length of the URI exceeds the limit.")
            if found := _VERSIONED.fullmatch(path):
                return self._versioned(request, found[1], int(found[2]), found[3] or "")
            return entrance.outside(self, request, path)
        except BadRequest as error:
            return refusal(error)

    def _versioned(self, request: Request, root: str, version: int, path: str) -> Response:
        if version in RETIRED:
            raise BadRequest(410, "GONE", "API version is no longer supported")
        if version not in entrance.VERSIONS:
            raise BadRequest(404, "NOT_FOUND", "The requested resource does not exist")
        entrance.check_token(self, request)
        self._spend()
        try:
            response = resources.resource(self, Call(request, path, root))
        except BadRequest as error:
            response = refusal(error)
        usage = f"api-usage={self.used_requests}/{self.daily_requests}"
        return Response(
            response.status, Headers([*response.headers.pairs(), ("Sforce-Limit-Info", usage)]), response.body
        )

    def _spend(self) -> None:
        """A request costs one, however many rows it has; at the limit it is HTTP 403 without Retry-After."""
        if self.used_requests >= self.daily_requests:
            raise BadRequest(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used_requests += 1

"""SOAP beside zeep: NetSuite's upsertList and its answer with 100 customers of 22 fields, every facet checked.

python -m benchmarks.soap --specs FOLDER [--records 100] [--runs 9]

FOLDER holds the vendor's WSDL and schemas under ``netsuite/v2023_2`` (default: $AUMCONNECT_VENDOR_SPECS);
they are the vendor's and not part of this repository. Figures are milliseconds of CPU, lowest and median;
both sides are warm, and start from the same Python values. The first record is that of a fresh process with
the model on disk, from the start of the interpreter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aumconnect
from aumconnect.protocols import soap
from benchmarks import harness, start

R = "record[](Customer)"
CORE = "urn:core_2023_2.platform.webservices.netsuite.com"
MESSAGES = "urn:messages_2023_2.platform.webservices.netsuite.com"
RELATIONSHIPS = "urn:relationships_2023_2.lists.webservices.netsuite.com"
COMMON = "urn:common_2023_2.platform.webservices.netsuite.com"
PLAIN = (
    "entityId companyName phone fax email url creditLimit isInactive comments taxable startDate accountNumber".split()
)
CUSTOM = {"score": "Double", "tier": "String", "orders": "Long", "scored": "Date", "active": "Boolean"}
MAPPING: dict[str, str | soap.Const] = {
    f"{R}/@externalId": "externalId",
    **{f"{R}/{name}": name for name in PLAIN},
    f"{R}/entityStatus/@internalId": "status",
    **{f"{R}/customFieldList/customField[{name}]({kind}CustomFieldRef)/value": name for name, kind in CUSTOM.items()},
    **{
        f"{R}/customFieldList/customField[{name}]({kind}CustomFieldRef)/@scriptId": soap.Const(f"custentity_{name}")
        for name, kind in CUSTOM.items()
    },
    f"{R}/addressbookList/@replaceAll": soap.Const(False),
    f"{R}/addressbookList/addressbook[*addresses]/label": "label",
    f"{R}/addressbookList/addressbook[*addresses]/addressbookAddress/addr1": "addr1",
    f"{R}/addressbookList/addressbook[*addresses]/addressbookAddress/city": "city",
}
MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
READ = {"ok": "status/@isSuccess", "code": "status/statusDetail[]/code", "text": "status/statusDetail[]/message"}
ANSWER = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    f'<upsertListResponse xmlns="{MESSAGES}"><writeResponseList>'
    f'<c:status xmlns:c="{CORE}" isSuccess="true"/>%s</writeResponseList></upsertListResponse></e:Body></e:Envelope>'
)
ANSWERS = (
    f'<writeResponse><c:status xmlns:c="{CORE}" isSuccess="true"/>'
    f'<baseRef xmlns:c="{CORE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="c:RecordRef" '
    'internalId="%d" externalId="crm-%d" type="customer"/></writeResponse>'
)


def customers(count: int) -> list[dict[str, Any]]:
    """``count`` records of 22 values."""
    return [
        {
            "externalId": f"crm-{n}",
            "entityId": f"Customer {n}",
            "companyName": f"Müller & Söhne <{n}>",
            "phone": "+49 30 123456",
            "fax": "+49 30 123457",
            "email": f"info{n}@example.org",
            "url": f"https://example.org/{n}",
            "creditLimit": 1000.5 + n,
            "isInactive": False,
            "comments": "Scored by the nightly model; see the notes.",
            "taxable": True,
            "startDate": MOMENT,
            "accountNumber": f"A{n:06}",
            "status": "13",
            "score": n / 128,
            "tier": "gold",
            "orders": n,
            "scored": MOMENT,
            "active": True,
            "addresses": [{"label": "Main", "addr1": f"{n} High Street", "city": "Berlin"}],
        }
        for n in range(count)
    ]


def cpu(work: Callable[[], Any]) -> float:
    """Milliseconds of CPU of one run."""
    started = time.process_time()
    work()
    return 1000 * (time.process_time() - started)


class Zeep:
    """The same work by zeep alone: its objects are built, then written; answers are parsed."""

    def __init__(self, folder: Path) -> None:
        import zeep

        from aumconnect.protocols.soap.build import load_document

        documents: Any = soap.Documents(folder)
        self._client = zeep.Client(load_document(documents, "netsuite.wsdl"), transport=documents)
        name = "{urn:platform_2023_2.webservices.netsuite.com}NetSuiteBinding"
        # zeep offers no other way to an envelope without sending it
        self._binding = self._client.create_service(name, "http://127.0.0.1/")._binding  # noqa: SLF001
        get_type = self._client.get_type
        self._customer = get_type(f"{{{RELATIONSHIPS}}}Customer")
        self._address_list = get_type(f"{{{RELATIONSHIPS}}}CustomerAddressbookList")
        self._address = get_type(f"{{{RELATIONSHIPS}}}CustomerAddressbook")
        self._street = get_type(f"{{{COMMON}}}Address")
        self._fields = get_type(f"{{{CORE}}}CustomFieldList")
        self._reference = get_type(f"{{{CORE}}}RecordRef")
        self._custom = {name: get_type(f"{{{CORE}}}{kind}CustomFieldRef") for name, kind in CUSTOM.items()}

    def encode(self, records: list[dict[str, Any]]) -> bytes:
        from lxml import etree

        made = [self._record(values) for values in records]
        envelope, _ = self._binding._create("upsertList", (made,), {}, client=self._client, options={})  # noqa: SLF001
        return etree.tostring(envelope)

    def _record(self, values: dict[str, Any]) -> Any:
        custom = [make(value=values[name], scriptId=f"custentity_{name}") for name, make in self._custom.items()]
        addresses = [
            self._address(label=row["label"], addressbookAddress=self._street(addr1=row["addr1"], city=row["city"]))
            for row in values["addresses"]
        ]
        return self._customer(
            **{name: values[name] for name in ["externalId", *PLAIN]},
            entityStatus=self._reference(internalId=values["status"]),
            customFieldList=self._fields(customField=custom),
            addressbookList=self._address_list(addressbook=addresses, replaceAll=False),
        )

    def decode(self, body: bytes) -> list[Any]:
        class Reply:
            status_code, headers, encoding, content = 200, {"Content-Type": "text/xml; charset=utf-8"}, "utf-8", body

        reply = self._binding.process_reply(self._client, self._binding.get("upsertList"), Reply)
        rows: list[Any] = reply.body.writeResponseList.writeResponse
        return [(row.status.isSuccess, row.baseRef.internalId) for row in rows]


def compare(specs: Path, count: int, runs: int) -> str:
    """The table."""
    folder = specs / "netsuite/v2023_2"
    with tempfile.TemporaryDirectory() as cache:
        model = soap.cached_model(soap.Documents(folder), "netsuite.wsdl", Path(cache))
        message = soap.Message(soap.make_plan(model, "upsertList", MAPPING))
        decoder = soap.Decoder(
            model, "upsertList", READ | {"id": "baseRef/@internalId"}, rows="writeResponseList/writeResponse"
        )
        records = customers(count)
        body = (ANSWER % "".join(ANSWERS % (n, n) for n in range(count))).encode()
        theirs = Zeep(folder)

        def encode() -> bytes:
            return message.envelope(message.encode(enumerate(records))[0])

        def decode() -> list[Any]:
            from aumconnect.wire import Headers, Response

            reply = soap.read_reply(Response(200, Headers({"Content-Type": "text/xml; charset=utf-8"}), body))
            return [(row["ok"], row["id"]) for row in decoder.rows(reply, count)]

        assert decode() == theirs.decode(body)
        assert _canonical(encode()) == _canonical(theirs.encode(records))
        rows = [
            *_pair("encode", encode, lambda: theirs.encode(records), runs),
            *_pair("decode", decode, lambda: theirs.decode(body), runs),
            ("aumconnect: first record of a process, model on disk", *_first(folder, cache, runs), ""),
        ]
    head = [f"SOAP, {count} customers of 22 fields", "CPU ms, lowest", "CPU ms, median", "times less"]
    return harness.table(head, rows)


def _canonical(envelope: bytes) -> str:
    """The body with prefixes rewritten: equal where two envelopes mean the same."""
    from lxml import etree

    body = etree.tostring(etree.fromstring(envelope).find("{*}Body"), encoding="unicode")
    kind = "{http://www.w3.org/2001/XMLSchema-instance}type"
    return str(etree.canonicalize(body, rewrite_prefixes=True, qname_aware_attrs={kind}))


def _pair(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], runs: int) -> list[tuple[str, str, str, str]]:
    both = [(cpu(ours), cpu(theirs)) for _ in range(runs + 1)][1:]  # by turns, so that a busy moment meets both
    mine, other = [one for one, _ in both], [one for _, one in both]
    factor = statistics.median(other) / statistics.median(mine)
    return [(f"aumconnect: {name}", *_shown(mine), f"{factor:.0f}"), (f"zeep: {name}", *_shown(other), "")]


def _shown(times: list[float]) -> tuple[str, str]:
    return f"{min(times):.2f}", f"{statistics.median(times):.2f}"


def _first(folder: Path, cache: str, runs: int) -> tuple[str, str]:
    """What a process costs whose WSDL was seen before, up to its first record."""
    script = f"""
import datetime
from pathlib import Path
from aumconnect.protocols.soap import Const, Documents, Message, cached_model, make_plan
model = cached_model(Documents(Path({str(folder)!r})), "netsuite.wsdl", Path({cache!r}))
message = Message(make_plan(model, "upsertList", {MAPPING!r}))
encoded, rejected = message.encode([(0, {customers(1)[0]!r})])
assert len(encoded) == 1, rejected
"""
    start.cpu_of(["-m", "compileall", "-q", str(Path(aumconnect.__file__).parent)])
    return _shown([1000 * start.cpu_of(["-c", script]) for _ in range(runs)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--specs", type=Path, default=os.environ.get("AUMCONNECT_VENDOR_SPECS"))
    parser.add_argument("--records", type=int, default=100)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    if arguments.specs is None:
        sys.exit("say --specs, the folder with the vendors' WSDLs")
    harness.pin()
    print(compare(Path(arguments.specs), arguments.records, arguments.runs))


if __name__ == "__main__":
    main()

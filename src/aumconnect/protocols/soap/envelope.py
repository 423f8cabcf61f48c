"""Whole SOAP messages: encoded records put together by number and size, header blocks added for each attempt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aumconnect.errors import ConfigurationError
from aumconnect.outcome import Outcome
from aumconnect.protocols.soap.closures import RecordRefused
from aumconnect.protocols.soap.encode import Encoder
from aumconnect.protocols.soap.plan import Plan
from aumconnect.protocols.soap.repeats import COUNT, RECORDS
from aumconnect.wire import Headers

__all__ = ["Encoded", "Message", "http_headers"]

_START = '<?xml version="1.0" encoding="utf-8"?>\n'


@dataclass(frozen=True, slots=True)
class Encoded:
    """One record's text, and how many bytes it is."""

    ref: int
    text: str
    size: int


class Message:
    """One operation, or one header block, ready to be written. Immutable; any number of threads may use it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._encoder = Encoder(plan)
        declared = self._encoder.declarations
        self._open = f"{_START}<soap:Envelope{declared}>"

    def encode(self, records: Iterable[tuple[int, Mapping[str, Any]]]) -> tuple[list[Encoded], list[Outcome]]:
        """(ref, values) one by one: those that can be written, and an outcome for each that cannot."""
        encoded: list[Encoded] = []
        rejected: list[Outcome] = []
        write = self._encoder.record
        for ref, values in records:
            try:
                text = write(values)
            except RecordRefused as error:
                rejected.append(Outcome.rejected(ref, [error.problem]))
                continue
            size = len(text) if text.isascii() else len(text.encode("utf-8"))
            encoded.append(Encoded(ref, text, size))
        return encoded, rejected

    def batches(
        self, encoded: Iterable[Encoded], *, max_records: int | None = None, max_bytes: int = 10_000_000
    ) -> Iterator[list[Encoded]]:
        """Runs of records that fit into one envelope: no more than the schema allows, than ``max_records``,
        than ``max_bytes`` of records. A record larger than that stands alone: the system is to judge it."""
        bounds = [bound for bound in (self.plan.most, max_records) if bound is not None]
        most = min(bounds, default=None)
        batch: list[Encoded] = []
        size = 0
        for record in encoded:
            if batch and (len(batch) == most or size + record.size > max_bytes):
                yield batch
                batch, size = [], 0
            batch.append(record)
            size += record.size
        if batch:
            yield batch

    def envelope(
        self, records: Sequence[Encoded], *, call: Mapping[str, Any] | None = None, header: Iterable[str] = ()
    ) -> bytes:
        """The message, in UTF-8. ``call`` are the values that stand once, around the records; ``header`` are
        blocks with their own namespace declarations. Raises `ConfigurationError` for a call that does not fit.
        """
        try:
            frame = self._encoder.frame(call or {})
        except RecordRefused as error:
            raise ConfigurationError(f"operation {self.plan.operation!r}: {error}") from None
        if self.plan.most is not None and len(records) > self.plan.most:
            raise ConfigurationError(f"operation {self.plan.operation!r} takes {self.plan.most} records at a time")
        before, _, after = frame.partition(RECORDS)
        blocks = "".join(header)
        parts = [
            self._open,
            f"<soap:Header>{blocks}</soap:Header>" if blocks else "",
            "<soap:Body>",
            before.replace(COUNT, str(len(records))),
            *(record.text for record in records),
            after,
            "</soap:Body></soap:Envelope>",
        ]
        return "".join(parts).encode("utf-8")

    def block(self, values: Mapping[str, Any]) -> str:
        """This plan's element as a header block, with its own declarations. Raises `ConfigurationError`."""
        try:
            text = self._encoder.record(values)
        except RecordRefused as error:
            raise ConfigurationError(f"header {self.plan.operation!r}: {error}") from None
        end = min(text.index(mark) for mark in (" ", "/", ">") if mark in text)  # of the element's name
        return text[:end] + self._encoder.declarations + text[end:]

    @property
    def headers(self) -> Headers:
        """The HTTP header fields that name the operation."""
        return http_headers(self.plan.soap, self.plan.action)


def http_headers(soap: Literal["1.1", "1.2"], action: str) -> Headers:
    """``SOAPAction`` (SOAP 1.1 §6.1.1), or the ``action`` parameter (SOAP 1.2 part 2, §7.1.4; RFC 3902)."""
    if any(ord(letter) < 32 or letter == '"' or ord(letter) > 126 for letter in action):
        raise ConfigurationError(f"the action {action!r} cannot stand in an HTTP header")
    if soap == "1.1":
        return Headers({"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{action}"'})
    told = f'; action="{action}"' if action else ""
    return Headers({"Content-Type": f"application/soap+xml; charset=utf-8{told}"})

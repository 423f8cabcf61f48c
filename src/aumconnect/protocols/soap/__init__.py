"""SOAP: any WSDL as something records are written to, without an XML library in the way.

From a WSDL to an answer::

    documents = Documents(folder)                              # nothing is ever fetched
    model = cached_model(documents, "shop.wsdl", cache)        # zeep, once; then from disk
    message = Message(make_plan(model, "save", {"record[](Customer)/name": "name"}))
    encoded, rejected = message.encode(enumerate(rows))        # one bad row spoils no envelope
    for batch in message.batches(encoded, max_records=100):
        body = message.envelope(batch, header=[username_token(user, password)])
        ...                                                    # sent by the exchange, with message.headers
        rows = decoder.rows(read_reply(response), len(batch))  # by position and count, or ProtocolError

The address a request goes to is the connector's; that in the WSDL is for showing only (`Model.ports`).
Importing this package loads neither zeep nor lxml.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aumconnect.protocols.soap.cache import cached_model
    from aumconnect.protocols.soap.decode import Decoder
    from aumconnect.protocols.soap.documents import Documents
    from aumconnect.protocols.soap.envelope import Encoded, Message, http_headers
    from aumconnect.protocols.soap.model import Model
    from aumconnect.protocols.soap.plan import Const, Field, Plan, Profile
    from aumconnect.protocols.soap.planner import make_block_plan, make_plan
    from aumconnect.protocols.soap.replies import Reply, SoapFault, classify, read_reply
    from aumconnect.protocols.soap.security import addressing, username_token

__all__ = [
    "Const",
    "Decoder",
    "Documents",
    "Encoded",
    "Field",
    "Message",
    "Model",
    "Plan",
    "Profile",
    "Reply",
    "SoapFault",
    "addressing",
    "cached_model",
    "classify",
    "http_headers",
    "make_block_plan",
    "make_plan",
    "read_reply",
    "username_token",
]

_MODULES = {
    "cache": "cached_model",
    "decode": "Decoder",
    "documents": "Documents",
    "envelope": "Encoded Message http_headers",
    "model": "Model",
    "plan": "Const Field Plan Profile",
    "planner": "make_block_plan make_plan",
    "replies": "Reply SoapFault classify read_reply",
    "security": "addressing username_token",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Each part is imported when it is first asked for: who writes need not wait for what reads."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = found
    return found

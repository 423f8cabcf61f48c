"""Pumps carry the engine's steps out: one with threads, one on an event loop. They decide nothing.

A pump owns the waiting: sends run beside each other, commits one after another on a ledger thread, rows are
taken from the source in between, on the pump's own thread.
"""

from aumconnect._pumps.common import OnOutcomes, Row
from aumconnect._pumps.tasks import apump
from aumconnect._pumps.threads import Crew, pump

__all__ = ["Crew", "OnOutcomes", "Row", "apump", "pump"]

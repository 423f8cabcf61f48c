"""Named, repeatable jobs: source, mapping, target and policy; planned, applied and remembered in a ledger.

A row's way: `jobfile` says where it goes, `_staging` drops it if the ledger knows it to be written, `_comparing`
reads what the system has, `diff` says what would change, `guard` may stop the plan, `_applying` hands it to the
engine, whose journal is the `ledger`. `project` is the door to all of it; `rejects` is the way back.
"""

from aumconnect.writeback.jobfile import json_schema
from aumconnect.writeback.ledger import Ledger, RunRecord
from aumconnect.writeback.plan import Plan
from aumconnect.writeback.project import Project, Writeback
from aumconnect.writeback.rejects import Rejects

__all__ = ["Ledger", "Plan", "Project", "Rejects", "RunRecord", "Writeback", "json_schema"]

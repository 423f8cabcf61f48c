"""From source rows to changes, by one description that a Record class and a job file share.

`ir` is the description, `tables` reads it from a job file (`aumconnect.record` from a class), `bind` fits it to
a remote object's schema and `preflight` says what does not fit. `mapper` carries it out: `validate` types the
rows (`convert` knows the traps), `steps` scale and round, `duplicates` finds keys seen before.
"""

from aumconnect._mapping.ir import Column, Mapping

__all__ = ["Column", "Mapping"]

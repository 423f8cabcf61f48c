"""What happens next to the rows of one write: a pure state machine and its parts.

`machine` is the whole; `steps` is what it tells a pump. Rows wait in `chunks` until they are sent; `aim` finds the
records they mean, `watch` looks at every attempt, `settle` reads the answers, `trouble` knows what to do about the
others, `health` when the system is not well, and `books` what goes to the journal.
"""

from aumconnect.engine.machine import Engine
from aumconnect.engine.steps import Commit, Done, Note, Send, Settings, SleepUntil, Step, Take

__all__ = ["Commit", "Done", "Engine", "Note", "Send", "Settings", "SleepUntil", "Step", "Take"]

"""Rows that did not simply work: to be tried again, to be looked up, or to be given up."""

from __future__ import annotations

import heapq
import random as _random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from aumconnect._limits import RetryBudget
from aumconnect.connector import Change, Connector, Guarantee, Operation
from aumconnect.engine.aim import readable
from aumconnect.engine.books import Books
from aumconnect.engine.chunks import Chunk, Purpose, Rows, claims_of
from aumconnect.engine.settle import DEFINITE, PLAIN, Verdict, judge, match, refusals, unsent
from aumconnect.engine.steps import Settings
from aumconnect.errors import RequestRefused
from aumconnect.outcome import Outcome, Problem, Status

__all__ = ["Trouble"]

REPEATABLE = frozenset({Guarantee.IDEMPOTENT, Guarantee.KEYED})


class Trouble:
    """Turns the end of a send into outcomes, and into more work where rows are still open.

    ``parked`` chunks wait for their time: to be sent again as they are, or to be looked up.
    """

    def __init__(
        self,
        connector: Connector,
        operation: Operation,
        guarantee: Guarantee,
        settings: Settings,
        rows: Rows,
        books: Books,
        budget: RetryBudget,
        random: _random.Random,
    ) -> None:
        self._connector = connector
        self._operation = operation
        self._guarantee = guarantee
        self._settings = settings
        self._rows = rows
        self._books = books
        self._budget = budget
        self._random = random
        self._parked: list[tuple[float, int, Chunk]] = []
        self._order = count()
        self._tries: Counter[int] = Counter()
        self._doubtful: set[int] = set()

    # --- what a send brought ---

    def answered(self, chunk: Chunk, outcomes: Sequence[Outcome], now: float) -> None:
        """The exchange returned: one outcome a row, it should be."""
        chunk.in_doubt |= chunk.watch.in_doubt
        matched, breach = match(chunk, outcomes)
        if breach is not None:
            self._books.halt(breach)
        if not (chunk.in_doubt or self._doubtful) and {outcome.status for outcome in matched} <= PLAIN:
            self._finish(chunk, matched, now)
        else:
            self._sort(chunk, matched, now)

    def told_early(self, chunk: Chunk, outcomes: Sequence[Outcome], now: float) -> None:
        """Some rows have ended although the exchange goes on with the others."""
        told = {outcome.ref for outcome in outcomes}
        part = chunk.narrowed([change for change in chunk.changes if change.ref in told], Purpose.WRITE, part=True)
        chunk.batch = replace(chunk.batch, changes=tuple(c for c in chunk.changes if c.ref not in told))
        self._sort(part, match(part, outcomes)[0], now)

    def broke(self, chunk: Chunk, error: BaseException, now: float) -> None:
        """The exchange ended with an exception."""
        doubt = chunk.watch.doubts(error)
        chunk.in_doubt |= doubt
        if isinstance(error, RequestRefused) and error.error_class in DEFINITE and not doubt:
            self._refused(chunk, error, now)
        elif chunk.checkpoint is not None and self._pay(chunk):
            self._park(chunk.again(Purpose.RESUME), now + self._pause(chunk.tries))
        elif chunk.in_doubt:
            self._in_doubt(chunk, now)
        else:
            floor = getattr(error, "retry_after", None) or 0.0
            self._conclude(
                chunk, [], list(zip(chunk.changes, unsent(chunk.changes, error), strict=True)), [], now, floor
            )

    def looked_up(self, chunk: Chunk, fates: Sequence[Outcome | None], now: float) -> None:
        """Reading told what became of rows; None is a row that was not carried out."""
        final = [fate for fate in fates if fate is not None]
        absent = [change for change, fate in zip(chunk.changes, fates, strict=True) if fate is None]
        self._doubtful.difference_update(change.ref for change in absent)
        problem = Problem("not-carried-out", "the system did not carry the write out")
        again = [(change, Outcome.failed(change.ref, problem, id=change.id, key=change.key)) for change in absent]
        self._conclude(chunk, final, again, [], now)

    def not_looked_up(self, chunk: Chunk, error: BaseException, now: float) -> None:
        """Reading failed too: later again, or never."""
        if self._pay(chunk):
            self._park(chunk.again(Purpose.RECONCILE), now + self._pause(chunk.tries))
        else:
            self._finish(chunk, [_unknown(c, "it could not be read back") for c in chunk.changes], now)

    def recovered(self, chunk: Chunk, last_sent: float) -> Chunk | None:
        """A chunk of a run that died: what to send at once, or None when it must wait to be looked up."""
        self._doubtful.update(change.ref for change in chunk.changes)
        if chunk.checkpoint is not None:
            chunk.purpose = Purpose.RESUME
        elif self._guarantee not in REPEATABLE:
            self._look_up(chunk, chunk.changes, last_sent)
            return None
        return chunk

    # --- what waits ---

    @property
    def due(self) -> float:
        """When the next parked chunk is due; infinite for none."""
        return self._parked[0][0] if self._parked else float("inf")

    def take_due(self, now: float) -> list[Chunk]:
        """Parked chunks whose time has come."""
        due: list[Chunk] = []
        while self._parked and self._parked[0][0] <= now:
            due.append(heapq.heappop(self._parked)[2])
        return due

    def give_up(self, until: float, reason: str, now: float) -> None:
        """Whatever is parked until later than ``until`` stays unknown."""
        late = [entry for entry in self._parked if entry[0] > until]
        self._parked = [entry for entry in self._parked if entry[0] <= until]
        heapq.heapify(self._parked)
        for _, _, chunk in sorted(late, key=lambda entry: entry[1]):
            self._finish(chunk, [_unknown(change, reason) for change in chunk.changes], now)

    def abandon(self, chunk: Chunk, error: Exception, now: float, *, sent: bool = False) -> None:
        """A chunk that will not be sent any more, or whose answer nobody waits for (``sent``)."""
        self._finish(chunk, self._left(chunk.changes, error, sent or chunk.in_doubt), now)

    def abandon_rows(self, changes: Sequence[Change], error: Exception, now: float) -> None:
        """Rows that are in no chunk and will not be sent any more."""
        self._books.record(None, self._left(changes, error, False), now)
        self._rows.release(claims_of(changes))

    def _left(self, changes: Sequence[Change], error: Exception, doubt: bool) -> list[Outcome]:
        failed = unsent(changes, error)
        return [
            _unknown(change, "the run ended before it was settled")
            if doubt or change.ref in self._doubtful
            else outcome
            for change, outcome in zip(changes, failed, strict=True)
        ]

    # --- row by row ---

    def _sort(self, chunk: Chunk, outcomes: Sequence[Outcome], now: float) -> None:
        final: list[Outcome] = []
        again: list[tuple[Change, Outcome]] = []
        doubted: list[Change] = []
        for change, outcome in zip(chunk.changes, outcomes, strict=True):
            in_doubt = chunk.in_doubt or change.ref in self._doubtful
            verdict, told = judge(outcome, self._operation, in_doubt=in_doubt, tries=self._tries[change.ref])
            if verdict is Verdict.FINAL:
                final.append(told)
            elif verdict is Verdict.AGAIN:
                again.append((change, told))
            else:
                doubted.append(change)
        if chunk.in_doubt:
            self._doubtful.update(change.ref for change, _ in again)
        self._conclude(chunk, final, again, doubted, now)

    def _conclude(
        self,
        chunk: Chunk,
        final: Sequence[Outcome],
        again: Sequence[tuple[Change, Outcome]],
        doubted: Sequence[Change],
        now: float,
        floor: float = 0.0,
    ) -> None:
        worth, spent = self._affordable(again)
        doubted = [*doubted, *(change for change, _ in spent if change.ref in self._doubtful)]
        final = [*final, *(outcome for change, outcome in spent if change.ref not in self._doubtful)]
        self._finish(chunk, final, now)
        if worth:
            if not (doubted or chunk.part) and self._doubtful.isdisjoint(change.ref for change in worth):
                self._books.attempted(chunk, sent=False, now=now)
            pause = self._pause(max(self._tries[change.ref] for change in worth))
            self._rows.add_again(worth, now + max(floor, pause))
        if doubted:
            self._books.attempted(chunk, sent=True, now=now)
            self._look_up(chunk, doubted, now)

    def _affordable(self, again: Sequence[tuple[Change, Outcome]]) -> tuple[list[Change], list[tuple[Change, Outcome]]]:
        """The rows that may be tried again, one budget token for all of them, and those that may not."""
        fresh = [change for change, _ in again if self._tries[change.ref] + 1 < self._settings.retry.attempts]
        if not fresh or not self._budget.spend():
            return [], list(again)
        self._tries.update(change.ref for change in fresh)
        refs = {change.ref for change in fresh}
        return fresh, [(change, outcome) for change, outcome in again if change.ref not in refs]

    def _finish(self, chunk: Chunk, outcomes: Sequence[Outcome], now: float) -> None:
        """Record final outcomes and let go of their records."""
        self._books.record(chunk.number, outcomes, now)
        if len(outcomes) == len(chunk.changes) == len(chunk.claims):
            self._rows.release(chunk.claims)
        else:
            ended = {outcome.ref for outcome in outcomes}
            self._rows.release(claims_of(change for change in chunk.changes if change.ref in ended))
        if self._tries or self._doubtful:
            for outcome in outcomes:
                self._tries.pop(outcome.ref, None)
                self._doubtful.discard(outcome.ref)

    # --- whole chunks ---

    def _refused(self, chunk: Chunk, error: RequestRefused, now: float) -> None:
        """The system said no to the request: to its one row, to each of its rows, or to one that hides among them."""
        size = len(chunk.changes)
        if size == 1 or self._connector.capabilities.bad_row == "spared":
            self._sort(chunk, refusals(chunk, error), now)
            return
        if chunk.in_doubt:
            self._doubtful.update(change.ref for change in chunk.changes)
        else:
            self._books.attempted(chunk, sent=False, now=now)
        self._rows.add_split(chunk.changes[: size // 2])
        self._rows.add_split(chunk.changes[size // 2 :])

    def _in_doubt(self, chunk: Chunk, now: float) -> None:
        """Nobody told whether the chunk was carried out."""
        self._books.attempted(chunk, sent=True, now=now)
        chunk.in_doubt = True
        if self._guarantee in REPEATABLE and self._pay(chunk):
            self._park(chunk.again(Purpose.WRITE), now + self._pause(chunk.tries))
        else:
            self._look_up(chunk, chunk.changes, now)

    def _look_up(self, chunk: Chunk, changes: Sequence[Change], last_sent: float) -> None:
        """Park these rows until the system can no longer carry them out; give up those that cannot be read."""
        can = [change for change in changes if readable(self._connector, chunk.batch, change)]
        cannot = [change for change in changes if not readable(self._connector, chunk.batch, change)]
        if can:
            self._doubtful.update(change.ref for change in can)
            settled_at = last_sent + self._connector.capabilities.settle_time
            self._park(chunk.narrowed(can, Purpose.RECONCILE, part=bool(cannot)), settled_at)
        if cannot:
            self._unreadable(chunk.narrowed(cannot, Purpose.WRITE, part=bool(can)), last_sent)

    def _unreadable(self, chunk: Chunk, now: float) -> None:
        if self._settings.allow_duplicates and self._pay(chunk):
            self._park(chunk.again(Purpose.WRITE), now + self._pause(chunk.tries))
        else:
            self._finish(chunk, [_unknown(c, "it cannot be read back") for c in chunk.changes], now)

    def _park(self, chunk: Chunk, due: float) -> None:
        heapq.heappush(self._parked, (due, next(self._order), chunk))

    def _pay(self, chunk: Chunk) -> bool:
        """Whether this very chunk may be sent once more."""
        return chunk.tries + 1 < self._settings.retry.attempts and self._budget.spend()

    def _pause(self, tries: int) -> float:
        return self._settings.retry.pause(max(1, tries), self._random)


def _unknown(change: Change, reason: str) -> Outcome:
    return Outcome(change.ref, Status.UNKNOWN, id=change.id, key=change.key, reason=reason)

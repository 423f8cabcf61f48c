"""Guards: limits on what a plan may do. One that is exceeded stops the plan before anything is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aumconnect.errors import ConfigurationError, GuardTripped
from aumconnect.writeback.jobfile import GuardLimit

__all__ = ["GuardResult", "evaluate", "only_counts", "stop_at"]

WHAT = {
    "changed": "rows in which a value gives way to another",
    "cleared": "rows in which a value is emptied",
    "created": "rows that make a new record",
    "unmatched": "rows whose key no record has",
    "rejected": "rows that cannot be written",
}


@dataclass(frozen=True, slots=True)
class GuardResult:
    """One guard held against a plan. ``unsure`` of the counted rows were not compared and count as the worst."""

    name: str
    limit: GuardLimit
    count: int
    unsure: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total if self.total else 0.0

    @property
    def tripped(self) -> bool:
        """A plan without rows cannot be judged, and does not pass a guard that would judge it."""
        if self.total == 0:
            return True
        if isinstance(self.limit.limit, float):
            return self.share > self.limit.limit and self.count >= self.limit.minimum
        return self.count > self.limit.limit

    def __str__(self) -> str:
        allowed = f"{self.limit.limit:.4g}" if isinstance(self.limit.limit, int) else f"{self.limit.limit:.1%}"
        if self.total == 0:
            return f"{self.name}: the source has no rows, so this guard cannot be judged"
        unsure = f", {self.unsure:,} of them because they could not be compared" if self.unsure else ""
        return (
            f"{self.name}: {self.count:,} of {self.total:,} rows ({self.share:.1%}) are {WHAT[self.name]}"
            f"{unsure}; the limit is {allowed}"
        )


def evaluate(
    limits: Mapping[str, GuardLimit], counts: Mapping[str, int], unsure: Mapping[str, int], total: int
) -> list[GuardResult]:
    """Every guard's result, from the counts of rows by guard name."""
    return [
        GuardResult(name, limit, counts.get(name, 0) + unsure.get(name, 0), unsure.get(name, 0), total)
        for name, limit in limits.items()
    ]


def only_counts(limits: Mapping[str, GuardLimit]) -> dict[str, GuardLimit]:
    """Without the shares: rows that a person picked and sends again are no sample of the source."""
    return {name: limit for name, limit in limits.items() if isinstance(limit.limit, int)}


def stop_at(results: Collection[GuardResult], overridden: Collection[str]) -> None:
    """Raise `GuardTripped` for every exceeded guard that nobody overrode by its name."""
    names = {result.name for result in results}
    if strange := [name for name in overridden if name not in names]:
        raise ConfigurationError(
            f"there is no guard {strange[0]!r} to override", hint=f"there are: {', '.join(sorted(names)) or 'none'}"
        )
    tripped = [result for result in results if result.tripped and result.name not in overridden]
    if tripped:
        override = " ".join(f"--override {result.name}" for result in tripped)
        raise GuardTripped(
            "\n  ".join(["the plan was stopped, nothing was written", *map(str, tripped)]),
            hint=f"look at the plan; to go on all the same: {override}",
        )

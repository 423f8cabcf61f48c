"""Limits are arithmetic: they never let more through than agreed, and never block for good."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from aumconnect._limits import Concurrency, QuotaShare, RateLimit, RetryBudget


@given(st.lists(st.booleans(), max_size=500))
def test_repeats_never_exceed_ten_and_a_tenth_of_first_attempts(asks: list[bool]) -> None:
    budget, firsts, repeats = RetryBudget(), 0, 0
    for is_repeat in asks:
        if is_repeat:
            repeats += budget.spend()
        else:
            budget.first()
            firsts += 1

    assert repeats <= 10 + 0.1 * firsts + 1e-6


def test_a_long_calm_pays_for_a_bounded_storm() -> None:
    budget = RetryBudget(start=10, most=100)
    for _ in range(100_000):
        budget.first()

    assert sum(budget.spend() for _ in range(1000)) == 100


def test_threads_cannot_overdraw_the_budget() -> None:
    budget, paid = RetryBudget(start=50), []

    def spend() -> None:
        paid.extend([budget.spend() for _ in range(40)])

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(paid) == 50


@given(st.integers(1, 5), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_window_ever_holds_more_requests_than_agreed(allowed: int, gaps: list[float]) -> None:
    limit, now, sent = RateLimit(allowed, 10.0), 0.0, []
    for gap in gaps:
        now += gap
        while free_at := limit.reserve(now):
            assert free_at > now
            now = free_at
        sent.append(now)

    for start in sent:
        assert sum(start <= moment < start + 10.0 - 1e-9 for moment in sent) <= allowed


def test_while_the_system_asked_for_a_pause_nobody_sends() -> None:
    limit = RateLimit()
    limit.pause(30.0)
    limit.pause(20.0)

    assert limit.reserve(29.0) == 30.0
    assert limit.reserve(30.0) == 0.0


def test_throttling_halves_once_a_round_and_calm_raises_by_one() -> None:
    parallel = Concurrency(8)
    for _ in range(5):
        parallel.throttled()
    assert parallel.limit == 4

    for _ in range(4):
        parallel.answered()
    assert parallel.limit == 5

    parallel.throttled()
    assert parallel.limit == 2


@given(st.integers(1, 20), st.lists(st.booleans(), max_size=300))
def test_concurrency_stays_between_one_and_what_the_connector_allows(most: int, news: list[bool]) -> None:
    parallel = Concurrency(most)
    for throttled in news:
        parallel.throttled() if throttled else parallel.answered()
        assert 1 <= parallel.limit <= most

    for _ in range(most * most + most):
        parallel.answered()
    assert parallel.limit == most


def test_our_share_of_a_quota_is_spent_before_all_of_it_is() -> None:
    share = QuotaShare(0.9)

    assert not share.spent(89, 100)
    assert share.spent(90, 100)
    assert not share.spent(0, 0)

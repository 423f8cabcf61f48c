"""What holds for the whole suite: in CI nothing is skipped unseen."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import settings

settings.register_profile("any machine", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("any machine")

MAY_SKIP = ("AUMCONNECT_VENDOR_SPECS", "lets nobody trace processes")
"""Words in the reason of a skip that is right even where everything is installed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails, but for those in MAY_SKIP")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(word in reason for word in MAY_SKIP):
            report.outcome = "failed"
            report.longrepr = f"skipped, and nothing may be with --no-skips: {reason}"
    return report

"""The emulator's page, used as a person would in headless Chromium, and judged by axe-core."""

import json

import httpx
import pytest

from aumconnect.testing.emulator import serve
from aumconnect.testing.fakes.memory import FakeMemory

WRITE = {"operation": "upsert", "key": ["code"], "rows": [{"ref": 0, "values": {"code": "A-000", "score": 1}}]}
TASK = {"object": "Item", "search": "a-077", "field": "score", "value": "0.25"}


@pytest.fixture(
    scope="module", params=[(1280, "light"), (1280, "dark"), (390, "light")], ids=lambda case: f"{case[0]}-{case[1]}"
)
def visit(node, chromium, request):
    """What the browser saw, and the fake it was shown."""
    width, colors = request.param
    fake = FakeMemory()
    for number in range(120):
        fake.add("Item", code=f"A-{number:03}", label=f"Item {number}", score=number / 120, band="mid")
    with serve(fake) as emulator:
        httpx.post(f"{emulator.url}/objects/Item/write", json=WRITE).raise_for_status()
        return node("page.mjs", emulator.url, str(width), colors, json.dumps(TASK), chromium), fake


@pytest.mark.parametrize("trouble", ["console", "errors", "elsewhere", "overflow", "barriers"])
def test_there_is_no(visit, trouble):
    """No console message, failed script, request elsewhere, sideways scrolling, or barrier axe-core knows."""
    seen, _ = visit

    assert seen[trouble] == []


def test_an_edit_made_in_the_page_is_a_persons_in_the_fake(visit):
    seen, fake = visit

    assert float(fake["Item"].one(code="A-077")["score"]) == 0.25
    assert (fake.changes[-1].field, fake.changes[-1].by) == ("score", "person")
    assert "person" in seen["history"]
    assert "0.25" in seen["changes"]
    assert "POST" in seen["requests"]

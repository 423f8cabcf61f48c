"""The emulator's page shows and edits a fake's records, and only to whom it should."""

import re
from base64 import b64encode
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

import httpx
import pytest

from aumconnect.testing.emulator import Emulator, serve
from aumconnect.wire import Request, Response

OURS = {"X-Emulator-Page": "1"}


@dataclass
class Change:
    object: str
    id: str
    field: str
    old: Any
    new: Any
    request: int | None = None
    at: float = 1_700_000_000.0
    by: str = ""


class FakeShelf:
    """The least a fake must let be seen."""

    def __init__(self) -> None:
        self.books = [
            {"id": f"b{number}", "title": f"Book {number}", "price": Decimal("9.50"), "note": None}
            for number in range(120)
        ]
        self.changes: list[Change] = []
        self.expired = 0

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {"book": self.books, "author": []}

    def editable(self, object: str) -> list[str]:
        return ["title", "price", "note"]

    def edit(self, object: str, id: str, field: str, value: Any, *, by: str) -> None:
        book = next((book for book in self.books if book["id"] == id), None)
        if book is None:
            raise LookupError(f"no {object} {id}")
        if field == "price" and value < 0:
            raise ValueError("a price is not negative")
        self.changes.append(Change(object, id, field, book[field], value, by=by))
        book[field] = value

    def expire_tokens(self) -> None:
        self.expired += 1

    def __call__(self, request: Request) -> Response:
        if request.method == "PUT":
            self.changes.append(Change("book", "b7", "note", None, "sold", request=1))
            self.books[7]["note"] = "sold"
        return Response(200, body=b"done")


@pytest.fixture
def shelf():
    return FakeShelf()


@pytest.fixture
def emulator(shelf):
    with serve(shelf) as running:
        yield running


def see(emulator: Emulator, name: str, **query: Any) -> Any:
    return httpx.get(f"{emulator.url}/__emulator__/api/{name}", params=query).raise_for_status().json()


def post(emulator: Emulator, name: str, content: Any, headers: dict[str, str] = OURS) -> httpx.Response:
    return httpx.post(f"{emulator.url}/__emulator__/api/{name}", json=content, headers=headers)


class TestDocument:
    def test_it_is_one_document_without_outside_parts(self, emulator):
        page = httpx.get(f"{emulator.url}/__emulator__/")

        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert not re.search(r"""(src|href)=["'](?!data:)""", page.text)
        assert "@import" not in page.text

    def test_its_policy_allows_its_own_style_and_script_and_nothing_else(self, emulator):
        page = httpx.get(f"{emulator.url}/__emulator__/")
        policy = page.headers["content-security-policy"]

        for tag in ("style", "script"):
            part = re.search(f"<{tag}>(.*)</{tag}>", page.text, re.DOTALL).group(1)
            digest = b64encode(sha256(part.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy

    def test_the_page_itself_is_no_request_of_the_fake(self, emulator):
        httpx.get(f"{emulator.url}/__emulator__/")

        assert see(emulator, "overview")["requests"] == 0


class TestRecords:
    def test_the_overview_names_and_counts(self, emulator):
        found = see(emulator, "overview")

        assert found["title"] == "Shelf emulator"
        assert found["objects"] == [{"name": "book", "records": 120}, {"name": "author", "records": 0}]

    def test_records_come_in_pages(self, emulator):
        pages = [see(emulator, "records", object="book", page=page) for page in (1, 2, 3)]

        assert [row["id"] for page in pages for row in page["rows"]] == [f"b{number}" for number in range(120)]
        assert {(page["total"], page["pages"]) for page in pages} == {(120, 3)}

    @pytest.mark.parametrize(("asked", "given"), [("0", 1), ("99", 3), ("-1", 1), ("x", 1)])
    def test_a_page_beyond_the_ends_is_the_nearest(self, emulator, asked, given):
        assert see(emulator, "records", object="book", page=asked)["page"] == given

    def test_search_looks_into_every_value_whatever_its_case(self, emulator):
        found = see(emulator, "records", object="book", search="BOOK 11")

        assert [row["id"] for row in found["rows"]] == ["b11", *(f"b{number}" for number in range(110, 120))]

    def test_columns_are_those_that_hold_something_changed_ones_first(self, emulator):
        assert see(emulator, "records", object="book")["columns"] == ["id", "title", "price"]

        httpx.put(emulator.url)
        assert see(emulator, "records", object="book")["columns"] == ["id", "note", "title", "price"]

    def test_decimals_are_shown_as_numbers(self, emulator):
        assert see(emulator, "records", object="book")["rows"][0]["price"] == 9.5

    def test_an_unknown_object_is_told(self, emulator):
        reply = httpx.get(f"{emulator.url}/__emulator__/api/records?object=shoe")

        assert reply.status_code == 400
        assert reply.json() == {"error": "there is no object 'shoe'"}


class TestRequestsAndChanges:
    def test_requests_are_listed_newest_first(self, emulator):
        httpx.get(f"{emulator.url}/a?b=1")
        httpx.post(f"{emulator.url}/c", content=b"12345")

        newest, oldest = see(emulator, "requests")["rows"]
        assert (oldest["number"], oldest["method"], oldest["target"], oldest["status"]) == (1, "GET", "/a?b=1", 200)
        assert (newest["number"], newest["received"], newest["sent"]) == (2, 5, 4)
        assert 0 <= newest["seconds"] < 1

    def test_a_change_says_which_request_made_it(self, emulator):
        httpx.put(emulator.url)

        assert see(emulator, "changes")["rows"] == [
            {"object": "book", "id": "b7", "field": "note", "kind": "changed", "old": None, "new": "sold"}
            | {"request": 1, "at": 1_700_000_000.0, "by": ""}
        ]

    def test_a_record_made_or_deleted_is_one_change(self, emulator, shelf):
        shelf.changes.append(Change("book", "b120", "", None, {"title": "New"}))
        shelf.changes.append(Change("book", "b120", "", {"title": "New"}, None))

        kinds = [(row["kind"], row["old"], row["new"]) for row in see(emulator, "changes")["rows"]]
        assert kinds == [("deleted", None, None), ("created", None, None)]

    def test_a_record_comes_with_its_history(self, emulator):
        httpx.put(emulator.url)

        found = see(emulator, "record", object="book", id="b7")
        assert found["record"]["note"] == "sold"
        assert [change["field"] for change in found["history"]] == ["note"]
        assert found["editable"] == ["title", "price", "note"]
        assert see(emulator, "record", object="book", id="gone")["record"] is None


class TestEditing:
    def test_an_edit_is_a_persons(self, emulator, shelf):
        reply = post(emulator, "edit", {"object": "book", "id": "b3", "field": "title", "value": "By hand"})

        assert reply.json()["record"]["title"] == "By hand"
        assert shelf.books[3]["title"] == "By hand"
        assert [(change.by, change.request) for change in shelf.changes] == [("person", None)]

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ({"object": "book", "id": "b3", "field": "price", "value": -1}, "a price is not negative"),
            ({"object": "book", "id": "zz", "field": "price", "value": 1}, "no book zz"),
            ({"object": "book", "id": 3, "field": "price", "value": 1}, "'id' must be text"),
            (["book"], "send a JSON object"),
        ],
    )
    def test_what_the_fake_refuses_is_told(self, emulator, arguments, why):
        reply = post(emulator, "edit", arguments)

        assert reply.status_code == 400
        assert reply.json() == {"error": why}


class TestMishaps:
    def test_a_lost_reply_was_carried_out(self, emulator, shelf):
        post(emulator, "fault", {"kind": "lose-reply"})

        with pytest.raises(httpx.RemoteProtocolError):
            httpx.put(emulator.url)
        assert shelf.books[7]["note"] == "sold"
        assert see(emulator, "requests")["rows"][0]["fault"] == "Drop"
        assert httpx.get(emulator.url).status_code == 200

    def test_an_answer_503_was_not_carried_out(self, emulator, shelf):
        assert post(emulator, "fault", {"kind": "unavailable"}).json()["waiting"] == ["unavailable"]

        assert httpx.put(emulator.url).status_code == 503
        assert shelf.books[7]["note"] is None
        assert httpx.put(emulator.url).status_code == 200

    def test_tokens_expire_where_the_fake_can(self, emulator, shelf):
        post(emulator, "fault", {"kind": "expire-token"})
        assert shelf.expired == 1

        with serve(lambda request: Response(200)) as plain:
            assert see(plain, "overview")["faults"] == ["lose-reply", "unavailable"]
            assert post(plain, "fault", {"kind": "expire-token"}).status_code == 400


EDIT = {"object": "book", "id": "b3", "field": "title", "value": "x"}


class TestOtherSites:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-Emulator-Page": "0"},
            OURS | {"Origin": "http://evil.example"},
            OURS | {"Origin": "null"},
            OURS | {"Sec-Fetch-Site": "cross-site"},
            OURS | {"Sec-Fetch-Site": "same-site"},
        ],
    )
    def test_a_post_that_may_come_from_another_site_is_refused(self, emulator, shelf, headers):
        assert post(emulator, "edit", EDIT, headers).status_code == 403
        assert shelf.changes == []

    def test_a_form_cannot_post(self, emulator, shelf):
        url = f"{emulator.url}/__emulator__/api/edit"
        assert httpx.post(url, content=b"{}", headers=OURS | {"Content-Type": "text/plain"}).status_code == 415
        assert shelf.changes == []

    def test_the_pages_own_post_is_taken(self, emulator):
        headers = OURS | {"Origin": emulator.url, "Sec-Fetch-Site": "same-origin"}
        assert post(emulator, "edit", EDIT, headers).status_code == 200

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example"])
    @pytest.mark.parametrize("path", ["", "api/records?object=book"])
    def test_a_name_pointed_at_us_by_somebody_else_sees_nothing(self, emulator, host, path):
        reply = httpx.get(f"{emulator.url}/__emulator__/{path}", headers={"Host": host})

        assert reply.status_code == 403
        assert "Book" not in reply.text

    @pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:9000", "192.168.1.7"])
    def test_addresses_and_localhost_are_ours(self, emulator, host):
        assert httpx.get(f"{emulator.url}/__emulator__/", headers={"Host": host}).status_code == 200

    def test_no_preflight_is_ever_granted(self, emulator):
        reply = httpx.options(f"{emulator.url}/__emulator__/api/edit", headers={"Origin": "http://evil.example"})

        assert reply.status_code == 405
        assert "access-control-allow-origin" not in reply.headers


def test_there_is_nothing_else(emulator):
    assert httpx.get(f"{emulator.url}/__emulator__/api/nothing").status_code == 404
    assert httpx.get(f"{emulator.url}/__emulator__/page.css").status_code == 404
    assert post(emulator, "nothing", {}).status_code == 404


def test_a_plain_callable_still_shows_its_requests():
    def hello(request: Request) -> Response:
        return Response(200, body=b"hello")

    with serve(hello) as emulator:
        httpx.get(emulator.url)
        assert see(emulator, "overview")["title"] == "hello emulator"
        assert see(emulator, "requests")["total"] == 1
        assert post(emulator, "edit", {"object": "a", "id": "b", "field": "c"}).status_code == 400

"""Reading in windows of time, by marks, from several lists: where pages begin, where a sync goes on."""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from integrations import answers
from integrations.answers import Moved, Reply, TooMany, decode_rows
from integrations.paging import (
    Answer,
    BehindLast,
    BodyToken,
    InPaths,
    InQuery,
    MarkedPages,
    Offset,
    PageOrToken,
    Position,
    cut,
)
from integrations.reading import Answered, Cursor, Reader, first_state
from integrations.requesting import Request, allowed_address, filled, with_body
from integrations.spec import Bookmark, Children, Connector, Each, Incremental, Read, Said, Stream, Window
from ledgerhub.core.errors import ConfigError, TransientError

NOW = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)
WINDOWED = Stream(
    key="sales",
    label="Sales",
    outputs=(),
    read=Read("/sales", records="rows", paginator=BodyToken("token", "next")),
    incremental=Incremental("at", "from", overlap=3600, window=Window("to", days=10, lag=7200, history=30)),
)
MARKED = Stream(
    key="lines",
    label="Lines",
    outputs=(),
    read=Read(
        "/sync",
        records=("added", "removed"),
        paginator=MarkedPages("cursor", "next_cursor", "has_more"),
        method="POST",
        body="json",
    ),
    incremental=Bookmark("next_cursor"),
)


class Script:
    """Answers by turns; an exception is raised, what was asked for is kept."""

    def __init__(self, *turns: Any) -> None:
        self.turns = list(turns)
        self.asked: list[dict[str, Any]] = []
        self.reads: list[Read] = []
        self.values: list[dict[str, Any]] = []

    def __call__(
        self,
        read: Read,
        values: Mapping[str, Any],
        params: Mapping[str, Any],
        *,
        purpose: str,
        url: str = "",
        cost: float | None = None,
    ) -> Answered:
        self.asked.append({**params})
        self.reads.append(read)
        self.values.append({**values})
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return Answered(turn, {}, len(self.asked))


def run(stream: Stream, script: Script, cursor: Cursor | None = None, since: dt.date | None = None) -> Any:
    """(ids read, cursor kept at the end) of a whole sync."""
    connector = Connector("made_up", "Made Up", "other", "", (stream,))
    reader = Reader(connector, script)
    state: Any = first_state(stream, cursor, since, now=NOW)
    found = []
    while state is not None:
        page = reader.fetch_page(stream, state, now=NOW)
        found += [row["id"] for row in page.records]
        state = page.next
    return found, page.cursor


def rows(*ids: str, **more: Any) -> dict[str, Any]:
    return {"rows": [{"id": one} for one in ids], **more}


def test_windows_lead_from_the_start_to_what_the_system_knows_by_now() -> None:
    script = Script(rows("a"), rows("b", next="t"), rows("c"), rows())
    found, cursor = run(WINDOWED, script, since=dt.date(2026, 3, 5))
    assert found == ["a", "b", "c"]
    assert script.asked == [
        {"from": "2026-03-05T00:00:00Z", "to": "2026-03-15T00:00:00Z"},
        {"from": "2026-03-15T00:00:00Z", "to": "2026-03-25T00:00:00Z"},
        {"from": "2026-03-15T00:00:00Z", "to": "2026-03-25T00:00:00Z", "token": "t"},
        {"from": "2026-03-25T00:00:00Z", "to": "2026-03-31T10:00:00Z"},
    ]
    assert cursor == {"at": "2026-03-31T10:00:00Z"}


def test_the_next_sync_begins_behind_the_last_window_less_the_overlap() -> None:
    script = Script(rows("d"))
    run(WINDOWED, script, cursor={"at": "2026-03-31T09:00:00Z"})
    assert script.asked == [{"from": "2026-03-31T08:00:00Z", "to": "2026-03-31T10:00:00Z"}]


def test_without_a_start_it_goes_as_far_back_as_there_is() -> None:
    script = Script(rows(), rows(), rows())
    run(WINDOWED, script)
    assert [asked["from"] for asked in script.asked] == [
        "2026-03-01T12:00:00Z", "2026-03-11T12:00:00Z", "2026-03-21T12:00:00Z",
    ]  # fmt: skip


def test_what_a_system_finds_by_another_date_is_asked_for_too_and_taken_by_its_own_day() -> None:
    """A bonus is found by its pay period: one paid in the window for a period before it belongs to it, one
    paid before does not; on the day a window ends it is the next one's, on the last day it is taken."""
    window = Window("to", days=10, lag=7200, margin=(40, 5))
    stream = replace(WINDOWED, incremental=Incremental("at", "from", format="date", window=window))
    days = {"early": "2026-03-04", "first": "2026-03-05", "edge": "2026-03-15", "today": "2026-03-31"}
    listed = {"rows": [{"id": name, "at": day} for name, day in days.items()] + [{"id": "dateless"}]}
    script = Script(listed, listed, listed)
    found, cursor = run(stream, script, since=dt.date(2026, 3, 5))
    assert script.asked == [
        {"from": "2026-01-24", "to": "2026-03-20"},
        {"from": "2026-02-03", "to": "2026-03-30"},
        {"from": "2026-02-13", "to": "2026-04-05"},
    ]
    assert found == ["first", "dateless", "edge", "dateless", "today", "dateless"]
    assert cursor == {"at": "2026-03-31T10:00:00Z"}


def test_what_belongs_to_a_record_of_other_days_is_not_asked_for() -> None:
    window = Window("to", days=10, margin=(40, 0))
    checks = Children("checks", Read("/checks/{id}", records="rows"))
    stream = replace(WINDOWED, incremental=Incremental("at", "from", window=window), children=(checks,))
    listed = {"rows": [{"id": "a", "at": "2026-03-01"}, {"id": "b", "at": "2026-03-30"}]}
    script = Script(listed, {"rows": []})
    assert run(stream, script, since=dt.date(2026, 3, 25))[0] == ["b"]
    assert script.values[1] == {"id": "b"}


def test_a_token_that_must_come_alone() -> None:
    alone = BodyToken("token", "next", alone=True)
    stream = replace(WINDOWED, read=Read("/sales", {"kind": "all"}, "rows", alone))
    script = Script(rows("a", next="t"), rows("b"))
    found, cursor = run(stream, script, since=dt.date(2026, 3, 25))
    assert (found, script.asked[1], script.reads[1].params) == (["a", "b"], {"token": "t"}, {})
    assert script.reads[0].params == {"kind": "all"}
    assert cursor == {"at": "2026-03-31T10:00:00Z"}


def test_an_address_that_is_good_for_minutes_is_asked_for_first_and_not_kept() -> None:
    address = Read("/documents/{document}")
    lines = Children(
        "lines",
        Read("{url}", records="rows", public=True, hosts=("files.example",)),
        values=lambda record: {"document": record["id"]},
        first=address,
    )
    stream = replace(WINDOWED, children=(lines,))
    script = Script(rows("d1"), {"url": "https://files.example/1?signature=x", "document": "no"}, rows("a"))
    reader = Reader(Connector("made_up", "Made Up", "other", "", (stream,)), script)
    page = reader.fetch_page(stream, first_state(stream, None, dt.date(2026, 3, 25), now=NOW), now=NOW)
    assert page.records == [{"id": "d1", "lines": [{"id": "a"}]}]
    assert script.reads[1] is address
    assert script.values[2] == {
        "id": "d1", "document": "d1", "url": "https://files.example/1?signature=x"
    }  # fmt: skip


def test_a_start_before_what_the_system_keeps_is_not_asked_for() -> None:
    stream = replace(WINDOWED, incremental=Incremental("at", "from", history=90))
    for since, asked in ((dt.date(2026, 1, 2), {"from": "2026-01-02T00:00:00Z"}), (dt.date(2025, 12, 1), {})):
        script = Script(rows("a"))
        assert run(stream, script, since=since)[0] == ["a"]
        assert script.asked == [asked]


def test_a_window_that_holds_too_much_is_halved_and_nothing_is_left_out() -> None:
    script = Script(TooMany("too many"), TooMany("too many"), rows("a"), rows("b"), rows("c"))
    found, _ = run(WINDOWED, script, since=dt.date(2026, 3, 11))
    assert found == ["a", "b", "c"]
    assert [(asked["from"][5:16], asked["to"][5:16]) for asked in script.asked] == [
        ("03-11T00:00", "03-21T00:00"),
        ("03-11T00:00", "03-16T00:00"),
        ("03-11T00:00", "03-13T12:00"),
        ("03-13T12:00", "03-23T12:00"),
        ("03-23T12:00", "03-31T10:00"),
    ]


def test_a_minute_that_holds_too_much_is_said_in_words() -> None:
    script = Script(*[TooMany("too many")] * 30)
    with pytest.raises(ConfigError, match="more records in a minute"):
        run(WINDOWED, script, since=dt.date(2026, 3, 30))


def test_changes_are_read_by_mark_and_say_which_list_they_stood_in() -> None:
    first = {"added": [{"id": "a"}], "removed": [], "next_cursor": "m1", "has_more": True}
    last = {"added": [], "removed": [{"id": "b"}], "next_cursor": "m2", "has_more": False}
    script = Script(first, last)
    assert run(MARKED, script) == (["a", "b"], {"mark": "m2"})
    assert script.asked == [{}, {"cursor": "m1"}]
    connector = Connector("made_up", "Made Up", "other", "", (MARKED,))
    page = Reader(connector, Script(last)).fetch_page(MARKED, first_state(MARKED), now=NOW)
    assert page.records == [{"id": "b", "_list": "removed"}]


def test_data_that_moves_while_it_is_read_is_read_again_from_the_first_mark() -> None:
    one = {"added": [{"id": "a"}], "removed": [], "next_cursor": "m1", "has_more": True}
    two = {"added": [{"id": "b"}], "removed": [], "next_cursor": "m2", "has_more": False}
    script = Script(one, Moved("moved"), one, two)
    assert run(MARKED, script, cursor={"mark": "m0"}) == (["a", "a", "b"], {"mark": "m2"})
    assert script.asked == [{"cursor": "m0"}, {"cursor": "m1"}, {"cursor": "m0"}, {"cursor": "m1"}]


def test_data_that_never_stops_moving_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.reading.MAX_PAGES", 5)
    with pytest.raises(ConfigError, match="more than 5 pages"):
        run(MARKED, Script(*[Moved("moved")] * 9))


# ── what a request carries ──────────────────────────────────────────────────────────────────────
REQUEST = Request("POST", "https://made-up.example/x", {}, b"", {}, "test")


def test_params_stand_in_the_body_where_the_read_says_so() -> None:
    sent = with_body(REQUEST, Read("/x", body="json"), {"filter": {"since": "2026"}, "n": 3})
    assert (sent.body, sent.headers) == (
        b'{"filter":{"since":"2026"},"n":3}', {"Content-Type": "application/json"},
    )  # fmt: skip
    sent = with_body(REQUEST, Read("/x", body="form"), {"a": "1 2", "b": ["x", "y"]})
    assert sent.body == b"a=1+2&b=x&b=y"


def test_placeholders_are_filled_however_deep_they_stand() -> None:
    template = {"groups": [{"filters": [{"op": "GTE", "value": "{start}"}]}], "limit": 200}
    assert filled(template, {"start": "17"}) == {
        "groups": [{"filters": [{"op": "GTE", "value": "17"}]}], "limit": 200,
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://files.vendor.example/a",
        "https://files.vendor.example.evil.example/a",
        "https://evil.example/?files.vendor.example",
        "https://user@files.vendor.example/a",
        "https://files.vendor.example:8443/a",
        "https://169.254.169.254/a",
    ],
)
def test_an_address_out_of_a_record_leads_only_where_it_may(url: str) -> None:
    hosts, base = ("files.vendor.example",), "https://api.vendor.example"
    good = "https://files.vendor.example/a?sig=1"
    assert allowed_address(good, base, hosts) == good
    with pytest.raises(ConfigError, match="where we do not go"):
        allowed_address(url, base, hosts)


# ── what an answer means ────────────────────────────────────────────────────────────────────────
def test_a_table_packed_as_gzip_becomes_rows() -> None:
    table = "id\tamount\tnote\n1\t12.50\tCaf\u00e9\n2\t-3.00\n".encode()
    expected = {"rows": [
        {"id": "1", "amount": "12.50", "note": "Caf\u00e9"}, {"id": "2", "amount": "-3.00"},
    ]}  # fmt: skip
    for content in (table, gzip.compress(table, mtime=0), table.decode().encode("cp1252")):
        assert decode_rows(Reply(200, {}, content), "Made Up") == expected


def test_a_table_in_the_writing_its_sender_names() -> None:
    table = "id\tnote\n1\tコーヒー\n"
    for named, encoding in (("Shift_JIS", "shift_jis"), ("no-such", "utf-8")):
        reply = Reply(200, {"content-type": f"text/plain; charset={named}"}, table.encode(encoding))
        assert decode_rows(reply, "Made Up") == {"rows": [{"id": "1", "note": "コーヒー"}]}


@pytest.mark.parametrize("content", [b"", b"<html></html>", gzip.compress(b"a\tb\n1\t2\n", mtime=0)[:-9]])
def test_a_table_that_is_none_or_cut_off_is_tried_again(content: bytes) -> None:
    with pytest.raises(TransientError):
        decode_rows(Reply(200, {}, content), "Made Up")


def test_a_small_file_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_UNZIPPED", 10_000)
    with pytest.raises(ConfigError, match="larger than"):
        decode_rows(Reply(200, {}, gzip.compress(b"a\tb\n" + b"0\t0\n" * 100_000, mtime=0)), "Made Up")


def _says(said: Said) -> Callable[[int, Mapping[str, str], Any], Said | None]:
    return lambda status, headers, body: said if body == {"code": "X"} else None


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Said("busy", "is busy", 7), answers.Busy),
        (Said("moved"), Moved),
        (Said("too_many"), TooMany),
        (Said("denied"), answers.Unauthorized),
        (Said("gone"), answers.NotFound),
        (Said("invalid", "no such account"), answers.Invalid),
    ],
)
def test_a_systems_own_codes_decide_what_happens_next(said: Said, error: type[Exception]) -> None:
    connector = replace(Connector("made_up", "Made Up", "other", "", ()), understand=_says(said))
    found = answers.refusal(Reply(200, {}, b'{"code": "X"}'), connector, now=NOW)
    assert type(found) is error
    assert str(found).startswith(f"Made Up: {said.words}" if said.words else "Made Up: ")
    assert getattr(found, "retry_after", None) == said.wait
    assert answers.refusal(Reply(200, {}, b'{"code": "Y"}'), connector, now=NOW) is None


def test_several_lists_at_paths_of_their_own_are_read_as_one() -> None:
    """Pages are counted in each, the next begins with the last record of the one before; one list that is
    whole is asked for once."""
    pages = InPaths(("/bills", "/moves", "/notes"), "page", 4, "size", whole=("/moves",))
    left = {"/bills": [4, 2], "/moves": [5], "/notes": [4, 1]}
    asked: list[tuple[str, dict[str, Any]]] = []
    position: Position | None = None
    while True:
        path = pages.path(position)
        asked.append((path, pages.params(position, None)))
        records = [{"id": str(n)} for n in range(left[path].pop(0))]
        position = pages.after(position, Answer({}, {}, records), None)
        if position is None:
            break
    assert asked == [
        ("/bills", {"page": 1, "size": 4}), ("/bills", {"page": 2, "size": 3}), ("/moves", {}),
        ("/notes", {"page": 1, "size": 4}), ("/notes", {"page": 2, "size": 3}),
    ]  # fmt: skip


def test_pages_are_counted_until_there_is_a_token() -> None:
    pages = PageOrToken("page", 4, "size", "token", "next", "more")
    four = [{"id": str(n)} for n in range(4)]
    second = pages.after(None, Answer({"more": True}, {}, four), None)
    third = pages.after(second, Answer({"more": True, "next": "b7"}, {}, []), None)
    assert [pages.params(at, None) for at in (None, second, third)] == [
        {"page": 1, "size": 4}, {"page": 2, "size": 3}, {"token": "b7", "size": 4},
    ]  # fmt: skip
    assert pages.after(third, Answer({"more": False, "next": "x"}, {}, []), None) is None
    assert pages.after(None, Answer({}, {}, []), None) is None
    with pytest.raises(ConfigError, match="no token"):
        pages.after(third, Answer({"more": True, "next": None}, {}, []), None)


@pytest.mark.parametrize(("status", "content"), [(204, b""), (304, b""), (304, b" ")])
def test_a_status_alone_can_say_that_there_is_nothing(status: int, content: bytes) -> None:
    """Only where the connector says so; elsewhere an empty answer is a fault."""
    connector = Connector("made_up", "Made Up", "other", "", ())
    reply = Reply(status, {}, content)
    assert answers.refusal(reply, connector, now=NOW) is None
    found = answers.DECODERS["json_or_nothing"](reply, "Made Up")
    assert (found, answers.records_in(found, Read("/x", records="data", sparse=True), "Made Up")) == ({}, [])
    with pytest.raises(TransientError, match="empty"):
        answers.DECODERS["json"](reply, "Made Up")
    with pytest.raises(TransientError, match="empty"):
        answers.DECODERS["json_or_nothing"](Reply(200, {}, b""), "Made Up")


def test_several_query_texts_are_read_as_one() -> None:
    pages = InQuery(("from A at {position} of {size}", "from B at {position}"), size=2)
    first = pages.params(None, None)
    full, short = ([{"id": "1"}, {"id": "2"}], [{"id": "3"}])
    second = pages.after(None, Answer({}, {}, full), None)
    third = pages.after(second, Answer({}, {}, short), None)
    assert [first, pages.params(second, None), pages.params(third, None)] == [
        {"query": "from A at 1 of 2"}, {"query": "from A at 2 of 2"}, {"query": "from B at 1"},
    ]  # fmt: skip
    assert pages.after(third, Answer({}, {}, short), None) is None


# ── behind the last row ─────────────────────────────────────────────────────────────────────────────
LAST = BehindLast(" and (at > {moment} or (at = {moment} and id > '{id}'))", "at", "id", size=2, done="done")


def of_rows(*rows: tuple[str, str], **body: object) -> Answer:
    return Answer(body, {}, [{"at": at, "id": identity} for at, identity in rows])


def test_the_next_page_begins_behind_the_moment_and_the_id_of_the_last_row() -> None:
    answer = of_rows(("2024-05-09T21:14:05.000+0000", "a"), ("2024-05-10T01:14:05.120+0200", "b"))
    position = LAST.after(None, answer, None)
    assert position == "2024-05-09T23:14:05.120Z b"
    said = " and (at > 2024-05-09T23:14:05.120Z or (at = 2024-05-09T23:14:05.120Z and id > 'b'))"
    assert LAST.values(position) == {"behind": said}
    assert (LAST.values(None), LAST.params(position, None)) == ({"behind": ""}, {})


@pytest.mark.parametrize(("body", "more"), [({}, False), ({"done": True}, False), ({"done": False}, True)])
def test_a_short_page_is_the_last_unless_the_answer_says_there_is_more(body: Any, more: bool) -> None:
    position = LAST.after(None, of_rows(("2024-05-09T21:14:05Z", "a"), **body), None)
    assert (position is not None) is more
    assert LAST.after(None, of_rows(**body), None) is None


@pytest.mark.parametrize(
    "row", [("soon", "a"), ("2024-05-09", "' or '1"), ("2024-05-09T00:00:00", "a"), (None, "a")]
)
def test_what_may_not_stand_in_a_query_text_is_refused(row: Any) -> None:
    with pytest.raises(ConfigError, match="does not say where the next page begins"):
        LAST.after(None, of_rows(row, row), None)


def test_a_request_that_must_name_a_time_begins_with_all_there_is() -> None:
    how = Incremental("at", "", overlap=60)
    stream = Stream(
        "things", "Things", (), Read("/x", {"q": "since {start}{behind}"}, "rows", LAST), incremental=how
    )
    assert first_state(stream)["start"] == "1970-01-01T00:00:00Z"
    assert first_state(stream, {"at": "2026-03-31T09:00:00Z"})["start"] == "2026-03-31T08:59:00Z"
    assert first_state(replace(stream, incremental=replace(how, param="since")))["start"] == ""


# ── places ──────────────────────────────────────────────────────────────────────────────────────────
APART = replace(
    WINDOWED,
    read=Read("/sales", {"at": "{shop}"}, "rows", BodyToken("token", "next")),
    incremental=Incremental("at", "from", overlap=3600),
    each=Each("shop", Read("/shops", records="shops"), id="code"),
)
SHOPS = {"shops": [{"code": "A"}, {"code": "B"}]}


def test_records_kept_apart_are_read_place_by_place() -> None:
    script = Script(SHOPS, {**rows("a1"), "next": "t"}, rows("a2"), rows("b1"))
    assert run(APART, script)[0] == ["a1", "a2", "b1"]
    assert [values.get("shop") for values in script.values] == [None, "A", "A", "B"]
    assert script.asked[2] == {"token": "t"}


def test_what_changes_in_one_place_while_others_are_read_is_not_hidden_by_them() -> None:
    later = (NOW + dt.timedelta(minutes=20)).isoformat()
    changes = ({"id": "a", "at": "2026-03-31T11:00:00Z"}, {"id": "b", "at": later})
    script = Script(SHOPS, *({"rows": [row]} for row in changes))
    reader = Reader(Connector("made_up", "Made Up", "other", "", (APART,)), script)
    first = reader.fetch_page(APART, first_state(APART, now=NOW), now=NOW)
    assert first.next is not None
    assert first.calls == (1, 2)
    last = reader.fetch_page(APART, first.next, now=NOW + dt.timedelta(minutes=30))
    assert (last.next, last.cursor) == (None, {"at": "2026-03-31T11:00:00Z"})


def test_what_changes_on_the_first_page_while_others_are_read_is_not_hidden_by_them() -> None:
    """Where rows do not stand in the order in which they change: read again is what is new since it began."""
    stream = replace(APART, each=None, read=Read("/sales", {}, "rows", BodyToken("token", "next")))
    later = (NOW + dt.timedelta(minutes=20)).isoformat()
    script = Script({**rows("a"), "next": "t"}, {"rows": [{"id": "b", "at": later}]})
    reader = Reader(Connector("made_up", "Made Up", "other", "", (stream,)), script)
    first = reader.fetch_page(stream, first_state(stream, {"at": "2026-03-31T11:00:00Z"}, now=NOW), now=NOW)
    assert first.next is not None
    last = reader.fetch_page(stream, first.next, now=NOW + dt.timedelta(minutes=30))
    assert last.cursor == {"at": "2026-03-31T11:00:00Z"}


def test_places_may_be_known_beforehand() -> None:
    stream = replace(APART, each=Each("shop", values=("A", "B")))
    script = Script(rows("a1"), rows("b1"))
    assert run(stream, script)[0] == ["a1", "b1"]
    assert [values["shop"] for values in script.values] == ["A", "B"]


def test_an_instant_may_be_asked_for_without_saying_that_it_is_utc() -> None:
    how = Incremental("at", "from", "bare")
    at = dt.datetime.fromisoformat("2026-03-31T23:30:00-04:00")
    assert how.value(at) == "2026-04-01T03:30:00"


def test_windows_are_read_in_every_place() -> None:
    stream = replace(APART, incremental=WINDOWED.incremental)
    script = Script(SHOPS, rows("a1"), rows("b1"), SHOPS, rows("a2"), rows("b2"))
    assert run(stream, script, since=dt.date(2026, 3, 15))[0] == ["a1", "b1", "a2", "b2"]


def test_what_belongs_to_a_record_is_asked_for_at_its_place() -> None:
    checks = Children("checks", Read("/{shop}/checks/{id}", records="rows"))
    stream = replace(APART, children=(checks,))
    script = Script(SHOPS, rows("a1"), rows("x"), rows("b1"), rows("y"))
    assert run(stream, script)[0] == ["a1", "b1"]
    assert script.values[2::2] == [{"shop": "A", "id": "a1"}, {"shop": "B", "id": "b1"}]


def test_one_record_is_looked_for_at_each_place() -> None:
    stream = replace(APART, one=Read("/{shop}/sales/{id}", records="rows"))
    reader = partial(Reader, Connector("made_up", "Made Up", "other", "", (stream,)))
    script = Script(SHOPS, answers.NotFound("no"), rows("b1"))
    assert reader(script).fetch_one(stream, "b1") == {"id": "b1"}
    assert script.values[1:] == [{"shop": "A", "id": "b1"}, {"shop": "B", "id": "b1"}]
    assert reader(Script(SHOPS, rows(), rows())).fetch_one(stream, "c") is None
    with pytest.raises(TransientError, match="sent no record for c"):
        reader(Script(SHOPS, rows("c", "d"))).fetch_one(stream, "c")


def test_where_one_place_is_meant_several_are_not_read() -> None:
    stream = replace(APART, each=Each("shop", Read("/shops", records="shops"), id="code", single=True))
    with pytest.raises(ConfigError, match="lists 2 of shop, where one is to be read"):
        run(stream, Script(SHOPS))


@pytest.mark.parametrize(
    ("told", "size", "following"), [({"total": 5}, 2, 1), ({"total": 2}, 3, None), ({}, 3, 2), ({}, 2, None)]
)
def test_records_are_counted_up_to_the_total_or_a_short_page(
    told: dict[str, Any], size: int, following: int | None
) -> None:
    """A system may hand out fewer at once than asked for, and leave the total out."""
    pages = Offset("offset", 3, "limit", total="total")
    assert pages.after(None, Answer(told, {}, [{"id": "x"}] * size), None) == following


def test_a_system_without_places_says_so() -> None:
    with pytest.raises(ConfigError, match=r"Made Up lists no shop, so 'Sales' cannot be read\."):
        run(APART, Script({"shops": []}))


# ── empty lists, single records ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("body", "found"), [({}, []), ({"next": "t"}, []), (rows("a"), [{"id": "a"}])])
def test_a_list_at_the_top_that_is_left_out_is_empty(body: Any, found: list[Any]) -> None:
    read = Read("/sales", records="rows", paginator=BodyToken("token", "next"), sparse=True)
    assert answers.records_in(body, read, "Made Up") == found


def test_a_counted_list_that_is_left_out_is_empty_where_it_counts_none() -> None:
    read = Read(
        "/sales", records="rows", paginator=Offset("offset", 100, "limit", total="total"), sparse=True
    )
    assert answers.records_in({"href": "/sales", "total": 0}, read, "Made Up") == []
    with pytest.raises(TransientError, match="sent no list of records at 'rows'"):
        answers.records_in({"href": "/sales", "total": 3}, read, "Made Up")


def test_another_answer_is_no_empty_list() -> None:
    read = Read("/sales", records="rows", paginator=BodyToken("token", "next"), sparse=True)
    with pytest.raises(TransientError, match="sent no list of records at 'rows'"):
        answers.records_in({"notice": "We are down."}, read, "Made Up")


def test_of_several_lists_an_answer_may_hold_one() -> None:
    read = Read("/all", records=("sales", "refunds"), sparse=True)
    answer = {"status": "OK", "refunds": [{"id": "r"}]}
    assert answers.records_in(answer, read, "Made Up") == [{"id": "r", "_list": "refunds"}]
    with pytest.raises(TransientError, match="sent no list of records at 'sales'"):
        answers.records_in({"status": "OK"}, read, "Made Up")


def test_the_one_record_that_an_answer_holds_is_read_like_a_list() -> None:
    read = Read("/sales/{sale}", records="sale")
    assert answers.records_in({"sale": {"id": "a"}}, read, "Made Up") == [{"id": "a"}]


def test_what_the_records_of_a_page_name_is_asked_for_at_once() -> None:
    orders = Children(
        "order",
        Read("/orders", records="orders"),
        when=lambda sale: bool(sale.get("order")),
        values=lambda sale: {"order": sale["order"]},
        together="ids",
    )
    stream = replace(WINDOWED, children=(orders,))
    sales = [{"id": "a", "order": "2"}, {"id": "b"}, {"id": "c", "order": "1"}, {"id": "d", "order": "2"}]
    script = Script({"rows": sales}, {"orders": [{"id": "2", "tax": 5}]}, rows("e"))
    reader = Reader(Connector("made_up", "Made Up", "other", "", (stream,)), script)
    state = first_state(stream, None, dt.date(2026, 3, 25), now=NOW)
    page = reader.fetch_page(stream, state, now=NOW)
    two = {"order": [{"id": "2", "tax": 5}]}
    assert page.records == [{"id": "a", **two}, {"id": "b"}, {"id": "c", "order": []}, {"id": "d", **two}]
    assert (script.asked[1], page.calls) == ({"ids": ["1", "2"]}, (1, 2))
    assert reader.fetch_page(stream, state, now=NOW).calls == (3,)


# ── lists that move while they are counted ──────────────────────────────────────────────────────────

COUNTING = Stream(
    key="things",
    label="Things",
    outputs=(),
    read=Read("/things", records="rows", paginator=Offset("skip", 4, "take")),
)


@pytest.mark.parametrize("most", [25, 100, 200, 500, 1000])
def test_a_page_of_any_size_holds_the_last_record_read_and_more_than_that(most: int) -> None:
    """And not much of what was read before it, however far one has come."""
    start, pages = 0, 0
    while start < 60_000:
        page = cut(start, most)
        assert page.begin <= start < page.begin + page.size <= page.begin + most
        start, pages = page.begin + page.size - 1, pages + 1
    assert pages < 60_000 / most * (2 if most == 25 else 1.25)


@pytest.mark.parametrize(
    ("then", "asked", "found"),
    [
        ("c d e f g h i j k", [0, 3, 6, 4, 7], "abcdefghijk"),
        # Of those read last hardly one is there: it begins anew.
        ("g h i j k", [0, 3, 6, 4, 2, 0, 3], "abcdefgghijk"),
        ("", [0, 3, 6, 4, 2, 0], "abcdefg"),
    ],
)
def test_what_moved_is_found_by_going_back_as_far_as_needed(then: str, asked: list[int], found: str) -> None:
    there = then.split()
    later = [rows(*there[start : start + 4]) for start in asked[2:]]
    script = Script(rows("a", "b", "c", "d"), rows("d", "e", "f", "g"), *later)
    assert run(COUNTING, script)[0] == [*found]
    assert [one["skip"] for one in script.asked] == asked


def test_a_list_that_never_stops_moving_is_left_for_later() -> None:
    many = itertools.cycle((rows("a", "b", "c", "d"), rows("x", "y"), rows("p", "q", "r", "s")))
    script = Script(*itertools.islice(many, 700))
    with pytest.raises(TransientError, match="'Things' keeps changing"):
        run(COUNTING, script)


def test_a_run_that_began_before_goes_on_with_the_page_it_stood_at() -> None:
    """Its checkpoint knows nothing of what was seen."""
    state = {name: value for name, value in first_state(COUNTING, now=NOW).items() if name != "seen"}
    page = _reader(Script(rows("d", "e"))).fetch_page(COUNTING, state | {"position": 3}, now=NOW)
    assert [row["id"] for row in page.records] == ["d", "e"]


def test_what_belongs_to_a_record_is_counted_as_carefully() -> None:
    """Two rows that say the same are two."""
    lines = Children("lines", Read("/things/{id}/lines", records="rows", paginator=Offset("skip", 3, "take")))
    one, fee, last = {"amount": 1}, {"amount": 30}, {"amount": 5}
    script = Script(rows("t"), {"rows": [one, fee, fee]}, {"rows": [fee, fee, last]}, {"rows": [last]})
    state = first_state(replace(COUNTING, children=(lines,)), now=NOW)
    (thing,) = _reader(script).fetch_page(replace(COUNTING, children=(lines,)), state, now=NOW).records
    assert [line["amount"] for line in thing["lines"]] == [1, 30, 30, 30, 5]


def _reader(script: Script) -> Reader:
    return Reader(Connector("made_up", "Made Up", "other", "", (COUNTING,)), script)

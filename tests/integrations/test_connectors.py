"""The contract every connector keeps, tested by its spec alone against a hostile system."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from integrations import connectors
from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.naming import as_stream
from integrations.oauth import MemoryTokenStore, Token
from integrations.paging import BehindLast, Counted, Offset, OnePage, PageNumber
from integrations.records import Record
from integrations.spec import Bookmark, Connector, HostedLink, Incremental, NoAuth, OAuth2, Read, Stream
from ledgerhub.core.errors import ConfigError, TransientError
from tests.integrations.hostile import PAGE, Fault, Hostile, record, serve, span
from tests.integrations.made_up import MADE_UP, SECRETS

FOLDER = Path(connectors.__file__).parent
NOW = dt.datetime(2026, 4, 1, 12, tzinfo=dt.UTC)


def in_small_pages(connector: Connector) -> Connector:
    """The connector as it is, but for pages of a few records; a destination's lists are streams as well."""
    listings = connector.destination.listings if connector.destination else ()
    streams = (*connector.streams, *(as_stream(listing) for listing in listings))
    return replace(connector, streams=tuple(replace(each, read=_small(each.read)) for each in streams))


def _small(read: Read | None) -> Read | None:
    if read is None or not isinstance(read.paginator, Counted | BehindLast):
        return read
    return replace(read, paginator=replace(read.paginator, size=PAGE))


SPEAKING = [in_small_pages(each) for each in (*CONNECTORS.values(), *MADE_UP) if each.base_url]
STREAMS = [
    pytest.param(connector, stream, id=f"{connector.key}-{stream.key}")
    for connector in SPEAKING
    for stream in connector.streams
    if stream.read
]
each_stream = pytest.mark.parametrize(("connector", "stream"), STREAMS)

SECRET_VALUES = {
    **SECRETS,
    "api_key": "sk_live_canary93",
    "access_token": "shpat_canary93",
    "secret": "canary-secret-55",
}


@dataclass
class Setup:
    """A connector, the system it talks to, its token, and what was recorded and slept."""

    connector: Connector
    system: Hostile
    address: str
    store: MemoryTokenStore
    calls: list[CallRecord] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def connect(self) -> Client:
        names = {setting.name for setting in self.connector.settings}
        if isinstance(self.connector.auth, HostedLink):
            names.add(self.connector.auth.secret)
        return Client(
            self.connector,
            {"shop": "acme.myshopify.com", "base_url": self.address},
            {name: value for name, value in SECRET_VALUES.items() if name in names},
            store=self.store,
            record_call=self.keep,
            allow_loopback=True,
            sleep=self.slept.append,
            now=lambda: NOW,
            budget=lambda bucket: Unlimited(),
        )

    def keep(self, call: CallRecord) -> int:
        self.calls.append(call)
        return len(self.calls)


@contextmanager
def talking(connector: Connector) -> Iterator[Setup]:
    system = Hostile(connector, SECRET_VALUES)
    with serve(system) as address:
        yield Setup(connector, system, address, MemoryTokenStore(Token("access-0", "refresh-0")))


class Unlimited:
    """A budget that is never used up, so that only the vendor's own words make us wait."""

    def acquire(self, cost: float) -> float:
        return 0.0

    def learn(self, learned: object) -> None:
        """Nothing to learn."""

    def release(self) -> None:
        """Nothing is held."""


def ids(records: list[Record]) -> list[str]:
    return [row["id"] for row in records]


def begin(stream: Stream) -> dt.date | None:
    """Where to begin: a system that answers by windows of time would be asked for years of them."""
    how = stream.incremental
    return dt.date(2026, 2, 15) if isinstance(how, Incremental) and how.window else None


def asked_from(how: Incremental, begins: dt.datetime) -> str:
    """What says in a request that it is for what there is from then on."""
    return how.value(how.window.asked(begins, begins)[0] if how.window else begins)


def read_all(client: Client, stream: Stream) -> list[str]:
    return [row["id"] for page in client.pages(stream, since=begin(stream)) for row in page.records]


# ── the specs themselves ────────────────────────────────────────────────────────────────────────
def test_every_file_is_a_connector() -> None:
    found = {path.stem for path in FOLDER.iterdir() if not path.name.startswith("_")}
    assert found == set(CONNECTORS)
    assert [key for key, connector in CONNECTORS.items() if connector.key != key] == []


@pytest.mark.parametrize("connector", CONNECTORS.values(), ids=CONNECTORS)
def test_a_spec_is_whole(connector: Connector) -> None:
    keys = [stream.key for stream in connector.streams]
    assert len(keys) == len(set(keys))
    names = [setting.name for setting in connector.settings]
    assert len(names) == len(set(names))
    assert [key for stream in connector.streams for key in stream.depends_on if key not in keys] == []
    assert [
        setting.name for setting in connector.settings if setting.pattern and not setting.pattern_help
    ] == []
    if connector.webhook and connector.webhook.secret:
        assert connector.setting(connector.webhook.secret).type == "secret"
    if connector.base_url:
        assert connector.test is not None
        assert set(connector.advice) >= {401, 403}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────
@each_stream
def test_reads_every_page_once_and_in_order(connector: Connector, stream: Stream) -> None:
    with talking(connector) as setup, setup.connect() as client:
        found = list(client.pages(stream, since=begin(stream)))
        assert [row for page in found for row in page.records] != []
        assert ids([row for page in found for row in page.records]) == ids(setup.system.records[stream.key])
        assert [page.next is None for page in found] == [False] * (len(found) - 1) + [True]
        assert {call for page in found for call in page.calls} == set(range(1, len(setup.calls) + 1))


@each_stream
def test_goes_on_from_any_page_in_another_process(connector: Connector, stream: Stream) -> None:
    with talking(connector) as setup:
        whole = ids(setup.system.records[stream.key])
        with setup.connect() as client:
            pages = len(list(client.pages(stream, since=begin(stream))))
        for stop in range(1, pages):
            with setup.connect() as client:
                state, before = client.first_state(stream, since=begin(stream)), []
                for _ in range(stop):
                    page = client.fetch_page(stream, state)
                    before += ids(page.records)
                    state = json.loads(json.dumps(page.next))
            after: list[str] = []
            while state is not None:
                with setup.connect() as client:
                    page = client.fetch_page(stream, state)
                again = json.loads(json.dumps(page.next))
                after += ids(page.records)
                state = again
            assert before + after == whole


@each_stream
def test_the_same_state_gives_the_same_page(connector: Connector, stream: Stream) -> None:
    with talking(connector) as setup, setup.connect() as client:
        first = client.fetch_page(stream, client.first_state(stream, since=begin(stream)))
        again = client.fetch_page(stream, client.first_state(stream, since=begin(stream)))
        assert (first.records, first.next, first.cursor) == (again.records, again.next, again.cursor)


@each_stream
def test_the_cursor_is_the_newest_stamp_whatever_the_order(connector: Connector, stream: Stream) -> None:
    how = stream.incremental
    if not isinstance(how, Incremental):
        pytest.skip("this list has no times")
    with talking(connector) as setup, setup.connect() as client:
        minutes = [5, 90, 3, 40, 7, 1, 60, 2]
        far = 60 * 24 * 365 * 40  # a date in the future must not hide what comes before it
        rows = [record(stream, n, minutes=at) for n, at in enumerate([*minutes, far], 1)]
        setup.system.records[stream.key] = rows
        pages = list(client.pages(stream, since=begin(stream)))
        assert [page.cursor for page in pages[:-1]] == [{}] * (len(pages) - 1)
        newest = dt.datetime(2026, 3, 1, 13, 30, tzinfo=dt.UTC)
        if isinstance(how, Incremental) and how.window:  # read to the end of the last window
            newest = NOW - dt.timedelta(seconds=how.window.lag)
        assert pages[-1].cursor == {"at": f"{newest:%Y-%m-%dT%H:%M:%SZ}"}
        setup.system.asked.clear()
        list(client.pages(stream, cursor=pages[-1].cursor))
        asked = asked_from(how, newest - dt.timedelta(seconds=how.overlap))
        assert span(stream, setup.system.listed(stream)[0])[0] == asked


@each_stream
def test_a_first_read_begins_at_the_chosen_date(connector: Connector, stream: Stream) -> None:
    how = stream.incremental
    if not isinstance(how, Incremental):
        pytest.skip("this list has no times")
    with talking(connector) as setup, setup.connect() as client:
        list(client.pages(stream, since=dt.date(2026, 2, 1)))
        start = asked_from(how, dt.datetime(2026, 2, 1, tzinfo=dt.UTC))
        first = setup.system.listed(stream)[0]
        assert (first.params[how.backfill] if how.backfill else span(stream, first)[0]) == start


@each_stream
def test_what_is_read_again_begins_no_earlier_than_the_chosen_date(
    connector: Connector, stream: Stream
) -> None:
    """However far the overlap reaches; a date behind the cursor lets nothing be left out."""
    how = stream.incremental
    if not isinstance(how, Incremental):
        pytest.skip("this list has no times")
    last = NOW - dt.timedelta(days=20)
    for since, begins in (
        (last - dt.timedelta(seconds=how.overlap // 2), last - dt.timedelta(seconds=how.overlap // 2)),
        (last + dt.timedelta(days=3), last),
    ):
        with talking(connector) as setup, setup.connect() as client:
            list(client.pages(stream, cursor={"at": f"{last:%Y-%m-%dT%H:%M:%SZ}"}, since=since))
            assert span(stream, setup.system.listed(stream)[0])[0] == asked_from(how, begins)


@each_stream
def test_a_list_of_changes_goes_on_at_its_mark(connector: Connector, stream: Stream) -> None:
    if not isinstance(stream.incremental, Bookmark):
        pytest.skip("this list has no mark")
    with talking(connector) as setup, setup.connect() as client:
        pages = list(client.pages(stream))
        assert [page.cursor for page in pages] == [{}] * (len(pages) - 1) + [{"mark": "t12"}]
        setup.system.records[stream.key] += [record(stream, number) for number in range(11, 14)]
        new = list(client.pages(stream, cursor={"mark": "t10"}))
        assert ids([row for page in new for row in page.records]) == ["r11", "r12", "r13"]


COUNTED = [one for one in STREAMS if isinstance(one.values[1].read.paginator, Counted)]  # type: ignore[union-attr]


@pytest.mark.parametrize(("connector", "stream"), COUNTED)
@pytest.mark.parametrize("gone", [1, 2, 5])
def test_what_is_taken_away_between_two_pages_hides_nothing(
    connector: Connector, stream: Stream, gone: int
) -> None:
    """Where pages are counted all that stands behind it moves up: some from a page that is still to come to
    one that was read."""
    with talking(connector) as setup, setup.connect() as client:
        rows = setup.system.records[stream.key]
        pages = client.pages(stream, since=begin(stream))
        there = {row["id"]: row for row in rows}
        read = [row["id"] for _ in range(2) for row in next(pages).records]
        del rows[:gone]
        read += [row["id"] for page in pages for row in page.records]
        assert sorted(set(read)) == sorted(there)
        assert len(read) < len(there) + PAGE


@pytest.mark.parametrize(("connector", "stream"), COUNTED)
def test_what_comes_and_goes_between_all_pages_hides_nothing(connector: Connector, stream: Stream) -> None:
    """As many go as come, so that no count would tell; a record read last is among them."""
    with talking(connector) as setup, setup.connect() as client:
        rows, read = setup.system.records[stream.key], list[str]()
        stayed = {row["id"] for row in rows}
        for number, page in enumerate(client.pages(stream, since=begin(stream)), 1):
            read += [row["id"] for row in page.records]
            if number < 4:
                last = [row for row in rows if row["id"] in read][-1]
                stayed.discard(last["id"])
                rows.remove(last)
                rows.append(record(stream, 10 + number))
        assert stayed - set(read) == set()
        assert stayed != set()


@each_stream
def test_a_list_that_runs_in_circles_is_noticed(connector: Connector, stream: Stream) -> None:
    with talking(connector) as setup, setup.connect() as client:
        setup.system.ignore_position = True
        pages = stream.read.paginator if stream.read else None
        if isinstance(pages, OnePage):
            pytest.skip("there is one page")
        if isinstance(pages, PageNumber | Offset) and pages.total:
            pytest.skip("this way of paging counts to a known end")
        with pytest.raises(ConfigError, match="runs in circles"):
            read_all(client, stream)
        assert len(setup.system.listed(stream)) <= 4


@each_stream
def test_one_record_by_its_id(connector: Connector, stream: Stream) -> None:
    if stream.one is None:
        pytest.skip("single records cannot be read")
    with talking(connector) as setup, setup.connect() as client:
        wanted = setup.system.records[stream.key][4]
        found = client.fetch_one(stream, stream.identity(wanted))
        assert found is not None
        assert found["id"] == wanted["id"]
        assert client.fetch_one(stream, "r999") is None


# ── trouble ─────────────────────────────────────────────────────────────────────────────────────
@each_stream
def test_asked_to_wait_it_waits_as_long_as_asked(connector: Connector, stream: Stream) -> None:
    with talking(connector) as setup, setup.connect() as client:
        setup.system.faults.append(Fault("status", {"status": "429", "Retry-After": "2"}))
        assert read_all(client, stream) == ids(setup.system.records[stream.key])
        assert setup.slept == [2.0]
        assert [(call.status, call.attempt) for call in setup.calls[:2]] == [(429, 1), (200, 2)]


@each_stream
def test_asked_to_wait_long_it_gives_the_worker_back(connector: Connector, stream: Stream) -> None:
    with talking(connector) as setup, setup.connect() as client:
        setup.system.always = Fault("status", {"status": "429", "Retry-After": "3600"})
        with pytest.raises(TransientError) as caught:
            read_all(client, stream)
        assert caught.value.retry_after == 3600
        assert setup.slept == []


PASSING = [
    Fault("status", {"status": "500"}),
    Fault("status", {"status": "503"}),
    Fault("cut"),
    Fault("half"),
    Fault("html"),
    Fault("pdf"),
    Fault("empty"),
    Fault("shape"),
    Fault("hangup"),
    Fault("slow", seconds=0.5),
]


@each_stream
@pytest.mark.parametrize(
    "fault", PASSING, ids=[fault.kind + "".join(fault.headers.values()) for fault in PASSING]
)
def test_trouble_in_the_middle(
    connector: Connector, stream: Stream, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passing fault on the second page changes nothing; one that stays ends the try, resumable."""
    if stream.read and isinstance(stream.read.paginator, OnePage):
        pytest.skip("there is one page")
    with talking(connector) as setup, setup.connect() as client:
        page = client.fetch_page(stream, client.first_state(stream, since=begin(stream)))
        found, state = ids(page.records), page.next
        assert state is not None
        setup.system.always = fault
        monkeypatch.setattr("integrations.client.READ_SECONDS", 0.05)
        with pytest.raises(TransientError, match=connector.label):
            client.fetch_page(stream, state)
        setup.system.always = None
        # Long enough for what answers at once, on a machine that is busy with something else.
        monkeypatch.setattr("integrations.client.READ_SECONDS", 0.25)
        if fault.kind != "shape":
            setup.system.faults.append(fault)
        while state is not None:
            page = client.fetch_page(stream, state)
            found, state = found + ids(page.records), page.next
        assert found == ids(setup.system.records[stream.key])


@each_stream
def test_refused_credentials_are_said_in_words(connector: Connector, stream: Stream) -> None:
    if isinstance(connector.auth, NoAuth):
        pytest.skip("this system asks for no credentials")
    with talking(connector) as setup, setup.connect() as client:
        setup.system.always = Fault("status", {"status": "401"})
        with pytest.raises(ConfigError) as caught:
            read_all(client, stream)
        assert str(caught.value) == (
            f"{connector.label} does not accept these credentials (401). {connector.advice[401]}"
        )
        # A token is renewed once in the hope that it helps; a key is not tried again.
        assert [call.status for call in setup.calls if call.purpose != "token"] == (
            [401, 401] if isinstance(connector.auth, OAuth2) else [401]
        )


@each_stream
def test_a_token_that_ends_at_any_request_is_renewed_once(connector: Connector, stream: Stream) -> None:
    """Between pages and in the middle of one, where it is made of several requests."""
    if not isinstance(connector.auth, OAuth2):
        pytest.skip("no tokens here")
    with talking(connector) as setup:
        with setup.connect() as client:
            read_all(client, stream)
        requests = len(setup.calls)
    for number in range(requests):
        with talking(connector) as setup, setup.connect() as client:
            setup.system.revoke_after = number
            assert read_all(client, stream) == ids(setup.system.records[stream.key])
            assert setup.system.issued == 1
            token = setup.store.current()
            assert token is not None
            assert (token.access, token.refresh) == ("access-1", "refresh-1")


@each_stream
def test_no_secret_in_records_logs_or_errors(
    connector: Connector, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with talking(connector) as setup, setup.connect() as client:
        read_all(client, stream)
        setup.system.secrets = dict.fromkeys(setup.system.secrets, "another")
        errors = []
        try:
            read_all(client, stream)
        except ConfigError as error:
            errors.append(repr(error))
        kept = repr(setup.calls) + repr(errors) + caplog.text + repr(setup.store.current())
    secrets = [*SECRET_VALUES.values(), "access-0", "refresh-0", "access-1", "refresh-1"]
    assert [secret for secret in secrets if secret in kept] == []

"""A run: page by page, once into the books, whatever breaks off where."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from integrations import connectors, raw, register, sync
from integrations.models import (
    ApiCall,
    Incident,
    Integration,
    Quarantine,
    RateBucket,
    RawRecord,
    Stream,
    SyncRun,
)
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Contact, Document, DocumentLine, Entry, Posting
from tests.integrations.tiny_shop import ORDERS, TinyShop, order, two_a_page
from tests.jobs import drain

pytestmark = pytest.mark.django_db
BUSY = (429, {"Retry-After": "60"})


@pytest.fixture
def shop(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> TinyShop:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    made = TinyShop(httpserver, two_a_page(6))
    monkeypatch.setitem(connectors.CONNECTORS, "tiny", made.connector)
    return made


@pytest.fixture
def stream(organization: Organization, shop: TinyShop) -> Stream:
    install_chart(organization)
    address = shop.server.url_for("").rstrip("/")
    integration = register.create(
        organization, "tiny", name="Tiny", settings={"key": "k-1", "base_url": address}
    )
    register.activate(integration, [register.Choice("orders")], start=False)
    return integration.streams.get()


def start(stream: Stream, *, trigger: str = "person") -> SyncRun:
    """One slice of a run, without the queue."""
    run = sync.request_run(stream, trigger=trigger)
    OrmQ.objects.all().delete()
    return again(run)


def again(run: SyncRun) -> SyncRun:
    """The next slice, when its time has come."""
    SyncRun.objects.filter(pk=run.pk).update(not_before=None)
    RateBucket.objects.update(blocked_until=None)
    sync.run_slice(run.pk)
    run.refresh_from_db()
    return run


def counts(run: SyncRun) -> tuple[int, int, int, int, int]:
    return run.read, run.new, run.changed, run.unchanged, run.posted


def books() -> tuple[int, int, int, int, int]:
    tables = (RawRecord, Document, DocumentLine, Entry, Posting)
    return tuple(model.objects.count() for model in tables)  # type: ignore[return-value]


def sales() -> int:
    account = Account.objects.get(role="sales", qualifier="")
    return sum(Posting.objects.filter(account=account).values_list("amount", flat=True))


def cursor(stream: Stream) -> dict[str, str]:
    stream.refresh_from_db()
    return stream.cursor  # type: ignore[no-any-return]


# ── when all goes well ──────────────────────────────────────────────────────────────────────────────


def test_every_page_ends_in_the_books(stream: Stream) -> None:
    run = start(stream)
    assert (run.error, run.state, run.pages, run.checkpoint, run.lease) == ("", "succeeded", 3, {}, "")
    assert counts(run) == (6, 6, 0, 0, 6)
    assert books() == (6, 6, 6, 6, 12)
    assert sales() == -6000
    assert cursor(stream) == {"at": "2026-03-02T12:06:00Z"}
    assert stream.last_record_at is not None


def test_every_record_names_the_call_that_brought_it(stream: Stream) -> None:
    start(stream)
    calls = list(ApiCall.objects.order_by("pk").values_list("pk", flat=True))
    by_call = RawRecord.objects.order_by("pk").values_list("api_call_id", flat=True)
    assert list(by_call) == [calls[0]] * 2 + [calls[1]] * 2 + [calls[2]] * 2


def test_twice_changes_nothing(stream: Stream, shop: TinyShop) -> None:
    start(stream)
    before = books()
    run = start(stream)
    assert counts(run) == (6, 0, 0, 6, 0)
    assert books() == before
    assert shop.asked[3] == {"since": "2026-03-02T11:56:00Z"}, "after the cursor, less the overlap"


def test_changed_record_is_reversed_and_posted_anew(stream: Stream, shop: TinyShop) -> None:
    start(stream)
    shop.pages = [[order(1, amount="12.50", updated="2026-03-02T13:00:00Z")]]
    run = start(stream)
    assert counts(run) == (1, 0, 1, 0, 1)
    assert books() == (7, 6, 6, 8, 16)
    assert sales() == -6250
    versions = RawRecord.objects.filter(external_id="1").order_by("version")
    assert [(row.version, row.latest) for row in versions] == [(1, False), (2, True)]


def test_a_contact_is_one_however_often_it_buys(stream: Stream, shop: TinyShop) -> None:
    ann = {"id": 7, "name": "Ann Lee"}
    shop.pages = [[order(1, customer=ann), order(2, customer=ann)], [order(3, customer=ann)]]
    start(stream)
    contact = Contact.objects.get()
    assert (contact.name, contact.is_customer, contact.documents.count()) == ("Ann Lee", True, 3)
    assert [identity.external_id for identity in contact.identities.all()] == ["7"]


def test_long_sync_is_a_chain_of_slices(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "SLICE_SECONDS", -1.0)
    run = sync.request_run(stream, trigger="person")
    assert drain() == 4  # the last slice asks for what follows news
    run.refresh_from_db()
    assert (run.state, run.pages, run.attempts) == ("succeeded", 3, 1)
    assert books() == (6, 6, 6, 6, 12)


def test_one_open_run_a_stream(stream: Stream) -> None:
    first = sync.request_run(stream, trigger="schedule")
    assert sync.request_run(stream, trigger="person") == first
    assert (SyncRun.objects.count(), OrmQ.objects.count()) == (1, 1)


# ── records that are not as they should be ──────────────────────────────────────────────────────────


def test_same_id_twice_in_a_page(stream: Stream, shop: TinyShop) -> None:
    shop.pages = [[order(1), order(1, amount="11.00", updated="2026-03-02T12:30:00Z"), order(1)]]
    run = start(stream)
    assert counts(run) == (3, 1, 1, 1, 1)
    assert books() == (2, 1, 1, 1, 2)
    assert sales() == -1100
    assert RawRecord.objects.get(latest=True).version == 2


def test_slow_page_after_a_webhook_changes_nothing(stream: Stream, shop: TinyShop) -> None:
    newer = order(1, amount="15.00", updated="2026-03-02T14:00:00Z")
    raw.store(stream, ORDERS, [newer], origin="webhook")
    shop.pages = [[order(1)]]
    assert counts(start(stream)) == (1, 0, 0, 1, 0)
    assert [row.payload for row in RawRecord.objects.all()] == [newer]


def test_record_without_an_id_waits_for_a_person(stream: Stream, shop: TinyShop) -> None:
    shop.pages = [[{**order(1), "id": None}, order(2)]]
    for expected in ((2, 2, 0, 0, 1), (2, 0, 0, 2, 0)):
        assert counts(start(stream)) == expected
    waiting = Quarantine.objects.get()
    assert waiting.errors == [["", "id", "The record has no id, so it could be booked twice."]]
    assert [row.external_id for row in Document.objects.all()] == ["2"]


def test_bad_record_waits_and_the_rest_goes_on(stream: Stream, shop: TinyShop) -> None:
    shop.pages = [[order(1, currency="XXQ"), order(2)]]
    run = start(stream)
    assert (run.state, run.quarantined, run.posted) == ("succeeded", 1, 1)
    shop.pages = [[order(1, updated="2026-03-02T12:30:00Z")]]
    assert start(stream).posted == 1
    assert [row.state for row in Quarantine.objects.all()] == ["resolved"]


def test_a_record_of_another_build_waits_and_what_it_was_stays(stream: Stream, shop: TinyShop) -> None:
    shop.pages = [[order(1), order(2)]]
    start(stream)
    later = {"updated": "2026-03-02T13:00:00Z"}
    shop.pages = [[{**order(1, **later), "lines": [None]}, order(2, amount="12.00", **later)]]
    run = start(stream)
    assert (run.state, run.quarantined, run.posted, sales()) == ("succeeded", 1, 1, -2200)
    assert Quarantine.objects.get().errors == [
        ["", "", "The record is not built the way we know such records (TypeError: 'NoneType' object is not "
                 "subscriptable), so none of it is booked."]
    ]  # fmt: skip
    shop.pages = [[order(1, amount="11.00", updated="2026-03-02T14:00:00Z")]]
    assert (start(stream).posted, sales()) == (1, -2300)
    assert [row.state for row in Quarantine.objects.all()] == ["resolved"]


def test_withdrawn_document_is_reversed(stream: Stream, shop: TinyShop) -> None:
    start(stream)
    shop.pages = [[order(1, updated="2026-03-02T13:00:00Z", cancelled=True)]]
    start(stream)
    document = Document.objects.get(external_id="1")
    entry, reversal = document.entries.order_by("pk")
    assert (document.status, reversal.reverses, sales()) == ("void", entry, -5000)
    again_ = start(stream)
    assert (counts(again_), sales()) == ((1, 0, 0, 1, 0), -5000)


# ── when it does not go well ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("page", [0, 1, 2])
def test_failure_waits_and_goes_on_at_the_same_page(stream: Stream, shop: TinyShop, page: int) -> None:
    shop.failing[page] = BUSY
    before = timezone.now()
    run = start(stream)
    assert (run.state, run.error_kind, run.lease, run.read) == ("waiting", "transient", "", 2 * page)
    assert run.not_before is not None
    assert run.not_before >= before + dt.timedelta(seconds=60), "as long as the other side asked for"
    assert cursor(stream) == {}, "the cursor moves with the last page only"
    assert RawRecord.objects.count() == 2 * page
    sync.run_slice(run.pk)
    assert len(shop.asked) == page + 1, "not before its time"
    shop.failing.clear()
    run = again(run)
    assert (run.state, run.error, counts(run)) == ("succeeded", "", (6, 6, 0, 0, 6))
    assert [asked.get("page", "0") for asked in shop.asked[page + 1 :]] == ["0", "1", "2"][page:]
    assert books() == (6, 6, 6, 6, 12)
    assert cursor(stream) == {"at": "2026-03-02T12:06:00Z"}


@pytest.mark.parametrize("page", [0, 1, 2])
def test_bug_writes_nothing_of_its_page_and_can_be_resumed(stream: Stream, shop: TinyShop, page: int) -> None:
    shop.meanwhile[page] = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        start(stream)
    run = SyncRun.objects.get()
    assert (run.state, run.error_kind, run.pages, RawRecord.objects.count()) == (
        "failed",
        "bug",
        page,
        2 * page,
    )
    assert Incident.objects.filter(closed_at=None).count() == 1
    fresh = again(sync.resume(run))
    assert (fresh.state, fresh.pages, fresh.read) == ("succeeded", 3 - page, 6 - 2 * page)
    assert books() == (6, 6, 6, 6, 12)
    assert Incident.objects.filter(closed_at=None).count() == 0


def test_gives_up_after_the_last_try(stream: Stream, shop: TinyShop) -> None:
    shop.failing[1] = BUSY
    run = start(stream)
    for _ in range(sync.MAX_ATTEMPTS - 1):
        assert run.state == "waiting"
        run = again(run)
    assert (run.state, run.error_kind, run.attempts) == ("failed", "transient", sync.MAX_ATTEMPTS)
    assert run.error == "Tiny Shop says we are asking too often (429). We tried 8 times."
    assert Incident.objects.filter(closed_at=None).count() == 1
    assert run.checkpoint["position"] == "1", "it can be resumed where it stopped"


def test_page_that_kills_its_worker_is_not_tried_for_ever(stream: Stream, shop: TinyShop) -> None:
    run = sync.request_run(stream, trigger="person")
    for _ in range(sync.MAX_ATTEMPTS):
        assert sync.claim(run.pk) is not None
        SyncRun.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    run = again(run)
    assert (run.state, run.error_kind, shop.asked) == ("failed", "config", [])


def test_refused_credentials_need_a_person(stream: Stream, shop: TinyShop) -> None:
    shop.failing[0] = (401, {})
    run = start(stream)
    assert (run.state, run.error_kind) == ("failed", "config")
    assert run.error == "Tiny Shop does not accept these credentials (401). Make a new key."
    assert Integration.objects.get().state == "attention"
    incident = Incident.objects.get()
    assert (incident.closed_at, incident.message) == (None, f"Tiny orders: {run.error}")
    shop.failing.clear()
    assert start(stream).state == "succeeded"
    incident.refresh_from_db()
    assert incident.closed_at is not None
    assert Integration.objects.get().state == "active"


def test_disconnected_integration_is_left_alone(stream: Stream, shop: TinyShop) -> None:
    Integration.objects.update(state="disconnected")
    run = start(stream)
    assert (run.state, run.error_kind, shop.asked) == ("failed", "config", [])


def test_lost_lease_writes_nothing_more(stream: Stream, shop: TinyShop) -> None:
    shop.meanwhile[1] = lambda: SyncRun.objects.update(lease="of another worker")
    run = start(stream)
    assert (run.state, run.lease, run.pages) == ("running", "of another worker", 1)
    assert (books(), cursor(stream)) == ((2, 2, 2, 2, 4), {})


def test_canceled_run_stops_and_keeps_what_it_wrote(stream: Stream, shop: TinyShop) -> None:
    shop.meanwhile[1] = lambda: sync.cancel(SyncRun.objects.get())
    run = start(stream)
    assert (run.state, run.pages, cursor(stream)) == ("canceled", 1, {})
    assert books() == (2, 2, 2, 2, 4)
    assert sync.cancel(run) is False, "it is over"
    sync.run_slice(run.pk)
    assert len(shop.asked) == 2


def test_run_is_held_by_one_worker(stream: Stream) -> None:
    run = sync.request_run(stream, trigger="person")
    held = sync.claim(run.pk)
    assert held is not None
    assert sync.claim(run.pk) is None
    SyncRun.objects.update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    taken = sync.claim(run.pk)
    assert taken is not None
    assert (taken.lease != held.lease, taken.attempts) == (True, 2)


@pytest.mark.parametrize(
    ("attempts", "asked_for", "low", "high"),
    [(1, None, 7.5, 15), (3, None, 30, 60), (20, None, 1800, 3600), (1, 120.0, 120, 120)],
)
def test_backoff(attempts: int, asked_for: float | None, low: float, high: float) -> None:
    for _ in range(20):
        assert low <= sync.backoff(attempts, retry_after=asked_for) <= high


# ── mapping again what is held ──────────────────────────────────────────────────────────────────────


def test_replay_fetches_nothing_and_changes_nothing(stream: Stream, shop: TinyShop) -> None:
    start(stream)
    before, at = books(), cursor(stream)
    run = again(sync.replay(stream))
    assert (run.state, counts(run)) == ("succeeded", (6, 0, 0, 0, 0))
    assert (books(), cursor(stream), len(shop.asked)) == (before, at, 3)


def test_replay_in_pages_and_slices(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    start(stream)
    before = books()
    monkeypatch.setattr(sync, "REPLAY_PAGE", 2)
    monkeypatch.setattr(sync, "SLICE_SECONDS", -1.0)
    run = sync.replay(stream)
    drain()
    run.refresh_from_db()
    assert (run.state, run.pages, run.read, books()) == ("succeeded", 4, 6, before)


def test_replay_of_some(stream: Stream) -> None:
    start(stream)
    Entry.objects.filter(document__external_id="2").update(content_hash="as an older mapping made it")
    run = again(sync.replay(stream, only=["2", "3"]))
    assert (run.read, run.posted, sales()) == (2, 1, -6000)

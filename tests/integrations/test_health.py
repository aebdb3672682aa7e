"""Health: connection, silence, staleness, expiry, odd volume, and the books' own check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations import alerts, health
from integrations.connection import TOKEN
from integrations.models import Incident, Integration, RawRecord, Secret, Stream, SyncRun
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer
from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Posting
from tests.integrations.syncing import connect, sandbox, sync_charges

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
STEADY = (20, 22, 19, 21, 20, 18, 20)


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with sandbox(orders=2) as running:
        yield running


@pytest.fixture
def integration(organization: Organization, server: SandboxServer) -> Integration:
    return connect(organization, server.address, streams=["charges"])


@pytest.fixture
def stream(integration: Integration) -> Stream:
    return integration.streams.get()


def synced(stream: Stream, days: Sequence[int]) -> None:
    """One run in each of the last days, the oldest first, with so many new records; the last just now."""
    now = timezone.now()
    SyncRun.objects.create(stream=stream, state="succeeded", created_at=now - DAY * (len(days) + 0.2))
    for age, new in zip(range(len(days) - 1, -1, -1), days, strict=True):
        at = now - DAY * age - dt.timedelta(minutes=10)
        SyncRun.objects.create(stream=stream, state="succeeded", new=new, created_at=at, finished_at=at)


def checked(integration: Integration) -> tuple[str, str]:
    health.check(integration.pk)
    integration.refresh_from_db()
    return integration.health, integration.health_message


def open_incidents() -> list[str]:
    return list(Incident.objects.filter(closed_at__isnull=True).values_list("message", flat=True))


# ── the connection ──────────────────────────────────────────────────────────────────────────────────


def test_healthy(integration: Integration, stream: Stream) -> None:
    synced(stream, [*STEADY, 20])
    state, words = checked(integration)
    assert (state, open_incidents()) == ("ok", [])
    assert words
    assert integration.health_checked_at is not None


def test_refused_key_needs_a_person_until_it_is_replaced(
    integration: Integration, server: SandboxServer
) -> None:
    server.state.faults.append(Fault("stripe", "status", status=401, count=-1))
    state, words = checked(integration)
    assert (state, integration.state) == ("failed", "attention")
    assert open_incidents() == [f"{integration}: {words}"]
    server.state.faults.clear()
    assert checked(integration)[0] == "ok"
    assert (integration.state, open_incidents()) == ("active", [])


@pytest.mark.usefixtures("no_pauses")
def test_hiccup_is_no_incident(integration: Integration, server: SandboxServer) -> None:
    server.state.faults.append(Fault("stripe", "status", status=503, count=-1))
    assert checked(integration)[0] == "warning"
    assert (integration.state, open_incidents()) == ("active", [])


def test_working_key_does_not_hide_a_stream_that_stands_still(
    integration: Integration, stream: Stream
) -> None:
    alerts.needs_attention(integration, "The key may not read charges.")
    alerts.raise_incident(integration, key=alerts.stream_key(stream), message=f"{stream}: No right.")
    checked(integration)
    assert integration.state == "attention"


def test_paused_stream_is_no_incident(integration: Integration, stream: Stream) -> None:
    alerts.raise_incident(integration, key=alerts.stream_key(stream), message=f"{stream}: No.")
    Stream.objects.update(paused_at=timezone.now())
    checked(integration)
    assert open_incidents() == []


# ── silence ─────────────────────────────────────────────────────────────────────────────────────────


def test_silence_is_an_alarm_and_its_end_is_told(integration: Integration, stream: Stream) -> None:
    synced(stream, [*STEADY, 0])
    state, words = checked(integration)
    assert (state, words) == ("warning", "Charges: nothing new in a day; usually about 20 a day.")
    assert open_incidents() == [f"{integration}: {words}"]
    SyncRun.objects.create(stream=stream, state="succeeded", new=5, finished_at=timezone.now())
    assert (checked(integration)[0], open_incidents()) == ("ok", [])


@pytest.mark.parametrize(
    "days",
    [(0, *STEADY[1:], 0), (1, 0, 2, 0, 1, 0, 3, 0), (20, 20, 0)],
    ids=["its day of rest", "hardly anything ever", "too young to tell"],
)
def test_silence_that_is_usual(integration: Integration, stream: Stream, days: tuple[int, ...]) -> None:
    synced(stream, days)
    assert checked(integration)[0] == "ok"


def test_records_by_webhook_are_no_silence(integration: Integration, stream: Stream) -> None:
    synced(stream, [*STEADY, 0])
    RawRecord.objects.create(stream=stream, external_id="1", content_hash="x", payload={})
    assert checked(integration)[0] == "ok"


def test_flood(integration: Integration, stream: Stream) -> None:
    synced(stream, [*STEADY, 500])
    assert checked(integration)[1] == "Charges: 500 new in a day; usually about 20 a day."


# ── staleness ───────────────────────────────────────────────────────────────────────────────────────


def run(stream: Stream, hours: float, **fields: object) -> SyncRun:
    at = timezone.now() - dt.timedelta(hours=hours)
    given = {"state": "succeeded", "trigger": "schedule", "created_at": at, "finished_at": at}
    return SyncRun.objects.create(stream=stream, **{**given, **fields})


def test_stale_stream(integration: Integration, stream: Stream) -> None:
    last = run(stream, 4)
    run(stream, 1, trigger="replay")
    assert last.finished_at is not None
    at = f"{last.finished_at.astimezone(integration.organization.zone):%Y-%m-%d %H:%M}"
    assert checked(integration) == ("warning", f"Charges: last synced {at}, which is overdue.")


def test_stream_that_never_got_through(integration: Integration, stream: Stream) -> None:
    run(stream, 5, state="failed", finished_at=None)
    run(stream, 1, state="failed", finished_at=None)
    state, words = checked(integration)
    assert (state, words.startswith("Charges: never synced yet, though it was asked for on ")) == (
        "warning",
        True,
    )


@pytest.mark.parametrize("minutes", [0, 240], ids=["by hand", "in time"])
def test_not_stale(integration: Integration, stream: Stream, minutes: int) -> None:
    Stream.objects.update(schedule_minutes=minutes)
    run(stream, 4)
    assert checked(integration)[0] == "ok"


def test_long_first_sync_that_gets_on_is_not_stale(integration: Integration, stream: Stream) -> None:
    run(stream, 9, state="running", finished_at=None, leased_until=timezone.now() + dt.timedelta(minutes=3))
    assert checked(integration)[0] == "ok"


# ── expiry ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("days", "words"),
    [(5, "ends on 2026-03-06: connect again before then."), (-2, "ended on 2026-02-27: connect again.")],
)
def test_expiring_access(
    integration: Integration, monkeypatch: pytest.MonkeyPatch, days: int, words: str
) -> None:
    now = dt.datetime(2026, 3, 1, 17, tzinfo=dt.UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)
    Secret.objects.filter(name="api_key").update(expires_at=now + DAY * days)
    assert health._signs(integration) == [f"The access (api_key) {words}"]


def test_far_expiry_and_renewed_tokens_are_fine(integration: Integration) -> None:
    now = timezone.now()
    Secret.objects.filter(name="api_key").update(expires_at=now + DAY * 60)
    Secret.objects.create(integration=integration, name=TOKEN, value="", expires_at=now)
    assert health._signs(integration) == []


# ── the books ───────────────────────────────────────────────────────────────────────────────────────


def test_sound_books_raise_nothing(organization: Organization) -> None:
    sync_charges(organization)
    health.check_books()
    assert open_incidents() == []


def test_unbalanced_and_misfiled_are_told_and_recover(organization: Organization) -> None:
    sync_charges(organization)
    first, *_, last = Posting.objects.order_by("pk")
    Posting.objects.filter(pk=first.pk).update(amount=first.amount + 1)
    Posting.objects.filter(pk=last.pk).update(date=last.date - DAY)
    health.check_books()
    health.check_books()
    assert open_incidents() == [
        f"1 journal entries do not balance: {first.entry_id}. "
        f"1 postings differ from their entry in currency, day or organization; entries: {last.entry_id}. "
        "3 daily totals are not the sum of their postings."
    ]
    Posting.objects.filter(pk=first.pk).update(amount=first.amount)
    Posting.objects.filter(pk=last.pk).update(date=last.date)
    health.check_books()
    assert open_incidents() == []

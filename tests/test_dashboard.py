"""The dashboard: what needs a person, health, figures of the last days, and what a new organization sees."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from integrations.connection import TOKEN
from integrations.models import (
    Difference,
    Incident,
    Integration,
    Quarantine,
    RawRecord,
    Secret,
    Stream,
    SyncRun,
)
from ledgerhub import dashboard
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Posting, Source, StatementLine
from reconciliation.models import Confirmation, Match, MatchLine
from tests.ledger.books import book
from tests.ledger.drafts import DAY, invoice, payout

SignedIn = Callable[[User], Client]


@pytest.fixture
def stream(organization: Organization) -> Stream:
    install_chart(organization)
    integration = Integration.objects.create(
        organization=organization, connector="shopify", name="Shop", state="active", health="ok"
    )
    source = Source.objects.create(organization=organization, key="shop", label="Shop orders")
    return Stream.objects.create(integration=integration, key="orders", source=source)


def waiting(organization: Organization) -> list[tuple[str, str, int]]:
    return [(task.state, task.title, task.number) for task in dashboard.build(organization).tasks]


def test_a_new_organization_is_told_how_to_begin(organization: Organization) -> None:
    shown = dashboard.build(organization)
    assert shown.is_new
    assert [step["title"] for step in shown.steps] == [
        "Connect a shop or a payment processor",
        "Bring in the bank",
        "Look over the chart of accounts",
        "Invite the people you work with",
    ]
    assert (shown.tasks, shown.volume, shown.saved) == ([], None, (0, 0, 0))


def test_nothing_waits_when_all_is_well(organization: Organization, stream: Stream) -> None:
    assert waiting(organization) == []


def test_what_stopped_comes_first(organization: Organization, stream: Stream) -> None:
    Integration.objects.update(state="attention", health="failed", health_message="The key was revoked.")
    record = RawRecord.objects.create(stream=stream, external_id="1", content_hash="-", payload={})
    for number in range(3):
        Quarantine.objects.create(
            stream=stream,
            external_id=str(number),
            record=record,
            cause="total",
            cause_label="Total is missing",
            errors=[["invoice.total", "", "Total is missing"]],
        )
    Incident.objects.create(
        organization=organization, key="books", message="One entry does not balance. Id 3."
    )
    assert waiting(organization) == [
        ("failed", "Shop needs attention", 0),
        ("warning", "One entry does not balance", 0),
        ("quarantined", "Total is missing", 3),
    ]
    assert dashboard.build(organization).health[0].state == "failed"


def test_differences_with_another_accounting_system_wait(organization: Organization, stream: Stream) -> None:
    for number, closed in enumerate((None, None, timezone.now())):
        Difference.objects.create(
            integration=stream.integration,
            kind="missing",
            external_id=str(number),
            what="x",
            closed_at=closed,
        )
    assert waiting(organization) == [("difference", "differences between your books and Shop", 2)]


def test_a_consent_that_ends_soon(organization: Organization, stream: Stream) -> None:
    at = timezone.now() + dt.timedelta(days=3)
    Secret.objects.create(integration=stream.integration, name="consent", value="x", expires_at=at)
    Secret.objects.create(integration=stream.integration, name="access_token", value="x", expires_at=at)
    Secret.objects.create(integration=stream.integration, name=TOKEN, value="x", expires_at=at)
    day = at.astimezone(organization.zone).date()
    assert waiting(organization) == [("expiring", f"The access to Shop ends on {day}", 0)]


def test_a_consent_whose_end_the_system_tells(organization: Organization, stream: Stream) -> None:
    """A token is renewed every hour and is nobody's task; the consent behind it is, once."""
    now = timezone.now()
    Secret.objects.create(integration=stream.integration, name=TOKEN, value="x", expires_at=now)
    assert waiting(organization) == []
    Integration.objects.update(consent_until=now + dt.timedelta(days=15))
    assert waiting(organization) == []
    at = now + dt.timedelta(days=3)
    Integration.objects.update(consent_until=at)
    later = now + dt.timedelta(days=5)
    Secret.objects.create(integration=stream.integration, name="consent", value="x", expires_at=later)
    day = at.astimezone(organization.zone).date()
    assert waiting(organization) == [("expiring", f"The access to Shop ends on {day}", 0)]


def line(stream: Stream, number: int) -> StatementLine:
    return StatementLine.objects.create(
        organization=stream.integration.organization,
        account=Account.objects.get(role="bank"),
        source=stream.source,
        identity=str(number),
        date=DAY,
        amount=100,
        currency="USD",
    )


def match(stream: Stream, row: StatementLine, *, state: str) -> Match:
    made = Match.objects.create(
        organization=row.organization, account=row.account, state=state, fingerprint=row.identity
    )
    MatchLine.objects.create(match=made, statement_line=row, amount=100, confirmed=state == "confirmed")
    return made


def test_bank_lines_count_once_as_a_proposal_or_as_unexplained(
    organization: Organization, stream: Stream
) -> None:
    rows = [line(stream, number) for number in range(5)]
    confirmed = match(stream, rows[0], state="confirmed")
    match(stream, rows[1], state="proposed")
    match(stream, rows[2], state="rejected")
    Confirmation.objects.create(match=confirmed, action="confirm")
    assert waiting(organization) == [
        ("proposed", "matches to approve on Checking account", 1),
        ("unmatched", "bank lines without a proposal on Checking account", 3),
    ]
    assert dashboard.build(organization).saved == (0, 1, 0)


def test_volume_and_what_was_saved(organization: Organization, stream: Stream) -> None:
    now = timezone.now()
    for state, posted, quarantined, days in (
        ("succeeded", 100, 2, 0),
        ("failed", 20, 0, 0),
        ("succeeded", 7, 0, 2),
        ("succeeded", 99, 9, 40),
    ):
        SyncRun.objects.create(
            stream=stream,
            state=state,
            posted=posted,
            quarantined=quarantined,
            created_at=now - dt.timedelta(days=days),
        )
    with timezone.override(organization.zone):
        shown = dashboard.build(organization)
    assert shown.volume is not None
    assert shown.volume.posted[-3:] == [7, 0, 120]
    assert (shown.volume.quarantined[-1], shown.volume.failed[-1], len(shown.volume.labels)) == (2, 1, 30)
    assert shown.saved == (127, 0, 127 * 90 // 60)


def test_cash_and_what_the_gateways_hold(organization: Organization, stream: Stream) -> None:
    book(organization, invoice(), payout(external_id="po", total=4000, gateway="stripe"))
    shown = dashboard.build(organization)
    assert [(row.account.name, row.amount) for row in shown.cash] == [("Checking account", 4000)]
    assert [(row.account.name, row.amount) for row in shown.clearing] == [("Stripe clearing", 6850)]
    assert shown.cash_line[-1] == Posting.objects.get(account__role="bank").base_amount


def test_the_books_should_be_locked_after_a_month(organization: Organization, stream: Stream) -> None:
    book(organization, invoice(date=dt.date(2024, 1, 5)))
    with timezone.override(organization.zone):
        titles = [task.title for task in dashboard.build(organization).tasks]
    late = timezone.localdate(timezone=organization.zone).day >= 10
    assert len(titles) == (1 if late else 0)
    organization.lock_date = timezone.localdate()
    assert waiting(organization) == []


def test_the_page_takes_a_handful_of_queries(
    organization: Organization,
    stream: Stream,
    viewer: User,
    signed_in: SignedIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(30):
        match(stream, line(stream, number), state="proposed")
    client = signed_in(viewer)
    address = reverse("dashboard", args=[organization.slug])
    client.get(address)
    with django_assert_max_num_queries(29):
        page = client.get(address).content.decode()
    assert "30</span> matches to approve on Checking account" in page


def test_outsiders_are_not_told(organization: Organization, outsider: User, signed_in: SignedIn) -> None:
    assert signed_in(outsider).get(reverse("dashboard", args=[organization.slug])).status_code == 404

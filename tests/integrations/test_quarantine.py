"""Quarantine: causes and their remedies, retry, dismiss, reopen, and the pages that do it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from integrations import quarantine
from integrations.models import Integration, Quarantine, RawRecord, Stream, SyncRun
from integrations.views.marking import marked_json
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.access.views_support import OrgRequest
from ledgerhub.core.errors import ConfigError, RecordError
from ledgerhub.ledger.accounts import Accounts, install_chart
from ledgerhub.ledger.entries import AccountRef
from ledgerhub.ledger.models import Account, Entry
from ledgerhub.ledger.rates import Rates
from tests.integrations.syncing import connect, sync_charges
from tests.jobs import drain

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]
CAUSE = "ab" * 16


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True


@pytest.fixture
def stream(organization: Organization) -> Stream:
    return connect(organization, streams=["charges"]).streams.get()


@pytest.fixture
def request_(organization: Organization, bookkeeper: User) -> OrgRequest:
    request = RequestFactory().post("/")
    request.user, request.organization = bookkeeper, organization  # type: ignore[attr-defined]
    return request  # type: ignore[return-value]


def held(stream: Stream, external_id: str = "ch_1", *, cause: str = CAUSE, **fields: object) -> Quarantine:
    record, _ = RawRecord.objects.get_or_create(
        stream=stream,
        external_id=external_id,
        defaults={
            "content_hash": external_id,
            "payload": {"id": external_id, "amount": "x", "status": "paid"},
        },
    )
    given = {
        "output": "payment",
        "cause_label": "… is not a whole number",
        "errors": [["payment.total", "amount", "'x' is not a whole number"]],
    }
    return Quarantine.objects.create(
        stream=stream, external_id=external_id, record=record, cause=cause, **{**given, **fields}
    )


def url(name: str, organization: Organization, *args: object) -> str:
    return reverse(f"integrations:{name}", args=[organization.slug, *args])


def test_a_cause_with_one_record_is_named_in_that_records_own_words(stream: Stream) -> None:
    held(stream)
    assert [cause.label for cause in quarantine.causes(Quarantine.objects.all())] == [
        "'x' is not a whole number"
    ]
    held(stream, "ch_2")
    assert [cause.label for cause in quarantine.causes(Quarantine.objects.all())] == [
        "… is not a whole number"
    ]


# ── remedies follow the ledger's own words ──────────────────────────────────────────────────────────


def test_missing_rate_is_mended_at_the_rates(organization: Organization) -> None:
    with pytest.raises(RecordError) as caught:
        Rates(organization, {("EUR", dt.date(2026, 3, 1))}).rate("EUR", dt.date(2026, 3, 1))
    assert quarantine.remedy([str(caught.value)]).place == "rates"


@pytest.mark.parametrize("ref", [AccountRef("code", "9999"), AccountRef("no_such_role")])
def test_missing_account_is_mended_in_the_chart(organization: Organization, ref: AccountRef) -> None:
    install_chart(organization)
    with pytest.raises(RecordError) as caught:
        Accounts(organization).find(ref, currency="USD")
    assert quarantine.remedy([str(caught.value)]).place == "accounts"


def test_account_of_another_currency_is_mended_in_the_chart(organization: Organization) -> None:
    install_chart(organization)
    Account.objects.filter(organization=organization, role="sales").update(currency="EUR")
    with pytest.raises(RecordError) as caught:
        Accounts(organization).find(AccountRef("sales"), currency="USD")
    assert quarantine.remedy([str(caught.value)]).place == "accounts"


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ("'x' is not a whole number", "mapping"),
        ("The record has no id, so it could be booked twice.", "source"),
        (
            "No bank account is chosen for this integration. Choose one on the integration's page.",
            "integration",
        ),
    ],
)
def test_remedies(message: str, place: str) -> None:
    assert quarantine.remedy([message]).place == place


# ── logic ───────────────────────────────────────────────────────────────────────────────────────────


def test_causes_are_grouped_by_stream_and_cause(organization: Organization, stream: Stream) -> None:
    for number in range(3):
        held(stream, f"ch_{number}")
    held(stream, "ch_9", cause="cd" * 16)
    found = quarantine.causes(quarantine.of_organization(organization.pk))
    assert [(one.key, one.count, one.first.external_id) for one in found] == [
        (CAUSE, 3, "ch_2"),
        ("cd" * 16, 1, "ch_9"),
    ]


def test_retry_maps_only_these_records(stream: Stream, request_: OrgRequest, bookkeeper: User) -> None:
    rows = [held(stream, "ch_1"), held(stream, "ch_2")]
    run = quarantine.retry(stream, rows[:1], request=request_, user=bookkeeper)
    assert (run.trigger, SyncRun.objects.get().checkpoint) == ("replay", {"only": ["ch_1"]})
    quarantine.retry(stream, rows[1:], request=request_, user=bookkeeper)
    assert SyncRun.objects.get().checkpoint == {"only": ["ch_1", "ch_2"]}, "joined: one run, both records"
    assert AuditEvent.objects.filter(action="quarantine.retried").count() == 2


def test_retry_leaves_another_sync_alone(stream: Stream, request_: OrgRequest, bookkeeper: User) -> None:
    run = SyncRun.objects.create(stream=stream, trigger="schedule", checkpoint={"page": "p2"})
    with pytest.raises(ConfigError, match="A sync of these records is under way"):
        quarantine.retry(stream, [held(stream)], request=request_, user=bookkeeper)
    run.refresh_from_db()
    assert run.checkpoint == {"page": "p2"}
    assert not AuditEvent.objects.filter(action="quarantine.retried").exists()


def test_nothing_to_retry(stream: Stream, request_: OrgRequest, bookkeeper: User) -> None:
    with pytest.raises(ConfigError, match="nothing left to retry"):
        quarantine.retry(stream, [], request=request_, user=bookkeeper)


def test_dismiss_keeps_the_reason(stream: Stream, request_: OrgRequest, bookkeeper: User) -> None:
    row, mended = held(stream), held(stream, "ch_2", state="resolved")
    count = quarantine.dismiss(
        Quarantine.objects.all(), reason="  a test\norder ", request=request_, user=bookkeeper
    )
    row.refresh_from_db()
    mended.refresh_from_db()
    assert (count, row.state, row.reason, row.closed_by, mended.state) == (
        1, "dismissed", "a test order", bookkeeper, "resolved",
    )  # fmt: skip
    event = AuditEvent.objects.get(action="quarantine.dismissed")
    assert event.after == {"state": "dismissed", "reason": "a test order"}


@pytest.mark.parametrize(("reason", "words"), [(" \n", "Say why"), ("x" * 301, "longer than 300")])
def test_dismiss_needs_a_reason(
    stream: Stream, request_: OrgRequest, bookkeeper: User, reason: str, words: str
) -> None:
    held(stream)
    with pytest.raises(ConfigError, match=words):
        quarantine.dismiss(Quarantine.objects.all(), reason=reason, request=request_, user=bookkeeper)
    assert Quarantine.objects.get().state == "open"


def test_reopen_skips_what_waits_anew(stream: Stream, request_: OrgRequest) -> None:
    held(stream, "ch_1", state="dismissed", reason="old")
    newest = held(stream, "ch_1", state="dismissed", reason="newer")
    held(stream, "ch_2", state="dismissed")
    held(stream, "ch_2")
    assert quarantine.reopen(Quarantine.objects.all(), request=request_) == 1
    newest.refresh_from_db()
    assert (newest.state, newest.reason, newest.closed_by) == ("open", "", None)
    assert Quarantine.objects.filter(state="open").count() == 2


def test_mended_record_is_booked_after_retry(
    organization: Organization, request_: OrgRequest, bookkeeper: User
) -> None:
    """The way a bookkeeper goes: the mapping gets a fallback, the record is retried and booked."""
    stream = sync_charges(organization, spoiled=1, lost="created")
    row = Quarantine.objects.get()
    assert not Entry.objects.filter(document__raw_record_id=row.record_id).exists()
    mapping = stream.mapping
    assert mapping is not None
    [rule] = [one for one in mapping.rules["outputs"][0]["rules"] if one["target"] == "payment.date"]
    rule["via"] = [{"name": "default", "params": {"value": "1767225600"}}, *rule["via"]]
    mapping.save()
    quarantine.retry(stream, [row], request=request_, user=bookkeeper)
    drain()
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("resolved", 1)
    assert Entry.objects.filter(document__raw_record_id=row.record_id).count() == 1


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────


def test_inbox(organization: Organization, stream: Stream, viewer: User, signed_in: SignIn) -> None:
    held(stream, "ch_1")
    held(stream, "ch_2")
    Integration.objects.update(state="attention", health_message="Enter a new key.")
    page = signed_in(viewer).get(url("errors", organization))
    text = page.content.decode()
    assert [group["cause"].count for group in page.context["groups"]] == [2]
    assert "2 records wait for you, for 1 cause" in text
    assert text.index("Enter a new key.") < text.index("is not a whole number")
    assert url("cause_retry", organization, stream.pk, CAUSE) not in text, "a viewer has no buttons"
    other = signed_in(viewer).get(url("errors", organization), {"state": "dismissed"})
    assert other.context["groups"] == []


def test_inbox_by_integration(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    held(stream)
    shop = connect(organization, key="shopify", streams=["orders"])
    held(shop.streams.get(), "5001")
    page = signed_in(viewer).get(url("errors", organization), {"integration": shop.pk})
    assert [group["cause"].stream.integration for group in page.context["groups"]] == [shop]


def test_inbox_takes_few_queries(
    organization: Organization,
    stream: Stream,
    bookkeeper: User,
    signed_in: SignIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(40):
        held(stream, f"ch_{number}", cause=f"{number:032x}")
    client = signed_in(bookkeeper)
    client.get(url("errors", organization))
    with django_assert_max_num_queries(16):
        client.get(url("errors", organization))


def test_empty_inbox_says_so(organization: Organization, viewer: User, signed_in: SignIn) -> None:
    assert "Nothing needs you" in signed_in(viewer).get(url("errors", organization)).content.decode()


def test_cause_page(organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn) -> None:
    rows = [held(stream, f"ch_{number}") for number in range(3)]
    client = signed_in(bookkeeper)
    page = client.get(url("cause", organization, stream.pk, CAUSE))
    assert [row.pk for row in page.context["table"].rows] == [row.pk for row in reversed(rows)]
    assert b"every 2s" not in page.content
    client.post(url("cause_retry", organization, stream.pk, CAUSE), {"all": "1"})
    assert SyncRun.objects.get().checkpoint == {"only": ["ch_0", "ch_1", "ch_2"]}
    fragment = client.get(url("cause", organization, stream.pk, CAUSE), headers={"HX-Request": "true"})
    assert b"every 2s" in fragment.content
    assert b"<html" not in fragment.content


def test_ticked_records_only(
    organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
) -> None:
    rows = [held(stream, f"ch_{number}") for number in range(3)]
    client = signed_in(bookkeeper)
    client.post(
        url("cause_dismissal", organization, stream.pk, CAUSE),
        {"selected": [rows[0].pk, "nonsense"], "reason": "A duplicate"},
    )
    client.post(url("cause_retry", organization, stream.pk, CAUSE), {"selected": [rows[1].pk]})
    assert [row.state for row in Quarantine.objects.order_by("pk")] == ["dismissed", "open", "open"]
    assert SyncRun.objects.get().checkpoint == {"only": ["ch_1"]}
    client.post(url("cause_reopening", organization, stream.pk, CAUSE), {"selected": [rows[0].pk]})
    assert {row.state for row in Quarantine.objects.all()} == {"open"}


def test_nothing_ticked_is_said(
    organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
) -> None:
    held(stream)
    answer = signed_in(bookkeeper).post(url("cause_retry", organization, stream.pk, CAUSE), follow=True)
    assert "There is nothing left to retry" in answer.content.decode()


def test_record_page_marks_the_value(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    older, row, newer = (held(stream, f"ch_{number}") for number in range(3))
    page = signed_in(viewer).get(url("quarantined", organization, row.pk))
    assert (
        '<mark class="json-mark"><span class="json-text">&quot;x&quot;</span></mark>' in page.content.decode()
    )
    assert page.context["mend"].url == url("mapping", organization, stream.pk) + f"?record={row.record_id}"
    assert (page.context["before"], page.context["after"]) == (newer, older)


def test_one_record_is_retried_dismissed_and_reopened(
    organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn
) -> None:
    row = held(stream)
    client = signed_in(bookkeeper)
    client.post(url("quarantined_retry", organization, row.pk))
    assert SyncRun.objects.get().checkpoint == {"only": ["ch_1"]}
    without = client.post(url("quarantined_dismissal", organization, row.pk), {"reason": ""}, follow=True)
    assert "Say why these records need not be booked" in without.content.decode()
    client.post(url("quarantined_dismissal", organization, row.pk), {"reason": "Not ours"})
    row.refresh_from_db()
    assert (row.state, row.reason) == ("dismissed", "Not ours")
    client.post(url("quarantined_reopening", organization, row.pk))
    row.refresh_from_db()
    assert row.state == "open"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_forms_lead_nowhere_else(
    organization: Organization, stream: Stream, bookkeeper: User, signed_in: SignIn, target: str
) -> None:
    row = held(stream)
    answer = signed_in(bookkeeper).post(url("quarantined_retry", organization, row.pk), {"next": target})
    assert answer["Location"] == url("quarantined", organization, row.pk)


def test_outsiders_find_nothing(
    organization: Organization, stream: Stream, outsider: User, signed_in: SignIn
) -> None:
    row = held(stream)
    membership = outsider.memberships.get()
    membership.role = "admin"
    membership.save()
    client = signed_in(outsider)
    for place in (organization, membership.organization):
        assert client.get(url("cause", place, stream.pk, CAUSE)).status_code == 404
        assert client.get(url("quarantined", place, row.pk)).status_code == 404
        assert client.post(url("quarantined_retry", place, row.pk)).status_code == 404
        assert client.post(url("cause_dismissal", place, stream.pk, CAUSE), {"all": 1}).status_code == 404
    assert client.get(url("errors", organization)).status_code == 404
    assert Quarantine.objects.get().state == "open"


@pytest.mark.parametrize("name", ["cause_retry", "cause_dismissal", "cause_reopening"])
def test_viewers_change_no_cause(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn, name: str
) -> None:
    held(stream)
    answer = signed_in(viewer).post(url(name, organization, stream.pk, CAUSE), {"all": "1", "reason": "x"})
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["quarantined_retry", "quarantined_dismissal", "quarantined_reopening"])
def test_viewers_change_no_record(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn, name: str
) -> None:
    row = held(stream)
    assert signed_in(viewer).post(url(name, organization, row.pk), {"reason": "x"}).status_code == 403


def test_unknown_cause_is_not_found(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    assert signed_in(viewer).get(url("cause", organization, stream.pk, "none")).status_code == 404


# ── marking ─────────────────────────────────────────────────────────────────────────────────────────


def test_marks_inside_lists_and_names_what_is_missing() -> None:
    payload = {"lines": [{"sku": "<b>", "n": 1}, {"sku": "M2", "n": 2}], "total": Decimal("1.50")}
    marked = marked_json(payload, ["lines[].sku", "tax.rate", "^broken[path", ""])
    assert marked.body.count('<mark class="json-mark">') == 2
    assert "&lt;b&gt;" in marked.body
    assert "<b>" not in marked.body
    assert marked.missing == ["tax.rate"]

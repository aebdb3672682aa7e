"""Pages of raw records: the list, one record with its versions, lineage and what it became."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from integrations.models import Quarantine, RawRecord, Stream, SyncRun
from integrations.views.marking import Difference, differences
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger import statement_lines
from ledgerhub.ledger.models import Account, Document, Entry
from tests.integrations.syncing import connect, sync_charges

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True


def url(name: str, organization: Organization, *args: object) -> str:
    return reverse(f"integrations:{name}", args=[organization.slug, *args])


def version(stream: Stream, number: int, payload: dict[str, object], *, latest: bool) -> RawRecord:
    return RawRecord.objects.create(
        stream=stream,
        external_id="ch_1",
        version=number,
        latest=latest,
        content_hash=str(number),
        payload=payload,
    )


@pytest.fixture
def stream(organization: Organization) -> Stream:
    return connect(organization, streams=["charges"]).streams.get()


def test_list_by_run_and_id(organization: Organization, viewer: User, signed_in: SignIn) -> None:
    sync_charges(organization)
    run, record = SyncRun.objects.get(), RawRecord.objects.order_by("pk").first()
    assert record is not None
    client = signed_in(viewer)
    page = client.get(url("records", organization), {"run": run.pk})
    assert page.context["table"].total == run.new
    page = client.get(url("records", organization), {"id": record.external_id})
    assert [row.pk for row, _ in page.context["rows"]] == [record.pk]
    page = client.get(url("records", organization), {"run": "nonsense"})
    assert page.context["table"].problems == ["Sync: 'nonsense' cannot be used here."]


def test_list_takes_few_queries(
    organization: Organization,
    viewer: User,
    signed_in: SignIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    sync_charges(organization)
    client = signed_in(viewer)
    client.get(url("records", organization))
    with django_assert_max_num_queries(13):
        client.get(url("records", organization))


def test_record_leads_from_the_call_to_the_entry(
    organization: Organization, viewer: User, signed_in: SignIn
) -> None:
    sync_charges(organization)
    document = Document.objects.filter(entries__isnull=False).order_by("pk").first()
    assert document is not None
    entry = Entry.objects.get(document=document)
    page = signed_in(viewer).get(url("record", organization, document.raw_record_id))
    assert [(step["kind"], step["label"]) for step in page.context["steps"]] == [
        ("API call", "charges 200"),
        ("Raw record", f"{document.external_id}, version 1"),
        ("Mapping", "Version 1"),
        ("Document", str(document)),
        ("Entry", f"Entry {entry.pk}"),
    ]
    assert page.context["became"] == "It became 1 document and 1 journal entry."
    assert page.context["changes"] == []


def test_versions_and_their_difference(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    first = version(stream, 1, {"id": "ch_1", "status": "pending", "old": 1}, latest=False)
    second = version(stream, 2, {"id": "ch_1", "status": "paid", "fee": {"amount": 3}}, latest=True)
    page = signed_in(viewer).get(url("record", organization, second.pk))
    assert page.context["versions"] == [second, first]
    assert page.context["changes"] == [
        Difference("fee.amount", None, "3"),
        Difference("old", "1", None),
        Difference("status", "pending", "paid"),
    ]
    assert "Replaced" in signed_in(viewer).get(url("record", organization, first.pk)).content.decode()


def test_record_in_quarantine_says_so(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    record = version(stream, 1, {"id": "ch_1"}, latest=True)
    row = Quarantine.objects.create(
        stream=stream, external_id="ch_1", record=record, cause="c", cause_label="No total", errors=[]
    )
    page = signed_in(viewer).get(url("record", organization, record.pk)).content.decode()
    assert url("quarantined", organization, row.pk) in page
    assert "It became nothing in the books." in page


def test_record_takes_few_queries(
    organization: Organization,
    stream: Stream,
    viewer: User,
    signed_in: SignIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    rows = [
        version(stream, number, {"id": "ch_1", "n": number}, latest=number == 30) for number in range(1, 31)
    ]
    client = signed_in(viewer)
    client.get(url("record", organization, rows[-1].pk))
    with django_assert_max_num_queries(18):
        client.get(url("record", organization, rows[-1].pk))


def test_outsiders_find_nothing(
    organization: Organization, stream: Stream, outsider: User, signed_in: SignIn
) -> None:
    record = version(stream, 1, {"id": "ch_1"}, latest=True)
    own = outsider.memberships.get().organization
    assert signed_in(outsider).get(url("records", organization)).status_code == 404
    assert signed_in(outsider).get(url("record", organization, record.pk)).status_code == 404
    assert signed_in(outsider).get(url("record", own, record.pk)).status_code == 404
    assert signed_in(outsider).get(url("records", own)).context["rows"] == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": [1, 2]}, {"a": [1, 3]}, [Difference("a[2]", "2", "3")]),
        ({"a": None}, {"a": True}, [Difference("a", "empty", "yes")]),
        ({"a": 1}, {"a": "1"}, [Difference("a", "1", "1")]),
        ({"a": {}}, {"a": ""}, [Difference("a", "{}", '""')]),
        ("x", {"a": 1}, [Difference("(whole)", "x", None), Difference("a", None, "1")]),
    ],
)
def test_differences(before: object, after: object, expected: list[Difference]) -> None:
    assert differences(before, after) == expected


def test_a_pending_record_leads_to_the_line_that_was_booked(
    organization: Organization, stream: Stream, viewer: User, signed_in: SignIn
) -> None:
    account = Account.objects.get(organization=organization, role="bank", qualifier="")
    pending = version(stream, 1, {"id": "ch_1"}, latest=True)
    draft = {"date": dt.date(2026, 3, 2), "currency": "USD", "total": -4000}
    told = [
        {**draft, "external_id": "p1", "pending": True},
        {**draft, "external_id": "b1", "pending_id": "p1"},
    ]
    for each, record_id in zip(told, (pending.pk, None), strict=True):
        statement_lines.store(account, stream.source, [each], raw_record_ids=[record_id])
    page = signed_in(viewer).get(url("record", organization, pending.pk))
    assert [line.identity for line in page.context["lines"]] == ["b1"]

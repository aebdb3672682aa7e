"""The way from a match back to the API call: every step there, every step a link."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from integrations.models import ApiCall, Integration, MappingVersion, RawRecord, Stream
from ledgerhub import lineage
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Document, Entry, Posting, Source
from reconciliation.models import Match, MatchLine
from tests.ledger.books import book
from tests.ledger.drafts import invoice

SignedIn = Callable[[User], Client]


@pytest.fixture
def document(organization: Organization) -> Document:
    """An invoice that came with an API call through a mapping."""
    install_chart(organization)
    [made] = book(organization, invoice())
    made.raw_record_id, made.mapping_version_id = origin(organization)
    made.save()
    return made


def origin(organization: Organization) -> tuple[int, int]:
    integration = Integration.objects.create(organization=organization, connector="shopify", name="My shop")
    source = Source.objects.create(organization=organization, key="shop/orders", label="My shop · Orders")
    stream = Stream.objects.create(integration=integration, key="orders", source=source)
    call = ApiCall.objects.create(
        integration=integration,
        method="GET",
        url="https://shop.example/admin/orders.json?limit=250",
        status=200,
    )
    record = RawRecord.objects.create(
        stream=stream, external_id="5001", content_hash="-", payload={"id": 5001}, api_call=call
    )
    mapping = MappingVersion.objects.create(stream=stream, number=4, state="published", rules=[])
    return record.pk, mapping.pk


def confirm(document: Document) -> Match:
    posting = Posting.objects.filter(entry__document=document).earliest("pk")
    match = Match.objects.create(
        organization=document.organization, account=posting.account, state="confirmed", fingerprint="-"
    )
    MatchLine.objects.create(match=match, posting=posting, amount=posting.amount, confirmed=True)
    return match


def test_the_strip_of_a_document(document: Document) -> None:
    confirm(document)
    entry = document.entries.get()
    steps = lineage.trace(document).steps(document)
    assert [(step.kind, step.label, step.current) for step in steps] == [
        ("API call", "GET /admin/orders.json", False),
        ("Raw record", "5001, version 1", False),
        ("Mapping", "Version 4", False),
        ("Document", "Invoice #1001", True),
        ("Entry", f"Entry {entry.pk}", False),
        ("Match", "Confirmed", False),
    ]
    assert steps[4].url == reverse("ledger:entry", args=[document.organization.slug, entry.pk])


def test_the_strip_of_an_entry_marks_the_entry(document: Document) -> None:
    entry = document.entries.get()
    steps = lineage.trace(document, entry=entry).steps(entry)
    assert [step.kind for step in steps if step.current] == ["Entry"]


def test_what_a_person_entered_has_a_person_as_its_source(organization: Organization) -> None:
    install_chart(organization)
    [made] = book(organization, invoice(status="draft", tenders=[]))
    steps = lineage.trace(made).steps(made)
    assert [(step.kind, step.label) for step in steps] == [
        ("Source", ""),
        ("Document", "Invoice #1001"),
        ("Entry", "None in the books"),
    ]


def test_the_origin_is_looked_up_within_the_organization(document: Document, outsider: User) -> None:
    theirs = outsider.memberships.get().organization
    Integration.objects.update(organization=theirs)
    found = lineage.trace(document).origin
    assert (found.record, found.mapping) == (None, None)


def test_a_trace_takes_four_queries(
    document: Document, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    confirm(document)
    with django_assert_max_num_queries(5):
        lineage.trace(document).steps(document)


def test_both_pages_show_the_payload_and_a_matched_entry_is_not_reversed(
    document: Document, approver: User, organization: Organization, signed_in: SignedIn
) -> None:
    entry, client = document.entries.get(), signed_in(approver)
    for name, pk in (("ledger:document", document.pk), ("ledger:entry", entry.pk)):
        page = client.get(reverse(name, args=[organization.slug, pk])).content.decode()
        assert '<span class="json-number">5001</span>' in page
    confirm(document)
    address = reverse("ledger:entry_reversal", args=[organization.slug, entry.pk])
    refused = client.post(address, {"reason": "Wrong"})
    assert refused.status_code == 422
    assert "Undo the match first" in refused.content.decode()
    assert Entry.objects.filter(reverses=entry).count() == 0

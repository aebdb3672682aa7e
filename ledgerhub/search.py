"""Searching: one field over documents, entries, contacts, statement lines, raw records and integrations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from integrations.models import Integration, RawRecord, Stream
from ledgerhub.access.models import Organization
from ledgerhub.ledger import finding
from ledgerhub.ledger.models import Document, Entry
from ledgerhub.lineage import page_url

EACH = 8
LONGEST = 100


class Hit(NamedTuple):
    """One result: what it is, what stands beside it, an amount where it has one."""

    title: str
    detail: str
    url: str
    date: object = None
    amount: int | None = None
    currency: str = ""
    state: str = ""


class Group(NamedTuple):
    """Results of one kind; `more` leads to the list with the same search, where there is one."""

    label: str
    icon: str
    hits: list[Hit]
    more: str = ""


def clean(text: str) -> str:
    return " ".join(text.replace("\0", "").split())[:LONGEST]


def search(organization: Organization, text: str) -> list[Group]:
    """Everything found for `text`, at most EACH of a kind; some twenty queries, all bounded."""
    text = clean(text)
    if not text:
        return []
    known = finding.known_documents(organization, text)
    groups = (
        Group(
            "Documents",
            "document",
            list(_documents(organization, text, known)),
            page_url(organization, "ledger:documents"),
        ),
        Group(
            "Journal entries",
            "book",
            list(_entries(organization, text, known)),
            page_url(organization, "ledger:journal"),
        ),
        Group(
            "Contacts",
            "users",
            list(_contacts(organization, text)),
            page_url(organization, "ledger:contacts"),
        ),
        Group("Statement lines", "bank", list(_lines(organization, text))),
        Group("Raw records", "database", list(_records(organization, text))),
        Group("Integrations", "plug", list(_integrations(organization, text))),
    )
    return [group for group in groups if group.hits]


def _documents(organization: Organization, text: str, known: set[int]) -> Iterator[Hit]:
    rows = Document.objects.filter(organization=organization).select_related("contact")
    found = finding.documents_with(rows, text, organization=organization, known=known)
    for row in found.order_by("-date", "-pk")[:EACH]:
        detail = row.contact.name if row.contact else row.reference
        url = page_url(organization, "ledger:document", row.pk)
        yield Hit(str(row), detail, url, row.date, row.total, row.currency, row.status)


def _entries(organization: Organization, text: str, known: set[int]) -> Iterator[Hit]:
    rows = Entry.objects.filter(organization=organization).select_related("document", "reversed_by")
    for row in finding.entries_with(rows, text, organization=organization, known=known).order_by(
        "-date", "-pk"
    )[:EACH]:
        state = "reversed" if hasattr(row, "reversed_by") else ""
        url = page_url(organization, "ledger:entry", row.pk)
        yield Hit(f"Entry {row.pk}", row.memo, url, row.date, row.document.total, row.currency, state)


def _contacts(organization: Organization, text: str) -> Iterator[Hit]:
    for row in finding.contacts_with(organization, text)[:EACH]:
        yield Hit(str(row), row.email, page_url(organization, "ledger:contact", row.pk))


def _lines(organization: Organization, text: str) -> Iterator[Hit]:
    for row in finding.lines_with(organization, text)[:EACH]:
        url = page_url(organization, "ledger:statement_lines", row.account_id)
        yield Hit(
            row.description or row.counterparty or row.identity,
            str(row.account),
            f"{url}?since={row.date}&until={row.date}",
            row.date,
            row.amount,
            row.currency,
        )


def _records(organization: Organization, text: str) -> Iterator[Hit]:
    """By the id at the source; newest version only."""
    streams = Stream.objects.filter(integration__organization=organization).values_list("pk", flat=True)
    rows = RawRecord.objects.filter(stream__in=list(streams), external_id=text, latest=True)
    for row in rows.select_related("stream__integration").defer("payload")[:EACH]:
        detail = f"{row.stream.integration} · {row.stream.key}, version {row.version}"
        yield Hit(
            row.external_id, detail, page_url(organization, "integrations:record", row.pk), row.fetched_at
        )


def _integrations(organization: Organization, text: str) -> Iterator[Hit]:
    for row in Integration.objects.filter(organization=organization, name__icontains=text)[:EACH]:
        url = page_url(organization, "integrations:integration", row.pk)
        yield Hit(row.name, row.connector.replace("_", " ").capitalize(), url, state=row.state)

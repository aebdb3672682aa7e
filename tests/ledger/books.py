"""Documents in the books for the tests, made without the mapping that makes them in use."""

from __future__ import annotations

from typing import Any

from ledgerhub.access.models import Organization
from ledgerhub.ledger import posting
from ledgerhub.ledger.models import Contact, Document, DocumentLine, Source


def make_document(
    organization: Organization, draft: dict[str, Any], *, contact: str = "", source: str = "test"
) -> Document:
    origin, _ = Source.objects.get_or_create(organization=organization, key=source)
    document = Document.objects.create(
        organization=organization,
        source=origin,
        output=draft["kind"],
        external_id=draft["external_id"],
        kind=draft["kind"],
        number=draft.get("number") or "",
        date=draft["date"],
        currency=draft["currency"],
        total=draft.get("total") or 0,
        contact=Contact.objects.create(organization=organization, name=contact) if contact else None,
        data={name: draft[name] for name in ("invoice", "bill") if name in draft},
        content_hash="-",
    )
    DocumentLine.objects.bulk_create(
        DocumentLine(
            document=document,
            section=section,
            position=position,
            external_id=row.get("external_id") or "",
            source_ref=row.get("source") or "",
            category=row.get("category") or row.get("gateway") or "",
            amount=row.get("amount") or 0,
            fee=row.get("fee") or 0,
            net=row.get("net") or 0,
        )
        for section in ("lines", "tenders", "items")
        for position, row in enumerate(draft.get(section) or ())
    )
    return document


def book(
    organization: Organization, *drafts: dict[str, Any], contact: str = "", source: str = "test"
) -> list[Document]:
    """Documents made and posted; an error is raised."""
    rows = [make_document(organization, draft, contact=contact, source=source) for draft in drafts]
    for row, draft in zip(rows, drafts, strict=True):
        posting.post_document(row, draft)
    return rows

"""Documents in bulk: validated drafts -> Document and DocumentLine rows, told apart as new, changed, same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.utils import timezone

from ledgerhub.access.models import Organization
from ledgerhub.core import bulk
from ledgerhub.ledger import drafts, parties
from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Contact, Document, DocumentLine, Source

State = Literal["new", "changed", "same"]
SUPPLIER_KINDS = {"bill", "bill_payment"}


@dataclass(slots=True)
class Incoming:
    """A valid draft on its way to a Document, and what it was made from."""

    output: str
    draft: Draft
    raw_record_id: int | None = None
    mapping_version_id: int | None = None


@dataclass(slots=True)
class Stored:
    """The Document an Incoming became."""

    document: Document
    draft: Draft
    state: State


def store(
    organization: Organization, source: Source, incoming: Sequence[Incoming], *, scope: str
) -> list[Stored]:
    """Write a page of drafts of one source, in order of first sight; the last of equal ids wins."""
    latest = {(item.output, str(item.draft["external_id"])): item for item in incoming}
    existing = _existing(source, latest)
    contacts = _contacts(organization, list(latest.values()), scope)
    result, fresh, changed = [], [], []
    for (key, item), contact in zip(latest.items(), contacts, strict=True):
        document = existing.get(key)
        text = drafts.dump(item.draft)
        digest = drafts.content_hash(text)
        if document is None:
            document = Document(organization_id=organization.pk, source_id=source.pk)
            state: State = "new"
            fresh.append(document)
        else:
            state = "same" if document.content_hash == digest else "changed"
            if state == "changed":
                changed.append(document)
        if state != "same":
            _fill(document, item, contact, text, digest)
        result.append(Stored(document, item.draft, state))
    bulk.stamp(fresh, "created_at", "updated_at")
    bulk.insert(fresh)
    _save_changed(changed)
    _write_lines([stored for stored in result if stored.state != "same"])
    return result


def withdraw(documents: Sequence[Document]) -> None:
    """Mark documents whose record no longer yields them; their entries are reversed by posting nothing."""
    for document in documents:
        document.status = "void"
        document.content_hash = ""
    Document.objects.bulk_update(documents, ["status", "content_hash"])


def touch(ids: Sequence[int]) -> None:
    """What settles these has changed: whoever follows them looks at them again."""
    Document.objects.filter(pk__in=ids).update(updated_at=timezone.now())


def _existing(source: Source, latest: dict[tuple[str, str], Incoming]) -> dict[tuple[str, str], Document]:
    rows = Document.objects.filter(source=source, external_id__in={external_id for _, external_id in latest})
    return {(row.output, row.external_id): row for row in rows}


def _contacts(organization: Organization, items: list[Incoming], scope: str) -> list[Contact | None]:
    buyers = parties.resolve(organization, [item.draft.get("customer") for item in items], scope=scope)
    if not any(item.draft.get("supplier") for item in items):
        return buyers
    sellers = parties.resolve(
        organization, [item.draft.get("supplier") for item in items], scope=scope, supplier=True
    )
    return [seller or buyer for seller, buyer in zip(sellers, buyers, strict=True)]


def _fill(document: Document, item: Incoming, contact: Contact | None, text: str, digest: str) -> None:
    draft = item.draft
    document.output = item.output
    document.external_id = str(draft["external_id"])[:120]
    document.kind = draft["kind"]
    document.number = str(draft.get("number") or "")[:120]
    document.date = draft["date"]
    document.occurred_at = draft.get("occurred_at")
    document.due_date = draft.get("due_date")
    document.currency = draft["currency"]
    document.total = draft.get("total") or _lines_total(draft)
    document.status = draft.get("status") or ""
    document.gateway = draft.get("gateway") or ""
    reference = draft.get("reference") or draft.get("invoice") or draft.get("source")
    document.reference = str(reference or "")[:240]
    document.contact_id = contact.pk if contact else None
    document.data = text if document.pk is None else json.loads(text)
    document.content_hash = digest
    document.raw_record_id = item.raw_record_id
    document.mapping_version_id = item.mapping_version_id


def _lines_total(draft: Draft) -> int:
    """A journal entry has no total of its own: the sum of its debits."""
    return sum(line["amount"] for line in draft.get("lines") or () if line.get("amount", 0) > 0)


_FILLED = [
    "kind", "number", "date", "occurred_at", "due_date", "currency", "total", "status", "gateway",
    "reference", "contact", "data", "content_hash", "raw_record_id", "mapping_version_id", "updated_at",
]  # fmt: skip


def _save_changed(changed: list[Document]) -> None:
    if not changed:
        return
    now = timezone.now()
    for document in changed:
        document.updated_at = now
    Document.objects.bulk_update(changed, _FILLED)
    DocumentLine.objects.filter(document__in=changed).delete()


def _write_lines(stored: list[Stored]) -> None:
    rows = [
        _line(item.document.pk, section, position, row)
        for item in stored
        for section in ("lines", "tenders", "items")
        for position, row in enumerate(item.draft.get(section) or ())
    ]
    bulk.write(DocumentLine, _LINE, rows)


_LINE = (
    "document_id", "section", "position", "external_id", "description", "category", "source_ref", "sku",
    "quantity", "unit_price", "amount", "tax", "fee", "net", "date",
)  # fmt: skip


def _line(document_id: int, section: str, position: int, row: dict[str, Any]) -> bulk.Values:
    """The columns of `_LINE`."""
    get = row.get
    return (
        document_id,
        section,
        position,
        str(get("external_id") or "")[:120],
        str(get("description") or "")[:500],
        str(get("category") or get("gateway") or get("line_kind") or "")[:60],
        str(get("source") or "")[:120],
        str(get("sku") or "")[:120],
        get("quantity"),
        get("unit_price"),
        get("amount") or 0,
        get("tax") or 0,
        get("fee") or 0,
        get("net") or 0,
        get("date"),
    )

"""Documents of a shop that go out: stored and posted as a sync does, delivered as the worker does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from integrations import delivery
from integrations.models import Delivery, Integration
from ledgerhub.access.models import Organization
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.models import Document, Source
from tests.ledger.drafts import DAY, document, invoice, payout, tender


def store(
    organization: Organization, draft: Mapping[str, Any], *, source: str = "shop", output: str = ""
) -> Document:
    """A document of a source, stored and posted as a sync does."""
    came_from, _ = Source.objects.get_or_create(
        organization=organization, key=source, defaults={"label": source.capitalize()}
    )
    incoming = Incoming(output or draft["kind"], dict(draft))
    [stored] = documents.store(organization, came_from, [incoming], scope=source)
    posting.post_document(stored.document, dict(draft))
    return stored.document


def sell(integration: Integration, total: int = 10850, *, id: str = "5001", **changes: Any) -> Document:
    """An invoice of the shop, paid by card on its day, stored and posted as a sync does."""
    return book(integration, sale(total, id, **changes))


def sell_many(
    integration: Integration, totals: Sequence[int], people: int = 1, *, paid: int | None = None
) -> None:
    """Invoices 0, 1, 2, ... of the shop, with these totals, to so many customers in turn; `paid` of each at
    once, where it is given."""
    some = {} if paid is None else {"tenders": [tender(paid)]}
    drafts = [
        sale(total, str(number), **some, **_buyer(number % people)) for number, total in enumerate(totals)
    ]
    for start in range(0, len(drafts), 500):
        book_all(integration, drafts[start : start + 500])


def _buyer(number: int) -> dict[str, Any]:
    return {"customer": {"external_id": f"c{number}", "name": f"Customer {number}"}} if number else {}


def sale(total: int, id: str, **changes: Any) -> dict[str, Any]:
    day = changes.get("date", DAY)
    rows = [{"description": "Mug", "amount": total}]
    tenders = [{"external_id": f"t{id}", "gateway": "stripe", "amount": total, "date": day}]
    usual = {"external_id": id, "number": id, "total": total, "tax": 0, "lines": rows, "tenders": tenders}
    return invoice(**{**usual, **changes})


def book(integration: Integration, draft: dict[str, Any]) -> Document:
    """Any document of the shop."""
    return store(integration.organization, draft)


def book_all(integration: Integration, drafts: Sequence[dict[str, Any]]) -> None:
    """Documents of the shop, stored and posted as a page of a sync."""
    source, organization = Source.objects.get(key="shop"), integration.organization
    incoming = [Incoming(draft["kind"], draft) for draft in drafts]
    stored = [each.document for each in documents.store(organization, source, incoming, scope="shop")]
    posted = posting.record(organization, list(zip(stored, drafts, strict=True)))
    assert posted.errors == {}


def pay_out(integration: Integration, *sales: Document, day: dt.date = DAY, id: str = "po1") -> Document:
    """A payout of the processor that settles these sales, with a fee of 30 for each, booked as well."""
    organization = integration.organization
    items = []
    for sale in sales:
        fee = document("fee", external_id=f"b{sale.external_id}", total=30, gateway="stripe", date=day,
                       source=f"t{sale.external_id}", category="", currency=sale.currency)  # fmt: skip
        store(organization, fee, source="balance")
        items.append({"external_id": f"b{sale.external_id}", "category": "charge", "amount": sale.total,
                      "fee": 30, "net": sale.total - 30, "source": f"t{sale.external_id}"})  # fmt: skip
    total = sum(item["net"] for item in items)
    draft = payout(external_id=id, number=id, total=total, date=day, items=items)
    return store(organization, draft, source="payouts")


def withdraw(document: Document) -> None:
    """Its record yields it no more: what it posted is reversed."""
    documents.withdraw([document])
    posting.post_document(document, None)


def deliver(integration: Integration, *, later: bool = False) -> list[str]:
    """A round of the worker (when every wait is over); the states of all deliveries, oldest first."""
    if later:
        past = timezone.now() - dt.timedelta(seconds=1)
        Delivery.objects.filter(not_before__isnull=False).update(not_before=past)
        Delivery.objects.filter(leased_until__isnull=False).update(leased_until=past)
    delivery.run_slice(integration.pk)
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))

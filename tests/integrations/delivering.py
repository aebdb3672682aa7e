"""Documents of a shop that go out: stored and posted as a sync does, delivered as the worker does."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from integrations import delivery
from integrations.models import Delivery, Integration
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.models import Document, Source
from tests.ledger.drafts import DAY, invoice


def sell(integration: Integration, total: int = 10850, *, id: str = "5001", **changes: Any) -> Document:
    """An invoice of the shop, stored and posted as a sync does."""
    rows = [{"description": "Mug", "amount": total}]
    tenders = [{"external_id": f"t{id}", "gateway": "stripe", "amount": total, "date": DAY}]
    usual = {"external_id": id, "number": id, "total": total, "tax": 0, "lines": rows, "tenders": tenders}
    return book(integration, invoice(**{**usual, **changes}))


def book(integration: Integration, draft: dict[str, Any]) -> Document:
    """Any document of the shop, stored and posted."""
    source = Source.objects.get(key="shop")
    incoming = [Incoming(draft["kind"], draft)]
    [stored] = documents.store(integration.organization, source, incoming, scope="shop")
    posting.post_document(stored.document, draft)
    return stored.document


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

"""A Shopify stream whose records are held and booked, without any system to call."""

from __future__ import annotations

import copy
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.test import RequestFactory

from integrations import connectors, normalize, raw, register
from integrations.models import Stream
from integrations.register import Choice
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account

ORDER: dict[str, Any] = {
    "id": 5001,
    "name": "#1001",
    "created_at": "2026-03-02T23:14:05-05:00",
    "updated_at": "2026-03-02T23:14:05-05:00",
    "currency": "USD",
    "financial_status": "paid",
    "total_price": "108.50",
    "subtotal_price": "100.00",
    "total_discounts": "0.00",
    "taxes_included": False,
    "tax_lines": [{"title": "NY", "price": "8.50", "rate": 0.085}],
    "customer": {"id": 7, "first_name": "Ann", "last_name": "Lee", "email": "ann@x.test"},
    "line_items": [
        {"id": 1, "title": "Mug", "sku": "M1", "quantity": 2, "price": "50.00", "gift_card": False}
    ],
    "shipping_lines": [],
    "refunds": [],
    "transactions": [
        {"id": 9, "kind": "sale", "status": "success", "amount": "108.50", "gateway": "shopify_payments",
         "created_at": "2026-03-02T23:14:06-05:00"}
    ],
}  # fmt: skip


def order(number: int, **changes: Any) -> dict[str, Any]:
    """ORDER under another id and number, with changes."""
    made = copy.deepcopy(ORDER)
    made["transactions"][0]["id"] = 90_000 + number
    return {**made, "id": 5000 + number, "name": f"#{1000 + number}", **changes}


def make_stream(organization: Organization, *, connector: str = "shopify", key: str = "orders") -> Stream:
    """A live stream with the connector's mapping published."""
    install_chart(organization)
    bank = Account.objects.get(organization=organization, role="bank", qualifier="")
    integration = register.create(
        organization, connector, name="My shop", settings={"shop": "my-shop.myshopify.com"}, bank_account=bank
    )
    streams = connectors.get(connector).streams
    made = register.activate(integration, [Choice(stream.key) for stream in streams], start=False)
    return next(stream for stream in made if stream.key == key)


def hold(stream: Stream, *records: dict[str, Any]) -> None:
    """Store records and book them, as a page of a sync does."""
    normalizer = normalize.load(Stream.objects.select_related("mapping").get(pk=stream.pk))
    with transaction.atomic():
        arrived = raw.store(stream, normalizer.spec, records)
        normalize.normalize(normalizer, arrived.rows)


def request_of(user: User, organization: Organization) -> HttpRequest:
    """A request as a view has it, for functions that record who did what."""
    request = RequestFactory().post("/")
    request.user = user
    request.organization = organization  # type: ignore[attr-defined]
    return request

"""Drafts survive being kept as JSON."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from ledgerhub.ledger import drafts

INVOICE = {
    "kind": "invoice",
    "external_id": "5001",
    "date": dt.date(2026, 3, 2),
    "occurred_at": dt.datetime(2026, 3, 2, 23, 14, 5, tzinfo=dt.UTC),
    "currency": "USD",
    "status": "paid",
    "total": 10850,
    "customer": {"external_id": "7", "name": "Ann Lée"},
    "lines": [
        {"description": "Mug", "quantity": Decimal("2.000"), "unit_price": Decimal("50"), "amount": 10000}
    ],
    "tenders": [{"external_id": "t1", "gateway": "stripe", "amount": 10850, "date": dt.date(2026, 3, 2)}],
}


def test_round_trip() -> None:
    assert drafts.load(json.loads(drafts.dump(INVOICE))) == INVOICE


def test_the_text_does_not_depend_on_the_order_of_keys() -> None:
    turned = dict(reversed(INVOICE.items()))
    assert drafts.dump(turned) == drafts.dump(INVOICE)
    assert drafts.content_hash(drafts.dump(turned)) == drafts.content_hash(drafts.dump(INVOICE))


def test_a_cent_makes_another_hash() -> None:
    changed = {**INVOICE, "total": 10851}
    assert drafts.content_hash(drafts.dump(changed)) != drafts.content_hash(drafts.dump(INVOICE))


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="complex cannot stand in a draft"):
        drafts.dump({**INVOICE, "total": 1j})

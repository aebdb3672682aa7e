"""Bills that payments name as theirs: which one is meant, and what is paid of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ledgerhub.access.models import Organization
from ledgerhub.ledger import documents, named, posting
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Allocation, Document, ExchangeRate
from tests.ledger.books import book
from tests.ledger.drafts import DAY, document


@pytest.fixture
def shop(organization: Organization) -> Organization:
    install_chart(organization)
    ExchangeRate.objects.create(organization=organization, currency="EUR", date=DAY, rate=Decimal("1.10"))
    return organization


def bill(shop: Organization, id: str, *, source: str = "cin7/1", **changes: Any) -> Document:
    [made] = book(shop, document("bill", external_id=id, total=5000, status="open", **changes), source=source)
    return made


def pay(
    shop: Organization, names: str, total: int, *, id: str, source: str = "cin7/1", **changes: Any
) -> Document:
    draft = document("bill_payment", external_id=id, total=total, bill=names, **changes)
    [made] = book(shop, draft, source=source)
    return made


def test_halves_are_added_up_by_id_and_by_number(shop: Organization) -> None:
    first, second = bill(shop, "B1", number="INV-1"), bill(shop, "B2", number="INV-2")
    pay(shop, "B1", 2000, id="P1")
    pay(shop, "INV-1", 2500, id="P2")
    pay(shop, "B3", 700, id="P3")
    pay(shop, "", 800, id="P4")
    pay(shop, "B1", 60, id="P5", currency="EUR")
    assert named.paid([first, second]) == {first.pk: 4500}
    assert named.paid([]) == {}


def test_a_bill_of_the_same_integration_is_meant_first_and_none_of_several(shop: Organization) -> None:
    here, there = bill(shop, "B1"), bill(shop, "B1", source="quickbooks/2")
    pay(shop, "B1", 2000, id="P1", source="cin7/1/payments")
    pay(shop, "B1", 900, id="P2", source="file/3")
    assert named.paid([here, there]) == {here.pk: 2000}
    assert named.paid([there]) == {}


def test_what_people_allocated_and_what_stands_no_more_is_not_counted(shop: Organization) -> None:
    made, other = bill(shop, "B1"), bill(shop, "B2")
    by_hand, gone = pay(shop, "B1", 2000, id="P1"), pay(shop, "B1", 700, id="P2")
    pay(shop, "B1", 30, id="P3")
    payable = Account.objects.get(organization=shop, role="payable")
    Allocation.objects.create(organization=shop, document=other, by=by_hand, account=payable, amount=2000)
    documents.withdraw([gone])
    posting.post_document(gone, None)
    assert named.paid([made, other]) == {made.pk: 30}


def test_another_organizations_payment_is_none_of_ours(shop: Organization, outsider: Any) -> None:
    made = bill(shop, "B1")
    theirs = Organization.objects.exclude(pk=shop.pk).get()
    install_chart(theirs)
    pay(theirs, "B1", 5000, id="P1")
    assert named.paid([made]) == {}


def test_many_names_are_asked_for_in_parts(shop: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "MOST_TEXTS", 2)
    made = [bill(shop, f"B{number}", number=f"INV-{number}") for number in range(5)]
    for number in range(5):
        pay(shop, f"B{number}", 100 + number, id=f"P{number}")
        pay(shop, f"INV-{number}", 10, id=f"Q{number}")
    assert named.paid(made) == {row.pk: 110 + number for number, row in enumerate(made)}

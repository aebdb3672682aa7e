"""What a document settles goes with it: payments wait for their invoices, are applied, and are taken off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations import links, outbox, redelivery
from integrations.models import Delivery, Integration, NameMap, Route
from integrations.sandbox.quickbooks_books import Record
from ledgerhub.access.models import User
from ledgerhub.ledger.models import Account, Allocation, Document
from tests.integrations.comparing_there import compare, differences
from tests.integrations.delivering import book, deliver, sell, withdraw
from tests.integrations.quickbooks_company import There, there
from tests.ledger.drafts import DAY, document, line, payment

pytestmark = pytest.mark.django_db

__all__ = ["there"]


def owing(integration: Integration, total: int = 10850, **changes: Any) -> Document:
    """An invoice nobody has paid."""
    return sell(integration, total, status="open", tenders=[], **changes)


def paid(integration: Integration, total: int = 10850, id: str = "p1", **changes: Any) -> Document:
    usual: dict[str, Any] = {"external_id": id, "number": id, "total": total, "invoice": "5001"}
    return book(integration, payment(**{**usual, **changes}))


def there_is(there: There, name: str) -> Record:
    [row] = there.books.standing(name)
    return row


def states(kind: str) -> list[tuple[str, str]]:
    rows = Delivery.objects.filter(kind=kind).order_by("revision")
    return list(rows.values_list("action", "state"))


def waits(there: There) -> list[str]:
    takes = outbox.destination(there.integration)
    return list(links.waiting(takes, Delivery.objects.all()).values())


def test_a_payment_planned_first_goes_after_its_invoice_and_is_applied_to_it(there: There) -> None:
    paid(there.integration, 4000)
    owing(there.integration)
    assert deliver(there.integration) == ["delivered"] * 2
    invoice, received = there_is(there, "Invoice"), there_is(there, "Payment")
    assert received["Line"] == [
        {"Amount": 40.0, "LinkedTxn": [{"TxnId": invoice["Id"], "TxnType": "Invoice"}]}
    ]
    assert (invoice["Balance"], received["CustomerRef"]) == (68.5, invoice["CustomerRef"])


def test_what_is_not_planned_yet_is_waited_for(there: There) -> None:
    """Its route is looked at later: a payment may be planned long before its invoice."""
    owing(there.integration)
    paid(there.integration)
    outbox.plan(there.integration)
    Delivery.objects.filter(kind="invoice").delete()
    assert waits(there) == ["Waits for Invoice 5001, which is still on its way."]
    Route.objects.update(start_date=DAY + dt.timedelta(days=1))
    assert waits(there) == []


def test_a_payment_waits_in_words_for_an_invoice_that_needs_a_person(
    there: There, viewer: User, signed_in: Callable[[User], Client]
) -> None:
    NameMap.objects.filter(what="item").delete()
    owing(there.integration)
    paid(there.integration)
    assert deliver(there.integration) == ["planned", "planned"]
    assert waits(there)[-1] == "Waits for Invoice 5001, which waits until names are chosen."
    Delivery.objects.filter(kind="invoice").update(state="failed", lacks="")
    assert waits(there)[-1] == "Waits for Invoice 5001, which needs you."
    page = reverse("integrations:deliveries", args=["corner-shop", there.integration.pk])
    assert "Waits for Invoice 5001, which needs you." in signed_in(viewer).get(page).content.decode()
    Delivery.objects.filter(kind="invoice").update(state="dismissed")
    assert deliver(there.integration) == ["dismissed", "delivered"]
    assert there_is(there, "Payment")["Line"] == []


def test_what_is_there_as_a_journal_entry_is_no_obstacle(there: There) -> None:
    owing(there.integration, lines=[line(10850, account="6900")])
    paid(there.integration)
    assert deliver(there.integration) == ["delivered"] * 2
    assert there_is(there, "Payment")["Line"] == []
    assert len(there.books.standing("JournalEntry")) == 1


def test_no_more_is_applied_than_is_open(there: There) -> None:
    owing(there.integration)
    paid(there.integration, 8000)
    paid(there.integration, 8000, "p2")
    assert deliver(there.integration) == ["delivered"] * 3
    assert there_is(there, "Invoice")["Balance"] == 0
    applied = [row["Line"][0]["Amount"] for row in there.books.standing("Payment")]
    assert sorted(applied) == [28.5, 80.0]


def test_a_name_that_may_mean_several_is_not_guessed(there: There) -> None:
    owing(there.integration, id="1", number="5001")
    owing(there.integration, id="2", number="5001")
    paid(there.integration)
    assert deliver(there.integration) == ["delivered"] * 3
    assert there_is(there, "Payment")["Line"] == []


def test_a_bank_line_matched_to_invoices_pays_them(there: There) -> None:
    first, second = owing(there.integration), owing(there.integration, 5000, id="5002")
    lines = [{"account": "1200", "amount": n, "description": "Paid"} for n in (10850, 5000)]
    draft = document("bank_transaction", total=15850, bank_account="1000", lines=lines)
    matched = book(there.integration, draft)
    receivable = Account.objects.get(code="1200")
    for one in (first, second):
        Allocation.objects.create(
            organization=one.organization, document=one, by=matched, account=receivable, amount=one.total
        )
    assert deliver(there.integration) == ["delivered"] * 3
    assert [row["Balance"] for row in there.books.standing("Invoice")] == [0, 0]
    assert there_is(there, "Payment")["DepositToAccountRef"] == {"value": "1000"}


def test_a_bill_and_its_payment(there: There) -> None:
    supplier = {"external_id": "s1", "name": "Beans Ltd"}
    bill = document("bill", external_id="b1", number="B-9", total=5000, supplier=supplier,
                    lines=[line(5000, account="6900")])  # fmt: skip
    book(there.integration, document("bill_payment", external_id="bp1", total=5000, bill="B-9"))
    book(there.integration, bill)
    assert deliver(there.integration) == ["delivered"] * 2
    assert there_is(there, "Bill")["Balance"] == 0
    assert there_is(there, "BillPayment")["CheckPayment"] == {"BankAccountRef": {"value": "1000"}}


def test_a_credit_note_is_given_to_the_invoice_it_names(there: There) -> None:
    """Once, whatever fails; taken back before either of them changes, and given again."""
    sold = owing(there.integration)
    credit(there, 3000)
    there.fail("truncated", skip=3)  # what gives it: its answer is lost
    rounds(there)
    memo = there_is(there, "CreditMemo")
    assert (there_is(there, "Invoice")["Balance"], memo["Balance"]) == (78.5, 0)
    tie = there_is(there, "Payment")
    assert (tie["TotalAmt"], tie["CustomerRef"]) == (0, memo["CustomerRef"])
    assert (compare(there.integration).checked, differences(there.integration)) == (3, [])
    credit(there, 4000)
    rounds(there)
    assert (there_is(there, "Invoice")["Balance"], there_is(there, "CreditMemo")["Balance"]) == (68.5, 0)
    owing(there.integration, 2000)
    rounds(there)
    assert (there_is(there, "Invoice")["Balance"], there_is(there, "CreditMemo")["Balance"]) == (0, 20.0)
    withdraw(sold)
    rounds(there)
    assert (there.books.standing("Payment"), there_is(there, "CreditMemo")["Balance"]) == ([], 40.0)
    assert (compare(there.integration).checked, differences(there.integration)) == (1, [])


def credit(there: There, total: int) -> Document:
    draft = document("credit_note", external_id="c1", number="C-1", total=total, invoice="5001")
    return book(there.integration, draft)


def rounds(there: There) -> None:
    """Until nothing is left to do."""
    for _ in range(8):
        deliver(there.integration, later=True)
    assert not Delivery.objects.filter(state__in=Delivery.OPEN).exists()


def test_a_withdrawn_invoice_is_voided_after_its_payment_is_taken_off(there: There) -> None:
    sold = owing(there.integration)
    paid(there.integration)
    deliver(there.integration)
    withdraw(sold)
    assert "planned" in deliver(there.integration)
    assert (
        Delivery.objects.get(kind="invoice", action="void").error == "Waits until Payment p1 is taken off it."
    )
    rounds(there)
    assert there.books.standing("Invoice") == []
    assert there_is(there, "Payment")["Line"] == []
    assert states("payment") == [("create", "delivered"), ("void", "delivered"), ("create", "delivered")]
    assert states("invoice") == [("create", "delivered"), ("void", "delivered")]


def test_an_invoice_made_anew_gets_its_payment_back(there: There) -> None:
    """It comes to less than was paid: it cannot be changed, so it is voided and made again."""
    owing(there.integration)
    paid(there.integration)
    deliver(there.integration)
    owing(there.integration, 9000)
    rounds(there)
    invoice, received = there_is(there, "Invoice"), there_is(there, "Payment")
    assert (invoice["TotalAmt"], invoice["Balance"]) == (90.0, 0)
    assert received["Line"][0]["LinkedTxn"] == [{"TxnId": invoice["Id"], "TxnType": "Invoice"}]
    assert received["TotalAmt"] == 108.5


def test_a_payment_that_changes_while_its_invoice_is_taken_back_holds_nobody_up(there: There) -> None:
    sold = owing(there.integration)
    paid(there.integration)
    deliver(there.integration)
    paid(there.integration, 9000)
    withdraw(sold)
    rounds(there)
    assert there.books.standing("Invoice") == []
    assert (there_is(there, "Payment")["TotalAmt"], there_is(there, "Payment")["Line"]) == (90.0, [])


def test_invoice_and_payment_that_both_go_leave_nothing(there: There) -> None:
    sold, received = owing(there.integration), paid(there.integration)
    deliver(there.integration)
    withdraw(sold)
    withdraw(received)
    rounds(there)
    assert there.books.standing() == []


def test_a_void_that_failed_holds_up_what_is_made_in_its_stead(there: There) -> None:
    """Else both would stand there."""
    owing(there.integration)
    deliver(there.integration)
    there.books.closed_until = "2026-12-31"
    sell(there.integration)
    assert deliver(there.integration) == ["delivered", "failed", "planned"]
    there.books.closed_until = ""
    assert deliver(there.integration) == ["delivered", "failed", "planned"]
    assert len(there.books.standing()) == 1
    failed = list(Delivery.objects.filter(state="failed").values_list("pk", flat=True))
    assert redelivery.retry(failed, there.integration) == 1
    assert deliver(there.integration) == ["delivered"] * 3
    assert there_is(there, "SalesReceipt")["TotalAmt"] == 108.5

"""Documents that stand over there in several parts: made once, changed and taken back, whatever fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as DjangoClient
from django.urls import reverse

from integrations import leases, naming, outbox, redelivery, whereabouts
from integrations.client import Client
from integrations.models import Delivery, DeliveryLine, Difference, NameMap, Route
from integrations.sandbox.systems import xero
from ledgerhub.access.models import User
from ledgerhub.ledger.models import Account, Allocation, Document
from tests.integrations.comparing_there import compare, differences
from tests.integrations.delivering import book, deliver, sale, sell, withdraw
from tests.integrations.xero_company import There, there
from tests.ledger.drafts import document, journal, payment, refund, tender

pytestmark = pytest.mark.django_db

__all__ = ["there"]

BOTH = (tender(6000), tender(4850, gateway="shopify_payments", id="t2"))


def part_paid(there: There, paid: int = 4000, total: int = 10850, **changes: Any) -> Document:
    """A sale of which so much came in through a bank account over there."""
    return sell(there.integration, total, tenders=[tender(paid)], **changes)


def rounds(there: There) -> None:
    """Until nothing is left to do; refusals are not remembered there."""
    xero.organisation(there.server.state).answers.clear()
    before: list[str] = []
    for _ in range(12):
        states = deliver(there.integration, later=True)
        if states == before and {*states} <= {"delivered", "dismissed"}:
            break
        before = states
    assert list(Delivery.objects.exclude(state__in=["delivered", "dismissed"]).values_list("error")) == []


def deeds() -> list[tuple[str, int, str]]:
    """What was done, in the order it was: action, part, state."""
    return list(Delivery.objects.order_by("revision").values_list("action", "part", "state"))


def alike(there: There) -> None:
    """Both sides say the same: the balances to the cent, and document by document in the comparison."""
    assert there.books.balances() == there.our_balances()
    row = compare(there.integration)
    assert (row.state, differences(there.integration)) == ("done", []), row.error


def due(there: There) -> list[float]:
    return [row["AmountDue"] for row in there.books.standing("Invoices")]


# ── made ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sale_paid_in_part_is_an_invoice_with_its_payment(there: There) -> None:
    sold = part_paid(there)
    assert deliver(there.integration) == ["delivered"] * 2
    invoice, paid = there.only("Invoices"), there.only("Payments")
    assert (invoice["InvoiceNumber"], invoice["Total"], invoice["AmountDue"]) == (
        f"LH-{sold.pk}-1",
        108.5,
        68.5,
    )
    assert (paid["Reference"], paid["Amount"], paid["Account"]["Code"]) == (f"LH-{sold.pk}-2", 40.0, "1100")
    first, second = Delivery.objects.order_by("pk")
    assert (str(first), first.parts) == ("Create Invoice 5001, part 1", 2)
    assert (str(second), second.of_first) == ("Create Invoice 5001, part 2", 4000)
    assert second.external_id == f"Payment:{paid['PaymentID']}"
    alike(there)


SEVERAL = [
    ([sale(10850, "1", tenders=BOTH)], {"Invoices": 1, "Payments": 2}),
    ([sale(10850, "1", tenders=[tender(10850, date=dt.date(2026, 4, 1))])], {"Invoices": 1, "Payments": 1}),
    (
        [refund(tenders=[tender(1000), tender(85, gateway="shopify_payments", id="t2")])],
        {"CreditNotes": 1, "Payments": 2},
    ),
    (
        [sale(9000, "1"), journal(("1000", 8700), ("6000", 300), ("1100", -9000))],
        {"BankTransfers": 1, "BankTransactions": 2},
    ),
    (
        [
            sale(6000, "1", status="open", tenders=[]),
            sale(5000, "2", status="open", tenders=[]),
            document("bank_transaction", total=9800, bank_account="1000", description="Paid", lines=[
                {"account": "1200", "amount": 10000}, {"account": "6000", "amount": -200}
            ]),
        ],
        {"Invoices": 2, "CreditNotes": 1, "BankTransactions": 1},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("drafts", "forms"), SEVERAL)
def test_what_no_one_form_can_say_arrives_in_several(
    there: There, drafts: list[dict[str, Any]], forms: dict[str, int]
) -> None:
    for draft in drafts:
        book(there.integration, draft)
    rounds(there)
    made = {name: len(rows) for name in xero.DOCUMENTS if (rows := there.books.standing(name))}
    assert made == forms
    alike(there)


def test_a_payment_of_several_invoices_pays_each(there: There) -> None:
    settled(there, 6000, 4000)
    assert deliver(there.integration) == ["delivered"] * 4
    assert sorted(row["Amount"] for row in there.books.standing("Payments")) == [40.0, 60.0]
    assert due(there) == [0.0, 10.0]
    alike(there)


def settled(there: There, *amounts: int) -> Document:
    """A bank line that people matched to invoices over 60 and 50, with what each of them gets."""
    lines = [{"account": "1200", "amount": n, "description": "Paid"} for n in amounts]
    draft = document("bank_transaction", total=sum(amounts), bank_account="1000", lines=lines)
    matched = book(there.integration, draft)
    for total, amount in zip((6000, 5000), amounts, strict=True):
        owing = sell(there.integration, total, id=f"i{total}", status="open", tenders=[])
        Allocation.objects.get_or_create(
            organization=owing.organization, document=owing, by=matched,
            defaults={"account": Account.objects.get(code="1200"), "amount": amount},
        )  # fmt: skip
    return matched


def test_a_sale_over_two_gateways_waits_for_the_name_of_what_its_parts_meet_on(there: There) -> None:
    NameMap.objects.filter(ours="1200").delete()
    sell(there.integration, tenders=BOTH)
    assert deliver(there.integration) == ["planned"]
    assert "No account of Xero is chosen for 1200 Accounts receivable" in Delivery.objects.get().error
    assert "1200" in [one.key for one in naming.wanted(there.integration)]
    assert there.books.rows["Contacts"] == {}, "before anything is made there"
    NameMap.objects.create(integration=there.integration, what="account", ours="1200", theirs="1200")
    assert deliver(there.integration) == ["delivered"] * 3
    alike(there)


# ── whatever fails ──────────────────────────────────────────────────────────────────────────────────


def test_killed_at_any_write_each_part_arrives_once(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every first write is done, and its answer dies with the worker; keys are forgotten over there."""
    write, written = Client.write, set[str]()

    def die(client: Client, request: Any, *, key: str) -> Any:
        answer = write(client, request, key=key)
        if key not in written:
            written.add(key)
            xero.organisation(there.server.state).answers.clear()
            raise SystemExit("killed")
        return answer

    monkeypatch.setattr(Client, "write", die)
    sold = part_paid(there)
    sell(there.integration, id="2", tenders=BOTH)
    for step in (lambda: None, lambda: part_paid(there, 5000), lambda: withdraw(sold)):
        step()
        for _ in range(30):
            try:
                deliver(there.integration, later=True)
            except SystemExit:
                continue
        assert not Delivery.objects.filter(state__in=Delivery.OPEN).exists()
        assert there.books.balances() == there.our_balances()
    alike(there)
    assert len(there.books.standing()) == 3, "the other sale's"


@pytest.mark.parametrize("fault", ["truncated", "status"])
def test_trouble_at_any_request(there: There, fault: str) -> None:
    for number in range(6):
        part_paid(there, id=str(number), customer={"external_id": f"c{number}", "name": f"Ann {number}"})
        there.fail(fault, skip=number, **({"status": 502} if fault == "status" else {}))
        rounds(there)
        there.server.state.faults.clear()
    assert (len(there.books.standing("Invoices")), len(there.books.standing("Payments"))) == (6, 6)
    alike(there)


def test_parts_wait_for_the_first_and_go_when_it_is_there(there: There) -> None:
    there.books.accounts["4000"]["Status"] = "ARCHIVED"
    part_paid(there)
    assert deliver(there.integration) == ["failed", "planned"]
    assert deliver(there.integration) == ["failed", "planned"]
    there.books.accounts["4000"]["Status"] = "ACTIVE"
    redelivery.retry([Delivery.objects.get(part=0).pk], there.integration)
    rounds(there)
    alike(there)


def test_parts_of_a_first_that_is_left_out_are_left_out(there: There) -> None:
    there.books.accounts["4000"]["Status"] = "ARCHIVED"
    part_paid(there)
    deliver(there.integration)
    Delivery.objects.filter(part=0).update(state="dismissed")
    assert deliver(there.integration) == ["dismissed", "dismissed"]
    assert Delivery.objects.get(part=1).error.startswith("The first part of it does not stand there")
    assert there.books.standing() == []


def test_a_part_that_is_refused_says_why_and_goes_when_it_is_mended(there: There) -> None:
    there.books.accounts["1100"]["Status"] = "ARCHIVED"
    part_paid(there)
    assert deliver(there.integration) == ["delivered", "failed"]
    row = Delivery.objects.get(state="failed")
    assert (row.part, "has been archived" in row.error) == (1, True)
    there.books.accounts["1100"]["Status"] = "ACTIVE"
    redelivery.retry([row.pk], there.integration)
    rounds(there)
    alike(there)


def test_a_change_while_a_part_waits_for_a_person(there: There) -> None:
    there.books.accounts["1100"]["Status"] = "ARCHIVED"
    part_paid(there)
    deliver(there.integration)
    there.books.accounts["1100"]["Status"] = "ACTIVE"
    part_paid(there, 5000)
    rounds(there)
    assert due(there) == [58.5]
    alike(there)


# ── changed, taken back ─────────────────────────────────────────────────────────────────────────────


def test_a_change_takes_the_other_parts_off_and_puts_them_back(there: There) -> None:
    part_paid(there)
    deliver(there.integration)
    part_paid(there, 5000, 12000)
    rounds(there)
    assert deeds() == [
        ("create", 0, "delivered"), ("create", 1, "delivered"), ("void", 1, "delivered"),
        ("update", 0, "delivered"), ("create", 1, "delivered"),
    ]  # fmt: skip
    assert (len(there.books.rows["Invoices"]), due(there)) == (1, [70.0])
    alike(there)


def test_the_parts_of_a_document_change_with_it(there: There) -> None:
    """From whole to parts, to other parts, and back."""
    for tenders in ([tender(10850)], [tender(4000)], list(BOTH), [tender(4000)], [tender(10850)], []):
        sell(there.integration, tenders=tenders, status="paid" if tenders else "open")
        rounds(there)
        alike(there)
    assert [row["AmountDue"] for row in there.books.standing()] == [108.5]
    assert DeliveryLine.objects.filter(delivery__part=0).count() > 0


def test_what_is_withdrawn_is_taken_back_from_the_last_part_on(there: There) -> None:
    sold = sell(there.integration, tenders=BOTH)
    deliver(there.integration)
    withdraw(sold)
    rounds(there)
    assert there.books.standing() == []
    assert deeds()[3:] == [("void", 2, "delivered"), ("void", 1, "delivered"), ("void", 0, "delivered")]


def test_a_credit_note_is_given_to_its_invoice(there: There) -> None:
    """Once, whatever fails; and taken back before either of them changes."""
    credited(there, 3000)
    rounds(there)
    assert (due(there), there.only("CreditNotes")["RemainingCredit"]) == ([78.5], 0.0)
    alike(there)
    credited(there, 4000)
    rounds(there)
    assert (due(there), len(there.books.standing("CreditNotes"))) == ([68.5], 1)
    sold = sell(there.integration, 12000, status="open", tenders=[])
    rounds(there)
    assert (due(there), len(there.books.standing("CreditNotes"))) == ([80.0], 1)
    alike(there)
    withdraw(sold)
    rounds(there)
    assert there.books.standing("Invoices") == []
    assert there.only("CreditNotes")["RemainingCredit"] == 40.0
    alike(there)


def credited(there: There, amount: int) -> Document:
    """An invoice, and a credit note that names it."""
    if not Document.objects.filter(kind="invoice").exists():
        sell(there.integration, status="open", tenders=[])
    draft = document("credit_note", external_id="c1", number="C-1", total=amount, invoice="5001")
    return book(there.integration, {**draft, "customer": {"external_id": "7", "name": "Ann Lee"}})


def test_an_allocation_is_found_again_and_withdrawn(there: There) -> None:
    note = credited(there, 3000)
    there.fail("truncated", "/api.xro/2.0/CreditNotes/", skip=0)
    rounds(there)
    assert Delivery.objects.get(part=1).adopted
    assert due(there) == [78.5]
    there.server.state.faults.clear()
    withdraw(note)
    rounds(there)
    assert (due(there), there.books.standing("CreditNotes")) == ([108.5], [])


def test_a_payment_behind_a_part_paid_sale_pays_what_is_left(there: There) -> None:
    """And is taken off with the sale's own parts, before that is taken back."""
    sold = part_paid(there)
    paid = payment(external_id="p1", number="p1", total=6850, invoice="5001")
    book(there.integration, paid)
    rounds(there)
    assert due(there) == [0.0]
    alike(there)
    part_paid(there, 3000)
    rounds(there)
    assert due(there) == [10.0]
    withdraw(sold)
    rounds(there)
    assert there.books.standing("Invoices", "Payments") == []
    assert there.only("BankTransactions")["Type"] == "RECEIVE-OVERPAYMENT"


def test_a_change_before_the_parts_have_set_out_calls_them_off(there: There) -> None:
    there.books.accounts["4000"]["Status"] = "ARCHIVED"
    part_paid(there)
    deliver(there.integration)
    there.books.accounts["4000"]["Status"] = "ACTIVE"
    sell(there.integration)
    assert deliver(there.integration) == ["dismissed", "dismissed", "delivered"]
    assert there.only("BankTransactions")["Total"] == 108.5
    alike(there)


def test_an_invoice_that_several_parts_settle_is_made_anew_with_them(there: There) -> None:
    settled(there, 6000, 4000)
    rounds(there)
    sell(there.integration, 7000, id="i6000", status="open", tenders=[])
    rounds(there)
    assert sorted(due(there)) == [10.0, 10.0]
    assert sorted(row["Amount"] for row in there.books.standing("Payments")) == [40.0, 60.0]
    alike(there)


# ── people over there ───────────────────────────────────────────────────────────────────────────────


def test_a_part_that_people_took_back_is_missing_and_sent_again_alone(there: There) -> None:
    part_paid(there)
    deliver(there.integration)
    taken_back(there)
    assert compare(there.integration).missing == 1
    [(_, words)] = differences(there.integration)
    assert words.startswith("Invoice 5001, part 2 (LH-")
    assert redelivery.send_again(Difference.objects.get()) is not None
    rounds(there)
    assert deeds()[2:] == [("create", 1, "delivered")]
    assert due(there) == [68.5]
    alike(there)


def taken_back(there: There) -> None:
    paid = there.only("Payments")
    there.books.change("Payments", paid["PaymentID"], {"Status": "DELETED", **stamped(there)})


def stamped(there: There) -> dict[str, Any]:
    return {"UpdatedDateUTC": f"/Date({int(dt.datetime.now(dt.UTC).timestamp() * 1000)}+0000)/"}


def test_a_first_that_people_took_back_is_sent_again_with_all_its_parts(there: There) -> None:
    part_paid(there)
    deliver(there.integration)
    taken_back(there)
    invoice = there.only("Invoices")
    there.books.change("Invoices", invoice["InvoiceID"], {"Status": "VOIDED", **stamped(there)})
    assert compare(there.integration).missing == 2
    first = Difference.objects.get(delivery__part=0)
    assert redelivery.send_again(first) is not None
    rounds(there)
    assert due(there) == [68.5]
    alike(there)


def test_what_people_changed_of_a_first_is_not_overwritten(there: There) -> None:
    part_paid(there)
    deliver(there.integration)
    invoice = there.only("Invoices")
    invoice["Total"] = 120.0  # as somebody may who may edit what is paid
    invoice["LineItems"][0]["LineAmount"] = 120.0
    part_paid(there, 5000)
    deliver(there.integration)
    held = Delivery.objects.get(state="failed")
    assert (held.part, held.action) == (0, "update")
    assert "Somebody changed it over there" in held.error


def test_a_part_keyed_anew_is_ours_from_then_on(there: There) -> None:
    part_paid(there)
    deliver(there.integration)
    before = there.only("Payments")
    taken_back(there)
    kept = {name: before[name] for name in ("Date", "Amount")}
    invoice = {"InvoiceID": there.only("Invoices")["InvoiceID"]}
    there.books.put("Payments", {**kept, "Invoice": invoice, "Account": {"Code": "1100"}, **stamped(there)})
    assert compare(there.integration).rekeyed == 1
    assert redelivery.link(Difference.objects.get()) is not None
    alike(there)
    part_paid(there, 5000)
    rounds(there)
    assert due(there) == [58.5]
    alike(there)


# ── summed up, and on the pages ─────────────────────────────────────────────────────────────────────


def test_a_day_summed_up_goes_in_parts_and_is_revised(there: There) -> None:
    """Several bank accounts in one day: an invoice of nobody in particular, paid from each of them."""
    Route.objects.update(mode=Route.Mode.DAILY)
    sell(there.integration, id="1")
    part_paid(there, id="2")
    sell(there.integration, id="3", tenders=BOTH)
    rounds(there)
    assert (due(there), len(there.books.standing("Payments"))) == ([68.5], 2)
    alike(there)
    part_paid(there, 5000, id="2")
    rounds(there)
    assert (due(there), len(there.books.standing("Payments"))) == ([58.5], 2)
    alike(there)
    row = whereabouts.telling(Delivery.objects.all()).get(part=0, revision=6)
    assert (row.action, row.state, row.summary is not None) == ("update", "delivered", True)


def test_pages_say_which_part(there: There, viewer: User, signed_in: Callable[[User], DjangoClient]) -> None:
    sold = part_paid(there)
    there.books.accounts["1100"]["Status"] = "ARCHIVED"
    deliver(there.integration)
    client = signed_in(viewer)
    page = client.get(reverse("integrations:deliveries", args=["corner-shop", there.integration.pk]))
    assert "Create, part 2" in page.content.decode()
    page = client.get(reverse("ledger:document", args=["corner-shop", sold.pk])).content.decode()
    assert f"Xero</a>, part 1 as LH-{sold.pk}-1" in page
    assert "Xero</a>, part 2 " in page
    whole = sell(there.integration, id="2", tenders=[], status="open")
    deliver(there.integration)
    page = client.get(reverse("ledger:document", args=["corner-shop", whole.pk])).content.decode()
    assert "Xero</a>, by itself as" in page


# ── before there were parts ─────────────────────────────────────────────────────────────────────────


def test_what_was_delivered_before_there_were_parts_stays_as_it_is(there: There) -> None:
    """A payment of several invoices used to arrive as the customer's credit."""
    settled(there, 6000, 4000)
    outbox.plan(there.integration)
    row = Delivery.objects.get(kind="bank_transaction")
    Delivery.objects.update(state="delivered", external_id="BankTransaction:1", attempts=1)
    Route.objects.update(looked_until=None)
    assert outbox.plan(there.integration) == 0
    assert not leases.due(there.integration, outbox.destination(there.integration)).exists()
    row.refresh_from_db()
    assert (row.part, row.parts, row.links.count()) == (0, 0, 2)
    assert Delivery.objects.count() == 3

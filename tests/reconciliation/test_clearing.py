"""Clearing accounts: the balance as what is unsettled, payouts to the cent, sign-off, the pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import clearing
from ledgerhub.ledger.clearing import Cause
from ledgerhub.ledger.models import Account, Document, DocumentLine, ExchangeRate
from reconciliation import clearing_signing, decisions, signing
from reconciliation.models import SignOff
from reconciliation.report import read
from reconciliation.selection import Selection
from tests.ledger.books import book
from tests.ledger.drafts import DAY, document, payment, payout, refund
from tests.reconciliation.factories import account, make_bank, make_line

SignedIn = Callable[[User], Client]
NEXT = DAY + dt.timedelta(days=1)


def item(source: str, amount: int, *, fee: int = 0, id: str, category: str = "charge") -> dict[str, Any]:
    return {
        "external_id": id,
        "source": source,
        "category": category,
        "amount": amount,
        "fee": fee,
        "net": amount - fee,
    }


def pay_out(shop: Organization, id: str, items: list[dict[str, Any]], **changes: Any) -> Document:
    """A payout as the mapping stores it: gateway, and items with fee, net and category."""
    total = changes.pop("total", sum(row["net"] for row in items))
    [made] = book(shop, payout(external_id=id, total=total, items=items, **changes))
    Document.objects.filter(pk=made.pk).update(gateway="stripe", status="paid")
    for line, row in zip(DocumentLine.objects.filter(document=made).order_by("position"), items, strict=True):
        line.fee, line.net, line.category = row["fee"], row["net"], row["category"]
        line.save()
    return made


@pytest.fixture
def shop(organization: Organization) -> Organization:
    """Two charges with their fees and a refund; the first charge and the refund are paid out."""
    make_bank(organization)
    book(
        organization,
        payment(external_id="ch_1", total=10_000, settles="sales"),
        payment(external_id="ch_2", total=2_000, settles="sales", date=NEXT),
        refund(external_id="re_1", total=1_085),
        document("fee", external_id="txn_1", total=320, gateway="stripe", category="fee"),
        document("fee", external_id="txn_2", total=90, gateway="stripe", category="fee", date=NEXT),
    )
    items = [item("ch_1", 10_000, fee=320, id="txn_1"), item("re_1", -1_085, id="txn_r", category="refund")]
    pay_out(organization, "po_1", items, itemized=True)
    return organization


@pytest.fixture
def stripe(shop: Organization) -> Account:
    return Account.objects.select_related("organization").get(
        organization=shop, role="clearing", qualifier="stripe"
    )


def url(name: str, *args: Any) -> str:
    return reverse(name, args=["corner-shop", *args])


def test_the_balance_of_any_day_is_what_is_unsettled(stripe: Account) -> None:
    [now] = clearing.held(stripe, on=NEXT)
    assert (now.balance, now.unsettled_sum, now.difference, now.causes) == (1_910, 1_910, 0, [])
    assert [(rest.amount, rest.reason) for rest in now.unsettled] == [
        (2_000, "unsettled"),
        (-90, "unsettled"),
    ]
    [then] = clearing.held(stripe, on=DAY)
    assert (then.balance, then.unsettled, then.difference) == (0, [], 0)
    assert clearing.held(stripe, on=DAY - dt.timedelta(days=1))[0].balance == 0


def test_what_makes_a_difference_is_broken_down(shop: Organization, stripe: Account) -> None:
    pay_out(shop, "po_m", [], total=500)
    pay_out(shop, "po_2", [item("ch_1", 10_000, id="txn_x"), item("gone", 70, id="txn_g")])
    [held] = clearing.held(stripe, on=NEXT)
    assert held.causes == [
        Cause("never", 1, -70),
        Cause("no_items", 1, -500),
        Cause("twice", 1, -10_000),
    ]
    assert held.difference == -10_570
    checks = clearing.check_payouts(
        stripe, list(Document.objects.filter(kind="payout").order_by("external_id"))
    )
    assert [(check.total, check.state) for check in checks.values()] == [
        (8_595, "differs"),
        (10_070, "differs"),
        (500, "missing"),
    ]


def test_each_currency_stands_by_itself(shop: Organization, stripe: Account) -> None:
    ExchangeRate.objects.create(organization=shop, currency="EUR", date=DAY, rate="1.1")
    book(shop, payment(external_id="ch_e", total=700, currency="EUR", settles="sales"))
    assert [(held.currency, held.balance, held.difference) for held in clearing.held(stripe, on=NEXT)] == [
        ("EUR", 700, 0),
        ("USD", 1_910, 0),
    ]


def test_the_page_begins_with_the_currency_of_the_books(
    shop: Organization, stripe: Account, viewer: User, signed_in: SignedIn
) -> None:
    ExchangeRate.objects.create(organization=shop, currency="CAD", date=DAY, rate="0.7")
    book(shop, payment(external_id="ch_c", total=700, currency="CAD", settles="sales"))
    address = reverse("ledger:clearing_account", args=[shop.slug, stripe.pk])
    page = signed_in(viewer).get(address, {"on": NEXT.isoformat()})
    assert page.context["one"].currency == "USD"
    assert [held.currency for held in page.context["held"]] == ["USD", "CAD"]


def test_where_no_payout_says_what_it_is_made_of_the_newest_is_left(
    organization: Organization, approver: User, signed_in: SignedIn
) -> None:
    make_bank(organization)
    book(
        organization,
        payment(external_id="ch_1", total=10_000, settles="sales"),
        payment(external_id="ch_2", total=2_000, settles="sales", date=NEXT),
        document("fee", external_id="txn_1", total=320, gateway="stripe", category="fee"),
    )
    pay_out(organization, "po_m", [], total=9_000)
    account = Account.objects.get(organization=organization, role="clearing", qualifier="stripe")
    [held] = clearing.held(account, on=NEXT)
    assert (held.balance, held.difference, held.oldest_first) == (2_680, 0, True)
    assert [(rest.amount, rest.reason) for rest in held.unsettled] == [(680, "partly"), (2_000, "unsettled")]
    page = signed_in(approver).get(url("ledger:clearing_account", account.pk), {"on": NEXT.isoformat()})
    text = page.content.decode()
    assert "Compare the balance with the one that the processor shows" in text
    assert "Reconciled" not in text
    po = Document.objects.get(external_id="po_m")
    assert clearing.check_payouts(account, [po])[po.pk].state == "silent"
    text = signed_in(approver).get(url("ledger:clearing_payout", account.pk, po.pk)).content.decode()
    assert "without a list of items: none of its payouts has one" in text
    assert (
        "Items not told"
        in signed_in(approver).get(url("ledger:clearing_payouts", account.pk)).content.decode()
    )
    # Paid out is more than is booked: nothing explains that.
    pay_out(organization, "po_n", [], total=3_000)
    [held] = clearing.held(account, on=NEXT)
    assert held.causes == [Cause("no_items", 1, -320)]


def test_a_payout_is_complete_and_its_items_are_linked(stripe: Account) -> None:
    po = Document.objects.get(external_id="po_1")
    check = clearing.check_payouts(stripe, [po])[po.pk]
    assert (check.state, check.items_sum, check.faults) == ("complete", 8_595, {})
    names = Document.objects.in_bulk([pk for pks in check.documents.values() for pk in pks])
    assert sorted(row.external_id for row in names.values()) == ["ch_1", "re_1", "txn_1"]


def test_checks_take_as_many_queries_for_many_payouts(
    shop: Organization, stripe: Account, django_assert_num_queries: Any
) -> None:
    for number in range(8):
        book(shop, payment(external_id=f"c{number}", total=100, settles="sales"))
        pay_out(shop, f"po_{number + 10}", [item(f"c{number}", 100, id=f"t{number}")])
    found = list(Document.objects.filter(kind="payout"))
    with django_assert_num_queries(14):
        checks = clearing.check_payouts(stripe, found)
    assert {check.state for check in checks.values()} == {"complete"}
    with django_assert_num_queries(6):
        [held] = clearing.held(stripe, on=NEXT)
    assert held.difference == 0


# ── sign-off ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_clearing_account_is_signed_off_at_a_day(
    shop: Organization, stripe: Account, approver: User
) -> None:
    first = clearing_signing.sign(stripe, DAY, "USD", user=approver)
    assert (first.start, first.opening, first.closing, first.outstanding) == (DAY, 0, 0, 0)
    made = clearing_signing.sign(stripe, NEXT, "USD", user=approver)
    assert (made.start, made.opening, made.lines_total, made.closing, made.outstanding) == (
        NEXT, 0, 1_910, 1_910, 1_910,
    )  # fmt: skip
    assert [(row.amount, row.age) for row in read(made.report).receipts] == [(2_000, 0)]
    assert AuditEvent.objects.filter(action="sign_off.signed").count() == 2
    with pytest.raises(RecordError, match="signed off up to 2026-03-03 already"):
        clearing_signing.sign(stripe, DAY, "USD", user=approver)
    book(shop, payment(external_id="ch_9", total=5, settles="sales", date=NEXT))
    assert (signing.books_now(made), made.books) == (1_915, 1_910)


def test_differences_hinder_it(shop: Organization, stripe: Account, approver: User) -> None:
    pay_out(shop, "po_m", [], total=500)
    with pytest.raises(RecordError, match="of the balance is not explained by what is unsettled"):
        clearing_signing.sign(stripe, NEXT, "USD", user=approver)
    with pytest.raises(RecordError, match="holds nothing in EUR"):
        clearing_signing.sign(stripe, NEXT, "EUR", user=approver)
    assert SignOff.objects.count() == 0


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_are_for_members(stripe: Account, viewer: User, outsider: User, signed_in: SignedIn) -> None:
    po = Document.objects.get(external_id="po_1")
    for page in (
        url("ledger:clearing_account", stripe.pk),
        url("ledger:clearing_payouts", stripe.pk),
        url("ledger:clearing_payout", stripe.pk, po.pk),
    ):
        assert signed_in(viewer).get(page).status_code == 200
        assert signed_in(outsider).get(page).status_code == 404
        assert Client().get(page).status_code == 302


def test_signing_off_needs_an_approver(
    stripe: Account, approver: User, bookkeeper: User, outsider: User, signed_in: SignedIn
) -> None:
    page = url("ledger:clearing_sign_offs", stripe.pk)
    given = {"on": NEXT.isoformat(), "currency": "USD", "note": "Seen"}
    assert signed_in(bookkeeper).post(page, given).status_code == 403
    assert signed_in(outsider).post(page, given).status_code == 404
    response = signed_in(approver).post(page, given)
    made = SignOff.objects.get()
    assert response["Location"] == url("reconciliation:sign_off", made.pk)
    text = signed_in(approver).get(response["Location"]).content.decode()
    assert "Clearing reconciliation" in text
    assert "Owed by the processor, not in a payout yet" in text
    signed_in(approver).post(url("reconciliation:reopening", made.pk), {"reason": "Wrong day"})
    made.refresh_from_db()
    assert made.reopen_reason == "Wrong day"


def test_payouts_say_whether_they_reached_the_bank(
    shop: Organization, stripe: Account, approver: User, signed_in: SignedIn
) -> None:
    client, page = signed_in(approver), url("ledger:clearing_payouts", stripe.pk)
    [(_, _, state, bank)] = client.get(page).context["rows"]
    assert (state, bank.state) == ("Complete", "waits")
    checking = account(shop, "bank")
    line = make_line(checking, 8_595, date=NEXT)
    row = checking.postings.get(entry__document__external_id="po_1")
    made = decisions.match_by_hand(Selection(checking, [line], [row]), user=approver)
    [(_, _, _, bank)] = client.get(page).context["rows"]
    assert bank == ("paid", NEXT, made.pk)
    assert client.get(page + "?bank=waits").context["rows"] == []
    text = client.get(url("ledger:clearing_payout", stripe.pk, Document.objects.get(external_id="po_1").pk))
    assert "which is what was paid out, to the cent" in text.content.decode()
    assert [(group.title, group.net) for group in text.context["groups"]] == [
        ("Charges", 9_680),
        ("Refunds", -1_085),
    ]


def test_everything_can_be_exported(stripe: Account, viewer: User, signed_in: SignedIn) -> None:
    po = Document.objects.get(external_id="po_1")
    client = signed_in(viewer)

    def rows(page: str) -> list[str]:
        answer: Any = client.get(page)
        return b"".join(answer.streaming_content).decode().splitlines()[1:]

    on = NEXT.isoformat()
    assert rows(url("ledger:clearing_account", stripe.pk) + f"?on={on}&export=csv") == [
        "2026-03-03,Payment ch_2,,Not in a payout yet,0,20.00,USD",
        "2026-03-03,Fee txn_2,,Not in a payout yet,0,-0.90,USD",
    ]
    assert rows(url("ledger:clearing_account", stripe.pk) + f"?on={on}&show=differences&export=csv") == []
    assert rows(url("ledger:clearing") + f"?on={on}&export=csv") == [
        f"{stripe.code},{stripe.name},USD,19.10,19.10"
    ]
    assert len(rows(url("ledger:clearing_payouts", stripe.pk) + "?export=csv")) == 1
    assert len(rows(url("ledger:clearing_payout", stripe.pk, po.pk) + "?export=csv")) == 2

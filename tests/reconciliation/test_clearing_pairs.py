"""Rows of a clearing account that cancel: found, paired by hand, taken apart, signed off; the pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client

from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import clearing
from ledgerhub.ledger.clearing import Cause, Held
from ledgerhub.ledger.models import Account, Document, DocumentLine
from reconciliation import clearing_pairs, clearing_signing, signing
from reconciliation.models import ClearingVerdict, SignOff
from reconciliation.report import read
from tests.ledger.books import book
from tests.ledger.drafts import DAY, payment, refund
from tests.reconciliation.factories import make_bank
from tests.reconciliation.test_clearing import item, pay_out, url

SignedIn = Callable[[User], Client]
ON = DAY + dt.timedelta(days=3)


def dated(made: Document, *days: int) -> None:
    """Give the items of a payout their days, counted from DAY."""
    for line, offset in zip(
        DocumentLine.objects.filter(document=made).order_by("position"), days, strict=True
    ):
        line.date = DAY + dt.timedelta(offset)
        line.save()


@pytest.fixture
def shop(organization: Organization) -> Organization:
    """A charge whose payout failed; the next payout brings its money, without naming it, and two charges."""
    make_bank(organization)
    book(
        organization,
        payment(external_id="ch_1", total=3_079, settles="sales"),
        payment(external_id="ch_2", total=500, settles="sales"),
        payment(external_id="ch_3", total=700, settles="sales"),
    )
    failed = {"status": "failed", "failed_date": DAY + dt.timedelta(1), "itemized": True}
    pay_out(organization, "po_1", [item("ch_1", 3_079, id="e1")], **failed)
    back = item("", 3_079, id="po_1_back", category="RETURNED_PAYOUT")
    dated(pay_out(organization, "po_2", [item("ch_2", 500, id="e2"), back], date=DAY + dt.timedelta(2)), 0, 1)
    return organization


@pytest.fixture
def square(shop: Organization) -> Account:
    return Account.objects.select_related("organization").get(
        organization=shop, role="clearing", qualifier="stripe"
    )


def key(name: str, item: str = "") -> tuple[int, str]:
    return Document.objects.get(external_id=name).pk, item


FAILED = "Payout po_1"
BACK = "Item po_1_back of Payout po_2"


def whole(account: Account) -> Held:
    [held] = clearing_pairs.held(account, on=ON)
    return held


def refunds(shop: Organization, *, shops: int, processors: int) -> None:
    """As many refunds of 10.00 in the books as `shops`, and as items of a payout as `processors`."""
    book(shop, *(refund(external_id=f"shop_{number}", total=1_000) for number in range(shops)))
    items = [item(f"re_{number}", -1_000, id=f"r{number}", category="refund") for number in range(processors)]
    dated(pay_out(shop, "po_3", [item("ch_3", 700, id="e3"), *items], date=ON), *[0] * (processors + 1))


# ── what is found ───────────────────────────────────────────────────────────────────────────────────────


def test_a_payout_that_came_back_is_explained(square: Account, approver: User) -> None:
    held = whole(square)
    assert (held.balance, held.unsettled_sum, held.difference, held.causes) == (700, 700, 0, [])
    [made] = clearing_pairs.named(square, held.pairs)
    assert made.titles == (FAILED, BACK)
    assert made.why == (
        "The payout failed, and the item brings its money back: a day apart, "
        "and nothing else of this amount is near"
    )
    signed = clearing_signing.sign(square, ON, "USD", user=approver)
    kept = read(signed.report)
    assert [(row.text, row.amount, row.reference) for row in kept.cancelling] == [
        (FAILED, 3_079, made.why),
        (BACK, -3_079, made.why),
    ]
    assert kept.totals["cancelling"] == 0


def test_a_refund_that_shop_and_processor_call_otherwise_is_explained(
    shop: Organization, square: Account
) -> None:
    refunds(shop, shops=1, processors=1)
    held = whole(square)
    assert (held.causes, held.unsettled, held.balance) == ([], [], 0)
    assert [made.why for made in clearing_pairs.named(square, held.pairs)] == [
        "The payout failed, and the item brings its money back: a day apart, "
        "and nothing else of this amount is near",
        "The same refund, which books and processor know under different ids: on the same day, "
        "and nothing else of this amount is near",
    ]


def test_its_payout_agrees_with_the_books(square: Account, viewer: User, signed_in: SignedIn) -> None:
    po = Document.objects.get(external_id="po_2")
    assert clearing.check_payouts(square, [po])[po.pk].state == "differs"
    page = signed_in(viewer).get(url("ledger:clearing_payout", square.pk, po.pk))
    assert page.context["check"].state == "complete"
    assert f"Nothing: cancels with {FAILED}" in page.content.decode()
    [(_, _, state, _), *_] = signed_in(viewer).get(url("ledger:clearing_payouts", square.pk)).context["rows"]
    assert state == "Complete"


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_ambiguous_waits_for_a_person(shop: Organization, square: Account, approver: User) -> None:
    refunds(shop, shops=2, processors=2)
    held = whole(square)
    assert (held.causes, held.difference) == ([Cause("never", 2, 2_000)], 2_000)
    with pytest.raises(RecordError, match="is not explained by what is unsettled"):
        clearing_signing.sign(square, ON, "USD", user=approver)
    made = clearing_pairs.pair(
        square,
        (key("shop_0"), key("po_3", "r1|re_1")),
        on=ON,
        currency="USD",
        user=approver,
        note="Same order",
    )
    assert (made.amount, made.debit_item, made.credit.external_id) == (1_000, "r1|re_1", "shop_0")
    # What is left has one candidate now, and is found.
    held = whole(square)
    assert (held.causes, held.difference, len(held.pairs)) == ([], 0, 3)
    whys = [each.why for each in clearing_pairs.named(square, held.pairs) if each.verdict]
    assert whys == [f"Paired by {approver} on {made.at.astimezone(shop.zone).date()}: Same order"]
    event = AuditEvent.objects.get(action="clearing_pair.made")
    assert event.actor == approver
    signed = clearing_signing.sign(square, ON, "USD", user=approver)
    assert len(read(signed.report).cancelling) == 6


def test_undoing_a_pair_opens_both_rows(shop: Organization, square: Account, approver: User) -> None:
    refunds(shop, shops=2, processors=2)
    keys = key("po_3", "r1|re_1"), key("shop_0")
    clearing_pairs.pair(square, keys, on=ON, currency="USD", user=approver)
    clearing_pairs.take_apart(square, keys, on=ON, currency="USD", user=approver)
    assert whole(square).causes == [Cause("never", 2, 2_000)]
    assert ClearingVerdict.objects.count() == 0
    assert AuditEvent.objects.filter(action="clearing_pair.taken_apart").count() == 1


def test_a_pair_that_was_found_stays_apart_until_somebody_pairs_it(square: Account, approver: User) -> None:
    keys = key("po_1"), key("po_2", "po_1_back|")
    clearing_pairs.take_apart(square, keys, on=ON, currency="USD", user=approver)
    assert whole(square).causes == [Cause("never", 1, -3_079)]
    with pytest.raises(RecordError, match="no longer one"):
        clearing_pairs.take_apart(square, keys, on=ON, currency="USD", user=approver)
    clearing_pairs.pair(square, keys, on=ON, currency="USD", user=approver)
    assert [pair.by_hand for pair in whole(square).pairs] == [True]
    assert [made.together for made in ClearingVerdict.objects.all()] == [True]


def test_only_open_rows_that_come_to_nothing_are_paired(
    shop: Organization, square: Account, approver: User
) -> None:
    refunds(shop, shops=2, processors=2)
    back = key("po_2", "po_1_back|")
    for rows in ((key("shop_0"), back), (key("shop_0"), key("shop_1")), (key("po_1"), back), (back, (0, ""))):
        with pytest.raises(RecordError, match="no longer open, or do not come to nothing"):
            clearing_pairs.pair(square, rows, on=ON, currency="USD", user=approver)
    with pytest.raises(RecordError, match="holds nothing in EUR"):
        clearing_pairs.pair(square, (key("shop_0"), back), on=ON, currency="EUR", user=approver)
    assert ClearingVerdict.objects.count() == 0


def test_a_row_is_in_one_pair(shop: Organization, square: Account, approver: User) -> None:
    refunds(shop, shops=2, processors=2)
    made = clearing_pairs.pair(
        square, (key("po_3", "r1|re_1"), key("shop_0")), on=ON, currency="USD", user=approver
    )
    made.pk, made.credit_id = None, key("shop_1")[0]
    with pytest.raises(IntegrityError):
        made.save()


def test_a_pair_that_was_signed_stands(square: Account, approver: User) -> None:
    signed = clearing_signing.sign(square, ON, "USD", user=approver)
    keys = key("po_1"), key("po_2", "po_1_back|")
    with pytest.raises(RecordError, match="signed off up to 2026-03-05 with this pair"):
        clearing_pairs.take_apart(square, keys, on=ON, currency="USD", user=approver)
    signing.reopen(signed, user=approver, reason="Not the same")
    clearing_pairs.take_apart(square, keys, on=ON, currency="USD", user=approver)
    assert whole(square).pairs == []


# ── pages ───────────────────────────────────────────────────────────────────────────────────────────────


def given(debit: str, credit: str) -> dict[str, str]:
    return {"on": ON.isoformat(), "currency": "USD", "debit": debit, "credit": credit}


def test_pages_say_which_pairs_were_found_and_why(
    square: Account, viewer: User, approver: User, outsider: User, signed_in: SignedIn
) -> None:
    page = url("ledger:clearing_account", square.pk) + f"?on={ON}&currency=USD"
    text = signed_in(viewer).get(page).content.decode()
    assert "cancel each other" in text
    text = signed_in(viewer).get(page + "&show=pairs").content.decode()
    assert "The payout failed, and the item brings its money back" in text
    assert "Take apart" not in text
    assert "Take apart" in signed_in(approver).get(page + "&show=pairs").content.decode()
    answer: Any = signed_in(viewer).get(page + "&show=pairs&export=csv")
    [_, row] = b"".join(answer.streaming_content).decode().splitlines()
    assert row.startswith(f"2026-03-02,{FAILED},2026-03-03,{BACK},")
    assert row.endswith(",30.79,USD")
    assert signed_in(outsider).get(page).status_code == 404


def test_a_person_sees_what_may_cancel_a_row_and_pairs_it(
    shop: Organization,
    square: Account,
    viewer: User,
    bookkeeper: User,
    approver: User,
    outsider: User,
    signed_in: SignedIn,
) -> None:
    refunds(shop, shops=2, processors=2)
    account = url("ledger:clearing_account", square.pk) + f"?on={ON}&currency=USD&show=differences"
    assert "2 may cancel it" in signed_in(viewer).get(account).content.decode()
    row = clearing_pairs.written(key("po_3", "r1|re_1"))
    page, asked = url("ledger:clearing_opposites", square.pk), {"on": ON, "currency": "USD", "row": row}
    shown = signed_in(viewer).get(page, asked)
    assert [other.title for other in shown.context["others"]] == ["Refund shop_0", "Refund shop_1"]
    assert "An approver may pair them" in shown.content.decode()
    assert signed_in(outsider).get(page, asked).status_code == 404
    assert signed_in(viewer).get(page, {**asked, "row": "x"}).status_code == 302
    post, other = url("ledger:clearing_pairs", square.pk), shown.context["others"][0].key
    assert signed_in(bookkeeper).post(post, given(row, other)).status_code == 403
    assert signed_in(outsider).post(post, given(row, other)).status_code == 404
    assert signed_in(approver).post(post, given(row, "nothing")).status_code == 404
    assert ClearingVerdict.objects.count() == 0
    answer = signed_in(approver).post(post, {**given(row, other), "note": "Same order"}, follow=True)
    assert "cancel each other now" in answer.content.decode()
    assert ClearingVerdict.objects.get().note == "Same order"
    undo = url("ledger:clearing_parting", square.pk)
    assert signed_in(bookkeeper).post(undo, given(row, other)).status_code == 403
    assert signed_in(outsider).post(undo, given(row, other)).status_code == 404
    answer = signed_in(approver).post(undo, given(row, other), follow=True)
    assert "Both rows are open again" in answer.content.decode()
    assert ClearingVerdict.objects.count() == 0
    assert SignOff.objects.count() == 0

"""What no one form of Xero's says is taken apart into such as do; together they say it to the cent."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.connectors.xero.forms import form
from integrations.destination import JournalLine, Link, Made, Parcel, Piece
from ledgerhub.core.errors import RecordError
from tests.integrations import parceling
from tests.integrations.parceling import taker
from tests.integrations.test_xero_bodies import NAMES, to
from tests.ledger.drafts import DAY, document, invoice, journal, payment, refund, tender

NEXT_MONTH = dt.date(2026, 4, 1)
Said = list[tuple[str, dict[str, int]]]


def split(draft: dict[str, Any], **changes: Any) -> tuple[Parcel, Sequence[Piece]]:
    whole = parceling.parcel(draft, NAMES, **changes)
    pieces = taker("xero", draft["kind"]).split
    assert pieces is not None
    return whole, pieces(whole)


def said(draft: dict[str, Any], **changes: Any) -> Said:
    """(form, lines by account) of each piece, as it goes when the first stands there."""
    whole, pieces = split(draft, **changes)
    assert summed(line for piece in pieces for line in piece.journal) == summed(whole.journal)
    return [(form(_alone(whole, pieces, number)), dict(summed(piece.journal)))
            for number, piece in enumerate(pieces)]  # fmt: skip


def _alone(whole: Parcel, pieces: Sequence[Piece], number: int) -> Parcel:
    piece = pieces[number]
    alone = replace(whole, journal=piece.journal, links=piece.links, part=number)
    if not piece.of_first:
        return alone
    name = form(replace(whole, journal=pieces[0].journal, links=()))
    return replace(alone, first=Link(whole.draft["kind"], Made(f"{name}:1"), piece.of_first, "USD"))


def summed(lines: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for line in lines:
        found[line.account] += line.amount
    return Counter({account: amount for account, amount in found.items() if amount})


def test_a_sale_paid_in_part_is_an_invoice_and_its_payment() -> None:
    assert said(invoice(tenders=[tender(4000)])) == [
        ("Invoice", {"receivable": 10850, "sales": -10000, "tax_payable": -850}),
        ("Payment", {"stripe": 4000, "receivable": -4000}),
    ]


def test_a_sale_over_two_banks_is_an_invoice_and_two_payments() -> None:
    tenders = [tender(5000), tender(5850, gateway="shopify", id="t2")]
    assert said(invoice(tenders=tenders)) == [
        ("Invoice", {"receivable": 10850, "sales": -10000, "tax_payable": -850}),
        ("Payment", {"shopify": 5850, "receivable": -5850}),
        ("Payment", {"stripe": 5000, "receivable": -5000}),
    ]


def test_a_sale_paid_next_month_is_an_invoice_of_its_day_and_a_payment_of_the_other() -> None:
    draft = invoice(tenders=[tender(10850, date=NEXT_MONTH)])
    _, pieces = split(draft)
    assert [form for form, _ in said(draft)] == ["Invoice", "Payment"]
    assert [{line.date for line in piece.journal} for piece in pieces] == [{DAY}, {NEXT_MONTH}]


def test_a_sale_paid_before_its_month_is_refused() -> None:
    """Between the two it is the customer's deposit, which no form of theirs can say."""
    draft = invoice(date=NEXT_MONTH, tenders=[tender(10850, date=DAY)])
    with pytest.raises(RecordError, match="booked in two months"):
        split(draft)


def test_a_refund_over_two_banks_is_a_credit_note_and_what_is_paid_back_of_it() -> None:
    draft = refund(tenders=[tender(1000), tender(85, gateway="shopify", id="t2")])
    assert said(draft) == [
        ("CreditNote", {"returns": 1000, "tax_payable": 85, "receivable": -1085}),
        ("Payment", {"shopify": -85, "receivable": 85}),
        ("Payment", {"stripe": -1000, "receivable": 1000}),
    ]


def test_a_payment_for_several_invoices_pays_each_and_what_is_left_is_credit() -> None:
    draft = payment(total=10000)
    paid = {"stripe": 4000, "receivable": -4000}
    both = (to("i1", 4000), to("i2", 4000))
    assert said(draft, links=both) == [
        ("Payment", paid), ("Payment", paid), ("Overpayment", {"stripe": 2000, "receivable": -2000})
    ]  # fmt: skip
    assert said(draft, links=(to("i1", 10000),)) == [("Payment", {"stripe": 10000, "receivable": -10000})]


def test_a_payment_of_several_bills() -> None:
    draft = document("bill_payment", total=700)
    both = (to("b1", 300, "bill"), to("b2", 400, "bill"))
    assert said(draft, links=both) == [
        ("Payment", {"bank": -300, "payable": 300}), ("Payment", {"bank": -400, "payable": 400})
    ]  # fmt: skip


def test_a_bank_line_with_a_fee_taken_off_settles_the_whole_invoice() -> None:
    """98 arrived of 100: a payment, and a credit note for the fee, given to the invoice as well."""
    lines = [{"account": "receivable", "amount": 10000}, {"account": "6000", "amount": -200}]
    draft = document("bank_transaction", total=9800, bank_account="bank", lines=lines)
    assert said(draft, links=(to("i1", 10000),)) == [
        ("CreditNote", {"6000": 200, "receivable": -200}),
        ("Payment", {"bank": 9800, "receivable": -9800}),
        ("Allocation", {}),
    ]


def test_a_credit_note_is_given_to_the_invoices_it_credits() -> None:
    draft = document("credit_note", total=1085, tax=85)
    note = ("CreditNote", {"returns": 1000, "tax_payable": 85, "receivable": -1085})
    assert said(draft) == [note]
    assert said(draft, links=(to("i1", 1000), to("i2", 85))) == [note, ("Allocation", {}), ("Allocation", {})]
    _, pieces = split(draft, links=(to("i1", 1000), to("i2", 500)))
    assert [piece.of_first for piece in pieces] == [0, 1000, 85], "no more than there is"


def test_money_that_crosses_is_transferred() -> None:
    assert said(journal(("bank", 9700), ("6000", 300), ("stripe", -10000))) == [
        ("BankTransaction", {"6000": 300, "stripe": -300}),
        ("BankTransfer", {"bank": 9700, "stripe": -9700}),
    ]
    assert said(journal(("bank", 900), ("stripe", -500), ("shopify", -400))) == [
        ("BankTransfer", {"bank": 500, "stripe": -500}), ("BankTransfer", {"bank": 400, "shopify": -400})
    ]  # fmt: skip


@pytest.mark.parametrize("draft", [
    journal(("receivable", 500), ("payable", -500)),
    payment(total=500, settles="receivable") | {"kind": "refund"},
])  # fmt: skip
def test_what_no_forms_can_say_is_refused_in_words(draft: dict[str, Any]) -> None:
    """Receivables against payables; money given back of a credit that nothing there says."""
    with pytest.raises(RecordError, match="in a way that no documents there can say"):
        split(draft)


def test_what_one_form_says_goes_whole() -> None:
    for draft in (
        invoice(),
        invoice(tenders=[], status="open"),
        refund(),
        payment(),
        journal(("6900", 7), ("4900", -7)),
    ):
        assert len(split(draft)[1]) == 1


ACCOUNTS = ("bank", "stripe", "shopify", "paypal", "receivable", "6000", "4000")


@given(
    st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(-9, 9).filter(bool)), min_size=1, max_size=6)
)
def test_pieces_are_of_one_form_each_and_make_the_journal(amounts: list[tuple[str, int]]) -> None:
    """Whatever is booked: it is refused in words, or its pieces balance and say it to the cent."""
    lines = [*amounts, ("4000", -sum(amount for _, amount in amounts))]
    whole = replace(
        parceling.parcel(journal(("4000", 1), ("4000", -1)), NAMES),
        journal=tuple(JournalLine(account, amount, "USD", date=DAY) for account, amount in lines if amount),
        links=(to("i1", 5),),
    )
    pieces = taker("xero", "journal_entry").split
    assert pieces is not None
    try:
        made = pieces(whole)
    except RecordError:
        return
    assert summed(line for piece in made for line in piece.journal) == summed(whole.journal)
    for number, piece in enumerate(made):
        assert sum(line.amount for line in piece.journal) == 0
        if len(made) > 1:
            assert form(_alone(whole, made, number))

"""The accounting treatment, row by row of docs/accounting.md, and what holds for every draft."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.accounting import clearing, entries
from ledgerhub.ledger.entries import AccountRef, EntryDraft, Line
from ledgerhub.ledger.kinds import validate
from tests.ledger.drafts import (
    DAY,
    TODAY,
    dispute,
    document,
    invoice,
    journal,
    line,
    payment,
    payout,
    refund,
    tender,
)

LATER, EARLIER = dt.date(2026, 3, 5), dt.date(2026, 2, 27)
Books = dict[str, tuple[str, str, dict[str, int]]]


def booked(draft: dict[str, Any]) -> Books:
    """part -> (date, currency, account -> amount) of a draft that must be valid."""
    assert validate(draft, today=TODAY) == []
    return {
        entry.part: (
            entry.date.isoformat()[5:],
            entry.currency,
            {":".join(filter(None, row.account)): row.amount for row in entry.lines},
        )
        for entry in entries(draft)
    }


def usd(day: str = "03-02", **amounts: int) -> tuple[str, str, dict[str, int]]:
    return day, "USD", {name.replace("__", ":"): amount for name, amount in amounts.items()}


def test_a_paid_order() -> None:
    draft = invoice(total=12050, discount=500, shipping=600, tips=1100, tenders=[tender(12050)])
    assert booked(draft) == {
        "sale": usd(
            clearing__stripe=12050, discounts=500, sales=-10000, shipping=-600, tax_payable=-850, tips=-1100
        )
    }


def test_an_unpaid_order_is_owed() -> None:
    assert booked(invoice(status="open", tenders=[])) == {
        "sale": usd(receivable=10850, sales=-10000, tax_payable=-850)
    }


@pytest.mark.parametrize("status", ["draft", "void"])
def test_a_draft_and_a_void_order_post_nothing(status: str) -> None:
    assert booked(invoice(status=status)) == {}


def test_prices_that_include_tax() -> None:
    draft = invoice(
        taxes_included=True,
        total=12600,
        tax=1050,
        shipping=600,
        shipping_tax=50,
        lines=[line(12000, tax=1000)],
    )
    assert booked(draft) == {
        "sale": usd(receivable=1750, clearing__stripe=10850, sales=-11000, shipping=-550, tax_payable=-1050)
    }


def test_included_tax_no_line_names_comes_off_sales() -> None:
    draft = invoice(taxes_included=True, total=12000, tax=1000, lines=[line(12000)], tenders=[tender(12000)])
    assert booked(draft) == {"sale": usd(clearing__stripe=12000, sales=-11000, tax_payable=-1000)}


def test_discounts_of_lines_count_where_the_header_has_none() -> None:
    draft = invoice(total=9850, lines=[line(10000, discount=1000, tax=850)], tax=None, tenders=[tender(9850)])
    assert booked(draft) == {
        "sale": usd(clearing__stripe=9850, discounts=1000, sales=-10000, tax_payable=-850)
    }


def test_a_gift_card_is_sold_as_a_liability_and_used_as_a_tender() -> None:
    sold = invoice(total=5000, tax=0, lines=[line(5000, line_kind="gift_card")], tenders=[tender(5000)])
    assert booked(sold) == {"sale": usd(clearing__stripe=5000, gift_cards=-5000)}
    used = invoice(tenders=[tender(5000, gateway="Gift Card", id="a"), tender(5850, id="b")])
    assert booked(used) == {
        "sale": usd(clearing__stripe=5850, gift_cards=5000, sales=-10000, tax_payable=-850)
    }


def test_tax_that_a_marketplace_pays_goes_in_and_out_and_never_to_ours() -> None:
    theirs = line(850, line_kind="marketplace_tax", description="Tax that Amazon collects")
    sold = invoice(tax=0, lines=[line(10_000), theirs], tenders=[tender(10_850, gateway="amazon")])
    assert booked(sold) == {"sale": usd(clearing__amazon=10_850, sales=-10_000, marketplace_tax=-850)}
    kept = document("fee", total=850, gateway="amazon", category="marketplace_tax")
    assert booked(kept) == {"fee": usd(marketplace_tax=850, clearing__amazon=-850)}
    back = refund(total=1085, tax=0, gateway="amazon", lines=[line(85, line_kind="marketplace_tax")])
    assert booked(back) == {"refund": usd(returns=1000, marketplace_tax=85, clearing__amazon=-1085)}


def test_split_tenders_debit_one_account_a_gateway() -> None:
    tenders = [tender(5000, gateway="paypal", id="a"), tender(2850, id="b"), tender(3000, id="c")]
    assert booked(invoice(tenders=tenders)) == {
        "sale": usd(clearing__paypal=5000, clearing__stripe=5850, sales=-10000, tax_payable=-850)
    }


def test_a_later_tender_leaves_the_sale_untouched() -> None:
    unpaid = entries(invoice(status="open", tenders=[]))
    draft = invoice(tenders=[tender(4000, date=LATER, id="a"), tender(6850, date=LATER, id="b")])
    assert entries(draft)[0].content_hash() == unpaid[0].content_hash()
    assert booked(draft) == {
        "sale": usd(receivable=10850, sales=-10000, tax_payable=-850),
        "tender:a": usd("03-05", clearing__stripe=4000, receivable=-4000),
        "tender:b": usd("03-05", clearing__stripe=6850, receivable=-6850),
    }


def test_an_earlier_tender_is_a_deposit_until_the_sale() -> None:
    draft = invoice(tenders=[tender(4000, date=EARLIER, id="a"), tender(6850, id="b")])
    assert booked(draft) == {
        "sale": usd(clearing__stripe=6850, deposits=4000, sales=-10000, tax_payable=-850),
        "tender:a": usd("02-27", clearing__stripe=4000, deposits=-4000),
    }


def test_what_is_overpaid_is_the_customers_deposit() -> None:
    assert booked(invoice(tenders=[tender(11000)])) == {
        "sale": usd(clearing__stripe=11000, deposits=-150, sales=-10000, tax_payable=-850)
    }
    assert booked(invoice(tenders=[tender(11000, date=LATER)]))["tender:t1"] == usd(
        "03-05", clearing__stripe=11000, deposits=-150, receivable=-10850
    )
    assert booked(invoice(tenders=[tender(11000, date=EARLIER)])) == {
        "sale": usd(deposits=10850, sales=-10000, tax_payable=-850),
        "tender:t1": usd("02-27", clearing__stripe=11000, deposits=-11000),
    }


def test_a_residual_cent_is_named() -> None:
    assert booked(invoice(total=10851, tenders=[tender(10851)])) == {
        "sale": usd(clearing__stripe=10851, rounding=-1, sales=-10000, tax_payable=-850)
    }
    with pytest.raises(RecordError, match=r"but the total is 108\.60 USD"):
        entries(invoice(total=10860))


@pytest.mark.parametrize("currency", ["JPY", "KWD"])
def test_currencies_with_other_decimals_keep_their_minor_units(currency: str) -> None:
    [entry] = entries(invoice(currency=currency))
    assert (entry.currency, [row.amount for row in entry.lines]) == (currency, [10850, -10000, -850])


def test_lines_go_to_their_own_accounts() -> None:
    draft = invoice(
        total=10000,
        tax=0,
        lines=[
            line(6000),
            line(1000, line_kind="shipping"),
            line(1000, line_kind="fee"),
            line(2000, account="4050"),
        ],
        tenders=[],
    )
    assert booked(draft) == {
        "sale": usd(receivable=10000, code__4050=-2000, other_income=-1000, sales=-6000, shipping=-1000)
    }


def test_an_order_given_away_books_sales_and_discount_and_a_free_one_nothing() -> None:
    assert booked(invoice(total=0, tax=0, discount=10000, tenders=[])) == {
        "sale": usd(discounts=10000, sales=-10000)
    }
    assert booked(invoice(total=0, tax=0, lines=[], tenders=[])) == {}


def test_a_credit_note() -> None:
    draft = document("credit_note", number="CN-1", total=1685, tax=85, shipping=600)
    assert booked(draft) == {
        "credit": usd(returns=1000, shipping_refunds=600, tax_payable=85, receivable=-1685)
    }


def test_a_refund_by_gateway_and_by_tenders() -> None:
    assert booked(refund()) == {"refund": usd(returns=1000, tax_payable=85, clearing__stripe=-1085)}
    tenders = [tender(585, gateway="gift_card", id="a"), tender(500, id="b")]
    assert booked(refund(tenders=tenders)) == {
        "refund": usd(returns=1000, tax_payable=85, clearing__stripe=-500, gift_cards=-585)
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"settles": "receivable"}, {"refund": usd(receivable=1085, clearing__stripe=-1085)}),
        ({"settles": "deposits"}, {"refund": usd(deposits=1085, clearing__stripe=-1085)}),
        ({"settles": "nothing"}, {}),
        ({"status": "failed"}, {}),
        ({"status": "pending"}, {}),
        ({"tips": 200}, {"refund": usd(returns=800, tips=200, tax_payable=85, clearing__stripe=-1085)}),
        (
            {"lines": [line(1000, line_kind="gift_card")]},
            {"refund": usd(gift_cards=1000, tax_payable=85, clearing__stripe=-1085)},
        ),
    ],
)
def test_what_a_refund_counts_as(changes: dict[str, Any], expected: Books) -> None:
    assert booked(refund(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"payment": usd(clearing__stripe=1000, receivable=-1000)}),
        ({"settles": "sales"}, {"payment": usd(clearing__stripe=1000, sales=-1000)}),
        (
            {"settles": "sales", "tax": 80, "tips": 120, "gift_cards": 300},
            {"payment": usd(clearing__stripe=1000, tax_payable=-80, tips=-120, gift_cards=-300, sales=-500)},
        ),
        (
            {"settles": "receivable", "tax": 80, "tips": 120},
            {"payment": usd(clearing__stripe=1000, receivable=-1000)},
        ),
        ({"settles": "deposits"}, {"payment": usd(clearing__stripe=1000, deposits=-1000)}),
        ({"settles": "nothing"}, {}),
        ({"status": "pending"}, {}),
        ({"status": "failed"}, {}),
    ],
)
def test_what_a_payment_counts_as(changes: dict[str, Any], expected: Books) -> None:
    assert booked(payment(**changes)) == expected


def test_a_sale_settled_in_another_currency_is_booked_as_settled() -> None:
    settled = {"currency": "EUR", "settlement_currency": "USD", "settlement_total": 1200}
    assert booked(payment(settles="sales", **settled)) == {"payment": usd(clearing__stripe=1200, sales=-1200)}
    assert booked(refund(**settled)) == {"refund": usd(returns=1106, tax_payable=94, clearing__stripe=-1200)}


def test_a_debt_settled_in_another_currency_is_booked_in_both() -> None:
    settled = {"currency": "EUR", "settlement_currency": "USD", "settlement_total": 1200}
    assert booked(payment(**settled)) == {
        "payment": ("03-02", "EUR", {"exchange_difference": 1000, "receivable": -1000}),
        "payment:settled": usd(clearing__stripe=1200, exchange_difference=-1200),
    }
    assert booked(refund(settles="receivable", **settled)) == {
        "refund": ("03-02", "EUR", {"receivable": 1085, "exchange_difference": -1085}),
        "refund:settled": usd(exchange_difference=1200, clearing__stripe=-1200),
    }


@pytest.mark.parametrize(
    ("category", "account"),
    [
        ("", "merchant_fees"),
        ("fee", "merchant_fees"),
        ("tax", "merchant_fees"),
        ("dispute_fee", "dispute_fees"),
        ("reserve", "reserve"),
        ("conversion", "exchange_difference"),
        ("advertising", "advertising"),
        ("marketplace_tax", "marketplace_tax"),
        ("reimbursement", "other_income"),
        ("postage", "postage"),
    ],
)
def test_fees_go_by_category(category: str, account: str) -> None:
    draft = document("fee", total=320, gateway="stripe", category=category)
    assert booked(draft) == {"fee": usd(**{account: 320, "clearing__stripe": -320})}


def test_a_fee_given_back_and_a_top_up_debit_clearing() -> None:
    assert booked(document("fee", total=-320, gateway="stripe")) == {
        "fee": usd(clearing__stripe=320, merchant_fees=-320)
    }
    assert booked(document("fee", total=-5000, gateway="stripe", category="topup")) == {
        "fee": usd(clearing__stripe=5000, transfers=-5000)
    }


def test_an_unknown_fee_category_is_never_guessed() -> None:
    with pytest.raises(
        RecordError,
        match="Fee category 'other' has no account; map it to one of advertising, conversion, dis",
    ):
        entries(document("fee", total=320, gateway="stripe", category="other"))


def test_disputes() -> None:
    opened = usd(dispute_fees=1500, disputes=5000, clearing__stripe=-6500)
    won = dispute(status="won", closed_date=LATER, returned=5000, fee_returned=1500)
    assert booked(dispute(status="inquiry")) == {}
    assert booked(dispute()) == {"opened": opened}
    assert booked(dispute(status="lost", closed_date=LATER)) == {"opened": opened}
    assert booked(won) == {
        "opened": opened,
        "won": usd("03-05", clearing__stripe=6500, dispute_fees=-1500, disputes=-5000),
    }
    assert booked(dispute(status="won", closed_date=LATER))["won"] == usd(
        "03-05", clearing__stripe=5000, disputes=-5000
    )
    assert entries(won)[0].content_hash() == entries(dispute())[0].content_hash()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"payout": usd(bank=9700, clearing__stripe=-9700)}),
        ({"status": "in_transit"}, {"payout": usd(bank=9700, clearing__stripe=-9700)}),
        ({"status": "pending"}, {}),
        ({"status": "canceled"}, {}),
        ({"total": -300}, {"payout": usd(clearing__stripe=300, bank=-300)}),
        ({"bank_account": "1010"}, {"payout": usd(code__1010=9700, clearing__stripe=-9700)}),
        (
            {"status": "failed", "failed_date": LATER},
            {
                "payout": usd(bank=9700, clearing__stripe=-9700),
                "failed": usd("03-05", clearing__stripe=9700, bank=-9700),
            },
        ),
    ],
)
def test_payouts(changes: dict[str, Any], expected: Books) -> None:
    assert booked(payout(**changes)) == expected


def test_a_payout_whose_items_do_not_sum_to_it_is_refused() -> None:
    items = [{"external_id": "i", "category": "charge", "amount": 10000, "fee": 300, "net": 9700}]
    assert booked(payout(itemized=True, items=items)) == booked(payout())
    with pytest.raises(RecordError, match=r"items make 97\.00 USD net, but the payout is 97\.01 USD"):
        entries(payout(itemized=True, items=items, total=9701))


def test_bills() -> None:
    lines = [line(3000, account="6200"), line(2000, discount=500)]
    assert booked(document("bill", total=4950, tax=450, lines=lines)) == {
        "bill": usd(code__6200=3000, expenses=1500, tax_receivable=450, payable=-4950)
    }
    assert booked(document("bill", total=4950, tax=450)) == {
        "bill": usd(expenses=4500, tax_receivable=450, payable=-4950)
    }
    assert booked(document("bill", total=4950, status="draft")) == {}
    assert booked(document("bill_payment", total=4950)) == {"payment": usd(payable=4950, bank=-4950)}


def test_a_journal_entry_keeps_its_lines_as_written() -> None:
    draft = journal(("6030", 100), ("6030", 50), ("1000", -150), memo="Bank fees")
    draft["lines"][1]["description"] = "Second"
    fees = AccountRef("code", "6030")
    expected = (Line(fees, 100), Line(fees, 50, "Second"), Line(AccountRef("code", "1000"), -150))
    assert entries(draft) == [EntryDraft("entry", DAY, "USD", "Bank fees", expected)]


def test_bank_lines_post_once_coded_and_no_longer_pending() -> None:
    coded = [{"account": "6030", "amount": -70}, {"account": "6300", "amount": -30}]
    draft = document("bank_transaction", total=-100, description="FEES", lines=coded)
    assert booked(draft) == {"coded": usd(bank=-100, code__6030=70, code__6300=30)}
    assert booked({**draft, "pending": True}) == {}
    assert booked({**draft, "lines": []}) == {}


def test_gateways_are_one_however_they_are_written() -> None:
    assert (
        clearing("Shopify  Payments")
        == clearing("shopify_payments")
        == AccountRef("clearing", "shopify_payments")
    )


def test_contacts_and_items_post_nothing() -> None:
    assert entries(document("contact", name="Ann")) == entries(document("item", name="Mug")) == []


def test_the_stored_hash_never_changes_form() -> None:
    entry = EntryDraft("sale", DAY, "USD", "Invoice 'x'", (Line(AccountRef("clearing", "stripe"), 5, "m"),))
    assert entry.content_hash() == "8ad0e3f13ff9138ede218881c41cab61a42db4592c5be8f5acf04abb7771d1d3"


# --- what holds for any draft -------------------------------------------------------------------------------

_amounts = st.integers(min_value=0, max_value=10**9)
_days = st.integers(min_value=-5, max_value=5).map(lambda days: DAY + dt.timedelta(days=days))
_gateways = st.sampled_from(["stripe", "paypal", "gift_card", "manual"])
_lines = st.lists(
    st.builds(
        line,
        _amounts,
        tax=st.integers(min_value=0, max_value=10**6),
        line_kind=st.sampled_from(["product", "gift_card", "shipping", "fee"]),
        account=st.sampled_from([None, "4050"]),
    ),
    max_size=4,
)
_tenders = st.lists(st.tuples(_amounts, _days, _gateways), max_size=4).map(
    lambda rows: [
        tender(amount, date=day, gateway=gateway, id=f"t{number}")
        for number, (amount, day, gateway) in enumerate(rows)
    ]
)


@st.composite
def invoices(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid invoice: its total is what its parts make, give or take the tolerance."""
    lines, included = draw(_lines), draw(st.booleans())
    parts = {name: draw(_amounts) for name in ("shipping", "tips", "tax")}
    sold = sum(row["amount"] for row in lines) + parts["shipping"] + parts["tips"]
    sold += 0 if included else parts["tax"]
    discount = draw(st.integers(min_value=0, max_value=sold))
    off = draw(st.integers(min_value=-5, max_value=5)) if lines else 0
    return invoice(
        **parts,
        lines=lines,
        discount=discount,
        taxes_included=included,
        shipping_tax=draw(st.integers(min_value=0, max_value=parts["tax"])),
        total=max(sold - discount + off, 0),
        tenders=draw(_tenders),
        currency=draw(st.sampled_from(["USD", "JPY", "KWD"])),
    )


@st.composite
def settled(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid payment or refund, settled in its own or another currency."""
    total = draw(_amounts)
    tax = draw(st.integers(min_value=0, max_value=total))
    make = draw(st.sampled_from([payment, refund]))
    return make(
        total=total,
        tax=tax,
        shipping=draw(st.integers(min_value=0, max_value=total - tax)),
        settles=draw(st.sampled_from(["receivable", "sales", "deposits", "nothing"])),
        currency="EUR",
        settlement_currency="USD",
        settlement_total=draw(_amounts),
    )


@given(st.one_of(invoices(), settled()))
def test_entries_of_any_valid_draft_balance_and_have_parts_of_their_own(draft: dict[str, Any]) -> None:
    if validate(draft, today=TODAY):
        return
    found = entries(draft)
    assert [entry.imbalance for entry in found] == [0] * len(found)
    assert len({entry.part for entry in found}) == len(found)
    assert all(row.amount for entry in found for row in entry.lines)


@given(invoices(), st.randoms(use_true_random=False))
def test_no_order_of_fields_or_payments_matters(draft: dict[str, Any], random: Any) -> None:
    names = list(draft)
    random.shuffle(names)
    shuffled = {name: draft[name] for name in names}
    shuffled["tenders"] = random.sample(draft["tenders"], len(draft["tenders"]))
    if validate(draft, today=TODAY) == []:
        assert entries(shuffled) == entries(draft)

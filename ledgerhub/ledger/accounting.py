"""Accounting: a validated draft -> balanced entry drafts, one small function a kind (docs/accounting.md)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.core.money import allocate
from ledgerhub.ledger.entries import AccountRef, EntryDraft, Line
from ledgerhub.ledger.fields import Draft, money_text
from ledgerhub.ledger.sums import SaleSums, check_sums, sale_sums

ADVERTISING = AccountRef("advertising")
BANK = AccountRef("bank")
DEPOSITS = AccountRef("deposits")
DISCOUNTS = AccountRef("discounts")
DISPUTES = AccountRef("disputes")
DISPUTE_FEES = AccountRef("dispute_fees")
EXCHANGE_DIFFERENCE = AccountRef("exchange_difference")
EXPENSES = AccountRef("expenses")
GIFT_CARDS = AccountRef("gift_cards")
MARKETPLACE_TAX = AccountRef("marketplace_tax")
MERCHANT_FEES = AccountRef("merchant_fees")
OTHER_INCOME = AccountRef("other_income")
PAYABLE = AccountRef("payable")
POSTAGE = AccountRef("postage")
RECEIVABLE = AccountRef("receivable")
RESERVE = AccountRef("reserve")
RETURNS = AccountRef("returns")
ROUNDING = AccountRef("rounding")
SALES = AccountRef("sales")
SHIPPING = AccountRef("shipping")
SHIPPING_REFUNDS = AccountRef("shipping_refunds")
TAX_PAYABLE = AccountRef("tax_payable")
TAX_RECEIVABLE = AccountRef("tax_receivable")
TIPS = AccountRef("tips")
TRANSFERS = AccountRef("transfers")

# A fee's category -> where it is booked. Anything else is an error: the mapping must decide.
FEE_ACCOUNTS = {
    "": MERCHANT_FEES,
    "fee": MERCHANT_FEES,
    "tax": MERCHANT_FEES,
    "dispute_fee": DISPUTE_FEES,
    "reserve": RESERVE,
    "topup": TRANSFERS,
    "conversion": EXCHANGE_DIFFERENCE,
    "advertising": ADVERTISING,
    "marketplace_tax": MARKETPLACE_TAX,
    "reimbursement": OTHER_INCOME,
    "postage": POSTAGE,
}
_LINE_KINDS = {
    "gift_card": GIFT_CARDS,
    "shipping": SHIPPING,
    "fee": OTHER_INCOME,
    "marketplace_tax": MARKETPLACE_TAX,
}
_SETTLES = {"receivable": RECEIVABLE, "sales": SALES, "deposits": DEPOSITS}
# Booked at what the processor settled; everything else is owed in its own currency.
_INCOME = frozenset({SALES, TIPS, RETURNS, TAX_PAYABLE, MARKETPLACE_TAX, SHIPPING_REFUNDS, OTHER_INCOME})

Side = tuple[AccountRef, int]


def entries(draft: Draft) -> list[EntryDraft]:
    """The entries a validated draft causes, in order of posting; [] where it posts nothing.

    Raises RecordError where the draft's sums do not hold; every entry returned sums to zero.
    """
    treatment = _TREATMENTS.get(draft["kind"])
    if treatment is None:
        return []
    if errors := check_sums(draft):
        raise RecordError(errors)
    return treatment(draft)


@lru_cache(maxsize=1024)
def clearing(gateway: str) -> AccountRef:
    """The account that holds a gateway's money: `Shopify Payments` -> clearing `shopify_payments`."""
    name = "_".join(gateway.casefold().split())
    return GIFT_CARDS if name in ("gift_card", "giftcard") else AccountRef("clearing", name)


@lru_cache(maxsize=1024)
def _code(code: str) -> AccountRef:
    return AccountRef("code", code)


def _invoice(draft: Draft) -> list[EntryDraft]:
    if draft["status"] in ("draft", "void"):
        return []
    sums = sale_sums(draft)
    date = draft["date"]
    tenders = _sorted_tenders(draft)
    sides: list[Side] = []
    left = draft["total"]
    for tender in tenders:
        if tender["date"] <= date:
            account = clearing(tender["gateway"]) if tender["date"] == date else DEPOSITS
            sides.append((account, tender["amount"]))
            left -= tender["amount"]
    sides.append((RECEIVABLE if left > 0 else DEPOSITS, left))
    sides += _revenue(draft, sums)
    sale = _entry(draft, "sale", _title("Invoice", draft), sides)
    return sale + _tender_entries(draft, tenders, left)


def _sorted_tenders(draft: Draft) -> list[dict[str, Any]]:
    """By date, then id: the order the source lists them in must not matter."""
    return sorted(draft.get("tenders") or (), key=lambda tender: (tender["date"], tender["external_id"]))


def _revenue(draft: Draft, sums: SaleSums) -> list[Side]:
    """The credit side of a sale: what was sold without tax, discounts, shipping, tax, tips, rounding."""
    included = bool(draft.get("taxes_included"))
    shipping_tax = (draft.get("shipping_tax") or 0) if included else 0
    sides = _sold(draft, sums, sums.tax - shipping_tax if included else None)
    sides.append((DISCOUNTS, sums.discount))
    sides.append((SHIPPING, shipping_tax - sums.shipping))
    sides.append((TAX_PAYABLE, -sums.tax))
    sides.append((TIPS, -sums.tips))
    sides.append((ROUNDING, -sums.difference))
    return sides


def _sold(draft: Draft, sums: SaleSums, included_tax: int | None) -> list[Side]:
    """Each line to its account; included tax comes off its own line, what no line names off sales."""
    if not sums.line_amounts:
        return [(SALES, (included_tax or 0) - sums.lines)]
    sides: list[Side] = []
    unnamed = included_tax or 0
    for line, amount in zip(draft["lines"], sums.line_amounts, strict=True):
        tax = (line.get("tax") or 0) if included_tax is not None else 0
        unnamed -= tax
        sides.append((_line_account(line, SALES), tax - amount))
    sides.append((SALES, unnamed))
    return sides


def _line_account(line: dict[str, Any], usual: AccountRef) -> AccountRef:
    code = line.get("account")
    return _code(code) if code else _LINE_KINDS.get(line.get("line_kind") or "", usual)


def _tender_entries(draft: Draft, tenders: list[dict[str, Any]], open_amount: int) -> list[EntryDraft]:
    """One entry for each payment of another day; what exceeds the open amount is the customer's deposit."""
    date = draft["date"]
    left = max(open_amount, 0)
    found: list[EntryDraft] = []
    for tender in tenders:
        if tender["date"] == date:
            continue
        amount = tender["amount"]
        sides = [(clearing(tender["gateway"]), amount)]
        if tender["date"] < date:
            sides.append((DEPOSITS, -amount))
        else:
            paid = min(amount, left)
            left -= paid
            sides += [(RECEIVABLE, -paid), (DEPOSITS, paid - amount)]
        memo = _title("Payment of invoice", draft)
        found += _entry(draft, f"tender:{tender['external_id']}", memo, sides, date=tender["date"])
    return found


def _credit_note(draft: Draft) -> list[EntryDraft]:
    sides = [*_given_back(draft), (RECEIVABLE, -draft["total"])]
    return _entry(draft, "credit", _title("Credit note", draft), sides)


def _given_back(draft: Draft) -> list[Side]:
    """The debit side of a credit note or refund: named lines, tax, shipping and tips; the rest is returns."""
    tax, shipping, tips = (draft.get(name) or 0 for name in ("tax", "shipping", "tips"))
    sides: list[Side] = [(TAX_PAYABLE, tax), (SHIPPING_REFUNDS, shipping), (TIPS, tips)]
    left = draft["total"] - tax - shipping - tips
    for line in draft.get("lines") or ():
        account = _line_account(line, RETURNS)
        if account not in (RETURNS, SHIPPING):
            amount = (line.get("amount") or 0) - (line.get("discount") or 0)
            sides.append((account, amount))
            left -= amount
    sides.append((RETURNS, left))
    return sides


def _refund(draft: Draft) -> list[EntryDraft]:
    settles = draft.get("settles") or "sales"
    if (draft.get("status") or "succeeded") != "succeeded" or settles == "nothing":
        return []
    held = [(clearing(tender["gateway"]), -tender["amount"]) for tender in _sorted_tenders(draft)]
    held = held or [(clearing(draft["gateway"]), -draft["total"])]
    other = _given_back(draft) if settles == "sales" else [(_SETTLES[settles], draft["total"])]
    return _settled(draft, "refund", _title("Refund", draft), held, other)


def _payment(draft: Draft) -> list[EntryDraft]:
    settles = draft.get("settles") or "receivable"
    if (draft.get("status") or "succeeded") != "succeeded" or settles == "nothing":
        return []
    held = [(clearing(draft["gateway"]), draft["total"])]
    other = _taken(draft) if settles == "sales" else [(_SETTLES[settles], -draft["total"])]
    return _settled(draft, "payment", _title("Payment", draft), held, other)


def _taken(draft: Draft) -> list[Side]:
    """The credit side of a payment that is the sale: named tax, tips and gift cards; the rest is sales."""
    parts = ((TAX_PAYABLE, "tax"), (TIPS, "tips"), (GIFT_CARDS, "gift_cards"))
    named = [(account, -draft[name]) for account, name in parts if draft.get(name)]
    return [(SALES, -draft["total"] - sum(amount for _, amount in named)), *named]


def _settled(draft: Draft, part: str, memo: str, held: list[Side], other: list[Side]) -> list[EntryDraft]:
    """Money in a gateway (`held`) against what it was for (`other`), by the currency it was settled in."""
    currency = draft.get("settlement_currency") or draft["currency"]
    if currency == draft["currency"]:
        return _entry(draft, part, memo, held + other)
    settled = draft["settlement_total"]
    held_settled = _converted(held, settled)
    if all(account in _INCOME or account.role == "code" for account, _ in other):
        return _entry(draft, part, memo, held_settled + _converted(other, settled), currency=currency)
    # What is owed stays in its own currency; the exchange account holds the realised difference.
    received = sum(amount for _, amount in held_settled)
    owed = sum(amount for _, amount in other)
    return [
        *_entry(draft, part, memo, [(EXCHANGE_DIFFERENCE, -owed), *other]),
        *_entry(
            draft,
            f"{part}:settled",
            memo,
            [*held_settled, (EXCHANGE_DIFFERENCE, -received)],
            currency=currency,
        ),
    ]


def _converted(sides: list[Side], settled: int) -> list[Side]:
    """The same sides in another currency: `settled` minor units in all, shared in proportion."""
    weights = [abs(amount) for _, amount in sides]
    shares = allocate(settled, weights)
    return [
        (account, share if amount >= 0 else -share)
        for (account, amount), share in zip(sides, shares, strict=True)
    ]


def _fee(draft: Draft) -> list[EntryDraft]:
    category = draft.get("category") or ""
    account = FEE_ACCOUNTS.get(category)
    if account is None:
        known = ", ".join(sorted(filter(None, FEE_ACCOUNTS)))
        message = f"Fee category '{category}' has no account; map it to one of {known}"
        raise RecordError([FieldError("fee.category", "", message)])
    name = category.replace("_", " ") or "fee"
    memo = f"{name.capitalize()} on {draft['source']}" if draft.get("source") else name.capitalize()
    return _entry(
        draft, "fee", memo, [(account, draft["total"]), (clearing(draft["gateway"]), -draft["total"])]
    )


def _dispute(draft: Draft) -> list[EntryDraft]:
    if draft["status"] == "inquiry":
        return []
    total, fee = draft["total"], draft.get("fee") or 0
    account = clearing(draft["gateway"])
    memo = _title("Dispute", draft)
    sides = [(DISPUTES, total), (DISPUTE_FEES, fee), (account, -total - fee)]
    opened = _entry(draft, "opened", memo, sides)
    if draft["status"] != "won":
        return opened
    returned = draft.get("returned")
    back, fee_back = total if returned is None else returned, draft.get("fee_returned") or 0
    sides = [(account, back + fee_back), (DISPUTES, -back), (DISPUTE_FEES, -fee_back)]
    return opened + _entry(draft, "won", f"{memo} won", sides, date=draft["closed_date"])


def _payout(draft: Draft) -> list[EntryDraft]:
    status, total = draft["status"], draft["total"]
    if status in ("pending", "canceled"):
        return []
    bank, account = _bank(draft), clearing(draft["gateway"])
    memo = _title("Payout", draft)
    sent = _entry(draft, "payout", memo, [(bank, total), (account, -total)])
    if status != "failed":
        return sent
    # Some processors never say when a payout failed: then on its own day.
    date = draft.get("failed_date") or draft["date"]
    return sent + _entry(draft, "failed", f"{memo} failed", [(account, total), (bank, -total)], date=date)


def _bill(draft: Draft) -> list[EntryDraft]:
    if draft.get("status") in ("draft", "void"):
        return []
    sums = sale_sums(draft)
    sides = [(PAYABLE, -draft["total"]), (TAX_RECEIVABLE, sums.tax), (ROUNDING, sums.difference)]
    if not sums.line_amounts:
        sides.append((EXPENSES, draft["total"] - sums.tax))
    else:
        sides += _bill_lines(draft, sums)
    return _entry(draft, "bill", _title("Bill", draft), sides)


def _bill_lines(draft: Draft, sums: SaleSums) -> list[Side]:
    return [
        (_code(line["account"]) if line.get("account") else EXPENSES, amount - (line.get("discount") or 0))
        for line, amount in zip(draft["lines"], sums.line_amounts, strict=True)
    ]


def _bill_payment(draft: Draft) -> list[EntryDraft]:
    total = draft["total"]
    return _entry(draft, "payment", _title("Bill payment", draft), [(PAYABLE, total), (_bank(draft), -total)])


def _bank(draft: Draft) -> AccountRef:
    code = draft.get("bank_account")
    return _code(code) if code else BANK


def _journal_entry(draft: Draft) -> list[EntryDraft]:
    """Lines as a person wrote them: in their order, none merged, each with its own memo. A revaluation has
    lines of `base` alone, of which those that do not stay are `turned_on` a day."""
    entry = EntryDraft("entry", draft["date"], draft["currency"], _journal_memo(draft), _journal_lines(draft))
    return [*_checked(draft, entry), *_turned(draft, entry)]


def _journal_lines(draft: Draft) -> tuple[Line, ...]:
    return tuple(
        Line(_code(line["account"]), line["amount"], line.get("description") or "", line.get("base"))
        for line in draft.get("lines") or ()
        if line["amount"] or line.get("base")
    )


def _turned(draft: Draft, entry: EntryDraft) -> list[EntryDraft]:
    if "turned_on" not in draft:
        return []
    passing = {**draft, "lines": [line for line in draft["lines"] if not line.get("stays")]}
    lines = tuple(line._replace(base=-(line.base or 0)) for line in _journal_lines(passing))
    memo = f"{entry.memo}, turned round"
    return _checked(draft, EntryDraft("turned", draft["turned_on"], entry.currency, memo, lines))


def _journal_memo(draft: Draft) -> str:
    return draft.get("memo") or _title("Journal entry", draft)


def _bank_transaction(draft: Draft) -> list[EntryDraft]:
    coded = draft.get("lines")
    if not coded or draft.get("pending"):
        return []
    lines = (
        Line(_bank(draft), draft["total"]),
        *(Line(_code(line["account"]), -line["amount"], line.get("description") or "") for line in coded),
    )
    memo = draft.get("memo") or draft.get("description") or _title("Bank transaction", draft)
    kept = tuple(line for line in lines if line.amount)
    return _checked(draft, EntryDraft("coded", draft["date"], draft["currency"], memo, kept))


def _title(label: str, draft: Draft) -> str:
    """`Invoice #1001`: nothing in it that a later edit at the source is likely to change."""
    return f"{label} {draft.get('number') or draft['external_id']}"


def _entry(
    draft: Draft,
    part: str,
    memo: str,
    sides: list[Side],
    *,
    date: dt.date | None = None,
    currency: str = "",
) -> list[EntryDraft]:
    """One entry, a line for each account, debits first; [] when nothing is left to book."""
    amounts: dict[AccountRef, int] = {}
    for account, amount in sides:
        if amount:
            amounts[account] = amounts.get(account, 0) + amount
    lines = [(amount < 0, account, amount) for account, amount in amounts.items() if amount]
    lines.sort()
    found = tuple([Line(account, amount) for _, account, amount in lines])
    return _checked(
        draft, EntryDraft(part, date or draft["date"], currency or draft["currency"], memo, found)
    )


def _checked(draft: Draft, entry: EntryDraft) -> list[EntryDraft]:
    if entry.imbalance:
        amount = money_text(entry.imbalance, entry.currency)
        message = f"{entry.memo}: debits and credits differ by {amount}, so it cannot be booked"
        raise RecordError([FieldError(f"{draft['kind']}.total", "", message)])
    return [entry] if entry.lines else []


_TREATMENTS: dict[str, Callable[[Draft], list[EntryDraft]]] = {
    "invoice": _invoice,
    "credit_note": _credit_note,
    "payment": _payment,
    "refund": _refund,
    "fee": _fee,
    "dispute": _dispute,
    "payout": _payout,
    "bill": _bill,
    "bill_payment": _bill_payment,
    "journal_entry": _journal_entry,
    "bank_transaction": _bank_transaction,
}

"""Pure: our documents in QuickBooks' terms: which of its entities each becomes, and the body that makes it.

The books over there must say what ours say, so amounts come from what the document posted, account by
account; the document's own lines are shown where they add up to what was posted for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from integrations.bookkeeping import (
    MOST_WORDS,
    currency,
    day,
    entity_of,
    note,
    priced,
    products,
    tie,
    words,
)
from integrations.destination import JournalLine, LeftOut, Parcel, Piece
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import from_minor

MONEY = ("clearing", "bank")
# Accounts that have an item of theirs, so that a line of a sale can be booked to them.
ITEMS = ("sales", "shipping", "tips", "tax_payable", "discounts", "gift_cards", "other_income", "rounding",
         "returns", "shipping_refunds")  # fmt: skip
# What a document of each kind may have become: where it is looked for.
ENTITIES: Mapping[str, tuple[str, ...]] = {
    "invoice": ("SalesReceipt", "Invoice", "JournalEntry"),
    "payment": ("Payment", "SalesReceipt", "JournalEntry"),
    "refund": ("RefundReceipt", "JournalEntry"),
    "credit_note": ("CreditMemo", "JournalEntry"),
    "bill": ("Bill", "JournalEntry"),
    "bill_payment": ("BillPayment", "JournalEntry"),
    "bank_transaction": ("Payment", "BillPayment", "JournalEntry"),
    "payout": ("Transfer", "JournalEntry"),
}
# Over nothing, it gives a credit memo to what that credits.
TIE = "Payment"
# What pays a bill there: accounts of these types only.
PAYING: Mapping[str, tuple[str, str, str]] = {
    "Bank": ("Check", "CheckPayment", "BankAccountRef"),
    "Credit Card": ("CreditCard", "CreditCardPayment", "CCAccountRef"),
}


def entities(parcel: Parcel) -> tuple[str, ...]:
    return (TIE,) if parcel.part else ENTITIES.get(str(parcel.draft["kind"]), ("JournalEntry",))


# ── which entity ────────────────────────────────────────────────────────────────────────────────────


def entity(parcel: Parcel) -> str:
    """What the document becomes: the entity of its kind where that says the same as our books, else a
    journal entry, which can say everything."""
    if parcel.is_tie:
        return TIE
    choose = _CHOICES.get(str(parcel.draft["kind"]))
    plain = len({(line.date, line.currency) for line in parcel.journal}) == 1
    return (choose(parcel) if choose and plain else "") or "JournalEntry"


def _sale(parcel: Parcel) -> str:
    """Paid in full at once through one account, or not paid at all."""
    money, owed, rest = _sides(parcel)
    if not _have_items(rest):
        return ""
    total = parcel.draft["total"]
    if [line.amount for line in money] == [total] and not owed:
        return "SalesReceipt"
    return "Invoice" if [line.amount for line in owed] == [total] and not money else ""


def _payment(parcel: Parcel) -> str:
    money, owed, rest = _sides(parcel)
    if len(money) != 1 or money[0].amount <= 0:
        return ""
    if len(owed) == 1 and not rest:
        return "Payment"
    return "SalesReceipt" if not owed and _have_items(rest) else ""


def _refund(parcel: Parcel) -> str:
    money, owed, rest = _sides(parcel)
    return "RefundReceipt" if len(money) == 1 and not owed and _have_items(rest) else ""


def _credit_note(parcel: Parcel) -> str:
    money, owed, rest = _sides(parcel)
    return "CreditMemo" if len(owed) == 1 and not money and _have_items(rest) else ""


def _bill(parcel: Parcel) -> str:
    payable = [line for line in parcel.journal if line.role == "payable"]
    return "Bill" if len(payable) == 1 and payable[0].amount < 0 else ""


def _bill_payment(parcel: Parcel) -> str:
    """Through a bank or card of theirs, all of it for bills that are there."""
    money, owed, _ = _sides(parcel, "payable")
    if len(money) != 1 or not _is_settling(parcel, owed, "Bill"):
        return ""
    pays = parcel.names.group("account", money[0].account) in PAYING
    return "BillPayment" if pays and _linked(parcel) == -money[0].amount else ""


def _bank_transaction(parcel: Parcel) -> str:
    """What people matched to invoices or bills is their payment."""
    money, owed, rest = _sides(parcel)
    if len(money) == 1 and money[0].amount > 0 and not rest and _is_settling(parcel, owed, "Invoice"):
        return "Payment"
    return _bill_payment(parcel)


def _is_settling(parcel: Parcel, owed: list[JournalLine], name: str) -> bool:
    """Whether money on one account of what is owed goes to entities of that name."""
    return len({line.account for line in owed}) == 1 and any(
        entity_of(link.made)[0] == name for link in parcel.links
    )


def _linked(parcel: Parcel) -> int:
    return sum(link.amount for link in parcel.links)


def split(parcel: Parcel) -> Sequence[Piece]:
    """A credit memo, and what gives it to each invoice that it credits; all else goes whole."""
    if not parcel.links or entity(parcel) != "CreditMemo":
        return (Piece(parcel.journal, parcel.links),)
    left, found = int(parcel.draft["total"]), [Piece(parcel.journal)]
    for link in parcel.links:
        amount = min(link.amount, left)
        left -= amount
        if amount and entity_of(link.made)[0] == "Invoice":
            found.append(Piece((), (link._replace(amount=amount),), amount))
    return found


def _payout(parcel: Parcel) -> str:
    money, owed, rest = _sides(parcel)
    return "Transfer" if len(money) == 2 and not owed and not rest else ""


_CHOICES: dict[str, Callable[[Parcel], str]] = {
    "invoice": _sale,
    "payment": _payment,
    "refund": _refund,
    "credit_note": _credit_note,
    "bill": _bill,
    "bill_payment": _bill_payment,
    "bank_transaction": _bank_transaction,
    "payout": _payout,
}


def _sides(
    parcel: Parcel, owing: str = "receivable"
) -> tuple[list[JournalLine], list[JournalLine], list[JournalLine]]:
    """Postings to where money is, to what customers owe (or we do), and the rest."""
    money = [line for line in parcel.journal if line.role in MONEY]
    owed = [line for line in parcel.journal if line.role == owing]
    return money, owed, [line for line in parcel.journal if line not in money and line not in owed]


def _have_items(lines: list[JournalLine]) -> bool:
    return bool(lines) and all(line.role in ITEMS for line in lines)


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────


def body(parcel: Parcel, name: str) -> dict[str, Any]:
    """The entity's fields, without what makes it a change of one that stands."""
    if parcel.is_tie:
        return {**_head(parcel), **_tie_body(parcel)}
    if not parcel.journal:
        raise RecordError("It is booked nowhere, so there is nothing to deliver.")
    return {**_head(parcel), **_BODIES[name](parcel)}


def _head(parcel: Parcel) -> dict[str, Any]:
    return {
        "DocNumber": parcel.reference,
        "TxnDate": day(parcel, "QuickBooks").isoformat(),
        "CurrencyRef": {"value": (parcel.journal or parcel.links)[0].currency},
        "PrivateNote": note(parcel),
    }


def _money(amount: int, currency: str) -> Decimal:
    return from_minor(amount, currency)


def _ref(value: str) -> dict[str, str]:
    return {"value": value}


def _customer(parcel: Parcel) -> dict[str, Any]:
    return {"CustomerRef": _ref(parcel.contact)}


def _receipt(parcel: Parcel) -> dict[str, Any]:
    [money], _, rest = _sides(parcel)
    lines = _item_lines(parcel, rest, -1)
    _tie(lines, money.amount, money.currency)
    return {**_customer(parcel), "DepositToAccountRef": _ref(parcel.names("account", money.account)),
            **_said(parcel), "Line": lines}  # fmt: skip


def _invoice(parcel: Parcel) -> dict[str, Any]:
    _, [owed], rest = _sides(parcel)
    lines = _item_lines(parcel, rest, -1)
    _tie(lines, owed.amount, owed.currency)
    due = parcel.draft.get("due_date")
    return {**_customer(parcel), **({"DueDate": due.isoformat()} if due else {}), **_said(parcel),
            "Line": lines}  # fmt: skip


def _refund_receipt(parcel: Parcel) -> dict[str, Any]:
    [money], _, rest = _sides(parcel)
    lines = _item_lines(parcel, rest, 1)
    _tie(lines, -money.amount, money.currency)
    return {**_customer(parcel), "DepositToAccountRef": _ref(parcel.names("account", money.account)),
            "Line": lines}  # fmt: skip


def _credit_memo(parcel: Parcel) -> dict[str, Any]:
    _, [owed], rest = _sides(parcel)
    lines = _item_lines(parcel, rest, 1)
    _tie(lines, -owed.amount, owed.currency)
    return {**_customer(parcel), "Line": lines}


def _payment_body(parcel: Parcel) -> dict[str, Any]:
    """Applied to the invoices it settles; what is left is the customer's credit there. Its reference number
    is ours: it has no other."""
    [money], [owed, *_], _ = _sides(parcel)
    return {
        "DocNumber": None,
        "PaymentRefNum": parcel.reference,
        **_customer(parcel),
        "TotalAmt": _money(money.amount, money.currency),
        "ARAccountRef": _ref(parcel.names("account", owed.account)),
        "DepositToAccountRef": _ref(parcel.names("account", money.account)),
        "Line": _applied(parcel, "Invoice"),
    }


def _tie_body(parcel: Parcel) -> dict[str, Any]:
    if not parcel.links or parcel.first is None:
        raise LeftOut("What it credits does not stand in QuickBooks any more, or nothing is open of it.")
    [link] = parcel.links
    both = (("Invoice", link), ("CreditMemo", parcel.first))
    return {
        "DocNumber": None,
        "PaymentRefNum": parcel.reference,
        **_customer(parcel),
        "TotalAmt": _money(0, link.currency),
        "Line": [
            {
                "Amount": _money(link.amount, link.currency),
                "LinkedTxn": [{"TxnId": entity_of(each.made)[1], "TxnType": name}],
            }
            for name, each in both
        ],
    }


def _applied(parcel: Parcel, name: str) -> list[dict[str, Any]]:
    return [
        {
            "Amount": _money(link.amount, link.currency),
            "LinkedTxn": [{"TxnId": entity_of(link.made)[1], "TxnType": name}],
        }
        for link in parcel.links
        if entity_of(link.made)[0] == name
    ]


def _bill_payment_body(parcel: Parcel) -> dict[str, Any]:
    [money], [owed, *_], _ = _sides(parcel, "payable")
    kind, how, account = PAYING[parcel.names.group("account", money.account)]
    return {
        "VendorRef": _ref(parcel.contact),
        "APAccountRef": _ref(parcel.names("account", owed.account)),
        "PayType": kind,
        how: {account: _ref(parcel.names("account", money.account))},
        "TotalAmt": _money(-money.amount, money.currency),
        "Line": _applied(parcel, "Bill"),
    }


def _bill_body(parcel: Parcel) -> dict[str, Any]:
    [payable] = [line for line in parcel.journal if line.role == "payable"]
    lines = [_expense_line(parcel, line) for line in parcel.journal if line is not payable]
    _tie(lines, -payable.amount, payable.currency)
    due = parcel.draft.get("due_date")
    return {
        "VendorRef": _ref(parcel.contact),
        "APAccountRef": _ref(parcel.names("account", payable.account)),
        **({"DueDate": due.isoformat()} if due else {}),
        "Line": lines,
    }


def _expense_line(parcel: Parcel, line: JournalLine) -> dict[str, Any]:
    detail = {"AccountRef": _ref(parcel.names("account", line.account)), "BillableStatus": "NotBillable",
              "TaxCodeRef": _ref(parcel.names("tax", "none"))}  # fmt: skip
    return {"DetailType": "AccountBasedExpenseLineDetail", "Amount": _money(line.amount, line.currency),
            "Description": words(line), "AccountBasedExpenseLineDetail": detail}  # fmt: skip


def _transfer(parcel: Parcel) -> dict[str, Any]:
    """Found by the reference in its note: a transfer has no number."""
    into, out = sorted(parcel.journal, key=lambda line: -line.amount)
    return {
        "DocNumber": None,
        "Amount": _money(into.amount, into.currency),
        "FromAccountRef": _ref(parcel.names("account", out.account)),
        "ToAccountRef": _ref(parcel.names("account", into.account)),
    }


def _journal(parcel: Parcel) -> dict[str, Any]:
    currency(parcel, "a journal entry in QuickBooks")
    return {"Line": [_journal_line(parcel, line) for line in parcel.journal]}


def _journal_line(parcel: Parcel, line: JournalLine) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "PostingType": "Debit" if line.amount > 0 else "Credit",
        "AccountRef": _ref(parcel.names("account", line.account)),
    }
    if kind := _whose(parcel.names.group("account", line.account)):
        detail["Entity"] = {"Type": kind, "EntityRef": _ref(_somebody(parcel, kind, line.account))}
    return {"DetailType": "JournalEntryLineDetail", "Amount": _money(abs(line.amount), line.currency),
            "Description": words(line), "JournalEntryLineDetail": detail}  # fmt: skip


def _whose(group: str) -> str:
    """Whom a line on an account of that type must name."""
    return {"Accounts Receivable": "Customer", "Accounts Payable": "Vendor"}.get(group, "")


def _somebody(parcel: Parcel, kind: str, account: str) -> str:
    side = "Vendor" if parcel.party and parcel.party.supplier else "Customer"
    if not parcel.contact or side != kind:
        who = "customer" if kind == "Customer" else "supplier"
        raise RecordError(f"Its line on account {account} needs a {who} in QuickBooks, and it names none.")
    return parcel.contact


_BODIES: dict[str, Callable[[Parcel], dict[str, Any]]] = {
    "SalesReceipt": _receipt,
    "Invoice": _invoice,
    "Payment": _payment_body,
    "RefundReceipt": _refund_receipt,
    "CreditMemo": _credit_memo,
    "Bill": _bill_body,
    "BillPayment": _bill_payment_body,
    "Transfer": _transfer,
    "JournalEntry": _journal,
}


# ── lines of sales ──────────────────────────────────────────────────────────────────────────────────


def _item_lines(parcel: Parcel, lines: list[JournalLine], sign: int) -> list[dict[str, Any]]:
    """A line an account, with its own detail where the document's lines make up what was posted."""
    found: list[dict[str, Any]] = []
    for line in lines:
        detail = _detail(parcel, line, sign)
        found += detail or [_item_line(parcel, line, sign * line.amount, words(line))]
    return found


def _detail(parcel: Parcel, line: JournalLine, sign: int) -> list[dict[str, Any]]:
    return [
        _item_line(parcel, line, amount, str(row.get("description") or ""), row)
        for row, amount in products(parcel, line, sign)
    ]


def _item_line(
    parcel: Parcel, line: JournalLine, amount: int, words: str, row: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    value = _money(amount, line.currency)
    detail: dict[str, Any] = {
        "ItemRef": _ref(parcel.names("item", line.account)),
        "TaxCodeRef": _ref(parcel.names("tax", "none")),
    }
    if fitting := priced(row or {}, value):
        detail |= {"Qty": fitting[0], "UnitPrice": fitting[1]}
    return {"DetailType": "SalesItemLineDetail", "Amount": value, "Description": words[:MOST_WORDS],
            "SalesItemLineDetail": detail}  # fmt: skip


def _said(parcel: Parcel) -> dict[str, Any]:
    number = parcel.draft.get("number")
    return {"CustomerMemo": _ref(f"Number {number}")} if number else {}


def _tie(lines: list[dict[str, Any]], total: int, currency: str) -> None:
    tie(sum((line["Amount"] for line in lines), Decimal(0)), total, currency, "QuickBooks")

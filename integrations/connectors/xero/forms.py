"""Pure: our documents in Xero's terms: which of its forms says what was posted, and the body that makes it.

Xero books no journal to bank accounts, receivables and payables: they move by documents of their own. So the
form follows from the accounts over there that a document moves, not from its kind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from integrations.bookkeeping import currency, day, entity_of, priced, products, tie, title, words
from integrations.destination import JournalLine, LeftOut, Link, Parcel
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import from_minor

BANK, DEBTORS, CREDITORS = "BANK", "DEBTORS", "CREDITORS"
TAKES_PAYMENTS = ", takes payments"  # behind the type of an account that is no bank, in its group
# Their forms, and the address and the id of each. An overpayment is a bank transaction that settles nothing.
ENDPOINTS: Mapping[str, str] = {
    "Invoice": "Invoices",
    "CreditNote": "CreditNotes",
    "Allocation": "Allocations",
    "Payment": "Payments",
    "BankTransaction": "BankTransactions",
    "Overpayment": "BankTransactions",
    "BankTransfer": "BankTransfers",
    "ManualJournal": "ManualJournals",
}
IDS: Mapping[str, str] = {name: f"{endpoint[:-1]}ID" for name, endpoint in ENDPOINTS.items()}


class Moved(NamedTuple):
    """An account over there of a kind that journals may not touch, and what moves on it (minor units)."""

    account: str
    group: str
    amount: int


class Sides(NamedTuple):
    money: list[Moved]
    owed: list[Moved]
    rest: list[JournalLine]


def sides(parcel: Parcel) -> Sides:
    """What moves on bank accounts, on receivables and payables, and on the others; what comes to nothing on
    an account is left out."""
    if not parcel.journal:
        raise RecordError("It is booked nowhere, so there is nothing to deliver.")
    currency(parcel, "a document in Xero")
    by_account: dict[str, list[JournalLine]] = defaultdict(list)
    for line in parcel.journal:
        by_account[parcel.names("account", line.account)].append(line)
    found = Sides([], [], [])
    for account, lines in by_account.items():
        group, amount = parcel.names.group("account", lines[0].account), sum(line.amount for line in lines)
        if amount and group == BANK:
            found.money.append(Moved(account, group, amount))
        elif amount and group in (DEBTORS, CREDITORS):
            found.owed.append(Moved(account, group, amount))
        elif amount:
            found.rest.extend(lines)
    return found


def moves_nothing(parcel: Parcel) -> bool:
    """What went and came back, such as a payout that failed."""
    return not any(sides(parcel))


# ── which form ──────────────────────────────────────────────────────────────────────────────────────


def form(parcel: Parcel) -> str:
    """The one that says what was posted. Raises RecordError, in words, where none does."""
    if parcel.is_tie:
        return "Allocation"
    if moves_nothing(parcel):
        day(parcel, "Xero")
        raise LeftOut("It comes to nothing on every account there, so there is nothing to book.")
    name = by_itself(parcel)
    if not name:
        raise RecordError(NO_FORM)
    return name


NO_FORM = (
    "It moves several accounts that Xero lets nothing but payments and transfers touch (bank accounts, "
    "receivables, payables), in a way that no documents there can say. Choose accounts of other types for "
    "gateways on the page of names, or book it there by hand and leave it out."
)


def by_itself(parcel: Parcel) -> str:
    """The form that says all of it; empty where none does."""
    money, owed, rest = sides(parcel)
    if settled(parcel) is not None:
        return "Payment"
    if not money and not owed:
        return "ManualJournal"
    if len(money) == 2 and not owed and not rest:
        return "BankTransfer"
    if len(money) == 1 and not owed:
        return "BankTransaction"
    if len(owed) == 1 and not money:
        return "Invoice" if (owed[0].amount > 0) == (owed[0].group == DEBTORS) else "CreditNote"
    if len(money) == 1 and len(owed) == 1 and not rest and is_paid(owed[0].group, owed[0].amount):
        return "Overpayment"
    return ""


def is_paid(group: str, amount: int) -> bool:
    """Whether what moves on receivables or payables is money that came from a customer, or went to a
    supplier."""
    return (amount < 0) == (group == DEBTORS)


def settled(parcel: Parcel) -> tuple[Link, str] | None:
    """The one invoice, bill or credit note that all of it goes to, and the account of theirs the money goes
    through."""
    money, owed, rest = sides(parcel)
    links = parcel.links or ((parcel.first,) if parcel.first else ())
    if len(owed) != 1 or len(links) != 1:
        return None
    [link] = links
    paid = is_paid(owed[0].group, owed[0].amount)
    through = {moved.account for moved in money} | {_paying(parcel, line) for line in rest}
    fits = entity_of(link.made)[0] == ("Invoice" if paid else "CreditNote")
    account = through.pop() if len(through) == 1 else ""
    return (link, account) if fits and link.amount == abs(owed[0].amount) and account else None


def _paying(parcel: Parcel, line: JournalLine) -> str:
    """Their account, where payments may go through it."""
    group = parcel.names.group("account", line.account)
    return parcel.names("account", line.account) if group.endswith(TAKES_PAYMENTS) else ""


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────


def body(parcel: Parcel, name: str) -> dict[str, Any]:
    return {"Date": day(parcel, "Xero").isoformat(), **_BODIES[name](parcel)}


def _invoice(parcel: Parcel) -> dict[str, Any]:
    _, [owed], rest = sides(parcel)
    sale = owed.group == DEBTORS
    due = parcel.draft.get("due_date") or day(parcel, "Xero")
    lines = _lines(parcel, rest, -1 if sale else 1)
    tie(_sum(lines), abs(owed.amount), _currency(parcel), "Xero")
    return {
        "Type": "ACCREC" if sale else "ACCPAY",
        "InvoiceNumber": parcel.reference,
        **({"Reference": _number(parcel)} if sale else {}),
        "Contact": _contact(parcel),
        "DueDate": due.isoformat(),
        "CurrencyCode": _currency(parcel),
        "Status": "AUTHORISED",
        **_untaxed(lines if sale else _titled(parcel, lines)),
    }


def _credit_note(parcel: Parcel) -> dict[str, Any]:
    _, [owed], rest = sides(parcel)
    sale = owed.group == DEBTORS
    lines = _lines(parcel, rest, 1 if sale else -1)
    tie(_sum(lines), abs(owed.amount), _currency(parcel), "Xero")
    return {
        "Type": "ACCRECCREDIT" if sale else "ACCPAYCREDIT",
        "CreditNoteNumber": parcel.reference,
        **({"Reference": _number(parcel)} if sale else {}),
        "Contact": _contact(parcel),
        "CurrencyCode": _currency(parcel),
        "Status": "AUTHORISED",
        **_untaxed(lines if sale else _titled(parcel, lines)),
    }


def _bank_transaction(parcel: Parcel) -> dict[str, Any]:
    [money], _, rest = sides(parcel)
    lines = _lines(parcel, rest, -1 if money.amount > 0 else 1)
    tie(_sum(lines), abs(money.amount), _currency(parcel), "Xero")
    return {
        "Type": "RECEIVE" if money.amount > 0 else "SPEND",
        "Reference": parcel.reference,
        "Contact": _contact(parcel),
        "BankAccount": account_ref(money.account),
        "CurrencyCode": _currency(parcel),
        "Status": "AUTHORISED",
        **_untaxed(lines),
    }


def _overpayment(parcel: Parcel) -> dict[str, Any]:
    """It has no reference of its own there: ours stands in the words of its line."""
    [money], [owed], _ = sides(parcel)
    line = {
        "Description": f"{title(parcel)} ({parcel.reference})",
        "Quantity": Decimal(1),
        "UnitAmount": from_minor(abs(money.amount), _currency(parcel)),
        "AccountCode": owed.account,
    }
    return {
        "Type": "RECEIVE-OVERPAYMENT" if money.amount > 0 else "SPEND-OVERPAYMENT",
        "Contact": _contact(parcel),
        "BankAccount": account_ref(money.account),
        "Status": "AUTHORISED",
        **_untaxed([line]),
    }


def _payment(parcel: Parcel) -> dict[str, Any]:
    found = settled(parcel)
    if found is None:
        raise RecordError("What it pays does not stand in Xero any more.")
    link, account = found
    name, identity = entity_of(link.made)
    return {
        name: {IDS[name]: identity},
        "Account": account_ref(account),
        "Amount": from_minor(link.amount, link.currency),
        "Reference": parcel.reference,
    }


def _allocation(parcel: Parcel) -> dict[str, Any]:
    if not parcel.links:
        raise LeftOut("What it credits does not stand in Xero any more, or nothing is open of it.")
    [link] = parcel.links
    return {
        "Invoice": {"InvoiceID": entity_of(link.made)[1]},
        "Amount": from_minor(link.amount, link.currency),
    }


def _bank_transfer(parcel: Parcel) -> dict[str, Any]:
    into, out = sorted(sides(parcel).money, key=lambda moved: -moved.amount)
    return {
        "FromBankAccount": account_ref(out.account),
        "ToBankAccount": account_ref(into.account),
        "Amount": from_minor(into.amount, _currency(parcel)),
        "Reference": parcel.reference,
    }


def _manual_journal(parcel: Parcel) -> dict[str, Any]:
    """Found by its narration, which begins with our reference. It has no currency but that of the books."""
    if parcel.base and _currency(parcel) != parcel.base:
        raise RecordError(
            f"It is booked in {_currency(parcel)}, and a manual journal in Xero is in {parcel.base}. Book it "
            "there by hand, then leave it out; or choose a bank account in that currency for the gateway."
        )
    memo = parcel.draft.get("memo") or ""
    lines = [
        {
            "LineAmount": from_minor(line.amount, line.currency),
            "AccountCode": parcel.names("account", line.account),
            "Description": words(line),
            "TaxType": parcel.names("tax", "none"),
        }
        for line in sides(parcel).rest
    ]
    return {
        "Narration": f"{parcel.reference}: {title(parcel)}{': ' if memo else ''}{memo}"[:2500],
        "Status": "POSTED",
        "LineAmountTypes": "NoTax",
        "JournalLines": lines,
    }


_BODIES: dict[str, Callable[[Parcel], dict[str, Any]]] = {
    "Invoice": _invoice,
    "CreditNote": _credit_note,
    "Allocation": _allocation,
    "Payment": _payment,
    "BankTransaction": _bank_transaction,
    "Overpayment": _overpayment,
    "BankTransfer": _bank_transfer,
    "ManualJournal": _manual_journal,
}


# ── their parts ─────────────────────────────────────────────────────────────────────────────────────


def account_ref(account: str) -> dict[str, str]:
    """Accounts are known by their code; bank accounts may have none, and are known by their id."""
    return {"AccountID" if len(account) == 36 else "Code": account}


def _currency(parcel: Parcel) -> str:
    return parcel.journal[0].currency


def _number(parcel: Parcel) -> str:
    return str(parcel.draft.get("number") or title(parcel))[:255]


def _contact(parcel: Parcel) -> dict[str, str]:
    return {"ContactID": parcel.contact}


def _untaxed(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Tax is a line of its own: Xero must not reckon it again."""
    return {"LineAmountTypes": "NoTax", "LineItems": lines}


def _titled(parcel: Parcel, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The supplier's number has no field of its own there: it goes before the words of the first line."""
    said, own = lines[0]["Description"], title(parcel)
    return [{**lines[0], "Description": own if said == own else f"{own}: {said}"}, *lines[1:]]


def _lines(parcel: Parcel, lines: list[JournalLine], sign: int) -> list[dict[str, Any]]:
    """A line an account, with its own detail where the document's lines make up what was posted."""
    found: list[dict[str, Any]] = []
    for line in lines:
        rows = products(parcel, line, sign) or [({"description": words(line)}, sign * line.amount)]
        found += [_line(parcel, line, amount, row) for row, amount in rows]
    return found


def _line(parcel: Parcel, line: JournalLine, amount: int, row: Mapping[str, Any]) -> dict[str, Any]:
    value = from_minor(amount, line.currency)
    quantity, price = priced(row, value) or (Decimal(1), value)
    return {
        "Description": str(row.get("description") or title(parcel))[:4000],
        "Quantity": quantity,
        "UnitAmount": price,
        "AccountCode": parcel.names("account", line.account),
        "TaxType": parcel.names("tax", "none"),
    }


def _sum(lines: list[dict[str, Any]]) -> Decimal:
    return sum((line["Quantity"] * line["UnitAmount"] for line in lines), Decimal(0))

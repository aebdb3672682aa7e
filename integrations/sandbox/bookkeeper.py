"""The business's bookkeeper at work in the simulated QuickBooks: bills, cheques, edits, deletions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from integrations.sandbox.events import Business
from integrations.sandbox.quickbooks_books import Books, Fault, Record

NAME = "Dana Reed"
RENT, DRAWING, INTEREST = 1800.00, 650.00, 4.17
# Accounts of theirs that nothing of ours is delivered to.
_OWN = (("6400", "Rent or lease", "Expense"), ("3000", "Owner's drawing", "Equity"))
# What she does, by the name it is asked for with.
DEEDS = ("post", "edit", "delete", "void", "rekey")


def work(business: Business, books: Books, deed: str, *, day: dt.date | None = None) -> list[str]:
    """Do one of DEEDS; says what was done. Raises ValueError where it cannot be."""
    if deed not in DEEDS:
        raise ValueError(f'"do" must be one of {", ".join(DEEDS)}')
    books.person = NAME
    try:
        return _post(business, books, day or business.end) if deed == "post" else _change(books, deed)
    except Fault as fault:
        raise ValueError(f"{fault.message}: {fault.detail}") from None
    finally:
        books.person = ""


def _post(business: Business, books: Books, day: dt.date) -> list[str]:
    """A month's entries: the rent as a bill and its payment, the owner's drawing, the bank's interest."""
    _open_accounts(books)
    landlord = _vendor(books, "Pier 9 Properties")
    first = day.replace(day=1)
    note = f"Rent {first:%B %Y}"
    bill = books.put("Bill", {
        "TxnDate": first.isoformat(), "DocNumber": f"RENT-{first:%Y-%m}", "VendorRef": landlord,
        "CurrencyRef": {"value": "USD"}, "APAccountRef": _ref(books, "2000"), "PrivateNote": note,
        "Line": [_expense(books, "6400", RENT, note)],
    })  # fmt: skip
    paid = {"BankAccountRef": _ref(books, "1000")}
    books.put("BillPayment", {
        "TxnDate": (first + dt.timedelta(days=2)).isoformat(), "VendorRef": landlord, "PayType": "Check",
        "CurrencyRef": {"value": "USD"}, "CheckPayment": paid, "TotalAmt": RENT,
        "Line": [{"Amount": RENT, "LinkedTxn": [{"TxnId": bill["Id"], "TxnType": "Bill"}]}],
    })  # fmt: skip
    books.put("Purchase", {
        "TxnDate": (first + dt.timedelta(days=9)).isoformat(), "AccountRef": _ref(books, "1000"),
        "CurrencyRef": {"value": "USD"}, "PaymentType": "Check", "PrivateNote": "Owner's drawing",
        "Line": [_expense(books, "3000", DRAWING, "Drawing")],
    })  # fmt: skip
    books.put("Deposit", {
        "TxnDate": first.isoformat(), "DepositToAccountRef": _ref(books, "1010"),
        "CurrencyRef": {"value": "USD"}, "PrivateNote": "Interest",
        "Line": [{"Amount": INTEREST, "DetailType": "DepositLineDetail", "Description": "Interest",
                  "DepositLineDetail": {"AccountRef": _ref(books, "4900")}}],
    })  # fmt: skip
    return [f"Bill {bill['DocNumber']} and its payment", "A cheque to the owner", "Interest on the savings"]


def _open_accounts(books: Books) -> None:
    for number, name, kind in _OWN:
        books.rows["Account"].setdefault(number, {
            "Id": number, "SyncToken": "0", "Name": name, "FullyQualifiedName": name, "AccountType": kind,
            "AcctNum": number, "Active": True,
        })  # fmt: skip


def _vendor(books: Books, name: str) -> Record:
    known = books.names.get(name.casefold()) or books.put("Vendor", {"DisplayName": name})["Id"]
    return {"value": known, "name": name}


def _ref(books: Books, account: str) -> Record:
    return {"value": account, "name": books.rows["Account"][account]["Name"]}


def _expense(books: Books, account: str, amount: float, words: str) -> Record:
    detail = {"AccountRef": _ref(books, account), "BillableStatus": "NotBillable",
              "TaxCodeRef": {"value": "NON"}}  # fmt: skip
    return {"DetailType": "AccountBasedExpenseLineDetail", "Amount": amount, "Description": words,
            "AccountBasedExpenseLineDetail": detail}  # fmt: skip


def _change(books: Books, deed: str) -> list[str]:
    """To the newest document that a program delivered: a sales receipt that she has not touched yet."""
    row = next(
        (one for one in reversed(books.standing("SalesReceipt"))
         if "LastModifiedByRef" not in one["MetaData"]), None
    )  # fmt: skip
    if row is None:
        raise ValueError("no sales receipt of ours is there that she has not touched yet")
    act: dict[str, Callable[[], Any]] = {
        "edit": lambda: books.change("SalesReceipt", {**row, **_dearer(row), "sparse": True}),
        "delete": lambda: books.delete("SalesReceipt", row),
        "void": lambda: books.void("SalesReceipt", row),
        "rekey": lambda: (books.delete("SalesReceipt", row), books.put("SalesReceipt", _by_hand(row))),
    }
    act[deed]()
    return [f"Sales receipt {row['DocNumber']}: {deed}"]


def _by_hand(row: Record) -> Record:
    """As she would key it in: without our number and note."""
    kept = ("TxnDate", "CurrencyRef", "CustomerRef", "DepositToAccountRef", "Line")
    return {name: row[name] for name in kept if name in row}


def _dearer(row: Record) -> Record:
    """The first line comes to ten more."""
    first, *others = row["Line"]
    detail = {name: value for name, value in first["SalesItemLineDetail"].items() if name not in _PRICES}
    return {
        "Line": [{**first, "Amount": float(first["Amount"]) + 10, "SalesItemLineDetail": detail}, *others]
    }


_PRICES = ("Qty", "UnitPrice")

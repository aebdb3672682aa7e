"""The simulated QuickBooks company: what it was sent, the rules it holds it to, and its query language."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Record = dict[str, Any]
PACIFIC = dt.timezone(dt.timedelta(hours=-8))
DOCUMENTS = (
    "Invoice",
    "SalesReceipt",
    "Payment",
    "RefundReceipt",
    "CreditMemo",
    "Bill",
    "BillPayment",
    "VendorCredit",
    "Purchase",
    "Deposit",
    "Transfer",
    "JournalEntry",
)
PEOPLE = ("Customer", "Vendor", "Employee")
LISTS = ("Account", "Item", "TaxCode")
ENTITIES = (*DOCUMENTS, *PEOPLE, *LISTS)
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "Invoice": ("CustomerRef", "Line"),
    "SalesReceipt": ("CustomerRef", "Line"),
    "Payment": ("CustomerRef", "TotalAmt"),
    "RefundReceipt": ("CustomerRef", "DepositToAccountRef", "Line"),
    "CreditMemo": ("CustomerRef", "Line"),
    "Bill": ("VendorRef", "Line"),
    "BillPayment": ("VendorRef", "PayType", "TotalAmt", "Line"),
    "VendorCredit": ("VendorRef", "Line"),
    "Purchase": ("AccountRef", "PaymentType", "Line"),
    "Deposit": ("DepositToAccountRef", "Line"),
    "Transfer": ("FromAccountRef", "ToAccountRef", "Amount"),
    "JournalEntry": ("Line",),
    "Customer": ("DisplayName",),
    "Vendor": ("DisplayName",),
    "Account": ("Name", "AccountType"),
    "Item": ("Name", "Type", "IncomeAccountRef"),
}
# A reference of theirs -> what it must be.
REFERENCES: Mapping[str, str] = {
    "CustomerRef": "Customer",
    "VendorRef": "Vendor",
    "ItemRef": "Item",
    "AccountRef": "Account",
    "DepositToAccountRef": "Account",
    "FromAccountRef": "Account",
    "ToAccountRef": "Account",
    "ARAccountRef": "Account",
    "APAccountRef": "Account",
    "BankAccountRef": "Account",
    "CCAccountRef": "Account",
    "TaxCodeRef": "TaxCode",
    "IncomeAccountRef": "Account",
}
# What can be settled, by what; and what settles, with the reference that both must share.
SETTLED: Mapping[str, str] = {"Invoice": "Payment", "Bill": "BillPayment"}
SETTLING: Mapping[str, tuple[str, str]] = {
    "Payment": ("Invoice", "CustomerRef"),
    "BillPayment": ("Bill", "VendorRef"),
}
# What a payment may give to what it settles besides its own amount.
CREDITS: Mapping[str, str] = {"Payment": "CreditMemo", "BillPayment": "VendorCredit"}
BALANCED = (*SETTLED, *CREDITS.values())
BROKEN = "A business validation error has occurred while processing your request"
NUMBERED = tuple(name for name in DOCUMENTS if name not in ("Payment", "Transfer"))


class Fault(Exception):
    """A refusal in QuickBooks' words."""

    def __init__(self, code: int, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.detail = code, message, detail


@dataclass
class Books:
    """`rows` by entity and id; `numbers` says which ids bear a number; `answers` by requestid; `settled`:
    what each payment pays of an invoice or bill, by its entity and id; `now` gives Unix seconds, `person` is
    who works in it just now, if it is not a program."""

    rows: dict[str, dict[str, Record]] = field(default_factory=lambda: defaultdict(dict))
    numbers: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, str] = field(default_factory=dict)
    settled: dict[tuple[str, str], dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    answers: dict[str, Any] = field(default_factory=dict)
    last: int = 100
    closed_until: str = ""
    now: Callable[[], float] = time.time
    person: str = ""

    def standing(self, *names: str) -> list[Record]:
        """Documents that are neither voided nor deleted."""
        found = names or DOCUMENTS
        return [row for name in found for row in self.rows[name].values() if not is_void(row)]

    def put(self, name: str, fields: Mapping[str, Any]) -> Record:
        """Make one, as it would be answered."""
        self._check(name, fields)
        self.last += 1
        while str(self.last) in self.rows[name]:
            self.last += 1
        record = {"domain": "QBO", "sparse": False, **fields, "Id": str(self.last), "SyncToken": "0"}
        if name in LISTS:
            record |= {"FullyQualifiedName": fields["Name"], "Active": True}
        return self._keep(name, {**record, **self._sums(name, record)})

    def change(self, name: str, fields: Mapping[str, Any]) -> Record:
        """A full update, or with `sparse` of the fields given; lines are always replaced."""
        before = self.current(name, fields)
        base = before if fields.get("sparse") else {"domain": "QBO", "Id": before["Id"]}
        record = {**base, **fields, "sparse": False, "SyncToken": str(int(before["SyncToken"]) + 1)}
        self._check(name, record, own=before["Id"])
        return self._keep(name, {**record, **self._sums(name, record)})

    def void(self, name: str, fields: Mapping[str, Any]) -> Record:
        record = self.current(name, fields)
        self._refuse_settled(name, record)
        lines = [{**line, "Amount": 0} for line in record.get("Line") or () if "LinkedTxn" not in line]
        note = f"Voided - {record.get('PrivateNote') or ''}"
        token = str(int(record["SyncToken"]) + 1)
        return self._keep(
            name,
            {**record, "Line": lines, "TotalAmt": 0, "Balance": 0, "PrivateNote": note, "SyncToken": token},
        )

    def delete(self, name: str, fields: Mapping[str, Any]) -> Record:
        record = self.current(name, fields)
        self._refuse_settled(name, record)
        del self.rows[name][record["Id"]]
        self._number(name, record).remove(record["Id"])
        self._apply(name, record)
        return {"domain": "QBO", "status": "Deleted", "Id": record["Id"]}

    def current(self, name: str, fields: Mapping[str, Any]) -> Record:
        """The record a change names, if the change knows its newest version."""
        record = self.one(name, str(fields.get("Id") or ""))
        if str(fields.get("SyncToken")) != record["SyncToken"]:
            raise Fault(
                5010, "Stale Object Error", "You and another user were working on this at the same time."
            )
        self._refuse_closed(record)
        return record

    def _refuse_closed(self, record: Mapping[str, Any]) -> None:
        if self.closed_until and str(record.get("TxnDate") or "9") <= self.closed_until:
            raise Fault(6210, "Account Period Closed", "The account period has closed.")

    def one(self, name: str, identity: str) -> Record:
        record = self.rows[name].get(identity)
        if record is None:
            raise Fault(610, "Object Not Found", "Something you're trying to use has been made inactive.")
        return record

    def _keep(self, name: str, record: Record) -> Record:
        record["MetaData"] = self._stamped(self.rows[name].get(record["Id"]) or {})
        return self.hold(name, record)

    def hold(self, name: str, record: Record) -> Record:
        """As it is, with what is known by it."""
        before = self.rows[name].get(record["Id"])
        if before is not None:
            self._number(name, before).remove(record["Id"])
        self.rows[name][record["Id"]] = record
        self._number(name, record).append(record["Id"])
        self._apply(name, before or {}, record)
        if name in PEOPLE:
            self.names[record["DisplayName"].casefold()] = record["Id"]
        return record

    def _stamped(self, before: Mapping[str, Any]) -> Record:
        """When it was made and changed last, in the time of the vendor's home, and by whom."""
        now = dt.datetime.fromtimestamp(self.now(), PACIFIC).isoformat(timespec="seconds")
        made = (before.get("MetaData") or {}).get("CreateTime") or now
        by = {"LastModifiedByRef": {"value": "1", "name": self.person}} if self.person else {}
        return {"CreateTime": made, "LastUpdatedTime": now, **by}

    def _number(self, name: str, record: Record) -> list[str]:
        return self.numbers[name, str(record.get(number_field(name)) or "")]

    # ── its rules ───────────────────────────────────────────────────────────────────────────────
    def _check(self, name: str, fields: Mapping[str, Any], own: str = "") -> None:
        for wanted in REQUIRED.get(name, ()):
            if fields.get(wanted) in (None, "", []):
                raise Fault(2020, "Required param missing, need to supply the required value for the API",
                            f"Required parameter {wanted} is missing in the request")  # fmt: skip
        self._check_numbers(name, fields, own)
        self._refuse_closed(fields)
        self._check_references(fields)
        if name == "JournalEntry":
            self._check_journal(fields["Line"])
        if name in SETTLING:
            self._check_applied(name, fields, own)
        if name in PEOPLE:
            self._check_name(fields["DisplayName"], own)
        if name in LISTS:
            self._check_listed(name, fields["Name"], own)

    def _check_numbers(self, name: str, fields: Mapping[str, Any], own: str) -> None:
        number = str(fields.get(number_field(name)) or "")
        if len(number) > 21:
            raise Fault(2050, "String length is either shorter or longer than supported", f"{number}: max 21")
        others = [one for one in self.numbers.get((name, number), ()) if one != own]
        if number and name in NUMBERED and others:
            raise Fault(6140, "Duplicate Document Number Error",
                        f"You must specify a different number. DocNumber={number} is assigned to "
                        f"TxnType={name} with TxnId={others[0]}")  # fmt: skip

    def _check_references(self, value: Any) -> None:
        for key, ref in _references(value):
            if str(ref.get("value")) not in self.rows[REFERENCES[key]]:
                raise Fault(
                    2500, "Invalid Reference Id", f"{REFERENCES[key]} {ref.get('value')} is not there"
                )

    def _check_journal(self, lines: list[Record]) -> None:
        sides = {"Debit": Decimal(0), "Credit": Decimal(0)}
        for line in lines:
            detail = line["JournalEntryLineDetail"]
            sides[detail["PostingType"]] += Decimal(str(line["Amount"]))
            kind = self.rows["Account"][detail["AccountRef"]["value"]]["AccountType"]
            whose = {"Accounts Receivable": "Customer", "Accounts Payable": "Vendor"}.get(kind)
            if whose and detail.get("Entity", {}).get("Type") != whose:
                words = f"When you use {kind}, you must choose a {whose.lower()} in the Name field."
                raise Fault(6000, BROKEN, words)
        if sides["Debit"] != sides["Credit"]:
            raise Fault(6000, BROKEN, "Transaction is out of balance.")

    # ── what is open ────────────────────────────────────────────────────────────────────────────
    def _apply(self, name: str, *records: Record) -> None:
        """Reckon anew what is open of whatever these versions of a payment name."""
        if name not in SETTLING:
            return
        own = records[-1]["Id"]
        now: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for linked, amount in _links(self.rows[name].get(own, {})):
            now[linked["TxnType"], linked["TxnId"]] += amount
        named = {(linked["TxnType"], linked["TxnId"]) for record in records for linked, _ in _links(record)}
        for kind, identity in named:
            self.settled[kind, identity].pop(own, None)
            if (kind, identity) in now:
                self.settled[kind, identity][own] = now[kind, identity]
            if identity in self.rows[kind]:
                self.rows[kind][identity]["Balance"] = float(self.balance(kind, identity))

    def balance(self, name: str, identity: str, but: str = "") -> Decimal:
        """What is open of an invoice or a bill, or left of a credit; payment `but` is not counted."""
        paid = sum(amount for one, amount in self.settled[name, identity].items() if one != but)
        return Decimal(str(self.one(name, identity)["TotalAmt"])) - paid

    def _check_applied(self, name: str, fields: Mapping[str, Any], own: str) -> None:
        """No more than is open, nor than was paid, and to the same customer or vendor."""
        kind, whose = SETTLING[name]
        applied = {kind: Decimal(0), CREDITS[name]: Decimal(0)}
        for linked, amount in _links(fields):
            what, identity = linked["TxnType"], linked["TxnId"]
            if what not in applied or is_void(self.one(what, identity)):
                raise Fault(6000, BROKEN, "The linked transaction cannot be used.")
            if self.one(what, identity)[whose] != fields[whose]:
                raise Fault(
                    6000, BROKEN, f"The linked {what.lower()} belongs to another {whose[:-3].lower()}."
                )
            if amount > self.balance(what, identity, but=own):
                raise Fault(6000, BROKEN, "The amount applied is more than the balance due.")
            applied[what] += amount
        if applied[kind] > Decimal(str(fields["TotalAmt"])) + applied[CREDITS[name]]:
            raise Fault(6000, BROKEN, "The amounts applied are more than the payment.")
        if name == "BillPayment":
            self._check_bank(fields)

    def _check_bank(self, fields: Mapping[str, Any]) -> None:
        ref = (fields.get("CheckPayment") or {}).get("BankAccountRef") or (
            fields.get("CreditCardPayment") or {}
        ).get("CCAccountRef")
        kind = self.rows["Account"][ref["value"]]["AccountType"] if ref else ""
        if kind != {"Check": "Bank", "CreditCard": "Credit Card"}.get(fields["PayType"]):
            raise Fault(6000, BROKEN, "The account does not fit the way of paying.")

    def _refuse_settled(self, name: str, record: Mapping[str, Any]) -> None:
        if name in BALANCED and self.balance(name, record["Id"]) != Decimal(str(record["TotalAmt"])):
            raise Fault(6000, BROKEN, "The transaction is linked to a payment: take that off first.")

    def _sums(self, name: str, record: Record) -> Record:
        """Its total, and what is open of it, which cannot be less than nothing."""
        sums = _total(name, record)
        if name not in BALANCED or record["Id"] not in self.rows[name]:
            return {**sums, **({"Balance": sums["TotalAmt"]} if name in BALANCED else {})}
        before = Decimal(str(self.rows[name][record["Id"]]["TotalAmt"]))
        left = Decimal(str(sums["TotalAmt"])) - (before - self.balance(name, record["Id"]))
        if left < 0:
            raise Fault(6000, BROKEN, "The amount is less than what was applied to it.")
        return {**sums, "Balance": float(left)}

    def _check_listed(self, name: str, called: str, own: str) -> None:
        others = (row for row in self.rows[name].values() if row["Id"] != own)
        if any(row["Name"].casefold() == called.casefold() for row in others):
            raise Fault(6240, "Duplicate Name Exists Error", "The name supplied already exists.")

    def _check_name(self, name: str, own: str) -> None:
        if len(name) > 100 or re.search(r"[:\t\n]", name):
            raise Fault(2040, "Invalid String", f"{name} has characters or a length that is not supported")
        if self.names.get(name.casefold(), own) != own:
            raise Fault(6240, "Duplicate Name Exists Error", "The name supplied already exists.")


def _references(value: Any) -> Iterator[tuple[str, Record]]:
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in REFERENCES and isinstance(one, dict):
                yield key, one
            else:
                yield from _references(one)


def _links(record: Mapping[str, Any]) -> Iterator[tuple[Record, Decimal]]:
    for line in record.get("Line") or ():
        for linked in line.get("LinkedTxn") or ():
            yield linked, Decimal(str(line["Amount"]))


def _total(name: str, record: Record) -> Record:
    """Its total; lines whose quantity times price is another amount are refused."""
    if name not in DOCUMENTS or name in ("Payment", "BillPayment", "Transfer", "JournalEntry"):
        return {}
    total = Decimal(0)
    for line in record["Line"]:
        amount = Decimal(str(line["Amount"]))
        detail = line.get("SalesItemLineDetail") or {}
        if "Qty" in detail and Decimal(str(detail["Qty"])) * Decimal(str(detail["UnitPrice"])) != amount:
            raise Fault(6070, "Invalid Number", "Amount is not equal to UnitPrice * Qty.")
        total += amount
    if total < 0:
        raise Fault(6000, BROKEN, "Transaction amount must not be negative.")
    return {"TotalAmt": float(total)}


def number_field(name: str) -> str:
    return "PaymentRefNum" if name == "Payment" else "DocNumber"


def is_void(row: Mapping[str, Any]) -> bool:
    return str(row.get("PrivateNote") or "").startswith("Voided")


# ── a company to begin with ─────────────────────────────────────────────────────────────────────────

_ACCOUNTS = (
    ("1000", "Checking account", "Bank"),
    ("1010", "Savings account", "Bank"),
    ("1050", "Money in transit", "Other Current Asset"),
    ("1100", "Stripe clearing", "Other Current Asset"),
    ("1101", "Shopify Payments clearing", "Other Current Asset"),
    ("1102", "PayPal clearing", "Other Current Asset"),
    ("1200", "Accounts receivable", "Accounts Receivable"),
    ("1250", "Processor reserves", "Other Current Asset"),
    ("1450", "Sales tax to reclaim", "Other Current Asset"),
    ("2000", "Accounts payable", "Accounts Payable"),
    ("2100", "Sales tax payable", "Other Current Liability"),
    ("2200", "Gift cards outstanding", "Other Current Liability"),
    ("2250", "Customer deposits", "Other Current Liability"),
    ("2300", "Tips payable", "Other Current Liability"),
    ("4000", "Sales", "Income"),
    ("4100", "Shipping income", "Income"),
    ("4200", "Discounts given", "Income"),
    ("4300", "Returns and refunds", "Income"),
    ("4350", "Shipping refunded", "Income"),
    ("4900", "Other income", "Income"),
    ("6000", "Merchant fees", "Expense"),
    ("6010", "Disputes", "Expense"),
    ("6020", "Dispute fees", "Expense"),
    ("6900", "Other expenses", "Expense"),
    ("7900", "Rounding differences", "Income"),
)


def opened() -> Books:
    """A company with a chart of accounts, an item for each account of income, and tax codes."""
    books = Books()
    for number, name, kind in _ACCOUNTS:
        row = {"Id": number, "SyncToken": "0", "Name": name, "FullyQualifiedName": name, "AccountType": kind,
               "AcctNum": number, "Active": True}  # fmt: skip
        books.rows["Account"][number] = row
        if kind in ("Income", "Other Current Liability"):
            item = {"Id": number, "Name": name, "FullyQualifiedName": name, "Type": "Service",
                    "IncomeAccountRef": {"value": number, "name": name}, "Active": True}  # fmt: skip
            books.rows["Item"][number] = item
    for code in ("TAX", "NON"):
        books.rows["TaxCode"][code] = {"Id": code, "Name": code, "Active": True, "Taxable": code == "TAX"}
    return books

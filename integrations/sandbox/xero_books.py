"""The simulated Xero organisation: what it was sent, the rules it holds it to, and its filter language."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

Record = dict[str, Any]
DOCUMENTS = ("Invoices", "CreditNotes", "Payments", "BankTransactions", "BankTransfers", "ManualJournals")
GONE = ("VOIDED", "DELETED")
DEBTORS, CREDITORS = "DEBTORS", "CREDITORS"
SPACE = uuid.UUID("3d7f3c8e-0c51-5b7e-9f59-3b1f6b0d2a11")
_ZERO = Decimal(0)


def id_of(endpoint: str) -> str:
    return f"{endpoint[:-1]}ID"


class Refusal(Exception):
    """Validation errors of one element, in Xero's words."""

    def __init__(self, *messages: str) -> None:
        super().__init__(messages[0])
        self.messages = messages


class NotThere(Exception):
    """404."""


@dataclass
class Books:
    """`rows` by endpoint and id, dates as ISO days; `settled`: id of an invoice or credit note -> id of what
    takes of it (payments, allocations) -> amount."""

    rows: dict[str, dict[str, Record]] = field(default_factory=lambda: defaultdict(dict))
    accounts: dict[str, Record] = field(default_factory=dict)
    settled: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    numbers: dict[tuple[str, str], str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    last: int = 0
    locked_until: str = ""

    # ── what is written ─────────────────────────────────────────────────────────────────────────
    def put(self, endpoint: str, fields: Record) -> Record:
        """Make one, as it would be answered."""
        self.last += 1
        identity = str(uuid.uuid5(SPACE, str(self.last)))
        record = {"Status": "AUTHORISED", **fields, id_of(endpoint): identity}
        return self.keep(endpoint, self._checked(endpoint, record))

    def change(self, endpoint: str, identity: str, fields: Record) -> Record:
        """Change or take back one that stands."""
        before = self.one(endpoint, identity)
        self._refuse_locked(before)
        if before.get("Status") in GONE or self.settled.get(identity):
            paid = "as it has a payment or credit note allocated to it."
            raise Refusal(
                f"This document cannot be edited {paid}"
                if self.settled.get(identity)
                else "Not of valid status for modification"
            )
        record = {**before, **fields}
        if record["Status"] in GONE:
            self._refuse_way_out(endpoint, record["Status"])
            return self.keep(endpoint, record)
        if endpoint in ("Payments", "BankTransfers") or str(record.get("Type")).endswith("OVERPAYMENT"):
            raise Refusal("Not of valid status for modification")
        return self.keep(endpoint, self._checked(endpoint, record))

    def keep(self, endpoint: str, record: Record) -> Record:
        identity = record[id_of(endpoint)]
        before = self.rows[endpoint].get(identity, {})
        self.rows[endpoint][identity] = record
        self._number(endpoint, before, record)
        if endpoint == "Contacts":
            self.names[record["Name"].casefold()] = identity
        if endpoint == "Payments":
            self._settle(record)
        for allocation in record.get("Allocations") or ():
            self._tie(record, allocation)
        return record

    def allocate(self, identity: str, fields: Record) -> Record:
        """Give so much of a credit note to an invoice."""
        note = self.one("CreditNotes", identity)
        invoice = self.rows["Invoices"].get(str((fields.get("Invoice") or {}).get("InvoiceID")))
        self._refuse_locked(fields)
        if invoice is None or {invoice["Status"], note["Status"]} != {"AUTHORISED"}:
            raise Refusal("Credit notes can only be allocated to Authorised documents")
        if note["Type"] != f"{invoice['Type']}CREDIT" or note["Contact"] != invoice["Contact"]:
            raise Refusal("The credit note and the invoice must be of the same type and contact")
        amount = _amount(fields["Amount"])
        if not 0 < amount <= _amount(invoice["AmountDue"]):
            raise Refusal("Allocation amount exceeds the amount outstanding on this document")
        if amount > _amount(note["RemainingCredit"]):
            raise Refusal("Allocation amount exceeds the remaining credit")
        self.last += 1
        made = {
            "AllocationID": str(uuid.uuid5(SPACE, str(self.last))),
            "Amount": float(amount),
            "Date": fields["Date"],
            "Invoice": {name: invoice[name] for name in ("InvoiceID", "InvoiceNumber")},
        }
        note["Allocations"] = [*note.get("Allocations", ()), made]
        self._tie(note, made)
        return {**made, "CreditNote": {"CreditNoteID": identity}}

    def release(self, identity: str, allocation: str) -> Record:
        """Take an allocation back."""
        note = self.one("CreditNotes", identity)
        found = [one for one in note.get("Allocations", ()) if one["AllocationID"] == allocation]
        if not found:
            raise NotThere
        self._refuse_locked(found[0])
        note["Allocations"] = [one for one in note["Allocations"] if one is not found[0]]
        self._tie(note, {**found[0], "Amount": 0})
        return {**found[0], "IsDeleted": True}

    def _number(self, endpoint: str, before: Record, record: Record) -> None:
        for one, held in ((before, None), (record, record[id_of(endpoint)])):
            key = _unique(endpoint, one)
            if key and held and record.get("Status") not in GONE:
                self.numbers[key] = held
            elif key:
                self.numbers.pop(key, None)

    def _settle(self, payment: Record) -> None:
        amount = _ZERO if payment["Status"] in GONE else _amount(payment["Amount"])
        endpoint, paid = self._paid(payment)
        if paid is not None:
            self._take(endpoint, paid, payment["PaymentID"], amount)

    def _paid(self, payment: Record) -> tuple[str, Record | None]:
        """The invoice or credit note that a payment names."""
        endpoint = "CreditNotes" if payment.get("CreditNote") else "Invoices"
        named = payment.get("CreditNote") or payment.get("Invoice") or {}
        return endpoint, self.rows[endpoint].get(str(named.get(id_of(endpoint))))

    def _tie(self, note: Record, allocation: Record) -> None:
        amount, by = _amount(allocation["Amount"]), allocation["AllocationID"]
        self._take("CreditNotes", note, by, amount)
        self._take("Invoices", self.rows["Invoices"][allocation["Invoice"]["InvoiceID"]], by, amount)

    def _take(self, endpoint: str, row: Record, by: str, amount: Decimal) -> None:
        """So much of a document goes to a payment or an allocation; what is left of it is open."""
        held = self.settled[row[id_of(endpoint)]]
        held.pop(by, None)
        if amount:
            held[by] = amount
        taken = sum(held.values(), _ZERO)
        left = _amount(row["Total"]) - taken
        name = "RemainingCredit" if endpoint == "CreditNotes" else "AmountDue"
        row[name], row["Status"] = float(left), "AUTHORISED" if left else "PAID"
        if endpoint == "Invoices":
            row["AmountPaid"] = float(taken)

    def one(self, endpoint: str, identity: str) -> Record:
        if identity not in self.rows[endpoint]:
            raise NotThere
        return self.rows[endpoint][identity]

    def standing(self, *endpoints: str) -> list[Record]:
        found = endpoints or DOCUMENTS
        return [row for name in found for row in self.rows[name].values() if row.get("Status") not in GONE]

    # ── its rules ───────────────────────────────────────────────────────────────────────────────
    def _checked(self, endpoint: str, record: Record) -> Record:
        if endpoint == "Contacts":
            return self._contact(record)
        self._refuse_locked(record)
        return _CHECKS[endpoint](self, record)

    def _refuse_locked(self, record: Mapping[str, Any]) -> None:
        if self.locked_until and str(record.get("Date") or "9") <= self.locked_until:
            raise Refusal(
                "The document date cannot be before the end of year lock date, "
                f"currently set at {self.locked_until}"
            )

    def _refuse_way_out(self, endpoint: str, status: str) -> None:
        wanted = "DELETED" if endpoint in ("Payments", "BankTransactions", "BankTransfers") else "VOIDED"
        if status != wanted:
            raise Refusal(f"Status {status} is not valid for this document")

    def _contact(self, record: Record) -> Record:
        name = str(record.get("Name") or "").strip()
        if not name or len(name) > 255:
            raise Refusal("The contact name is required and may have 255 characters")
        if self.names.get(name.casefold(), record["ContactID"]) != record["ContactID"]:
            raise Refusal(
                f"The contact name {name} is already assigned to another contact. "
                "The contact name must be unique across all active contacts."
            )
        return {**record, "ContactStatus": "ACTIVE", "Status": ""}

    def _whom(self, record: Record) -> Record:
        contact = self.rows["Contacts"].get(str((record.get("Contact") or {}).get("ContactID")))
        if contact is None:
            raise Refusal("A Contact must be specified for this type of transaction")
        return {"ContactID": contact["ContactID"], "Name": contact["Name"]}

    def invoice(self, record: Record) -> Record:
        if record.get("Type") not in ("ACCREC", "ACCPAY") or not record.get("DueDate"):
            raise Refusal("Due Date cannot be empty for an authorised invoice")
        number, own = _unique("Invoices", record), record["InvoiceID"]
        if number and self.numbers.get(number, own) != own:
            raise Refusal("Invoice # must be unique.")
        return self._lined(record) | {"AmountPaid": 0.0, "CurrencyRate": 1.0}

    def credit_note(self, record: Record) -> Record:
        if record.get("Type") not in ("ACCRECCREDIT", "ACCPAYCREDIT"):
            raise Refusal("The credit note's type is not valid")
        number, own = _unique("CreditNotes", record), record["CreditNoteID"]
        if number and self.numbers.get(number, own) != own:
            raise Refusal("Credit Note # must be unique.")
        lined = self._lined(record)
        return lined | {"RemainingCredit": lined["Total"]}

    def bank_transaction(self, record: Record) -> Record:
        over = str(record["Type"]).endswith("OVERPAYMENT")
        if record["Type"] not in ("RECEIVE", "SPEND", "RECEIVE-OVERPAYMENT", "SPEND-OVERPAYMENT"):
            raise Refusal("The bank transaction's type is not valid")
        if over:
            record.pop("Reference", None)  # they have none
            if len(record["LineItems"]) != 1:
                raise Refusal("An overpayment must have one line item")
        bank = self._account(record["BankAccount"], lambda row: row["Type"] == "BANK")
        return self._lined({**record, "BankAccount": bank}, system=over)

    def bank_transfer(self, record: Record) -> Record:
        ends = [
            self._account(record[name], lambda row: row["Type"] == "BANK")
            for name in ("FromBankAccount", "ToBankAccount")
        ]
        if ends[0] == ends[1] or _amount(record["Amount"]) <= 0:
            raise Refusal("A transfer needs two bank accounts and an amount")
        return {**record, "FromBankAccount": ends[0], "ToBankAccount": ends[1]}

    def payment(self, record: Record) -> Record:
        endpoint, paid = self._paid(record)
        if paid is None or paid["Status"] != "AUTHORISED":
            raise Refusal("Payments can only be made against Authorised documents")
        account = self._account(
            record["Account"], lambda row: row["Type"] == "BANK" or row["EnablePaymentsToAccount"]
        )
        note = endpoint == "CreditNotes"
        if not 0 < _amount(record["Amount"]) <= _amount(paid["RemainingCredit" if note else "AmountDue"]):
            raise Refusal("Payment amount exceeds the amount outstanding on this document")
        number = "CreditNoteNumber" if note else "InvoiceNumber"
        short = {name: paid.get(name) for name in (id_of(endpoint), number, "Type", "Contact")}
        kind = _PAYMENTS[paid["Type"]]
        return {**record, endpoint[:-1]: short, "Account": account, "PaymentType": kind}

    def manual_journal(self, record: Record) -> Record:
        lines = [
            {**line, "AccountID": self._line_account(line)["AccountID"]} for line in record["JournalLines"]
        ]
        if len(lines) < 2 or sum((_amount(line["LineAmount"]) for line in lines), _ZERO):
            raise Refusal("The total debits must equal total credits")
        return {**record, "JournalLines": lines}

    def _lined(self, record: Record, *, system: bool = False) -> Record:
        """With its lines' amounts and total; they must be there, on accounts that lines may name."""
        if record.get("LineAmountTypes") != "NoTax":
            raise Refusal("This sandbox reckons no tax: LineAmountTypes must be NoTax")
        lines = [self._line(line, system=system) for line in record.get("LineItems") or ()]
        if not lines:
            raise Refusal("One or more line items must be specified")
        total = sum((_amount(line["LineAmount"]) for line in lines), _ZERO)
        if total < 0:
            raise Refusal("The document total must not be negative")
        sums = {"SubTotal": float(total), "TotalTax": 0.0, "Total": float(total), "AmountDue": float(total)}
        return {**record, "Contact": self._whom(record), "LineItems": lines, **sums}

    def _line(self, line: Record, *, system: bool) -> Record:
        account = self._account({"Code": line.get("AccountCode")}) if system else self._line_account(line)
        if not str(line.get("Description") or "").strip():
            raise Refusal("Description needs to be at least 1 char long")
        amount = round(_amount(line.get("Quantity", 1)) * _amount(line["UnitAmount"]), 2)
        return {**line, "AccountID": account["AccountID"], "LineAmount": float(amount), "TaxAmount": 0.0}

    def _line_account(self, line: Record) -> Record:
        """Lines and journals may not name bank accounts, receivables and payables."""
        code = line.get("AccountCode")
        account = self._account({"Code": code})
        if account["Type"] == "BANK" or account.get("SystemAccount") in (DEBTORS, CREDITORS):
            raise Refusal(f"Account code '{code}' is not a valid code for this document.")
        return account

    def _account(self, ref: Record, may: Callable[[Record], bool] = lambda row: True) -> Record:
        named = str(ref.get("Code") or ref.get("AccountID"))
        row = next((row for row in self.accounts.values() if named in (row["Code"], row["AccountID"])), None)
        if row is None or row["Status"] != "ACTIVE" or not may(row):
            raise Refusal(f"Account code '{ref.get('Code')}' has been archived, or is not valid.")
        return {name: value for name, value in row.items() if value is not None}

    # ── what it all comes to ────────────────────────────────────────────────────────────────────
    def balances(self, currency: str = "USD") -> dict[str, Decimal]:
        """Account code -> what stands on it in that currency, debits positive; not those at nothing."""
        sums: dict[str, Decimal] = defaultdict(Decimal)
        by_system = {
            row["SystemAccount"]: code for code, row in self.accounts.items() if row["SystemAccount"]
        }
        for endpoint in DOCUMENTS:
            for row in self.standing(endpoint):
                if self._currency(row) != currency:
                    continue
                for account, amount in _postings(endpoint, row):
                    sums[by_system.get(account, account)] += amount
        return {code: amount for code, amount in sums.items() if amount}

    def _currency(self, row: Record) -> str:
        """A payment has that of what it pays, journals and transfers that of the books."""
        _, paid = self._paid(row)
        return str(row.get("CurrencyCode") or (paid or {}).get("CurrencyCode") or "USD")

    # ── its filters ─────────────────────────────────────────────────────────────────────────────
    def where(self, endpoint: str, text: str) -> list[Record]:
        """`Reference=="LH-1-1" AND Date>=DateTime(2026, 03, 01)` -> the rows it fits."""
        if not text:
            return list(self.rows[endpoint].values())
        ways = [[_condition(part.strip()) for part in _AND.split(way)] for way in _OR.split(text)]
        rows = self.rows[endpoint].values()
        return [row for row in rows if any(all(test(row) for test in way) for way in ways)]


_CHECKS: Mapping[str, Callable[[Books, Record], Record]] = {
    "Invoices": Books.invoice,
    "CreditNotes": Books.credit_note,
    "Payments": Books.payment,
    "BankTransactions": Books.bank_transaction,
    "BankTransfers": Books.bank_transfer,
    "ManualJournals": Books.manual_journal,
}


_PAYMENTS: Mapping[str, str] = {
    "ACCREC": "ACCRECPAYMENT",
    "ACCPAY": "ACCPAYPAYMENT",
    "ACCRECCREDIT": "ARCREDITPAYMENT",
    "ACCPAYCREDIT": "APCREDITPAYMENT",
}


def _unique(endpoint: str, record: Mapping[str, Any]) -> tuple[str, str] | None:
    """Numbers of sales and their credit notes are unique; those of bills are not."""
    if record.get("Type") == "ACCREC" and record.get("InvoiceNumber"):
        return endpoint, record["InvoiceNumber"]
    if record.get("Type") == "ACCRECCREDIT" and record.get("CreditNoteNumber"):
        return endpoint, record["CreditNoteNumber"]
    return None


def _amount(value: Any) -> Decimal:
    return Decimal(str(value))


def _postings(endpoint: str, row: Record) -> Iterator[tuple[str, Decimal]]:
    """(account code or system account, amount) of one document."""
    kind = str(row.get("Type") or "")
    if endpoint in ("Invoices", "CreditNotes", "BankTransactions"):
        debit = kind in ("ACCREC", "ACCPAYCREDIT") or kind.startswith("RECEIVE")
        sign = 1 if debit else -1
        own = DEBTORS if kind.startswith("ACCREC") else CREDITORS if kind.startswith("ACCPAY") else ""
        yield own or row["BankAccount"]["Code"], sign * _amount(row["Total"])
        for line in row["LineItems"]:
            yield line["AccountCode"], -sign * _amount(line["LineAmount"])
    elif endpoint == "Payments":
        received = row["PaymentType"] in ("ACCRECPAYMENT", "APCREDITPAYMENT")
        amount = _amount(row["Amount"]) * (1 if received else -1)
        yield row["Account"]["Code"], amount
        yield DEBTORS if row["PaymentType"].startswith(("ACCREC", "AR")) else CREDITORS, -amount
    elif endpoint == "BankTransfers":
        yield row["ToBankAccount"]["Code"], _amount(row["Amount"])
        yield row["FromBankAccount"]["Code"], -_amount(row["Amount"])
    else:
        for line in row["JournalLines"]:
            yield line["AccountCode"], _amount(line["LineAmount"])


_AND, _OR = (re.compile(rf" {word} (?=\w+[.=<>])") for word in ("AND", "OR"))
_FILTERS: tuple[tuple[re.Pattern[str], Callable[[str, str], bool]], ...] = (
    (re.compile(r'(\w+)=="(.*)"'), lambda held, asked: held == asked),
    (re.compile(r'(\w+)\.StartsWith\("(.*)"\)'), str.startswith),
    (re.compile(r'(\w+)\.EndsWith\("(.*)"\)'), str.endswith),
    (re.compile(r"(\w+)>=DateTime\((.*)\)"), lambda held, asked: held >= _day(asked)),
    (re.compile(r"(\w+)<=DateTime\((.*)\)"), lambda held, asked: held <= _day(asked)),
)


def _condition(text: str) -> Callable[[Record], bool]:
    for pattern, fits in _FILTERS:
        if match := pattern.fullmatch(text):
            name, asked = match[1], match[2]
            return lambda row: fits(str(row.get(name) or ""), asked)
    raise Refusal("A query string parse error occurred")


def _day(text: str) -> str:
    year, month, day = (int(part) for part in text.split(","))
    return dt.date(year, month, day).isoformat()


# ── an organisation to begin with ───────────────────────────────────────────────────────────────────

_ACCOUNTS = (
    ("1000", "Checking account", "BANK", ""),
    ("1010", "Savings account", "BANK", ""),
    ("1050", "Money in transit", "CURRENT", ""),
    ("1100", "Stripe clearing", "BANK", ""),
    ("1101", "Shopify Payments clearing", "BANK", ""),
    ("1102", "PayPal clearing", "CURRENT", "pays"),
    ("1200", "Accounts receivable", "CURRENT", DEBTORS),
    ("1250", "Processor reserves", "CURRENT", ""),
    ("1450", "Sales tax to reclaim", "CURRENT", ""),
    ("2000", "Accounts payable", "CURRLIAB", CREDITORS),
    ("2100", "Sales tax payable", "CURRLIAB", ""),
    ("2200", "Gift cards outstanding", "CURRLIAB", ""),
    ("2250", "Customer deposits", "CURRLIAB", ""),
    ("2300", "Tips payable", "CURRLIAB", ""),
    ("4000", "Sales", "REVENUE", ""),
    ("4100", "Shipping income", "REVENUE", ""),
    ("4200", "Discounts given", "REVENUE", ""),
    ("4300", "Returns and refunds", "REVENUE", ""),
    ("4350", "Shipping refunded", "REVENUE", ""),
    ("4900", "Other income", "OTHERINCOME", ""),
    ("6000", "Merchant fees", "EXPENSE", ""),
    ("6010", "Disputes", "EXPENSE", ""),
    ("6020", "Dispute fees", "EXPENSE", ""),
    ("6900", "Other expenses", "EXPENSE", ""),
    ("7900", "Rounding differences", "REVENUE", ""),
)


def opened() -> Books:
    """An organisation with a chart of accounts."""
    books = Books()
    for code, name, kind, mark in _ACCOUNTS:
        system = mark if mark in (DEBTORS, CREDITORS) else None
        books.accounts[code] = {
            "AccountID": str(uuid.uuid5(SPACE, f"account {code}")),
            "Code": code,
            "Name": name,
            "Type": kind,
            "Status": "ACTIVE",
            "TaxType": "NONE",
            "EnablePaymentsToAccount": mark == "pays",
            "SystemAccount": system,
        }
    return books

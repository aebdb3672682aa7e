"""Pure: what stands in Xero, one of its documents in plain terms with the journal it makes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from integrations.connectors.xero.forms import CREDITORS, DEBTORS, IDS
from integrations.paging import InPaths
from integrations.posted import outputs, pick, plain
from integrations.records import Record, dig
from integrations.spec import Incremental, Read, Stream, Window
from integrations.standing import UNKNOWN, At, Books, Standing, State, our_reference

API = "/api.xro/2.0"
GONE = ("VOIDED", "DELETED")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
NUMBERS: Mapping[str, str] = {"Invoice": "InvoiceNumber", "CreditNote": "CreditNoteNumber"}


def standing(endpoint: str, record: Mapping[str, Any]) -> Standing:
    """One of their documents in plain terms, with the journal it makes."""
    name = "Overpayment" if str(record.get("Type")).endswith("OVERPAYMENT") else endpoint[:-1]
    number = str(record.get(NUMBERS.get(name, "Reference")) or "")
    note = str(record.get("Narration") or "") or " | ".join(
        str(line.get("Description") or "") for line in record.get("LineItems") or ()
    )
    lines = tuple(READERS[endpoint](record))
    return Standing(
        id=f"{name}:{record.get(IDS[name]) or ''}",
        kind=name,
        version=str(record.get("UpdatedDateUTC") or ""),
        state="void" if record.get("Status") in GONE else "standing",
        number=number,
        reference=our_reference(number or note.partition(":")[0], note),
        day=day_of(record.get("DateString") or record.get("Date")),
        currency=str(record.get("CurrencyCode") or ""),
        amount=_sum(line for line in lines if line.amount > 0),
        contact=str(dig(dict(record), "Contact.ContactID") or ""),
        contact_name=str(dig(dict(record), "Contact.Name") or ""),
        note=note,
        lines=lines,
    )


def day_of(text: Any) -> dt.date | None:
    """`/Date(1552326816230+0000)/` or `2019-03-11T00:00:00`."""
    match = _DATE.fullmatch(text) if isinstance(text, str) else None
    if match:
        return (EPOCH + dt.timedelta(milliseconds=int(match[1]))).date()
    try:
        return dt.date.fromisoformat(text[:10]) if isinstance(text, str) else None
    except ValueError:
        return None


def _amount(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def _sum(lines: Iterable[At]) -> Decimal:
    return sum((line.amount for line in lines), Decimal(0))


def _account(record: Any, path: str) -> str:
    found = dig(record, path) or {}
    return f"account:{found.get('Code') or found.get('AccountID') or ''}"


def _items(record: Mapping[str, Any], sign: int) -> Iterator[At]:
    for line in record.get("LineItems") or ():
        amount = line.get("LineAmount")
        if amount is None:
            amount = _amount(line.get("Quantity") or 1) * _amount(line.get("UnitAmount"))
        at = f"account:{line.get('AccountCode') or line.get('AccountID') or ''}"
        yield At(at, sign * _amount(amount), str(line.get("Description") or ""))


def _owing(record: Mapping[str, Any]) -> Iterator[At]:
    """Invoices, bills and their credit notes."""
    kind = str(record.get("Type") or "")
    sign = 1 if kind in ("ACCREC", "ACCPAYCREDIT") else -1
    lines = list(_items(record, -sign))
    yield At(
        f"type:{DEBTORS if kind.startswith('ACCREC') else CREDITORS}",
        -_sum(lines),
    )
    yield from lines


def _bank(record: Mapping[str, Any]) -> Iterator[At]:
    sign = 1 if str(record.get("Type") or "").startswith("RECEIVE") else -1
    lines = list(_items(record, -sign))
    yield At(_account(record, "BankAccount"), -_sum(lines))
    yield from lines


def _payment(record: Mapping[str, Any]) -> Iterator[At]:
    """Of an invoice or bill; or what was paid back of a credit note, an overpayment, a prepayment."""
    paid = dig(dict(record), "Invoice.Type") or dig(dict(record), "CreditNote.Type")
    kind = str(paid or record.get("PaymentType") or "ACCREC")
    sale = kind.startswith(("ACCREC", "AR"))
    back = any(word in kind for word in ("CREDIT", "OVERPAY", "PREPAY"))
    amount = _amount(record.get("Amount")) * (1 if sale != back else -1)
    yield At(_account(record, "Account"), amount)
    yield At(f"type:{DEBTORS if sale else CREDITORS}", -amount)


def _transfer(record: Mapping[str, Any]) -> Iterator[At]:
    amount = _amount(record.get("Amount"))
    yield At(_account(record, "ToBankAccount"), amount)
    yield At(_account(record, "FromBankAccount"), -amount)


def _journal(record: Mapping[str, Any]) -> Iterator[At]:
    for line in record.get("JournalLines") or ():
        at = f"account:{line.get('AccountCode') or line.get('AccountID') or ''}"
        yield At(at, _amount(line.get("LineAmount")), str(line.get("Description") or ""))


READERS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[At]]] = {
    "Invoices": _owing,
    "CreditNotes": _owing,
    "Payments": _payment,
    "BankTransactions": _bank,
    "BankTransfers": _transfer,
    "ManualJournals": _journal,
}


# ── listed for the comparison ───────────────────────────────────────────────────────────────────────

# What is not approved yet moves nothing.
DRAFTS = ("DRAFT", "SUBMITTED")
BILL, BILL_PAYMENT = "Bill", "Bill payment"
OTHERS = (
    "Invoice",
    "CreditNote",
    "Payment",
    "BankTransaction",
    "BankTransfer",
    "ManualJournal",
    "Overpayment",
)


def shape(record: Record) -> Record:
    """A record of the stream, which says in `_list` where it stood, in the plain shape."""
    stands = _untaxed(standing(str(record["_list"]), record), record)
    bill = stands.kind == "Invoice" and record.get("Type") == "ACCPAY"
    paid = stands.kind == "Payment" and dig(record, "Invoice.Type") == "ACCPAY"
    at = updated(record)
    stands = stands._replace(
        kind=BILL if bill else BILL_PAYMENT if paid else stands.kind, changed_at=at.isoformat() if at else ""
    )
    due = day_of(record.get("DueDateString") or record.get("DueDate"))
    return plain(
        stands,
        due_date=due.isoformat() if due else None,
        expenses=[line._asdict() for line in stands.lines[1:]] if bill else [],
        bank=stands.lines[0].at if paid and stands.lines else None,
        pays=f"Invoice:{dig(record, 'Invoice.InvoiceID')}" if paid else None,
    )


def _untaxed(stands: Standing, record: Record) -> Standing:
    """Drafts move nothing. Lines are with or without the tax that Xero reckoned: nobody guesses which."""
    if record.get("Status") in DRAFTS or stands.state != "standing":
        state: State = "void" if stands.state == "standing" else stands.state
        return stands._replace(state=state, lines=())
    if not _amount(record.get("TotalTax")):
        return stands
    untold = At(f"{UNKNOWN}Xero reckoned tax on it", Decimal(0))
    return stands._replace(lines=(*stands.lines, untold))


def updated(record: Record) -> dt.datetime | None:
    match = _DATE.fullmatch(str(record.get("UpdatedDateUTC")))
    return EPOCH + dt.timedelta(milliseconds=int(match[1])) if match else None


STREAM = Stream(
    key="books",
    label="What stands there",
    read=Read(
        f"{API}/Invoices",
        records=tuple(READERS),
        paginator=InPaths(
            tuple(f"{API}/{endpoint}" for endpoint in READERS),
            "page",
            100,
            "pageSize",
            whole=(f"{API}/BankTransfers",),
        ),
        headers={"If-Modified-Since": "{start}"},
        sparse=True,
    ),
    incremental=Incremental("", "", overlap=86_400, window=Window("", days=4000, history=3 * 365)),
    shape=shape,
    outputs=outputs(bill=BILL, bill_payment=BILL_PAYMENT, others=OTHERS),
    schedule_minutes=0,
    help="Compared with what we delivered; what people posted there can be brought into our books",
)
# Its lists tell of what was voided and deleted: nothing has to be asked for by its id.
BOOKS = Books(stream=STREAM, pick=pick, unlisted=("Allocation:",))

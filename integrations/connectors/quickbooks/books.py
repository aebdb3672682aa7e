"""Pure: what stands in QuickBooks, ours and other people's: each as one plain document with its journal.

A record says where its lines are booked (`AccountRef`), or by which item (`ItemRef`), or leaves the account
to its entity (an invoice is owed on the company's receivables).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from integrations import posted
from integrations.paging import InQuery
from integrations.records import Record, dig
from integrations.spec import Incremental, Read, Stream, Window
from integrations.standing import TAX, UNKNOWN, At, Books, Standing, State, our_reference
from ledgerhub.core.errors import TransientError

COMPANY = "/v3/company/{realm}"
KINDS = (
    "Invoice", "SalesReceipt", "Payment", "RefundReceipt", "CreditMemo", "Bill", "BillPayment",
    "VendorCredit", "Purchase", "Deposit", "Transfer", "JournalEntry",
)  # fmt: skip
NUMBERS: Mapping[str, str] = {"Payment": "PaymentRefNum"}
RECEIVABLE, PAYABLE = "type:Accounts Receivable", "type:Accounts Payable"
UNDEPOSITED = f"{UNKNOWN}it lies in the account for undeposited funds, which QuickBooks does not name"
DAY = 86_400
_NOTHING = Decimal(0)


# ── one plain shape ─────────────────────────────────────────────────────────────────────────────────


def shape(record: Record) -> Record:
    """A record of the stream, which says in `_list` where it stood, in the plain shape."""
    return plain(str(record.get("_list") or "").rpartition(".")[2], record)


def plain(kind: str, record: Mapping[str, Any]) -> Record:
    """`{"id": "Bill:12", "type": "Bill", "journal": [{"at": "account:42", "amount": ..}], ..}`; the journal
    holds every line, debits positive, and `expenses` those of a bill that are not what is owed."""
    number = str(record.get(NUMBERS.get(kind, "DocNumber")) or "")
    note = str(record.get("PrivateNote") or "")
    state = _state(record)
    ref: Mapping[str, Any] = next((record[name] for name in _CONTACTS if record.get(name)), {})
    standing = Standing(
        id=f"{kind}:{record.get('Id')}" if record.get("Id") else "",
        kind=kind,
        version=str(record.get("SyncToken") or ""),
        state=state,
        number=number,
        reference=our_reference(number, note),
        day=posted.day(record.get("TxnDate")),
        currency=dig(dict(record), "CurrencyRef.value") or "",
        amount=_amount(record.get("TotalAmt", record.get("Amount"))),
        contact=str(ref.get("value") or ""),
        contact_name=str(ref.get("name") or ""),
        note=note,
        lines=tuple(_journal(kind, record)) if state == "standing" else (),
        changed_at=dig(dict(record), "MetaData.LastUpdatedTime") or "",
        changed_by=dig(dict(record), "MetaData.LastModifiedByRef.name") or "",
    )
    return posted.plain(
        standing,
        due_date=record.get("DueDate"),
        tax=_tax(record),
        message=dig(dict(record), "CustomerMemo.value"),
        expenses=[line._asdict() for line in _lines(record.get("Line") or ())] if kind == "Bill" else [],
        bank=_paid_from(record) if kind == "BillPayment" else None,
        pays=_pays(record) if kind == "BillPayment" else None,
    )


_CONTACTS = ("CustomerRef", "VendorRef", "EntityRef")


def _state(record: Mapping[str, Any]) -> State:
    if record.get("status") == "Deleted":
        return "gone"
    return "void" if is_void(record) else "standing"


def is_void(record: Mapping[str, Any]) -> bool:
    """A voided document keeps its number; its amounts are zero and its note says so."""
    amounts = [record.get("TotalAmt"), record.get("Amount")]
    amounts += [line.get("Amount") for line in record.get("Line") or ()]
    return not any(amounts) and str(record.get("PrivateNote") or "").startswith("Voided")


def _amount(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value or 0))


def _tax(record: Mapping[str, Any]) -> Decimal:
    return _amount(dig(dict(record), "TxnTaxDetail.TotalTax"))


def _pays(record: Mapping[str, Any]) -> str | None:
    """The bill it pays, where it is one alone."""
    linked = [link for line in record.get("Line") or () for link in line.get("LinkedTxn") or ()]
    return f"Bill:{linked[0]['TxnId']}" if len(linked) == 1 and linked[0].get("TxnType") == "Bill" else None


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────


def _journal(kind: str, record: Mapping[str, Any]) -> Iterator[At]:
    """Every line, debits positive; where the lines do not make up the total, one more that says so."""
    make = _JOURNALS.get(kind)
    if make is None:
        yield At(f"{UNKNOWN}QuickBooks' {kind} is not a document we know", _amount(record.get("TotalAmt")))
        return
    lines = [line for line in make(record) if line.amount]
    yield from lines
    rest = sum((line.amount for line in lines), _NOTHING)
    if rest:
        yield At(f"{UNKNOWN}its lines do not make up its total", -rest)


def _money(at: str, sign: int) -> Callable[[Mapping[str, Any]], Iterator[At]]:
    """A document whose total is booked at one place (`at`: a field of it, or where it names none) and whose
    lines and tax stand against it. `sign`: 1 where the total is a debit."""
    field, _, otherwise = at.partition("|")

    def make(record: Mapping[str, Any]) -> Iterator[At]:
        turned = -sign if record.get("Credit") is True else sign
        yield At(_account(record, field, otherwise), turned * _amount(record.get("TotalAmt")))
        for line in _lines(record.get("Line") or ()):
            yield line._replace(amount=-turned * line.amount)
        yield At(TAX, -turned * _tax(record))

    return make


def _account(record: Mapping[str, Any], field: str, otherwise: str = "") -> str:
    value = dig(dict(record), f"{field}.value") if field else None
    return f"account:{value}" if value else otherwise or f"{UNKNOWN}QuickBooks does not name its account"


def _lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[At]:
    """Lines of sales and of expenses, as they stand on the document: positive adds to its total."""
    for row in rows:
        kind = str(row.get("DetailType") or "")
        detail = row.get(kind) or {}
        if kind in ("SubTotalLineDetail", "DescriptionOnly"):
            continue
        if kind == "GroupLineDetail":
            yield from _lines(detail.get("Line") or ())
            continue
        at, sign = _place(kind, detail)
        yield At(at, sign * _amount(row.get("Amount")), str(row.get("Description") or ""))


def _place(kind: str, detail: Mapping[str, Any]) -> tuple[str, int]:
    """Where a line is booked, and whether it adds to the total (a discount takes off)."""
    account = dig(dict(detail), "ItemAccountRef.value") or dig(dict(detail), "AccountRef.value")
    item = dig(dict(detail), "ItemRef.value")
    if kind == "DiscountLineDetail":
        discount = dig(dict(detail), "DiscountAccountRef.value")
        return (f"account:{discount}" if discount else f"{UNKNOWN}a discount without its account"), -1
    if account:
        return f"account:{account}", 1
    known = kind in ("SalesItemLineDetail", "ItemBasedExpenseLineDetail")
    if item and known:
        return f"item:{item}", 1
    return f"{UNKNOWN}a line of a kind we do not know ({kind or 'none'})", 1


def _payment(record: Mapping[str, Any]) -> Iterator[At]:
    total = _amount(record.get("TotalAmt"))
    yield At(_account(record, "DepositToAccountRef", UNDEPOSITED), total)
    yield At(_account(record, "ARAccountRef", RECEIVABLE), -total)


def _bill_payment(record: Mapping[str, Any]) -> Iterator[At]:
    total = _amount(record.get("TotalAmt"))
    yield At(_account(record, "APAccountRef", PAYABLE), total)
    yield At(_paid_from(record), -total)


def _paid_from(record: Mapping[str, Any]) -> str:
    card = record.get("PayType") == "CreditCard"
    return _account(record, "CreditCardPayment.CCAccountRef" if card else "CheckPayment.BankAccountRef")


def _deposit(record: Mapping[str, Any]) -> Iterator[At]:
    yield At(_account(record, "DepositToAccountRef"), _amount(record.get("TotalAmt")))
    for row in record.get("Line") or ():
        otherwise = UNDEPOSITED if row.get("LinkedTxn") else ""
        at = _account(row, "DepositLineDetail.AccountRef", otherwise)
        yield At(at, -_amount(row.get("Amount")), str(row.get("Description") or ""))
    back = record.get("CashBack") or {}
    yield At(_account(back, "AccountRef"), _amount(back.get("Amount")), "Cash back")


def _transfer(record: Mapping[str, Any]) -> Iterator[At]:
    amount = _amount(record.get("Amount"))
    yield At(_account(record, "ToAccountRef"), amount)
    yield At(_account(record, "FromAccountRef"), -amount)


def _journal_entry(record: Mapping[str, Any]) -> Iterator[At]:
    for row in record.get("Line") or ():
        detail = row.get("JournalEntryLineDetail")
        if detail:
            sign = -1 if detail.get("PostingType") == "Credit" else 1
            yield At(_account(detail, "AccountRef"), sign * _amount(row.get("Amount")),
                     str(row.get("Description") or ""))  # fmt: skip


_JOURNALS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[At]]] = {
    "Invoice": _money(f"|{RECEIVABLE}", 1),
    "SalesReceipt": _money(f"DepositToAccountRef|{UNDEPOSITED}", 1),
    "RefundReceipt": _money(f"DepositToAccountRef|{UNDEPOSITED}", -1),
    "CreditMemo": _money(f"|{RECEIVABLE}", -1),
    "Bill": _money(f"APAccountRef|{PAYABLE}", -1),
    "VendorCredit": _money(f"APAccountRef|{PAYABLE}", 1),
    "Purchase": _money("AccountRef", -1),
    "Payment": _payment,
    "BillPayment": _bill_payment,
    "Deposit": _deposit,
    "Transfer": _transfer,
    "JournalEntry": _journal_entry,
}


# ── read by the comparison ──────────────────────────────────────────────────────────────────────────


def stands(kind: str, record: Mapping[str, Any]) -> Standing:
    """What an answer to a request of ours says of one document."""
    return posted.pick(plain(kind, record))


PER_QUERY = 50


def ask(ids: Sequence[str]) -> Read:
    """One request for documents by their ids."""
    queries = [{"bId": mark, "Query": text} for mark, text in _queries(ids).items()]
    return Read(f"{COMPANY}/batch", {"BatchItemRequest": queries}, method="POST", body="json", bucket="batch")


def _queries(ids: Sequence[str]) -> dict[str, str]:
    """By its mark in the batch, a query an entity and fifty of it."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for one in ids:
        kind, _, identity = one.partition(":")
        by_kind[kind].append(identity)
    return {
        f"{kind}-{start}": _by_ids(kind, own[start : start + PER_QUERY])
        for kind, own in by_kind.items()
        for start in range(0, len(own), PER_QUERY)
    }


def _by_ids(kind: str, ids: Sequence[str]) -> str:
    quoted = ", ".join(f"'{one}'" for one in ids)
    return f"select * from {kind} where Id in ({quoted}) maxresults 1000"


def found(answer: Any, ids: Sequence[str]) -> list[Record]:
    """Records of the answer to `ask`, as the stream would give them. Raises TransientError where a part of it
    was not answered: what is not among them would be taken for deleted."""
    items = dig(answer, "BatchItemResponse") or ()
    lists = {str(item.get("bId")): dig(item, "QueryResponse") for item in items}
    if any(not isinstance(lists.get(mark), dict) for mark in _queries(ids)):
        raise TransientError("QuickBooks Online did not answer all that it was asked for.")
    return [
        {**row, "_list": f"QueryResponse.{name}"}
        for each in lists.values()
        for name in each
        if name in KINDS
        for row in each[name]
    ]


def gone(identity: str) -> Record:
    """As its feed of changes tells of what was deleted."""
    kind, _, number = identity.partition(":")
    return {"domain": "QBO", "status": "Deleted", "Id": number, "_list": f"QueryResponse.{kind}"}


# ── what other people's become here ─────────────────────────────────────────────────────────────────

OUTPUTS = posted.outputs(
    bill="Bill",
    bill_payment="BillPayment",
    others=tuple(kind for kind in KINDS if kind not in ("Bill", "BillPayment")),
)
QUERIES = tuple(
    f"select * from {kind} where MetaData.LastUpdatedTime >= '{{start}}' orderby MetaData.LastUpdatedTime"
    " startposition {position} maxresults {size}"
    for kind in KINDS
)
STREAM = Stream(
    key="books",
    label="What stands there",
    read=Read(
        f"{COMPANY}/query",
        records=tuple(f"QueryResponse.{kind}" for kind in KINDS),
        paginator=InQuery(QUERIES, size=500),
        sparse=True,
    ),
    incremental=Incremental(
        "MetaData.LastUpdatedTime", "", overlap=DAY, window=Window("", days=4000, history=3 * 365)
    ),
    shape=shape,
    updated="changed_at",
    outputs=OUTPUTS,
    schedule_minutes=0,
    help="Compared with what we delivered; what people posted there can be brought into our books",
)
BOOKS = Books(stream=STREAM, pick=posted.pick, ask=ask, found=found, gone=gone, at_once=750)

"""The document kinds: which fields each has, their types and bounds, and whether a draft is sound."""

from __future__ import annotations

import datetime as dt

from ledgerhub.core.errors import FieldError
from ledgerhub.ledger.fields import Draft, Field, FieldType, Kind, Section, check_values, plan
from ledgerhub.ledger.sums import check_sums

__all__ = ["KINDS", "Draft", "Field", "FieldType", "Kind", "Section", "validate"]

DUE_DAYS_AHEAD = 400  # terms of a year are given; a wrong year still shows
PAYOUT_DAYS_AHEAD = 60
ENTRY_DAYS_AHEAD = 60  # a payroll is processed before it is paid


def _id(label: str = "Id at the source") -> Field:
    return Field("external_id", "text", label, required=True, longest=120)


NUMBER = Field("number", "text", "Number", help="As people quote it: INV-1042, #1001", longest=120)
DATE = Field("date", "date", "Date", required=True, help="Business date in the organization's time zone")
DUE = Field("due_date", "date", "Due date", days_ahead=DUE_DAYS_AHEAD)
OCCURRED = Field("occurred_at", "instant", "Exact instant at the source")
CURRENCY = Field("currency", "currency", "Currency", required=True)
TOTAL = Field("total", "money", "Total", required=True)
TAX = Field("tax", "money", "Tax", help="As the source charged it; never recomputed")
# Of a payment that is the sale itself: what of it is not sales.
OF_A_SALE = (
    Field("tax", "money", "Tax in it", minimum=0, help="As the source charged it; never recomputed"),
    Field("tips", "money", "Tips in it", minimum=0),
    Field("gift_cards", "money", "Gift cards sold", minimum=0),
)
REFERENCE = Field(
    "reference", "text", "Reference", help="What the bank or the customer will quote", longest=240
)
GATEWAY = Field(
    "gateway", "text", "Gateway", required=True, help="Which processor holds the money", longest=60
)
MEMO = Field("memo", "text", "Memo")
SETTLEMENT = (
    Field("settlement_currency", "currency", "Settled in", help="Currency the processor credited"),
    Field("settlement_total", "money", "Settled amount", minimum=0, currency_field="settlement_currency"),
)

_PERSON = (
    Field("external_id", "text", "Id at the source", longest=120),
    Field("name", "text", "Name", longest=200),
    Field("email", "text", "E-mail", longest=254),
    Field("phone", "text", "Phone", longest=60),
    Field("tax_number", "text", "Tax number", longest=60),
    Field("country", "text", "Country", longest=60),
)
CUSTOMER = Section("customer", "Customer", many=False, fields=_PERSON)
SUPPLIER = Section("supplier", "Supplier", many=False, fields=_PERSON)

LINE_KINDS = ("product", "gift_card", "shipping", "fee", "marketplace_tax")
_LINE = (
    Field("external_id", "text", "Id at the source", longest=120),
    Field("description", "text", "Description", required=True),
    Field("sku", "text", "SKU", longest=120),
    Field("quantity", "decimal", "Quantity", minimum=0),
    Field("unit_price", "decimal", "Unit price"),
    Field("amount", "money", "Amount", help="Quantity times unit price, before discount"),
    Field("discount", "money", "Discount"),
    Field("tax", "money", "Tax"),
    Field("line_kind", "choice", "Kind of line", choices=LINE_KINDS),
    Field("account", "account", "Account", help="Only where the default of the kind is not right"),
)
LINES = Section("lines", "Lines", many=True, fields=_LINE)
TENDERS = Section(
    "tenders",
    "Payments received",
    many=True,
    fields=(
        _id(),
        Field("gateway", "text", "Gateway", required=True, longest=60),
        Field("amount", "money", "Amount", required=True),
        Field("date", "date", "Date", required=True),
        Field("reference", "text", "Reference"),
    ),
)
ITEMS = Section(
    "items",
    "Payout items",
    many=True,
    fields=(
        _id(),
        Field("category", "text", "Category", required=True, longest=60),
        Field("source", "text", "Charge, refund or dispute it belongs to", longest=120),
        Field("description", "text", "Description"),
        Field("amount", "money", "Gross", required=True),
        Field("fee", "money", "Fee"),
        Field("net", "money", "Net", required=True),
        Field("date", "date", "Date"),
    ),
)
ENTRY_LINES = Section(
    "lines",
    "Lines",
    many=True,
    fields=(
        Field("account", "account", "Account", required=True),
        Field("amount", "money", "Amount", required=True, help="Debit positive, credit negative"),
        Field("description", "text", "Description"),
    ),
)
CODED_LINES = Section(
    "lines",
    "Coded to",
    many=True,
    fields=(
        Field("account", "account", "Account", required=True),
        Field("amount", "money", "Amount", required=True, help="Part of the bank amount, same sign"),
        Field("description", "text", "Description"),
    ),
)

KINDS: dict[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind(
            "contact",
            "Contact",
            (
                _id(),
                Field("name", "text", "Name", required=True),
                *_PERSON[2:],
                Field("role", "choice", "Role", choices=("customer", "supplier", "both")),
                Field(
                    "merged",
                    "text",
                    "Merged",
                    help="Ids it took over at the source, blanks between",
                ),
                Field(
                    "merged_into",
                    "text",
                    "Merged into",
                    help="Id of the one it was merged into at the source; only the id is taken over then",
                ),
            ),
            posts=False,
            describes="A customer or supplier",
        ),
        Kind(
            "item",
            "Item",
            (
                _id(),
                Field("sku", "text", "SKU", longest=120),
                Field("name", "text", "Name", required=True),
                Field("price", "decimal", "Price"),
                Field("cost", "decimal", "Cost"),
                Field("currency", "currency", "Currency"),
            ),
            posts=False,
            describes="Something sold or bought",
        ),
        Kind(
            "invoice",
            "Invoice",
            (
                _id(),
                NUMBER,
                DATE,
                DUE,
                OCCURRED,
                CURRENCY,
                Field(
                    "status",
                    "choice",
                    "Status",
                    required=True,
                    choices=("draft", "open", "paid", "void"),
                    help="Draft and void invoices post nothing",
                ),
                Field("total", "money", "Total", required=True, minimum=0),
                Field("discount", "money", "Discounts", minimum=0),
                Field(
                    "shipping",
                    "money",
                    "Shipping",
                    minimum=0,
                    help="As charged, with tax if prices include it",
                ),
                Field("tax", "money", "Tax", minimum=0, help="All tax, as the source charged it"),
                Field(
                    "shipping_tax",
                    "money",
                    "Tax on shipping",
                    minimum=0,
                    help="The part of the tax on shipping",
                ),
                Field("tips", "money", "Tips", minimum=0),
                Field("taxes_included", "boolean", "Prices include tax"),
                REFERENCE,
                MEMO,
            ),
            (CUSTOMER, LINES, TENDERS),
            describes="A sale: an order or an invoice, paid or not",
        ),
        Kind(
            "credit_note",
            "Credit note",
            (
                _id(),
                NUMBER,
                DATE,
                CURRENCY,
                Field("total", "money", "Total", required=True, minimum=0),
                Field("tax", "money", "Tax", minimum=0),
                Field("shipping", "money", "Shipping credited, without tax", minimum=0),
                Field("invoice", "text", "Invoice it credits"),
                MEMO,
            ),
            (CUSTOMER, LINES),
            describes="A sale taken back without paying money out",
        ),
        Kind(
            "payment",
            "Payment",
            (
                _id(),
                NUMBER,
                DATE,
                OCCURRED,
                CURRENCY,
                Field("total", "money", "Amount", required=True, minimum=0),
                *OF_A_SALE,
                *SETTLEMENT,
                GATEWAY,
                Field("status", "choice", "Status", choices=("pending", "succeeded", "failed")),
                Field(
                    "settles",
                    "choice",
                    "Counts as",
                    choices=("receivable", "sales", "deposits", "nothing"),
                    help="Pays an invoice, is the sale, is a deposit, or is booked by another integration",
                ),
                Field("invoice", "text", "Invoice it pays"),
                REFERENCE,
                MEMO,
            ),
            (CUSTOMER,),
            describes="Money a customer paid",
        ),
        Kind(
            "refund",
            "Refund",
            (
                _id(),
                NUMBER,
                DATE,
                OCCURRED,
                CURRENCY,
                Field("total", "money", "Amount", required=True, minimum=0),
                *SETTLEMENT,
                Field("tax", "money", "Tax given back", minimum=0),
                Field("shipping", "money", "Shipping given back, without tax", minimum=0),
                Field("tips", "money", "Tips given back", minimum=0),
                Field("gateway", "text", "Gateway", help="Needed where no tenders are listed", longest=60),
                Field("status", "choice", "Status", choices=("pending", "succeeded", "failed")),
                Field(
                    "settles", "choice", "Counts as", choices=("receivable", "sales", "deposits", "nothing")
                ),
                Field("invoice", "text", "Invoice it belongs to"),
                REFERENCE,
                MEMO,
            ),
            (CUSTOMER, LINES, TENDERS),
            describes="Money given back to a customer",
        ),
        Kind(
            "fee",
            "Fee",
            (
                _id(),
                NUMBER,
                DATE,
                OCCURRED,
                CURRENCY,
                Field("total", "money", "Amount", required=True, help="Negative when a fee is given back"),
                GATEWAY,
                Field("category", "text", "Category"),
                Field("source", "text", "Charge it belongs to"),
                MEMO,
            ),
            describes="What a processor kept",
        ),
        Kind(
            "dispute",
            "Dispute",
            (
                _id(),
                DATE,
                OCCURRED,
                CURRENCY,
                Field("total", "money", "Amount withdrawn", required=True, minimum=0),
                Field("fee", "money", "Dispute fee", minimum=0),
                GATEWAY,
                Field(
                    "status", "choice", "Status", required=True, choices=("inquiry", "open", "won", "lost")
                ),
                Field("closed_date", "date", "Closed on"),
                Field("returned", "money", "Amount returned when won", minimum=0),
                Field("fee_returned", "money", "Fee returned when won", minimum=0),
                Field("source", "text", "Charge it belongs to"),
                MEMO,
            ),
            describes="A chargeback",
        ),
        Kind(
            "payout",
            "Payout",
            (
                _id(),
                NUMBER,
                Field("date", "date", "Date", required=True, help=DATE.help, days_ahead=PAYOUT_DAYS_AHEAD),
                OCCURRED,
                CURRENCY,
                Field(
                    "total",
                    "money",
                    "Amount",
                    required=True,
                    help="Negative when the processor takes money back",
                ),
                GATEWAY,
                Field(
                    "status",
                    "choice",
                    "Status",
                    required=True,
                    choices=("pending", "in_transit", "paid", "failed", "canceled"),
                ),
                Field("failed_date", "date", "Failed on"),
                Field("bank_account", "account", "Bank account"),
                Field("itemized", "boolean", "Items are complete", help="No for manual payouts"),
                REFERENCE,
                MEMO,
            ),
            (ITEMS,),
            describes="Money a processor sent to the bank, with what it is made of",
        ),
        Kind(
            "bill",
            "Bill",
            (
                _id(),
                NUMBER,
                DATE,
                DUE,
                CURRENCY,
                Field("status", "choice", "Status", choices=("draft", "open", "paid", "void")),
                Field("total", "money", "Total", required=True, minimum=0),
                Field("tax", "money", "Tax", minimum=0),
                REFERENCE,
                MEMO,
            ),
            (SUPPLIER, LINES),
            describes="What a supplier charges",
        ),
        Kind(
            "bill_payment",
            "Bill payment",
            (
                _id(),
                NUMBER,
                DATE,
                CURRENCY,
                Field("total", "money", "Amount", required=True, minimum=0),
                Field("bill", "text", "Bill it pays"),
                Field("bank_account", "account", "Bank account"),
                REFERENCE,
                MEMO,
            ),
            (SUPPLIER,),
            describes="Money paid to a supplier",
        ),
        Kind(
            "journal_entry",
            "Journal entry",
            (
                _id(),
                NUMBER,
                Field("date", "date", "Date", required=True, help=DATE.help, days_ahead=ENTRY_DAYS_AHEAD),
                CURRENCY,
                MEMO,
            ),
            (ENTRY_LINES,),
            describes="A manual entry: lines that sum to zero",
        ),
        Kind(
            "bank_transaction",
            "Bank transaction",
            (
                _id(),
                DATE,
                OCCURRED,
                CURRENCY,
                Field(
                    "total", "money", "Amount", required=True, help="Money in positive, money out negative"
                ),
                Field("description", "text", "Text"),
                Field("counterparty", "text", "Payer or payee"),
                REFERENCE,
                Field("balance", "money", "Balance after"),
                Field("pending", "boolean", "Pending"),
                Field(
                    "pending_id",
                    "text",
                    "Id of its pending line",
                    help="The pending line that this one books; both become one line",
                ),
                Field("bank_account", "account", "Bank account"),
                MEMO,
            ),
            (CODED_LINES,),
            describes="A line of a bank statement; posts only once it is coded to accounts",
        ),
        Kind(
            "bank_removal",
            "Removed bank line",
            (_id(), Field("bank_account", "account", "Bank account")),
            posts=False,
            describes="A line the bank takes back: it names it, and says no more of it",
        ),
        Kind(
            "bank_balance",
            "Bank balance",
            (
                _id(),
                DATE,
                CURRENCY,
                Field(
                    "total", "money", "Balance", required=True, help="What is owed to the bank is negative"
                ),
                Field("bank_account", "account", "Bank account"),
            ),
            posts=False,
            describes="What a bank says an account holds at the end of a day; bounds its lines",
        ),
    )
}

_PLANS = {key: plan(kind) for key, kind in KINDS.items()}


def validate(draft: Draft, *, today: dt.date) -> list[FieldError]:
    """Everything wrong with a draft, in words; [] when it may be posted.

    Fields first (required, type, range, choices, currency); the kind's sums only when all fields pass.
    `today` is the business date in the organization's time zone.
    """
    kind = _PLANS.get(draft.get("kind", ""))
    if kind is None:
        return [FieldError("kind", "", f"'{draft.get('kind', '')}' is not a kind of document we know")]
    return check_values(draft, kind, today=today) or check_sums(draft)

"""Amazon's settlement reports: the payout of two weeks with its items, the reserve held and released.

The report is a table whose first row has the totals. Marks of decimals and the order of days follow the
marketplace's country, so they are read off the whole table; where it leaves them open nothing is guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from integrations.connectors.amazon.money import GATEWAY, other_key, refund_key, shipment_key
from integrations.paging import BodyToken
from integrations.records import Record
from integrations.rules import Output, Step, rule, step
from integrations.spec import Children, Incremental, Read, Stream

TYPE = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
RESERVES = ("Current Reserve Amount", "Previous Reserve Amount Balance")
REFUNDS = ("Refund", "Chargeback Refund", "A-to-z Guarantee Refund")
# On rows of fees the order's column may hold something else; only what looks like an order is one.
ORDER = re.compile(r"\d{3}-\d{7}-\d{7}")
PAID_BY_BUYER = ("ItemPrice", "Promotion")
DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[ T](\d{2}:\d{2}:\d{2}))?.*")


class Unreadable(Exception):
    """The table leaves open how it is to be read; the words say what."""


def shape_settlement(report: Record) -> Record:
    """The settlement of a report in plain terms; `standing` says why it cannot be booked."""
    rows = report.get("rows")
    table = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    head, body = (table[0], table[1:]) if table else ({}, [])
    number = head.get("settlement-id")
    plain: Record = {
        **report,
        "rows": None,
        "id": number,
        "currency": head.get("currency"),
        "standing": "paid",
    }
    try:
        return plain | _read(str(number), head, body) if number else plain
    except Unreadable as error:
        return plain | {"standing": str(error), "deposit": report.get("createdTime"), "total": "0"}


def _read(number: str, head: Mapping[str, str], body: Sequence[Mapping[str, str]]) -> Record:
    point = _point([head.get("total-amount", ""), *(row.get("amount", "") for row in body)])
    stamps = {
        name: head.get(name, "") for name in ("settlement-start-date", "settlement-end-date", "deposit-date")
    }
    order = _order([*stamps.values(), *map(_posted, body)], head.get("currency", ""))
    sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    days: dict[tuple[str, str, str], dt.datetime] = {}
    for row in body:
        at = _moment(_posted(row), order)
        item = _item(row, at)
        sums[item] += _amount(row.get("amount", ""), point)
        days[item] = max(at, days.get(item, at))
    items = [
        {
            "id": f"{number}:{name}",
            "category": category,
            "source": source,
            "text": name,
            "amount": f"{value:f}",
            "turned": f"{-value:f}",
            "at": days[category, source, name].isoformat(),
        }
        for (category, source, name), value in sums.items()
    ]
    return {
        "period": " to ".join(
            f"{_moment(stamps[f'settlement-{name}-date'], order):%Y-%m-%d}" for name in ("start", "end")
        ),
        "deposit": _moment(stamps["deposit-date"], order).isoformat(),
        "total": f"{_amount(head.get('total-amount', ''), point):f}",
        "items": items,
        "reserves": [item for item in items if item["category"] == "reserve"],
    }


def _item(row: Mapping[str, str], at: dt.datetime) -> tuple[str, str, str]:
    """(category, what it belongs to, its name) of the payout's item that a row is part of."""
    kind, number, text = (
        row.get("transaction-type", ""),
        row.get("order-id", ""),
        row.get("amount-description", ""),
    )
    if text in RESERVES:
        return "reserve", "", text
    if kind == "Order" and ORDER.fullmatch(number):
        if row.get("amount-type") in PAID_BY_BUYER:
            return "charge", number, number
        return "fee", shipment_key(number), shipment_key(number)
    if kind in REFUNDS and ORDER.fullmatch(number):
        return "refund", refund_key(number), refund_key(number)
    return "other", other_key(at), other_key(at)


def _posted(row: Mapping[str, str]) -> str:
    return row.get("posted-date-time") or row.get("posted-date", "")


def _point(texts: Iterable[str]) -> str:
    """The mark before the decimals in these amounts; "" where none has any. Raises Unreadable."""
    marks = {found[1] for text in texts if (found := re.search(r"([.,])\d{1,2}$", text))}
    if len(marks) > 1:
        raise Unreadable("amounts with points and with commas before the decimals")
    return marks.pop() if marks else ""


def _amount(text: str, point: str) -> Decimal:
    plain = re.sub(r"[\s'\u00a0\u202f]", "", text)
    plain = (
        plain.replace("," if point == "." else ".", "") if point else plain.replace(",", "").replace(".", "")
    )
    if not re.fullmatch(r"-?\d+(?:[.,]\d+)?", plain):
        raise Unreadable(f"the amount '{text}'")
    return Decimal(plain.replace(",", "."))


def _order(texts: Iterable[str], currency: str) -> str:
    """ymd, dmy or mdy: how the days of these dates are written. Raises Unreadable."""
    found = [match for text in texts if (match := DATE.fullmatch(text))]
    if all(len(match[1]) == 4 for match in found):
        return "ymd"
    if any(match[2] == "." for match in found) or any(int(match[1]) > 12 for match in found):
        return "dmy"
    if any(int(match[3]) > 12 for match in found) or currency == "USD":
        return "mdy"
    raise Unreadable("days that could be months")


def _moment(text: str, order: str) -> dt.datetime:
    """The reports give UTC; a day without a time is its noon, the same day almost everywhere."""
    match = DATE.fullmatch(text)
    if not match:
        raise Unreadable(f"the date '{text}'")
    parts = dict(zip(order, (match[1], match[3], match[4]), strict=True))
    try:
        day = dt.date(int(parts["y"]), int(parts["m"]), int(parts["d"]))
    except ValueError:
        raise Unreadable(f"the date '{text}'") from None
    return dt.datetime.combine(day, dt.time.fromisoformat(match[5] or "12:00:00"), dt.UTC)


def is_ready(report: Record) -> bool:
    return bool(report.get("reportDocumentId"))


PAYOUT = Output(
    key="payout",
    kind="payout",
    rules=(
        rule("payout.external_id", "id"),
        rule("payout.number", "id"),
        rule("payout.date", "deposit", "iso_date"),
        rule("payout.occurred_at", "deposit", "iso_instant"),
        rule("payout.currency", "currency"),
        rule("payout.total", "total"),
        rule("payout.gateway", "", step("constant", value=GATEWAY)),
        rule("payout.status", "standing", step("map_values", values={"paid": "paid"})),
        rule("payout.bank_account", "", Step("setting", {"name": "bank_account"})),
        rule("payout.itemized", "", step("constant", value=True)),
        rule("payout.reference", "id"),
        rule("payout.memo", "period"),
        rule("items[].external_id", "items[].id"),
        rule("items[].category", "items[].category"),
        rule("items[].source", "items[].source"),
        rule("items[].description", "items[].text"),
        rule("items[].amount", "items[].amount"),
        rule("items[].net", "items[].amount"),
        rule("items[].date", "items[].at", "iso_date"),
    ),
)
RESERVE = Output(
    key="reserve",
    kind="fee",
    each="reserves[]",
    rules=(
        rule("fee.external_id", "id"),
        rule("fee.number", "text"),
        rule("fee.date", "at", "iso_date"),
        rule("fee.occurred_at", "at", "iso_instant"),
        rule("fee.currency", "^currency"),
        rule("fee.total", "turned"),
        rule("fee.gateway", "", step("constant", value=GATEWAY)),
        rule("fee.category", "", step("constant", value="reserve")),
        rule("fee.source", "^id"),
        rule("fee.memo", "text"),
    ),
)

SETTLEMENTS = Stream(
    key="settlements",
    label="Settlements",
    read=Read(
        "/reports/2021-06-30/reports",
        # One a page: there is one call a minute for the tables, so each that was fetched is kept at once.
        {"reportTypes": TYPE, "processingStatuses": "DONE", "pageSize": "1"},
        records="reports",
        paginator=BodyToken("nextToken", "nextToken", alone=True),
        bucket="reports",
    ),
    # They cannot be asked for, only listed, and are kept for 90 days.
    incremental=Incremental("createdTime", "createdSince", overlap=86_400, history=90),
    children=(
        Children(
            "rows",
            Read(
                "{url}",
                records="rows",
                decode="tsv",
                public=True,
                hosts=("*.amazonaws.com", "*.cloudfront.net"),
                headers={"Accept": "*/*"},
            ),
            when=is_ready,
            values=lambda report: {"document": str(report["reportDocumentId"])},
            first=Read("/reports/2021-06-30/documents/{document}", bucket="documents"),
        ),
    ),
    shape=shape_settlement,
    outputs=(PAYOUT, RESERVE),
    schedule_minutes=360,
    depends_on=("orders", "finances"),
    help="Amazon closes a settlement about every two weeks",
)

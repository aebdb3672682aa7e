"""WooCommerce (source): orders as sales with their refunds, and customers, of a shop on its owner's server.

Whether money came in says `date_paid`, not the status: "cancelled/paid" waits for a person. Lines never hold
tax, the prices typed in may: then it is put back, since those are the exact amounts. They are asked for with
six decimals and rounded together; the total wins. A refund's amount is positive, its lines are negative; one
from before anything was paid takes off the bill. Times in UTC do not say so. What a gateway keeps is booked
by its own integration, never from the meta data of orders.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Any

from integrations.messages import Event, Message, Trust, Webhook, WebhookRefused, is_signed, parsed_object
from integrations.paging import Offset
from integrations.records import Record, dig
from integrations.rules import Condition, Output, Rule, facts, known, rule, same, step
from integrations.spec import (
    Basic,
    Children,
    Connector,
    Each,
    Headers,
    Incremental,
    Read,
    Said,
    Setting,
    Stream,
    Test,
    signing_secret,
)
from ledgerhub.core.money import rounded_together

API, PAGES = "/wp-json/wc/v3", Offset("offset", 100, "per_page")
PLACE = "Check the address, and that Settings > Permalinks is not set to Plain."
# By whether prices hold tax, what is exact: of a line before discount, of what was sold, of the shipping.
EXACT = {
    False: (["subtotal"], ["total"], ["shipping_total"]),
    True: (["subtotal", "subtotal_tax"], ["total", "total_tax"], ["shipping_total", "shipping_tax"]),
}
# Who holds the money, by how the method's name begins: a processor's own integration books fees and payouts
# there; what is paid by hand is matched with the bank's lines.
GATEWAYS = {"stripe": "stripe", "paypal": "paypal", "ppcp": "paypal", "ppec": "paypal", "square": "square"}
GATEWAYS |= {"bacs": "bank_transfer", "cod": "cash_on_delivery"}
STATUSES = known(
    draft="pending/unpaid on-hold/unpaid checkout-draft/unpaid auto-draft/unpaid",
    void="cancelled/unpaid failed/unpaid trash/unpaid deleted/unpaid",
    open="processing/unpaid completed/unpaid",
    paid="processing/paid completed/paid on-hold/paid processing/refunded completed/refunded "
    "on-hold/refunded refunded/refunded cancelled/refunded failed/refunded trash/refunded deleted/refunded",
)
NOT_SOLD = [word for word, status in STATUSES.params["values"].items() if status in ("draft", "void")]


def exact(rows: Any, *names: str) -> Decimal:
    """What rows say under these names, added up; raises where one is no number: then nothing is booked."""
    return sum((Decimal(str(row[name])) for row in rows or () for name in names), Decimal(0))


def rounded(currency: str, **amounts: Decimal) -> Record:
    return {name: rounded_together([amount], currency)[0] for name, amount in amounts.items()}


def lines_of(record: Record, currency: str, goods: list[str], fees: list[str], sign: int = 1) -> list[Record]:
    """Items and fees, the amount of each the sum of what stands under these names."""
    rows = [(row, "product", goods) for row in record.get("line_items") or ()]
    rows += [(row, "fee", fees) for row in record.get("fee_lines") or ()]
    amounts = rounded_together([sign * exact([row], *names) for row, _, names in rows], currency)
    return [
        {
            "external_id": row.get("id"),
            "description": row.get("name"),
            "sku": row.get("sku"),
            "quantity": abs(row.get("quantity", 1)),
            "line_kind": kind,
            "amount": amount,
            **rounded(currency, tax=sign * exact([row], "total_tax")),
        }
        for (row, kind, _), amount in zip(rows, amounts, strict=True)
    ]


def utc(row: Record, name: str) -> str:
    return f"{row[name]}Z" if row.get(name) else ""


def person(record: Record, known_as: Any) -> Record:
    """Who stands under `billing`, where the record itself says no more."""
    said = {**(record.get("billing") or {}), **{name: value for name, value in record.items() if value}}
    names = " ".join(filter(None, (said.get("first_name"), said.get("last_name"))))
    name = names or said.get("company") or said.get("email")
    return {**said, "external_id": known_as or None, "name": name}


def shape_refund(refund: Record, currency: str, paid: str) -> Record:
    date, shipping = utc(refund, "date_created_gmt"), refund.get("shipping_lines") or []
    taxed = [*(refund.get("line_items") or ()), *(refund.get("fee_lines") or ()), *shipping]
    return {
        **refund,
        **rounded(currency, tax=-exact(taxed, "total_tax"), shipping=-exact(shipping, "total")),
        "date": date,
        "total": abs(exact([refund], "amount" if "amount" in refund else "total")),
        "is_credit": not paid or "" < date < paid,
        "lines": lines_of(refund, currency, ["total"], ["total"], -1),
    }


def shape_order(order: Record) -> Record:
    """Adds `sale`, `customer`, `lines`, `payments`, `standing`, and whole `refunds`: lists only name them."""
    currency, paid, total = str(order.get("currency")), utc(order, "date_paid_gmt"), exact([order], "total")
    with_tax, items = order.get("prices_include_tax") is True, order.get("line_items")
    before, after, sent = EXACT[with_tax]
    told = order.get("refunded") or order.get("refunds") or ()
    refunds = [shape_refund(one, currency, paid) for one in told]
    received = total - exact([one for one in refunds if one["is_credit"]], "total")
    money = "refunded" if exact(refunds, "total") >= total > 0 else "paid" if paid else "unpaid"
    standing, method = f"{order.get('status')}/{money}", str(order.get("payment_method") or "manual")
    gateway = next((name for begins, name in GATEWAYS.items() if method.startswith(begins)), method)
    # By the processor's id of it, which the items of its payouts name.
    payment = {"external_id": order.get("transaction_id") or order.get("id"), "gateway": gateway}
    sums = {
        "discount": exact(items, *before) - exact(items, *after),
        "shipping": exact([order], *sent),
        "tax": exact([order], "total_tax"),
        "shipping_tax": exact([order], "shipping_tax"),
    }
    return {
        **order,
        "date": utc(order, "date_created_gmt"),
        "sale": {"taxes_included": with_tax, **rounded(currency, **sums)},
        "standing": standing,
        "gateway": gateway,
        "customer": person({"billing": order.get("billing")}, order.get("customer_id")),
        "lines": lines_of(order, currency, before, after),
        "payments": [{**payment, "amount": received, "date": paid}] if paid and received > 0 else [],
        "refunds": [] if standing in NOT_SOLD else refunds,
    }


PERSON = "external_id name email phone country"
LINES = "external_id description sku quantity amount tax line_kind"
INVOICE = Output(
    key="invoice",
    kind="invoice",
    rules=(
        *facts("invoice", "", total="total", at="date"),
        *same("invoice", "sale", "discount shipping tax shipping_tax taxes_included"),
        rule("invoice.status", "standing", STATUSES),
        rule("invoice.number", "number"),
        rule("invoice.reference", "number"),
        *same("customer", "customer", PERSON),
        *same("lines[]", "lines[]", LINES),
        *same("tenders[]", "payments[]", "external_id gateway amount date"),
    ),
)


def taken_back(kind: str, *more: Rule, is_credit: bool) -> Output:
    """What each of `refunds` becomes: money given back, or something taken off the bill."""
    rules = (
        rule(f"{kind}.external_id", "id"),
        *same(kind, "^", "number currency"),
        rule(f"{kind}.invoice", "^id"),
        rule(f"{kind}.memo", "reason"),
        *same(kind, "", "date total tax shipping"),
        *same("customer", "^customer", "external_id name email"),
        *same("lines[]", "lines[]", LINES),
        *more,
    )
    return Output(kind, kind, rules, "refunds[]", (Condition("is_credit", "equals", (is_credit,)),))


REFUND = taken_back(
    "refund",
    *same("refund", "^", "gateway"),
    rule("refund.settles", "", step("constant", value="sales")),
    is_credit=False,
)
CREDIT_NOTE = taken_back("credit_note", is_credit=True)
ORDERS = Stream(
    key="orders",
    label="Orders",
    help="With lines, taxes, discounts, shipping, fees, payments and refunds; those in the trash, too",
    read=Read(
        f"{API}/orders",
        {"status": "{status}", "dp": "6", "orderby": "id", "order": "asc", "dates_are_gmt": "true"},
        paginator=PAGES,
    ),
    each=Each("status", values=("any", "trash")),  # "any" leaves out the trash
    one=Read(f"{API}/orders/{{id}}", {"dp": "6"}),
    children=(
        Children(
            "refunded",
            Read(f"{API}/orders/{{id}}/refunds", {"dp": "6"}, paginator=PAGES),
            when=lambda order: bool(order.get("refunds")),
        ),
    ),
    updated="date_modified_gmt",
    incremental=Incremental("date_modified_gmt", "modified_after", "bare"),
    shape=shape_order,
    gone=lambda order: {**order, "status": "deleted"},
    schedule_minutes=15,
    depends_on=("customers",),
    outputs=(INVOICE, REFUND, CREDIT_NOTE),
)
CUSTOMERS = Stream(
    key="customers",
    label="Customers",
    help="Registered ones; guests come with their orders",
    read=Read(f"{API}/customers", {"orderby": "id", "order": "asc"}, paginator=PAGES),
    one=Read(f"{API}/customers/{{id}}"),
    shape=lambda customer: person(customer, customer.get("id")),
    schedule_minutes=1440,
    dated=False,
    outputs=(
        Output(
            key="contact",
            kind="contact",
            rules=(
                *same("contact", "", PERSON),
                rule("contact.role", "", step("constant", value="customer")),
            ),
        ),
    ),
)


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """Base64 HMAC of the raw body. Two messages of one second may share a delivery id, so their content tells
    them apart. The first of a new webhook says its number, and nothing else, without a signature."""
    if re.fullmatch(rb"webhook_id=\d+", message.body):
        return ()
    if not is_signed(message.body, trust.secrets, [message.headers.get("x-wc-webhook-signature", "")]):
        raise WebhookRefused("The signature is not that of a webhook with the secret that is stored.")
    topic, record = message.headers.get("x-wc-webhook-topic", ""), parsed_object(message.body).get("id")
    stream = {"order": "orders", "customer": "customers"}.get(topic.partition(".")[0], "") if record else ""
    content = hashlib.sha256(message.body).hexdigest()[:32]
    delivery = message.headers.get("x-wc-webhook-delivery-id", "")
    return (Event(f"{delivery}:{topic}:{content}", topic, stream, str(record or "")),)


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """Only WooCommerce can say that a record is gone: whatever else is not found there says nothing of it."""
    if status == 404 and (not isinstance(body, dict) or body.get("code") == "rest_no_route"):
        return Said(
            "config", f"there is no REST interface of WooCommerce at this address ({status}). {PLACE}"
        )
    return None


connector = Connector(
    key="woocommerce",
    label="WooCommerce",
    category="shop",
    summary="Orders with taxes, discounts, shipping, fees, payments and refunds, and customers.",
    base_url="https://{shop}",
    auth=Basic("key", "secret"),
    settings=(
        Setting(
            "shop",
            "Shop address",
            required=True,
            help="Where WordPress is installed, with its folder if it has one",
            pattern=r"[a-z0-9-]+(\.[a-z0-9-]+)+(/[\w-]+)*",
            pattern_help="it looks like shop.example.com, in small letters and without https://.",
        ),
        Setting(
            "key",
            "Consumer key",
            "secret",
            required=True,
            help="WooCommerce > Settings > Advanced > REST API: a key with permission to read",
            pattern=r"ck_\w+",
            pattern_help="a key begins with ck_.",
        ),
        Setting("secret", "Consumer secret", "secret", required=True),
        signing_secret("webhook_secret", "Webhook secret", "The same in all webhooks that call us"),
    ),
    streams=(CUSTOMERS, ORDERS),
    test=Test(
        Read(f"{API}/data/currencies/current"),
        lambda answer, settings: f"Connected to {settings['shop']}, sells in {dig(answer, 'code')}.",
    ),
    webhook=Webhook(
        verify,
        secret="webhook_secret",
        tolerance=0,
        setup="Save a secret here first. Then WooCommerce > Settings > Advanced > Webhooks: one each for "
        "orders created, updated, deleted and restored, customers created and updated, all with this secret.",
    ),
    understand=understand,
    advice={
        401: "Enter a key with permission to read, of an administrator or shop manager. Where it is, the "
        "shop's host takes the Authorization header off requests: ask its support.",
        403: "Let a shop manager make the key; a firewall of the shop may refuse us, too.",
    },
)

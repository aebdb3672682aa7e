"""Square (source): payments at the till and online, refunds, disputes, payouts; each cent in one document.

A payment is booked, its tip in it, to where the money went: Square's balance, till, gift card or elsewhere.
Tax and gift cards sold stand in its order alone; of several payments of an order the first one tells them.
What Square keeps is booked from the entries of payouts, each on its day: they alone tell all of it once.
"""

from __future__ import annotations

from typing import Any

from integrations.calls import owner_at
from integrations.messages import Event, Message, Trust, Webhook, WebhookRefused, is_signed, parsed_object
from integrations.paging import BodyToken
from integrations.records import Record, dig
from integrations.rules import Condition, Output, Rule, facts, known, rule, same, step
from integrations.spec import (
    Bearer,
    Children,
    Connector,
    Each,
    Incremental,
    Limits,
    Read,
    Setting,
    Settings,
    Stream,
    Test,
    bank_account,
    counts_as,
    signing_secret,
)

TOLD = ("customer", "payment", "refund", "dispute", "payout")
HOLDERS = known(
    square="CARD WALLET BANK_ACCOUNT BUY_NOW_PAY_LATER SQUARE_ACCOUNT",
    cash="CASH",
    gift_card="GIFT_CARD",
    external="EXTERNAL",
)
PAID = known(succeeded="COMPLETED", pending="APPROVED PENDING", failed="CANCELED FAILED REJECTED")
DISPUTED = known(
    inquiry="INQUIRY_EVIDENCE_REQUIRED INQUIRY_PROCESSING INQUIRY_CLOSED",
    open="EVIDENCE_REQUIRED PROCESSING",
    won="WON",
    lost="LOST ACCEPTED",
)
# Entries that payments, refunds, disputes and failed payouts explain: only their fee is left.
ELSEWHERE = ("CHARGE", "REFUND", "DISPUTE", "OPEN_DISPUTE", "RETURNED_PAYOUT")
# One that is not here (loans, payroll, savings, transfers, bitcoin) waits for a person.
KEPT_FOR = known(
    fee=(
        "processing FEE ADJUSTMENT OTHER_ADJUSTMENT FREE_PROCESSING PROCESSING_FEE PROCESSING_FEE_REFUND "
        "UNDO_PROCESSING_FEE_REFUND DEPOSIT_FEE DEPOSIT_FEE_REVERSED LOCAL_OFFERS_FEE SUBSCRIPTION_FEE "
        "SUBSCRIPTION_FEE_REFUND SUBSCRIPTION_FEE_PAID_REFUND PAID_SERVICE_FEE PAID_SERVICE_FEE_REFUND "
        "THIRD_PARTY_FEE THIRD_PARTY_FEE_REFUND GIFT_CARD_LOAD_FEE GIFT_CARD_LOAD_FEE_REFUND "
        "UNDO_GIFT_CARD_LOAD_FEE_REFUND"
    ),
    tax="TAX_ON_FEE",
    reserve="RESERVE_HOLD RESERVE_RELEASE HOLD_ADJUSTMENT RELEASE_ADJUSTMENT",
)


def cents(record: Record, name: str) -> int:
    return int(dig(record, f"{name}_money.amount") or 0)


def first(record: Record, name: str) -> Record:
    return next(iter(record.get(name) or ()), {})


def holder(kind: Any, paid: Record) -> Any:
    """Where the money went, by the kind of payment; Square calls its gift cards cards."""
    brand = dig(paid, "card_details.card.card_brand")
    return "GIFT_CARD" if (kind, brand) == ("CARD", "SQUARE_GIFT_CARD") else kind


def shape_customer(customer: Record) -> Record:
    person = " ".join(filter(None, (customer.get("given_name"), customer.get("family_name"))))
    names = (customer.get("company_name"), person, *map(customer.get, ("nickname", "email_address", "id")))
    return {**customer, "name": next(filter(None, names), None)}


def shape_payment(payment: Record) -> Record:
    order = first(payment, "order")
    told = order if first(order, "tenders").get("id") == payment.get("id") else {}
    cards = [line for line in told.get("line_items") or () if line.get("item_type") == "GIFT_CARD"]
    return {
        **payment,
        "made": dig(payment, "offline_payment_details.client_created_at") or payment.get("created_at"),
        "holder": holder(payment.get("source_type"), payment),
        "tax": cents(told, "net_amounts.tax" if told.get("returns") else "total_tax"),
        "tips": cents(payment, "tip"),
        "gift_cards": sum(cents(line, "total") for line in cards),
    }


def shape_refund(refund: Record) -> Record:
    """What of it is tax and tips is known where the refund is all of its return."""
    paid, back = first(refund, "payment"), first(refund, "order").get("return_amounts") or {}
    charged = "CARD" if refund.get("processing_fee") else None
    kind = refund.get("destination_type") or paid.get("source_type") or charged
    held = holder(kind, refund.get("destination_details") or paid)
    whole = back if cents(back, "total") == cents(refund, "amount") else {}
    return {**refund, "holder": held, "tax": cents(whole, "tax"), "tips": cents(whole, "tip")}


def shape_dispute(dispute: Record) -> Record:
    return {**dispute, "closed": dispute.get("updated_at") if dispute.get("state") == "WON" else None}


def shape_entry(entry: Record) -> Record:
    """What it moved, what of that was kept, and what for; net is gross less fee, whatever the fee's sign."""
    gross, net = (dig(entry, f"{name}_amount_money.amount") for name in ("gross", "net"))
    about: Record = next((value for name, value in entry.items() if name.startswith("type_")), {})
    names = [about.get(f"{name}_id") for name in ("refund", "dispute", "payment")]
    moved = {**entry, "net": net, "source": next(filter(None, names), None)}
    if entry["type"] in ELSEWHERE:
        return {**moved, "amount": gross, "fee": gross - net, "kept": gross - net, "kept_for": "processing"}
    return {**moved, "amount": net, "fee": 0, "kept": -net, "kept_for": entry["type"]}


def shape_payout(payout: Record) -> Record:
    """Into an account at Square it is no money at the bank: a person says what it is."""
    status, to, money = payout.get("status"), str(dig(payout, "destination.type")), payout["amount_money"]
    return {
        **payout,
        "standing": f"{status} to {to}" if to.startswith("SQUARE") else status,
        "currency": money.get("currency") or money.get("currency_code"),  # Square's examples say the latter
        "failed_at": payout.get("updated_at") if status == "FAILED" else None,
        "itemized": payout.get("type") != "SIMPLE",
        "items": [shape_entry(entry) for entry in payout.get("entries") or ()],
    }


def moved(kind: str, money: str, at: str = "created_at", gateway: str = "square") -> tuple[Rule, ...]:
    return facts(kind, gateway, "minor_units", total=f"{money}.amount", at=at, currency=f"{money}.currency")


def paid(kind: str, money: str, at: str = "created_at") -> tuple[Rule, ...]:
    """What payments and refunds say alike."""
    return (
        *moved(kind, money, at, gateway=""),
        *same(kind, "", "tax tips", "minor_units"),
        rule(f"{kind}.gateway", "holder", HOLDERS),
        rule(f"{kind}.status", "status", PAID),
        rule(f"{kind}.settles", "", step("setting", name="charges_count_as")),
    )


def lists(what: str, path: str = "", **asked: Any) -> Read:
    """Empty lists are left out of answers."""
    return Read(path or f"/v2/{what}", asked, what, BodyToken("cursor", "cursor"), sparse=True)


def part(name: str, read: Read, together: str = "") -> Children:
    """What a record names by its `<name>_id`."""
    key = f"{name}_id"
    return Children(
        name,
        read,
        when=lambda one: bool(one.get(key)),
        values=lambda one: {name: str(one[key])},
        together=together,
    )


def stream(what: str, rules: tuple[Rule, ...], *outputs: Output, kind: str = "", **more: Any) -> Stream:
    one = Read(f"/v2/{what}s/{{id}}", records=what)
    made = (Output(kind or what, kind or what, rules), *outputs)
    return Stream(f"{what}s", f"{what.title()}s", made, one=one, **more)


LOCATIONS = Each("location", Read("/v2/locations", records="locations"))
ORDER = part(
    "order",
    Read("/v2/orders/batch-retrieve", records="orders", method="POST", body="json", sparse=True),
    together="order_ids",
)
FIRST = "2009-01-01T00:00:00Z"  # unless told, lists begin a year ago
CHANGED: dict[str, Any] = {"limit": 50, "begin_time": FIRST, "sort_field": "UPDATED_AT", "sort_order": "ASC"}
SINCE = Incremental("updated_at", "updated_at_begin_time", overlap=3_600, backfill="begin_time")

CUSTOMERS = stream(
    "customer",
    (
        *same("contact", "", "external_id=id name email=email_address phone=phone_number"),
        rule("contact.country", "address.country"),
        rule("contact.role", "", step("constant", value="customer")),
    ),
    kind="contact",
    read=lists("customers", limit=100),
    shape=shape_customer,
    schedule_minutes=360,
    dated=False,
)
PAYMENTS = stream(
    "payment",
    (
        *paid("payment", "total_money", at="made"),
        *same("payment", "", "gift_cards", "minor_units"),
        *same("payment", "", "number=receipt_number reference=reference_id memo=note"),
        *same("customer", "", "external_id=customer_id email=buyer_email_address"),
    ),
    read=lists("payments", location_id="{location}", **CHANGED),
    each=LOCATIONS,
    children=(ORDER,),
    incremental=SINCE,
    shape=shape_payment,
    schedule_minutes=30,
)
REFUNDS = stream(
    "refund",
    (*paid("refund", "amount_money"), *same("refund", "", "reference=payment_id memo=reason")),
    read=lists("refunds", **CHANGED),
    children=(ORDER, part("payment", Read("/v2/payments/{payment}", records="payment"))),
    incremental=SINCE,
    shape=shape_refund,
)
DISPUTES = stream(
    "dispute",
    (
        *moved("dispute", "amount_money"),
        *same("dispute", "", "source=disputed_payment.payment_id memo=reason"),
        rule("dispute.status", "state", DISPUTED),
        rule("dispute.closed_date", "closed", "iso_date"),
    ),
    read=lists("disputes"),
    shape=shape_dispute,
    schedule_minutes=360,
)
FEE = Output(
    "fee",
    "fee",
    (
        *facts("fee", "square", "minor_units", total="kept", at="effective_at", currency="^currency"),
        *same("fee", "", "source memo=type"),
        rule("fee.category", "kept_for", KEPT_FOR),
    ),
    each="items[]",
    when=(Condition("kept", "not_equals", (0,)),),
)
PAYOUTS = stream(
    "payout",
    (
        *same("payout", "", "external_id=id currency itemized reference=end_to_end_id"),
        *same("payout", "", "date=arrival_date failed_date=failed_at", "iso_date"),
        rule("payout.occurred_at", "created_at", "iso_instant"),
        rule("payout.total", "amount_money.amount", "minor_units"),
        rule("payout.gateway", "", step("constant", value="square")),
        rule("payout.status", "standing", known(in_transit="SENT", paid="PAID", failed="FAILED")),
        rule("payout.bank_account", "", step("setting", name="bank_account")),
        *same("items[]", "items[]", "external_id=id category=type source"),
        *same("items[]", "items[]", "amount fee net", "minor_units"),
        rule("items[].date", "items[].effective_at", "iso_date"),
    ),
    FEE,
    read=lists("payouts", location_id="{location}", begin_time=FIRST, limit=20),
    each=LOCATIONS,
    children=(Children("entries", lists("payout_entries", "/v2/payouts/{id}/payout-entries", limit=100)),),
    incremental=Incremental("created_at", "begin_time", overlap=21 * 86_400),
    shape=shape_payout,
    schedule_minutes=360,
    depends_on=("payments", "refunds", "disputes"),
)


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """The signature covers the address, as it was subscribed byte for byte, and the body."""
    given = message.headers.get("x-square-hmacsha256-signature", "")
    if not is_signed(message.url.encode() + message.body, trust.secrets, [given]):
        raise WebhookRefused("The signature is not Square's for this address, or its key has been changed.")
    event = parsed_object(message.body)
    kind, name = str(event.get("type") or ""), str(dig(event, "data.type"))
    record = str(dig(event, f"data.object.{name}.id") or "")
    if not isinstance(event.get("event_id"), str):
        raise WebhookRefused("The message has no event id.")
    return (Event(event["event_id"], kind, f"{name}s" if record and name in TOLD else "", record),)


def connected(answer: Any, settings: Settings) -> str:
    """`Connected to Jet Fuel Coffee: Grant Park (USD), Midtown (USD).`"""
    places = dig(answer, "locations") or []
    named = ", ".join(f"{place.get('name')} ({place.get('currency')})" for place in places)
    business = places[0].get("business_name") if places else ""
    return f"Connected to {business or 'an account'}: {named or 'no locations'}."


connector = Connector(
    key="square",
    label="Square",
    category="payments",
    summary="Payments at the till and online, refunds, disputes, fees and payouts with what each is made of.",
    base_url="https://connect.squareup.com",
    auth=Bearer("access_token"),
    headers={"Square-Version": "2025-08-20"},
    limits=Limits(per_second=20, burst=40),  # unpublished
    settings=(
        Setting(
            "access_token", "Access token", "secret", "Your app at developer.squareup.com", required=True
        ),
        counts_as("charges_count_as", "A payment is"),
        bank_account(),
        signing_secret("webhook_secret", "Webhook signature key"),
    ),
    streams=(CUSTOMERS, PAYMENTS, REFUNDS, DISPUTES, PAYOUTS),
    test=Test(Read("/v2/locations"), connected, owner=owner_at("locations", "merchant_id", "business_name")),
    webhook=Webhook(
        verify,
        secret="webhook_secret",
        tolerance=0,
        setup="developer.squareup.com > your application > Webhooks > Subscriptions: add this address as it "
        "stands, with the events of payments, refunds, disputes, payouts and customers; paste its key here.",
    ),
    advice={
        401: "Copy the production access token at developer.squareup.com > your application.",
        403: "Give it the right to read payments, orders, customers, disputes, payouts and the merchant.",
    },
    docs_url="https://developer.squareup.com/docs/build-basics/access-tokens",
)

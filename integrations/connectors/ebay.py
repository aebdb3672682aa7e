"""eBay (source): orders as sales, transactions as what eBay keeps and gives back, payouts with their items.

Each cent is booked by one of the three. A transaction's amount is net of its fees, tax that eBay collects is
in neither, and all of it is told in the currency of the sale (`convertedFrom`): a conversion is booked as its
two sides, nothing is reckoned. Ids are unique within a type. A hold is a status and moves nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from integrations.calls import owner_at
from integrations.messages import Event, Message, Trust, Webhook, WebhookRefused, parsed_object
from integrations.paging import Offset
from integrations.records import Record, dig
from integrations.rules import Condition, Output, Rule, facts, known, rule, same, step
from integrations.signing import Signing, is_by_curve
from integrations.spec import (
    Children,
    Choice,
    Connector,
    Incremental,
    Limits,
    OAuth2,
    Read,
    Setting,
    Stream,
    Test,
    Window,
    bank_account,
    signing_secret,
)
from ledgerhub.core.errors import ConfigError

ORDER, FINANCES = "/sell/fulfillment/v1/order", "https://apiz.{host}/sell/finances/v1"
HOSTS = (Choice("ebay.com", "Live account"), Choice("sandbox.ebay.com", "Sandbox for developers"))
SCOPE, THEIR_TAX, DAY = "https://api.ebay.com/oauth/api_scope", "Tax that eBay collects and pays", 86_400
SCOPES = ("", "/commerce.identity.readonly", "/sell.fulfillment.readonly", "/sell.finances")
MOVED = ("PAYOUT", "FUNDS_PROCESSING", "FUNDS_AVAILABLE_FOR_PAYOUT", "FUNDS_ON_HOLD", "COMPLETED")
# Of others it is what they are kept for that counts: the list below knows it, or a person says.
WHOLE = {
    "SALE/CREDIT": "sale",  # its order is booked
    "REFUND/DEBIT": "refund",
    "DISPUTE/DEBIT": "dispute",
    "DISPUTE/CREDIT": "dispute",
    "WITHDRAWAL/DEBIT": "payout",  # on demand: it stands among the payouts
}
KEPT_FOR = known(
    fee=(
        "FINAL_VALUE_FEE FINAL_VALUE_FEE_FIXED_PER_ORDER FINAL_VALUE_SHIPPING_FEE INTERNATIONAL_FEE BOLD_FEE "
        "INSERTION_FEE REGULATORY_OPERATING_FEE BELOW_STANDARD_FEE BELOW_STANDARD_SHIPPING_FEE SUBTITLE_FEE "
        "HIGH_ITEM_NOT_AS_DESCRIBED_FEE HIGH_ITEM_NOT_AS_DESCRIBED_SHIPPING_FEE EBAY_STORE_SUBSCRIPTION_FEE "
        "STORE_SUBSCRIPTION_EARLY_TERMINATION_FEE PAYMENT_PROCESSING_FEE GALLERY_FEE GALLERY_PLUS_FEE "
        "RESERVE_PRICE_FEE INTERNATIONAL_LISTING_FEE AUCTION_END_EARLY_FEE PRIVATE_LISTING_FEE OTHER_FEES "
        "EXPRESS_PAYOUT_FEE BANK_PAYOUT_FEE DEPOSIT_PROCESSING_FEE FINANCE_FEE"
    ),
    advertising="AD_FEE PREMIUM_AD_FEES",
    dispute_fee="PAYMENT_DISPUTE_FEE",
    marketplace_tax="tax",
    postage="SHIPPING_LABEL/DEBIT SHIPPING_LABEL/CREDIT",
    reimbursement="CREDIT/CREDIT",
    topup="TRANSFER/DEBIT/AVAILABLE_FUNDS",
    conversion="converted",
)


def money(told: Any) -> tuple[Decimal, str]:
    """An amount before eBay converted it, and its currency; nothing, of none, where it is left out."""
    told = told or {"value": 0}
    if told.get("convertedFromCurrency"):
        return Decimal(str(told["convertedFromValue"])), told["convertedFromCurrency"]
    return Decimal(str(told["value"])), told.get("currency", "")


def total(rows: Any, name: str) -> Decimal:
    return sum((money(row.get(name))[0] for row in rows or ()), Decimal(0))


def shape_order(order: Record) -> Record:
    """Adds the amounts, `lines`, what is `paid`, and who pays us: eBay, site by site."""
    price, items = order["pricingSummary"], order["lineItems"]
    (whole, currency), site = money(price["total"]), str(items[0].get("listingMarketplaceId") or "eBay")
    taxes = [tax for item in items for tax in item.get("taxes") or ()]
    theirs = total([tax for item in items for tax in item.get("ebayCollectAndRemitTaxes") or ()], "amount")
    rows = [(item.get("title"), "product", total([item], "lineItemCost"), item) for item in items]
    rows.append(("Price adjustment", "product", total([price], "adjustment"), {}))
    rows.append(("Special fees", "fee", total([price], "fee"), {}))
    rows.append((THEIR_TAX, "marketplace_tax", theirs, {}))
    paid = [one for one in order["paymentSummary"]["payments"] if one.get("paymentStatus") == "PAID"]
    return {
        **order,
        "id": order["orderId"],
        "site": {"id": site, "name": site.replace("EBAY_", "eBay ")},
        "currency": currency,
        "total": whole,
        "discount": -total([price], "priceDiscount"),
        "shipping": total([price], "deliveryCost") + total([price], "deliveryDiscount"),
        "tax": total(taxes, "amount") - theirs,
        "lines": [
            {**item, "title": title, "kind": kind, "amount": amount}
            for title, kind, amount, item in rows
            if amount or item
        ],
        "paid": [{**one, "id": order["orderId"], "amount": whole} for one in paid[:1] if whole],
    }


def fees(row: Record, whole: Decimal) -> dict[str, Decimal]:
    """By type; where they do not make what was charged, that under words which no list knows."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for line in row.get("orderLineItems") or ():
        for fee in line.get("marketplaceFees") or ():
            found[fee["feeType"]] -= money(fee["amount"])[0]
    made = -sum(found.values())
    return found if made == whole else {f"fees of {whole} that make {made}": -whole}


def purpose(row: Record, kind: str) -> str:
    """What something is kept for that is no sale, refund or dispute."""
    if kind in ("NON_SALE_CHARGE/CREDIT", "NON_SALE_CHARGE/DEBIT"):
        billed = any(one.get("referenceType") == "INVOICE" for one in row.get("references") or ())
        return f"{row.get('feeType')}{', billed by invoice' * billed}"
    funding = [str(one.get("type")) for one in row.get("funding") or ()]
    return "/".join((kind, *funding)) if kind.startswith("TRANSFER/") else kind


def trouble(row: Record, kind: str, told: list[Any]) -> str:
    """In words, why it cannot be told what moved."""
    (net, _), (fee, _), (tax, _), (basis, _) = map(money, told)
    currencies = sorted({money(one)[1] for one in told if one})
    if row.get("transactionStatus") not in (*MOVED, "FAILED"):
        return f"{kind}, status {row.get('transactionStatus')}"
    if len(currencies) > 1:
        return f"{kind} in {' and '.join(currencies)}"
    if tax and not kind.startswith(("SALE/", "REFUND/")):
        return f"{kind} with tax"
    return "" if basis in (0, net + fee, net + fee + tax) else f"{kind}, not its basis less fees"


def moved(name: str, purpose: str, amount: Decimal, currency: str) -> Record:
    """Something that changes what eBay owes, by so much."""
    return {"id": name, "for": purpose, "amount": amount, "currency": currency}


def exchanged(amount: Record, name: str, sign: int) -> list[Record]:
    """What was given up, and what came of it, where eBay converted an amount."""
    before, value = money(amount), sign * Decimal(str(amount["value"]))
    out = moved(f"{name}/out", "converted", -sign * before[0], before[1])
    into = moved(f"{name}/in", "converted", value, amount["currency"])
    return [out, into] if amount.get("convertedFromCurrency") else []


def order_of(row: Record) -> Any:
    """Labels and advertising name it among their references."""
    named = [one for one in row.get("references") or () if one.get("referenceType") == "ORDER_ID"]
    return row.get("orderId") or (named[0].get("referenceId") if named else None)


def shape_transaction(row: Record) -> Record:
    """Adds what it `is` as a whole, what eBay `kept` of it, and the `items` it makes in a payout."""
    kind = f"{row.get('transactionType')}/{row.get('bookingEntry')}"
    sign, name = -1 if kind.endswith("/DEBIT") else 1, f"{kind}/{row['transactionId']}"
    theirs = row.get("ebayCollectedTaxAmount") or row.get("eBayCollectedTaxAmount")  # as sent; as documented
    told = [row["amount"], row.get("totalFeeAmount"), theirs, row.get("totalFeeBasisAmount")]
    (net, currency), (fee, _), (tax, _), _ = map(money, told)
    problem, order = trouble(row, kind, told), order_of(row)
    what = "kept" if problem else WHOLE.get(kind, "kept")
    parts = {"": net} if what == "kept" else {"": net + fee + tax, **fees(row, fee), "tax": -tax}
    moves = [
        moved(
            f"{name}/{part}" if part else name, part or problem or purpose(row, kind), sign * amount, currency
        )
        for part, amount in parts.items()
        if amount or not part
    ]
    pair = exchanged(row["amount"], name, sign)
    kept, items = [*moves[what != "kept" :], *pair], pair[1:] or moves
    if what == "payout" or row.get("transactionStatus") == "FAILED":
        what, kept, items = "nothing", [], []
    sold = order if what == "sale" else None  # all else bears an id of its own
    return {
        **row,
        "id": name,
        "is": what,
        "taken": max(-moves[0]["amount"], 0),
        "given": max(moves[0]["amount"], 0),
        "currency": currency,
        "order": order,
        "kept": kept,
        "items": [
            {**item, "source": sold if item["id"] == name else None, "at": row["transactionDate"]}
            for item in items
        ],
        "lines": [{"title": THEIR_TAX, "kind": "marketplace_tax", "amount": tax}] if tax else [],
    }


def shape_payout(payout: Record) -> Record:
    """With the fee for paying out at once, where that is what the transactions make beyond the amount."""
    name, currency = f"PAYOUT/{payout['payoutId']}/fee", payout["amount"]["currency"]
    items = [item for row in payout.get("transactions") or () for item in shape_transaction(row)["items"]]
    fee, sent = money(payout.get("totalFee"))[0], Decimal(payout["amount"]["value"])
    apart = {**moved(name, "EXPRESS_PAYOUT_FEE", -fee, currency), "at": payout["payoutDate"]}
    kept = [apart] if fee and sum(item["amount"] for item in items) == sent + fee else []
    status, strange = str(payout.get("payoutStatus")), {item["currency"] for item in items} - {currency}
    return {
        **payout,
        "id": payout["payoutId"],
        "standing": "/".join((status, *sorted(strange))),
        "itemized": bool(items) or not status.endswith(("FAILED", "REVERSED")),  # they go out with the next
        "items": [*items, *kept],
        "kept": kept,
    }


def whole(kind: str, total: str, *rules: Rule) -> Output:
    """What a transaction is, where it is more than something kept."""
    told = (*facts(kind, "ebay", total=total, at="transactionDate"), *same(kind, "", "memo=transactionMemo"))
    return Output(kind, kind, (*told, *rules), when=(Condition("is", "equals", (kind,)),))


def kept(at: str) -> Output:
    rules = (
        *facts("fee", "ebay", "negate", total="amount", at=at, currency="currency"),
        *same("fee", "^", "source=order memo=transactionMemo"),
        rule("fee.category", "for", KEPT_FOR),
    )
    return Output("kept", "fee", rules, "kept[]")


def listed(what: str, path: str, asked: str, size: int, **more: str) -> Read:
    """Found by a filter; what eBay lists without one is the last 90 days."""
    pages = Offset("offset", size, "limit", total="total")
    return Read(path, {"filter": asked, **more}, what, pages, sparse=True, decode="json_or_nothing")


def since(field: str, overlap: int, years: int = 3) -> Incremental:
    return Incremental(field, "", "bare", overlap, window=Window("", 90, history=365 * years))


SPAN, PAID_OUT = "[{start}.000Z..{end}.000Z]", "payoutId:{{id}}"
INVOICE = (
    *facts("invoice", "", total="total", at="creationDate"),
    *same("invoice", "", "number=orderId reference=orderId discount shipping tax"),
    rule(
        "invoice.status",
        "orderPaymentStatus",
        known(draft="PENDING FAILED", paid="PAID PARTIALLY_REFUNDED FULLY_REFUNDED"),
    ),
    *same("customer", "site", "external_id=id name"),
    *same(
        "lines[]", "lines[]", "external_id=lineItemId description=title sku quantity amount line_kind=kind"
    ),
    *same("tenders[]", "paid[]", "external_id=id amount"),
    rule("tenders[].gateway", "paid[].paymentMethod", known(ebay="EBAY", cash="CASH_ON_PICKUP")),
    rule("tenders[].date", "paid[].paymentDate", "iso_date"),
)
REFUND = (
    *same("refund", "", "number=orderId invoice=orderId reference=orderId"),
    rule("refund.settles", "", step("constant", value="sales")),
    *same("lines[]", "lines[]", "description=title line_kind=kind amount"),
)
DISPUTE = (  # what was taken and what came back are transactions of their own
    *same("dispute", "", "source=orderId returned=given"),
    rule("dispute.status", "bookingEntry", known(lost="DEBIT", won="CREDIT")),
    rule("dispute.closed_date", "transactionDate", "iso_date"),
)
PAYOUT = (
    *facts("payout", "ebay", total="amount.value", at="payoutDate", currency="amount.currency"),
    *same("payout", "", "number=payoutId reference=payoutId memo=payoutMemo itemized"),
    rule(
        "payout.status",
        "standing",
        known(
            in_transit="INITIATED",
            paid="SUCCEEDED",
            pending="RETRYABLE_FAILED",
            failed="TERMINAL_FAILED REVERSED",
        ),
    ),
    rule("payout.failed_date", "lastAttemptedPayoutDate", "iso_date"),
    rule("payout.bank_account", "", step("setting", name="bank_account")),
    *same("items[]", "items[]", "external_id=id category=for source amount net=amount"),
    rule("items[].date", "items[].at", "iso_date"),
)
ORDERS = Stream(
    "orders",
    "Orders",
    (Output("invoice", "invoice", INVOICE),),
    listed("orders", ORDER, f"lastmodifieddate:{SPAN}", 200, fieldGroups="TAX_BREAKDOWN"),
    Read(f"{ORDER}/{{id}}", {"fieldGroups": "TAX_BREAKDOWN"}),
    since("lastModifiedDate", 600, years=2),
    shape=shape_order,
    schedule_minutes=30,
)
TRANSACTIONS = Stream(
    "transactions",
    "Transactions",
    (whole("refund", "taken", *REFUND), whole("dispute", "taken", *DISPUTE), kept("^transactionDate")),
    listed("transactions", f"{FINANCES}/transaction", f"transactionDate:{SPAN}", 1000),
    incremental=since("transactionDate", 14 * DAY),
    children=(
        Children(
            "funding",
            Read(f"{FINANCES}/transfer/{{transfer}}", records="fundingSource"),
            when=lambda row: row.get("transactionType") == "TRANSFER",
            values=lambda row: {"transfer": str(row["transactionId"])},
        ),
    ),
    shape=shape_transaction,
    depends_on=("orders",),
    help="Fees, tax that eBay collects, refunds, disputes, postage and credits",
)
PAYOUTS = Stream(
    "payouts",
    "Payouts",
    (Output("payout", "payout", PAYOUT), kept("at")),
    listed("payouts", f"{FINANCES}/payout", f"payoutDate:{SPAN}", 200),
    incremental=since("payoutDate", 30 * DAY),
    children=(Children("transactions", listed("transactions", f"{FINANCES}/transaction", PAID_OUT, 1000)),),
    shape=shape_payout,
    schedule_minutes=360,
    depends_on=("transactions",),
)
KEY = Read("/commerce/notification/v1/public_key/{kid}")
REVOKED = (
    "The consent given to the application was withdrawn at eBay: if it was this account's, connect it again."
)


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """ECDSA over the body, by a key that eBay hands out under the id in the header."""
    try:
        told = parsed_object(base64.b64decode(message.headers.get("x-ebay-signature", ""), validate=True))
        key = trust.fetch(KEY, {"kid": str(told["kid"])})
    except (ValueError, KeyError):
        raise WebhookRefused("The message carries no signature of eBay's.") from None
    except ConfigError:
        raise WebhookRefused("eBay knows no such signing key.") from None
    event = parsed_object(message.body)
    proof = (str(dig(key, "key")), str(dig(key, "digest")), str(told.get("signature")))
    plain = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    if not any(is_by_curve(*proof, content) for content in (message.body, plain)):
        raise WebhookRefused("The signature is not eBay's.")
    topic, identity = str(dig(event, "metadata.topic")), dig(event, "notification.notificationId")
    if not isinstance(identity, str):
        raise WebhookRefused("The message has no id.")
    if topic == "MARKETPLACE_ACCOUNT_DELETION":
        return ()  # of anybody who leaves eBay; the books know its sites, not its buyers
    problem = REVOKED if topic == "AUTHORIZATION_REVOCATION" else ""
    return (Event(identity, topic, "orders" if topic == "ORDER_CONFIRMATION" else "", problem=problem),)


def challenge(asked: Mapping[str, str], url: str, secrets: tuple[str, ...]) -> Mapping[str, str]:
    """What eBay wants to hear before it sends anything: that the token it was told is known here."""
    told = f"{asked.get('challenge_code', '')}{secrets[0]}{url}"
    return {"challengeResponse": hashlib.sha256(told.encode()).hexdigest()}


connector = Connector(
    key="ebay",
    label="eBay",
    category="shop",
    summary="Orders, what eBay keeps of them, tax it collects, refunds, disputes and payouts to the cent.",
    base_url="https://api.{host}",
    auth=OAuth2(
        "https://auth.{host}/oauth2/authorize",
        "https://api.{host}/identity/v1/oauth2/token",
        tuple(f"{SCOPE}{name}" for name in SCOPES),
        pkce=False,
        client_auth="basic",
        redirect="runame",
        consent_days=547,
        given="refresh_token",
    ),
    headers={"X-EBAY-C-MARKETPLACE-ID": "{marketplace}"},
    limits=Limits(per_second=10, burst=100),  # counted by the day, which no answer tells
    signing=Signing("signing_key", "signing_jwe", "x-ebay-signature-key"),
    settings=(
        Setting("client_id", "App ID", required=True, help="developer.ebay.com > Application keysets"),
        Setting("client_secret", "Cert ID", "secret", required=True),
        Setting(
            "runame", "RuName", required=True, help="User tokens > your redirect URL, which you add there"
        ),
        Setting(
            "refresh_token", "Refresh token", "secret", help="Where you have one; else you connect by consent"
        ),
        Setting("host", "Where", "choice", default="ebay.com", choices=HOSTS),
        Setting(
            "marketplace",
            "Marketplace",
            default="EBAY_US",
            help="Where you are registered, such as EBAY_US, EBAY_GB, EBAY_DE",
            pattern="EBAY_[A-Z_]+",
            pattern_help="it looks like EBAY_US.",
        ),
        Setting("signing_key", "Private key", "secret", help="EU and UK sellers: of the Key Management API"),
        Setting(
            "signing_jwe", "Public key (JWE)", "secret", help="EU and UK sellers: made with the private key"
        ),
        bank_account(),
        signing_secret(
            "verification_token", "Verification token", "Of your choice, 32 to 80 letters and digits"
        ),
    ),
    streams=(ORDERS, TRANSACTIONS, PAYOUTS),
    test=Test(
        Read("https://apiz.{host}/commerce/identity/v1/user/"),
        lambda user, settings: f"Connected to {dig(user, 'username')} at {settings['host']}.",
        owner=owner_at("", "userId", "username"),
    ),
    webhook=Webhook(
        verify,
        secret="verification_token",
        tolerance=0,
        setup="Save a verification token first. At developer.ebay.com > Alerts and notifications enter this "
        "address and that token for account deletions, which eBay requires; subscribe to ORDER_CONFIRMATION "
        "and AUTHORIZATION_REVOCATION by its Notification API.",
        refusal=412,
        challenge=challenge,
    ),
    advice={
        401: "Connect it again. Sellers in the EU and the UK need both keys of the Key Management API, too.",
        403: "Connect it again, with an application that may read orders and finances.",
    },
    docs_url="https://developer.ebay.com/api-docs/static/oauth-authorization-code-grant.html",
)

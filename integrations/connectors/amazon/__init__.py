"""Amazon (source): orders as sales, finances as what Amazon keeps and gives back, settlements as payouts.

Each cent is booked by one of the three. Amounts of orders and settlements are texts, those of finances JSON
numbers, signed as seen from the seller's account.
"""

from __future__ import annotations

from typing import Any

from integrations.calls import Owner
from integrations.connectors.amazon.finances import FINANCES
from integrations.connectors.amazon.money import records
from integrations.connectors.amazon.orders import ORDERS
from integrations.connectors.amazon.settlements import SETTLEMENTS
from integrations.records import dig
from integrations.spec import (
    Choice,
    Connector,
    Headers,
    Learned,
    Limits,
    OAuth2,
    Read,
    Said,
    Setting,
    Settings,
    Test,
    bank_account,
)

REGIONS = (
    Choice("sellingpartnerapi-na.amazon.com", "North America and Brazil"),
    Choice("sellingpartnerapi-eu.amazon.com", "Europe, Middle East, India and South Africa"),
    Choice("sellingpartnerapi-fe.amazon.com", "Japan, Australia and Singapore"),
)
SELLER_CENTRALS = (
    Choice("sellercentral.amazon.com", "sellercentral.amazon.com (United States, Canada, Mexico)"),
    Choice("sellercentral-europe.amazon.com", "sellercentral-europe.amazon.com"),
    Choice("sellercentral.amazon.co.jp", "sellercentral.amazon.co.jp"),
    Choice("sellercentral.amazon.com.au", "sellercentral.amazon.com.au"),
    Choice("sellercentral.amazon.com.br", "sellercentral.amazon.com.br"),
    Choice("sellercentral.amazon.in", "sellercentral.amazon.in"),
    Choice("sellercentral.amazon.sg", "sellercentral.amazon.sg"),
)


ROLES = (
    "The app needs the roles Finance and Accounting and Inventory and Order Tracking, and a consent given "
    "after it got them."
)


def learn(headers: Headers, body: Any) -> Learned | None:
    """`x-amzn-RateLimit-Limit`: the calls a second of this operation, for this seller."""
    try:
        rate = float(headers.get("x-amzn-ratelimit-limit", ""))
    except ValueError:
        return None
    return Learned(per_second=rate) if 0 < rate < 1000 else None


def limits(per_second: float, burst: float) -> Limits:
    return Limits(per_second, burst, learn)


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """A quota that is used up (429): the next call is allowed after the time its rate leaves between two.
    A token that is no longer good is refused with 403, as is what the app may not do."""
    learned = learn(headers, body) if status == 429 and "retry-after" not in headers else None
    if learned and learned.per_second:
        return Said("busy", "the calls of this kind are used up for now.", 1 / learned.per_second)
    if status == 403 and any(row.get("code") == "Unauthorized" for row in records(body, "errors")):
        return Said("denied", f"does not allow this (403). {ROLES}")
    return None


def connected(answer: Any, settings: Settings) -> str:
    """`Connected: sells on Amazon.com and Amazon.ca.`"""
    rows = [row for row in records(answer, "payload") if dig(row, "participation.isParticipating")]
    names = [str(dig(row, "marketplace.name")) for row in rows]
    return f"Connected: sells on {', '.join(names) or 'no marketplace of this region yet'}."


def owner(answer: Any, settings: Settings) -> Owner:
    """Told on the way back from the page of consent; of a token that a person was handed nothing says it."""
    return Owner("" if settings.get("refresh_token") else str(settings.get("seller") or ""))


connector = Connector(
    key="amazon",
    label="Amazon",
    category="shop",
    summary="Orders with what Amazon keeps of them, refunds, reserves and settlements to the cent.",
    base_url="https://{host}",
    auth=OAuth2(
        "https://{seller_central}/apps/authorize/consent",
        "https://api.amazon.com/auth/o2/token",
        ("Finance and Accounting", "Inventory and Order Tracking"),
        pkce=False,
        header="x-amz-access-token",
        prefix="",
        asks={"application_id": "{application_id}", "redirect_uri": "{redirect_uri}"},
        code_param="spapi_oauth_code",
        captures={"selling_partner_id": "seller"},
        consent_days=365,
        given="refresh_token",
    ),
    headers={"X-Amz-Date": "{now}"},
    # As published; what an account is really allowed its answers say.
    limits=Limits(
        buckets={
            "orders": limits(0.0056, 20),
            "finances": limits(0.5, 10),
            "reports": limits(0.0222, 10),
            "documents": limits(0.0167, 15),
            "sellers": limits(0.016, 15),
        }
    ),
    settings=(
        Setting("host", "Region", "choice", required=True, default=REGIONS[0].value, choices=REGIONS),
        Setting(
            "seller_central",
            "Seller Central",
            "choice",
            required=True,
            default=SELLER_CENTRALS[0].value,
            choices=SELLER_CENTRALS,
            help="Where you sign in as a seller, and will be asked for your consent",
        ),
        Setting(
            "application_id",
            "Application ID",
            help="Solution Provider Portal > your app: it begins with amzn1.sp.solution. Needed to connect "
            "by consent",
            pattern=r"amzn1\.[\w.-]+",
            pattern_help="it begins with amzn1.",
        ),
        Setting(
            "client_id",
            "LWA client ID",
            required=True,
            help="Solution Provider Portal > your app > LWA credentials",
            pattern=r"[\w.-]+",
            pattern_help="it has letters, digits, points, - and _ only.",
        ),
        Setting("client_secret", "LWA client secret", "secret", required=True, help="Beside the client ID"),
        Setting(
            "refresh_token",
            "Refresh token",
            "secret",
            help="Of an app that you authorised in the portal yourself; leave it empty to connect by consent",
        ),
        bank_account("Settlements"),
        Setting("seller", "Seller ID", told=True),
    ),
    streams=(ORDERS, FINANCES, SETTLEMENTS),
    test=Test(Read("/sellers/v1/marketplaceParticipations", bucket="sellers"), connected, owner=owner),
    advice={
        401: "Connect again, or enter a new refresh token; a consent ends after a year.",
        403: ROLES,
    },
    understand=understand,
    docs_url="https://developer-docs.amazon.com/sp-api/",
)

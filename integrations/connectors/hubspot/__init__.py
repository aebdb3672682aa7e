"""HubSpot (source and destination): companies and contacts in, deals kept; invoices and their payment out.

Every property of theirs is text, or null; money is decimal text in major units. A contact of ours that came
from there has the id `companies/<id>` or `contacts/<id>`.
"""

from __future__ import annotations

from typing import Any

from integrations.calls import owner_at
from integrations.connectors.hubspot.invoices import DESTINATION
from integrations.connectors.hubspot.records import COMPANIES, CONTACTS, DEALS
from integrations.connectors.hubspot.webhook import TOLERANCE, verify
from integrations.messages import Webhook
from integrations.records import dig
from integrations.spec import Connector, Headers, Learned, Limits, OAuth2, Read, Said, Setting, Settings, Test

MOST = 10_000  # records that one search hands out
# Seconds to wait by the limit that was reached; a day's is counted until midnight over there.
WAITS = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}


def connected(answer: Any, settings: Settings) -> str:
    """`Connected to HubSpot account 62515.`"""
    tests = dig(answer, "accountType") in ("SANDBOX", "DEVELOPER_TEST")
    note = " This is a test account." if tests else ""
    return f"Connected to HubSpot account {dig(answer, 'portalId') or 'without a number'}.{note}"


def learn(headers: Headers, body: Any) -> Learned | None:
    """The limit and what is left of it, by HubSpot's own figures; searches are answered without any."""
    names = ("max", "remaining", "interval-milliseconds")
    texts = [headers.get(f"x-hubspot-ratelimit-{name}", "") for name in names]
    if not all(text.isdecimal() and len(text) < 10 for text in texts):
        return None
    most, remaining, interval = (float(text) for text in texts)
    if not most or not interval:
        return None
    return Learned(remaining=remaining, capacity=most, per_second=most * 1000 / interval)


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """What the status does not say: a search finds too much, which limit it was, a value is taken."""
    total = dig(body, "total")
    if status == 200 and isinstance(total, int) and total > MOST:
        return Said("too_many", f"more than {MOST} records in this time.")
    if status == 429 and "retry-after" not in headers and dig(body, "policyName"):
        return Said("busy", "we are asking too often.", WAITS.get(str(dig(body, "policyName")), 10.0))
    if status == 409:
        return Said("moved", str(dig(body, "message") or "it is there already.")[:300])
    return None


connector = Connector(
    key="hubspot",
    label="HubSpot",
    category="crm",
    summary="Companies and contacts; deals with their history. Shows invoices and their payment to sales.",
    base_url="https://api.hubapi.com",
    auth=OAuth2(
        "https://app.hubspot.com/oauth/authorize",
        "/oauth/v3/token",
        (
            *("oauth", "crm.objects.companies.read", "crm.objects.contacts.read", "crm.objects.deals.read"),
            *("crm.objects.invoices.read", "crm.objects.invoices.write", "crm.schemas.invoices.read"),
            *("crm.schemas.invoices.write", "crm.objects.contacts.write"),
        ),
    ),
    # 110 in ten seconds for an account; five searches a second, which are counted apart.
    limits=Limits(per_second=10, burst=100, learn=learn, buckets={"search": Limits(4, 4)}),
    settings=(
        Setting("client_id", "Client ID", required=True, help="Your developer account > your app > Auth"),
        Setting(
            "client_secret", "Client secret", "secret", required=True, help="Messages are proved with it, too"
        ),
        Setting(
            "portal",
            "Account ID",
            help="Where one app serves several accounts: messages of others are left aside",
            pattern=r"\d{1,15}",
            pattern_help="it consists of digits.",
        ),
        Setting(
            "make_contacts",
            "Make contacts that are missing",
            "boolean",
            help="Otherwise invoices of customers who are not in HubSpot stay here",
        ),
    ),
    streams=(COMPANIES, CONTACTS, DEALS),
    test=Test(Read("/account-info/v3/details"), connected, owner=owner_at("", "portalId")),
    webhook=Webhook(
        verify,
        secret="client_secret",
        tolerance=TOLERANCE,
        account="portal",
        setup="Your developer account > your app > Webhooks: enter this address as target URL and subscribe "
        "to contacts, companies and deals: created, merged, restored, and the properties you care for.",
    ),
    advice={
        401: "Open the integration and connect it again.",
        403: "Connect again as a user who may grant all that is asked for, invoices among it.",
    },
    understand=understand,
    destination=DESTINATION,
    docs_url="https://developers.hubspot.com/docs/api/crm/understanding-the-crm",
)

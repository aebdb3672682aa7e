"""Stripe (source): what moved the Stripe balance, each cent of it in exactly one document.

Charges are payments, refunds refunds, disputes disputes with their fees, payouts payouts; what is left of
each balance transaction (its fee, or all of it where it has no stream of its own) is a fee. Amounts are
integers in the minor unit, currencies lower-case; the API version is pinned because Stripe changes shapes.
"""

from __future__ import annotations

from typing import Any

from integrations.calls import Owner
from integrations.connectors.stripe.streams import (
    BALANCE_TRANSACTIONS,
    CHARGES,
    CUSTOMERS,
    DISPUTES,
    PAYOUTS,
    REFUNDS,
)
from integrations.connectors.stripe.webhook import TOLERANCE, verify
from integrations.messages import Webhook
from integrations.records import dig
from integrations.spec import (
    Bearer,
    Connector,
    Headers,
    Learned,
    Limits,
    Read,
    Setting,
    Settings,
    Test,
    bank_account,
    counts_as,
    signing_secret,
)

VERSION = "2024-06-20"


def name_of(account: Any) -> str:
    paths = ("settings.dashboard.display_name", "business_profile.name", "email")
    return str(next((value for path in paths if (value := dig(account, path))), ""))


def connected(account: Any, settings: Settings) -> str:
    """`Connected to Acme Ltd (US), charges in USD.`"""
    name = name_of(account) or dig(account, "id") or "an account"
    country = dig(account, "country") or "country unknown"
    currency = str(dig(account, "default_currency") or "").upper() or "several currencies"
    test = str(settings.get("api_key", ""))[3:8] == "test_"
    mode = " This is test mode: no real money." if test else ""
    return f"Connected to {name} ({country}), charges in {currency}.{mode}"


def owner(account: Any, settings: Settings) -> Owner:
    """Money of test mode is none, and so never mixed with what is."""
    identity, name = str(dig(account, "id") or ""), name_of(account)
    test = identity and str(settings.get("api_key", ""))[3:8] == "test_"
    return Owner(f"{identity} in test mode" if test else identity, name)


def rate(headers: Headers, body: Any) -> Learned | None:
    """Stripe tells only when a limit was hit; a limit on objects being locked is no reason to slow down."""
    reason = headers.get("stripe-rate-limited-reason", "")
    return Learned(remaining=0) if reason and reason != "resource-specific" else None


connector = Connector(
    key="stripe",
    label="Stripe",
    category="payments",
    summary="Charges, refunds, disputes, fees and payouts with exactly what each payout is made of.",
    base_url="https://api.stripe.com",
    auth=Bearer("api_key"),
    headers={"Stripe-Version": VERSION, "Stripe-Account": "{account}"},
    limits=Limits(per_second=20, burst=25, learn=rate),
    settings=(
        Setting(
            "api_key",
            "Restricted API key",
            "secret",
            required=True,
            help="Developers > API keys > Create restricted key, with read access to all core resources",
            pattern=r"(sk|rk)_(live|test)_\w+",
            pattern_help="a key begins with rk_live_ (or rk_test_ to try it out).",
        ),
        counts_as("charges_count_as", "A charge is"),
        bank_account(),
        Setting(
            "account",
            "Connected account",
            help="Only for platforms: whose data to read",
            pattern=r"acct_\w+",
            pattern_help="it begins with acct_.",
        ),
        signing_secret(
            "webhook_secret",
            "Webhook signing secret",
            pattern=r"\s*whsec_\S+(\s+whsec_\S+)*\s*",
            pattern_help="it begins with whsec_.",
        ),
    ),
    streams=(CUSTOMERS, CHARGES, REFUNDS, DISPUTES, BALANCE_TRANSACTIONS, PAYOUTS),
    test=Test(Read("/v1/account"), connected, owner=owner),
    webhook=Webhook(
        verify,
        secret="webhook_secret",
        tolerance=TOLERANCE,
        setup="Developers > Webhooks > Add endpoint: choose the events of charges, refunds, disputes, "
        "payouts and customers, then paste the endpoint's signing secret here.",
    ),
    advice={
        401: "Create a new restricted key under Developers > API keys and paste it here.",
        403: "Give the restricted key read access to all core resources under Developers > API keys.",
    },
    docs_url="https://docs.stripe.com/keys#create-restricted-api-secret-key",
)

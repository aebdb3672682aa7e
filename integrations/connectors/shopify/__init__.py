"""Shopify (source): orders as sales, refunds, customers, and what Shopify Payments kept and paid out.

Orders carry their payments, so the Shopify Payments account follows from them, from the fees and disputes of
its balance transactions, and from its payouts: together exactly the balance Shopify shows.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from integrations.calls import owner_at
from integrations.connectors.shopify import queries
from integrations.connectors.shopify.streams import BALANCE_TRANSACTIONS, CUSTOMERS, ORDERS, PATH, PAYOUTS
from integrations.connectors.shopify.webhook import verify
from integrations.messages import Webhook
from integrations.records import dig
from integrations.spec import (
    Connector,
    HeaderKey,
    Headers,
    Learned,
    Limits,
    Read,
    Setting,
    Settings,
    Test,
    bank_account,
    signing_secret,
)


def points(headers: Headers, body: Any) -> Learned | None:
    """Shopify counts cost points and says with every answer how many are left and how fast they return."""
    status = dig(body, "extensions.cost.throttleStatus") or {}
    names = ("currentlyAvailable", "maximumAvailable", "restoreRate")
    figures = [status.get(name) for name in names]
    if not all(isinstance(figure, int | Decimal) and figure >= 0 for figure in figures):
        return None
    remaining, capacity, per_second = (float(figure) for figure in figures if figure is not None)
    return Learned(remaining=remaining, capacity=capacity, per_second=per_second)


def connected(answer: Any, settings: Settings) -> str:
    """`Connected to Acme (acme.myshopify.com), sells in USD.`"""
    shop = dig(answer, "data.shop") or {}
    name, domain = shop.get("name") or "a shop", shop.get("myshopifyDomain") or "address unknown"
    return f"Connected to {name} ({domain}), sells in {shop.get('currencyCode') or 'an unknown currency'}."


connector = Connector(
    key="shopify",
    label="Shopify",
    category="shop",
    summary="Orders with taxes, discounts, payments and refunds, customers, and Shopify Payments payouts.",
    base_url="https://{shop}",
    auth=HeaderKey("X-Shopify-Access-Token", "access_token"),
    limits=Limits(per_second=50, burst=1000, learn=points),
    settings=(
        Setting(
            "shop",
            "Shop address",
            required=True,
            help="The address ending in .myshopify.com, not your own domain",
            pattern=r"[a-z0-9][a-z0-9-]{0,60}\.myshopify\.com",
            pattern_help="it looks like acme.myshopify.com, in small letters and without https://.",
        ),
        Setting(
            "access_token",
            "Admin API access token",
            "secret",
            required=True,
            help="Settings > Apps and sales channels > Develop apps: an app with read access to orders, "
            "customers and Shopify Payments",
            pattern=r"shp\w+",
            pattern_help="a token begins with shpat_.",
        ),
        bank_account(),
        signing_secret("webhook_secret", "App client secret", "Proves that messages are Shopify's"),
    ),
    streams=(CUSTOMERS, ORDERS, BALANCE_TRANSACTIONS, PAYOUTS),
    test=Test(
        Read(PATH, query=queries.SHOP, cost=1),
        connected,
        owner=owner_at("data.shop", "myshopifyDomain", "name"),
    ),
    webhook=Webhook(
        verify,
        secret="webhook_secret",
        tolerance=0,
        setup="Settings > Notifications > Webhooks, or the app's own subscriptions: orders, refunds, order "
        "transactions and customers, as JSON. Paste the app's client secret here.",
    ),
    advice={
        401: "Under Settings > Apps and sales channels > Develop apps, install the app again and paste its "
        "token.",
        402: "The shop is frozen: its Shopify bill must be paid first.",
        403: "Give the app the scopes read_orders, read_all_orders, read_customers, "
        "read_shopify_payments_accounts and read_shopify_payments_payouts, then install it again.",
        404: "Check the shop's address: it ends in .myshopify.com.",
    },
    docs_url="https://shopify.dev/docs/apps/build/authentication-authorization",
)

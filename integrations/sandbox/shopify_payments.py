"""Facts -> Shopify Payments objects (payouts, balance transactions, disputes) and the shop itself."""

from __future__ import annotations

from typing import Any

from integrations.sandbox.events import BalanceLine, Business, Dispute, Payout
from integrations.sandbox.graphql_run import Nodes, Record
from integrations.sandbox.shopify_values import SHOP_DOMAIN, gid, iso, money

ACCOUNT = gid("ShopifyPaymentsAccount", 900_100_200)
_SOURCES = {
    "CHARGE": "CHARGE",
    "REFUND": "REFUND",
    "DISPUTE_WITHDRAWAL": "DISPUTE",
    "DISPUTE_REVERSAL": "DISPUTE",
    "ADJUSTMENT": "ADJUSTMENT",
    "TRANSFER": "TRANSFER",
}


def payout_status(item: Payout, clock: int) -> str:
    return "PAID" if item.arrived <= clock else "IN_TRANSIT"


def payout(item: Payout, clock: int) -> Record:
    return {
        "__typename": "ShopifyPaymentsPayout",
        "id": gid("ShopifyPaymentsPayout", item.id),
        "legacyResourceId": item.id,
        "issuedAt": iso(item.created),
        "net": money(item.amount),
        "gross": money(sum(line.amount for line in item.items)),
        "status": payout_status(item, clock),
        "transactionType": "DEPOSIT" if item.amount >= 0 else "WITHDRAWAL",
        "externalTraceId": None,
        "summary": _summary(item),
    }


def _summary(item: Payout) -> Record:
    def gross(*categories: str) -> Any:
        return money(sum(line.amount for line in item.items if line.category in categories))

    def fees(*categories: str) -> Any:
        return money(sum(line.fee for line in item.items if line.category in categories))

    others = ("ADJUSTMENT", "DISPUTE_WITHDRAWAL", "DISPUTE_REVERSAL")
    zero = money(0)
    return {
        "__typename": "ShopifyPaymentsPayoutSummary",
        "chargesGross": gross("CHARGE"),
        "chargesFee": fees("CHARGE"),
        "refundsFeeGross": gross("REFUND"),
        "refundsFee": fees("REFUND"),
        "adjustmentsGross": gross(*others),
        "adjustmentsFee": fees(*others),
        "advanceGross": zero,
        "advanceFees": zero,
        "reservedFundsGross": zero,
        "reservedFundsFee": zero,
        "retriedPayoutsGross": zero,
        "retriedPayoutsFee": zero,
        "usdcRebateCreditAmount": zero,
    }


def balance_transaction(line: BalanceLine, paid_in: Payout | None, clock: int) -> Record:
    """`paid_in` is the payout it went out with, if that exists by now."""
    is_order = line.order != 0
    order = {
        "__typename": "ShopifyPaymentsAssociatedOrder",
        "id": gid("Order", line.order),
        "name": line.description,
    }
    status = payout_status(paid_in, clock) if paid_in else "PENDING"
    return {
        "__typename": "ShopifyPaymentsBalanceTransaction",
        "id": gid("ShopifyPaymentsBalanceTransaction", line.id),
        "type": line.category,
        "sourceType": _SOURCES[line.category],
        "sourceId": line.source,
        "sourceOrderTransactionId": line.source if line.category in ("CHARGE", "REFUND") else None,
        "amount": money(line.amount),
        "fee": money(line.fee),
        "net": money(line.net),
        "transactionDate": iso(line.at),
        "test": False,
        "adjustmentReason": line.description if line.category == "ADJUSTMENT" else None,
        "adjustmentsOrders": [],
        "associatedOrder": order if is_order else None,
        "associatedPayout": {
            "__typename": "ShopifyPaymentsBalanceTransactionAssociatedPayout",
            "id": gid("ShopifyPaymentsPayout", paid_in.id) if paid_in else None,
            "status": status,
        },
    }


def dispute(item: Dispute, clock: int, order: Any) -> Record:
    final = item.closed <= clock
    return {
        "__typename": "ShopifyPaymentsDispute",
        "id": gid("ShopifyPaymentsDispute", item.id),
        "legacyResourceId": item.id,
        "amount": money(item.amount),
        "initiatedAt": iso(item.opened),
        "finalizedOn": iso(item.closed) if final else None,
        "evidenceDueBy": iso(item.opened + 9 * 86_400),
        "evidenceSentOn": None,
        "type": "CHARGEBACK",
        "status": item.outcome.upper() if final else "NEEDS_RESPONSE",
        "reasonDetails": {
            "__typename": "ShopifyPaymentsDisputeReasonDetails",
            "reason": "FRAUDULENT",
            "networkReasonCode": "10.4",
        },
        "order": order,
    }


def account(business: Business, clock: int, **connections: Nodes | Any) -> Record:
    held = sum(line.net for line in business.shop_lines if line.at <= clock)
    return {
        "__typename": "ShopifyPaymentsAccount",
        "id": ACCOUNT,
        "activated": True,
        "onboardable": False,
        "country": "US",
        "defaultCurrency": "USD",
        "accountOpenerName": "Grace Hopper-Lane",
        "payoutStatementDescriptor": "HARBOR COFFEE",
        "payoutSchedule": {
            "__typename": "ShopifyPaymentsPayoutSchedule",
            "interval": "DAILY",
            "monthlyAnchor": None,
            "weeklyAnchor": None,
        },
        "balance": [money(held)],
        **connections,
    }


def shop(business: Business) -> Record:
    return {
        "__typename": "Shop",
        "id": gid("Shop", 60_100_200_300),
        "name": business.name,
        "email": "books@harborcoffee.example",
        "contactEmail": "hello@harborcoffee.example",
        "shopOwnerName": "Grace Hopper-Lane",
        "description": "Coffee, roasted by the harbor",
        "myshopifyDomain": SHOP_DOMAIN,
        "url": f"https://{SHOP_DOMAIN}",
        "currencyCode": "USD",
        "enabledPresentmentCurrencies": ["USD"],
        "ianaTimezone": "America/New_York",
        "timezoneAbbreviation": "EST",
        "timezoneOffset": "-0500",
        "timezoneOffsetMinutes": -300,
        "taxesIncluded": False,
        "taxShipping": True,
        "setupRequired": False,
        "checkoutApiSupported": True,
        "unitSystem": "IMPERIAL_SYSTEM",
        "weightUnit": "POUNDS",
        "orderNumberFormatPrefix": "#",
        "orderNumberFormatSuffix": "",
        "createdAt": "2020-01-01T12:00:00Z",
        "updatedAt": "2026-01-01T12:00:00Z",
        "primaryDomain": {
            "__typename": "Domain",
            "id": gid("Domain", 1),
            "host": SHOP_DOMAIN,
            "url": f"https://{SHOP_DOMAIN}",
            "sslEnabled": True,
        },
        "plan": {
            "__typename": "ShopPlan",
            "partnerDevelopment": False,
            "publicDisplayName": "Basic",
            "shopifyPlus": False,
        },
    }

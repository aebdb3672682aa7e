"""The default chart of accounts: which accounts a new organization starts with, and the role of each."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class ChartAccount(NamedTuple):
    """One account of a chart; the accounting finds it by role and qualifier, people by code and name."""

    code: str
    name: str
    type: str  # asset, liability, equity, income or expense
    role: str = ""
    qualifier: str = ""


def _group(type_: str, *rows: tuple[str, ...]) -> tuple[ChartAccount, ...]:
    return tuple(ChartAccount(row[0], row[1], type_, *row[2:]) for row in rows)


# Codes 1100 to 1199 are left to the clearing accounts, one for each gateway, made on first use.
DEFAULT_CHART: tuple[ChartAccount, ...] = (
    *_group(
        "asset",
        ("1000", "Checking account", "bank"),
        ("1010", "Savings account"),
        ("1050", "Money in transit", "transfers"),
        ("1200", "Accounts receivable", "receivable"),
        ("1250", "Processor reserves", "reserve"),
        ("1300", "Inventory", "inventory"),
        ("1400", "Prepaid expenses"),
        ("1450", "Sales tax to reclaim", "tax_receivable"),
        ("1500", "Equipment"),
        ("1590", "Accumulated depreciation"),
        ("1900", "Suspense", "suspense"),
    ),
    *_group(
        "liability",
        ("2000", "Accounts payable", "payable"),
        ("2050", "Company credit card"),
        ("2100", "Sales tax payable", "tax_payable"),
        ("2200", "Gift cards outstanding", "gift_cards"),
        ("2250", "Customer deposits", "deposits"),
        ("2300", "Tips payable", "tips"),
        ("2400", "Wages payable", "wages_payable"),
        ("2410", "Payroll taxes payable", "payroll_taxes_payable"),
        ("2420", "Employee benefits payable", "benefits_payable"),
        ("2430", "Payroll deductions payable", "deductions_payable"),
        ("2700", "Loans payable"),
    ),
    *_group(
        "equity",
        ("3000", "Owner's equity", "owners_equity"),
        ("3100", "Owner's draws"),
        ("3200", "Opening balances", "opening_balances"),
        ("3900", "Retained earnings", "retained_earnings"),
    ),
    *_group(
        "income",
        ("4000", "Sales", "sales"),
        ("4100", "Shipping income", "shipping"),
        ("4200", "Discounts given", "discounts"),
        ("4300", "Returns and refunds", "returns"),
        ("4350", "Shipping refunded", "shipping_refunds"),
        ("4800", "Interest income", "interest_income"),
        ("4900", "Other income", "other_income"),
    ),
    *_group(
        "expense",
        ("5000", "Cost of goods sold", "cogs"),
        ("6000", "Merchant fees", "merchant_fees"),
        ("6010", "Disputes", "disputes"),
        ("6020", "Dispute fees", "dispute_fees"),
        ("6030", "Bank fees", "bank_fees"),
        ("6100", "Wages and salaries", "wages"),
        ("6110", "Payroll taxes", "payroll_taxes"),
        ("6120", "Employee benefits", "benefits"),
        ("6130", "Contractors"),
        ("6200", "Rent", "rent"),
        ("6210", "Utilities"),
        ("6220", "Telephone and internet"),
        ("6300", "Software and subscriptions", "software"),
        ("6310", "Office supplies", "supplies"),
        ("6320", "Postage and freight out", "postage"),
        ("6400", "Advertising and marketing", "advertising"),
        ("6500", "Travel", "travel"),
        ("6510", "Meals", "meals"),
        ("6600", "Insurance"),
        ("6610", "Legal and professional fees"),
        ("6620", "Licenses and taxes"),
        ("6630", "Repairs and maintenance"),
        ("6700", "Interest expense"),
        ("6710", "Depreciation"),
        ("6800", "Write-offs", "write_offs"),
        ("6900", "Other expenses", "expenses"),
        ("7000", "Exchange gains and losses", "exchange_difference"),
        ("7900", "Rounding differences", "rounding"),
    ),
)

# Made on first use, because only who sells on marketplaces, or holds other currencies, needs them.
MARKETPLACE_TAX = ChartAccount("2150", "Tax that marketplaces pay", "liability", "marketplace_tax")
UNREALISED = ChartAccount("7010", "Unrealised exchange gains and losses", "expense", "unrealised_exchange")
ON_FIRST_USE = {row.role: row for row in (MARKETPLACE_TAX, UNREALISED)}

_CLEARING_FIRST, _CLEARING_LAST = 1100, 1199
_NAMES = {
    "paypal": "PayPal",
    "ebay": "eBay",
    "shopify_payments": "Shopify Payments",
    "cash_on_delivery": "Cash on delivery",
}


def free_code(row: ChartAccount, taken_codes: Collection[str]) -> ChartAccount:
    """An account that is made on first use, at its code or the next that is free: 2150, else 2150-1 etc."""
    code, suffix = row.code, 1
    while code in taken_codes:
        code = f"{row.code}-{suffix}"
        suffix += 1
    return row._replace(code=code)


def clearing_account(gateway: str, taken_codes: Collection[str]) -> ChartAccount:
    """The account to make for a gateway seen for the first time, at the next free code of its range.

    `gateway` is the qualifier of its AccountRef (`shopify_payments`). When the range is full, codes go
    on as 1199-1, 1199-2 and so forth.
    """
    code = next(
        (
            str(number)
            for number in range(_CLEARING_FIRST, _CLEARING_LAST + 1)
            if str(number) not in taken_codes
        ),
        None,
    )
    suffix = 1
    while code is None or code in taken_codes:
        code = f"{_CLEARING_LAST}-{suffix}"
        suffix += 1
    name = _NAMES.get(gateway) or gateway.replace("_", " ").capitalize()
    return ChartAccount(code, f"{name} clearing", "asset", "clearing", gateway)

"""Pure: accounts and products of ours that QuickBooks lacks, made there when a person asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.connectors.quickbooks.books import COMPANY
from integrations.connectors.quickbooks.sending import display_name
from integrations.destination import Makes, Ours, Write

# Their type for each of ours; the detail type is left to QuickBooks, which has a usual one.
TYPES: Mapping[str, str] = {
    "asset": "Other Current Asset",
    "liability": "Other Current Liability",
    "equity": "Equity",
    "income": "Income",
    "expense": "Expense",
}
ROLES: Mapping[str, str] = {
    "bank": "Bank",
    "receivable": "Accounts Receivable",
    "payable": "Accounts Payable",
    "cogs": "Cost of Goods Sold",
}


def account(ours: Ours) -> Write:
    """Without our number: theirs may mean another account by it, and many companies use none."""
    currency = {"CurrencyRef": {"value": ours.currency}} if ours.currency else {}
    kind = ROLES.get(ours.role) or TYPES[ours.type]
    return Write(f"{COMPANY}/account", {"Name": display_name(ours.name), "AccountType": kind, **currency})


def item(ours: Ours) -> Write:
    """A service that is booked to the account: what a line of a sale has to name there."""
    fields = {"Name": display_name(ours.name), "Type": "Service", "IncomeAccountRef": {"value": ours.account}}
    return Write(f"{COMPANY}/item", fields)


def made(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one row of the answer, whatever it is called there."""
    return next(value for key, value in answer.items() if key in ("Account", "Item"))


ACCOUNT, ITEM = Makes(account, made), Makes(item, made)

"""Bank accounts: ledger accounts of role bank, told apart by qualifier; opened, or chosen from the chart."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import QuerySet
from django.utils.text import slugify

from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Account

ROLE = "bank"
_ASSETS, _CARDS = range(1001, 1050), range(2051, 2100)  # around the chart's 1000 and 2050


def bank_accounts(organization: Organization) -> QuerySet[Account]:
    """Accounts that have statements, by code."""
    return Account.objects.filter(organization=organization, role=ROLE, archived_at__isnull=True)


def could_be_bank_accounts(organization: Organization) -> QuerySet[Account]:
    """Accounts of the balance sheet that have no role yet (savings, a credit card, a loan)."""
    return Account.objects.filter(
        organization=organization, role="", type__in=("asset", "liability"), archived_at__isnull=True
    )


def currency_of(account: Account) -> str:
    """The currency of the account's statements."""
    return account.currency or account.organization.base_currency


def open_bank_account(
    organization: Organization, *, name: str, currency: str = "", card: bool = False
) -> Account:
    """A new account at the next free code; a card is a liability. `currency` "" for the base currency."""
    taken = set(Account.objects.filter(organization=organization).values_list("code", flat=True))
    account = Account(
        organization=organization,
        code=_free_code(_CARDS if card else _ASSETS, taken),
        name=name,
        type=Account.Type.LIABILITY if card else Account.Type.ASSET,
        currency="" if currency == organization.base_currency else currency,
    )
    return use_as_bank_account(account)


def use_as_bank_account(account: Account) -> Account:
    """Give an account the role; the first one without a qualifier is where payouts go by default."""
    taken = set(
        Account.objects.filter(organization=account.organization, role=ROLE).values_list(
            "qualifier", flat=True
        )
    )
    account.role = ROLE
    account.qualifier = _free_qualifier(account.name, taken)
    account.save()
    return account


def _free_code(codes: range, taken: Collection[str]) -> str:
    free = next((str(code) for code in codes if str(code) not in taken), "")
    if free:
        return free
    return next(code for number in range(1, 10_000) if (code := f"{codes[-1]}-{number}") not in taken)


def _free_qualifier(name: str, taken: Collection[str]) -> str:
    base = slugify(name)[:50] or ROLE
    if base not in taken:
        return base
    return next(found for number in range(2, 10_000) if (found := f"{base}-{number}") not in taken)

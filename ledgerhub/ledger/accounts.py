"""Accounts of an organization: found by role or code for posting, made where a gateway is new."""

from __future__ import annotations

from ledgerhub.access.models import Organization
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.chart import (
    DEFAULT_CHART,
    ON_FIRST_USE,
    ChartAccount,
    clearing_account,
    free_code,
)
from ledgerhub.ledger.entries import AccountRef
from ledgerhub.ledger.models import Account


def install_chart(organization: Organization) -> list[Account]:
    """Give an organization the default chart; accounts whose code exists already are left alone."""
    taken = set(Account.objects.filter(organization=organization).values_list("code", flat=True))
    return Account.objects.bulk_create(
        [_account(organization, row) for row in DEFAULT_CHART if row.code not in taken]
    )


def _account(organization: Organization, row: ChartAccount) -> Account:
    return Account(
        organization=organization,
        code=row.code,
        name=row.name,
        type=row.type,
        role=row.role,
        qualifier=row.qualifier,
    )


class Accounts:
    """All accounts of an organization, read once; `find` answers from memory."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self._by_ref: dict[AccountRef, Account] = {}
        for account in Account.objects.filter(organization=organization):
            self._remember(account)

    def _remember(self, account: Account) -> None:
        self._by_ref[AccountRef("code", account.code)] = account
        if account.role:
            self._by_ref[AccountRef(account.role, account.qualifier)] = account

    def find(self, ref: AccountRef, *, currency: str) -> Account:
        """The account to post to; makes a gateway's clearing account, and those of ON_FIRST_USE, where they
        are needed first.

        Raises RecordError where there is none, it is archived, or it holds another currency.
        """
        account = self._by_ref.get(ref) or self._make(ref)
        if account.archived_at is not None:
            raise RecordError(f"Account {account} is archived. Restore it, or book to another account")
        if account.currency and account.currency != currency:
            raise RecordError(
                f"Account {account} holds {account.currency} only, but the entry is in {currency}. "
                "Choose an account for that currency"
            )
        return account

    def _make(self, ref: AccountRef) -> Account:
        if ref.role == "code":
            raise RecordError(
                f"There is no account with code {ref.qualifier}. Add it to the chart of accounts"
            )
        taken = {found.qualifier for found in self._by_ref if found.role == "code"}
        if ref.role == "clearing":
            row = clearing_account(ref.qualifier, taken)
        elif ref.role in ON_FIRST_USE and not ref.qualifier:
            row = free_code(ON_FIRST_USE[ref.role], taken)
        else:
            raise RecordError(
                f"No account has the role '{ref.role}'. Give it to one in the chart of accounts"
            )
        account = _account(self.organization, row)
        account.save()
        self._remember(account)
        return account

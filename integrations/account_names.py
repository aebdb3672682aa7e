"""Accounts in the words of the chart: what entry drafts call by role, people know by code and name."""

from __future__ import annotations

from ledgerhub.access.models import Organization
from ledgerhub.ledger.chart import clearing_account
from ledgerhub.ledger.entries import AccountRef
from ledgerhub.ledger.models import Account


class AccountNames:
    """Accounts of an organization by what accounting calls them; makes none."""

    def __init__(self, organization: Organization) -> None:
        self._labels: dict[AccountRef, str] = {}
        for account in Account.objects.filter(organization=organization):
            self._labels[AccountRef("code", account.code)] = str(account)
            if account.role:
                self._labels[AccountRef(account.role, account.qualifier)] = str(account)

    def label(self, ref: AccountRef) -> str:
        """`4000 Sales`; a clearing account not there yet is named as it will be."""
        known = self._labels.get(ref)
        if known is not None:
            return known
        if ref.role == "clearing":
            return f"{clearing_account(ref.qualifier, ()).name} (new)"
        return ref.qualifier if ref.role == "code" else ref.role.replace("_", " ").capitalize()

    def missing(self, ref: AccountRef) -> str:
        """Why nothing could be posted there, or ""."""
        if ref in self._labels or ref.role == "clearing":
            return ""
        if ref.role == "code":
            return f"There is no account with code {ref.qualifier}. Add it to the chart of accounts."
        return f"No account has the role '{ref.role}'. Give it to one in the chart of accounts."

"""What mapping may look up in the ledger: contacts, items, accounts."""

from __future__ import annotations

from functools import cached_property

from integrations.facing import AccountsThere
from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Account, Contact, ContactIdentity, Item


class LedgerLookups:
    """Answers from the organization's ledger; accounts are read once, the rest on demand."""

    def __init__(self, organization: Organization, there: AccountsThere) -> None:
        self.organization = organization
        self._there = there
        self._contacts: dict[tuple[str, str], str | None] = {}
        self._items: dict[str, str | None] = {}

    def contact(self, by: str, value: str) -> str | None:
        """The contact's name by external id, e-mail or name; None where there is none."""
        key = (by, value)
        if key not in self._contacts:
            self._contacts[key] = self._find_contact(by, value)
        return self._contacts[key]

    def item(self, by: str, value: str) -> str | None:
        """The item's name by SKU."""
        if value not in self._items:
            found = Item.objects.filter(organization=self.organization, sku=value)
            self._items[value] = found.values_list("name", flat=True).first()
        return self._items[value]

    def account(self, by: str, value: str) -> str | None:
        """The account's code by code, name or role."""
        return self._accounts.get((by, value.casefold()))

    def account_there(self, at: str) -> str:
        return self._there.code(at)

    @cached_property
    def _accounts(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for account in Account.objects.filter(organization=self.organization, archived_at__isnull=True):
            for by, value in (("code", account.code), ("name", account.name), ("role", account.role)):
                found.setdefault((by, value.casefold()), account.code)
        return found

    def _find_contact(self, by: str, value: str) -> str | None:
        if by == "external_id":
            rows = ContactIdentity.objects.filter(organization=self.organization, external_id=value)
            return rows.values_list("contact__name", flat=True).first()
        column = "email" if by == "email" else "name"
        contacts = Contact.objects.filter(organization=self.organization, **{f"{column}__iexact": value})
        return contacts.values_list("name", flat=True).first()

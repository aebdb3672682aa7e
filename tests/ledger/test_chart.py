"""The default chart: every role the accounting names has exactly one account."""

from __future__ import annotations

from collections import Counter

from ledgerhub.ledger import accounting
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.chart import (
    DEFAULT_CHART,
    MARKETPLACE_TAX,
    clearing_account,
    free_code,
)
from ledgerhub.ledger.entries import AccountRef
from ledgerhub.ledger.models import Account
from tests.factories import make_organization


def test_every_role_of_the_accounting_has_its_account() -> None:
    needed = {ref for ref in vars(accounting).values() if isinstance(ref, AccountRef)}
    known = (*DEFAULT_CHART, MARKETPLACE_TAX)
    assert needed - {AccountRef(row.role, row.qualifier) for row in known} == set()


def test_codes_and_roles_are_unique_and_types_are_known() -> None:
    assert [code for code, times in Counter(row.code for row in DEFAULT_CHART).items() if times > 1] == []
    roles = Counter(row.role for row in DEFAULT_CHART if row.role)
    assert [role for role, times in roles.items() if times > 1] == []
    assert {row.type for row in DEFAULT_CHART} == set(Account.Type.values)


def test_clearing_accounts_take_the_next_free_code() -> None:
    assert clearing_account("paypal", {"1100"})[:2] == ("1101", "PayPal clearing")
    assert clearing_account("ebay", set()).name == "eBay clearing"
    full = {str(code) for code in range(1100, 1200)}
    assert clearing_account("manual", full).code == "1199-1"
    assert clearing_account("manual", {*full, "1199-1"}).code == "1199-2"


def test_the_account_of_marketplaces_tax_takes_a_free_code() -> None:
    assert free_code(MARKETPLACE_TAX, {"2100"}) == MARKETPLACE_TAX
    assert free_code(MARKETPLACE_TAX, {"2150", "2150-1"}).code == "2150-2"


def test_installing_twice_adds_nothing(db: None) -> None:
    shop = make_organization()
    assert len(install_chart(shop)) == len(DEFAULT_CHART)
    assert install_chart(shop) == []

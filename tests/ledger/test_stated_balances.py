"""Balances that a bank states day by day become statements without lines of their own."""

from __future__ import annotations

import datetime as dt

import pytest

from ledgerhub.access.models import Organization
from ledgerhub.ledger import stated_balances
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Account, Source, Statement

pytestmark = pytest.mark.django_db


def said(day: int, total: int) -> Draft:
    return {"kind": "bank_balance", "external_id": f"a:{day}", "date": dt.date(2026, 3, day),
            "currency": "USD", "total": total}  # fmt: skip


@pytest.fixture
def bank(organization: Organization) -> Account:
    install_chart(organization)
    return Account.objects.get(organization=organization, role="bank", qualifier="")


def rows(bank: Account) -> list[tuple[int, int, int | None, int]]:
    found = Statement.objects.filter(account=bank).order_by("end")
    return [(s.start.day, s.end.day, s.opening, s.closing) for s in found]  # type: ignore[union-attr,misc]


def test_a_day_says_its_last_balance_and_days_between_are_covered(bank: Account) -> None:
    source = Source.objects.create(organization=bank.organization, key="feed", label="Feed")
    stated_balances.store(bank, source, [said(2, 100)])
    stated_balances.store(bank, source, [said(2, 150)])
    assert rows(bank) == [(2, 2, None, 150)]
    stated_balances.store(bank, source, [said(9, 900), said(5, 500)])
    assert rows(bank) == [(2, 2, None, 150), (3, 5, None, 500), (6, 9, None, 900)]


def test_a_day_that_comes_late_takes_its_place(bank: Account) -> None:
    source = Source.objects.create(organization=bank.organization, key="feed", label="Feed")
    stated_balances.store(bank, source, [said(2, 100), said(9, 900)])
    stated_balances.store(bank, source, [said(5, 500)])
    assert rows(bank) == [(2, 2, None, 100), (3, 5, None, 500), (6, 9, None, 900)]

"""Statement lines: each identity once, equal twins kept, pending ones replaced, booked ones never edited."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Source, StatementLine
from ledgerhub.ledger.statement_lines import LinesOutcome, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank(organization: Organization) -> Account:
    install_chart(organization)
    return Account.objects.get(organization=organization, role="bank", qualifier="")


@pytest.fixture
def source(organization: Organization) -> Source:
    return Source.objects.create(organization=organization, key="bank", label="Bank")


def line(identity: str, total: int = -450, **more: Any) -> dict[str, Any]:
    return {
        "kind": "bank_transaction",
        "external_id": identity,
        "date": dt.date(2026, 3, 2),
        "currency": "USD",
        "total": total,
        "description": "COFFEE",
        **more,
    }


def test_overlap_imports_nothing_twice_and_twins_stay_two(bank: Account, source: Source) -> None:
    twins = [line("a#1"), line("a#2")]
    assert store(bank, source, twins, raw_record_ids=[1, 2]) == LinesOutcome(2, 0, 0)
    assert store(bank, source, [*twins, line("b")], raw_record_ids=[1, 2, 3]) == LinesOutcome(1, 0, 2)
    assert list(StatementLine.objects.order_by("position").values_list("identity", "position")) == [
        ("a#1", 1),
        ("a#2", 2),
        ("b", 3),
    ]


def test_a_pending_line_becomes_the_booked_one(bank: Account, source: Source) -> None:
    store(bank, source, [line("a", -400, pending=True)], raw_record_ids=[1])
    assert store(bank, source, [line("a", -480)], raw_record_ids=[2]) == LinesOutcome(0, 1, 0)
    assert list(StatementLine.objects.values_list("amount", "pending", "raw_record_id")) == [(-480, False, 2)]


def test_a_booked_line_is_never_edited(bank: Account, source: Source) -> None:
    store(bank, source, [line("a", -480)], raw_record_ids=[1])
    assert store(bank, source, [line("a", -999)], raw_record_ids=[2]) == LinesOutcome(0, 0, 1)
    assert StatementLine.objects.get().amount == -480

"""The demo: an organization with integrations that sync and a bank whose files are in."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum
from pytest_django import Settings

from integrations import files
from integrations.management.commands import demo
from integrations.models import Integration, SyncRun, Upload
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from ledgerhub.ledger import queries
from ledgerhub.ledger.bank_accounts import bank_accounts
from ledgerhub.ledger.models import Statement, StatementLine
from reconciliation.proof import prove

pytestmark = pytest.mark.django_db


def test_the_statements_are_those_of_the_sandbox() -> None:
    organization = demo.make("a password")
    assert [str(account) for account in bank_accounts(organization)] == [
        "1000 Checking account",
        "2050 Company credit card",
    ]
    business = simulate()
    closing = truth.closing_balances(business, clock=business.clock)
    for account, owner in zip(bank_accounts(organization), business.accounts, strict=True):
        moved = StatementLine.objects.filter(account=account).aggregate(total=Sum("amount"))["total"]
        last = Statement.objects.filter(account=account).latest("end")
        assert (owner.opening + moved, last.closing) == (closing[owner.id], closing[owner.id])
    assert {upload.state for upload in Upload.objects.all()} == {"imported"}
    assert "difference" not in {files.check_balance(upload).state for upload in Upload.objects.all()}


def test_the_books_open_with_what_the_bank_held() -> None:
    organization = demo.make("a password")
    [bank, card] = bank_accounts(organization)
    assert (queries.account_balance(bank), queries.account_balance(card)) == (2_500_000, 0)
    proof = prove(bank)
    assert (proof.gap, proof.books_gap, proof.outstanding) == (0, 0, 0)


def test_integrations_are_live_with_their_first_sync_queued() -> None:
    demo.make("a password")
    waiting = Integration.objects.exclude(state="active").values_list("connector", "state")
    by_hand = [(key, "draft") for key, system in SYSTEMS.items() if system.by_hand]
    assert sorted(waiting) == by_hand
    assert ("quickbooks", "draft") in by_hand
    assert set(SyncRun.objects.values_list("trigger", "state")) == {
        ("person", "queued"),
        ("file", "succeeded"),
    }


def test_it_is_made_only_for_the_demo(settings: Settings) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="only where LEDGERHUB_DEMO is true"):
        call_command("demo")

"""Registering: drafts, secrets, streams that can be chosen again, going live, disconnecting."""

from __future__ import annotations

import datetime as dt

import pytest

from integrations import register, registry
from integrations.models import Integration, Secret, Stream, SyncRun
from integrations.register import Choice
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.bank_accounts import (
    bank_accounts,
    could_be_bank_accounts,
    open_bank_account,
    use_as_bank_account,
)
from ledgerhub.ledger.models import Account

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(organization: Organization) -> Integration:
    install_chart(organization)
    return register.create(
        organization,
        "stripe",
        name="Stripe",
        settings={"api_key": " sk_test_1 ", "charges_count_as": "sales"},
    )


def test_secrets_go_to_the_vault_and_stay_when_left_empty(draft: Integration) -> None:
    assert draft.settings == {"charges_count_as": "sales"}
    spec = registry.connector(draft)
    register.save_settings(draft, {"api_key": "", "charges_count_as": "deposits"}, spec=spec)
    assert (Secret.objects.get().value, draft.settings) == ("sk_test_1", {"charges_count_as": "deposits"})


def test_streams_are_chosen_again_until_something_was_read(draft: Integration) -> None:
    first = dt.date(2026, 1, 1)
    register.choose(draft, [Choice("charges", first, 30, "shadow"), Choice("refunds", first)])
    register.choose(draft, [Choice("charges", dt.date(2026, 2, 1), 60, "live")])
    charges, refunds = Stream.objects.order_by("key")
    assert (charges.enabled, charges.start_date, charges.schedule_minutes, charges.mode) == (
        True, dt.date(2026, 2, 1), 60, "live",
    )  # fmt: skip
    assert (refunds.enabled, SyncRun.objects.count()) == (False, 0)
    Stream.objects.filter(pk=charges.pk).update(cursor={"at": "2026-03-01T00:00:00Z"})
    register.choose(draft, [Choice("charges", first)])
    charges.refresh_from_db()
    assert charges.start_date == dt.date(2026, 2, 1)


def test_choosing_again_keeps_the_mapping(draft: Integration) -> None:
    (stream,) = register.choose(draft, [Choice("charges")])
    (again,) = register.choose(draft, [Choice("charges")])
    assert again.mapping == stream.mapping
    assert stream.mapping is not None
    assert (stream.mapping.number, stream.mapping.state) == (1, "published")


def test_going_live_syncs_what_can_be_fetched(draft: Integration) -> None:
    streams = register.activate(draft, [Choice("charges"), Choice("payouts")])
    assert draft.state == "active"
    assert sorted(SyncRun.objects.values_list("stream__key", "state")) == [
        ("charges", "queued"),
        ("payouts", "queued"),
    ]
    assert len(streams) == 2


def test_files_have_no_schedule(organization: Organization) -> None:
    install_chart(organization)
    integration = register.create(organization, "bank_file", name="Bank", settings={})
    (stream,) = register.activate(integration, [Choice("statements", schedule_minutes=60)])
    assert (stream.schedule_minutes, SyncRun.objects.count()) == (0, 0)
    assert not register.needs_connection(integration)


def test_a_test_that_cannot_begin_is_told_in_words(organization: Organization) -> None:
    integration = register.create(organization, "bank_file", name="Bank", settings={})
    assert register.test_connection(integration) == (
        False,
        "Bank statement files is fed by files: there is nothing to call.",
    )


def test_disconnecting_ends_everything_and_keeps_what_came(draft: Integration) -> None:
    (stream,) = register.activate(draft, [Choice("charges")])
    register.disconnect(draft)
    stream.refresh_from_db()
    assert (draft.state, stream.enabled, Secret.objects.count()) == ("disconnected", False, 0)
    assert SyncRun.objects.get().state == "canceled"


class TestBankAccounts:
    def test_a_new_one_gets_the_next_code_beside_the_chart(self, organization: Organization) -> None:
        install_chart(organization)
        first = open_bank_account(organization, name="Euro account", currency="EUR")
        second = open_bank_account(organization, name="Business card", card=True)
        third = open_bank_account(organization, name="Euro account", currency="USD")
        assert [(a.code, a.type, a.role, a.qualifier, a.currency) for a in (first, second, third)] == [
            ("1001", "asset", "bank", "euro-account", "EUR"),
            ("2051", "liability", "bank", "business-card", ""),
            ("1002", "asset", "bank", "euro-account-2", ""),
        ]
        assert [account.code for account in bank_accounts(organization)] == ["1000", "1001", "1002", "2051"]

    def test_one_of_the_chart_is_given_the_role(self, organization: Organization) -> None:
        install_chart(organization)
        savings = Account.objects.get(organization=organization, code="1010")
        assert savings in could_be_bank_accounts(organization)
        use_as_bank_account(savings)
        assert (savings.role, savings.qualifier) == ("bank", "savings-account")
        assert savings not in could_be_bank_accounts(organization)

    def test_codes_go_on_when_the_range_is_full(self, organization: Organization) -> None:
        Account.objects.bulk_create(
            Account(organization=organization, code=str(code), name="x", type="asset")
            for code in range(1001, 1050)
        )
        assert open_bank_account(organization, name="One more").code == "1049-1"

"""Statement files of the sandbox's bank, and an integration that takes them."""

from __future__ import annotations

import datetime as dt
from functools import cache

from django.core.files.uploadedfile import SimpleUploadedFile

from integrations import register
from integrations.models import Integration, Stream
from integrations.register import Choice
from integrations.sandbox.banking import ACCOUNTS
from integrations.sandbox.business import simulate
from integrations.sandbox.events import Business
from integrations.sandbox.statements import STYLES, Period
from integrations.sandbox.systems import bank
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.bank_accounts import use_as_bank_account
from ledgerhub.ledger.models import Account

AUGUST, SEPTEMBER, OCTOBER = (dt.date(2026, month, 1) for month in (8, 9, 10))


@cache
def business() -> Business:
    return simulate(7, orders=60)


def period(month: dt.date, *, card: bool = False) -> Period:
    """The month and the last five days of the one before."""
    return bank.period(business(), ACCOUNTS[1 if card else 0], month, business().clock)


def statement_bytes(style: str, month: dt.date, *, card: bool = False) -> bytes:
    return STYLES[style].render(period(month, card=card))


def statement_file(style: str, month: dt.date, *, card: bool = False) -> SimpleUploadedFile:
    name = f"{'card' if card else 'checking'}-{month:%Y-%m}-{style}.{STYLES[style].suffix}"
    return SimpleUploadedFile(name, statement_bytes(style, month, card=card))


def bank_files(organization: Organization) -> Stream:
    """A live integration of bank files in an organization with a chart and a card account."""
    if not Account.objects.filter(organization=organization).exists():
        install_chart(organization)
    use_as_bank_account(Account.objects.get(organization=organization, code="2050"))
    integration: Integration = register.create(
        organization, "bank_file", name="Bank files", settings={}, bank_account=checking(organization)
    )
    return register.activate(integration, [Choice("statements")])[0]


def checking(organization: Organization) -> Account:
    return Account.objects.get(organization=organization, code="1000")


def card(organization: Organization) -> Account:
    return Account.objects.get(organization=organization, code="2050")

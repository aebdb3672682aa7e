"""`manage.py demo`: the demo organization, its administrator and integrations to the sandbox; once."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from integrations import connectors, files, register
from integrations.models import Integration, Stream
from integrations.register import Choice
from integrations.sandbox import catalog
from integrations.sandbox.banking import ACCOUNTS
from integrations.sandbox.business import simulate
from integrations.sandbox.statements import STYLES
from integrations.sandbox.systems import bank as bank_system
from integrations.sandbox.web import System
from integrations.statements import CsvLayout
from ledgerhub.access.models import Membership, Organization, Role, User
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.bank_accounts import use_as_bank_account
from ledgerhub.ledger.forms import read_rates
from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Account, Source
from ledgerhub.ledger.rates import save_rates

EMAIL = "admin@harbor.example"
SLUG = "harbor-coffee"
BANK_NAME = "Harbor First Bank files"
CARD_CODE = "2050"  # the chart's company credit card


class Command(BaseCommand):
    help = "Make the demo organization with an administrator and integrations that sync from the sandbox."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo is made only where LEDGERHUB_DEMO is true.")
        password_file = settings.VAR_DIR / "demo-password.txt"
        if not Organization.objects.filter(slug=SLUG).exists():
            password = secrets.token_urlsafe(9)
            with transaction.atomic():
                make(password)
                password_file.touch(mode=0o600)
                password_file.write_text(password)
        password = password_file.read_text().strip() if password_file.exists() else "(as you set it)"
        self.stdout.write(f"\n  Sign in as  {EMAIL}\n  Password    {password}\n\n")


def make(password: str) -> Organization:
    """The organization, its people and its integrations, each with a first sync queued."""
    organization = Organization.objects.create(
        name="Harbor Coffee Co.", slug=SLUG, base_currency="USD", timezone="America/New_York"
    )
    admin = User.objects.create_superuser(EMAIL, password, name="Alex Morgan")
    Membership.objects.create(user=admin, organization=organization, role=Role.ADMIN)
    install_chart(organization)
    enter_rates(organization, admin=admin)
    bank = Account.objects.get(organization=organization, role="bank", qualifier="")
    for system in catalog.SYSTEMS.values():
        if system.key in connectors.CONNECTORS:
            connect(organization, system, bank=bank, admin=admin)
    give_statements(organization, bank=bank, admin=admin)
    return organization


def connect(organization: Organization, system: System, *, bank: Account, admin: User) -> Integration:
    """A system of the sandbox with all its streams live; one that asks for consent waits for a person."""
    integration = register.create(
        organization,
        system.key,
        name=system.label,
        settings={**system.settings, **system.secrets, "base_url": settings.SANDBOX_URL + system.base},
        bank_account=bank,
        user=admin,
    )
    if system.by_hand:
        return integration
    streams = connectors.get(system.key).streams
    register.activate(integration, [Choice(stream.key) for stream in streams], user=admin)
    return integration


def give_statements(organization: Organization, *, bank: Account, admin: User) -> None:
    """The bank's files of every month, as if somebody had uploaded them: the checking account as CSV, the
    business card as OFX. They are made here, because the sandbox's server is not up yet."""
    card = use_as_bank_account(Account.objects.get(organization=organization, code=CARD_CODE))
    integration = register.create(
        organization, "bank_file", name=BANK_NAME, settings={}, bank_account=bank, user=admin
    )
    (stream,) = register.activate(integration, [Choice("statements")], user=admin)
    business = simulate()
    for account, owner, style in zip((bank, card), ACCOUNTS, ("us", "ofx1"), strict=True):
        if owner.opening:
            open_account(account, owner.opening, on=business.start - dt.timedelta(days=1))
        for month in bank_system.months(business, business.clock):
            period = bank_system.period(business, owner, month, business.clock)
            name = bank_system.file_name(owner, month, style)
            give(stream, account, ContentFile(STYLES[style].render(period), name), admin)


def enter_rates(organization: Organization, *, admin: User) -> None:
    """A file of exchange rates as if somebody had uploaded it: PayPal's sales abroad are booked at them."""
    rows = read_rates(simulate().rates.csv(), organization.base_currency)
    rates = [(row.currency, row.date, row.rate) for row in rows]
    save_rates(organization, rates, origin="harbor-rates.csv", actor=admin)


def open_account(account: Account, balance: int, *, on: dt.date) -> None:
    """What the account held before the first statement, as a bookkeeper would enter it by hand."""
    organization = account.organization
    equity = Account.objects.get(organization=organization, role="opening_balances")
    draft: Draft = {
        "kind": "journal_entry",
        "external_id": f"opening:{account.code}",
        "number": f"Opening {account.code}",
        "date": on,
        "currency": organization.base_currency,
        "memo": f"Opening balance of {account.name}",
        "lines": [
            {"account": account.code, "amount": balance},
            {"account": equity.code, "amount": -balance},
        ],
    }
    source, _ = Source.objects.get_or_create(
        organization=organization, key="by-hand", defaults={"label": "By hand"}
    )
    incoming = [documents.Incoming("journal_entry", draft)]
    [stored] = documents.store(organization, source, incoming, scope="by-hand")
    posting.post_document(stored.document, draft)


def give(stream: Stream, account: Account, file: ContentFile[bytes], admin: User) -> None:
    """Upload a file, agree to the columns as guessed, import."""
    upload, _ = files.receive(stream, account, file, user=admin)
    asked = files.question(upload)
    if asked is not None and asked.kind == "columns":
        files.agree_layout(upload, CsvLayout.from_dict(upload.layout))
    files.start(upload, user=admin)

"""`manage.py demo`: the demo organization, its administrator and integrations to the sandbox; once."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from integrations import connectors, register, sweep
from integrations.register import Choice
from integrations.sandbox import catalog
from ledgerhub.access.models import Membership, Organization, Role, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account

EMAIL = "admin@harbor.example"
SLUG = "harbor-coffee"


class Command(BaseCommand):
    help = "Make the demo organization with an administrator and integrations that sync from the sandbox."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo is made only where LEDGERHUB_DEMO is true.")
        sweep.ensure_schedules()
        password_file = settings.VAR_DIR / "demo-password.txt"
        if not Organization.objects.filter(slug=SLUG).exists():
            password = secrets.token_urlsafe(9)
            with transaction.atomic():
                make(password)
            password_file.write_text(password)
            password_file.chmod(0o600)
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
    bank = Account.objects.get(organization=organization, role="bank", qualifier="")
    for system in catalog.SYSTEMS.values():
        if system.key not in connectors.CONNECTORS:
            continue
        integration = register.create(
            organization,
            system.key,
            name=system.label,
            settings={
                **system.settings,
                **system.secrets,
                "base_url": settings.SANDBOX_URL + system.base,
            },
            bank_account=bank,
            user=admin,
        )
        streams = connectors.get(system.key).streams
        register.activate(integration, [Choice(stream.key) for stream in streams], user=admin)
    return organization

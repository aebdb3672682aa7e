"""Founds an organization and its first admin from the command line."""

from __future__ import annotations

import os
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledgerhub.access.adapters import confirm_address
from ledgerhub.access.invitations import invite
from ledgerhub.access.models import Organization, Role, User
from ledgerhub.ledger.founding import found_organization

PASSWORD_VARIABLE = "LEDGERHUB_ADMIN_PASSWORD"


class Command(BaseCommand):
    help = (
        "Create an organization with a chart of accounts and its first admin. Somebody new is invited "
        f"by e-mail, or gets an account at once where {PASSWORD_VARIABLE} is in the environment."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the organization is called")
        parser.add_argument(
            "--admin", required=True, metavar="EMAIL", help="e-mail address of the first admin"
        )
        parser.add_argument("--currency", default="USD", help="base currency, for example EUR")
        parser.add_argument("--timezone", default="UTC", help="for example Europe/Zurich")

    def handle(self, *args: Any, **options: Any) -> None:
        admin = _find_or_create(options["admin"].strip().lower())
        try:
            organization = found_organization(
                options["name"],
                base_currency=options["currency"].upper(),
                timezone=options["timezone"],
                admin=admin,
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        self.stdout.write(f"Created {organization} at /o/{organization.slug}/")
        self.stdout.write(_how_to_enter(organization, admin, options["admin"]))


def _find_or_create(email: str) -> User | None:
    user = User.objects.filter(email=email).first()
    password = os.environ.get(PASSWORD_VARIABLE)
    if user is None and password:
        user = User.objects.create_user(email, password)
        confirm_address(user)
    return user


def _how_to_enter(organization: Organization, admin: User | None, email: str) -> str:
    if admin is not None:
        return f"{admin.email} is its admin."
    _, link = invite(None, organization, email=email, role=Role.ADMIN)
    return f"An invitation is on its way to {email}. The link, good for seven days: {link}"

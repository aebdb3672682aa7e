"""Founding: a new organization with its chart of accounts and its first admin."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest
from django.utils.text import slugify

from ledgerhub.access.audit import record
from ledgerhub.access.models import Membership, Organization, Role, User
from ledgerhub.ledger.accounts import install_chart

_LONGEST_SLUG = 50


@transaction.atomic
def found_organization(
    name: str,
    *,
    base_currency: str = "USD",
    timezone: str = "UTC",
    admin: User | None = None,
    request: HttpRequest | None = None,
) -> Organization:
    """Raises ValidationError for a currency or a time zone that does not exist."""
    organization = Organization(
        name=name, slug=free_slug(name), base_currency=base_currency, timezone=timezone
    )
    organization.full_clean()
    organization.save()
    install_chart(organization)
    after = {"name": name, "base_currency": base_currency, "timezone": timezone}
    record(request, "organization.founded", organization, after=after, organization=organization, actor=admin)
    if admin is not None:
        membership = Membership.objects.create(user=admin, organization=organization, role=Role.ADMIN)
        joined = {"person": admin.email, "role": Role.ADMIN}
        record(request, "member.joined", membership, after=joined, organization=organization, actor=admin)
    return organization


def free_slug(name: str) -> str:
    """The name as it may stand in an address, with a number where another organization has it."""
    base = slugify(name)[:_LONGEST_SLUG].strip("-") or "books"
    taken = set(Organization.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    slug, number = base, 2
    while slug in taken:
        slug, number = f"{base}-{number}", number + 1
    return slug

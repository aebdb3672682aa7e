"""Small typed factories of what every test needs: organizations, people, a signed-in client."""

from __future__ import annotations

from itertools import count

from django.test import Client

from ledgerhub.access.adapters import confirm_address
from ledgerhub.access.models import Membership, Organization, Role, User

PASSWORD = "correct horse battery staple"
_numbers = count(1)


def make_organization(
    *, name: str = "", base_currency: str = "USD", timezone: str = "America/New_York", **fields: object
) -> Organization:
    number = next(_numbers)
    name = name or f"Corner Shop {number}"
    slug = str(fields.pop("slug", f"shop-{number}"))
    return Organization.objects.create(
        name=name, slug=slug, base_currency=base_currency, timezone=timezone, **fields
    )


def make_user(
    *,
    email: str = "",
    name: str = "",
    role: Role | str | None = None,
    organization: Organization | None = None,
    password: str = PASSWORD,
    **fields: object,
) -> User:
    """A person; a member where an organization is given (a viewer unless `role` says more)."""
    number = next(_numbers)
    user = User.objects.create_user(
        email or f"person{number}@example.com", password, name=name or f"Person {number}", **fields
    )
    confirm_address(user)
    if organization is not None:
        make_member(user, organization=organization, role=role or Role.VIEWER)
    return user


def make_member(user: User, *, organization: Organization, role: Role | str = Role.VIEWER) -> Membership:
    return Membership.objects.create(user=user, organization=organization, role=Role(role))


def sign_in(client: Client, user: User) -> Client:
    """Sign in past the forms; give the tests of the forms themselves PASSWORD."""
    client.force_login(user)
    return client

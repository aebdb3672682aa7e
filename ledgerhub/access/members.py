"""Keeping people: change a member's role, remove a member; an organization always keeps an admin."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.access.models import Membership, Organization, Role
from ledgerhub.core.errors import ConfigError

_LAST_ADMIN = "{who} is the last admin of {organization}. Make somebody else an admin first."


@transaction.atomic
def change_role(request: HttpRequest, membership: Membership, role: Role) -> None:
    """Raises ConfigError where the last admin would be lost."""
    if membership.role == role:
        return
    before = Role(membership.role)
    if before == Role.ADMIN:
        _keep_an_admin(membership)
    membership.role = role
    membership.save(update_fields=["role"])
    record(request, "member.role_changed", membership, before={"role": before}, after={"role": role})


@transaction.atomic
def remove(request: HttpRequest, membership: Membership) -> None:
    """Take somebody out of the organization; the account and what it did stay. Raises ConfigError."""
    if membership.role == Role.ADMIN:
        _keep_an_admin(membership)
    record(
        request,
        "member.removed",
        membership,
        before={"person": membership.user.email, "role": membership.role},
    )
    membership.delete()


def _keep_an_admin(membership: Membership) -> None:
    """The organization's row is locked, so that two admins cannot demote each other at once."""
    organization = Organization.objects.select_for_update().get(pk=membership.organization_id)
    others = organization.memberships.filter(role=Role.ADMIN, user__is_active=True).exclude(pk=membership.pk)
    if not others.exists():
        raise ConfigError(_LAST_ADMIN.format(who=membership.user, organization=organization))

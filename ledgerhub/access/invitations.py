"""Inviting: an e-mail with a link that lets one person join with one role; only the link's hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from ledgerhub.access.adapters import confirm_address
from ledgerhub.access.audit import record
from ledgerhub.access.models import Invitation, Membership, Organization, Role, User
from ledgerhub.core.errors import ConfigError

VALID_FOR = timedelta(days=7)


def pending(organization: Organization) -> QuerySet[Invitation]:
    """Sent, neither accepted nor revoked; an expired one stays here to be sent again."""
    return Invitation.objects.filter(
        organization=organization, accepted_at__isnull=True, revoked_at__isnull=True
    ).order_by("-created_at")


def find(token: str) -> Invitation | None:
    """The open invitation a link leads to; None once it is used, revoked or expired."""
    return (
        Invitation.objects.select_related("organization", "invited_by")
        .filter(
            token_hash=_hash(token),
            accepted_at__isnull=True,
            revoked_at__isnull=True,
            expires_at__gt=timezone.now(),
        )
        .first()
    )


@transaction.atomic
def invite(
    request: HttpRequest | None, organization: Organization, *, email: str, role: Role, by: User | None = None
) -> tuple[Invitation, str]:
    """Write the invitation and send it once committed; returns it with its link.

    An open invitation to the same address is revoked, so that only the newest link works.
    """
    email = email.strip().lower()
    if organization.memberships.filter(user__email=email).exists():
        raise ConfigError(f"{email} is a member already. Change the role in the list of people instead.")
    for older in pending(organization).filter(email=email):
        revoke(request, older)
    token, expires = _new_token()
    invitation = Invitation.objects.create(
        organization=organization,
        email=email,
        role=role,
        token_hash=_hash(token),
        invited_by=by,
        expires_at=expires,
    )
    record(
        request,
        "invitation.sent",
        invitation,
        after={"email": email, "role": role},
        organization=organization,
        actor=by,
    )
    return invitation, _send(invitation, token)


@transaction.atomic
def resend(request: HttpRequest, invitation: Invitation) -> str:
    """Send a new link, good for another seven days; the old one stops working. Returns the link."""
    token, invitation.expires_at = _new_token()
    invitation.token_hash = _hash(token)
    invitation.save(update_fields=["token_hash", "expires_at"])
    record(request, "invitation.sent_again", invitation, after={"email": invitation.email})
    return _send(invitation, token)


@transaction.atomic
def revoke(request: HttpRequest | None, invitation: Invitation) -> None:
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    record(request, "invitation.revoked", invitation, organization=invitation.organization)


@transaction.atomic
def accept(request: HttpRequest | None, invitation: Invitation, user: User) -> Membership:
    """Make `user` a member; raises ConfigError where somebody used the link a moment before."""
    now = timezone.now()
    taken = Invitation.objects.filter(
        pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now
    ).update(accepted_at=now)
    if not taken:
        raise ConfigError("This invitation was used, revoked or has run out. Ask for a new one.")
    membership, created = Membership.objects.get_or_create(
        user=user, organization=invitation.organization, defaults={"role": invitation.role}
    )
    record(
        request,
        "member.joined" if created else "invitation.accepted",
        membership,
        after={"person": user.email, "role": membership.role},
        organization=invitation.organization,
        actor=user,
    )
    return membership


@transaction.atomic
def accept_as_new_user(
    request: HttpRequest | None, invitation: Invitation, *, name: str, password: str
) -> User:
    """Create the account the invitation is for and make it a member."""
    user = User.objects.create_user(invitation.email, password, name=name)
    confirm_address(user)
    accept(request, invitation, user)
    return user


def _new_token() -> tuple[str, datetime]:
    return secrets.token_urlsafe(32), timezone.now() + VALID_FOR


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _send(invitation: Invitation, token: str) -> str:
    link = f"{settings.PUBLIC_URL}{reverse('join', args=[token])}"
    context = {"invitation": invitation, "link": link, "role": Role(invitation.role)}
    subject = f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}Invitation to {invitation.organization.name}"
    body = render_to_string("access/mail/invitation.txt", context)
    transaction.on_commit(
        lambda: send_mail(" ".join(subject.split()), body, None, [invitation.email]), robust=True
    )
    return link

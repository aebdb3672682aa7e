"""Recording sign-ins: each goes into the trail of every organization the person belongs to."""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, User

_LOCK_OUT_QUIET_SECONDS = 300


def record_for_user(
    request: HttpRequest | None, action: str, user: User, *, after: dict[str, Any] | None = None
) -> None:
    """One event an organization of the user; in the system's own trail where there is none."""
    for organization in _organizations(user) or [None]:
        record(request, action, user, organization=organization, actor=user, after=after)


def record_failure(request: HttpRequest | None, action: str, email: str, **details: Any) -> None:
    """A sign-in that failed. An address nobody has goes to the system's own trail only."""
    user = User.objects.filter(email=email.lower()).first()
    for organization in (_organizations(user) if user else []) or [None]:
        record(request, action, user, organization=organization, label=email, after=details or None)


def record_lock_out(request: HttpRequest | None, email: str) -> None:
    """Once a lock-out, not once for every try that follows."""
    if cache.add(f"locked-out:{email.lower()}", 1, _LOCK_OUT_QUIET_SECONDS):
        record_failure(request, "sign_in.locked_out", email)


def _organizations(user: User) -> list[Organization | None]:
    return list(Organization.objects.filter(memberships__user=user).order_by("id"))

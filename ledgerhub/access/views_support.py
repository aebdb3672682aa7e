"""Guarding: every organization page is entered through `member`, which finds the caller's membership."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

from ledgerhub.access.audit import record
from ledgerhub.access.models import Membership, Organization, Role, User

P = ParamSpec("P")
LAST_ORGANIZATION = "organization"
_DENIAL_QUIET_SECONDS = 600


class OrgRequest(HttpRequest):
    """A signed-in member's request; `memberships` are all of the user's, by name."""

    user: User
    organization: Organization
    membership: Membership
    memberships: list[Membership]


View = Callable[Concatenate[OrgRequest, P], HttpResponseBase]


def member(role: Role | str) -> Callable[[View[P]], Callable[..., HttpResponseBase]]:
    """Let members with `role` or a stronger one in; the slug in the URL is consumed.

    Strangers are sent to sign in, outsiders get 404, too small a role a 403 page in words. Inside,
    `request.organization` and `request.membership` are set and the organization's time zone is active.
    """
    needed = Role(role)

    def decorate(view: View[P]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: Any, organization: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_sign_in(request)
            _enter(request, organization)
            if not request.membership.may(needed):
                return denied(request, needed)
            return view(request, *args, **kwargs)

        guarded.required_role = needed  # type: ignore[attr-defined]
        return guarded

    return decorate


def load_memberships(user: User) -> list[Membership]:
    """All memberships of a user with their organizations, in one query."""
    return list(user.memberships.select_related("organization").order_by("organization__name", "id"))


def denied(request: OrgRequest, needed: Role) -> HttpResponse:
    """The 403 page: which role it takes, which one you have, who can change that."""
    _record_denial(request, "access.denied", {"needed": needed, "has": request.membership.role})
    admins = User.objects.filter(
        memberships__organization=request.organization, memberships__role=Role.ADMIN, is_active=True
    )
    context = {"needed": needed, "role": Role(request.membership.role), "admins": admins.order_by("email")}
    return render(request, "access/denied.html", context, status=403)


def _enter(request: OrgRequest, slug: str) -> None:
    """Set organization, membership and time zone, or raise Http404."""
    request.memberships = load_memberships(request.user)
    found = [membership for membership in request.memberships if membership.organization.slug == slug]
    if not found:
        _record_outsider(request, slug)
        raise Http404("There is no such organization, or you are not a member of it.")
    request.membership, request.organization = found[0], found[0].organization
    timezone.activate(request.organization.zone)
    if request.session.get(LAST_ORGANIZATION) != slug:
        request.session[LAST_ORGANIZATION] = slug


def _record_outsider(request: OrgRequest, slug: str) -> None:
    organization = Organization.objects.filter(slug=slug).first()
    if organization is not None:
        _record_denial(request, "access.outsider_refused", {}, organization=organization)


def _record_denial(
    request: OrgRequest, action: str, details: dict[str, str], *, organization: Organization | None = None
) -> None:
    """Once in ten minutes a person and page, so that a reloading tab does not fill the trail."""
    scope = organization or request.organization
    page = request.path[:300]
    seen = hashlib.sha256(f"{scope.pk}:{request.user.pk}:{page}".encode()).hexdigest()
    if cache.add(f"denial:{seen}", 1, _DENIAL_QUIET_SECONDS):
        record(request, action, organization=scope, after={"page": page, **details})


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """A fragment cannot hold the sign-in page: htmx is told to leave instead."""
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(redirect_to_login(request.get_full_path()).url)
    return redirect_to_login(request.get_full_path())

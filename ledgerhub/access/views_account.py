"""Pages of a person: where one lands, switching organization, joining one, the own profile."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from ledgerhub.access import invitations
from ledgerhub.access.adapters import has_second_factor
from ledgerhub.access.audit import changes, snapshot
from ledgerhub.access.forms import JoinForm, ProfileForm
from ledgerhub.access.models import Invitation, Organization, User
from ledgerhub.access.sign_in_events import record_for_user
from ledgerhub.access.views_support import LAST_ORGANIZATION, OrgRequest, load_memberships
from ledgerhub.core.errors import ConfigError


@login_required
def home(request: OrgRequest) -> HttpResponse:
    """To the organization one was in last, else the first; a page in words where there is none."""
    memberships = load_memberships(request.user)
    if not memberships:
        may_found = request.user.is_superuser or not Organization.objects.exists()
        return render(request, "access/no_organization.html", {"may_found": may_found})
    slugs = [membership.organization.slug for membership in memberships]
    last = request.session.get(LAST_ORGANIZATION)
    return redirect(landing_url(last if last in slugs else slugs[0]))


def landing_url(slug: str) -> str:
    """Where an organization opens."""
    try:
        return reverse("dashboard", args=[slug])
    except NoReverseMatch:
        return reverse("access:settings", args=[slug])


@require_POST
@login_required
def switch_organization(request: OrgRequest) -> HttpResponse:
    chosen = request.POST.get("organization", "")
    for membership in load_memberships(request.user):
        if str(membership.organization_id) == chosen:
            request.session[LAST_ORGANIZATION] = membership.organization.slug
            return redirect(landing_url(membership.organization.slug))
    raise Http404("There is no such organization, or you are not a member of it.")


@never_cache
@sensitive_post_parameters("password", "again")
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invitation's link leads: a new person gives name and password, a known one confirms."""
    invitation = invitations.find(token)
    if invitation is None:
        return render(request, "access/join_closed.html", status=404)
    if isinstance(request.user, User):
        return _join_as(request, invitation, request.user)
    if User.objects.filter(email=invitation.email).exists():
        return render(request, "access/join_sign_in.html", {"invitation": invitation})
    return _join_as_new(request, invitation)


def _join_as(request: HttpRequest, invitation: Invitation, user: User) -> HttpResponse:
    if user.email != invitation.email:
        return render(request, "access/join_other.html", {"invitation": invitation}, status=403)
    if request.method != "POST":
        return render(request, "access/join_confirm.html", {"invitation": invitation})
    try:
        invitations.accept(request, invitation, user)
    except ConfigError as error:
        messages.error(request, str(error))
        return redirect("home")
    messages.success(request, f"Welcome to {invitation.organization}.")
    return redirect(landing_url(invitation.organization.slug))


def _join_as_new(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = JoinForm(request.POST or None, email=invitation.email)
    if request.method != "POST" or not form.is_valid():
        context = {"form": form, "invitation": invitation}
        return render(request, "access/join.html", context, status=422 if form.errors else 200)
    try:
        invitations.accept_as_new_user(
            request, invitation, name=form.cleaned_data["name"], password=form.cleaned_data["password"]
        )
    except ConfigError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Your account is ready. Sign in with {invitation.email}.")
    return redirect("account_login")


@login_required
def profile(request: OrgRequest) -> HttpResponse:
    """The own name, second factor, sessions and organizations on one page."""
    before = snapshot(request.user, ["name"])
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        if changes(before, user)[1]:
            record_for_user(request, "profile.changed", user, after={"name": user.name})
        messages.success(request, "Your name is saved.")
        return redirect("profile")
    context = {
        "form": form,
        "has_second_factor": has_second_factor(request.user),
        "codes_left": _codes_left(request.user),
        "sessions": len(UserSession.objects.purge_and_list(request.user)),
        "memberships": load_memberships(request.user),
    }
    return render(request, "access/profile.html", context, status=422 if form.errors else 200)


def _codes_left(user: User) -> int:
    codes = Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(codes.wrap().get_unused_codes()) if codes else 0


@require_POST
@login_required
def session_ending(request: OrgRequest, pk: int) -> HttpResponse:
    session = get_object_or_404(UserSession, user=request.user, pk=pk)
    session.end()
    record_for_user(request, "session.ended", request.user, after={"address": session.ip})
    messages.success(request, "That session is signed out.")
    return redirect("usersessions_list")

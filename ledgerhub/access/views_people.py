"""Pages of people: members and their roles, invitations."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access import invitations, members
from ledgerhub.access.forms import InvitationForm, RoleForm
from ledgerhub.access.models import Invitation, Membership, Role
from ledgerhub.access.tabs import settings_tabs
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import ConfigError
from ledgerhub.core.tables import Column, Filter, table

_COLUMNS = (
    Column("user__name", "Name", order_by="user__name"),
    Column("user__email", "E-mail", order_by="user__email"),
    Column("role", "Role", value=Membership.get_role_display),
    Column("created_at", "Member since", order_by="created_at"),
    Column("last_login", "Last sign-in", order_by="user__last_login", value=lambda row: row.user.last_login),
)


@require_safe
@member("viewer")
def people(request: OrgRequest) -> HttpResponseBase:
    listing = table(
        request,
        Membership.objects.filter(organization=request.organization).select_related("user"),
        name="people",
        columns=_COLUMNS,
        filters=[Filter("role", "Role", choices=Role.choices)],
        search=["user__name", "user__email"],
        default_sort="user__name",
    )
    if listing.export:
        return listing.export
    context = {"table": listing, "roles": Role.choices, "tabs": settings_tabs(request, "people")}
    return render(request, "access/people.html", context)


@require_POST
@member("admin")
def role(request: OrgRequest, pk: int) -> HttpResponse:
    membership = _membership(request, pk)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the roles in the list. Nothing was changed.")
        return redirect("access:people", request.organization.slug)
    try:
        members.change_role(request, membership, Role(form.cleaned_data["role"]))
    except ConfigError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{membership.user} is now {Role(membership.role).label.lower()}.")
    return redirect("access:people", request.organization.slug)


@require_POST
@member("admin")
def removal(request: OrgRequest, pk: int) -> HttpResponse:
    membership = _membership(request, pk)
    try:
        members.remove(request, membership)
    except ConfigError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{membership.user} is no longer a member. What they did stays recorded.")
    if membership.user == request.user:
        return redirect("home")
    return redirect("access:people", request.organization.slug)


@member("admin")
def invitation_list(request: OrgRequest) -> HttpResponse:
    """The open invitations, and the form that sends one."""
    form = InvitationForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _invite(request, form):
        return redirect("access:invitations", request.organization.slug)
    context = {
        "form": form,
        "invitations": invitations.pending(request.organization).select_related("invited_by"),
        "tabs": settings_tabs(request, "invitations"),
    }
    return render(request, "access/invitations.html", context, status=422 if form.errors else 200)


def _invite(request: OrgRequest, form: InvitationForm) -> bool:
    email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
    try:
        invitations.invite(request, request.organization, email=email, role=role, by=request.user)
    except ConfigError as error:
        form.add_error("email", str(error))
        return False
    messages.success(request, f"The invitation is on its way to {email}. The link works for seven days.")
    return True


@require_POST
@member("admin")
def delivery(request: OrgRequest, pk: int) -> HttpResponse:
    invitation = _invitation(request, pk)
    invitations.resend(request, invitation)
    messages.success(request, f"A new link is on its way to {invitation.email}. The old one no longer works.")
    return redirect("access:invitations", request.organization.slug)


@require_POST
@member("admin")
def revocation(request: OrgRequest, pk: int) -> HttpResponse:
    invitation = _invitation(request, pk)
    invitations.revoke(request, invitation)
    messages.success(request, f"The invitation to {invitation.email} no longer works.")
    return redirect("access:invitations", request.organization.slug)


def _membership(request: OrgRequest, pk: int) -> Membership:
    rows = Membership.objects.select_related("user", "organization")
    return get_object_or_404(rows, organization=request.organization, pk=pk)


def _invitation(request: OrgRequest, pk: int) -> Invitation:
    rows = invitations.pending(request.organization).select_related("organization")
    return get_object_or_404(rows, pk=pk)

"""The page that founds an organization: for superusers, and for whoever is first."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render

from ledgerhub.access.forms import currency_choices, timezone_choices
from ledgerhub.access.models import Organization
from ledgerhub.access.views_account import landing_url
from ledgerhub.access.views_support import OrgRequest
from ledgerhub.ledger.founding import found_organization


class FoundingForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="As it stands on the pages and in e-mails.")
    base_currency = forms.ChoiceField(
        choices=currency_choices,
        initial="USD",
        help_text="What the books are kept in. Fixed once something is posted.",
    )
    timezone = forms.ChoiceField(
        label="Time zone",
        choices=timezone_choices,
        initial="UTC",
        help_text="Decides on which day something happened.",
    )


@login_required
def new_organization(request: OrgRequest) -> HttpResponse:
    if not request.user.is_superuser and Organization.objects.exists():
        raise PermissionDenied("Only a superuser founds a further organization.")
    form = FoundingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        organization = found_organization(**form.cleaned_data, admin=request.user, request=request)
        messages.success(request, f"{organization} is ready, with a chart of accounts to start from.")
        return redirect(landing_url(organization.slug))
    return render(request, "access/new_organization.html", {"form": form}, status=422 if form.errors else 200)

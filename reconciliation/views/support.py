"""What the pages of matching share: finding objects in the organization, the way back, answers to htmx."""

from __future__ import annotations

import json

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from ledgerhub.access.views_support import OrgRequest
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation.models import Match
from reconciliation.signed import PeriodSigned


def get_account(request: OrgRequest, pk: int) -> Account:
    account = get_object_or_404(Account, organization=request.organization, pk=pk)
    # The request's own row, so that nothing reads the organization again.
    account.organization = request.organization
    return account


def get_line(account: Account, pk: int) -> StatementLine:
    return get_object_or_404(StatementLine, account=account, pk=pk)


def get_match(request: OrgRequest, pk: int) -> Match:
    made = get_object_or_404(
        Match.objects.select_related("account", "document"), organization=request.organization, pk=pk
    )
    made.account.organization = request.organization
    return made


def way_back(request: OrgRequest, account: Account | None = None) -> str:
    """Where a decision returns to: the `next` it came with when that is a page of ours, else the queue."""
    given = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(given, {request.get_host()}, require_https=request.is_secure()):
        return given
    if account is None:
        return reverse("reconciliation:queue", args=[request.organization.slug])
    return reverse("reconciliation:workspace", args=[request.organization.slug, account.pk])


def undo_tag(request: OrgRequest, made: Match) -> str:
    """The message tag that gives a toast its Undo button."""
    path = reverse("reconciliation:reversal", args=[request.organization.slug, made.pk])
    return f"undo={path}?{urlencode({'next': way_back(request, made.account)})}"


def decided_answer(request: OrgRequest, lines: list[int]) -> HttpResponse:
    """What htmx gets for a decision: the toast, and word that cards of these lines go (they may be on another
    page); header and tabs then ask for themselves anew."""
    answer = render(request, "reconciliation/decided_fragment.html")
    answer["HX-Trigger-After-Swap"] = json.dumps({"decided": {"lines": lines}})
    return answer


def refused(request: OrgRequest, reason: str | RecordError, account: Account | None = None) -> HttpResponse:
    """A decision that could not be taken: in words, back on the page; htmx gets them on top of it."""
    url = _mend_url(request, account) if account and isinstance(reason, PeriodSigned) else ""
    if request.headers.get("HX-Request"):
        answer = render(request, "reconciliation/refusal.html", {"reason": str(reason), "url": url})
        answer["HX-Retarget"], answer["HX-Reswap"] = ".alerts", "innerHTML show:top"
        return answer
    messages.error(request, str(reason), extra_tags=f"open={url}" if url else "")
    return HttpResponseRedirect(way_back(request, account))


def _mend_url(request: OrgRequest, account: Account) -> str:
    """Where a signed period is reopened."""
    return reverse("reconciliation:statements", args=[request.organization.slug, account.pk])

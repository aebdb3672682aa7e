"""Rows of a clearing account that cancel: what may cancel a row, pairing two by hand, taking a pair apart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import pairing
from ledgerhub.ledger.models import Account
from ledgerhub.ledger.pairing import Key
from ledgerhub.ledger.views.periods import chosen_day, read_day
from reconciliation import clearing_pairs
from reconciliation.views.clearing import find_account, left

_GONE = "This row is no longer open: something was booked, or it is paired already."


@require_safe
@member("viewer")
def opposites(request: OrgRequest, pk: int) -> HttpResponse:
    """All open rows at the opposite amount of one row."""
    account = find_account(request, pk)
    on, currency = chosen_day(request).day, request.GET.get("currency", "")
    key = clearing_pairs.read(request.GET.get("row", ""))
    found = next((one for one in clearing_pairs.held(account, on=on) if one.currency == currency), None)
    row = next((each for each in found.rows if each.key == key), None) if found and key else None
    if found is None or row is None:
        messages.info(request, _GONE)
        return redirect(_page(account, on, currency, "differences"))
    others = pairing.cancelling(row, found.rows)
    shown = left([row.left, *(other.left for other in others)], on)
    context = {
        "account": account,
        "on": on,
        "row": shown[0],
        "others": shown[1:],
        "may_decide": request.membership.may(Role.APPROVER),
    }
    return render(request, "reports/clearing_opposites.html", context)


@require_POST
@member("approver")
def pairs(request: OrgRequest, pk: int) -> HttpResponse:
    """Say that two rows cancel."""
    note = request.POST.get("note", "").replace("\0", "").strip()

    def act(account: Account, keys: tuple[Key, Key], **given: Any) -> str:
        made = clearing_pairs.pair(account, keys, note=note, **given)
        return f"{made} cancel each other now. Undo it under Pairs."

    return _decide(request, pk, act)


@require_POST
@member("approver")
def parting(request: OrgRequest, pk: int) -> HttpResponse:
    """Take a pair apart: both rows are open again."""

    def act(account: Account, keys: tuple[Key, Key], **given: Any) -> str:
        clearing_pairs.take_apart(account, keys, **given)
        return "The pair is taken apart. Both rows are open again."

    return _decide(request, pk, act)


def _decide(request: OrgRequest, pk: int, act: Callable[..., str]) -> HttpResponse:
    account = find_account(request, pk)
    on, currency = read_day(request.POST.get("on", "")), request.POST.get("currency", "")
    debit, credit = (clearing_pairs.read(request.POST.get(name, "")) for name in ("debit", "credit"))
    if on is None or debit is None or credit is None:
        raise Http404
    try:
        told = act(account, (debit, credit), on=on, currency=currency, user=request.user, request=request)
    except RecordError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, told)
    return redirect(_page(account, on, currency, "pairs"))


def _page(account: Account, on: dt.date, currency: str, show: str) -> str:
    page = reverse("ledger:clearing_account", args=[account.organization.slug, account.pk])
    return f"{page}?on={on.isoformat()}&currency={currency[:3]}&show={show}"

"""Month-end revaluation: months with balances in other currencies, the entry before it is posted, undoing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import NamedTuple

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.days import month_end
from ledgerhub.core.errors import RecordError
from ledgerhub.core.exports import csv_response
from ledgerhub.core.money import from_minor
from ledgerhub.core.templatetags.formats import format_day
from ledgerhub.ledger import revaluation
from ledgerhub.ledger.models import Account
from ledgerhub.ledger.revaluation import Month, Preview
from ledgerhub.ledger.views.periods import chosen_day, read_day

STATES = {
    "todo": ("open", "Not revalued"),
    "done": ("ok", "Revalued"),
    "changed": ("difference", "Changed since"),
}


class Shown(NamedTuple):
    """A balance on the page, before or after it is posted; base minor units but for `amount`."""

    account: Account
    currency: str
    amount: int
    rate: str
    rate_day: dt.date | None
    before: int
    value: int | None
    realised: int
    unrealised: int


@require_safe
@member("viewer")
def revaluations(request: OrgRequest) -> HttpResponseBase:
    """The months, and one of them with its entry: as it would be posted, or as it was."""
    organization = request.organization
    asked = chosen_day(request)
    day = month_end(asked.day) if "on" in request.GET else revaluation.last_month_end(organization)
    found = revaluation.month(organization, day)
    rows = list(_shown(found))
    if request.GET.get("export") == "csv":
        return _export(request, day, rows)
    context = {
        "on": day,
        "problem": asked.problem,
        "found": found,
        "rows": rows,
        "lines": [] if found.made or found.missing else _preview(request, found),
        "turns": revaluation.turns(organization),
        "next_day": day + dt.timedelta(days=1),
        "totals": {name: sum(getattr(row, name) for row in rows) for name in ("realised", "unrealised")},
        "months": [(one, *STATES[one.state]) for one in revaluation.months(organization)],
        "documents": list(dict.fromkeys(row.document for row in found.made if row.document)),
        "may_post": request.membership.may(Role.APPROVER),
    }
    return render(request, "reports/revaluation.html", context)


def _shown(found: Month) -> Iterator[Shown]:
    for made in found.made:
        rate = f"{made.rate.normalize():f}"
        yield Shown(
            made.account, made.currency, made.amount, rate, made.rate_day, made.before, made.value,
            made.realised, made.unrealised,
        )  # fmt: skip
    for row in [] if found.made else found.rows:
        each, new = row.standing, row.found
        rate, value = (f"{new.rate.normalize():f}", new.value) if new else ("", None)
        gained = (new.realised, new.unrealised) if new else (0, 0)
        yield Shown(row.account, each.currency, each.amount, rate, row.rate_day, each.base, value, *gained)


def _preview(request: OrgRequest, found: Month) -> list[Preview]:
    """The lines of all entries; none where an account is missing, which is said."""
    try:
        return revaluation.preview(request.organization, found)
    except RecordError as error:
        found.hindrances.append(f"{error}.")
        return []


def _export(request: OrgRequest, day: dt.date, rows: list[Shown]) -> HttpResponseBase:
    base = request.organization.base_currency
    return csv_response(
        f"revaluation-{day}",
        ["Code", "Account", "Currency", "Balance", "Rate", "Rate of", f"Carried at {base}", f"Worth {base}",
         f"Realised {base}", f"Unrealised {base}"],
        rows,
        lambda row: [
            row.account.code,
            row.account.name,
            row.currency,
            from_minor(row.amount, row.currency),
            row.rate,
            row.rate_day,
            from_minor(row.before, base),
            "" if row.value is None else from_minor(row.value, base),
            from_minor(row.realised, base),
            from_minor(row.unrealised, base),
        ],
    )  # fmt: skip


@require_POST
@member("approver")
def posting(request: OrgRequest) -> HttpResponse:
    """Post a month's revaluation."""

    def act(day: dt.date) -> str:
        made = revaluation.post(request.organization, day, user=request.user, request=request)
        shown = format_day(day, date_format=request.organization.date_format)
        return f"{len(made)} balance{'s are' if len(made) != 1 else ' is'} revalued at {shown}."

    return _decide(request, act)


@require_POST
@member("approver")
def reversal(request: OrgRequest) -> HttpResponse:
    """Undo a month's revaluation by reversing its entries."""
    reason = request.POST.get("reason", "").replace("\0", "").strip()

    def act(day: dt.date) -> str:
        revaluation.undo(request.organization, day, user=request.user, reason=reason, request=request)
        return "The revaluation is undone: its entries are reversed."

    return _decide(request, act)


def _decide(request: OrgRequest, act: Callable[[dt.date], str]) -> HttpResponse:
    day = read_day(request.POST.get("on", ""))
    if day is None or day != month_end(day):
        raise Http404
    try:
        messages.success(request, act(day))
    except RecordError as error:
        for each in error.field_errors:
            messages.error(request, each.message)
    page = reverse("ledger:revaluations", args=[request.organization.slug])
    return redirect(f"{page}?on={day.isoformat()}")

"""Exchange rates: the list, one by hand, many from a file; the page itself also shows which are missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.forms import RateForm, RatesFileForm, ReadRate
from ledgerhub.ledger.models import ExchangeRate
from ledgerhub.ledger.rates import Rate, save_rates

BY_HAND = "entered by hand"
_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("currency", "Currency", order_by="currency"),
    Column("rate", "Rate", numeric=True),
    Column("origin", "Where it is from"),
)


class Missing(NamedTuple):
    """A currency and day without a rate that hold records back; `message` in words, `url` to the records."""

    message: str
    records: int
    url: str


def rates_page(request: OrgRequest, missing: Sequence[Missing]) -> HttpResponseBase:
    """List, form and upload; whoever routes here has let members in and says what is missing."""
    form: RateForm | None = None
    upload: RatesFileForm | None = None
    if request.method == "POST":
        if not request.membership.may(Role.BOOKKEEPER):
            return denied(request, Role.BOOKKEEPER)
        if "upload" in request.POST:
            upload = RatesFileForm(request.POST, request.FILES, base=request.organization.base_currency)
            answer = _upload(request, upload)
        else:
            form = RateForm(request.POST, organization=request.organization)
            answer = _add(request, form)
        if answer is not None:
            return answer
    return _page(request, missing, form, upload)


def _page(
    request: OrgRequest, missing: Sequence[Missing], form: RateForm | None, upload: RatesFileForm | None
) -> HttpResponseBase:
    rows = ExchangeRate.objects.filter(organization=request.organization)
    codes = rows.order_by("currency").values_list("currency", flat=True).distinct()
    listing = table(
        request,
        rows,
        name="exchange-rates",
        columns=_COLUMNS,
        filters=[
            Filter("currency", "Currency", choices=[(code, code) for code in codes]),
            Filter("since", "From", "date__gte", kind="date"),
            Filter("until", "To", "date__lte", kind="date"),
        ],
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    wrong = form is not None or upload is not None
    context: dict[str, Any] = {
        "table": listing,
        "missing": missing,
        "form": form or RateForm(organization=request.organization),
        "upload": upload or RatesFileForm(base=request.organization.base_currency),
        "may_edit": request.membership.may(Role.BOOKKEEPER),
    }
    return render(request, "ledger/rates.html", context, status=422 if wrong else 200)


def _add(request: OrgRequest, form: RateForm) -> HttpResponse | None:
    if not form.is_valid():
        return None
    typed = form.cleaned_data
    _save(request, [(typed["currency"], typed["date"], typed["rate"])], origin=BY_HAND)
    messages.success(request, f"The rate of {typed['currency']} on {typed['date']} is saved.")
    return redirect("ledger:rates", request.organization.slug)


def _upload(request: OrgRequest, form: RatesFileForm) -> HttpResponse | None:
    if not form.is_valid():
        return None
    rows: list[ReadRate] = form.cleaned_data["file"]
    name = str(getattr(form.files["file"], "name", "")) or "a file"
    _save(request, [(row.currency, row.date, row.rate) for row in rows], origin=name)
    messages.success(request, f"{len(rows)} rates are saved from {name}.")
    return redirect("ledger:rates", request.organization.slug)


def _save(request: OrgRequest, rows: Sequence[Rate], *, origin: str) -> None:
    save_rates(request.organization, rows, origin=origin, request=request)

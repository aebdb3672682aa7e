"""Reports: trial balance, profit and loss, balance sheet, clearing accounts; on paper and as CSV as well."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.exports import csv_response
from ledgerhub.core.money import from_minor
from ledgerhub.ledger import queries, reports
from ledgerhub.ledger.export import FORMATS
from ledgerhub.ledger.reports import Report
from ledgerhub.ledger.views.periods import chosen_day, chosen_period


@require_safe
@member("viewer")
def index(request: OrgRequest) -> HttpResponseBase:
    return render(request, "reports/index.html", {"formats": FORMATS, "today": timezone.localdate()})


@require_safe
@member("viewer")
def trial_balance(request: OrgRequest) -> HttpResponseBase:
    on, problem = chosen_day(request)
    shown = queries.trial_balance(request.organization, on=on)
    if request.GET.get("export") == "csv":
        base = request.organization.base_currency
        return csv_response(
            f"trial-balance-{on}",
            ["Code", "Account", "Type", f"Debit {base}", f"Credit {base}"],
            shown.rows,
            lambda row: [
                row.account.code,
                row.account.name,
                row.account.get_type_display(),
                from_minor(max(row.base, 0), base),
                from_minor(max(-row.base, 0), base),
            ],
        )
    context = {
        "on": on,
        "problem": problem,
        "trial": shown,
        "rows": [(row.account, max(row.base, 0), max(-row.base, 0)) for row in shown.rows],
        "difference": shown.debits - shown.credits,
    }
    return render(request, "reports/trial_balance.html", context)


@require_safe
@member("viewer")
def profit_and_loss(request: OrgRequest) -> HttpResponseBase:
    period = chosen_period(request)
    report = reports.profit_and_loss(request.organization, start=period.start, end=period.end)
    if request.GET.get("export") == "csv":
        return _export(request, f"profit-and-loss-{period.start}-{period.end}", report)
    context = {
        "period": period,
        "periods": reports.periods(timezone.localdate()),
        "report": report,
        "title": "Profit and loss",
    }
    return render(request, "reports/profit_and_loss.html", context)


@require_safe
@member("viewer")
def balance_sheet(request: OrgRequest) -> HttpResponseBase:
    on, problem = chosen_day(request)
    report = reports.balance_sheet(request.organization, on=on)
    if request.GET.get("export") == "csv":
        return _export(request, f"balance-sheet-{on}", report)
    context: dict[str, Any] = {"on": on, "problem": problem, "report": report, "title": "Balance sheet"}
    return render(request, "reports/balance_sheet.html", context)


def _export(request: OrgRequest, name: str, report: Report) -> HttpResponseBase:
    base = request.organization.base_currency
    rows: list[list[Any]] = []
    for section in report.sections:
        rows += [[section.title, row.account.code, row.account.name, row.base] for row in section.rows]
        rows.append([section.title, "", "Total", section.total])
    rows.append(["", "", report.label, report.total])
    header = ["Section", "Code", "Account", f"Amount {base}"]
    return csv_response(name, header, rows, lambda row: [*row[:3], from_minor(row[3], base)])


@require_safe
@member("viewer")
def clearing(request: OrgRequest) -> HttpResponseBase:
    on, problem = chosen_day(request)
    found = reports.gateways(request.organization, on=on)
    if request.GET.get("export") == "csv":
        base = request.organization.base_currency
        return csv_response(
            f"clearing-accounts-{on}",
            ["Code", "Account", "Currency", "Holds", f"In {base}"],
            [row for gateway in found for row in gateway.currencies],
            lambda row: [
                row.account.code,
                row.account.name,
                row.currency,
                from_minor(row.amount, row.currency),
                from_minor(row.base, base),
            ],
        )
    context = {"on": on, "problem": problem, "gateways": found, "total": sum(row.base for row in found)}
    return render(request, "reports/clearing.html", context)

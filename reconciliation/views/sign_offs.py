"""The reconciliation report: a draft of a period, or as it was signed; on paper, as CSV; reopening."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.exports import csv_response
from ledgerhub.core.money import from_minor
from ledgerhub.ledger.models import Account
from ledgerhub.ledger.views.periods import read_day
from reconciliation import chain, signed, signing
from reconciliation.models import SignOff
from reconciliation.proof import Proof
from reconciliation.report import Report, compile_report, read
from reconciliation.views.support import get_account


@require_safe
@member("viewer")
def draft(request: OrgRequest, pk: int) -> HttpResponseBase:
    """The report of a period before anybody signs it."""
    account = get_account(request, pk)
    until = read_day(request.GET.get("until", ""))
    if until is None:
        until = next(iter(signing.days(account, chain.links(account))), timezone.localdate())
    proof, report = compile_report(account, until)
    context = {"account": account, "report": report, "end": until, **_drafted(proof)}
    context["hindrances"] = signing.hindrances(account, until, proof, chain.links(account))
    return _answer(request, account, context)


@require_safe
@member("viewer")
def sign_off(request: OrgRequest, pk: int) -> HttpResponseBase:
    """The report as it was signed; what has changed since is said on top of it."""
    made = _get(request, pk)
    account = made.account
    last = signed.standing(account).filter(currency=made.currency).first()
    context = {
        "account": account,
        "report": read(made.report),
        "made": made,
        "changes": _changes(account, made),
        "may_reopen": request.membership.may(Role.APPROVER) and last is not None and last.pk == made.pk,
        **{name: getattr(made, name) for name in _FIGURES},
    }
    return _answer(request, account, context)


@require_POST
@member("approver")
def reopening(request: OrgRequest, pk: int) -> HttpResponse:
    made = _get(request, pk)
    try:
        signing.reopen(made, user=request.user, reason=request.POST.get("reason", ""), request=request)
    except RecordError as error:
        messages.error(request, str(error))
        return redirect("reconciliation:sign_off", request.organization.slug, made.pk)
    messages.success(request, f"{made} is open again. What was signed stays as history.")
    page = "ledger:clearing_account" if made.account.role == "clearing" else "reconciliation:statements"
    return redirect(page, request.organization.slug, made.account_id)


_FIGURES = ("currency", "start", "end", "opening", "lines", "lines_total", "closing", "books", "outstanding")


def _get(request: OrgRequest, pk: int) -> SignOff:
    related = ("account", "signed_by", "reopened_by")
    rows = SignOff.objects.select_related(*related)
    made: SignOff = get_object_or_404(rows, organization=request.organization, pk=pk)
    made.account.organization = request.organization
    return made


def _drafted(proof: Proof) -> dict[str, Any]:
    return {
        "currency": proof.currency,
        "start": proof.opening.day + chain.ONE_DAY if proof.opening else None,
        "opening": proof.opening.balance if proof.opening else None,
        "lines": proof.lines,
        "lines_total": proof.lines_sum,
        "closing": proof.closing.balance if proof.closing else None,
        "books": proof.books,
        "outstanding": proof.outstanding,
        "proof": proof,
    }


def _changes(account: Account, made: SignOff) -> list[str]:
    if made.reopened_at is not None:
        return []
    found = [] if account.role == "clearing" else signing.changes(account, made)
    now = signing.books_now(made)
    if now != made.books:
        found.append(
            f"The books say {chain.money(account, now)} of that day now, {chain.money(account, made.books)} "
            "when it was signed: entries dated on that day or before were posted or reversed since."
        )
    return found


def _answer(request: OrgRequest, account: Account, context: dict[str, Any]) -> HttpResponseBase:
    if request.GET.get("export") == "csv":
        return csv_response(f"reconciliation-{account.code}-{context['end']}", _HEADER, _cells(context), list)
    context["clearing"] = account.role == "clearing"
    context["sections"] = context["report"].sections(clearing=account.role == "clearing")
    return render(request, "reconciliation/report.html", context)


_HEADER = ("Section", "Date", "Text", "Reference", "Contact", "Days old", "Met on", "Amount", "Currency")


def _cells(context: dict[str, Any]) -> Iterator[list[Any]]:
    """The figures, then every item."""
    currency, report = context["currency"], context["report"]
    figures = (
        ("Opening balance of the bank", context["start"], context["opening"]),
        (f"Bank lines ({context['lines']})", None, context["lines_total"]),
        ("Closing balance of the bank", context["end"], context["closing"]),
        ("Outstanding", None, context["outstanding"]),
        ("Balance of the books", context["end"], context["books"]),
    )
    for label, day, amount in figures:
        yield [label, day, "", "", "", "", "", _major(amount, currency), currency]
    yield from _item_cells(report, currency)
    for row in report.adjustments:
        text = f"{row.code} {row.name}"
        yield ["Booked from bank lines", "", text, "", "", "", "", _major(row.amount, currency), currency]


def _item_cells(report: Report, currency: str) -> Iterator[list[Any]]:
    for section in report.sections():
        for item in section.items:
            words = [section.title, item.day, item.text, item.reference, item.contact, item.age, item.met]
            yield [*words, _major(item.amount, currency), currency]


def _major(amount: int | None, currency: str) -> Any:
    return "" if amount is None else from_minor(amount, currency)

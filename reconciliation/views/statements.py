"""Statements and sign-off of a bank account: the chain of statements, what hinders signing, signing."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account
from ledgerhub.ledger.views.periods import read_day
from reconciliation import chain, signed, signing
from reconciliation.chain import Link
from reconciliation.models import SignOff
from reconciliation.proof import prove
from reconciliation.signing import Hindrance
from reconciliation.views.support import get_account
from reconciliation.views.workspace import account_tabs

_PAGE = 24
# Where what hinders is mended; pages of a bank account, by the name a hindrance gives them.
_PAGES = {
    "workspace": "reconciliation:workspace",
    "decided": "reconciliation:decided",
    "duplicates": "reconciliation:duplicates",
    "statement_lines": "ledger:statement_lines",
    "account": "ledger:account",
}


class Row(NamedTuple):
    """A statement of the chain as the page lists it: `state` is signed, proved, broken or unknown."""

    link: Link
    state: str
    problems: list[str]
    hints: list[str]


@require_safe
@member("viewer")
def statements(request: OrgRequest, pk: int) -> HttpResponse:
    account = get_account(request, pk)
    return _page(request, account, read_day(request.GET.get("until", "")))


@require_POST
@member("approver")
def sign_offs(request: OrgRequest, pk: int) -> HttpResponse:
    """Sign the account off up to a day."""
    account = get_account(request, pk)
    until = read_day(request.POST.get("until", ""))
    if until is None:
        messages.error(request, "Choose the day up to which the account is signed off. Nothing was changed.")
        return redirect("reconciliation:statements", request.organization.slug, account.pk)
    lock_books = "lock_books" in request.POST and request.membership.may(Role.ADMIN)
    note = request.POST.get("note", "").replace("\0", "").strip()
    try:
        made = signing.sign(
            account, until, user=request.user, note=note, lock_books=lock_books, request=request
        )
    except RecordError as error:
        for each in error.field_errors:
            messages.error(request, each.message)
        return redirect(_address(request, account, until))
    words = f"{account.name} is signed off up to {signed.day_text(account, until)}."
    messages.success(request, f"{words} The books are locked up to that day." if lock_books else words)
    return redirect("reconciliation:sign_off", request.organization.slug, made.pk)


def _address(request: OrgRequest, account: Account, until: dt.date) -> str:
    path = reverse("reconciliation:statements", args=[request.organization.slug, account.pk])
    return f"{path}?until={until.isoformat()}"


def _page(request: OrgRequest, account: Account, asked: dt.date | None) -> HttpResponse:
    links = chain.links(account)
    days = signing.days(account, links)
    until = asked or _next(days, account)
    last = signed.latest(account)
    context: dict[str, Any] = {
        "account": account,
        "tabs": account_tabs(request, account, "statements"),
        "days": days,
        "until": until,
        "latest": last,
        "history": SignOff.objects.filter(account=account)
        .select_related("signed_by", "reopened_by")
        .order_by("-end", "-pk")[:100],
        "rows": _rows(request, account, links, last),
        "broken": [signing.broken_words(account, one) for one in signing.broken([account])],
        "may_sign": request.membership.may(Role.APPROVER),
        "two_people": request.organization.two_person_rule,
    }
    if until is not None:
        context |= _to_sign(request, account, until, links)
    return render(request, "reconciliation/statements.html", context)


def _next(days: list[dt.date], account: Account) -> dt.date | None:
    """The period that comes next: months are signed one after the other."""
    return days[-1] if days else None


def _to_sign(request: OrgRequest, account: Account, until: dt.date, links: list[Link]) -> dict[str, Any]:
    proof = prove(account, until=until)
    user = request.user if request.membership.may(Role.APPROVER) else None
    found = signing.hindrances(account, until, proof, links, user=user)
    after = proof.opening.day if proof.opening else None
    broken = chain.running_break(account, after, until)
    lock_date = request.organization.lock_date
    return {
        "proof": proof,
        "hindrances": [(each, _url(request, account, each)) for each in found],
        "running": chain.break_words(account, broken) if broken else "",
        "offers_lock": request.membership.may(Role.ADMIN) and (lock_date is None or lock_date < until),
    }


def _url(request: OrgRequest, account: Account, each: Hindrance) -> str:
    if not each.page:
        return ""
    return reverse(_PAGES[each.page], args=[request.organization.slug, account.pk]) + each.query


def _rows(request: OrgRequest, account: Account, links: list[Link], last: SignOff | None) -> Page[Row]:
    newest_first = Paginator(links[::-1], _PAGE)
    page: Page[Any] = newest_first.get_page(request.GET.get("page"))
    page.object_list = [_row(account, link, last) for link in page.object_list]
    return page


def _row(account: Account, link: Link, last: SignOff | None) -> Row:
    problems = chain.words(account, link)
    end = link.statement.end
    if problems:
        state = "broken"
    elif last is not None and end is not None and end <= last.end:
        state = "signed"
    else:
        state = "unknown" if link.gap is None and link.statement.closing is None else "proved"
    hint = chain.missing_words(account, link)
    return Row(link, state, problems, [hint] if hint else [])

"""The page of possible duplicates of an account: pairs, claims, pending lines, what was decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.tables import Column, Filter, Table, table
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import duplicates, pairs, runs, verdicts
from reconciliation.decisions import lock
from reconciliation.models import Suspicion
from reconciliation.selection import money_text
from reconciliation.takeovers import part
from reconciliation.views.support import get_account, get_line, refused, way_back
from reconciliation.views.workspace import account_tabs, header

PAGE_SIZE = 25
_SHOWN = (
    ("", "To decide"),
    ("claims", "Claims with the bank"),
    ("pending", "Pending"),
    ("decided", "Decided"),
)


@require_safe
@member("viewer")
def page(request: OrgRequest, pk: int) -> HttpResponseBase:
    account = get_account(request, pk)
    show = request.GET.get("show", "")
    if show not in _LISTS:
        raise Http404("There is no such list.")
    listing, more = _LISTS[show](request, account)
    if listing.export:
        return listing.export
    # Which of the lists it is stands in the tabs already.
    listing.chips = [chip for chip in listing.chips if chip.label != "Show"]
    context = {
        "account": account,
        "show": show,
        "table": listing,
        "narrowed": listing.narrowed,
        "tabs": account_tabs(request, account, "duplicates"),
        "lists": _lists(account, show),
        "here": request.get_full_path(),
        "may_decide": request.membership.may("bookkeeper"),
        **header(account),
        **more,
    }
    return render(request, "reconciliation/duplicates.html", context)


def _lists(account: Account, show: str) -> list[dict[str, Any]]:
    """The four lists with what waits in each."""
    today = _today(account)
    counts = {
        "": duplicates.suspicions(account).count() + duplicates.withdrawn_but_matched(account).count(),
        "claims": duplicates.claims(account).count(),
        "pending": duplicates.stale(account, today).count(),
    }
    return [
        {
            "label": label,
            "url": f"?show={value}" if value else "?",
            "active": value == show,
            "count": counts.get(value, 0),
        }
        for value, label in _SHOWN
    ]


def _today(account: Account) -> dt.date:
    return timezone.localdate(timezone=account.organization.zone)


# ── the lists ─────────────────────────────────────────────────────────────────────────────────────────

_SHOW = Filter("show", "Show", kind="hidden", apply=lambda rows, value: rows)
_KIND = Filter("kind", "Kind", choices=Suspicion.Kind.choices)
_SEARCH = ["line__description", "line__counterparty", "line__reference", "other__description"]
_PAIR = ("line__source", "line__statement", "other__source", "other__statement", "credit", "decided_by")


def _pair_columns() -> list[Column]:
    return [
        Column("kind", "Kind", value=lambda pair: pair.get_kind_display()),
        Column("line__date", "Date", order_by="line__date"),
        Column("line__description", "Line"),
        Column("line__amount", "Amount (minor units)", order_by="line__amount", numeric=True),
        Column("other__date", "Date of the other"),
        Column("other__description", "The other"),
        Column("other__amount", "Amount of the other (minor units)", numeric=True),
        Column("reasons", "Reasons", value=lambda pair: "; ".join(pair.reasons)),
        Column("verdict", "Verdict", value=lambda pair: pair.get_verdict_display()),
        Column("decided_by", "Who"),
        Column("decided_at", "When", order_by="decided_at"),
    ]


def _pairs_table(
    request: OrgRequest, account: Account, rows: QuerySet[Suspicion], *, sort: str, name: str
) -> Table[Suspicion]:
    return table(
        request, rows.select_related(*_PAIR), name=f"{name}-{account.code}", columns=_pair_columns(),
        filters=[_KIND, _SHOW], search=_SEARCH, default_sort=sort, page_size=PAGE_SIZE,
    )  # fmt: skip


def _asked(request: OrgRequest, account: Account) -> tuple[Table[Suspicion], dict[str, Any]]:
    listing = _pairs_table(
        request, account, duplicates.suspicions(account), sort="-line__date", name="possible-duplicates"
    )
    return listing, {
        "cards": pairs.cards(listing.rows),
        "offers": verdicts.offers(account),
        "taken_back": list(duplicates.withdrawn_but_matched(account)[:PAGE_SIZE]),
    }


def _claims(request: OrgRequest, account: Account) -> tuple[Table[Suspicion], dict[str, Any]]:
    listing = _pairs_table(request, account, duplicates.claims(account), sort="-decided_at", name="claims")
    total = money_text(-sum(claim.line.amount for claim in listing.rows), account)
    return listing, {"claims": pairs.with_credits(account, listing.rows), "claimed": total}


def _decided(request: OrgRequest, account: Account) -> tuple[Table[Suspicion], dict[str, Any]]:
    rows = Suspicion.objects.filter(account=account).exclude(verdict="")
    listing = _pairs_table(request, account, rows, sort="-decided_at", name="decided-duplicates")
    return listing, {"decided": listing.rows}


def _pending(request: OrgRequest, account: Account) -> tuple[Table[StatementLine], dict[str, Any]]:
    listing = table(
        request,
        duplicates.pending_lines(account).select_related("source"),
        name=f"pending-lines-{account.code}",
        columns=[
            Column("date", "Date", order_by="date"),
            Column("description", "Text", order_by="description"),
            Column("amount", "Amount (minor units)", order_by="amount", numeric=True),
            Column("source", "From"),
        ],
        filters=[_SHOW],
        search=["description", "counterparty"],
        default_sort="date",
        page_size=PAGE_SIZE,
    )
    stale_before = _today(account) - duplicates.STALE_AFTER
    return listing, {"pending": listing.rows, "stale_before": stale_before}


_List = Callable[[OrgRequest, Account], tuple[Table[Any], dict[str, Any]]]
_LISTS: dict[str, _List] = {"": _asked, "claims": _claims, "pending": _pending, "decided": _decided}


# ── verdicts ──────────────────────────────────────────────────────────────────────────────────────────

_WORDS = {
    Suspicion.Verdict.DUPLICATE: "Excluded as a duplicate. It counts no more.",
    Suspicion.Verdict.BOTH_REAL: "Both are kept. You will not be asked again.",
    Suspicion.Verdict.REPORTED: "Kept as a claim until the bank gives it back.",
}


@require_POST
@member("bookkeeper")
def verdict(request: OrgRequest, pk: int) -> HttpResponse:
    """What a person says of a pair: duplicate, both real, reported."""
    asked = _get(request, pk)
    said, note = request.POST.get("verdict", ""), request.POST.get("note", "").replace("\0", "")
    try:
        found = verdicts.decide(asked, said, user=request.user, note=note, request=request)
    except RecordError as error:
        return refused(request, str(error), asked.account)
    if isinstance(found, StatementLine):
        path = _url(request, "parting", asked.account_id, found.pk)
        words = "One line now; what it said before is kept with it."
        messages.success(request, words, extra_tags=f"undo={path}")
    else:
        path = _url(request, "suspicion_reopening", asked.pk)
        messages.success(request, _WORDS[Suspicion.Verdict(said)], extra_tags=f"undo={path}")
    return _answer(request, asked.account)


@require_POST
@member("bookkeeper")
def reopening(request: OrgRequest, pk: int) -> HttpResponse:
    """Take a verdict back."""
    asked = _get(request, pk)
    return _act(
        request, asked.account, lambda: verdicts.reopen(asked, user=request.user, request=request),
        "Undone. The pair is open again.",
    )  # fmt: skip


@require_POST
@member("bookkeeper")
def credit(request: OrgRequest, pk: int) -> HttpResponse:
    """The bank gave a reported charge back with this line."""
    asked = _get(request, pk)
    text = request.POST.get("line", "")
    line = get_line(asked.account, int(text) if text.isdecimal() and len(text) < 19 else 0)
    return _act(
        request, asked.account,
        lambda: verdicts.link_credit(asked, line, user=request.user, request=request),
        "The claim is settled.", again=False,
    )  # fmt: skip


@require_POST
@member("bookkeeper")
def exclusions(request: OrgRequest, pk: int) -> HttpResponse:
    """Exclude what one source repeats of a month (`offer` is one of verdicts.offers)."""
    account = get_account(request, pk)
    offer = next((each for each in verdicts.offers(account) if each.value == request.POST.get("offer")), None)
    if offer is None:
        return refused(request, "These lines are not as they were. Nothing was changed: look again.", account)
    try:
        done, left = verdicts.exclude_month(
            account, offer.month, offer.source, user=request.user, request=request
        )
    except RecordError as error:
        return refused(request, str(error), account)
    at = done[0].decided_at.isoformat() if done and done[0].decided_at else ""
    path = _url(request, "duplicate_reopenings", account.pk, at)
    lines = f"{len(done)} line{'s' if len(done) != 1 else ''}"
    messages.success(request, f"{lines} excluded as duplicates.", extra_tags=f"undo={path}" if done else "")
    if left:
        words = "pair is" if left == 1 else "pairs are"
        messages.warning(request, f"{left} {words} left: both of its lines are matched. Look at each.")
    return HttpResponseRedirect(_list_url(request, account))


@require_POST
@member("bookkeeper")
def reopenings(request: OrgRequest, pk: int, at: str) -> HttpResponse:
    """Undo what was excluded in one act, at that instant, by the one who did it."""
    account = get_account(request, pk)
    moment = parse_datetime(at)
    if moment is None or moment.tzinfo is None:
        raise Http404("There is no such act.")
    return _act(
        request, account,
        lambda: verdicts.reopen_all(account, moment, user=request.user, request=request),
        "Undone. The lines count again.",
    )  # fmt: skip


@require_POST
@member("bookkeeper")
def inclusion(request: OrgRequest, account_pk: int, pk: int) -> HttpResponse:
    """Let an excluded line count again."""
    account = get_account(request, account_pk)
    line = get_line(account, pk)
    line.account = account
    return _act(
        request, account, lambda: verdicts.include(line, user=request.user, request=request),
        "The line counts again.",
    )  # fmt: skip


@require_POST
@member("bookkeeper")
def parting(request: OrgRequest, account_pk: int, pk: int) -> HttpResponse:
    """A pending line and its booking are two payments after all."""
    account = get_account(request, account_pk)
    get_line(account, pk)

    def act() -> None:
        with transaction.atomic():
            lock(account)
            line = get_line(account, pk)
            line.account = account
            part(line, user=request.user, request=request)

    return _act(request, account, act, "Parted: the pending line and its booking are two lines again.")


def _act(
    request: OrgRequest, account: Account, act: Callable[[], Any], words: str, *, again: bool = True
) -> HttpResponse:
    """Do it and say so; what counts again is matched again."""
    try:
        act()
    except RecordError as error:
        return refused(request, str(error), account)
    if again:
        runs.request_run(account, user=request.user)
    messages.success(request, words)
    return _answer(request, account)


def _answer(request: OrgRequest, account: Account) -> HttpResponse:
    if not request.headers.get("HX-Request"):
        default = _list_url(request, account)
        return HttpResponseRedirect(way_back(request, account) if _next(request) else default)
    context = {"account": account, "lists": _lists(account, ""), "oob": True}
    return render(request, "reconciliation/duplicates_decided.html", context)


def _next(request: OrgRequest) -> str:
    return request.POST.get("next") or request.GET.get("next") or ""


def _get(request: OrgRequest, pk: int) -> Suspicion:
    rows = Suspicion.objects.select_related("account", "line", "other")
    found = get_object_or_404(rows, account__organization=request.organization, pk=pk)
    found.account = get_account(request, found.account_id)
    return found


def _url(request: OrgRequest, name: str, *args: object) -> str:
    return reverse(f"reconciliation:{name}", args=[request.organization.slug, *args])


def _list_url(request: OrgRequest, account: Account) -> str:
    return _url(request, "duplicates", account.pk)

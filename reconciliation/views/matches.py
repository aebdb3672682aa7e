"""Decisions on matches: one, many, and back; the list of what was decided and the page of a match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.models import Account
from reconciliation import backtest, cards, decisions, differences, proof
from reconciliation.models import Confirmation, Match, MatchLine
from reconciliation.selection import in_words, open_day
from reconciliation.views.support import (
    decided_answer,
    get_account,
    get_match,
    refused,
    undo_tag,
    way_back,
)
from reconciliation.views.workspace import account_tabs, header

MOST_AT_ONCE = 200
RECENT = 20


@require_POST
@member("approver")
def confirmation(request: OrgRequest, pk: int) -> HttpResponse:
    made = get_match(request, pk)
    return _decide(request, made, decisions.confirm, "Approved.", tag=True)


@require_POST
@member("bookkeeper")
def rejection(request: OrgRequest, pk: int) -> HttpResponse:
    made = get_match(request, pk)
    return _decide(request, made, decisions.reject, "Rejected. It will not be proposed again.", tag=True)


@require_POST
@member("approver")
def reversal(request: OrgRequest, pk: int) -> HttpResponse:
    """Undo: rows are free again, what the match posted is reversed."""
    made = get_match(request, pk)
    return _decide(request, made, decisions.undo, _undo_words(made), tag=False)


def _undo_words(made: Match) -> str:
    if made.document is None:
        return "Undone. Its rows are open again."
    day = open_day(made.account.organization, made.document.date)
    return f"Undone. Its rows are open again; what it posted is reversed on {day.isoformat()}."


def _decide(
    request: OrgRequest, made: Match, act: Callable[..., Any], words: str, *, tag: bool
) -> HttpResponse:
    note = request.POST.get("note", "")[:300]
    lines = list(made.rows.filter(statement_line__isnull=False).values_list("statement_line_id", flat=True))
    try:
        act(made, user=request.user, note=note, request=request)
    except RecordError as error:
        return refused(request, error, made.account)
    messages.success(request, words, extra_tags=undo_tag(request, made) if tag else "")
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(way_back(request, made.account))
    return decided_answer(request, lines)


@require_POST
@member("approver")
def last_reversal(request: OrgRequest) -> HttpResponse:
    """Undo from anywhere: the newest decision of this person in these books that still stands."""
    made = _last_of(request)
    if made is None:
        messages.warning(request, "There is no decision of yours to undo.")
        return HttpResponseRedirect(way_back(request))
    return _decide(request, made, decisions.undo, f"{_undo_words(made)} It was: {made}.", tag=False)


def _last_of(request: OrgRequest) -> Match | None:
    taken = [Confirmation.Action.CONFIRM, Confirmation.Action.REJECT]
    rows = Confirmation.objects.filter(by=request.user, action__in=taken)
    standing = rows.filter(
        match__organization=request.organization,
        match__state__in=[Match.State.CONFIRMED, Match.State.REJECTED],
    )
    last = standing.order_by("-pk").values_list("match_id", flat=True).first()
    return get_match(request, last) if last else None


@require_POST
@member("approver")
def confirmations(request: OrgRequest) -> HttpResponse:
    """Approve the proposals that are ticked (`selected`), whatever their accounts."""
    ids = [int(text) for text in request.POST.getlist("selected") if text.isdecimal() and len(text) < 19]
    if not ids:
        return refused(request, "Tick the proposals to approve first. Nothing was changed.")
    rows = Match.objects.filter(organization=request.organization, state=Match.State.PROPOSED, pk__in=ids)
    matches = list(rows.select_related("account", "document").order_by("pk")[: MOST_AT_ONCE + 1])
    for made in matches:
        made.account.organization = request.organization
    done, failed = decisions.confirm_each(matches[:MOST_AT_ONCE], user=request.user, request=request)
    _tell(request, done, failed, more=len(matches) > MOST_AT_ONCE)
    return HttpResponseRedirect(way_back(request))


def _tell(request: OrgRequest, done: list[Match], failed: list[tuple[Match, str]], *, more: bool) -> None:
    if done:
        count = "1 match" if len(done) == 1 else f"{len(done)} matches"
        messages.success(request, f"{count} approved, {_in_all(done)} in all.")
    if not done and not failed:
        messages.warning(request, "None of these proposals is open any more. Nothing was changed.")
    for made, reason in failed[:10]:
        row = made.rows.select_related("statement_line").filter(statement_line__isnull=False).first()
        name = row.statement_line if row else made
        messages.error(request, f"Not approved: {name}. {reason}")
    if len(failed) > 10:
        messages.error(request, f"{len(failed) - 10} more were not approved. They are still in the list.")
    if more:
        messages.warning(
            request, f"At most {MOST_AT_ONCE} are approved at once. Approve the rest in another go."
        )


def _in_all(done: list[Match]) -> str:
    """What the bank lines of these matches come to, a currency each."""
    rows = MatchLine.objects.filter(match__in=done, statement_line__isnull=False)
    sums = rows.order_by().values_list("statement_line__currency").annotate(total=Sum("amount"))
    return " and ".join(
        in_words(total, currency) for currency, total in sums.order_by("statement_line__currency")
    )


# ── what was decided ──────────────────────────────────────────────────────────────────────────────────

_COLUMNS = (
    Column("lines", "Bank line", value=lambda made: "; ".join(_line_words(made))),
    Column("state", "State", value=lambda made: made.get_state_display()),
    Column("method", "Method", order_by="method", value=lambda made: made.method),
    Column("decided_by", "Who"),
    Column("decided_at", "When", order_by="decided_at"),
)


@require_safe
@member("viewer")
def decided(request: OrgRequest, pk: int) -> HttpResponseBase:
    account = get_account(request, pk)
    listing = table(
        request,
        _decided(account),
        name=f"matches-{account.code}",
        columns=_COLUMNS,
        filters=[
            Filter("state", "State", choices=[(s.value, s.label) for s in Match.State if s != "proposed"]),
            Filter("method", "Method", choices=Match.Method.choices),
            Filter("text", "Text of the line", kind="text", apply=_by_text),
            Filter("unsound", "Entry reversed since", kind="hidden", apply=_unsound),
        ],
        default_sort="-decided_at",
    )
    if listing.export:
        return listing.export
    context = {
        "account": account,
        "table": listing,
        "tabs": account_tabs(request, account, "decided"),
        "here": request.get_full_path(),
        "may_confirm": request.membership.may("approver"),
        "shown": [(made, *_sides(made)) for made in listing.rows],
        **header(account),
    }
    return render(request, "reconciliation/decided.html", context)


@require_safe
@member("viewer")
def recent(request: OrgRequest, pk: int) -> HttpResponse:
    """The last decisions on this account, mine and others', each with its undo; htmx gets the list alone."""
    account = get_account(request, pk)
    rows = Confirmation.objects.filter(match__account=account).exclude(action=Confirmation.Action.PREPARE)
    last = rows.select_related("match__line", "by").order_by("-pk")[:RECENT]
    context = {
        "account": account,
        "decisions": [(each, _still_stands(each)) for each in last],
        "may_confirm": request.membership.may("approver"),
        "back": way_back(request, account),
    }
    fragment = "#list" if request.headers.get("HX-Request") else ""
    return render(request, f"reconciliation/recent.html{fragment}", context)


def _still_stands(told: Confirmation) -> bool:
    """Whether undoing the match takes back this very decision."""
    expected = {"confirm": Match.State.CONFIRMED, "reject": Match.State.REJECTED}
    return expected.get(told.action) == told.match.state


def _decided(account: Account) -> QuerySet[Match]:
    last = Confirmation.objects.filter(match=OuterRef("pk")).order_by("-pk")
    rows = MatchLine.objects.select_related(
        "statement_line", "posting__entry__document__contact", "document__contact"
    ).order_by("pk")
    return (
        Match.objects.filter(account=account)
        .exclude(state=Match.State.PROPOSED)
        .annotate(decided_at=Subquery(last.values("at")[:1]))
        .annotate(
            decided_by=Subquery(last.values("by__name")[:1]), decided_note=Subquery(last.values("note")[:1])
        )
        .prefetch_related(Prefetch("rows", rows))
    )


def _by_text(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    fits = Q(statement_line__description__icontains=text) | Q(statement_line__counterparty__icontains=text)
    return rows.filter(Exists(MatchLine.objects.filter(fits, match=OuterRef("pk"))))


def _unsound(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
    return rows.filter(Exists(MatchLine.objects.filter(proof.UNSOUND, match=OuterRef("pk"), confirmed=True)))


def _sides(made: Match) -> tuple[list[cards.Part], list[cards.Part]]:
    parts = [cards.part_of(row) for row in made.rows.all()]
    return [part for part in parts if part.row_id[0] == "L"], [
        part for part in parts if part.row_id[0] != "L"
    ]


def _line_words(made: Match) -> list[str]:
    return [str(row.statement_line) for row in made.rows.all() if row.statement_line]


@require_safe
@member("viewer")
def match(request: OrgRequest, pk: int) -> HttpResponse:
    made = get_match(request, pk)
    rows = MatchLine.objects.select_related(
        "statement_line", "posting__entry__document__contact", "document__contact"
    )
    made = (
        Match.objects.prefetch_related(Prefetch("rows", rows.order_by("pk")))
        .select_related("document", "rule__rule")
        .get(pk=pk)
    )
    made.account = get_account(request, made.account_id)
    lines, entries = _sides(made)
    context = {
        "match": made,
        "account": made.account,
        "lines": lines,
        "entries": entries,
        "rule_from": made.state == Match.State.CONFIRMED and made.rule is None and _is_coded(made),
        "codings": made.codings.select_related("account").order_by("position"),
        "currency": lines[0].currency if lines else "",
        "offer": _offer(request, made),
        "percent": cards.percent_of(made.probability),
        "reasons": cards.reasons_of(made),
        "events": _events(made),
        "may_confirm": request.membership.may("approver"),
        "may_prepare": request.membership.may("bookkeeper"),
        "here": request.get_full_path(),
    }
    return render(request, "reconciliation/match.html", context)


def _is_coded(made: Match) -> bool:
    """Whether its line was booked straight to accounts, so that a rule could do the same."""
    line = made.rows.filter(statement_line__isnull=False).first()
    return line is not None and any(backtest.how_decided([line.statement_line_id or 0]).values())


def _offer(request: OrgRequest, made: Match) -> differences.Offer | None:
    """How what is left over can be settled, while it is only proposed."""
    if made.state != Match.State.PROPOSED:
        return None
    [read] = cards.with_rows([made.pk])
    return differences.offers(made.account, [read], membership=request.membership).get(made.pk)


_STATES = {"prepare": "proposed", "confirm": "confirmed", "reject": "rejected", "undo": "undone"}


def _events(made: Match) -> list[dict[str, Any]]:
    """Newest first, as the timeline component takes them."""
    found = [
        {
            "state": _STATES[each.action],
            "title": each.get_action_display(),
            "who": each.by or (each.rule and f"The rule “{each.rule.rule}”"),
            "at": each.at,
            "text": each.note,
        }
        for each in made.confirmations.select_related("by", "rule__rule").order_by("-pk")
    ]
    if title := _proposer(made):
        found.append({"state": "proposed", "title": title, "at": made.created_at})
    return found


def _proposer(made: Match) -> str:
    """Who proposed it, where that was not a person."""
    if made.rule is not None:
        return f"Proposed by the bank rule “{made.rule.rule}”"
    if made.method == Match.Method.CATEGORY:
        return "Proposed as a category"
    return "Proposed by the engine" if made.probability is not None else ""

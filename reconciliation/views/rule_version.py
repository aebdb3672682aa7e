"""The page of a rule's version: what it says, its back-test listed, acts to put it in or out of force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date, parse_datetime
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import ConfigError
from ledgerhub.core.tables import Column, Table, table
from ledgerhub.ledger.models import Account, Posting, StatementLine
from reconciliation import backtest, backtest_jobs, cards, expiry, rule_versions, rule_words
from reconciliation.models import Match, MatchCoding, MatchLine, RuleVersion
from reconciliation.rules import LAST_DECIDED
from reconciliation.selection import Coding
from reconciliation.views.rules import get_rule, version_url

State = RuleVersion.State
LISTS = {
    "bank": (
        ("new", "New", "Open lines that would get a proposal"),
        ("agreed", "Agreed", "People booked them exactly so"),
        ("wrong", "Wrong", "People decided otherwise"),
        ("lost", "Lost", "Only the version in force applies to them"),
    ),
    "approval": (
        ("wrong", "Wrong", "People rejected, undid or matched them otherwise"),
        ("right", "Right", "People approved them unchanged"),
        ("open", "Open now", "They would be approved now"),
    ),
}


@require_safe
@member("viewer")
def version(request: OrgRequest, pk: int, number: int) -> HttpResponseBase:
    shown = get_version(request, pk, number)
    names = LISTS[shown.rule.kind]
    test = backtest_jobs.latest(shown)
    narrowed = request.headers.get("HX-Target") == "testing"
    if narrowed and test is not None and test.is_open:
        told = {"version": shown, "rule": shown.rule, "test": test}
        return render(request, "reconciliation/rule_version.html#testing", told)
    chosen = request.GET.get("list", "")
    chosen = chosen if chosen in [name for name, _, _ in names] else _first_list(shown, names)
    listing = _listing(request, shown, chosen) if shown.backtest else None
    if listing is not None and listing.export:
        return listing.export
    context = {
        "version": shown,
        "rule": shown.rule,
        "test": test,
        "versions": shown.rule.versions.order_by("-number"),
        "conditions": rule_words.conditions(shown),
        "bookings": rule_words.bookings(shown),
        "list": chosen,
        "list_words": {name: words for name, _, words in names}[chosen],
        "table": listing,
        "shown": _shown(shown, listing) if listing is not None else [],
        "tabs": _tabs(request, shown, chosen),
        **_found(shown),
        **_may(request, shown),
        **_use(shown),
    }
    response = render(request, "reconciliation/rule_version.html", context)
    if narrowed:
        response["HX-Refresh"] = "true"
    return response


def get_version(request: OrgRequest, pk: int, number: int) -> RuleVersion:
    rule = get_rule(request, pk)
    rows = rule.versions.select_related("account", "made_by", "approved_by", "ended_by")
    found = rows.prefetch_related("splits__account", "splits__tax_account").filter(number=number).first()
    if found is None:
        raise Http404("This rule has no such version.")
    found.rule = rule
    return found


def _first_list(version: RuleVersion, names: Sequence[tuple[str, str, str]]) -> str:
    """The list that asks for a look first: what is wrong, else what there is."""
    counts = (version.backtest or {}).get("counts", {})
    if counts.get("wrong"):
        return "wrong"
    return next((name for name, _, _ in names if counts.get(name)), names[0][0])


def _tabs(request: OrgRequest, version: RuleVersion, chosen: str) -> list[dict[str, Any]]:
    counts = (version.backtest or {}).get("counts", {})
    return [
        {
            "label": label,
            "url": f"?list={name}#backtest",
            "active": name == chosen,
            "count": counts.get(name, 0),
        }
        for name, label, _ in LISTS[version.rule.kind]
    ]


def _found(version: RuleVersion) -> dict[str, Any]:
    """The back-test in words, and whether it is of what the version says now."""
    found = version.backtest or {}
    return {
        "backtest": found,
        "backtest_line": rule_words.backtest_line(version),
        "tested_at": parse_datetime(found["at"]) if found else None,
        "tested_since": parse_date(found["since"]) if found else None,
        "obstacle": rule_versions.may_not_go_on(version),
        "cut": {name: count for name, count in found.get("counts", {}).items() if count > backtest.LISTED},
        "most_listed": backtest.LISTED,
    }


def _may(request: OrgRequest, version: RuleVersion) -> dict[str, Any]:
    return {
        "may_draft": request.membership.may("bookkeeper"),
        "may_approve": request.membership.may("approver"),
        "refusal": rule_versions.may_not_approve(version, request.user),
        "two_person": request.organization.two_person_rule,
    }


def _use(version: RuleVersion) -> dict[str, Any]:
    """How its last matches were taken."""
    last = list(expiry.decided(version).values_list("overturned", flat=True)[:LAST_DECIDED])
    return {"decided": len(last), "overturned": sum(last), "expiry_words": expiry.WORDS}


# ── the lists of the back-test ────────────────────────────────────────────────────────────────────────

_LINE_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("description", "Line", order_by="description"),
    Column("amount", "Amount", order_by="amount", numeric=True),
    Column("decided", "What people did", exported=False),
)
_MATCH_COLUMNS = (
    Column("pk", "Line", exported=False),
    Column("probability", "Probability", order_by="probability", numeric=True),
    Column("state", "State"),
    Column("evidence", "Evidence", exported=False),
)


def _listing(request: OrgRequest, version: RuleVersion, chosen: str) -> Table[Any]:
    ids = (version.backtest or {}).get("ids", {}).get(chosen, [])
    name = f"backtest-{chosen}"
    if version.rule.kind == "bank":
        lines = StatementLine.objects.filter(organization=request.organization, pk__in=ids)
        return table(request, lines, name=name, columns=_LINE_COLUMNS, default_sort="-date")
    matches = Match.objects.filter(organization=request.organization, pk__in=ids)
    return table(request, with_lines(matches), name=name, columns=_MATCH_COLUMNS)


def with_lines(matches: QuerySet[Match]) -> QuerySet[Match]:
    rows = MatchLine.objects.select_related(
        "statement_line", "posting__entry__document__contact", "document__contact"
    )
    codings = MatchCoding.objects.select_related("account").order_by("position")
    return matches.prefetch_related(Prefetch("rows", rows.order_by("pk")), Prefetch("codings", codings))


def _shown(version: RuleVersion, listing: Table[Any]) -> list[tuple[Any, Any]]:
    """Each row of the page beside what people decided about it."""
    if version.rule.kind == "bank":
        words = _decisions(listing.rows)
        return [(line, words.get(line.pk)) for line in listing.rows]
    return [(made, parts(made)) for made in listing.rows]


def parts(made: Match) -> list[cards.Part]:
    """The rows of a match in words, bank lines first, without what confirming it posted itself."""
    others = [row for row in made.rows.all() if row.posting is None or not _is_own(made, row.posting)]
    found = [cards.part_of(row) for row in others]
    return sorted(found, key=lambda part: part.row_id[0] != "L")


def _is_own(made: Match, posting: Posting) -> bool:
    return made.document_id is not None and posting.entry.document_id == made.document_id


class Decision:
    """How a line was decided: the match, and what it was booked to (empty: matched with entries)."""

    def __init__(self, match_id: int, codings: list[Coding]) -> None:
        self.match_id, self.codings = match_id, codings


def _decisions(lines: Sequence[StatementLine]) -> dict[int, Decision]:
    """Four queries, however many lines."""
    booked = backtest.how_decided([line.pk for line in lines])
    rows = MatchLine.objects.filter(statement_line__in=list(booked), confirmed=True)
    accounts = Account.objects.in_bulk({pk for amounts in booked.values() for pk in amounts})
    return {
        line_id: Decision(match_id, [Coding(accounts[pk], amount) for pk, amount in booked[line_id].items()])
        for line_id, match_id in rows.values_list("statement_line_id", "match_id")
        if line_id is not None
    }


# ── acts ──────────────────────────────────────────────────────────────────────────────────────────────


@require_POST
@member("bookkeeper")
def backtests(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    """Ask for a back-test; the page shows how far it is, then what it found."""

    def act(found: RuleVersion) -> None:
        backtest_jobs.request(found, user=request.user)

    return _act(request, pk, number, act, "Back-testing. Look at what would be wrong before you propose it.")


@require_POST
@member("bookkeeper")
def proposal(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    def act(found: RuleVersion) -> None:
        rule_versions.propose(found, request=request)

    return _act(request, pk, number, act, "Proposed. An approver puts it in force.")


@require_POST
@member("approver")
def approval(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    def act(found: RuleVersion) -> None:
        rule_versions.approve(found, request=request)

    return _act(request, pk, number, act, "In force. Open lines are looked at again now.")


@require_POST
@member("approver")
def retirement(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    def act(found: RuleVersion) -> None:
        note = request.POST.get("note", "").replace("\0", "").strip()
        rule_versions.retire(found, note=note, request=request)

    return _act(request, pk, number, act, "Switched off. What it booked stays; what it proposed is gone.")


@require_POST
@member("approver")
def reactivation(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    def act(found: RuleVersion) -> None:
        rule_versions.reactivate(found, request=request)

    return _act(request, pk, number, act, "In force again.")


@require_POST
@member("bookkeeper")
def removal(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    """Discard a draft."""
    found = get_version(request, pk, number)
    try:
        rule_versions.discard(found, request=request)
    except ConfigError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(version_url(request, found))
    messages.success(request, "The draft is gone.")
    return HttpResponseRedirect(reverse("reconciliation:rules", args=[request.organization.slug]))


def _act(
    request: OrgRequest, pk: int, number: int, act: Callable[[RuleVersion], None], words: str
) -> HttpResponse:
    found = get_version(request, pk, number)
    try:
        act(found)
    except ConfigError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, words)
    return HttpResponseRedirect(version_url(request, found))

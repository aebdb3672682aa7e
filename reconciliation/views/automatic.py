"""What was approved without a person: listed with its evidence, removed and redone one by one or in bulk."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.models import Organization
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.tables import Column, Filter, table
from reconciliation import cards, decisions
from reconciliation.models import Confirmation, Match, MatchLine, Rule
from reconciliation.rule_forms import bank_accounts
from reconciliation.views.rule_version import parts, with_lines
from reconciliation.views.rules import tabs

MOST_AT_ONCE = 200
_COLUMNS = (
    Column("pk", "Line", value=lambda made: "; ".join(part.title for part in parts(made))),
    Column("rule_name", "Rule", order_by="rule_name"),
    Column("approved_at", "Approved", order_by="approved_at"),
    Column("state", "State"),
)


@require_safe
@member("viewer")
def automatic(request: OrgRequest) -> HttpResponseBase:
    rules = Rule.objects.filter(organization=request.organization, kind=Rule.Kind.APPROVAL).order_by("name")
    accounts = bank_accounts(request.organization)
    listing = table(
        request,
        with_lines(approved(request.organization)),
        name="approved-automatically",
        columns=_COLUMNS,
        filters=[
            Filter("rule", "Rule", "rule_pk", choices=[(str(rule.pk), rule.name) for rule in rules]),
            Filter("account", "Account", choices=[(str(one.pk), str(one)) for one in accounts]),
            Filter("state", "State", choices=[("confirmed", "Stands"), ("undone", "Removed")]),
            Filter("text", "Text of the line", kind="text", apply=_by_text),
            Filter("since", "From", "approved_at__date__gte", kind="date"),
            Filter("until", "To", "approved_at__date__lte", kind="date"),
        ],
        default_sort="-approved_at",
    )
    if listing.export:
        return listing.export
    standing = approved(request.organization).filter(state=Match.State.CONFIRMED).count()
    context = {
        "table": listing,
        "shown": [(made, parts(made), cards.reasons_of(made)) for made in listing.rows],
        "standing": standing,
        "tabs": tabs(request, "automatic"),
        "here": request.get_full_path(),
        "may_undo": request.membership.may("approver"),
    }
    return render(request, "reconciliation/automatic.html", context)


def approved(organization: Organization) -> QuerySet[Any]:
    """Matches a rule confirmed, with its name, its id, its version's number and when."""
    acts = Confirmation.objects.filter(match=OuterRef("pk"), action="confirm", rule__isnull=False)
    last = acts.order_by("-pk")
    return (
        Match.objects.filter(Exists(acts), organization=organization)
        .select_related("account")
        .annotate(
            approved_at=Subquery(last.values("at")[:1]),
            rule_pk=Subquery(last.values("rule__rule")[:1]),
            rule_name=Subquery(last.values("rule__rule__name")[:1]),
            rule_number=Subquery(last.values("rule__number")[:1]),
        )
    )


def _by_text(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    fits = Q(statement_line__description__icontains=text) | Q(statement_line__counterparty__icontains=text)
    return rows.filter(Exists(MatchLine.objects.filter(fits, match=OuterRef("pk"))))


@require_POST
@member("approver")
def reversals(request: OrgRequest) -> HttpResponse:
    """Remove and redo: the lines are open again with their proposals; each counts as overturned."""
    ids = [int(text) for text in request.POST.getlist("selected") if text.isdecimal() and len(text) < 19]
    rows = approved(request.organization).filter(pk__in=ids, state=Match.State.CONFIRMED).order_by("pk")
    matches = list(rows.select_related("account__organization", "document")[: MOST_AT_ONCE + 1])
    done, failed = 0, []
    for made in matches[:MOST_AT_ONCE]:
        try:
            decisions.undo(made, user=request.user, note="Removed and redone", request=request)
            done += 1
        except RecordError as error:
            failed.append(str(error))
    _tell(request, done, failed, more=len(matches) > MOST_AT_ONCE)
    return HttpResponseRedirect(_back(request))


def _tell(request: OrgRequest, done: int, failed: list[str], *, more: bool) -> None:
    if done:
        count = "1 match" if done == 1 else f"{done} matches"
        messages.success(request, f"{count} removed. The lines are open again, for a person to decide.")
    if not done and not failed:
        messages.warning(request, "Tick what to remove first; what was removed already cannot be again.")
    for reason in failed[:10]:
        messages.error(request, f"Not removed: {reason}")
    if more:
        messages.warning(request, f"At most {MOST_AT_ONCE} are removed at once. Tick again for the rest.")


def _back(request: OrgRequest) -> str:
    """The list with its filters as they were."""
    page = reverse("reconciliation:automatic", args=[request.organization.slug])
    given = request.POST.get("next", "")
    return given if given == page or given.startswith(f"{page}?") else page

"""Entries of the books that cancel each other: the pairs, why, and taking them off what is open."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.tables import Column, table
from reconciliation import cancelling, cards
from reconciliation.views.rule_version import parts, with_lines
from reconciliation.views.support import get_account
from reconciliation.views.workspace import account_tabs

_COLUMNS = (
    Column("pair", "Entries", exported=False),
    Column("probability", "Probability", order_by="probability", numeric=True),
    Column("why", "Why", value=lambda made: "; ".join(label for label, _ in made.evidence)),
)


@require_safe
@member("viewer")
def pairs(request: OrgRequest, pk: int) -> HttpResponseBase:
    account = get_account(request, pk)
    listing = table(
        request,
        with_lines(cancelling.open_pairs(account)),
        name=f"cancelling-{account.code}",
        columns=_COLUMNS,
        default_sort="-probability",
    )
    if listing.export:
        return listing.export
    context = {
        "account": account,
        "table": listing,
        "tabs": account_tabs(request, account, "cancelling"),
        "shown": [(made, parts(made), cards.percent_of(made.probability)) for made in listing.rows],
        "may_confirm": request.membership.may("approver"),
        "may_prepare": request.membership.may("bookkeeper"),
        "here": request.get_full_path(),
    }
    return render(request, "reconciliation/cancelling.html", context)

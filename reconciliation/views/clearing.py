"""Clearing accounts reconciled: what is unsettled, what differs and why, every payout to the cent."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Min, OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.exports import csv_response
from ledgerhub.core.money import from_minor
from ledgerhub.core.tables import Column, Filter, money_column, table
from ledgerhub.ledger import clearing, pairing, reports, settlement
from ledgerhub.ledger.clearing import Fault, Held, PayoutCheck
from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Account, Document, Posting
from ledgerhub.ledger.pairing import Row
from ledgerhub.ledger.settlement import Item, Part, Rest
from ledgerhub.ledger.views.periods import chosen_day, read_day
from reconciliation import clearing_pairs, clearing_signing
from reconciliation.models import MatchLine, SignOff

_PAGE = 50
# Why something is left on the account, in words, and what to do about it.
REASONS = {
    "unsettled": ("Not in a payout yet", ""),
    "partly": ("Paid out in part", ""),
    "returned": ("A payout that failed; its money comes with a later one", ""),
    "no_items": (
        "Payouts booked without items",
        "A manual payout: the processor does not say what it is made of. It settles older items.",
    ),
    "item_sum": (
        "Payouts whose items do not make the total",
        "Sync the payout again: its list was not complete when it was read.",
    ),
    "twice": ("Items in two payouts", "The processor lists the same item twice. Ask its support."),
    "differs": ("Paid out at another amount than booked", "Open the document and compare it with its item."),
    "later": (
        "Booked after the day",
        "Its entry is dated after the payout: a locked period moves entries on.",
    ),
    "never": (
        "Items nothing is booked for",
        "Look for the item in quarantine, or sync the processor's payments and fees again.",
    ),
    "fee": ("Fees that are not booked", "Switch on the stream of the processor's fees and sync it."),
}
STATES = {
    "complete": "Complete",
    "manual": "Manual payout",
    "silent": "Items not told",
    "missing": "Items missing",
    "differs": "Differs from the books",
}


class Left(NamedTuple):
    """A row of the unsettled or the differing: the document, or the item that has none; minor units. `key`
    names it in an address, `fits` is how many open rows cancel it."""

    document: Document | None
    title: str
    day: dt.date | None
    amount: int
    currency: str
    reason: str
    words: str
    age: int | None
    key: str
    payout_id: int | None = None
    fits: int = 0


class Bank(NamedTuple):
    """Where a payout's money is: `state` paid, waits, returned or not_booked; `day` it reached the bank."""

    state: str
    day: dt.date | None = None
    match_id: int | None = None


# What a tab of the account lists.
SHOWN: dict[str, Callable[[Held], list[Any]]] = {
    "unsettled": lambda one: [*one.unsettled],
    "differences": lambda one: [*one.differences, *one.unbooked],
    "pairs": lambda one: [*one.pairs],
}
_TITLES = {
    "unsettled": "Not settled yet",
    "differences": "Differences",
    "pairs": "Pairs that cancel each other",
}


@require_safe
@member("viewer")
def clearing_account(request: OrgRequest, pk: int) -> HttpResponseBase:
    """What the account holds at a day, and what that is made of."""
    account = find_account(request, pk)
    on, problem = chosen_day(request)
    base = request.organization.base_currency
    found = sorted(clearing_pairs.held(account, on=on), key=lambda held: held.currency != base)
    asked, empty = request.GET.get("currency", ""), Held(base)
    one = next((each for each in found if each.currency == asked), found[0] if found else empty)
    shown = request.GET.get("show", "")
    shown = shown if shown in SHOWN else "unsettled"
    if request.GET.get("export") == "csv":
        return _export(account, on, [each for each in found if not asked or each.currency == asked], shown)
    page: Page[Any] = Paginator(SHOWN[shown](one), _PAGE).get_page(request.GET.get("page"))
    listed = list(page.object_list)
    page.object_list = (
        clearing_pairs.named(account, listed) if shown == "pairs" else left(listed, on, one.rows)
    )
    may_decide = request.membership.may(Role.APPROVER)
    context = {
        "account": account,
        "on": on,
        "problem": problem,
        "held": found,
        "one": one,
        "shown": shown,
        "title": _TITLES[shown],
        "page": page,
        "causes": [(REASONS[cause.reason], cause) for cause in one.causes],
        "tabs": _tabs(request, account, shown, one),
        "may_decide": may_decide,
        "hindrances": clearing_signing.hindrances(account, on, one) if one.currency and found else ["-"],
        "history": _history(account),
    }
    return render(request, "reports/clearing_account.html", context)


def _history(account: Account) -> QuerySet[SignOff]:
    rows = SignOff.objects.filter(account=account).select_related("signed_by")
    return rows.order_by("-end", "-pk")[:50]


def find_account(request: OrgRequest, pk: int) -> Account:
    account = get_object_or_404(Account, organization=request.organization, role="clearing", pk=pk)
    account.organization = request.organization
    return account


def _tabs(request: OrgRequest, account: Account, current: str, one: Held | None) -> list[dict[str, Any]]:
    query = request.GET.copy()
    for name in ("show", "page", "export", "after", "sort", "q", "state", "bank"):
        query.pop(name, None)
    base = reverse("ledger:clearing_account", args=[request.organization.slug, account.pk])
    payouts = reverse("ledger:clearing_payouts", args=[request.organization.slug, account.pk])
    kept = query.urlencode()
    found: list[dict[str, Any]] = [
        {"key": "unsettled", "label": "Unsettled", "url": f"{base}?{kept}"},
        {"key": "differences", "label": "Differences", "url": f"{base}?{kept}&show=differences"},
        {"key": "pairs", "label": "Pairs", "url": f"{base}?{kept}&show=pairs"},
        {"key": "payouts", "label": "Payouts", "url": payouts},
    ]
    if one is not None:
        for tab in found[:3]:
            tab["count"] = len(SHOWN[tab["key"]](one))
    return [{**tab, "active": tab["key"] == current} for tab in found]


def left(rows: Sequence[Rest | Part], on: dt.date, others: Sequence[Row] = ()) -> list[Left]:
    """Rows in words, with their documents read at once; `others` may cancel them."""
    documents = clearing.documents_of(pairing.key_of(row)[0] for row in rows)
    opposite = Counter(-row.amount for row in others)
    return [_left_row(row, documents, on, opposite) for row in rows]


def _left_row(
    row: Rest | Part, documents: dict[int, Document], on: dt.date, opposite: Mapping[int, int]
) -> Left:
    key = pairing.key_of(row)
    text, title = clearing_pairs.written(key), clearing_pairs.title(key, documents)
    if isinstance(row, Rest):
        found, fits = documents[row.document_id], opposite.get(row.amount, 0)
        words, age = REASONS[row.reason][0], (on - row.day).days
        return Left(found, title, row.day, row.amount, row.currency, row.reason, words, age, text, fits=fits)
    item, reason, fits = row.item, row.reason or "never", opposite.get(-row.amount, 0)
    since, words = (on - item.day).days if item.day else None, REASONS[reason][0]
    return Left(
        None, title, item.day, -row.amount, item.currency, reason, words, since, text, item.payout_id, fits
    )


def _export(account: Account, on: dt.date, found: Sequence[Held], shown: str) -> HttpResponseBase:
    if shown == "pairs":
        return _export_pairs(account, on, found)

    def rows() -> Iterator[Left]:
        for one in found:
            yield from left(SHOWN[shown](one), on)

    return csv_response(
        f"{shown}-{account.qualifier}-{on}",
        ["Date", "Document", "Contact", "Reason", "Days old", "Amount", "Currency"],
        rows(),
        lambda row: [
            row.day,
            row.title,
            (row.document.contact or "") if row.document else "",
            row.words,
            row.age,
            from_minor(row.amount, row.currency),
            row.currency,
        ],
    )


def _export_pairs(account: Account, on: dt.date, found: Sequence[Held]) -> HttpResponseBase:
    made = clearing_pairs.named(account, [pair for one in found for pair in one.pairs])
    return csv_response(
        f"pairs-{account.qualifier}-{on}",
        ["Date", "Debit", "Date of credit", "Credit", "Why", "Amount", "Currency"],
        made,
        lambda row: [
            row.pair.debit.day,
            row.titles[0],
            row.pair.credit.day,
            row.titles[1],
            row.why,
            from_minor(row.pair.debit.amount, row.pair.debit.currency),
            row.pair.debit.currency,
        ],
    )


@require_POST
@member("approver")
def sign_offs(request: OrgRequest, pk: int) -> HttpResponse:
    """Sign one currency of the account off at a day."""
    account = find_account(request, pk)
    on, currency = read_day(request.POST.get("on", "")), request.POST.get("currency", "")
    note = request.POST.get("note", "").replace("\0", "").strip()
    back = reverse("ledger:clearing_account", args=[request.organization.slug, account.pk])
    if on is None:
        messages.error(request, "Choose the day at which the account is signed off. Nothing was changed.")
        return redirect(back)
    try:
        made = clearing_signing.sign(account, on, currency, user=request.user, note=note, request=request)
    except RecordError as error:
        for each in error.field_errors:
            messages.error(request, each.message)
        return redirect(f"{back}?on={on.isoformat()}")
    messages.success(request, f"{account.name} is signed off at {on.isoformat()} in {currency}.")
    return redirect("reconciliation:sign_off", request.organization.slug, made.pk)


# ── payouts ───────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("external_id", "Payout", order_by="external_id"),
    Column("status", "Status at the processor", order_by="status"),
    Column("at_bank", "Reached the bank", order_by="at_bank"),
    money_column("total"),
    Column("currency", "Currency"),
)


@require_safe
@member("viewer")
def payouts(request: OrgRequest, pk: int) -> HttpResponseBase:
    """Every payout with its state: complete, items missing, differs; waits for the bank, paid."""
    account = find_account(request, pk)
    listing = table(
        request,
        _with_bank(account),
        name=f"payouts-{account.qualifier}",
        columns=_COLUMNS,
        filters=[
            Filter("bank", "Bank", choices=[("paid", "At the bank"), ("waits", "Not yet")], apply=_by_bank),
            Filter("since", "From", "date__gte", kind="date"),
            Filter("until", "To", "date__lte", kind="date"),
        ],
        search=["external_id", "reference"],
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    checks, banks = _checked(account, listing.rows), _banks(listing.rows)
    context = {
        "account": account,
        "table": listing,
        "rows": [(row, checks[row.pk], STATES[checks[row.pk].state], banks[row.pk]) for row in listing.rows],
        "tabs": _tabs(request, account, "payouts", None),
    }
    return render(request, "reports/clearing_payouts.html", context)


def _checked(account: Account, found: Sequence[Document]) -> dict[int, PayoutCheck]:
    """Payouts against the books; where items are not booked, what cancels them is looked for as well."""
    checks = clearing.check_payouts(account, found)
    faults = (fault for check in checks.values() for each in check.faults.values() for fault in each)
    if any(fault.reason == settlement.NEVER_BOOKED for fault in faults):
        whole = clearing_pairs.held(account, on=timezone.localdate())
        clearing.explain(checks, [pair for one in whole for pair in one.pairs])
    return checks


def _with_bank(account: Account) -> QuerySet[Document]:
    lines = MatchLine.objects.filter(
        match__rows__posting__entry__document=OuterRef("pk"), confirmed=True, statement_line__isnull=False
    )
    first = lines.order_by().values("confirmed").annotate(day=Min("statement_line__date")).values("day")
    return reports.payouts_of(account).defer("data").annotate(at_bank=Subquery(first))


def _by_bank(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
    return rows.filter(at_bank__isnull=value == "waits")


def _banks(found: Sequence[Document]) -> dict[int, Bank]:
    """Document id -> where its money is, in two queries."""
    standing = Posting.objects.filter(entry__document__in=found, account__role="bank")
    standing = standing.filter(in_force("entry__"))
    sums: dict[int, int] = {}
    for document, amount in standing.order_by().values_list("entry__document", "amount"):
        sums[document] = sums.get(document, 0) + amount
    matched = MatchLine.objects.filter(posting__entry__document__in=found, confirmed=True)
    matches = dict(matched.order_by().values_list("posting__entry__document", "match"))
    return {row.pk: _bank(row, sums.get(row.pk), matches.get(row.pk)) for row in found}


def _bank(row: Document, standing: int | None, match_id: int | None) -> Bank:
    if match_id is not None:
        return Bank("paid", getattr(row, "at_bank", None), match_id)
    if standing is None:
        return Bank("not_booked")
    return Bank("waits") if standing else Bank("returned")


class ItemRow(NamedTuple):
    """An item with what it stands for in the books and what is wrong with it, in words; `cancels` names what
    it comes to nothing with, and why."""

    item: Item
    line: Any
    documents: list[Document]
    faults: list[tuple[str, Fault]]
    cancels: tuple[str, str] | None = None


class Group(NamedTuple):
    """Items of a kind, with their sums in minor units."""

    title: str
    rows: list[ItemRow]
    amount: int
    fee: int
    net: int


@require_safe
@member("viewer")
def payout(request: OrgRequest, pk: int, payout_pk: int) -> HttpResponseBase:
    """One payout to the cent: its items in groups, each with its documents, and its bank line."""
    account = find_account(request, pk)
    found = get_object_or_404(_with_bank(account), pk=payout_pk)
    check = _checked(account, [found])[found.pk]
    groups = _groups(account, found, check)
    if request.GET.get("export") == "csv":
        return _export_items(found, groups)
    context = {
        "account": account,
        "payout": found,
        "check": check,
        "state": STATES[check.state],
        "bank": _banks([found])[found.pk],
        "groups": groups,
        "gap": found.total - check.items_sum,
        "rest": REASONS[check.rest.reason] if check.rest else None,
    }
    return render(request, "reports/clearing_payout.html", context)


def _groups(account: Account, found: Document, check: PayoutCheck) -> list[Group]:
    lines = {line.pk: line for line in found.lines.filter(section="items")}
    ids = {pk for pks in check.documents.values() for pk in pks}
    documents = clearing.documents_of(ids)
    cancels = _cancels(account, check)
    sorted_rows: dict[str, list[ItemRow]] = {}
    for item in check.items:
        line = lines[item.line_id]
        mine = [documents[pk] for pk in dict.fromkeys(check.documents.get(item.line_id, ()))]
        faults = [(REASONS[fault.reason][0], fault) for fault in check.faults.get(item.line_id, ())]
        row = ItemRow(item, line, mine, faults, cancels.get(item.line_id))
        sorted_rows.setdefault(pairing.about(line.category), []).append(row)
    return [_group(title, sorted_rows[title]) for title in pairing.ABOUTS if title in sorted_rows]


def _cancels(account: Account, check: PayoutCheck) -> dict[int, tuple[str, str]]:
    """Item (line id) -> the name of what it comes to nothing with, and why."""
    named = clearing_pairs.named(account, list(check.cancelled.values()))
    keys = {item.line_id: (item.payout_id, pairing.item_key(item)) for item in check.items}
    return {
        line_id: (made.titles[1 if made.pair.debit.key == keys[line_id] else 0], made.why)
        for line_id, made in zip(check.cancelled, named, strict=True)
    }


def _group(title: str, rows: list[ItemRow]) -> Group:
    rows.sort(key=lambda row: row.line.position)
    items = [row.item for row in rows]
    sums = (
        sum(item.amount for item in items),
        sum(item.fee for item in items),
        sum(item.net for item in items),
    )
    return Group(title, rows, *sums)


def _export_items(found: Document, groups: Sequence[Group]) -> HttpResponseBase:
    return csv_response(
        f"payout-{found.external_id}",
        ["Group", "Date", "Item", "Names", "Text", "Documents", "Amount", "Fee", "Net", "Currency", "Remark"],
        ((group, row) for group in groups for row in group.rows),
        lambda pair: [
            pair[0].title,
            pair[1].line.date,
            pair[1].item.external_id,
            pair[1].item.source,
            pair[1].line.description,
            "; ".join(str(document) for document in pair[1].documents),
            *(from_minor(value, found.currency) for value in (pair[1].item.amount, pair[1].item.fee)),
            from_minor(pair[1].item.net, found.currency),
            found.currency,
            "; ".join(_remarks(pair[1])),
        ],
    )


def _remarks(row: ItemRow) -> list[str]:
    found = [words for words, _ in row.faults]
    return [*found, f"Cancels with {row.cancels[0]}. {row.cancels[1]}"] if row.cancels else found

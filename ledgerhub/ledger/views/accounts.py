"""Accounts: the chart with balances, one account's ledger, its settings, a bank account's statement lines."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from django.contrib import messages
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.audit import changes, record, snapshot
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.days import parse_day
from ledgerhub.core.exports import csv_response
from ledgerhub.core.money import from_minor
from ledgerhub.core.tables import Column, Filter, money_column, table
from ledgerhub.ledger import queries
from ledgerhub.ledger.forms import AccountForm, role_words
from ledgerhub.ledger.models import Account, LineVersion, Posting, StatementLine
from ledgerhub.ledger.queries import Balance

PAGE = 50
_CREDIT_TYPES = {Account.Type.LIABILITY, Account.Type.EQUITY, Account.Type.INCOME}
_GROUPS = {
    Account.Type.ASSET: "Assets",
    Account.Type.LIABILITY: "Liabilities",
    Account.Type.EQUITY: "Equity",
    Account.Type.INCOME: "Income",
    Account.Type.EXPENSE: "Expenses",
}
_SHOWN = {"used": "In use", "all": "All", "archived": "Archived"}


class Group(NamedTuple):
    """Accounts of one type; balances as people read them (sales positive)."""

    label: str
    rows: list[Balance]
    total: int


@require_safe
@member("viewer")
def accounts(request: OrgRequest) -> HttpResponseBase:
    standing = [_natural(row) for row in queries.balances(request.organization)]
    chosen = request.GET.get("show", "used")
    chosen = chosen if chosen in _SHOWN else "used"
    shown = {name: [row for row in standing if _is_shown(row, name)] for name in _SHOWN}
    if request.GET.get("export") == "csv":
        return _export_chart(request, shown[chosen])
    context = {
        "groups": _groups(shown[chosen]),
        "tabs": [
            {"label": label, "url": f"?show={name}", "active": name == chosen, "count": len(shown[name])}
            for name, label in _SHOWN.items()
        ],
        "shown": chosen,
        "used": len(shown["used"]),
        "hidden": len(shown["all"]) - len(shown["used"]),
        "may_edit": request.membership.may(Role.BOOKKEEPER),
    }
    return render(request, "ledger/accounts.html", context)


def _natural(row: Balance) -> Balance:
    return Balance(row.account, -row.base if row.account.type in _CREDIT_TYPES else row.base)


def _is_shown(row: Balance, name: str) -> bool:
    if name == "archived":
        return row.account.archived_at is not None
    return row.account.archived_at is None and (name == "all" or row.base != 0)


def _groups(rows: list[Balance]) -> list[Group]:
    found = []
    for kind, label in _GROUPS.items():
        mine = [row for row in rows if row.account.type == kind]
        if mine:
            found.append(Group(label, mine, sum(row.base for row in mine)))
    return found


def _export_chart(request: OrgRequest, rows: list[Balance]) -> HttpResponseBase:
    base = request.organization.base_currency
    return csv_response(
        "chart-of-accounts",
        ["Code", "Name", "Type", "Role", "Which one", "Currency", f"Balance {base}"],
        rows,
        lambda row: [
            row.account.code,
            row.account.name,
            row.account.get_type_display(),
            role_words(row.account.role),
            row.account.qualifier,
            row.account.currency,
            from_minor(row.base, base),
        ],
    )


@require_safe
@member("viewer")
def account(request: OrgRequest, pk: int) -> HttpResponseBase:
    """The ledger of an account: postings newest first, with the balance after each as the chart has it."""
    found = _account(request, pk)
    if request.GET.get("export") == "csv":
        return _export_ledger(request, found)
    on, problem = _on(request)
    before = _cursor(request.GET.get("before", "")) or ((on + dt.timedelta(days=1), 0) if on else None)
    rows = queries.account_ledger(found, before=before, limit=PAGE + 1)
    sign = -1 if found.type in _CREDIT_TYPES else 1
    last = rows[PAGE - 1].posting if len(rows) > PAGE else None
    context = {
        "account": found,
        "rows": [row._replace(balance=sign * row.balance) for row in rows[:PAGE]],
        "older": f"{last.date.isoformat()}.{last.pk}" if last else "",
        "newest": "before" not in request.GET,
        "on": on,
        "problem": problem,
        "balance": sign * queries.account_balance(found),
        "is_bank": found.role == "bank",
        "may_edit": request.membership.may(Role.BOOKKEEPER),
        "role": role_words(found.role),
    }
    return render(request, "ledger/account.html", context)


def _on(request: OrgRequest) -> tuple[dt.date | None, str]:
    text = request.GET.get("on", "").strip()
    day = parse_day(text)
    if text and (day is None or day >= dt.date.max):
        return None, f"'{text[:40]}' is not a date. Write it like 2026-03-31."
    return day, ""


def _cursor(text: str) -> tuple[dt.date, int] | None:
    date, _, pk = text.partition(".")
    day = parse_day(date)
    return (day, int(pk)) if day and pk.isdecimal() and len(pk) < 19 else None


def _export_ledger(request: OrgRequest, found: Account) -> HttpResponseBase:
    base = request.organization.base_currency
    rows = Posting.objects.filter(account=found).select_related("entry__document").order_by("date", "pk")
    return csv_response(
        f"ledger-{found.code}",
        ["Date", "Entry", "Text", "Document", "Amount", "Currency", f"Amount {base}"],
        rows.iterator(chunk_size=2000),
        lambda row: [
            row.date,
            row.entry_id,
            row.memo or row.entry.memo,
            str(row.entry.document),
            from_minor(row.amount, row.currency),
            row.currency,
            from_minor(row.base_amount, base),
        ],
    )


@member("bookkeeper")
def new_account(request: OrgRequest) -> HttpResponse:
    form = AccountForm(
        request.POST or None,
        organization=request.organization,
        instance=Account(organization=request.organization),
    )
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            made = form.save()
            record(request, "account.created", made, after=snapshot(made, AccountForm.Meta.fields))
        messages.success(request, f"Account {made} is in the chart.")
        return redirect("ledger:account", request.organization.slug, made.pk)
    return render(request, "ledger/account_form.html", {"form": form}, status=422 if form.errors else 200)


@member("bookkeeper")
def account_settings(request: OrgRequest, pk: int) -> HttpResponse:
    found = _account(request, pk)
    before = snapshot(found, AccountForm.Meta.fields)
    has_postings = Posting.objects.filter(account=found).exists()
    form = AccountForm(
        request.POST or None, organization=request.organization, instance=found, has_postings=has_postings
    )
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            old, new = changes(before, form.save())
            if new:
                record(request, "account.changed", found, before=old, after=new)
        messages.success(request, f"Account {found} is saved." if new else "Nothing was changed.")
        return redirect("ledger:account", request.organization.slug, pk)
    context: dict[str, Any] = {"form": form, "account": Account.objects.get(pk=pk)}
    return render(request, "ledger/account_form.html", context, status=422 if form.errors else 200)


@require_POST
@member("bookkeeper")
def archival(request: OrgRequest, pk: int) -> HttpResponse:
    found = _account(request, pk)
    reason = _why_not_archived(found)
    if reason:
        messages.error(request, reason)
    elif found.archived_at is None:
        _set_archived(request, found, timezone.now(), "account.archived")
        messages.success(request, f"Account {found} is archived. What was booked on it stays.")
    return redirect("ledger:account", request.organization.slug, pk)


def _why_not_archived(found: Account) -> str:
    if found.role:
        return (
            f"Account {found} has the role {role_words(found.role)}, so LedgerHub books to it. "
            "Give the role to another account first."
        )
    if queries.account_balance(found):
        return f"Account {found} has a balance. Bring it to zero with a journal entry first."
    return ""


@require_POST
@member("bookkeeper")
def restoration(request: OrgRequest, pk: int) -> HttpResponse:
    found = _account(request, pk)
    if found.archived_at is not None:
        _set_archived(request, found, None, "account.restored")
        messages.success(request, f"Account {found} is in use again.")
    return redirect("ledger:account", request.organization.slug, pk)


def _set_archived(request: OrgRequest, found: Account, at: dt.datetime | None, action: str) -> None:
    before = {"archived_at": found.archived_at}
    with transaction.atomic():
        found.archived_at = at
        found.save(update_fields=["archived_at"])
        record(request, action, found, before=before, after={"archived_at": at})


_LINE_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("description", "Text"),
    Column("counterparty", "Payer or payee"),
    Column("reference", "Reference"),
    money_column("amount"),
    Column(
        "balance",
        "Balance",
        numeric=True,
        value=lambda row: None if row.balance is None else from_minor(row.balance, row.currency),
    ),
)
_LINE_FILTERS = (
    Filter("since", "From", "date__gte", kind="date"),
    Filter("until", "To", "date__lte", kind="date"),
)


@require_safe
@member("viewer")
def statement_lines(request: OrgRequest, pk: int) -> HttpResponseBase:
    """What the bank said of one account."""
    found = _account(request, pk)
    listing = table(
        request,
        StatementLine.objects.filter(account=found)
        .select_related("exclusion__duplicate_of")
        .annotate(changed=Exists(LineVersion.objects.filter(line=OuterRef("pk")))),
        name=f"statement-lines-{found.code}",
        columns=_LINE_COLUMNS,
        filters=_LINE_FILTERS,
        search=["description", "counterparty", "reference"],
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    return render(request, "ledger/statement_lines.html", {"table": listing, "account": found})


def _account(request: OrgRequest, pk: int) -> Account:
    return get_object_or_404(Account, organization=request.organization, pk=pk)

"""The journal: its list, its export for other programs, and the form of a manual entry."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from django.contrib import messages
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import from_minor
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger import documents, posting, queries
from ledgerhub.ledger.export import FORMATS, journal_lines
from ledgerhub.ledger.finding import entries_with
from ledgerhub.ledger.forms import EntryForm, EntryLines, EntryLineSet
from ledgerhub.ledger.kinds import KINDS, Draft, validate
from ledgerhub.ledger.models import Account, Document, Entry, Posting, Source
from ledgerhub.ledger.views.periods import chosen_period

BY_HAND = "by-hand"
_RARE = 2_000


class Row(NamedTuple):
    """An entry as one line of the journal."""

    entry: Entry
    debits: list[Posting]
    credits: list[Posting]
    total: int
    currency: str
    state: str


_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("memo", "Entry"),
    Column("debits", "Debit", value=lambda entry: _names(entry, debit=True)),
    Column("credits", "Credit", value=lambda entry: _names(entry, debit=False)),
    Column("total", "Amount", numeric=True, value=lambda entry: from_minor(*_total(entry))),
    Column("currency", "Currency", value=lambda entry: _total(entry)[1]),
)


@require_safe
@member("viewer")
def journal(request: OrgRequest) -> HttpResponseBase:
    listing = table(
        request,
        queries.journal(request.organization),
        name="journal",
        columns=_COLUMNS,
        filters=_filters(request.organization),
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    context = {
        "table": listing,
        "rows": [_row(entry) for entry in listing.rows],
        "may_post": request.membership.may(Role.APPROVER),
        "formats": FORMATS,
    }
    return render(request, "ledger/journal.html", context)


def _filters(organization: Organization) -> list[Filter]:
    accounts = Account.objects.filter(organization=organization)
    kinds = [(kind.key, kind.label) for kind in KINDS.values() if kind.posts]

    def found(rows: QuerySet[Entry], text: str) -> QuerySet[Entry]:
        return entries_with(rows, text, organization=organization)

    def of_kind(rows: QuerySet[Entry], kind: str) -> QuerySet[Entry]:
        # A rare kind by the documents' own index; for a frequent one the newest entries are at hand.
        documents = Document.objects.filter(organization=organization, kind=kind).values_list("pk", flat=True)
        rare = list(documents[: _RARE + 1])
        return rows.filter(document__in=rare) if len(rare) <= _RARE else rows.filter(document__kind=kind)

    return [
        Filter("q", "Number, text or amount", kind="text", apply=found),
        Filter("since", "From", "date__gte", kind="date"),
        Filter("until", "To", "date__lte", kind="date"),
        Filter(
            "account", "Account", choices=[(str(one.pk), str(one)) for one in accounts], apply=_of_account
        ),
        Filter("kind", "Document", choices=kinds, apply=of_kind),
    ]


def _of_account(rows: QuerySet[Entry], pk: str) -> QuerySet[Entry]:
    return rows.filter(Exists(Posting.objects.filter(entry=OuterRef("pk"), account=int(pk))))


def _row(entry: Entry) -> Row:
    postings = list(entry.postings.all())
    state = "reversed" if hasattr(entry, "reversed_by") else "reversal" if entry.reverses_id else ""
    debits = [posting for posting in postings if posting.side > 0]
    credits_ = [posting for posting in postings if posting.side < 0]
    return Row(entry, debits, credits_, *_total(entry), state)


def _total(entry: Entry) -> tuple[int, str]:
    """What the debits come to, and its currency: the books' own where no money moved (a revaluation)."""
    postings = entry.postings.all()
    if any(posting.amount for posting in postings):
        return sum(posting.amount for posting in postings if posting.amount > 0), entry.currency
    base = sum(posting.base_amount for posting in postings if posting.base_amount > 0)
    return base, entry.organization.base_currency


def _names(entry: Entry, *, debit: bool) -> str:
    return ", ".join(str(posting.account) for posting in entry.postings.all() if (posting.side > 0) == debit)


@require_safe
@member("viewer")
def export(request: OrgRequest) -> HttpResponseBase:
    """The journal of a period as text for hledger or Beancount."""
    chosen = request.GET.get("format", "")
    if chosen not in FORMATS:
        messages.error(request, f"Choose one of the formats: {', '.join(FORMATS)}.")
        return redirect("ledger:journal", request.organization.slug)
    period = chosen_period(request) if request.GET.get("start") or request.GET.get("end") else None
    lines = journal_lines(
        request.organization,
        format=chosen,
        start=period.start if period else None,
        end=period.end if period else None,
    )
    answer = StreamingHttpResponse((f"{line}\n" for line in lines), content_type="text/plain; charset=utf-8")
    suffix = "journal" if chosen == "hledger" else "beancount"
    answer["Content-Disposition"] = f'attachment; filename="{request.organization.slug}.{suffix}"'
    answer["Cache-Control"] = "private, no-store"
    return answer


# A manual entry


@member("approver")
def new_entry(request: OrgRequest) -> HttpResponse:
    form, lines = _forms(request)
    if request.method == "POST" and form.is_valid() and lines.is_valid():
        entry = _post(request, form, lines)
        if entry is not None:
            messages.success(request, f"Entry {entry.pk} is in the books.")
            return redirect("ledger:entry", request.organization.slug, entry.pk)
    wrong = bool(form.errors or any(lines.errors) or lines.non_form_errors())
    context = {"form": form, "lines": lines, "sum": _sum(form, lines)}
    return render(request, "ledger/entry_form.html", context, status=422 if wrong else 200)


@require_POST
@member("approver")
def entry_sum(request: OrgRequest) -> HttpResponse:
    """What the typed lines come to, for the running total under the form."""
    form, lines = _forms(request)
    return render(request, "ledger/entry_form.html#sum", {"sum": _sum(form, lines)})


def _forms(request: OrgRequest) -> tuple[EntryForm, EntryLines]:
    accounts = Account.objects.filter(organization=request.organization, archived_at__isnull=True)
    choices = [("", "Choose an account"), *((one.code, str(one)) for one in accounts)]
    initial = {"date": timezone.localdate(), "currency": request.organization.base_currency}
    form = EntryForm(request.POST or None, organization=request.organization, initial=initial)
    lines: Any = EntryLineSet(request.POST or None, prefix="line", form_kwargs={"accounts": choices})
    return form, lines


class Sum(NamedTuple):
    """Debits, credits and what is missing, in minor units."""

    currency: str
    debits: int
    credits: int
    difference: int


def _sum(form: EntryForm, lines: EntryLines) -> Sum:
    """What can be read already; lines that cannot are left out of it."""
    form.is_valid()
    currency = getattr(form, "cleaned_data", {}).get("currency") or form.initial.get("currency", "USD")
    if not lines.is_bound:
        return Sum(currency, 0, 0, 0)
    lines.is_valid()
    amounts = (
        lines.amounts(currency) if hasattr(lines.forms[0] if lines.forms else None, "cleaned_data") else []
    )
    debits = sum(amount for amount in amounts if amount > 0)
    credits_ = -sum(amount for amount in amounts if amount < 0)
    return Sum(currency, debits, credits_, debits - credits_)


def _post(request: OrgRequest, form: EntryForm, lines: EntryLines) -> Entry | None:
    """Through documents and posting like every other record; problems become errors of the form."""
    draft = _draft(form, lines, number=_next_number(request.organization))
    problems = [error.message for error in validate(draft, today=timezone.localdate())]
    if lines.is_valid() and not problems:
        try:
            return _record(request, draft)
        except RecordError as error:
            problems = [one.message for one in error.field_errors]
    for problem in problems:
        form.add_error(None, f"{problem}.")
    return None


def _next_number(organization: Organization) -> str:
    """What people call an entry they gave no number: J-1, J-2 and so on."""
    made = Document.objects.filter(organization=organization, source__key=BY_HAND).count()
    return f"J-{made + 1}"


def _draft(form: EntryForm, lines: EntryLines, *, number: str) -> Draft:
    typed = form.cleaned_data
    amounts = lines.amounts(typed["currency"])
    return {
        "kind": "journal_entry",
        "external_id": uuid.uuid4().hex,
        "number": typed["number"] or number,
        "date": typed["date"],
        "currency": typed["currency"],
        "memo": typed["memo"],
        "lines": [
            {
                "account": line.cleaned_data["account"],
                "amount": amount,
                "description": line.cleaned_data["description"],
            }
            for line, amount in zip(lines.filled(), amounts, strict=False)
        ],
    }


@transaction.atomic
def _record(request: OrgRequest, draft: Draft) -> Entry:
    source, _ = Source.objects.get_or_create(
        organization=request.organization, key=BY_HAND, defaults={"label": "By hand"}
    )
    incoming = [documents.Incoming("journal_entry", draft)]
    [stored] = documents.store(request.organization, source, incoming, scope=BY_HAND)
    [entry] = posting.post_document(stored.document, draft, actor=request.user).posted
    after = {"memo": draft["memo"], "date": draft["date"], "lines": draft["lines"]}
    record(request, "journal_entry.posted", stored.document, after=after)
    return entry

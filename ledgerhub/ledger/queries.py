"""Questions to the books: balances, journal, lineage, open items, clearing. Summed in SQL, in integers.

Balances come from DailyTotal, which posting.py writes with the postings and totals.wrong() checks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from django.db.models import (
    BigIntegerField,
    Case,
    DecimalField,
    ExpressionWrapper,
    F,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Cast, Coalesce

from ledgerhub.access.models import Organization
from ledgerhub.ledger.force import originals
from ledgerhub.ledger.models import Account, Allocation, DailyTotal, Document, Entry, Posting

Dated = TypeVar("Dated", Posting, DailyTotal)

# Kinds that stand open as credits: what settles them is a debit.
_OWED_BY_US = ("bill", "credit_note", "refund")


class Balance(NamedTuple):
    """What an account stands at, in base minor units, debit positive."""

    account: Account
    base: int


class CurrencyBalance(NamedTuple):
    """What an account stands at in one transaction currency, and that in base; minor units."""

    account: Account
    currency: str
    amount: int
    base: int


class TrialBalance(NamedTuple):
    """Every account that was ever posted to; debits and credits are equal in sound books."""

    rows: list[Balance]
    debits: int
    credits: int


class LedgerRow(NamedTuple):
    """A posting and the account's base balance after it."""

    posting: Posting
    balance: int


class Lineage(NamedTuple):
    """An entry's way back: what it is made of, what it reverses or is reversed by, what it came from.

    `raw_record_id` and `mapping_version_id` belong to the integrations app, which links them on.
    """

    entry: Entry
    postings: list[Posting]
    document: Document
    reverses: Entry | None
    reversed_by: Entry | None
    replaced_by: Entry | None
    raw_record_id: int | None
    mapping_version_id: int | None


class Unbalanced(NamedTuple):
    """An entry that breaks the rule of double entry; sums are None where it has no postings."""

    entry_id: int
    organization: str
    memo: str
    currency: str
    amount: int | None
    base: int | None


def balances(
    organization: Organization, *, on: dt.date | None = None, since: dt.date | None = None
) -> list[Balance]:
    """Every account with its balance at the end of a day (now when not given), in order of code.

    With `since`, only what was posted from that day on: the movement of a period.
    """
    accounts = list(Account.objects.filter(organization=organization))
    totals = _until(DailyTotal.objects.filter(account__organization=organization), on)
    if since is not None:
        totals = totals.filter(date__gte=since)
    sums = dict(totals.order_by().values_list("account").annotate(base=Sum("base_amount")))
    return [Balance(account, sums.get(account.pk, 0)) for account in accounts]


def currency_balances(
    organization: Organization, *, on: dt.date | None = None, role: str = ""
) -> list[CurrencyBalance]:
    """Balances by account and transaction currency, of all accounts or those of one role."""
    accounts = Account.objects.filter(organization=organization)
    by_id = (accounts.filter(role=role) if role else accounts).in_bulk()
    rows = (
        _until(DailyTotal.objects.filter(account__in=list(by_id)), on)
        .values_list("account", "currency")
        .annotate(amount=Sum("amount"), base=Sum("base_amount"))
        .order_by("account__code", "currency")
    )
    return [CurrencyBalance(by_id[account], *rest) for account, *rest in rows]


def trial_balance(organization: Organization, *, on: dt.date | None = None) -> TrialBalance:
    """Debit and credit balances at the end of a day; accounts at zero are left out."""
    rows = [row for row in balances(organization, on=on) if row.base]
    debits = sum(row.base for row in rows if row.base > 0)
    return TrialBalance(rows, debits, -sum(row.base for row in rows if row.base < 0))


def account_balance(account: Account, *, on: dt.date | None = None) -> int:
    """Base minor units, debit positive."""
    return _total(_until(DailyTotal.objects.filter(account=account), on))


def account_ledger(
    account: Account, *, before: tuple[dt.date, int] | None = None, limit: int = 100
) -> list[LedgerRow]:
    """The newest `limit` postings of an account with running balance, newest first.

    For the next page give `before=(posting.date, posting.pk)` of the last row.
    """
    postings = Posting.objects.filter(account=account)
    totals = DailyTotal.objects.filter(account=account)
    balance = _total(totals)
    if before is not None:
        date, pk = before
        postings = postings.filter(date__lte=date).exclude(date=date, pk__gte=pk)
        balance = _total(totals.filter(date__lt=date)) + _total(postings.filter(date=date))
    rows = []
    for posting in postings.select_related("entry__document", "contact").order_by("-date", "-pk")[:limit]:
        rows.append(LedgerRow(posting, balance))
        balance -= posting.base_amount
    return rows


def journal(organization: Organization) -> QuerySet[Entry]:
    """Entries, newest first, with document and postings read along; page it by (date, id)."""
    return (
        Entry.objects.filter(organization=organization)
        .select_related("document", "reversed_by", "organization")
        .prefetch_related("postings__account")
        .order_by("-date", "-id")
    )


def lineage(entry: Entry) -> Lineage:
    """Everything an entry's page shows of where it came from and what became of it."""
    document = Document.objects.select_related("source", "contact").get(pk=entry.document_id)
    original = entry.reverses if entry.reverses is not None else entry
    replaced_by = Entry.objects.filter(
        originals(), document=document, part=entry.part, revision=original.revision + 1
    ).first()
    return Lineage(
        entry=entry,
        postings=list(entry.postings.select_related("account", "contact").order_by("pk")),
        document=document,
        reverses=entry.reverses,
        reversed_by=Entry.objects.filter(reverses=entry).first(),
        replaced_by=replaced_by,
        raw_record_id=document.raw_record_id,
        mapping_version_id=document.mapping_version_id,
    )


def open_items(
    organization: Organization,
    *,
    role: str = "receivable",
    on: dt.date | None = None,
    qualifiers: Sequence[str] | None = None,
) -> QuerySet[Document]:
    """Documents of which something is open: own postings to accounts of `role`, less what settles them.

    Each carries `open_amount` (minor units of its currency) and `open_base`, debit positive: an unpaid
    invoice is positive, an unpaid bill negative, a payment not allocated elsewhere negative on the
    receivable. An allocation takes its amount off the document settled and off the one that settles.
    `open_base` of what is settled in part is its share at the document's own rate. `qualifiers` narrows
    the role's accounts (which gateways).
    """
    accounts = Account.objects.filter(organization=organization, role=role)
    if qualifiers is not None:
        accounts = accounts.filter(qualifier__in=qualifiers)
    ids = list(accounts.values_list("pk", flat=True))
    postings = _until(Posting.objects.filter(account__in=ids), on)
    own = postings.filter(entry__document=OuterRef("pk")).order_by().values("entry__document")
    settled = _allocated(ids, "document", on=on) - _allocated(ids, "by", on=on)
    return (
        Document.objects.filter(organization=organization, pk__in=postings.values("entry__document"))
        .annotate(
            own_amount=Subquery(own.annotate(total=Sum("amount")).values("total")),
            own_base=Subquery(own.annotate(total=Sum("base_amount")).values("total")),
            settled_amount=settled,
        )
        .annotate(open_amount=F("own_amount") - F("settled_amount"))
        .annotate(open_base=_open_base())
        .exclude(open_amount=0)
        .select_related("contact")
        .order_by("date", "pk")
    )


def _allocated(accounts: Sequence[int], side: str, *, on: dt.date | None) -> Coalesce:
    """What is allocated to (`document`) or by (`by`) the outer document in these accounts, debit positive."""
    rows = Allocation.objects.filter(**{side: OuterRef("pk")}, account__in=accounts)
    if on is not None:
        rows = rows.filter(by__date__lte=on)
    owed_by_us = When(document__kind__in=_OWED_BY_US, then=-F("amount"))
    signed = rows.annotate(signed=Case(owed_by_us, default=F("amount"), output_field=BigIntegerField()))
    total = signed.order_by().values(side).annotate(total=Sum("signed")).values("total")
    return Coalesce(Subquery(total), 0, output_field=BigIntegerField())


def _open_base() -> Case:
    """The open share of the base amount; in between numerics, which do not overflow as products do."""

    def wide(name: str) -> Cast:
        return Cast(name, DecimalField(max_digits=38, decimal_places=0))

    share = ExpressionWrapper(
        wide("own_base") * wide("open_amount") / wide("own_amount"),
        output_field=DecimalField(max_digits=38, decimal_places=6),
    )
    return Case(
        When(settled_amount=0, then=F("own_base")),
        When(own_amount=0, then=F("own_base")),
        When(own_amount=F("own_base"), then=F("open_amount")),
        default=Cast(share, BigIntegerField()),
        output_field=BigIntegerField(),
    )


def clearing_balances(organization: Organization, *, on: dt.date | None = None) -> list[CurrencyBalance]:
    """What every gateway holds, by currency; `clearing.held` says what it is made of."""
    return currency_balances(organization, on=on, role="clearing")


def unbalanced(organization: Organization | None = None) -> list[Unbalanced]:
    """Entries whose postings do not sum to zero in both currencies, or that have none: must be empty."""
    rows = Entry.objects.all() if organization is None else Entry.objects.filter(organization=organization)
    found = (
        rows.values_list("id", "organization__slug", "memo", "currency")
        .annotate(amount=Sum("postings__amount"), base=Sum("postings__base_amount"))
        .exclude(amount=0, base=0)
        .order_by("id")
    )
    return [Unbalanced(*row) for row in found]


def misfiled(organization: Organization | None = None) -> QuerySet[Posting]:
    """Postings in another currency or of another day or organization than their entry: must be empty."""
    rows = (
        Posting.objects.all() if organization is None else Posting.objects.filter(organization=organization)
    )
    return rows.exclude(
        currency=F("entry__currency"), date=F("entry__date"), organization=F("entry__organization")
    ).order_by("id")


def _postings(organization: Organization, *, on: dt.date | None) -> QuerySet[Posting]:
    return _until(Posting.objects.filter(account__organization=organization), on)


def _until(rows: QuerySet[Dated], on: dt.date | None) -> QuerySet[Dated]:
    return rows if on is None else rows.filter(date__lte=on)


def _total(rows: QuerySet[Dated]) -> int:
    total: int = rows.aggregate(total=Coalesce(Sum("base_amount"), 0, output_field=BigIntegerField()))[
        "total"
    ]
    return total

"""Revaluation: balances in other currencies at a month's closing rate, posted once, undone by reversal."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncMonth
from django.http import HttpRequest
from django.utils import timezone

from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, User
from ledgerhub.core.days import month_end
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.core.templatetags.formats import format_day
from ledgerhub.ledger import documents, posting, queries
from ledgerhub.ledger.accounts import Accounts
from ledgerhub.ledger.chart import UNREALISED, free_code
from ledgerhub.ledger.entries import AccountRef
from ledgerhub.ledger.models import Account, DailyTotal, Document, ExchangeRate, RevaluedBalance, Source
from ledgerhub.ledger.revaluing import Revalued, Standing, draft, lines, revalue

# Accounts that hold money or a claim to it. What is to be delivered (deposits, gift cards) is not revalued.
ROLES = ("bank", "clearing", "receivable", "payable", "reserve", "transfers")
_WITH_DOCUMENTS = ("receivable", "payable")
# A closing rate is that of the day, or of the last day before it on which one was told.
RATE_AGE = dt.timedelta(days=7)
SOURCE = "revaluation"
_REALISED = AccountRef("exchange_difference")


class Row(NamedTuple):
    """A balance as it would be revalued; `found` None where its rate is missing."""

    account: Account
    standing: Standing
    found: Revalued | None
    rate_day: dt.date | None


@dataclass
class Month:
    """A month's end: the balances that stand to be revalued or were, and why nothing can be done, in words.

    `made` are the rows that stand, `stale` that the books of that day have changed since.
    """

    day: dt.date
    rows: list[Row] = field(default_factory=list)
    made: list[RevaluedBalance] = field(default_factory=list)
    stale: bool = False
    hindrances: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Currencies without a closing rate."""
        return sorted({row.standing.currency for row in self.rows if row.found is None})

    @property
    def difference(self) -> int:
        return sum(row.found.difference for row in self.rows if row.found)


def last_month_end(organization: Organization) -> dt.date:
    """The end of the last month that is over."""
    today = timezone.localdate(timezone=organization.zone)
    return today if today == month_end(today) else today.replace(day=1) - dt.timedelta(days=1)


def month(organization: Organization, day: dt.date) -> Month:
    """The state of a month's end; some eight queries."""
    made = list(_made(organization).filter(day=day).select_related("account", "made_by", "document"))
    found = Month(day, made=made)
    standing = _standing(organization, day, made)
    rates = _closing_rates(organization, {each.currency for _, each in standing}, day)
    for account, each in standing:
        rate, rate_day = rates.get(each.currency, (None, None))
        base = organization.base_currency
        revalued = revalue(each, rate, base) if rate is not None else None
        found.rows.append(Row(account, each, revalued, rate_day))
    found.stale = bool(made) and _has_changed(found)
    found.hindrances = list(_hindrances(organization, found))
    return found


def _made(organization: Organization) -> QuerySet[RevaluedBalance]:
    rows = RevaluedBalance.objects.filter(account__organization=organization, undone_at__isnull=True)
    return rows.order_by("-day", "account__code", "currency")


def _standing(
    organization: Organization, day: dt.date, made: Iterable[RevaluedBalance]
) -> list[tuple[Account, Standing]]:
    """Balances at the end of a day as they were before that day's own revaluation."""
    own = {(row.account_id, row.currency): row.difference for row in made}
    kept = set(_made(organization).filter(turned=False).values_list("account", "currency"))
    found = []
    for row in queries.currency_balances(organization, on=day):
        account, key = row.account, (row.account.pk, row.currency)
        base = row.base - own.get(key, 0)
        foreign = account.role in ROLES and row.currency != organization.base_currency
        if not foreign or not (row.amount or base):
            continue
        # Where an unrealised gain was kept, documents are no longer carried at the rates they came with.
        told = account.role in _WITH_DOCUMENTS and key not in kept and turns(organization)
        open_base = _open_base(account, row.currency, day) if told else None
        found.append((account, Standing(account.code, row.currency, row.amount, base, open_base)))
    return found


def turns(organization: Organization) -> bool:
    """Whether what is not realised is turned round on the next day."""
    return organization.revaluation != Organization.Revaluation.KEPT


def _open_base(account: Account, currency: str, day: dt.date) -> int:
    """What the documents open on a day are carried at."""
    rows = queries.open_items(account.organization, role=account.role, on=day, qualifiers=[account.qualifier])
    return sum(row.open_base for row in rows.filter(currency=currency))  # type: ignore[attr-defined]


def _closing_rates(
    organization: Organization, currencies: Iterable[str], day: dt.date
) -> dict[str, tuple[Decimal, dt.date]]:
    rows = ExchangeRate.objects.filter(
        organization=organization, currency__in=set(currencies), date__lte=day, date__gt=day - RATE_AGE
    )
    told = rows.order_by("date").values_list("currency", "rate", "date")
    return {currency: (rate, date) for currency, rate, date in told}


def _has_changed(found: Month) -> bool:
    """Whether balances of the day are no longer those that were revalued."""
    now = {(row.account.pk, row.standing.currency): row.standing for row in found.rows}
    then = {(row.account_id, row.currency): (row.amount, row.before) for row in found.made}
    return then != {key: (each.amount, each.base) for key, each in now.items()}


def _hindrances(organization: Organization, found: Month) -> Iterable[str]:
    day = _text(organization, found.day)
    if found.day > last_month_end(organization):
        yield f"The month of {day} is not over yet."
    if locked := _locked(organization, found.day):
        yield locked
    for currency in [] if found.made else found.missing:
        yield (
            f"There is no closing rate of {currency}, neither of {day} nor of the {RATE_AGE.days - 1} days "
            "before it. Enter one under Exchange rates."
        )
    later = _made(organization).filter(day__gt=found.day).first()
    if later is not None:
        yield f"{_text(organization, later.day)} is revalued already, on top of this month. Undo that first."


def _locked(organization: Organization, day: dt.date) -> str:
    locked = organization.lock_date
    if locked is None or day > locked:
        return ""
    return f"The books are locked up to {_text(organization, locked)}: nothing in them changes any more."


def _text(organization: Organization, day: dt.date) -> str:
    return format_day(day, date_format=organization.date_format)


# ── the entries ───────────────────────────────────────────────────────────────────────────────────────


class Preview(NamedTuple):
    """A line as it would be posted; base minor units."""

    account: Account
    currency: str
    base: int
    description: str
    stays: bool

    @property
    def credit(self) -> int:
        return -self.base


def preview(organization: Organization, found: Month) -> list[Preview]:
    """The lines of a month's entries, before anything is posted. Raises RecordError where an account for
    gains and losses is missing."""
    accounts = {account.code: account for account in Account.objects.filter(organization=organization)}
    by_role = {account.role: account for account in accounts.values() if account.role}
    if _REALISED.role not in by_role:
        role = f"No account has the role '{_REALISED.role}'"
        raise RecordError(f"{role}. Give it to one in the chart of accounts")
    new = free_code(UNREALISED, accounts)
    unrealised = by_role.get(UNREALISED.role) or Account(code=new.code, name=new.name, type=new.type)
    accounts[unrealised.code] = unrealised
    return [
        Preview(accounts[line["account"]], made["currency"], line["base"], line["description"], line["stays"])
        for made in _drafts(organization, found, by_role[_REALISED.role].code, unrealised.code)
        for line in made["lines"]
    ]


def _drafts(organization: Organization, found: Month, realised: str, unrealised: str) -> list[dict[str, Any]]:
    """The journal entries of a month, one a currency of which something changed."""
    made = []
    revalued = sorted((row.found for row in found.rows if row.found), key=lambda row: row.standing.currency)
    for currency, rows in groupby(revalued, key=lambda row: row.standing.currency):
        if told := lines(rows, realised=realised, unrealised=unrealised):
            made.append(draft(currency, found.day, told, turned=turns(organization)))
    return made


@transaction.atomic
def post(
    organization: Organization, day: dt.date, *, user: User, request: HttpRequest | None = None
) -> list[RevaluedBalance]:
    """Bring the balances of a month's end to their value; raises RecordError in words."""
    organization = _locked_row(organization)
    found = month(organization, day)
    if found.made:
        raise RecordError(f"{_text(organization, day)} is revalued already.")
    if found.hindrances:
        raise RecordError([FieldError("", "", text) for text in found.hindrances])
    if not found.rows:
        raise RecordError("There is no balance in another currency on that day.")
    accounts, base = Accounts(organization), organization.base_currency
    roles = (_REALISED, AccountRef(UNREALISED.role))
    realised, unrealised = (accounts.find(ref, currency=base).code for ref in roles)
    booked = {
        made["currency"]: _book(organization, made, user)
        for made in _drafts(organization, found, realised, unrealised)
    }
    rows = RevaluedBalance.objects.bulk_create(
        RevaluedBalance(
            account=row.account,
            currency=row.standing.currency,
            day=day,
            amount=row.standing.amount,
            before=row.standing.base,
            value=row.found.value,
            realised=row.found.realised,
            unrealised=row.found.unrealised,
            rate=row.found.rate,
            rate_day=row.rate_day or day,
            turned=turns(organization),
            document=booked.get(row.standing.currency) if row.found.difference else None,
            made_by=user,
        )
        for row in found.rows
        if row.found is not None
    )
    after = {"day": day, "difference": found.difference, "balances": [_told(row) for row in rows]}
    record(request, "revaluation.posted", organization, after=after, organization=organization, actor=user)
    return rows


def _locked_row(organization: Organization) -> Organization:
    """One revaluation an organization at a time, and its lock date as it is meanwhile."""
    return Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def _book(organization: Organization, made: dict[str, Any], user: User) -> Document:
    source, _ = Source.objects.get_or_create(
        organization=organization, key=SOURCE, defaults={"label": "Revaluation"}
    )
    [stored] = documents.store(
        organization, source, [documents.Incoming("journal_entry", made)], scope=SOURCE
    )
    posting.post_document(stored.document, made, actor=user)
    return stored.document


def _told(row: RevaluedBalance) -> str:
    return f"{row.account.code} {row.currency}: {row.before} -> {row.value} at {row.rate.normalize():f}"


@transaction.atomic
def undo(
    organization: Organization,
    day: dt.date,
    *,
    user: User,
    reason: str = "",
    request: HttpRequest | None = None,
) -> None:
    """Reverse a month's revaluation; raises RecordError in words."""
    organization = _locked_row(organization)
    found = month(organization, day)
    if not found.made:
        raise RecordError(f"{_text(organization, day)} is not revalued. Nothing was changed.")
    if found.hindrances:
        raise RecordError([FieldError("", "", text) for text in found.hindrances])
    booked = {row.document for row in found.made if row.document is not None}
    done = posting.record(organization, [(document, None) for document in booked], actor=user)
    for error in done.errors.values():
        raise error
    ids = [row.pk for row in found.made]
    RevaluedBalance.objects.filter(pk__in=ids).update(
        undone_at=timezone.now(), undone_by=user, undo_reason=reason[:240]
    )
    before = {"day": day, "balances": [_told(row) for row in found.made]}
    record(
        request, "revaluation.undone", organization, before=before, after={"reason": reason},
        organization=organization, actor=user,
    )  # fmt: skip


# ── months ────────────────────────────────────────────────────────────────────────────────────────────


class Summary(NamedTuple):
    """A month's end with balances in other currencies: `state` is todo, done or changed; the difference that
    was booked in base minor units, and how many balances there are."""

    day: dt.date
    state: str
    balances: int
    difference: int


def months(organization: Organization) -> list[Summary]:
    """Every month that is over and ended with such balances, or was revalued, the latest first."""
    moved: dict[dt.date, list[tuple[tuple[int, str], int, int]]] = defaultdict(list)
    for start, account, currency, amount, base in _moved(organization):
        moved[month_end(start)].append(((account, currency), amount, base))
    if not moved:
        return []
    made: dict[dt.date, dict[tuple[int, str], RevaluedBalance]] = defaultdict(dict)
    for row in _made(organization):
        made[row.day][row.account_id, row.currency] = row
    found, sums = [], dict[tuple[int, str], tuple[int, int]]()
    day, last = min(moved), last_month_end(organization)
    while day <= last:
        for key, amount, base in moved.get(day, ()):
            before = sums.get(key, (0, 0))
            sums[key] = before[0] + amount, before[1] + base
        if summary := _summary(day, sums, made.get(day, {})):
            found.append(summary)
        day = month_end(day + dt.timedelta(days=1))
    return found[::-1]


def _moved(organization: Organization) -> Iterable[tuple[dt.date, int, str, int, int]]:
    accounts = Account.objects.filter(organization=organization, role__in=ROLES)
    rows = DailyTotal.objects.filter(account__in=accounts).exclude(currency=organization.base_currency)
    by_month = rows.annotate(month=TruncMonth("date")).order_by("month")
    sums = by_month.values_list("month", "account", "currency")
    return sums.annotate(moved=Sum("amount"), moved_base=Sum("base_amount"))


def _summary(
    day: dt.date,
    sums: dict[tuple[int, str], tuple[int, int]],
    made: dict[tuple[int, str], RevaluedBalance],
) -> Summary | None:
    own = {key: row.difference for key, row in made.items()}
    now = {key: (amount, base - own.get(key, 0)) for key, (amount, base) in sums.items()}
    now = {key: both for key, both in now.items() if any(both)}
    if not now and not made:
        return None
    if not made:
        return Summary(day, "todo", len(now), 0)
    same = now == {key: (row.amount, row.before) for key, row in made.items()}
    return Summary(day, "done" if same else "changed", len(made), sum(own.values()))


def due(organization: Organization) -> Summary | None:
    """The last month, where it waits to be revalued or has changed since."""
    last = last_month_end(organization)
    return next((one for one in months(organization) if one.day == last and one.state != "done"), None)

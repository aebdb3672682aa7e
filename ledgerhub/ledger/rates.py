"""Exchange rates for posting: the latest rate on or before a day, and base amounts that sum to zero."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal

from django.db import transaction
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import allocate, convert
from ledgerhub.ledger.models import ExchangeRate

Rate = tuple[str, dt.date, Decimal]  # currency, day, base currency per unit
MAX_AGE = dt.timedelta(days=31)  # an older rate is a guess: ask for one instead
ONE = Decimal(1)


class Rates:
    """The rates a page of entries needs, read in one query (none when all is in base currency)."""

    def __init__(self, organization: Organization, needed: Collection[tuple[str, dt.date]]) -> None:
        self.base = organization.base_currency
        self._days: dict[str, list[dt.date]] = defaultdict(list)
        self._rates: dict[str, list[Decimal]] = defaultdict(list)
        foreign = {(currency, day) for currency, day in needed if currency != self.base}
        if not foreign:
            return
        days = [day for _, day in foreign]
        rows = ExchangeRate.objects.filter(
            organization=organization,
            currency__in={currency for currency, _ in foreign},
            date__gte=min(days) - MAX_AGE,
            date__lte=max(days),
        ).order_by("date")
        for currency, day, rate in rows.values_list("currency", "date", "rate"):
            self._days[currency].append(day)
            self._rates[currency].append(rate)

    def rate(self, currency: str, day: dt.date) -> Decimal:
        """Base currency per unit of `currency`. Raises RecordError where no rate is recent enough."""
        if currency == self.base:
            return ONE
        days = self._days.get(currency, [])
        position = bisect_right(days, day) - 1
        if position < 0 or day - days[position] > MAX_AGE:
            raise RecordError(
                f"There is no exchange rate from {currency} to {self.base} for {day.isoformat()} or the "
                f"{MAX_AGE.days} days before it. Enter one, then retry"
            )
        return self._rates[currency][position]


def base_amounts(amounts: Sequence[int], *, currency: str, base: str, rate: Decimal) -> list[int]:
    """Signed amounts that sum to zero -> the same in base minor units, which sum to zero as well.

    The debits' sum is converted once and shared over debits and over credits in proportion, so no
    line is off by more than a minor unit and no rounding line is needed.
    """
    if currency == base:
        return list(amounts)
    debits = [amount for amount in amounts if amount > 0]
    credits_ = [-amount for amount in amounts if amount < 0]
    total = convert(sum(debits), currency, base, rate)
    debit_shares = iter(allocate(total, debits))
    credit_shares = iter(allocate(total, credits_))
    return [next(debit_shares) if amount > 0 else -next(credit_shares) for amount in amounts]


@transaction.atomic
def save_rates(
    organization: Organization,
    rates: Sequence[Rate],
    *,
    origin: str,
    request: HttpRequest | None = None,
    actor: User | None = None,
) -> None:
    """A rate that stands for the day is replaced, of two for one day the last is taken; what was booked at
    the old one stays as it is. `origin` says where they are from."""
    latest = {(currency, day): rate for currency, day, rate in rates}
    ExchangeRate.objects.bulk_create(
        (
            ExchangeRate(
                organization=organization, currency=currency, date=day, rate=rate, origin=origin[:60]
            )
            for (currency, day), rate in latest.items()
        ),
        update_conflicts=True,
        unique_fields=["organization", "currency", "date"],
        update_fields=["rate", "origin"],
    )
    first = list(latest.items())[:20]
    shown = [f"{currency} {day}: {rate.normalize():f}" for (currency, day), rate in first]
    after = {"rates": len(latest), "origin": origin[:60], "first": shown}
    record(request, "exchange_rates.saved", organization, after=after, organization=organization, actor=actor)

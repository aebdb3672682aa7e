"""Signed periods: up to which day an account is signed off, and the refusal to change what that covers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db.models import QuerySet

from ledgerhub.core.errors import RecordError
from ledgerhub.core.templatetags.formats import format_day
from ledgerhub.ledger.models import Account, LineExclusion, StatementLine
from reconciliation.models import SignOff


class PeriodSigned(RecordError):
    """What was asked would change a period that somebody signed; str() says so in words."""


def standing(account: Account) -> QuerySet[SignOff]:
    """Sign-offs that were not reopened, the latest first."""
    rows = SignOff.objects.filter(account=account, reopened_at__isnull=True)
    return rows.select_related("signed_by").order_by("-end", "currency")


def latest(account: Account) -> SignOff | None:
    return standing(account).first()


def refuse(account: Account, day: dt.date | None) -> None:
    """Raises PeriodSigned where a bank line of `day` must not change; call it under the account's lock."""
    if day is None:
        return
    found = latest(account)
    if found is not None and day <= found.end:
        raise _refusal(account, day, found)


def refuse_exclusion(account: Account, lines: Iterable[StatementLine]) -> None:
    """Raises PeriodSigned where lines were part of what was signed; a copy that came in later may go, which
    makes the period again what was signed."""
    found = latest(account)
    for line in lines:
        if found is not None and line.date <= found.end and line.created_at <= found.signed_at:
            raise _refusal(account, line.date, found)


def refuse_inclusion(account: Account, exclusions: Iterable[LineExclusion]) -> None:
    """Raises PeriodSigned where lines were left out of what was signed."""
    found = latest(account)
    for each in exclusions:
        if found is not None and each.line.date <= found.end and each.at <= found.signed_at:
            raise _refusal(account, each.line.date, found)


def _refusal(account: Account, day: dt.date, found: SignOff) -> PeriodSigned:
    line, end = day_text(account, day), day_text(account, found.end)
    by = f", by {found.signed_by}" if found.signed_by else ""
    return PeriodSigned(
        f"The bank line of {line} lies in a period that is signed off (up to {end}{by}). "
        "Reopen the sign-off first, under Statements and sign-off."
    )


def day_text(account: Account, day: dt.date) -> str:
    """A day as the organization writes it."""
    return format_day(day, date_format=account.organization.date_format)

"""Signed periods: up to which day an account is signed off, and the refusal to change what that covers."""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet

from ledgerhub.core.errors import RecordError
from ledgerhub.core.templatetags.formats import format_day
from ledgerhub.ledger.models import Account
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
    if found is None or day > found.end:
        return
    line, end = day_text(account, day), day_text(account, found.end)
    by = f", by {found.signed_by}" if found.signed_by else ""
    raise PeriodSigned(
        f"The bank line of {line} lies in a period that is signed off (up to {end}{by}). "
        "Reopen the sign-off first, under Statements and sign-off."
    )


def day_text(account: Account, day: dt.date) -> str:
    """A day as the organization writes it."""
    return format_day(day, date_format=account.organization.date_format)

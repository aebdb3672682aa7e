"""Signing a clearing account off at a day: its balance is what is unsettled, listed; kept as a sign-off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from ledgerhub.access.audit import record
from ledgerhub.access.models import User
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.core.templatetags.formats import format_money
from ledgerhub.ledger import clearing
from ledgerhub.ledger.clearing import Held
from ledgerhub.ledger.models import Account, DailyTotal
from reconciliation import clearing_pairs, signed
from reconciliation.decisions import lock
from reconciliation.models import SignOff
from reconciliation.report import Item, Report, counted
from reconciliation.signed import day_text


def hindrances(account: Account, on: dt.date, held: Held) -> list[str]:
    """Why the account cannot be signed off at a day, in words."""
    return list(_hindrances(account, on, held))


def _hindrances(account: Account, on: dt.date, held: Held) -> Iterable[str]:
    if on > timezone.localdate(timezone=account.organization.zone):
        yield f"{day_text(account, on)} has not come yet."
    if held.difference:
        amount = format_money(held.difference, held.currency, locale=account.organization.locale, code=True)
        yield f"{amount} of the balance is not explained by what is unsettled. See the differences."
    elif held.differences or held.unbooked:
        yield "Differences cancel each other out, but each of them is one. Pair those that belong together."
    last = signed.standing(account).filter(currency=held.currency).first()
    if last is not None and on <= last.end:
        yield f"The account is signed off up to {day_text(account, last.end)} already."


@transaction.atomic
def sign(
    account: Account,
    on: dt.date,
    currency: str,
    *,
    user: User,
    note: str = "",
    request: HttpRequest | None = None,
) -> SignOff:
    """Keep what one currency of the account holds at the end of a day; raises RecordError in words."""
    lock(account)
    held = clearing_pairs.find(account, on=on, currency=currency)
    if found := hindrances(account, on, held):
        raise RecordError([FieldError("", "", text) for text in found])
    start, opening = _opening(account, currency, on)
    made = SignOff.objects.create(
        organization_id=account.organization_id,
        account=account,
        currency=currency,
        start=start,
        end=on,
        opening=opening,
        lines_total=held.balance - opening,
        closing=held.balance,
        books=held.balance,
        outstanding=held.unsettled_sum,
        report=_report(account, held, on).kept(),
        note=note[:500],
        signed_by=user,
    )
    after = {"end": on, "currency": currency, "closing": held.balance, "note": note}
    record(request, "sign_off.signed", made, after=after, organization=account.organization, actor=user)
    return made


def _opening(account: Account, currency: str, on: dt.date) -> tuple[dt.date, int]:
    """The first day of the period and the balance before it: the last signed one's, else nothing."""
    last = signed.standing(account).filter(currency=currency).first()
    if last is not None:
        return last.end + dt.timedelta(days=1), last.closing
    first = DailyTotal.objects.filter(account=account, currency=currency).order_by("date").first()
    return (first.date if first is not None else on), 0


def _report(account: Account, held: Held, on: dt.date) -> Report:
    documents = clearing.documents_of(rest.document_id for rest in held.unsettled)
    items = []
    for rest in held.unsettled:
        document = documents[rest.document_id]
        contact = document.contact.name if document.contact else ""
        age = (on - rest.day).days
        items.append(Item(rest.day, str(document), document.external_id, contact, rest.amount, age))
    found = Report(
        payments=[item for item in items if item.amount < 0],
        receipts=[item for item in items if item.amount >= 0],
        cancelling=list(_cancelling(account, held, on)),
    )
    return counted(found)


def _cancelling(account: Account, held: Held, on: dt.date) -> Iterable[Item]:
    """Both rows of each pair, with why."""
    for named in clearing_pairs.named(account, held.pairs):
        for row, title in zip(named.pair.rows, named.titles, strict=True):
            day = row.day or on
            yield Item(day, title, named.why, "", row.amount, (on - day).days)

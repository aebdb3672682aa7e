"""Rows of a clearing account that cancel each other: what people said of them, and why in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import transaction
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.access.models import User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import clearing, pairing
from ledgerhub.ledger.clearing import Held
from ledgerhub.ledger.models import Account, Document
from ledgerhub.ledger.pairing import Decided, Key, Pair, Row
from reconciliation import signed
from reconciliation.decisions import lock
from reconciliation.models import ClearingVerdict


class Named(NamedTuple):
    """A pair with the names of its two rows, why it is one, and the decision that made it, if any."""

    pair: Pair
    titles: tuple[str, str]
    why: str
    verdict: ClearingVerdict | None

    @property
    def debit(self) -> str:
        return written(self.pair.debit.key)

    @property
    def credit(self) -> str:
        return written(self.pair.credit.key)


def held(account: Account, *, on: dt.date) -> list[Held]:
    """What the account holds, with what people said of pairs; seven queries."""
    together: list[tuple[Key, Key]] = []
    apart: list[tuple[Key, Key]] = []
    for made in ClearingVerdict.objects.filter(account=account).order_by("pk"):
        (together if made.together else apart).append(_keys(made))
    return clearing.held(account, on=on, decided=Decided(together, apart))


def _keys(made: ClearingVerdict) -> tuple[Key, Key]:
    return (made.debit_id, made.debit_item), (made.credit_id, made.credit_item)


def written(key: Key) -> str:
    """A row as an address or a form names it: `12`, or `12:re_1|ch_1` for an item."""
    return f"{key[0]}:{key[1]}" if key[1] else str(key[0])


def read(text: str) -> Key | None:
    """The row that `written` wrote down; None where the text is something else."""
    number, _, item = text.partition(":")
    return (int(number), item) if number.isdecimal() and len(number) < 19 else None


# ── in words ──────────────────────────────────────────────────────────────────────────────────────────


def named(account: Account, pairs: Sequence[Pair]) -> list[Named]:
    """Pairs as a page or a report names them; two queries."""
    rows = [row for pair in pairs for row in pair.rows]
    documents = clearing.documents_of(row.document_id for row in rows)
    verdicts = {_keys(made): made for made in _made_by_hand(account)} if pairs else {}
    found = []
    for pair in pairs:
        made = verdicts.get(pair.keys) if pair.by_hand else None
        debit, credit = (title(row.key, documents) for row in pair.rows)
        found.append(Named(pair, (debit, credit), _why(account, pair, documents, made), made))
    return found


def _made_by_hand(account: Account) -> Iterable[ClearingVerdict]:
    return ClearingVerdict.objects.filter(account=account, together=True).select_related("by")


def title(key: Key, documents: dict[int, Document]) -> str:
    """`Refund R-1`, or `Item re_1 of Payout po_1`."""
    document_id, item = key
    name = str(documents[document_id])
    if not item:
        return name
    external_id, _, source = item.partition("|")
    return f"Item {source or external_id} of {name}" if source or external_id else f"An item of {name}"


def _why(account: Account, pair: Pair, documents: dict[int, Document], made: ClearingVerdict | None) -> str:
    if made is not None:
        by = made.by or "somebody who has left"
        note = f": {made.note}" if made.note else ""
        day = made.at.astimezone(account.organization.zone).date()
        return f"Paired by {by} on {signed.day_text(account, day)}{note}"
    only = f"{_apart(pair)}, and nothing else of this amount is near"
    if pair.debit.item and pair.credit.item:
        return f"Two items of payouts that nothing is booked for come to nothing, {only}"
    document = documents[next(row.document_id for row in pair.rows if not row.item)]
    if document.kind == "payout":
        return f"The payout failed, and the item brings its money back: {only}"
    about = pair.debit.about.lower().removesuffix("s")
    return f"The same {about}, which books and processor know under different ids: {only}"


def _apart(pair: Pair) -> str:
    if not pair.days:
        return "on the same day"
    return "a day apart" if pair.days == 1 else f"{pair.days} days apart"


# ── deciding ──────────────────────────────────────────────────────────────────────────────────────────


def find(account: Account, *, on: dt.date, currency: str) -> Held:
    """What the account holds in a currency; raises RecordError where it never held any."""
    found = next((one for one in held(account, on=on) if one.currency == currency), None)
    if found is None:
        raise RecordError(f"The account holds nothing in {currency}.")
    return found


@transaction.atomic
def pair(
    account: Account,
    rows: tuple[Key, Key],
    *,
    on: dt.date,
    currency: str,
    user: User,
    note: str = "",
    request: HttpRequest | None = None,
) -> ClearingVerdict:
    """Say that two open rows cancel; raises RecordError in words where they do not."""
    lock(account)
    open_rows = find(account, on=on, currency=currency).rows
    both = [(one, other) for one in _of(open_rows, rows[0]) for other in pairing.cancelling(one, open_rows)]
    fit = next(((one, other) for one, other in both if other.key == rows[1]), None)
    if fit is None:
        raise RecordError("These two are no longer open, or do not come to nothing. Nothing was changed.")
    debit, credit = sorted(fit, key=lambda row: -row.amount)
    mine = ClearingVerdict.objects.filter(
        account=account, currency=currency, debit=debit.document_id, debit_item=debit.item,
        credit=credit.document_id, credit_item=credit.item,
    )  # fmt: skip
    mine.delete()
    return _keep(account, Pair(debit, credit), user, request, together=True, note=note)


def _of(rows: Iterable[Row], key: Key) -> list[Row]:
    return [row for row in rows if row.key == key]


@transaction.atomic
def take_apart(
    account: Account,
    keys: tuple[Key, Key],
    *,
    on: dt.date,
    currency: str,
    user: User,
    request: HttpRequest | None = None,
) -> None:
    """Undo a pair: one that a person made goes, one that was found is not found again."""
    lock(account)
    pairs = find(account, on=on, currency=currency).pairs
    found = next((each for each in pairs if each.keys == keys), None)
    if found is None:
        raise RecordError("This pair is no longer one. Nothing was changed.")
    made = next((each for each in _made_by_hand(account) if found.by_hand and _keys(each) == keys), None)
    _refuse_signed(account, found, made)
    if made is None:
        _keep(account, found, user, request, together=False)
        return
    before = {"debit": str(made.debit), "credit": str(made.credit), "amount": made.amount}
    record(
        request, "clearing_pair.taken_apart", made, before=before,
        organization=account.organization, actor=user,
    )  # fmt: skip
    made.delete()


def _keep(
    account: Account, made: Pair, user: User, request: HttpRequest | None, *, together: bool, note: str = ""
) -> ClearingVerdict:
    verdict = ClearingVerdict.objects.create(
        account=account,
        currency=made.debit.currency,
        amount=made.debit.amount,
        debit_id=made.debit.document_id,
        debit_item=made.debit.item,
        credit_id=made.credit.document_id,
        credit_item=made.credit.item,
        together=together,
        note=note[:300],
        by=user,
    )
    action = "clearing_pair.made" if together else "clearing_pair.taken_apart"
    after = {
        "debit": _told(verdict.debit, verdict.debit_item),
        "credit": _told(verdict.credit, verdict.credit_item),
        "currency": verdict.currency,
        "amount": verdict.amount,
        "note": verdict.note,
    }
    record(request, action, verdict, after=after, organization=account.organization, actor=user)
    return verdict


def _told(document: Document, item: str) -> str:
    return f"{document}, item {item}" if item else str(document)


def _refuse_signed(account: Account, found: Pair, made: ClearingVerdict | None) -> None:
    """A pair that explains a balance somebody signed stands until that is reopened."""
    last = signed.standing(account).filter(currency=found.debit.currency).first()
    day = max((row.day for row in found.rows if row.day), default=None)
    if last is None or (day is not None and day > last.end):
        return
    if made is None or made.at <= last.signed_at:
        raise RecordError(
            f"The account is signed off up to {signed.day_text(account, last.end)} with this pair. "
            "Reopen the sign-off first."
        )

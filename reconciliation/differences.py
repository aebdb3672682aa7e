"""What is left between lines and entries: what it probably is, where it goes, who may let go how much."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from django.db import transaction
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.access.models import Membership, Organization, Role, User
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import convert, to_minor
from ledgerhub.ledger.accounts import Accounts
from ledgerhub.ledger.models import Account, Document
from ledgerhub.ledger.rates import Rates
from reconciliation import open_rows
from reconciliation.models import DifferenceLimit, Match
from reconciliation.selection import (
    Coding,
    EntryPreview,
    Payment,
    Selection,
    in_words,
    money_text,
    preview_entries,
    selection_from,
)

# Where small differences usually go; any other account can be chosen as a part of the split.
ROLES = (
    "bank_fees",
    "merchant_fees",
    "discounts",
    "rounding",
    "write_offs",
    "exchange_difference",
    "deposits",
)
PART = "part"
"""Chosen instead of an account: the document stays open with what is left."""

Kind = Match.DifferenceKind
_PROBABLY = {
    Kind.ROUNDING: "Probably rounding",
    Kind.FEE: "Probably a fee",
    Kind.DISCOUNT: "Probably a discount",
    Kind.PART: "Probably a part payment",
    Kind.OVERPAID: "Probably paid too much",
    Kind.TRANSPOSED: "Two digits probably changed places",
    Kind.OTHER: "Nothing says what this is",
}
_ROLE_OF = {Kind.ROUNDING: "rounding", Kind.DISCOUNT: "discounts"}
_WHY = {
    "bank_fees": "Fee", "merchant_fees": "Fee", "discounts": "Discount", "rounding": "Rounding",
    "exchange_difference": "Exchange difference", "deposits": "Paid too much", "write_offs": "Write-off",
}  # fmt: skip


class Way(NamedTuple):
    """One way to settle a difference: an account to book it to (`value` its id), or PART."""

    value: str
    label: str
    account: Account | None


@dataclass
class Offer:
    """How a proposal with a difference can be approved in one go, and the entry that would post.

    `amount` in minor units of `currency`, signed as the bank line; `refusal` says why this person may not;
    `mistyped` is the document whose amount is probably a typing error: to be corrected, not booked away.
    """

    match: Match
    amount: int
    currency: str
    probably: str
    ways: list[Way]
    chosen: Way | None = None
    selection: Selection | None = None
    entries: list[EntryPreview] = field(default_factory=list)
    problem: str = ""
    refusal: str = ""
    mistyped: Document | None = None

    @property
    def ready(self) -> bool:
        """Whether one click may approve it."""
        return self.chosen is not None and not self.problem and not self.refusal

    @property
    def button(self) -> str:
        if self.chosen is None or self.chosen.account is None:
            return "Approve as part payment"
        return f"Approve and book {in_words(self.amount, self.currency)} to {self.chosen.account.name}"


# ── what to do with a difference ────────────────────────────────────────────────────────────────────


def offers(
    bank: Account, matches: Iterable[Match], *, membership: Membership | None = None, to: str = ""
) -> dict[int, Offer]:
    """By match the offer for its difference; `matches` read with their rows (`cards.with_rows`).

    `to` is a Way's value somebody chose. A few queries however many matches.
    """
    left = [made for made in matches if made.difference and not made.tie]
    if not left:
        return {}
    accounts = Accounts(bank.organization)
    ways = _ways(bank)
    documents = {row.document_id for made in left for row in made.rows.all() if row.document_id}
    still_open = open_rows.open_ones(bank, documents)
    found = {}
    for made in left:
        selection = selection_from(bank, list(made.rows.all()), still_open)
        offer = _offer(made, selection, ways, to)
        _preview(offer, accounts)
        found[made.pk] = offer
    if membership is not None:
        _say_limits(found.values(), bank.organization, membership)
    return found


def settled(selection: Selection, way: Way) -> Selection:
    """The selection with its difference settled that way."""
    if way.account is None:
        [payment] = selection.payments
        selection.payments = [Payment(payment.open, payment.amount + selection.difference)]
    elif selection.difference:
        selection.codings.append(difference_coding(way.account, selection.difference))
    return selection


def difference_coding(account: Account, amount: int) -> Coding:
    return Coding(account, amount, _WHY.get(account.role, "Difference"), is_difference=True)


def _ways(bank: Account) -> list[Way]:
    rows = Account.objects.filter(
        organization_id=bank.organization_id, role__in=ROLES, archived_at__isnull=True
    )
    listed = sorted((row for row in rows if row.pk != bank.pk), key=lambda row: ROLES.index(row.role))
    return [Way(str(row.pk), str(row), row) for row in listed]


def _offer(made: Match, selection: Selection, ways: list[Way], to: str) -> Offer:
    kind = Kind(made.difference_kind or Kind.OTHER)
    if _may_be_part(selection):
        rest = money_text(-selection.difference, selection.account)
        ways = [*ways, Way(PART, f"Leave {rest} open: a part payment", None)]
    offer = Offer(
        made, selection.difference, open_rows.currency_of(selection.account), _PROBABLY[kind], ways,
        selection=selection, mistyped=_document(selection) if kind == Kind.TRANSPOSED else None,
    )  # fmt: skip
    usual = _usual(kind, selection, can_stay_open=ways[-1].value == PART if ways else False)
    named = [way for way in ways if way.value == to]
    fits = [way for way in ways if usual and usual in (way.value, way.account.role if way.account else "")]
    offer.chosen = next(iter([*named, *fits]), None)
    return offer


def _document(selection: Selection) -> Document | None:
    """The first document of which the selection holds a row."""
    found = [payment.open.document for payment in selection.payments]
    return next(iter([*found, *(row.entry.document for row in selection.postings)]), None)


def _may_be_part(selection: Selection) -> bool:
    """One open document of which less was paid than is open."""
    if len(selection.payments) != 1 or selection.postings:
        return False
    [payment] = selection.payments
    paid = selection.lines_total
    return bool(paid) and (paid > 0) == (payment.amount > 0) and abs(paid) < abs(payment.amount)


def _usual(kind: Kind, selection: Selection, *, can_stay_open: bool) -> str:
    """The role of the account a difference of this kind is booked to, or PART; "": a person chooses."""
    if kind == Kind.TRANSPOSED:
        return ""
    if kind == Kind.PART and can_stay_open:
        return PART
    if kind == Kind.FEE:
        return "merchant_fees" if _from_processor(selection) else "bank_fees"
    if kind == Kind.OVERPAID and selection.difference > 0:
        return "deposits"
    return _ROLE_OF.get(kind, "write_offs")


def _from_processor(selection: Selection) -> bool:
    documents = [row.entry.document for row in selection.postings]
    return any(document.kind == "payout" or document.gateway for document in documents)


def _preview(offer: Offer, accounts: Accounts) -> None:
    if offer.selection is None or offer.chosen is None:
        return
    try:
        offer.selection = settled(offer.selection, offer.chosen)
        offer.entries = preview_entries(offer.selection, accounts)
    except RecordError as error:
        offer.problem = str(error)


# ── who may write off how much ──────────────────────────────────────────────────────────────────────


class Limit(NamedTuple):
    """`amount` in base-currency minor units; None: as much as it takes."""

    role: Role
    amount: int | None


def limits(organization: Organization) -> list[Limit]:
    """What each role that may act on matches may write off with one; weakest role first."""
    stored = dict(DifferenceLimit.objects.filter(organization=organization).values_list("role", "amount"))
    usual = {
        Role.BOOKKEEPER: 0,
        Role.APPROVER: to_minor(Decimal(50), organization.base_currency),
        Role.ADMIN: None,
    }
    return [Limit(role, stored.get(role, amount)) for role, amount in usual.items()]


@transaction.atomic
def set_limits(organization: Organization, wanted: Mapping[str, int | None], *, request: HttpRequest) -> bool:
    """Gives whether anything changed; each change is in the audit trail."""
    before = {limit.role.value: limit.amount for limit in limits(organization)}
    changed = {role: amount for role, amount in wanted.items() if before.get(role) != amount}
    for role, amount in changed.items():
        row, _ = DifferenceLimit.objects.update_or_create(
            organization=organization, role=role, defaults={"amount": amount}
        )
        told = [_told(one, organization.base_currency) for one in (before.get(role), amount)]
        record(request, "difference_limit.changed", row, before={role: told[0]}, after={role: told[1]})
    return bool(changed)


def _told(amount: int | None, currency: str) -> str:
    return "no limit" if amount is None else in_words(amount, currency)


def written_off(selection: Selection) -> int:
    """What a selection books to income or expense because rows and lines differ; minor units, no sign."""
    if not (selection.postings or selection.payments):
        return 0
    return sum(
        abs(coding.amount)
        for coding in selection.codings
        if (coding.is_difference or coding.account.role in ROLES)
        and coding.account.type in (Account.Type.INCOME, Account.Type.EXPENSE)
    )


def refuse_beyond_limit(selection: Selection, user: User | None) -> None:
    """Raises RecordError in words where this person may not write off so much."""
    if not written_off(selection):
        return
    organization = selection.account.organization
    membership = Membership.objects.filter(organization=organization, user=user).first()
    most = _most(organization, membership.role if membership else Role.BOOKKEEPER)
    if words := _beyond(selection, most, Rates(organization, [_day(selection)])):
        raise RecordError(words)


def _say_limits(found: Iterable[Offer], organization: Organization, membership: Membership) -> None:
    if not membership.may(Role.APPROVER):
        return  # whoever may not approve at all needs no word on how much
    most = _most(organization, membership.role)
    listed = [(offer, offer.selection) for offer in found if offer.selection and offer.chosen]
    rates = Rates(organization, {_day(selection) for _, selection in listed})
    for offer, selection in listed:
        try:
            offer.refusal = _beyond(selection, most, rates)
        except RecordError as error:
            offer.problem = str(error)


def _most(organization: Organization, role: str) -> int | None:
    return next((limit.amount for limit in limits(organization) if limit.role == role), 0)


def _beyond(selection: Selection, most: int | None, rates: Rates) -> str:
    """Why nobody whose limit is `most` may write off what this selection does; empty when they may."""
    amount = written_off(selection)
    if most is None or not amount:
        return ""
    currency, day = _day(selection)
    base = convert(amount, currency, rates.base, rates.rate(currency, day))
    return _too_much(most, base, rates.base) if base > most else ""


def _day(selection: Selection) -> tuple[str, dt.date]:
    """The currency and day whose rate counts."""
    return open_rows.currency_of(selection.account), min(line.date for line in selection.lines)


def _too_much(most: int, amount: int, currency: str) -> str:
    may = (
        f"You may write off up to {in_words(most, currency)}" if most else "You may not write off differences"
    )
    return f"{may}; this is {in_words(amount, currency)}. Ask an admin."

"""Both sides of a document in the same terms: their accounts, minor units, a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property

from integrations import registry
from integrations.casting import Unusable
from integrations.destination import JournalLine, Names, Parcel
from integrations.models import Counterpart, CounterpartLine, Integration, Listed, NameMap
from integrations.standing import TAX, UNKNOWN, At, Side, Standing, apart
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import Inexact, UnknownCurrency, to_minor
from ledgerhub.ledger.fields import money_text
from ledgerhub.ledger.models import Account

_NAMES_PAGE = "Choose one on the page of names."


class AccountsThere:
    """Places of theirs (standing.At) as their accounts, and as ours; lists and names are read when they are
    first asked for."""

    def __init__(self, integration: Integration) -> None:
        self.integration = integration
        self.label = registry.connector(integration).label

    @cached_property
    def _listed(self) -> dict[tuple[str, str], Listed]:
        rows = Listed.objects.filter(integration=self.integration, what__in=("account", "item"))
        return {(row.what, row.external_id): row for row in rows}

    @cached_property
    def _groups(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for (what, one), row in self._listed.items():
            if what == "account" and row.active:
                found[row.group].append(one)
        return found

    @cached_property
    def _ours(self) -> dict[tuple[str, str], list[str]]:
        """(what, theirs) -> what of ours has that name."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        rows = NameMap.objects.filter(integration=self.integration, what__in=("account", "item"))
        for row in rows.order_by("ours"):
            found[row.what, row.theirs].append(row.ours)
        return found

    @cached_property
    def _theirs(self) -> dict[str, str]:
        return {ours: theirs for (what, theirs), codes in self._ours.items() if what == "account"
                for ours in codes}  # fmt: skip

    def account(self, at: str) -> str:
        """The id of their account, or `at` as it is where it cannot be told."""
        what, _, key = at.partition(":")
        if what == "account":
            return key
        if what == "item":
            row = self._listed.get(("item", key))
            booked = {self._theirs.get(code, "") for code in self._ours.get(("item", key), ())}
            return (row.account if row else "") or (booked.pop() if len(booked) == 1 else "") or at
        if what == "type":
            alone = self._groups.get(key, [])
            return alone[0] if len(alone) == 1 else at
        return at

    def name(self, account: str) -> str:
        """Their account in words; what could not be told says why."""
        row = self._listed.get(("account", account))
        if account == TAX:
            return f"tax that {self.label} added"
        if account.startswith(UNKNOWN):
            return account.removeprefix(UNKNOWN)
        return str(row) if row else account.partition(":")[2] or account

    def code(self, at: str) -> str:
        """Our account for a place of theirs. Raises Unusable in words with what to do."""
        if at == TAX:
            return self._tax_account()
        if at.startswith(UNKNOWN):
            raise Unusable(f"It cannot be booked here by itself: {at.removeprefix(UNKNOWN)}")
        account = self.account(at)
        row = self._listed.get(("account", account))
        codes = [row.ours] if row and row.ours else self._ours.get(("account", account), [])
        if len(codes) == 1:
            return codes[0]
        if codes:
            raise Unusable(
                f"Several accounts of ours ({', '.join(codes)}) are called '{self.name(account)}' in"
                f" {self.label}: say which one its documents are booked to. {_NAMES_PAGE}"
            )
        raise Unusable(
            f"No account of ours is chosen for '{self.name(account)}' of {self.label}. {_NAMES_PAGE}"
        )

    def _tax_account(self) -> str:
        rows = Account.objects.filter(organization_id=self.integration.organization_id, role="tax_payable")
        code = rows.values_list("code", flat=True).first()
        if code is None:
            raise Unusable("No account has the role 'tax_payable'. Give it to one in the chart of accounts.")
        return code


def ours(journal: Iterable[JournalLine], names: Names) -> Side:
    """Our side by their accounts; raises RecordError where one has no name over there."""
    lines = list(journal)
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[names("account", line.account)] += line.amount
    days = [line.date for line in lines if line.date is not None]
    return Side(min(days, default=None), lines[0].currency if lines else "", _kept(sums))


def theirs(standing: Standing, there: AccountsThere) -> Side:
    """Their side; raises RecordError where its amounts are none of its currency."""
    currency = standing.currency or there.integration.organization.base_currency
    sums: dict[str, int] = defaultdict(int)
    for line in standing.lines:
        sums[there.account(line.at)] += minor(line, currency)
    return Side(standing.day, currency, _kept(sums))


def lines_of(rows: Iterable[Counterpart]) -> dict[int, list[tuple[str, int]]]:
    """Where counterparts are booked, by their ids: (at, minor units)."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    lines = CounterpartLine.objects.filter(counterpart__in=[row.pk for row in rows])
    for counterpart, at, amount in lines.values_list("counterpart", "at", "amount"):
        found[counterpart].append((at, amount))
    return found


def their_side(row: Counterpart, lines: Iterable[tuple[str, int]], there: AccountsThere) -> Side:
    """Their side as it was listed."""
    sums: dict[str, int] = defaultdict(int)
    for at, amount in lines:
        sums[there.account(at)] += amount
    return Side(row.day, row.currency, _kept(sums))


def minor(line: At, currency: str) -> int:
    try:
        return to_minor(line.amount, currency)
    except (Inexact, UnknownCurrency) as error:
        raise RecordError(f"{error}.") from None


def _kept(sums: Mapping[str, int]) -> dict[str, int]:
    return {account: amount for account, amount in sums.items() if amount}


def says(parcel: Parcel, standing: Standing, there: AccountsThere) -> bool:
    """Whether what stands there says what the parcel says."""
    try:
        facts, accounts = apart(ours(parcel.journal, parcel.names), theirs(standing, there))
    except RecordError:
        return False
    return not facts and not accounts


def in_words(standing: Standing) -> str:
    """`it says 120.00 USD of 2026-03-03 (changed by Ann on 2026-03-05)`."""
    amount = f"{standing.amount} {standing.currency}".strip()
    with suppress(Inexact, UnknownCurrency):
        amount = money_text(to_minor(standing.amount, standing.currency), standing.currency)
    day = f" of {standing.day}" if standing.day else ""
    by = f"by {standing.changed_by} " if standing.changed_by else ""
    when = f" (changed {by}on {standing.changed_at[:10]})" if standing.changed_at else ""
    return f"it says {amount}{day}{when}"

"""Suggested accounts for lines that nothing else explains: what people booked -> habits -> proposals."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import log
from typing import NamedTuple

from django.db.models import Count, F, Max, Q, QuerySet

from ledgerhub.access.models import Organization
from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Account, Document, Posting
from reconciliation import coded, open_rows
from reconciliation.categories import MOST_BOOKINGS, Asked, Booked, Habits, Suggestion, learn
from reconciliation.coded import CodedProposal
from reconciliation.decisions import SOURCE_KEY
from reconciliation.models import Confirmation, Match, MatchCoding, MatchLine, MatchRun
from reconciliation.selection import Coding


class _State(NamedTuple):
    """Which decisions and which bookings from elsewhere there are, and what accounts are called."""

    decided: tuple[int, dt.datetime] | None
    brought: tuple[int, dt.datetime | None]
    names: tuple[tuple[int, str], ...]


@dataclass
class _Known:
    """What was learned, of what, and what has been added since without learning anew."""

    learned: _State
    now: _State
    habits: Habits | None


MOST_KNOWN = 20
"""So many organizations' habits a process keeps."""
_known: dict[int, _Known] = {}


def habits_for(account: Account, *, anew: bool = True) -> Habits | None:
    """What the organization's bookings teach; None where it has booked nothing, or no line is open.

    Learned once a process and kept as long as nothing changes. With `anew` everything is learned again
    where anything did; else what people decided since is only added to the histories of the payees, which
    is quick, and how far each way may be believed stays as it was learned.
    """
    organization = account.organization
    if not open_rows.lines(account).exists():
        return None
    state = _state(organization)
    known = _known.get(organization.pk)
    stale = known is None or (known.learned if anew else known.now) != state
    if known is None or (stale and not (not anew and _add(organization, known, state))):
        _known.pop(organization.pk, None)
        known = _Known(state, state, _learn(organization, dict(state.names)))
        _known[organization.pk] = known
        while len(_known) > MOST_KNOWN:
            del _known[next(iter(_known))]
    return known.habits


def _state(organization: Organization) -> _State:
    last = Confirmation.objects.filter(match__organization=organization).order_by("-pk")
    accounts = Account.objects.filter(organization=organization, archived_at__isnull=True).order_by("pk")
    figures = _brought_documents(organization).aggregate(count=Count("pk"), last=Max("updated_at"))
    return _State(
        last.values_list("pk", "at").first(),
        (figures["count"], figures["last"]),
        tuple((one.pk, str(one)) for one in accounts),
    )


def _learn(organization: Organization, names: Mapping[int, str]) -> Habits | None:
    bookings = _bookings(organization)
    return learn(bookings, names) if any(not booking.refused for booking in bookings) else None


def _add(organization: Organization, known: _Known, state: _State) -> bool:
    """Add what was decided since to what is known; False where something else changed than that."""
    before = known.now
    if known.habits is None or before.decided is None or state[1:] != before[1:]:
        return False
    pk, at = before.decided
    since = Confirmation.objects.filter(match__organization=organization, pk__gt=pk)
    # A database that was put back may know other decisions by the same numbers.
    same = Confirmation.objects.filter(pk=pk, at=at).exists()
    if not same or since.filter(action=Confirmation.Action.UNDO).exists():
        return False
    for booking in _bookings(organization, Q(match__in=since.values("match"))):
        known.habits.histories.add(booking)
    known.now = state
    return True


def suggest(
    account: Account,
    habits: Habits | None,
    *,
    run: MatchRun | None = None,
    only: Collection[int] | None = None,
) -> int:
    """Bring the account's suggestions up to date; gives how many there are. The account must be locked.

    `only`: line ids to which this is confined.
    """
    proposals = list(_proposals(account, habits, only)) if habits else []
    return coded.keep_in_step(account, Match.Method.CATEGORY, proposals, run=run, only=only)


def has_history(organization: Organization) -> bool:
    """Whether there is anything to learn from."""
    own = MatchCoding.objects.filter(account__organization=organization, match__state=Match.State.CONFIRMED)
    return own.exists() or _brought_documents(organization).exists()


def _proposals(account: Account, habits: Habits, only: Collection[int] | None) -> Iterable[CodedProposal]:
    wanting = coded.lines_wanting(account, Match.Method.CATEGORY).exclude(amount=0)
    if only is not None:
        wanting = wanting.filter(pk__in=only)
    lines = list(wanting.values_list("pk", "counterparty", "description", "amount"))
    refused = _refused(account)
    asked = [
        Asked(counterparty or text, amount, frozenset({account.pk, *refused.get(pk, ())}))
        for pk, counterparty, text, amount in lines
    ]
    suggestions = habits.suggest(asked)
    targets = Account.objects.in_bulk([made.account for made in suggestions if made])
    for (pk, _, _, amount), made in zip(lines, suggestions, strict=True):
        if made is not None:
            yield _proposal(pk, amount, made, targets[made.account])


def _proposal(line_id: int, amount: int, made: Suggestion, target: Account) -> CodedProposal:
    return CodedProposal(
        line_id=line_id,
        amount=amount,
        codings=(Coding(target, amount),),
        evidence=[(made.reason, round(log(made.probability / (1 - made.probability)), 1))],
        probability=made.probability,
    )


def _refused(account: Account) -> dict[int, set[int]]:
    """Per line the accounts that were suggested for it and refused."""
    rows = MatchLine.objects.filter(
        match__account=account, match__state=Match.State.REJECTED, match__method=Match.Method.CATEGORY
    )
    found: dict[int, set[int]] = defaultdict(set)
    for line, target in rows.values_list("statement_line", "match__codings__account"):
        found[line].add(target)
    return found


# ── what people booked ──────────────────────────────────────────────────────────────────────────────


def _bookings(organization: Organization, own_ones: Q | None = None) -> list[Booked]:
    """The newest lines that were booked whole to one account, and suggestions refused; oldest first.

    `own_ones`: only these of people's own decisions, and nothing that came from elsewhere.
    """
    refused = Q(match__state=Match.State.REJECTED, match__method=Match.Method.CATEGORY)
    columns = ("match__rows__statement_line__date", "match__rows__statement_line",
               "match__rows__statement_line__counterparty", "match__rows__statement_line__description",
               "amount", "account", "match__state")  # fmt: skip
    own = _whole(organization).filter(Q(match__state=Match.State.CONFIRMED) | refused, own_ones or Q())
    newest = own.order_by("-match__rows__statement_line__date", "-match__rows__statement_line")
    dated = [
        (day, pk, Booked(payer or text, amount, target, refused=state == Match.State.REJECTED))
        for day, pk, payer, text, amount, target, state in newest.values_list(*columns)[:MOST_BOOKINGS]
    ]
    if own_ones is None:
        dated += _booked_elsewhere(organization)
    dated.sort(key=lambda row: row[:2])
    return [booking for _, _, booking in dated][-MOST_BOOKINGS:]


def _whole(organization: Organization) -> QuerySet[MatchCoding]:
    """Codings that took all of a line; a split teaches no single account."""
    return MatchCoding.objects.filter(
        account__organization=organization,
        match__rows__statement_line__isnull=False,
        match__rows__amount=F("amount"),
    )


def _booked_elsewhere(organization: Organization) -> list[tuple[dt.date, int, Booked]]:
    """Bank transactions that came with their account from an outside system."""
    columns = ("date", "pk", "entry__document__contact__name", "entry__memo", "amount", "account")
    rows = _brought(organization).order_by("-date", "-pk").values_list(*columns)[:MOST_BOOKINGS]
    return [
        (day, pk, Booked(payer or text, -amount, target)) for day, pk, payer, text, amount, target in rows
    ]


def _brought_documents(organization: Organization) -> QuerySet[Document]:
    found = Document.objects.filter(organization=organization, kind="bank_transaction")
    return found.exclude(source__key=SOURCE_KEY)


def _brought(organization: Organization) -> QuerySet[Posting]:
    standing = Posting.objects.filter(in_force("entry__"))
    brought = standing.filter(organization=organization, entry__document__kind="bank_transaction")
    own = Q(entry__document__source__key=SOURCE_KEY)
    return brought.exclude(own).filter(entry__document__total=-F("amount"))

"""Through every door: nothing lands in a locked period, nothing changes in one that is signed off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account, Allocation, Entry, LineExclusion, Posting, StatementLine
from reconciliation import approving, bulk, decisions, differences, open_rows, runs, signing, verdicts
from reconciliation.models import BulkRow, Match, MatchLine, SignOff, Suspicion
from reconciliation.selection import Coding, Payment, Selection
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import account, make_bank, make_invoice, make_line, make_payout
from tests.reconciliation.rules import make_rule

Act = Callable[[], object]
Door = Callable[[Account, User], Act]
AFTER = DAY + dt.timedelta(days=1)


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


def lock_books(bank: Account) -> None:
    bank.organization.lock_date = DAY
    bank.organization.save()


def sign(bank: Account) -> SignOff:
    figures = dict.fromkeys(("opening", "lines_total", "closing", "books", "outstanding"), 0)
    return SignOff.objects.create(
        organization=bank.organization, account=bank, currency="USD", start=DAY, end=DAY, **figures
    )


# ── the doors: each prepares what it takes, and gives the act ─────────────────────────────────────────


def paid_invoice(bank: Account) -> Match:
    """A proposal that posts a payment when it is confirmed."""
    make_invoice(bank.organization, 12550, number="INV-7")
    make_line(bank, 12550, description="INV-7 ANN LEE", reference="INV-7")
    runs.propose(bank)
    return Match.objects.get(state="proposed")


def again(made: Match) -> Match:
    """As whoever comes next reads it."""
    return Match.objects.select_related("account__organization").get(pk=made.pk)


def confirm(bank: Account, user: User) -> Act:
    made = paid_invoice(bank)
    return lambda: decisions.confirm(again(made), user=user)


def undo(bank: Account, user: User) -> Act:
    made = decisions.confirm(paid_invoice(bank), user=user)
    return lambda: decisions.undo(again(made), user=user)


def create_from_line(bank: Account, user: User) -> Act:
    line, rent = make_line(bank, -900), account(bank.organization, "rent")
    chosen = Selection(bank, [line], codings=[Coding(rent, -900)])
    return lambda: decisions.match_by_hand(chosen, user=user, method="coded")


def split(bank: Account, user: User) -> Act:
    """One line to an entry of the books, a part of an invoice, and two accounts."""
    row, invoice = make_payout(bank, 5000), make_invoice(bank.organization, 9000)
    line = make_line(bank, 5000 + 4000 - 300 - 200)
    [still_open] = open_rows.open_ones(bank, [invoice.pk]).values()
    fees, rent = (account(bank.organization, role) for role in ("bank_fees", "rent"))
    chosen = Selection(
        bank, [line], [row], [Payment(still_open, 4000)], [Coding(fees, -300), Coding(rent, -200)]
    )
    return lambda: decisions.match_by_hand(chosen, user=user)


def bulk_approval(bank: Account, user: User) -> Act:
    paid_invoice(bank)
    return lambda: bulk.ask(bank, bulk.LEAST, newest=bulk.newest(bank), user=user)


def bulk_reversal(bank: Account, user: User) -> Act:
    paid_invoice(bank)
    made = bulk.ask(bank, bulk.LEAST, newest=bulk.newest(bank), user=user)
    assert Match.objects.filter(state="confirmed").exists()

    def act() -> None:
        bulk.ask_undo(made, user=user)
        bulk.execute(made.pk)

    return act


def several(bank: Account, user: User) -> Act:
    made = paid_invoice(bank)
    return lambda: decisions.confirm_each([again(made)], user=user)


def auto_approval(bank: Account, user: User) -> Act:
    paid_invoice(bank)
    make_rule(bank.organization, kind="approval", match_kind="one to one", min_probability=0.5)
    return lambda: list(approving.approve_each(fresh(bank)))


def booked_difference(bank: Account, user: User) -> Act:
    line, row = make_line(bank, 9980), make_payout(bank, 10000)
    made = Match.objects.create(
        organization=bank.organization, account=bank, probability=0.9, difference=-20, difference_kind="fee"
    )
    MatchLine.objects.create(match=made, statement_line=line, amount=9980)
    MatchLine.objects.create(match=made, posting=row, amount=10000)
    fees = account(bank.organization, "bank_fees")
    way = differences.Way(str(fees.pk), str(fees), fees)
    return lambda: decisions.confirm(again(made), user=user, settle=way)


def cancel(bank: Account, user: User) -> Act:
    """A payment and its return, two lines without anything in the books."""
    chosen = Selection(bank, [make_line(bank, -700), make_line(bank, 700)])
    return lambda: decisions.match_by_hand(chosen, user=user)


def duplicate(bank: Account, user: User) -> Act:
    line, copy = make_line(bank, -700), make_line(bank, -700)
    asked = Suspicion.objects.create(account=bank, kind="same", line=copy, other=line)
    return lambda: verdicts.decide(asked, "duplicate", user=user)


DOORS: dict[str, Door] = {
    door.__name__: door
    for door in (
        confirm, undo, create_from_line, split, bulk_approval, bulk_reversal, several, auto_approval,
        booked_difference, cancel, duplicate,
    )
}  # fmt: skip
POSTS_NOTHING = ("auto_approval", "cancel", "duplicate")


def fresh(bank: Account) -> Account:
    return Account.objects.select_related("organization").get(pk=bank.pk)


def written() -> list[list[dict[str, Any]]]:
    """All that a decision may change, as it stands."""
    tables = (Entry, Posting, Allocation, Match, MatchLine, LineExclusion)
    return [list(table._default_manager.order_by("pk").values()) for table in tables]


@pytest.mark.parametrize("door", DOORS)
def test_nothing_lands_in_a_locked_period(bank: Account, approver: User, door: str) -> None:
    act = DOORS[door](bank, approver)
    lock_books(bank)
    before = written()
    known = set(Entry.objects.values_list("pk", flat=True))
    act()
    posted = Entry.objects.exclude(pk__in=known)
    assert {entry.date for entry in posted} == (set() if door in POSTS_NOTHING else {AFTER})
    assert [row for row in written()[0] if row["id"] in known] == before[0]
    assert (written() == before) == (door == "auto_approval")


@pytest.mark.parametrize("door", DOORS)
def test_nothing_changes_what_was_signed(bank: Account, approver: User, door: str) -> None:
    act = DOORS[door](bank, approver)
    StatementLine.objects.update(created_at=bank.organization.created_at)
    sign(bank)
    before = written()
    if door in ("bulk_approval", "bulk_reversal", "several", "auto_approval"):
        act()
        reasons = BulkRow.objects.exclude(reason="").values_list("reason", flat=True)
        assert [reason for reason in reasons if "signed off" not in reason] == []
        assert len(reasons) == (1 if door.startswith("bulk") else 0)
    else:
        with pytest.raises(RecordError, match="signed off"):
            act()
    assert written() == before


@pytest.mark.parametrize("door", DOORS)
def test_what_was_reopened_changes_but_posts_after_the_lock(
    bank: Account, approver: User, admin: User, door: str
) -> None:
    act = DOORS[door](bank, approver)
    made = sign(bank)
    lock_books(bank)
    signing.reopen(made, user=admin, reason="The rent was wrong")
    known = set(Entry.objects.values_list("pk", flat=True))
    before = written()
    act()
    assert (written() == before) == (door == "auto_approval")
    assert {entry.date for entry in Entry.objects.exclude(pk__in=known)} <= {AFTER}

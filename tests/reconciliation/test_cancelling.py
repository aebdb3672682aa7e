"""Entries that cancel each other: proposed in a pass, on a page of their own, taken off, and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account, Entry
from reconciliation import approving, bulk, cancelling, decisions, open_rows, proof, queue, runs
from reconciliation.models import Confirmation, Match
from reconciliation.selection import Selection
from tests.ledger.books import book
from tests.ledger.drafts import journal
from tests.reconciliation.factories import make_bank, make_line, make_payout
from tests.reconciliation.rules import make_rule

SignedIn = Callable[[User], Client]


@pytest.fixture
def bank(organization: Organization) -> Account:
    return make_bank(organization)


def void(bank: Account, amount: int = 41_700, number: str = "CHK-20417") -> None:
    """A cheque, and its void as an entry of its own: the ledger does not know them as a reversal."""
    paid = (("3000", amount), ("1000", -amount))
    undone = (("1000", amount), ("3000", -amount))
    book(bank.organization, journal(*paid, external_id=number, number=number, description=f"Cheque {number}"))
    again = f"VOID {number}"
    book(
        bank.organization,
        journal(*undone, external_id=again, number=number, description=f"Void cheque {number}"),
    )


def url(name: str, *args: int) -> str:
    return reverse(f"reconciliation:{name}", args=["corner-shop", *args])


def test_a_void_is_proposed_approved_and_undone(bank: Account, approver: User, signed_in: SignedIn) -> None:
    void(bank)
    make_line(bank, 700, description="SOMETHING ELSE")
    runs.propose(bank)
    made = cancelling.open_pairs(bank).get()
    assert (made.line, made.line_count, made.entry_count, made.difference) == (None, 0, 2, 0)
    before = proof.prove(bank)
    client = signed_in(approver)
    page = client.get(url("cancelling", bank.pk)).content.decode()
    assert made.evidence[0][0] in page
    assert "Approve the 1 shown" in page
    assert "Entries that cancel" in client.get(url("workspace", bank.pk)).content.decode()
    entries = Entry.objects.count()
    client.post(url("confirmations"), {"selected": [str(made.pk)]})
    made.refresh_from_db()
    assert (made.state, Entry.objects.count(), open_rows.postings(bank).count()) == ("confirmed", entries, 0)
    after = proof.prove(bank)
    assert (after.books, after.outstanding, after.books_gap) == (
        before.books,
        before.outstanding,
        before.books_gap,
    )
    assert "Entries that cancel each other" in client.get(url("match", made.pk)).content.decode()
    assert url("match", made.pk) in client.get(url("decided", bank.pk)).content.decode()
    client.post(url("reversal", made.pk))
    assert (open_rows.postings(bank).count(), cancelling.open_pairs(bank).count()) == (2, 1)


def test_a_refused_pair_does_not_come_back(bank: Account, approver: User) -> None:
    void(bank)
    runs.propose(bank)
    decisions.reject(cancelling.open_pairs(bank).get(), user=approver)
    runs.propose(bank)
    assert cancelling.open_pairs(bank).count() == 0


def test_pairs_are_no_items_of_queues_bulks_and_rules(bank: Account, approver: User) -> None:
    void(bank)
    make_payout(bank, 9_700, id="po_900001")
    make_line(bank, 9_700, description="STRIPE po_900001")
    runs.propose(bank)
    assert (Match.objects.count(), cancelling.open_pairs(bank).count()) == (2, 1)
    assert queue.count(queue.Scope(bank.organization, bank)).all == 1
    assert [offer.proposals for offer in bulk.offers(bank, [0.0])] == [1]
    for kind in ("one to one", "many to many"):
        make_rule(bank.organization, kind="approval", match_kind=kind, min_probability=0.1)
    assert [made.line_count for made in approving.approve_each(bank)] == [1]
    assert Confirmation.objects.count() == 1


def test_entries_that_do_not_come_to_nothing_need_a_line(bank: Account, approver: User) -> None:
    rows = [make_payout(bank, 500), make_payout(bank, -400)]
    with pytest.raises(RecordError, match="No statement line is chosen"):
        decisions.match_by_hand(Selection(bank, [], rows), user=approver)


def test_the_page_is_for_members(bank: Account, viewer: User, outsider: User, signed_in: SignedIn) -> None:
    void(bank)
    runs.propose(bank)
    page = signed_in(viewer).get(url("cancelling", bank.pk))
    assert (page.status_code, "Approve" in page.content.decode().split("<main")[1].split("<table")[1]) == (
        200,
        False,
    )
    assert signed_in(outsider).get(url("cancelling", bank.pk)).status_code == 404

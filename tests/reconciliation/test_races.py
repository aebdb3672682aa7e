"""Two people at once, each with a connection of their own: one wins, the other is told (PostgreSQL)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from ledgerhub.access.models import Role
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import queries, revaluation
from ledgerhub.ledger.models import Account, Allocation, Document, DocumentLine, ExchangeRate
from reconciliation import bulk, clearing_pairs, decisions, open_rows, runs, storing
from reconciliation.models import ClearingVerdict, Confirmation, Match, MatchLine
from reconciliation.selection import Payment, Selection
from tests.factories import make_organization, make_user
from tests.ledger.books import book
from tests.ledger.drafts import DAY, journal, refund
from tests.reconciliation.factories import account, make_bank, make_invoice, make_line, make_payout
from tests.reconciliation.test_clearing import item, pay_out
from tests.reconciliation.test_queue import propose

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite takes one writer at a time: run tests.on_postgres"
    ),
]


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Run all at the same moment; gives what each was told, empty where it went through."""
    start = Barrier(len(acts))

    def act(one: Callable[[], object]) -> str:
        start.wait(timeout=20)
        try:
            one()
        except RecordError as error:
            return str(error)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(act, acts))


def test_the_same_proposal_is_confirmed_once() -> None:
    organization = make_organization()
    make_bank(organization)
    bank = account(organization, "bank")
    people = [make_user(organization=organization, role=Role.APPROVER) for _ in range(4)]
    make_payout(bank, 9700)
    make_line(bank, 9700)
    runs.propose(bank)
    made = Match.objects.select_related("account__organization").get()
    told = at_once(*(lambda person=person: decisions.confirm(made, user=person) for person in people))
    assert told[0] == ""
    assert [words[:30] for words in told[1:]] == ["This match is not open any mor"] * 3
    assert MatchLine.objects.filter(confirmed=True).count() == 2


def test_an_invoice_is_not_paid_twice_from_two_accounts() -> None:
    organization = make_organization()
    make_bank(organization)
    banks = [account(organization, "bank"), account(organization, "transfers")]
    person = make_user(organization=organization, role=Role.APPROVER)
    invoice = make_invoice(organization, 5000)
    chosen = [
        Selection(bank, [make_line(bank, 5000)], [], [Payment(open_rows.documents(bank)[0], 5000)])
        for bank in banks
    ]
    told = at_once(*(lambda one=one: decisions.match_by_hand(one, user=person) for one in chosen))
    assert told[0] == ""
    assert "not open any more" in told[1]
    assert Allocation.objects.get().document == invoice
    assert list(queries.open_items(organization)) == []


def test_two_workers_on_one_bulk_approval_approve_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    organization = make_organization()
    make_bank(organization)
    bank = account(organization, "bank")
    person = make_user(organization=organization, role=Role.APPROVER)
    matches = [propose(bank, [amount], to=[amount]) for amount in range(100, 112)]
    monkeypatch.setattr(bulk, "AT_ONCE", 0)
    made = bulk.ask(bank, 0.95, newest=matches[-1].pk, user=person)
    assert at_once(*[lambda: bulk.execute(made.pk)] * 3) == ["", "", ""]
    assert set(made.rows.values_list("state", "reason")) == {("done", "")}
    assert Confirmation.objects.count() == 12


def test_people_confirm_while_passes_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes first: what was confirmed stands, and no row is proposed twice or beside it."""
    monkeypatch.setattr(storing, "CHUNK", 1)
    organization = make_organization()
    bank = make_bank(organization)
    person = make_user(organization=organization, role=Role.APPROVER)
    for number in range(6):
        make_payout(bank, 9700 + number)
        make_line(bank, 9700 + number)
    runs.propose(bank)
    made = list(Match.objects.select_related("account__organization").order_by("pk"))
    acts = [lambda one=one: decisions.confirm(one, user=person) for one in made[:3]]
    assert at_once(*acts, lambda: runs.propose(bank), lambda: runs.propose(bank)) == [""] * 5
    states = Match.objects.order_by("pk").values_list("pk", "state")
    expected = ["confirmed"] * 3 + ["proposed"] * 3
    assert list(states) == [(one.pk, state) for one, state in zip(made, expected, strict=True)]
    assert MatchLine.objects.count() == 12


def test_a_month_is_revalued_once() -> None:
    organization = make_organization()
    make_bank(organization)
    for day, rate in ((DAY, "1.1"), (dt.date(2026, 3, 31), "1.2")):
        ExchangeRate.objects.create(organization=organization, currency="EUR", date=day, rate=rate)
    book(organization, journal(("1000", 1_000), ("3000", -1_000), currency="EUR"))
    people = [make_user(organization=organization, role=Role.APPROVER) for _ in range(3)]
    day = dt.date(2026, 3, 31)
    acts = [lambda one=one: revaluation.post(organization, day, user=one) for one in people]
    told = at_once(*acts)
    assert told == ["", *["2026-03-31 is revalued already."] * 2]
    assert queries.account_balance(account(organization, "bank"), on=day) == 1_200


def test_rows_of_a_clearing_account_are_paired_once() -> None:
    """Two items and two refunds of one amount; both people choose the same item, each another refund."""
    organization = make_organization()
    make_bank(organization)
    book(organization, *(refund(external_id=f"shop_{number}") for number in range(2)))
    pay_out(organization, "po", [item(f"re_{n}", -1_085, id=f"r{n}", category="refund") for n in range(2)])
    DocumentLine.objects.filter(section="items").update(date=DAY)
    stripe = Account.objects.select_related("organization").get(organization=organization, role="clearing")
    ids = dict(Document.objects.values_list("external_id", "pk"))
    user = make_user(organization=organization, role=Role.APPROVER)

    def pair(shops: str) -> object:
        rows = (ids["po"], "r0|re_0"), (ids[shops], "")
        return clearing_pairs.pair(stripe, rows, on=DAY, currency="USD", user=user)

    told = at_once(lambda: pair("shop_0"), lambda: pair("shop_1"))
    assert [words[:40] for words in told] == ["", "These two are no longer open, or do not "]
    assert ClearingVerdict.objects.count() == 1

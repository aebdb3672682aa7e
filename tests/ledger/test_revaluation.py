"""Month-end revaluation: values at the closing rate, once, turned round or kept, undone; the page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from ledgerhub import waiting
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.core.days import month_end
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import queries, reports, revaluation, totals
from ledgerhub.ledger.export import journal_lines
from ledgerhub.ledger.models import Account, Allocation, Entry, ExchangeRate, Posting, RevaluedBalance
from reconciliation import open_rows
from tests.ledger.books import book
from tests.ledger.drafts import document, invoice, journal, line, payment
from tests.reconciliation.factories import make_bank

SignedIn = Callable[[User], Client]
MARCH, APRIL, MAY = dt.date(2026, 3, 31), dt.date(2026, 4, 30), dt.date(2026, 5, 31)


@pytest.fixture
def shop(organization: Organization) -> Organization:
    """1,000.00 EUR at the bank and an open invoice of 100.00 EUR, both at 1.10; the rate goes to 1.20."""
    make_bank(organization)
    for day, rate in ((dt.date(2026, 3, 2), "1.10"), (MARCH, "1.20"), (APRIL, "1.25"), (MAY, "1.15")):
        ExchangeRate.objects.create(
            organization=organization, currency="EUR", date=day, rate=Decimal(rate), origin="test"
        )
    day = dt.date(2026, 3, 2)
    book(
        organization,
        journal(("1000", 100_000), ("3000", -100_000), external_id="capital", currency="EUR", date=day),
        invoice(
            external_id="inv", number="#1", currency="EUR", date=day, status="open", total=10_000, tax=0,
            lines=[line(10_000)], tenders=[],
        ),
    )  # fmt: skip
    return organization


def balance(shop: Organization, code: str, on: dt.date) -> int:
    return queries.account_balance(Account.objects.get(organization=shop, code=code), on=on)


def balances(shop: Organization, on: dt.date, *codes: str) -> list[int]:
    return [balance(shop, code, on) for code in codes]


def pay(shop: Organization, day: dt.date, amount: int = 10_000) -> None:
    """The invoice is paid through the bank, at the rate of the day."""
    [paid] = book(
        shop,
        journal(("1000", amount), ("1200", -amount), external_id=f"paid {day}", currency="EUR", date=day),
    )
    owed = Account.objects.get(organization=shop, role="receivable")
    [inv] = owed.postings.filter(amount__gt=0).values_list("entry__document", flat=True)
    Allocation.objects.create(organization=shop, document_id=inv, by=paid, account=owed, amount=amount)


def sound(shop: Organization) -> None:
    assert (queries.unbalanced(shop), list(queries.misfiled(shop)), list(totals.wrong())) == ([], [], [])


# ── posting ─────────────────────────────────────────────────────────────────────────────────────────────


def test_balances_stand_at_the_closing_rate_and_go_back_on_the_next_day(
    shop: Organization, approver: User
) -> None:
    assert balances(shop, MARCH, "1000", "1200") == [110_000, 11_000]
    made = revaluation.post(shop, MARCH, user=approver)
    names = ("amount", "before", "value", "realised", "unrealised")
    assert [(row.account.code, *(getattr(row, name) for name in names)) for row in made] == [
        ("1000", 100_000, 110_000, 120_000, 0, 10_000),
        ("1200", 10_000, 11_000, 12_000, 0, 1_000),
    ]  # fmt: skip
    assert balances(shop, MARCH, "1000", "1200", "7010", "7000") == [120_000, 12_000, -11_000, 0]
    assert balances(shop, dt.date(2026, 4, 1), "1000", "1200", "7010") == [110_000, 11_000, 0]
    # No money moved: each currency's own balance, what is open, and what the bank is to show are as before.
    amounts = {
        (row.account.code, row.currency): row.amount for row in queries.currency_balances(shop, on=MARCH)
    }
    assert (amounts["1000", "EUR"], amounts["1200", "EUR"], amounts["7010", "EUR"]) == (100_000, 10_000, 0)
    assert [row.number for row in queries.open_items(shop)] == ["#1"]
    bank = Account.objects.select_related("organization").get(organization=shop, code="1000")
    assert [row.amount for row in open_rows.postings(bank)] == [100_000]
    sound(shop)


def test_reports_show_the_gain_in_its_month(shop: Organization, approver: User) -> None:
    revaluation.post(shop, MARCH, user=approver)
    revaluation.post(shop, APRIL, user=approver)

    def profit(start: dt.date, end: dt.date) -> int:
        return reports.profit_and_loss(shop, start=start, end=end).total

    sales = 11_000
    assert profit(dt.date(2026, 3, 1), MARCH) == sales + 11_000
    # April: 1,100.00 EUR from 1.20 to 1.25.
    assert profit(dt.date(2026, 4, 1), APRIL) == 5_500
    for day in (MARCH, APRIL):
        assert reports.balance_sheet(shop, on=day).total == 0
        trial = queries.trial_balance(shop, on=day)
        assert trial.debits == trial.credits
    sound(shop)


def test_what_is_paid_is_realised_and_stays(shop: Organization, approver: User) -> None:
    """Invoiced at 1.10, worth 1.20 in March, paid in April at 1.20: ten realised, whatever March said."""
    revaluation.post(shop, MARCH, user=approver)
    pay(shop, dt.date(2026, 4, 7))
    assert balance(shop, "1200", APRIL) == -1_000
    [bank, owed] = revaluation.post(shop, APRIL, user=approver)
    assert (owed.amount, owed.before, owed.value, owed.realised, owed.unrealised) == (0, -1_000, 0, 1_000, 0)
    assert (bank.value, bank.unrealised) == (137_500, 137_500 - 122_000)
    assert balances(shop, dt.date(2026, 5, 1), "1200", "7000", "7010") == [0, -1_000, 0]
    # It is not realised a second time.
    [again] = revaluation.post(shop, MAY, user=approver)
    assert (again.account.code, again.realised) == ("1000", 0)
    sound(shop)


def test_of_what_is_paid_in_part_only_that_part_is_realised(shop: Organization, approver: User) -> None:
    pay(shop, dt.date(2026, 4, 7), 4_000)
    owed = next(row for row in revaluation.post(shop, APRIL, user=approver) if row.account.code == "1200")
    # 40.00 booked at 1.10 and paid at 1.20: 4.00. 60.00 open, carried at 1.10, worth 1.25: 9.00.
    assert (owed.amount, owed.realised, owed.unrealised, owed.value) == (6_000, 400, 900, 7_500)


def test_where_the_organization_keeps_it_nothing_is_turned_round(shop: Organization, approver: User) -> None:
    shop.revaluation = Organization.Revaluation.KEPT
    shop.save()
    revaluation.post(shop, MARCH, user=approver)
    assert balances(shop, dt.date(2026, 4, 1), "1000", "7010") == [120_000, -11_000]
    made = revaluation.post(shop, APRIL, user=approver)
    assert [(row.before, row.value) for row in made] == [(120_000, 125_000), (12_000, 12_500)]
    assert balances(shop, APRIL, "1000", "1200", "7010", "7000") == [125_000, 12_500, -16_500, 0]
    sound(shop)


def test_accounts_of_processors_and_debts_are_revalued_and_deposits_are_not(
    shop: Organization, approver: User
) -> None:
    book(
        shop,
        payment(external_id="ch", total=500, currency="EUR", settles="sales"),
        payment(external_id="dp", total=700, currency="EUR", settles="deposits"),
        document("bill", external_id="b", number="B1", total=2_000, currency="EUR", status="open"),
    )
    made = {row.account.code: row.unrealised for row in revaluation.post(shop, MARCH, user=approver)}
    assert made == {"1000": 10_000, "1100": 120, "1200": 1_000, "2000": -200}


def test_a_balance_that_stands_right_is_recorded_and_books_nothing(
    shop: Organization, approver: User
) -> None:
    ExchangeRate.objects.filter(organization=shop, date=MARCH).update(rate="1.10")
    made = revaluation.post(shop, MARCH, user=approver)
    assert [(row.difference, row.document) for row in made] == [(0, None), (0, None)]
    assert revaluation.due(shop) is None or revaluation.due(shop).day != MARCH  # type: ignore[union-attr]
    assert not Entry.objects.filter(document__source__key=revaluation.SOURCE).exists()


# ── once ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_month_is_revalued_once(shop: Organization, approver: User) -> None:
    made = revaluation.post(shop, MARCH, user=approver)
    with pytest.raises(RecordError, match="2026-03-31 is revalued already"):
        revaluation.post(shop, MARCH, user=approver)
    row = RevaluedBalance.objects.get(pk=made[0].pk)
    row.pk = None
    with pytest.raises(IntegrityError):
        row.save()


def test_what_breaks_off_leaves_nothing(
    shop: Organization, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entries are posted, and then the machine stops."""

    def stop(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    before = Posting.objects.count()
    with monkeypatch.context() as patched:
        patched.setattr(revaluation, "record", stop)
        with pytest.raises(KeyboardInterrupt):
            revaluation.post(shop, MARCH, user=approver)
    assert (Posting.objects.count(), RevaluedBalance.objects.count()) == (before, 0)
    revaluation.post(shop, MARCH, user=approver)
    assert balance(shop, "1000", MARCH) == 120_000
    sound(shop)


def test_undone_its_entries_are_reversed_and_it_may_be_done_again(shop: Organization, approver: User) -> None:
    revaluation.post(shop, MARCH, user=approver)
    revaluation.undo(shop, MARCH, user=approver, reason="The rate was wrong")
    assert balances(shop, MARCH, "1000", "1200", "7010") == [110_000, 11_000, 0]
    assert balance(shop, "1000", dt.date(2026, 4, 1)) == 110_000
    assert {row.undo_reason for row in RevaluedBalance.objects.all()} == {"The rate was wrong"}
    with pytest.raises(RecordError, match="is not revalued"):
        revaluation.undo(shop, MARCH, user=approver)
    revaluation.post(shop, MARCH, user=approver)
    assert balances(shop, MARCH, "1000", "1200", "7010") == [120_000, 12_000, -11_000]
    assert RevaluedBalance.objects.filter(undone_at__isnull=True).count() == 2
    events = AuditEvent.objects.filter(action__startswith="revaluation.").order_by("pk")
    assert [event.action for event in events] == [
        "revaluation.posted", "revaluation.undone", "revaluation.posted",
    ]  # fmt: skip
    sound(shop)


def test_what_changes_afterwards_is_told_and_put_right(shop: Organization, approver: User) -> None:
    revaluation.post(shop, MARCH, user=approver)
    assert not revaluation.month(shop, MARCH).stale
    book(
        shop,
        journal(
            ("1000", 1_000), ("3000", -1_000), external_id="late", currency="EUR", date=dt.date(2026, 3, 9)
        ),
    )
    assert revaluation.month(shop, MARCH).stale
    states = {one.day: one.state for one in revaluation.months(shop)}
    assert states[MARCH] == "changed"
    revaluation.undo(shop, MARCH, user=approver)
    revaluation.post(shop, MARCH, user=approver)
    assert balance(shop, "1000", MARCH) == 121_200
    assert not revaluation.month(shop, MARCH).stale


# ── refused in words ────────────────────────────────────────────────────────────────────────────────────


def test_a_rate_that_is_missing_is_said(shop: Organization, approver: User) -> None:
    ExchangeRate.objects.filter(organization=shop, date=MARCH).delete()
    with pytest.raises(RecordError, match="no closing rate of EUR, neither of 2026-03-31 nor of the 6 days"):
        revaluation.post(shop, MARCH, user=approver)
    ExchangeRate.objects.create(
        organization=shop, currency="EUR", date=dt.date(2026, 3, 27), rate=Decimal("1.2"), origin="test"
    )
    [row, _] = revaluation.post(shop, MARCH, user=approver)
    assert (row.rate, row.rate_day) == (Decimal("1.2"), dt.date(2026, 3, 27))


def test_a_locked_period_stays_as_it_is(shop: Organization, approver: User) -> None:
    revaluation.post(shop, MARCH, user=approver)
    shop.lock_date = APRIL
    shop.save()
    with pytest.raises(RecordError, match="locked up to 2026-04-30"):
        revaluation.undo(shop, MARCH, user=approver)
    with pytest.raises(RecordError, match="locked up to 2026-04-30"):
        revaluation.post(shop, APRIL, user=approver)
    assert balances(shop, MARCH, "1000", "1200") == [120_000, 12_000]


def test_months_are_taken_in_order_and_when_they_are_over(shop: Organization, approver: User) -> None:
    revaluation.post(shop, APRIL, user=approver)
    for act in (revaluation.post, revaluation.undo):
        with pytest.raises(RecordError, match=r"2026-04-30 is revalued already, on top|is not revalued"):
            act(shop, MARCH, user=approver)
    with pytest.raises(RecordError, match="is not over yet"):
        revaluation.post(shop, dt.date(2999, 12, 31), user=approver)


def test_nothing_in_another_currency_is_nothing_to_revalue(
    organization: Organization, approver: User
) -> None:
    make_bank(organization)
    assert (revaluation.months(organization), revaluation.due(organization)) == ([], None)
    with pytest.raises(RecordError, match="no balance in another currency"):
        revaluation.post(organization, MARCH, user=approver)


# ── elsewhere ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_dashboard_tells_of_a_month_that_waits(shop: Organization, approver: User) -> None:
    last = revaluation.last_month_end(shop)
    ExchangeRate.objects.create(organization=shop, currency="EUR", date=last, rate=Decimal("1.3"), origin="t")
    [task] = [task for task in waiting.tasks(shop, []) if "evalu" in task.title]
    assert task.title == f"Revalue 2 balances in other currencies at {last}"
    assert task.url.endswith(f"/reports/revaluation/?on={last}")
    revaluation.post(shop, last, user=approver)
    assert [task for task in waiting.tasks(shop, []) if "evalu" in task.title] == []


def test_months_are_listed_from_the_first_on(shop: Organization, approver: User) -> None:
    revaluation.post(shop, MARCH, user=approver)
    found = revaluation.months(shop)
    assert (found[-1].day, found[-1].state, found[-1].balances, found[-1].difference) == (
        MARCH,
        "done",
        2,
        11_000,
    )
    assert (found[0].day, found[0].state) == (revaluation.last_month_end(shop), "todo")
    assert month_end(dt.date(2028, 2, 3)) == dt.date(2028, 2, 29)


def test_the_journal_goes_out_with_it_in_base_currency(shop: Organization, approver: User) -> None:
    revaluation.post(shop, MARCH, user=approver)
    text = "\n".join(journal_lines(shop, format="hledger", start=MARCH))
    assert (
        "  Assets:Checking account  100.00 USD\n  Expenses:Unrealised exchange gains and losses  -100.00 USD"
        in text
    )
    assert "@@" not in text


# ── the page ────────────────────────────────────────────────────────────────────────────────────────────


def url(name: str) -> str:
    return reverse(f"ledger:{name}", args=["corner-shop"])


def test_the_entry_is_shown_before_it_is_posted(
    shop: Organization, viewer: User, signed_in: SignedIn
) -> None:
    page = signed_in(viewer).get(url("revaluations"), {"on": "2026-03-12"})
    text = page.content.decode()
    assert [(row.account.code, row.base, row.stays) for row in page.context["lines"]] == [
        ("1000", 10_000, False), ("7010", -10_000, False), ("1200", 1_000, False), ("7010", -1_000, False),
    ]  # fmt: skip
    assert "An approver posts it" in text
    assert "Turned round" in text
    assert not Account.objects.filter(organization=shop, code="7010").exists()
    answer: Any = signed_in(viewer).get(url("revaluations"), {"on": "2026-03-31", "export": "csv"})
    assert b"".join(answer.streaming_content).decode().splitlines()[1:] == [
        "1000,Checking account,EUR,1000.00,1.2,2026-03-31,1100.00,1200.00,0.00,100.00",
        "1200,Accounts receivable,EUR,100.00,1.2,2026-03-31,110.00,120.00,0.00,10.00",
    ]


def test_an_approver_posts_and_undoes_it(
    shop: Organization, viewer: User, bookkeeper: User, approver: User, outsider: User, signed_in: SignedIn
) -> None:
    post, undo, given = url("revaluation_posting"), url("revaluation_reversal"), {"on": "2026-03-31"}
    for page in (post, undo):
        assert signed_in(bookkeeper).post(page, given).status_code == 403
        assert signed_in(outsider).post(page, given).status_code == 404
        assert signed_in(approver).post(page, {"on": "2026-03-30"}).status_code == 404
        assert Client().post(page, given).status_code == 302
    assert signed_in(outsider).get(url("revaluations")).status_code == 404
    assert RevaluedBalance.objects.count() == 0
    text = signed_in(approver).post(post, given, follow=True).content.decode()
    assert "2 balances are revalued at 2026-03-31." in text
    assert "Undo it" in text
    assert "Undo it" not in signed_in(viewer).get(url("revaluations"), given).content.decode()
    assert "is revalued already" in signed_in(approver).post(post, given, follow=True).content.decode()
    text = signed_in(approver).post(undo, {**given, "reason": "Wrong"}, follow=True).content.decode()
    assert "The revaluation is undone" in text
    assert "Post the revaluation" in text


def test_its_entry_and_the_journal_show_what_moved(
    shop: Organization, approver: User, signed_in: SignedIn
) -> None:
    revaluation.post(shop, MARCH, user=approver)
    client = signed_in(approver)
    rows = client.get(url("journal"), {"q": "Revaluation"}).context["rows"]
    [row] = [row for row in rows if row.entry.part == "entry"]
    assert (row.total, row.currency) == (11_000, "USD")
    assert [side.account.code for side in row.debits] == ["1000", "1200"]
    assert [side.account.code for side in row.credits] == ["7010", "7010"]
    entry = Entry.objects.get(document__source__key=revaluation.SOURCE, part="entry")
    text = client.get(reverse("ledger:entry", args=["corner-shop", entry.pk])).content.decode()
    assert "110.00" in text


def test_a_missing_rate_leads_to_where_it_is_entered(
    shop: Organization, approver: User, signed_in: SignedIn
) -> None:
    ExchangeRate.objects.filter(organization=shop, date=MARCH).delete()
    page = signed_in(approver).get(url("revaluations"), {"on": "2026-03-31"})
    text = page.content.decode()
    assert "There is no closing rate of EUR" in text
    assert url("rates") in text
    assert page.context["lines"] == []
    assert "Post the revaluation" not in text

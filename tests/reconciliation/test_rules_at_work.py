"""Rules at work: lines booked by rule, approved without a person, killed in between, overturned, expired."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.core import mail
from django_q.models import OrmQ

from integrations import sweep
from integrations.models import AlertChannel, Incident
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.models import Account, Entry
from reconciliation import applying, approving, decisions, runs
from reconciliation.models import Confirmation, Match, MatchRun, RuleVersion, SignOff
from reconciliation.selection import Coding, Selection
from tests.jobs import drain
from tests.ledger.drafts import DAY
from tests.reconciliation.factories import account, balances, make_bank, make_line, make_payout
from tests.reconciliation.rules import make_rule


@pytest.fixture
def bank(organization: Organization) -> Account:
    make_bank(organization)
    return account(organization, "bank")


@pytest.fixture
def fees(bank: Account) -> Account:
    return account(bank.organization, "bank_fees")


def fee_rule(fees: Account, **changes: object) -> RuleVersion:
    given = {"name": "Bank fees", "contains": "service charge\nmonthly fee", "sign": "out", **changes}
    return make_rule(fees.organization, fees, **given)  # type: ignore[arg-type]


def proposed() -> list[tuple[str, list[tuple[str, int]]]]:
    """(text of the line, codings) of the open proposals of rules."""
    found = Match.objects.filter(method="rule", state="proposed").order_by("pk")
    return [
        (
            str(made.rows.get().statement_line.description),  # type: ignore[union-attr]
            [(row.account.code, row.amount) for row in made.codings.order_by("position")],
        )
        for made in found
    ]


# ── applying ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_pass_proposes_what_the_rules_book(bank: Account, fees: Account) -> None:
    version = fee_rule(fees, contact_name="First Bank")
    make_line(bank, -1200, description="SERVICE CHARGE MARCH")
    make_line(bank, 1200, description="SERVICE CHARGE BACK")
    make_line(bank, -900, description="COFFEE")
    make_payout(bank, 9700)
    make_line(bank, 9700, description="monthly fee of somebody")
    assert runs.propose(bank) == 2
    assert proposed() == [("SERVICE CHARGE MARCH", [("6030", -1200)])]
    made = Match.objects.get(method="rule")
    assert (made.rule, made.probability, made.evidence) == (
        version,
        None,
        [["Bank rule “Bank fees”: the text holds “service charge”; money out", 0.0]],
    )
    assert made.codings.get().contact_name == "First Bank"


def test_splits_and_tax_come_to_the_line(bank: Account, fees: Account) -> None:
    rent, tax = account(bank.organization, "rent"), account(bank.organization, "tax_receivable")
    parts = [
        {"account": rent, "percent": Decimal(70), "tax_percent": Decimal(19), "tax_account": tax},
        {"account": fees},
    ]
    make_rule(bank.organization, splits=parts, contains="Landlord")
    make_line(bank, -10001, description="LANDLORD APRIL")
    runs.propose(bank)
    assert proposed() == [("LANDLORD APRIL", [("6200", -5883), ("1450", -1118), ("6030", -3000)])]


def test_rules_keep_their_order_their_account_and_their_currency(bank: Account, fees: Account) -> None:
    other = Account.objects.get(organization=bank.organization, code="1010")
    rent = account(bank.organization, "rent")
    first = make_rule(bank.organization, rent, contains="charge", account=other)
    second = make_rule(bank.organization, fees, contains="charge")
    make_rule(bank.organization, rent, contains="service charge")
    assert (first.rule.position, second.rule.position) == (first.rule.position, first.rule.position + 1)
    make_line(bank, -100, description="SERVICE CHARGE")
    runs.propose(bank)
    assert proposed() == [("SERVICE CHARGE", [("6030", -100)])]
    RuleVersion.objects.filter(pk=second.pk).update(maximum=100)
    Account.objects.filter(pk=bank.pk).update(currency="EUR")
    bank.refresh_from_db()
    runs.propose(bank)
    assert proposed() == [("SERVICE CHARGE", [("6200", -100)])]


def test_proposals_of_a_rule_no_longer_in_force_go(bank: Account, fees: Account) -> None:
    version = fee_rule(fees)
    make_line(bank, -1200, description="SERVICE CHARGE")
    runs.propose(bank)
    before = Match.objects.get(method="rule").pk
    applying.apply_again(bank.pk)
    assert Match.objects.get(method="rule").pk == before
    RuleVersion.objects.filter(pk=version.pk).update(state="retired")
    applying.apply_again(bank.pk)
    assert proposed() == []


def test_a_refused_booking_stays_refused_and_another_rule_may_try(
    bank: Account, fees: Account, bookkeeper: User
) -> None:
    fee_rule(fees)
    make_line(bank, -1200, description="SERVICE CHARGE")
    runs.propose(bank)
    decisions.reject(Match.objects.get(method="rule"), user=bookkeeper)
    runs.propose(bank)
    assert proposed() == []
    RuleVersion.objects.update(state="retired")
    make_rule(bank.organization, account(bank.organization, "rent"), contains="charge")
    runs.propose(bank)
    assert proposed() == [("SERVICE CHARGE", [("6200", -1200)])]


def test_only_some_lines_can_be_looked_at(bank: Account, fees: Account) -> None:
    fee_rule(fees)
    first, second = (make_line(bank, -1200, description=f"SERVICE CHARGE {n}") for n in (1, 2))
    assert applying.apply_bank_rules(bank, only=[second.pk]) == 1
    assert applying.apply_bank_rules(bank, only=[first.pk]) == 1
    assert [text for text, _ in proposed()] == ["SERVICE CHARGE 2", "SERVICE CHARGE 1"]


def test_what_a_person_matched_otherwise_is_kept(bank: Account, fees: Account, approver: User) -> None:
    fee_rule(fees)
    line = make_line(bank, -1200, description="SERVICE CHARGE")
    runs.propose(bank)
    rent = account(bank.organization, "rent")
    by_hand = Selection(account=bank, lines=[line], codings=[Coding(rent, -1200)])
    decisions.match_by_hand(by_hand, user=approver, method="coded")
    kept = Match.objects.get(method="rule")
    assert (kept.state, kept.confirmations.get().note) == ("undone", "Matched otherwise")


# ── approving without a person ────────────────────────────────────────────────────────────────────────


def approve_all(bank: Account) -> int:
    return len(list(approving.approve_each(bank)))


def test_an_approval_rule_confirms_and_is_named(bank: Account, fees: Account) -> None:
    fee_rule(fees)
    rule = make_rule(
        bank.organization, kind="approval", name="Small fees", match_kind="bank rule", maximum=1000
    )
    make_line(bank, -900, description="SERVICE CHARGE")
    make_line(bank, -1200, description="SERVICE CHARGE")
    run = runs.request_run(bank)
    drain()
    done = Match.objects.get(state="confirmed")
    assert (done.codings.get().amount, balances(bank.organization)) == (-900, {"1000": -900, "6030": 900})
    told = Confirmation.objects.get()
    assert (told.action, told.by, told.rule) == ("confirm", None, rule)
    event = AuditEvent.objects.get(action="match.confirmed")
    assert (event.actor, event.actor_label, event.after["rule"]) == (
        None,
        "Rule “Small fees”",
        "Small fees v1",
    )
    run.refresh_from_db()
    assert (run.state, run.proposals, run.approved) == ("done", 2, 1)


def test_killed_in_between_nothing_is_lost_or_doubled(bank: Account, fees: Account) -> None:
    fee_rule(fees)
    make_rule(bank.organization, kind="approval", match_kind="bank rule")
    for number in range(4):
        make_line(bank, -100 - number, description="SERVICE CHARGE")
    run = MatchRun.objects.create(account=bank)
    runs.propose(bank, run=run)
    killed = approving.approve_each(bank)
    next(killed)
    killed.close()
    assert Match.objects.filter(state="confirmed").count() == 1
    late = approving.approve_each(bank)
    next(late)
    assert approve_all(bank) == 2
    assert list(late) == []
    assert approve_all(bank) == 0
    assert balances(bank.organization) == {"1000": -406, "6030": 406}
    assert (Entry.objects.count(), Confirmation.objects.count()) == (4, 4)
    run.refresh_from_db()
    assert run.approved == 4


def test_a_long_lot_is_a_chain_of_tasks(
    bank: Account, fees: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approving, "AT_ONCE", 2)
    fee_rule(fees)
    make_rule(bank.organization, kind="approval", match_kind="bank rule")
    for number in range(5):
        make_line(bank, -100 - number, description="SERVICE CHARGE")
    runs.propose(bank)
    OrmQ.objects.all().delete()
    assert approving.approve_some(bank.pk) == 2
    assert OrmQ.objects.count() == 1
    drain()
    assert Match.objects.filter(state="confirmed").count() == 5


def sure_payout(bank: Account, amount: int, *, date: dt.date = DAY) -> Match:
    row = make_payout(bank, amount, date=date, id=f"po_{amount}XYZ")
    make_line(bank, amount, date=date, description=f"STRIPE po_{amount}XYZ")
    runs.propose(bank)
    return Match.objects.get(rows__posting=row)


def test_engine_proposals_by_probability(bank: Account) -> None:
    made = sure_payout(bank, 9700)
    assert made.probability is not None
    make_rule(
        bank.organization, kind="approval", match_kind="one to one", min_probability=made.probability + 1e-6
    )
    assert approve_all(bank) == 0
    RuleVersion.objects.update(min_probability=made.probability)
    assert approve_all(bank) == 1
    assert balances(bank.organization) == {"1000": 9700, "1100": -9700}


def test_ties_differences_prepared_and_undone_ones_stay_with_people(bank: Account, approver: User) -> None:
    make_rule(bank.organization, kind="approval", match_kind="one to one")
    made = sure_payout(bank, 9700)
    for change in ({"tie": True}, {"difference": 5}, {"method": "person"}):
        Match.objects.filter(pk=made.pk).update(**change)
        assert approve_all(bank) == 0
        Match.objects.filter(pk=made.pk).update(tie=False, difference=0, method="engine")
    decisions.undo(decisions.confirm(made, user=approver), user=approver)
    assert approve_all(bank) == 0
    assert Match.objects.filter(state="proposed").count() == 1


@pytest.mark.parametrize("how", ["locked", "signed"])
def test_nothing_is_approved_across_a_closed_period(bank: Account, how: str) -> None:
    make_rule(bank.organization, kind="approval", match_kind="one to one")
    sure_payout(bank, 9700)
    if how == "locked":
        bank.organization.lock_date = DAY
        bank.organization.save()
        bank.refresh_from_db()
    else:
        SignOff.objects.create(
            organization=bank.organization,
            account=bank,
            currency="USD",
            start=DAY,
            end=DAY,
            **dict.fromkeys(("opening", "lines_total", "closing", "books", "outstanding"), 0),
        )
    assert approve_all(bank) == 0
    sure_payout(bank, 5500, date=DAY + dt.timedelta(days=1))
    assert approve_all(bank) == 1
    SignOff.objects.update(reopened_at="2026-03-09T00:00:00Z")
    bank.organization.lock_date = None
    assert approve_all(bank) == 1


def test_one_that_cannot_be_booked_does_not_stop_the_others(bank: Account, fees: Account) -> None:
    fee_rule(fees)
    rent = account(bank.organization, "rent")
    make_rule(bank.organization, rent, contains="rent")
    make_rule(bank.organization, kind="approval", match_kind="bank rule")
    make_line(bank, -100, description="RENT")
    make_line(bank, -200, description="SERVICE CHARGE")
    runs.propose(bank)
    Account.objects.filter(pk=rent.pk).update(archived_at=rent.organization.created_at)
    assert approve_all(bank) == 1
    assert proposed() == [("RENT", [("6200", -100)])]


# ── expiry ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bank_rule_overturned_often_expires(bank: Account, fees: Account, approver: User) -> None:
    version = fee_rule(fees)
    for number in range(4):
        make_line(bank, -100 - number, description="SERVICE CHARGE")
    runs.propose(bank)
    first, second, third, _ = Match.objects.filter(method="rule").order_by("pk")
    decisions.reject(first, user=approver)
    again = decisions.undo(decisions.confirm(second, user=approver), user=approver)
    assert again is not None
    version.refresh_from_db()
    assert version.state == "active"
    assert decisions.undo(decisions.confirm(third, user=approver), user=approver) is None
    version.refresh_from_db()
    assert (version.state, version.end_reason) == ("expired", "People overturned 3 of its last 3 matches.")
    assert proposed() == []
    event = AuditEvent.objects.get(action="rule.expired")
    assert (event.actor, event.after["reason"]) == (None, version.end_reason)


def test_an_expiry_is_told_once_by_the_ways_of_alerts(bank: Account, fees: Account, approver: User) -> None:
    version = fee_rule(fees)
    AlertChannel.objects.create(organization=bank.organization, kind="email", target="books@example.com")
    for number in range(3):
        make_line(bank, -100 - number, description="SERVICE CHARGE")
    runs.propose(bank)
    for made in Match.objects.filter(method="rule").order_by("pk"):
        decisions.reject(made, user=approver)
    drain()
    [message] = mail.outbox
    assert message.to == ["books@example.com"]
    assert message.body.startswith(
        f"The rule “{version.rule}” has expired: people overturned 3 of its last 3 matches. It does nothing"
    )
    assert f"/o/corner-shop/reconcile/rules/{version.rule_id}/versions/1/" in message.body
    incident = Incident.objects.get()
    assert None not in (incident.told_at, incident.closed_at, incident.recovery_told_at)
    sweep.sweep()
    drain()
    assert len(mail.outbox) == 1


def test_an_approval_rule_expires_too_and_a_rejection_taken_back_does_not_count(
    bank: Account, fees: Account, approver: User
) -> None:
    fee_rule(fees)
    version = make_rule(bank.organization, kind="approval", match_kind="bank rule", maximum=103)
    for number in range(5):
        make_line(bank, -100 - number, description="SERVICE CHARGE")
    runs.propose(bank)
    left = Match.objects.filter(method="rule").order_by("pk").last()
    assert left is not None
    assert approve_all(bank) == 4
    decisions.reject(left, user=approver)
    decisions.undo(left, user=approver)
    done = list(Match.objects.filter(state="confirmed").order_by("pk"))
    decisions.undo(done[0], user=approver)
    decisions.undo(done[1], user=approver)
    version.refresh_from_db()
    assert version.state == "active"
    decisions.undo(done[2], user=approver)
    version.refresh_from_db()
    assert (version.state, version.end_reason) == ("expired", "People overturned 3 of its last 4 matches.")
    assert approve_all(bank) == 0

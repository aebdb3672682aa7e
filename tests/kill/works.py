"""Pieces of work that are killed at every step: a sync, a webhook, a confirmation and its undoing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import DateTimeField
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import sweep, webhooks
from integrations.models import Integration, SyncRun, WebhookEvent
from ledgerhub.access.models import AuditEvent, Role, User
from ledgerhub.ledger import queries
from ledgerhub.ledger import revaluation as month_end
from ledgerhub.ledger.models import Account, Allocation, Entry, ExchangeRate, RevaluedBalance
from reconciliation import backtest_jobs, bulk, decisions, indexes, runs, storing
from reconciliation.models import BackTest, BulkApproval, Match, MatchRun, RuleVersion
from tests.factories import make_user, sign_in
from tests.jobs import drain
from tests.kill import scene
from tests.kill.steps import kill_at_steps
from tests.ledger.books import book
from tests.ledger.drafts import journal
from tests.reconciliation.factories import make_bank, make_invoice, make_line, make_payout
from tests.reconciliation.rules import make_rule

LATER = 3600.0
OF_TIME = ("run_id", "seal")  # a seal covers the time of what it seals
TABLES = (
    "reconciliation.Match", "reconciliation.MatchLine", "reconciliation.Confirmation", "ledger.Document",
    "ledger.DocumentLine", "ledger.Entry", "ledger.Posting", "ledger.Allocation", "ledger.StatementLine",
    "access.AuditEvent",
)  # fmt: skip


def recover() -> None:
    """What the product does by itself in the time after a kill: the minute's sweep, until all is done."""
    for _ in range(20):
        scene.age(LATER)
        sweep.sweep()
        drain()
        open_runs = SyncRun.objects.filter(state__in=SyncRun.OPEN).exists()
        if not open_runs and not WebhookEvent.objects.filter(state=WebhookEvent.State.RECEIVED).exists():
            return
    raise AssertionError(f"not done after all that time: {scene.progress()}")


def sync(address: str, most: str, *keys: str) -> dict[str, Any]:
    """First syncs of these systems of the sandbox."""
    scene.connect(address, *keys)
    return kill_at_steps(drain, after=recover, look=scene.state, most=int(most))


def undisturbed(address: str, *keys: str) -> dict[str, Any]:
    """What the same syncs leave where nothing is killed."""
    scene.connect(address, *keys)
    drain()
    recover()
    return scene.state()


def webhook(address: str, stream: str, record: str, most: str) -> dict[str, Any]:
    """One message about a record that is not known yet."""
    scene.connect(address, "stripe")
    SyncRun.objects.all().delete()
    drain()
    event = WebhookEvent.objects.create(
        integration=Integration.objects.get(),
        event_id="evt_1",
        topic="test",
        payload={"stream": stream, "record": record},
    )

    def process() -> None:
        webhooks.process(event.pk)

    return kill_at_steps(process, after=recover, look=scene.state, most=int(most))


def confirmation(most: str) -> dict[str, Any]:
    """A proposed match of one bank line with an unpaid invoice: confirming posts its payment."""
    user, made = proposed()

    def confirm() -> None:
        decisions.confirm(made, user=user)

    return kill_at_steps(confirm, after=_nothing, look=rows, most=int(most))


def undoing(most: str) -> dict[str, Any]:
    user, made = proposed()
    confirmed = decisions.confirm(made, user=user)

    def undo() -> None:
        decisions.undo(confirmed, user=user)

    return kill_at_steps(undo, after=_nothing, look=rows, most=int(most))


def revaluation(most: str) -> dict[str, Any]:
    """A month's end with euros at the bank, brought to the closing rate."""
    bank, user = _euros()

    def post() -> None:
        month_end.post(bank.organization, _MARCH, user=user)

    return kill_at_steps(post, after=_nothing, look=_revalued, most=int(most))


def revaluation_undone(most: str) -> dict[str, Any]:
    bank, user = _euros()
    month_end.post(bank.organization, _MARCH, user=user)

    def undo() -> None:
        month_end.undo(bank.organization, _MARCH, user=user)

    return kill_at_steps(undo, after=_nothing, look=_revalued, most=int(most))


_MARCH = dt.date(2026, 3, 31)


def _euros() -> tuple[Account, User]:
    bank = make_bank(scene.found_bare())
    for day, rate in ((dt.date(2026, 3, 2), "1.1"), (_MARCH, "1.2")):
        ExchangeRate.objects.create(organization=bank.organization, currency="EUR", date=day, rate=rate)
    book(bank.organization, journal((bank.code, 1_000), ("3000", -1_000), currency="EUR"))
    return bank, make_user(email="ann@example.com", organization=bank.organization, role=Role.APPROVER)


def _revalued() -> list[Any]:
    written = RevaluedBalance.objects.order_by("pk").values_list("value", "turned", "undo_reason")
    accounts = Account.objects.order_by("code")
    return [rows(), [list(row) for row in written], [queries.account_balance(one) for one in accounts]]


def matching(most: str) -> dict[str, Any]:
    """A pass of the engine over a bank account, which stores one proposal after the other."""
    storing.CHUNK, indexes.FEWEST_ROWS = 1, 1
    return _matching(runs.request_run(unmatched()), most)


def matching_of_new(most: str) -> dict[str, Any]:
    """A pass over one new line, which takes the entry of another proposal."""
    indexes.FEWEST_ROWS = 1
    bank = unmatched()
    make_payout(bank, 4200, id="po_42001")
    make_line(bank, 4200, description="DEPOSIT")
    runs.request_run(bank)
    drain()
    make_line(bank, 4200, description="STRIPE po_42001")
    return _matching(runs.request_run(bank, incremental=True), most)


def _matching(run: MatchRun, most: str) -> dict[str, Any]:
    def after() -> None:
        scene.age(LATER)
        runs.take_up_dropped()
        drain()

    def look() -> list[Any]:
        return [rows("reconciliation.Match", "reconciliation.MatchLine"), _state(run.pk)]

    return kill_at_steps(drain, after=after, look=look, most=int(most))


def bulk_approval(most: str) -> dict[str, Any]:
    """Approving all that is likely enough, a job of many decisions."""
    act, _ = _bulk()
    return _bulk_killed(act, most)


def bulk_reversal(most: str) -> dict[str, Any]:
    """The same taken back as one act."""
    act, user = _bulk()
    drain()
    act.refresh_from_db()
    bulk.ask_undo(act, user=user)
    return _bulk_killed(act, most)


def _bulk() -> tuple[BulkApproval, User]:
    bulk.AT_ONCE = 0
    bank = unmatched()
    user = make_user(email="ann@example.com", organization=bank.organization, role=Role.APPROVER)
    runs.propose(bank)
    assert Match.objects.filter(state=Match.State.PROPOSED).count() > 1
    return bulk.ask(bank, bulk.LEAST, newest=bulk.newest(bank), user=user), user


def _bulk_killed(act: BulkApproval, most: str) -> dict[str, Any]:
    def after() -> None:
        for _ in range(bulk.MAX_ATTEMPTS):
            scene.age(LATER)
            bulk.take_up_dropped()
            drain()

    def look() -> list[Any]:
        acts = BulkApproval.objects.values_list("state", "rows__state", "rows__reason").order_by("rows")
        written = [apps.get_model(label)._default_manager.count() for label in TABLES]
        return [decided(), written, [list(row) for row in acts]]

    return kill_at_steps(drain, after=after, look=look, most=int(most))


def backtesting(most: str) -> dict[str, Any]:
    """A rule tried on the past as a job."""
    bank = unmatched()
    user = make_user(email="ann@example.com", organization=bank.organization, role=Role.APPROVER)
    make_line(bank, -1200, description="SERVICE CHARGE", date=timezone.localdate())
    fees = Account.objects.get(organization=bank.organization, role="bank_fees")
    version = make_rule(bank.organization, fees, contains="service", state="draft")
    backtest_jobs.request(version, user=user)

    def after() -> None:
        scene.age(LATER)
        backtest_jobs.take_up_dropped()
        drain()

    def look() -> list[Any]:
        found = RuleVersion.objects.get().backtest or {}
        audited = AuditEvent.objects.filter(action="rule.back_tested").count()
        return [found.get("ids"), audited, BackTest.objects.get().state]

    return kill_at_steps(drain, after=after, look=look, most=int(most))


def _state(run_id: int) -> str:
    return str(MatchRun.objects.get(pk=run_id).state)


def unmatched() -> Account:
    """Bank lines that one invoice and one payout explain."""
    bank = make_bank(scene.found_bare())
    make_invoice(bank.organization, 12550, number="INV-7")
    make_payout(bank, 9700)
    make_line(bank, 12550, description="INV-7 ANN LEE", counterparty="Ann Lee", reference="INV-7")
    make_line(bank, 9700, description="STRIPE TRANSFER")
    return bank


def proposed() -> tuple[User, Match]:
    """Somebody who may confirm, and what the engine proposed for the invoice."""
    bank = unmatched()
    user = make_user(email="ann@example.com", organization=bank.organization, role=Role.APPROVER)
    runs.propose(bank)
    return user, Match.objects.get(rows__document__isnull=False, state=Match.State.PROPOSED)


def rows(*tables: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of the tables a decision touches, without the times at which they were written."""
    found = {}
    for label in tables or TABLES:
        model = apps.get_model(label)
        fields = [field for field in model._meta.concrete_fields if not isinstance(field, DateTimeField)]
        names = [field.attname for field in fields if field.attname not in OF_TIME]
        found[label] = [
            {name: str(value) for name, value in row.items()}
            for row in model._default_manager.order_by("pk").values(*names)
        ]
    return found


def _nothing() -> None:
    """A decision is all or nothing: there is nothing to be taken up."""


def pile(count: str) -> dict[str, Any]:
    """Proposals of an invoice each; cookie of somebody who may confirm them, and where to post."""
    bank = make_bank(scene.found_bare())
    user = make_user(email="ann@example.com", organization=bank.organization, role=Role.APPROVER)
    for number in range(1, int(count) + 1):
        text = f"INV-{number:05d}"
        make_invoice(bank.organization, 10000 + 7 * number, number=text)
        make_line(bank, 10000 + 7 * number, description=f"{text} ANN LEE", reference=text)
    runs.propose(bank)
    client = sign_in(Client(), user)
    slug = bank.organization.slug
    matches = Match.objects.order_by("pk")
    paths = [reverse("reconciliation:confirmation", args=[slug, made.pk]) for made in matches]
    return {"session": client.cookies[settings.SESSION_COOKIE_NAME].value, "paths": paths}


def decided() -> list[list[Any]]:
    """Of each match: state, confirmed rows, entries, settled documents, confirmations, audit events."""
    found = []
    for made in Match.objects.order_by("pk"):
        audit = AuditEvent.objects.filter(action="match.confirmed", object_id=str(made.pk))
        entries = Entry.objects.filter(document=made.document) if made.document else Entry.objects.none()
        settled = Allocation.objects.filter(by=made.document) if made.document else Allocation.objects.none()
        counts = [rows.count() for rows in (entries, settled, made.confirmations.all(), audit)]
        found.append([made.state, made.rows.filter(confirmed=True).count(), *counts])
    return found

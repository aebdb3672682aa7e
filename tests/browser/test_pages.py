"""Every main page, wide and narrow, light and dark: fits its window, is accessible, says no errors."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from integrations.models import (
    ApiCall,
    Comparison,
    Counterpart,
    CounterpartLine,
    Delivery,
    Difference,
    Integration,
    Listed,
    NameMap,
    Quarantine,
    RawRecord,
    Stream,
    SyncRun,
    Upload,
)
from ledgerhub.access.models import AuditEvent, Organization, User
from ledgerhub.ledger.models import Account, Contact, Document, Entry, StatementLine
from reconciliation import backtest
from reconciliation.models import BulkApproval, BulkRow, Match, SignOff
from reconciliation.report import compile_report
from tests.browser.looks import faults
from tests.reconciliation.rules import make_rule

pytestmark = pytest.mark.browser

Find = Callable[[Organization], list[int | str]]


def _stream(organization: Organization, key: str) -> Stream:
    return Stream.objects.get(
        integration__organization=organization, integration__connector="shopify", key=key
    )


def _integration(organization: Organization) -> list[int | str]:
    return [Integration.objects.get(organization=organization, connector="stripe").pk]


def _run(organization: Organization) -> list[int | str]:
    return [SyncRun.objects.filter(stream=_stream(organization, "orders")).earliest("pk").pk]


def _upload(organization: Organization) -> list[int | str]:
    return [Upload.objects.filter(account__organization=organization).latest("pk").pk]


def _files(organization: Organization) -> list[int | str]:
    return [Integration.objects.get(organization=organization, connector="bank_file").pk]


def _orders(organization: Organization) -> list[int | str]:
    return [_stream(organization, "orders").pk]


def _cause(organization: Organization) -> list[int | str]:
    row = Quarantine.objects.filter(stream__integration__organization=organization).latest("pk")
    return [row.stream_id, row.cause]


def _quarantined(organization: Organization) -> list[int | str]:
    return [Quarantine.objects.filter(stream__integration__organization=organization).latest("pk").pk]


def _record(organization: Organization) -> list[int | str]:
    return [RawRecord.objects.filter(stream=_stream(organization, "orders")).latest("pk").pk]


def _call(organization: Organization) -> list[int | str]:
    return [ApiCall.objects.filter(integration__organization=organization).latest("pk").pk]


def _bank(organization: Organization) -> list[int | str]:
    return [Account.objects.get(organization=organization, role="bank", qualifier="").pk]


def _line(organization: Organization) -> list[int | str]:
    line = StatementLine.objects.filter(account__organization=organization).earliest("pk")
    return [line.account_id, line.pk]


def _match(organization: Organization) -> list[int | str]:
    return [Match.objects.filter(organization=organization).latest("pk").pk]


def _rule(organization: Organization) -> list[int | str]:
    """A bank rule, back-tested on the lines there are."""
    fees = Account.objects.get(organization=organization, role="bank_fees")
    version = make_rule(organization, fees, sign="out", state="proposed")
    version.backtest = backtest.run(version)
    version.save()
    return [version.rule_id, version.number]


def _bulk(organization: Organization) -> list[int | str]:
    """Everything from a half up approved at once; nobody need have done it."""
    act = BulkApproval.objects.create(account_id=_bank(organization)[0], least=0.5, expected_wrong=1.5)
    act.state, act.finished_at = BulkApproval.State.DONE, act.created_at
    act.save()
    made = Match.objects.filter(organization=organization, line__isnull=False).earliest("pk")
    assert made.line is not None
    row = {"bulk": act, "match": made, "line": made.line, "amount": made.line.amount, "probability": 0.9}
    BulkRow.objects.create(**row, state=BulkRow.State.DONE)
    BulkRow.objects.create(**row, state=BulkRow.State.FAILED, reason="It was matched otherwise meanwhile.")
    return [act.pk]


def _sign_off(organization: Organization) -> list[int | str]:
    """One that was reopened: it freezes nothing, and its page shows all there is."""
    account = Account.objects.select_related("organization").get(pk=_bank(organization)[0])
    day = StatementLine.objects.filter(account=account).earliest("date").date
    _, report = compile_report(account, day)
    figures = dict.fromkeys(("opening", "lines_total", "closing", "books", "outstanding"), 0)
    made = SignOff.objects.create(
        organization=organization, account=account, currency="USD", start=day, end=day,
        report=report.kept(), reopened_at=timezone.now(), reopen_reason="The rent was wrong", **figures,
    )  # fmt: skip
    return [made.pk]


def _destination(organization: Organization) -> list[int | str]:
    return [Integration.objects.get(organization=organization, connector="quickbooks").pk]


def _sales(organization: Organization) -> list[int | str]:
    return [Account.objects.get(organization=organization, role="sales").pk]


def _clearing(organization: Organization) -> list[int | str]:
    return [Account.objects.filter(organization=organization, role="clearing").latest("pk").pk]


def _entry(organization: Organization) -> list[int | str]:
    return [Entry.objects.filter(organization=organization).latest("pk").pk]


def _payout(organization: Organization) -> list[int | str]:
    return [Document.objects.filter(organization=organization, kind="payout").latest("pk").pk]


def _invoice(organization: Organization) -> list[int | str]:
    return [Document.objects.filter(organization=organization, kind="invoice").latest("pk").pk]


def _contact(organization: Organization) -> list[int | str]:
    return [Contact.objects.filter(organization=organization).latest("pk").pk]


def _event(organization: Organization) -> list[int | str]:
    return [AuditEvent.objects.filter(organization=organization).latest("pk").pk]


def _compared(organization: Organization) -> list[int | str]:
    """The demo's QuickBooks with names chosen, after a comparison that found something of each kind."""
    quick = Integration.objects.get(organization=organization, connector="quickbooks")
    if Comparison.objects.filter(integration=quick).exists():
        return [quick.pk]
    for code, name in (("1000", "Checking account"), ("4000", "Sales"), ("6400", "Rent or lease")):
        Listed.objects.create(integration=quick, what="account", external_id=code, name=name, code=code)
    for code in ("1000", "4000"):
        NameMap.objects.create(integration=quick, what="account", ours=code, theirs=code)
    bill = Counterpart.objects.create(
        integration=quick, external_id="Bill:101", kind="Bill", number="RENT-2026-10", ours=False,
        day=dt.date(2026, 10, 1), currency="USD", amount=180000, contact="Pier 9 Properties", fingerprint="x",
    )  # fmt: skip
    for at, amount in (("account:6400", 180000), ("account:1000", -180000)):
        CounterpartLine.objects.create(counterpart=bill, at=at, amount=amount)
    document = Document.objects.filter(organization=organization, kind="invoice").latest("pk")
    sent = Delivery.objects.create(
        integration=quick, document=document, kind="invoice", reference=f"LH-{document.pk}-1",
        key=uuid.uuid4(), state="failed", external_id="SalesReceipt:7", held_version="2",
        error="Somebody changed it over there since we delivered it: it says 118.50 USD.",
    )  # fmt: skip
    Comparison.objects.create(
        integration=quick,
        state="done",
        checked=3,
        missing=1,
        changed=1,
        foreign=1,
        finished_at=timezone.now(),
    )
    for kind, what in (
        ("missing", f"{document} ({sent.reference}) was deleted in QuickBooks Online by Dana Reed."),
        (
            "changed",
            "QuickBooks Online says 118.50 USD, delivered 108.50 USD; 4000 Sales: -118.50 USD there.",
        ),
        ("foreign", "Bill RENT-2026-10 of 2026-10-01, Pier 9 Properties: 1,800.00 USD. Posted there."),
    ):
        row = Difference(integration=quick, kind=kind, what=what, external_id=f"{kind}:1")
        row.document, row.delivery = (None, None) if kind == "foreign" else (document, sent)
        row.save()
    return [quick.pk]


def _nothing(organization: Organization) -> list[int | str]:
    return []


PAGES: dict[str, Find] = {
    "dashboard": _nothing,
    "search": _nothing,
    "reports": _nothing,
    "reconciliation:accounts": _nothing,
    "reconciliation:workspace": _bank,
    "reconciliation:line": _line,
    "reconciliation:decided": _bank,
    "reconciliation:duplicates": _bank,
    "reconciliation:queue": _nothing,
    "reconciliation:cancelling": _bank,
    "reconciliation:bulk": _bank,
    "reconciliation:bulk_approval": _bulk,
    "reconciliation:statements": _bank,
    "reconciliation:report": _bank,
    "reconciliation:sign_off": _sign_off,
    "reconciliation:weights": _nothing,
    "reconciliation:match": _match,
    "reconciliation:differences": _nothing,
    "reconciliation:difference_limits": _nothing,
    "reconciliation:rules": _nothing,
    "reconciliation:new_bank_rule": _nothing,
    "reconciliation:new_approval_rule": _nothing,
    "reconciliation:rule_version": _rule,
    "reconciliation:automatic": _nothing,
    "integrations:errors": _nothing,
    "integrations:cause": _cause,
    "integrations:quarantined": _quarantined,
    "integrations:integrations": _nothing,
    "integrations:catalogue": _nothing,
    "integrations:new_integration": lambda organization: ["stripe"],
    "integrations:integration": _integration,
    "integrations:integration_settings": _integration,
    "integrations:disconnection": _integration,
    "integrations:routes": _destination,
    "integrations:names": _destination,
    "integrations:deliveries": _destination,
    "integrations:uploads": _files,
    "integrations:upload": _upload,
    "integrations:runs": _nothing,
    "integrations:run": _run,
    "integrations:call": _call,
    "integrations:records": _nothing,
    "integrations:record": _record,
    "integrations:alerts": _nothing,
    "integrations:comparison": _compared,
    "integrations:totals": _compared,
    "integrations:totals_account": _compared,
    "integrations:mappings": _nothing,
    "integrations:mapping": _orders,
    "integrations:mapping_draft": _orders,
    "ledger:accounts": _nothing,
    "ledger:new_account": _nothing,
    "ledger:account": _sales,
    "ledger:statement_lines": _bank,
    "ledger:journal": _nothing,
    "ledger:entry": _entry,
    "ledger:new_entry": _nothing,
    "ledger:documents": _nothing,
    "ledger:document": _payout,
    "ledger:contacts": _nothing,
    "ledger:contact": _contact,
    "ledger:rates": _nothing,
    "ledger:trial_balance": _nothing,
    "ledger:profit_and_loss": _nothing,
    "ledger:balance_sheet": _nothing,
    "ledger:clearing": _nothing,
    "ledger:clearing_account": _clearing,
    "access:settings": _nothing,
    "access:audit": _nothing,
    "access:audit_event": _event,
    "access:people": _nothing,
    "access:invitations": _nothing,
}


ASKED = {
    "search": "?q=coffee",
    "integrations:totals_account": "?account=1000&month=2026-10-01&currency=USD",
}


@pytest.mark.parametrize("name", PAGES)
def test_page(visit: Callable[..., Page], harbor: Organization, owner: User, name: str) -> None:
    page = visit(owner)
    address = reverse(name, args=[harbor.slug, *PAGES[name](harbor)])
    answer = page.goto(f"{address}{ASKED.get(name, '')}")
    assert answer is not None
    assert answer.status == 200
    assert faults(page, name.replace(":", "-")) == []

"""The simulated business: sync, import the bank's statement, match; proposals against the true pairing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations import statements
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.events import Account as BankAccount
from integrations.sandbox.events import Business
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.statements import STYLES
from integrations.sandbox.systems.bank import months, period
from integrations.statements import ParsedLine, identities
from ledgerhub.access.models import Organization
from ledgerhub.core.money import to_minor
from ledgerhub.ledger import statement_lines
from ledgerhub.ledger.models import Account, Source, StatementLine
from reconciliation import runs
from reconciliation.models import Match
from tests.harbor import SOURCES, connect, found
from tests.integrations.limits import without_limits
from tests.jobs import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def unlimited(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    without_limits(monkeypatch)


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as server:
        yield server


@pytest.fixture
def harbor() -> Organization:
    return found()


def sync(organization: Organization, sandbox: SandboxServer) -> None:
    """Everything of every shop and processor into the books."""
    for key in SOURCES:
        connect(organization, sandbox, key)
    drain()


def import_lines(bank: Account, business: Business, *, clock: int) -> dict[int, str]:
    """The checking account's OFX files, month by month, overlapping; gives line pk -> the bank's own id."""
    [checking] = [account for account in business.accounts if account.id == "checking"]
    source = Source.objects.create(organization=bank.organization, key="bank", label="Bank file")
    known: dict[str, str] = {}
    for month in months(business, clock):
        known |= import_month(bank, source, STYLES["ofx2"].render(period(business, checking, month, clock)))
    assert isinstance(checking, BankAccount)
    pks = StatementLine.objects.filter(account=bank).values_list("pk", "identity")
    return {pk: known[identity] for pk, identity in pks}


def import_month(bank: Account, source: Source, data: bytes) -> dict[str, str]:
    [statement] = statements.read(data)
    marks = identities(statement.lines, bank.code)
    drafts = [draft(line, mark) for line, mark in zip(statement.lines, marks, strict=True)]
    statement_lines.store(bank, source, drafts, raw_record_ids=[None] * len(drafts))
    return {mark: line.provider_id for line, mark in zip(statement.lines, marks, strict=True)}


def draft(line: ParsedLine, identity: str) -> dict[str, object]:
    return {
        "external_id": identity,
        "date": line.date,
        "total": to_minor(line.amount, line.currency),
        "currency": line.currency,
        "description": line.description,
        "counterparty": line.counterparty,
        "reference": line.reference,
    }


def proposed(bank: Account, bank_ids: dict[int, str]) -> dict[str, set[str]]:
    """Bank's line id -> what is proposed for it, named as the truth names it."""
    found: dict[str, set[str]] = {}
    for made in Match.objects.filter(account=bank, state="proposed").prefetch_related("rows"):
        rows = made.rows.select_related("posting__entry__document", "document")
        things = {row.document or row.posting.entry.document for row in rows if row.document or row.posting}
        names = {f"{'payout' if thing.kind == 'payout' else 'order'}:{thing.external_id}" for thing in things}
        for row in rows:
            if row.statement_line_id:
                found[bank_ids[row.statement_line_id]] = names
    return found


def test_proposals_are_the_true_pairs(harbor: Organization, sandbox: SandboxServer) -> None:
    sync(harbor, sandbox)
    clock = sandbox.state.clock
    bank = Account.objects.select_related("organization").get(organization=harbor, role="bank", qualifier="")
    bank_ids = import_lines(bank, sandbox.business, clock=clock)
    runs.propose(bank)
    found = proposed(bank, bank_ids)
    true = {
        line: {answer for answer in answers if not answer.startswith("coded:")}
        for line, answers in truth.pairing(sandbox.business, clock=clock).items()
        if line in set(bank_ids.values())
    }
    right = {line for line, names in found.items() if names == true[line]}
    # Among them payouts netted with a negative one of the same day: one bank line that names only one.
    netted = {line for line, names in true.items() if len(names) > 1}
    assert netted
    assert {line for line, names in true.items() if names} == right
    assert set(found) == right
    assert len(right) > 70

"""Cin7 Core end to end: books to the cent, what is voided, whose books, limits, and on to other systems."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from integrations import answers, delivery, register, sync
from integrations.connectors import CONNECTORS
from integrations.connectors.cin7_core import DETAIL, connector
from integrations.mapping import MappingContext, compile_mapping
from integrations.models import Delivery, Integration, NameMap, Quarantine, RawRecord, Route, SyncRun
from integrations.records import Record
from integrations.register import Choice
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.buying import Buying, Purchase
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import cin7_core, quickbooks
from integrations.sandbox.systems.cin7_core import ACCOUNT_ID, API_KEY
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Contact, Document
from tests.harbor import enter_rates
from tests.integrations import quickbooks_company
from tests.integrations.limits import without_limits, without_pauses
from tests.integrations.sampled import NewBooks, booked, made_of, records_of
from tests.integrations.test_sandbox_books import balances
from tests.jobs import drain

SPECIFICATION = "vendor/cin7/openapi/cin7-core-v2.yaml"
EXAMPLE = "/get/responses/200/content/application~1json/examples/response/value"
ONE = "?ID={ID}&CombineAdditionalCharges={CombineAdditionalCharges}"
LIST = (
    "purchaseList?Page={Page}&Limit={Limit}&Search={Search}&RequiredBy={RequiredBy}&UpdatedSince={UpdatedSince}"
    "&OrderStatus={OrderStatus}&RestockReceivedStatus={RestockReceivedStatus}&InvoiceStatus={InvoiceStatus}"
    "&CreditNoteStatus={CreditNoteStatus}&UnstockStatus={UnstockStatus}&Status{Status}"
    "&DropShipTaskID={DropShipTaskID}"
)
NO_SUPPLIER = "Its line on account 2000 needs a supplier in QuickBooks, and it names none."
# Of the examples: a bill, and a credit note or two.
SIMPLE = [
    "2017-12-14 bill: code.715 900 RUB, payable -900 RUB",
    "2017-12-21 entry: code.2000 900 RUB, code.715 -200 RUB, code.715 -400 RUB, code.715 -300 RUB",
]
ADVANCED = [
    "2018-04-05 bill: code.715 84000 USD, payable -84000 USD",
    "2018-04-03 entry: code.2000 28000 USD, code.715 -28000 USD",
    "2018-04-03 entry: code.2000 28000 USD, code.715 -28000 USD",
]
pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Cin7:
    """The company over there, and the integration."""

    server: SandboxServer
    integration: Integration

    @property
    def facts(self) -> Buying:
        return self.server.business.of(Buying)

    @property
    def voided(self) -> Purchase:
        return next(one for one in self.facts.purchases if one.voided)

    def read(self) -> SyncRun:
        """All purchases once more; the first time the stream is switched on."""
        if not self.integration.streams.exists():
            register.activate(self.integration, [Choice("purchases")])
        sync.request_run(self.integration.streams.get(), trigger="person")
        drain()
        return SyncRun.objects.latest("pk")

    def true(self) -> dict[str, int]:
        return truth.balances(self.server.business, clock=self.server.state.clock, systems=["cin7_core"])


@pytest.fixture
def there(organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cin7]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    install_chart(organization)
    enter_rates(organization)
    without_limits(monkeypatch, "cin7_core", "quickbooks")
    without_pauses(monkeypatch)
    with running(simulate(7, orders=60)) as server:
        given = {**cin7_core.system.secrets, "base_url": server.address + cin7_core.system.base}
        yield Cin7(server, register.create(organization, "cin7_core", name="Buying", settings=given))


# ── books ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_books_are_the_truth_to_the_cent(there: Cin7, organization: Organization) -> None:
    assert there.read().state == "succeeded"
    assert [(q.external_id, q.cause_label) for q in Quarantine.objects.all()] == []
    assert balances(organization) == there.true()
    assert set(there.true()) == {"inventory", "supplies", "postage", "tax_receivable", "payable"}
    again = there.read()
    assert (again.state, again.new, again.changed) == ("succeeded", 0, 0)
    people = Contact.objects.filter(organization=organization, is_supplier=True, is_customer=False)
    known = there.facts.contacts(there.server.state.clock)
    assert sorted(people.values_list("name", flat=True)) == sorted(known.values())


def test_payments_are_left_to_the_bank(there: Cin7) -> None:
    there.read()
    assert any(bill.paid for one in there.facts.purchases for bill in one.bills)
    assert {*Document.objects.values_list("kind", flat=True)} == {"bill", "journal_entry"}


def test_what_is_voided_leaves_the_books(there: Cin7, organization: Organization) -> None:
    end, bill = there.server.state.clock, there.voided.bills[0]
    there.server.state.move(bill.at + 60)
    there.read()
    assert Document.objects.get(external_id=bill.id).status != "void"
    assert balances(organization) == there.true()
    there.server.state.move(end)
    there.read()
    assert Document.objects.get(external_id=bill.id).status == "void"
    assert balances(organization) == there.true()


def test_what_is_not_authorised_is_no_document(there: Cin7) -> None:
    there.read()
    [draft] = [one for one in there.facts.purchases if not any(bill.at for bill in one.bills)]
    assert not Document.objects.filter(external_id=draft.bills[0].id).exists()
    assert RawRecord.objects.filter(external_id=draft.id).exists()


# ── the vendor's own purchases ──────────────────────────────────────────────────────────────────────


class TheirChart(NewBooks):
    """Books with every account that the vendor's examples name."""

    def account(self, by: str, value: str) -> str | None:
        return value if by == "code" else super().account(by, value)


@pytest.mark.parametrize(
    ("path", "kind", "entries"),
    [
        ("purchase", "Simple Purchase", SIMPLE),
        ("advanced-purchase", "Advanced Purchase", ADVANCED),
    ],
)
def test_the_vendors_purchases_are_booked(path: str, kind: str, entries: list[str], reference: Path) -> None:
    told = example(f"{path}{ONE}", reference)
    record: Record = {**told, "Type": kind, "parts": answers.records_in(told, DETAIL, "Cin7")}
    stream = connector.stream("purchases")
    context = MappingContext(timezone="America/New_York", lookups=TheirChart())
    drafts, errors, invalid = made_of(stream, compile_mapping(stream.outputs, context), record)
    assert (errors, invalid) == ([], [])
    assert booked(drafts) == entries


def example(path: str, reference: Path) -> Record:
    [told] = records_of({"file": SPECIFICATION, "at": f"/paths/~1{path}{EXAMPLE}"}, None, reference)
    return told


def unlike(ours: Any, theirs: Any, place: str = "") -> list[str]:
    """Where an answer is built in another way than the vendor's example of it."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        strange = [f"{place}.{name}" for name in ours if name not in theirs]
        known = [unlike(ours[name], theirs[name], f"{place}.{name}") for name in ours if name in theirs]
        return strange + [one for found in known for one in found]
    if isinstance(ours, list) and isinstance(theirs, list):
        return [one for row in ours for one in unlike(row, theirs[0], f"{place}[]")] if theirs else []
    number = (int, float, Decimal)
    alike = type(ours) is type(theirs) or (isinstance(ours, number) and isinstance(theirs, number))
    return [] if alike or ours is None or theirs is None else [place]


def test_the_sandbox_answers_as_the_vendors_examples_are_built(reference: Path) -> None:
    """Prism finds no such calls in the specification, whose paths carry query strings."""
    business = simulate(7, orders=60)
    listed = example(LIST, reference)["PurchaseList"][0]
    single = {
        False: example(f"purchase{ONE}", reference),
        True: example(f"advanced-purchase{ONE}", reference),
    }
    for one in business.of(Buying).purchases:
        if one.ordered <= business.clock:
            assert unlike(cin7_core.header(one, business.clock), listed) == []
            assert unlike(cin7_core.detail(one, business.clock), single[one.advanced]) == []
    assert unlike({"ID": 1, "Id": ""}, listed) == [".Id", ".ID"]


# ── keys, limits, whose books ───────────────────────────────────────────────────────────────────────


def test_wrong_keys_are_said_as_such(there: Cin7, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cin7_core, "API_KEY", "another by now")
    assert register.test_connection(there.integration) == (
        False,
        "Cin7 Core does not allow this with the access it was given (403). Check account ID and application "
        "key.",
    )


def test_it_is_known_whose_company_it_is_without_telling_the_account_id(there: Cin7) -> None:
    assert register.test_connection(there.integration) == (True, "Connected to Harbor Coffee Co.")
    there.integration.refresh_from_db()
    assert (there.integration.owner_name, len(there.integration.owner_key)) == ("Harbor Coffee Co.", 12)
    told = [str(row) for row in there.integration.calls.values("url", "detail")]
    assert told
    assert [row for row in told if ACCOUNT_ID in row or API_KEY in row] == []


def test_a_limit_that_is_reached_is_waited_for(there: Cin7) -> None:
    there.server.state.faults.append(Fault("cin7_core", "status", path="/purchase", status=503, skip=3))
    run = there.read()
    assert run.state == "succeeded"
    assert 503 in set(there.integration.calls.values_list("status", flat=True))
    assert balances(there.integration.organization) == there.true()


def test_its_own_limit_is_kept_and_lets_a_person_see_the_first_page(
    there: Cin7, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixty calls in any minute, at most; the preview waits for none of those it makes."""
    limits = connector.limits
    assert limits.burst + 60 * limits.per_second <= 60
    monkeypatch.setitem(CONNECTORS, "cin7_core", connector)
    assert register.test_connection(there.integration)[0]
    found = register.preview(there.integration, connector.stream("purchases"), since=None)
    assert {draft["kind"] for one in found for _, draft in one.drafts} >= {"bill"}


# ── on to other systems ─────────────────────────────────────────────────────────────────────────────


def test_bills_arrive_in_quickbooks(there: Cin7, organization: Organization) -> None:
    server = there.server
    server.state.settings["quickbooks_limits"] = quickbooks_company.NO_LIMITS
    made = quickbooks_company.connected(organization, server.address, quickbooks.issue(server.state))
    there.read()
    Route.objects.all().delete()
    source = there.integration.streams.get().source
    Route.objects.create(destination=made, source=source, start_date=dt.date(2000, 1, 1))
    named = set(NameMap.objects.filter(what="account").values_list("ours", flat=True))
    other = NameMap.objects.get(what="account", ours="6900").theirs
    for account in Account.objects.filter(organization=organization).exclude(code__in=named):
        NameMap.objects.create(integration=made, what="account", ours=account.code, theirs=other)
    for _ in range(3):
        delivery.run_slice(made.pk)
    books: Any = quickbooks.company(server.state).books
    vendors = {key: row["DisplayName"] for key, row in books.rows["Vendor"].items()}
    stands = {
        (vendors[row["VendorRef"]["value"]], Decimal(str(row["TotalAmt"]))) for row in books.standing("Bill")
    }
    bills = Document.objects.filter(kind="bill").exclude(status="void").select_related("contact")
    assert stands == {(row.contact.name, Decimal(row.total).scaleb(-2)) for row in bills if row.contact}
    assert {*Delivery.objects.values_list("document__kind", "state", "error")} == {
        ("bill", "delivered", ""),
        ("journal_entry", "failed", NO_SUPPLIER),
    }

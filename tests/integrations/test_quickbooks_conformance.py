"""QuickBooks by the derived specification: what we send and what the sandbox answers, through Prism."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations import naming
from integrations.models import Delivery, NameMap
from integrations.sandbox import bookkeeper
from integrations.sandbox.systems import quickbooks
from ledgerhub.access.models import User
from tests.integrations.comparing_there import compare
from tests.integrations.delivering import book, deliver, sell, withdraw
from tests.integrations.quickbooks_company import There, there
from tests.integrations.test_conformance import held_to, prism_command
from tests.ledger.drafts import document, line, payment, payout, refund

pytestmark = [pytest.mark.conformance, pytest.mark.django_db]
SPECIFICATION = "vendor/quickbooks/qbo-v3.derived.openapi.json"

__all__ = ["there"]


@pytest.fixture
def checked(reference: Path, there: There) -> Iterator[There]:
    """The integration speaks to the sandbox through a proxy that refuses what is not as specified."""
    specification = reference / SPECIFICATION
    if not specification.exists():
        pytest.skip(f"no specification at {specification}")
    upstream = f"{there.server.address}{quickbooks.system.base}"
    with held_to((prism_command(), str(specification)), upstream) as address:
        there.integration.settings = {**there.integration.settings, "base_url": address}
        there.integration.save(update_fields=["settings"])
        yield there


def test_every_entity_by_itself_and_in_a_batch(checked: There) -> None:
    integration = checked.integration
    drafts = [
        payment(external_id="p1", customer={"external_id": "7", "name": "Ann Lee"}),
        refund(external_id="r1"),
        document("credit_note", external_id="c1", total=1085, tax=85),
        document("bill", external_id="b1", total=5000, lines=[line(5000, account="6900")]),
        payment(external_id="p2", invoice="5001"),
        document("bill_payment", external_id="bp1", total=5000, bill="b1"),
        payout(external_id="o1"),
        document("fee", external_id="f1", total=59, gateway="stripe"),
    ]
    sell(integration)
    deliver(integration)
    sell(integration, status="open", tenders=[])
    deliver(integration)
    for draft in drafts:
        book(integration, draft)
        deliver(integration)
    for number in range(3):
        sell(integration, id=f"9{number}", customer={"external_id": f"9{number}", "name": f"Person {number}"})
    deliver(integration)
    assert list(Delivery.objects.exclude(state="delivered").values_list("kind", "action", "error")) == []
    kinds = {name for name, rows in checked.books.rows.items() if rows}
    assert kinds >= {"SalesReceipt", "Invoice", "Payment", "RefundReceipt", "CreditMemo", "Bill",
                     "BillPayment", "Transfer", "JournalEntry", "Customer", "Vendor"}  # fmt: skip


def test_accounts_and_products_are_made(checked: There, admin: User) -> None:
    sell(checked.integration)
    NameMap.objects.filter(ours__in=["1100", "4000"]).delete()
    for name in ("Account", "Item"):
        checked.books.rows[name].clear()
    asked = [one for one in naming.wanted(checked.integration) if one.key in ("1100", "4000")]
    changed, problems = naming.make(checked.integration, asked, user=admin, patience=5)
    assert (sorted(changed), problems) == (["account 1100", "account 4000", "item 4000"], [])


def test_a_credit_note_is_given_to_its_invoice_and_taken_back(checked: There) -> None:
    sell(checked.integration, status="open", tenders=[])
    draft = document("credit_note", external_id="c1", total=1085, tax=85, invoice="5001")
    credited = book(checked.integration, draft)
    deliver(checked.integration)
    [invoice] = checked.books.standing("Invoice")
    assert invoice["Balance"] == 97.65
    withdraw(credited)
    deliver(checked.integration)
    assert list(Delivery.objects.exclude(state="delivered").values_list("action", "error")) == []
    assert [row["Balance"] for row in checked.books.standing()] == [108.5]


def test_what_stands_there_is_listed_and_asked_for(checked: There) -> None:
    """The queries by time, the batches of queries by id, with documents of ours and of other people."""
    sell(checked.integration)
    sell(checked.integration, id="2", status="open", tenders=[])
    deliver(checked.integration)
    bookkeeper.work(checked.server.business, checked.books, "post", day=dt.date(2026, 4, 15))
    bookkeeper.work(checked.server.business, checked.books, "delete")
    row = compare(checked.integration)
    assert (row.state, row.checked, row.missing, row.changed, row.foreign) == ("done", 2, 1, 0, 4), row.error

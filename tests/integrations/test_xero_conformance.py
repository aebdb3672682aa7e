"""Xero by its own specification: what we send and what the sandbox answers, through Prism."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations import naming
from integrations.models import Delivery
from integrations.sandbox.systems import xero
from tests.integrations.comparing_there import compare, differences
from tests.integrations.delivering import book, deliver, sale, sell, withdraw
from tests.integrations.test_conformance import held_to, prism_command
from tests.integrations.xero_company import There, there
from tests.ledger.drafts import document, journal, line, payment, payout, refund, tender

pytestmark = [pytest.mark.conformance, pytest.mark.django_db]
SPECIFICATION = "vendor/xero/xero_accounting.yaml"

__all__ = ["there"]


@pytest.fixture
def checked(reference: Path, there: There, tmp_path: Path) -> Iterator[There]:
    """The integration speaks to the sandbox through a proxy that refuses what is not as specified."""
    given = reference / SPECIFICATION
    if not given.exists():
        pytest.skip(f"no specification at {given}")
    # Prism knows no part of the path in front of those that are specified.
    specification = tmp_path / "xero.yaml"
    specification.write_text(re.sub(r"^  /(?=\w+)", "  /api.xro/2.0/", given.read_text(), flags=re.M))
    upstream = f"{there.server.address}{xero.system.base}"
    with held_to((prism_command(), str(specification)), upstream) as address:
        there.integration.settings = {**there.integration.settings, "base_url": address}
        there.integration.save(update_fields=["settings"])
        yield there


def test_every_form_by_itself_and_in_a_batch(checked: There) -> None:
    integration = checked.integration
    naming.refresh(integration, patience=1)
    sell(integration)
    sell(integration, id="2", status="open", tenders=[])
    assert set(deliver(integration)) == {"delivered"}
    drafts = [
        payment(external_id="p1", invoice="none"),
        payment(external_id="p2", total=10850, invoice="2"),
        refund(external_id="r1"),
        document("credit_note", external_id="c1", total=1085, tax=85),
        document("bill", external_id="b1", total=5000, lines=[line(5000, account="6900")]),
        document("bill_payment", external_id="bp1", total=5000, bill="b1"),
        payout(external_id="o1"),
        document("fee", external_id="f1", total=59, gateway="stripe"),
        journal(("6900", 700), ("4900", -700), external_id="j1"),
    ]
    for draft in drafts:
        book(integration, draft)
        deliver(integration)
    for number in range(3, 6):
        sell(integration, id=f"{number}", customer={"external_id": f"9{number}", "name": f"Person {number}"})
    deliver(integration)
    left = Delivery.objects.exclude(state="delivered").values_list("kind", "action", "error")
    assert list(left) == []
    assert all(checked.books.rows[name] for name in (*xero.DOCUMENTS, "Contacts"))


def test_changes_and_what_is_taken_back(checked: There) -> None:
    """All but bank transactions: to delete one, the vendor's words ask for less than its specification."""
    integration = checked.integration
    sold = sell(integration, status="open", tenders=[])
    moved = book(integration, payout(external_id="o1"))
    written = book(integration, journal(("6900", 700), ("4900", -700), external_id="j1"))
    deliver(integration)
    sell(integration, 9900, status="open", tenders=[])
    deliver(integration)
    for each in (sold, moved, written):
        withdraw(each)
    deliver(integration)
    left = Delivery.objects.exclude(state="delivered").values_list("kind", "action", "error")
    assert list(left) == []
    assert checked.books.standing() == []


def test_what_goes_in_parts(checked: There) -> None:
    """A sale paid in part and over two banks, a refund over two, a credit note given to its invoice, each
    taken back again; and what is listed of them."""
    integration = checked.integration
    both = [tender(1000), tender(85, gateway="shopify_payments", id="t2")]
    part_paid = sell(integration, tenders=[tender(4000)])
    drafts = [
        sale(1085, "2", tenders=both),
        refund(external_id="r1", tenders=both),
        document("credit_note", external_id="c1", total=1085, tax=85, invoice="5001"),
    ]
    booked = [part_paid, *(book(integration, draft) for draft in drafts)]
    for _ in range(6):
        deliver(integration, later=True)
    forms = {row.external_id.partition(":")[0] for row in Delivery.objects.filter(part__gt=0)}
    assert forms == {"Payment", "Allocation"}
    assert (compare(integration).state, differences(integration)) == ("done", [])
    for each in booked:
        withdraw(each)
    for _ in range(6):
        deliver(integration, later=True)
    left = Delivery.objects.exclude(state="delivered").values_list("kind", "action", "error")
    assert list(left) == []
    assert checked.books.standing() == []


def test_what_stands_there_is_listed(checked: There) -> None:
    """Every list by its page, with what changed since."""
    for number in range(2):
        sell(checked.integration, id=str(number))
    book(checked.integration, payout(external_id="o1"))
    deliver(checked.integration)
    row = compare(checked.integration)
    assert (row.state, row.checked, differences(checked.integration)) == ("done", 3, []), row.error

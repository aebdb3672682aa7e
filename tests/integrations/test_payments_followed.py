"""A destination that follows payments: told of what settles, credits and gives back, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations import connectors, outbox
from integrations.destination import Parcel, Write
from integrations.models import Delivery, Integration, Route
from ledgerhub.access.models import User
from ledgerhub.ledger import documents, invoice_payments, posting
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.models import Account, Allocation, ContactIdentity, Document, ExchangeRate, Source
from tests.integrations.delivering import deliver, sell
from tests.integrations.test_destination_pages import SignedIn, url
from tests.integrations.tiny_books import INVOICE, TinyBooks, connector
from tests.ledger.drafts import DAY
from tests.ledger.drafts import document as drafted

pytestmark = pytest.mark.django_db


def _body(parcel: Parcel) -> dict[str, Any]:
    assert parcel.paid is not None
    return {
        "ref": parcel.reference,
        "total": parcel.paid.open,
        "word": parcel.paid.word,
        "who": parcel.contact,
    }


TOLD = replace(
    INVOICE,
    create=lambda parcel: Write("/docs", _body(parcel)),
    update=lambda parcel: Write(f"/docs/{parcel.made.id}", _body(parcel)),  # type: ignore[union-attr]
    follows_payments=True,
)


@pytest.fixture
def crm(destination: Integration, monkeypatch: pytest.MonkeyPatch) -> Integration:
    """The tests' other books as a system that keeps none and makes contacts only where it may."""
    spec = connector()
    assert spec.destination is not None
    takes = replace(spec.destination, takes=(TOLD,), keeps_books=False, makes_contacts="make_contacts")
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", replace(spec, destination=takes))
    destination.settings = {**destination.settings, "make_contacts": True}
    destination.save(update_fields=["settings"])
    return destination


def owe(integration: Integration, total: int = 10_000, **changes: Any) -> Document:
    return sell(integration, total, status="open", tenders=[], **changes)


def book(integration: Integration, kind: str, **fields: Any) -> Document:
    """Another document of the shop."""
    draft = drafted(kind, **fields)
    source = Source.objects.get(key="shop")
    [stored] = documents.store(integration.organization, source, [Incoming(kind, draft)], scope="shop")
    posting.post_document(stored.document, draft)
    return stored.document


def settle(invoice: Document, amount: int, *, id: str) -> None:
    """A payment that a person matched with the invoice."""
    by = book_payment(invoice, amount, id)
    account = Account.objects.get(organization=invoice.organization, role="receivable")
    Allocation.objects.create(
        organization=invoice.organization, document=invoice, by=by, account=account, amount=amount
    )
    documents.touch([invoice.pk])


def book_payment(invoice: Document, amount: int, id: str) -> Document:
    draft = drafted("payment", external_id=id, total=amount, gateway="manual")
    [stored] = documents.store(
        invoice.organization, invoice.source, [Incoming("payment", draft)], scope="shop"
    )
    posting.post_document(stored.document, draft)
    return stored.document


def words(tiny_books: TinyBooks) -> list[tuple[str, int]]:
    return [(doc["word"], doc["total"]) for doc in tiny_books.docs.values()]


def test_what_settles_an_invoice_is_told_and_nothing_twice(crm: Integration, tiny_books: TinyBooks) -> None:
    invoice = owe(crm)
    deliver(crm)
    assert words(tiny_books) == [("open", 10_000)]
    settle(invoice, 4_000, id="p1")
    deliver(crm)
    assert words(tiny_books) == [("part paid", 6_000)]
    settle(invoice, 6_000, id="p2")
    deliver(crm)
    assert words(tiny_books) == [("paid", 0)]
    asked = len(tiny_books.asked)
    assert [outbox.plan(crm) for _ in range(2)] == [0, 0]
    deliver(crm)
    assert len(tiny_books.asked) == asked
    Allocation.objects.all().delete()
    documents.touch([invoice.pk])
    deliver(crm)
    assert words(tiny_books) == [("open", 10_000)]


@pytest.mark.parametrize("named", ["5001", "#5001"])
def test_a_credit_note_that_names_it_lowers_what_is_open(
    crm: Integration, tiny_books: TinyBooks, named: str
) -> None:
    owe(crm, number="#5001")
    deliver(crm)
    book(crm, "credit_note", external_id="c1", total=10_000, invoice=named)
    deliver(crm)
    assert words(tiny_books) == [("credited", 0)]


def test_a_refund_that_names_it_is_told(crm: Integration, tiny_books: TinyBooks) -> None:
    sell(crm, 10_000)
    deliver(crm)
    book(crm, "refund", external_id="r1", total=2_500, gateway="stripe", invoice="5001")
    deliver(crm)
    assert words(tiny_books) == [("part refunded", 0)]
    book(crm, "refund", external_id="r2", total=7_500, gateway="stripe", invoice="5001")
    deliver(crm)
    assert words(tiny_books) == [("refunded", 0)]


def test_what_does_not_stand_or_names_another_counts_for_nothing(crm: Integration) -> None:
    invoice = owe(crm)
    book(crm, "refund", external_id="r1", total=2_500, gateway="stripe", invoice="5001", status="pending")
    book(crm, "credit_note", external_id="c1", total=100, invoice="5002")
    ExchangeRate.objects.create(organization=crm.organization, currency="EUR", date=DAY, rate="1.1")
    book(crm, "credit_note", external_id="c2", total=100, invoice="5001", currency="EUR")
    state = invoice_payments.of(invoice)
    assert (state.open, state.credited, state.refunded, state.word) == (10_000, 0, 0, "open")


def test_a_credit_note_that_is_allocated_counts_once(crm: Integration) -> None:
    invoice = owe(crm)
    credit = book(crm, "credit_note", external_id="c1", total=4_000, invoice="5001")
    account = Account.objects.get(organization=invoice.organization, role="receivable")
    Allocation.objects.create(
        organization=invoice.organization, document=invoice, by=credit, account=account, amount=4_000
    )
    state = invoice_payments.of(invoice)
    assert (state.open, state.credited, state.paid, state.word) == (6_000, 4_000, 0, "open")


def test_who_is_not_there_and_may_not_be_made_is_left_out_until_known(
    crm: Integration, tiny_books: TinyBooks
) -> None:
    crm.settings = {**crm.settings, "make_contacts": False}
    crm.save(update_fields=["settings"])
    invoice = owe(crm)
    assert deliver(crm) == ["dismissed"]
    assert (
        Delivery.objects.get().error
        == "Ann Lee is not a contact in Tiny Books, and contacts are not made there."
    )
    assert (tiny_books.docs, tiny_books.people, outbox.plan(crm)) == ({}, {}, 0)
    ContactIdentity.objects.create(
        contact_id=invoice.contact_id,
        scope=f"integration:{crm.pk}",
        external_id="p7",
        organization=crm.organization,
    )
    assert deliver(crm) == ["dismissed", "delivered"]
    assert tiny_books.docs["d1"]["who"] == "p7"
    assert outbox.plan(crm) == 0


def test_who_was_left_out_goes_once_contacts_may_be_made(crm: Integration, tiny_books: TinyBooks) -> None:
    crm.settings = {**crm.settings, "make_contacts": False}
    crm.save(update_fields=["settings"])
    owe(crm)
    assert deliver(crm) == ["dismissed"]
    crm.settings = {**crm.settings, "make_contacts": True}
    crm.save(update_fields=["settings"])
    assert deliver(crm) == ["dismissed", "delivered"]
    assert tiny_books.people == {"p1": "Ann Lee"}


def test_a_person_who_left_it_out_is_not_overruled(crm: Integration, approver: User) -> None:
    crm.settings = {**crm.settings, "make_contacts": False}
    crm.save(update_fields=["settings"])
    owe(crm)
    deliver(crm)
    Delivery.objects.update(decided_by=approver)
    crm.settings = {**crm.settings, "make_contacts": True}
    crm.save(update_fields=["settings"])
    assert outbox.plan(crm) == 0


def test_the_pages_of_a_destination_without_books(
    crm: Integration, approver: User, signed_in: SignedIn
) -> None:
    """No names to choose, no summaries, and only sources that bring what it takes."""
    owe(crm)
    other = Source.objects.create(organization=crm.organization, key="bank", label="Bank")
    client = signed_in(approver)
    page = client.get(url("routes", crm.pk))
    assert [row.name for rows in page.context["groups"].values() for row in rows] == ["Shop"]
    assert (page.context["modes"], [tab["label"] for tab in page.context["tabs"]]) == (
        [], ["Deliveries", "What goes there"],
    )  # fmt: skip
    assert "follow what becomes of them here" in page.content.decode()
    source = Source.objects.get(key="shop")
    sent = {f"on-{source.pk}": "on", f"start-{source.pk}": "2026-03-01", f"mode-{source.pk}": "daily"}
    response = client.post(
        url("routes", crm.pk), {**sent, f"on-{other.pk}": "on", f"start-{other.pk}": "2026-03-01"}
    )
    assert response["Location"] == url("deliveries", crm.pk)
    assert list(Route.objects.values_list("source__key", "mode")) == [("shop", "each")]
    assert client.get(url("names", crm.pk)).status_code == 404
    assert client.post(url("name_lists", crm.pk)).status_code == 404
    deliveries = client.get(url("deliveries", crm.pk))
    assert deliveries.context["missing"] == 0
    assert "Names" not in client.get(url("integration", crm.pk)).content.decode()

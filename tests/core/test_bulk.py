"""Plain inserts write what the ORM would: values, keys, constraints."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from ledgerhub.access.models import Organization
from ledgerhub.core import bulk
from ledgerhub.ledger.models import Contact, ContactIdentity, Document, DocumentLine, Source

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
LINE = ("document_id", "section", "position", "external_id", "description", "category", "source_ref", "sku",
        "quantity", "unit_price", "amount", "tax", "fee", "net", "date")  # fmt: skip


@pytest.fixture
def source(organization: Organization) -> Source:
    return Source.objects.create(organization=organization, key="s", label="S")


def document(source: Source, order: int, **fields: Any) -> Document:
    made = Document(
        organization_id=source.organization_id,
        source_id=source.pk,
        output="invoice",
        external_id=str(order),
        kind="invoice",
        date=dt.date(2026, 3, 2),
        currency="USD",
        **{"data": {"n": order}, "total": order, **fields},
    )
    bulk.stamp([made], "created_at", "updated_at")
    return made


def line(document_id: int, position: int, **fields: Any) -> bulk.Values:
    values = dict.fromkeys(LINE, "") | {"document_id": document_id, "section": "lines", "position": position}
    values |= {"quantity": None, "unit_price": None, "amount": 0, "tax": 0, "fee": 0, "net": 0, "date": None}
    return tuple((values | fields)[name] for name in LINE)


def test_insert_writes_every_kind_of_value_and_sets_keys(source: Source) -> None:
    rows = [
        document(source, 1, occurred_at=NOON, due_date=dt.date(2026, 4, 1)),
        document(source, 2, number="é'\"%s"),
    ]
    bulk.insert(rows)
    first, second = Document.objects.order_by("pk")
    assert ([row.pk for row in rows], rows[0]._state.adding) == ([first.pk, second.pk], False)
    assert (first.occurred_at, first.due_date, first.date) == (NOON, dt.date(2026, 4, 1), dt.date(2026, 3, 2))
    assert (first.data, first.total, first.contact_id, first.number) == ({"n": 1}, 1, None, "")
    assert (second.number, second.occurred_at) == ("é'\"%s", None)
    assert first.created_at == first.updated_at == rows[0].created_at


def test_json_that_is_text_already_is_stored_as_it_is(source: Source) -> None:
    bulk.insert([document(source, 1, data='{"n":1,"d":"2026-03-02"}')])
    assert Document.objects.get().data == {"n": 1, "d": "2026-03-02"}


def test_more_rows_than_a_statement_takes_keep_their_order(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_PARAMETERS", 60)
    rows = [document(source, number) for number in range(25)]
    bulk.insert(rows)
    assert dict(Document.objects.values_list("pk", "external_id")) == {
        row.pk: row.external_id for row in rows
    }


def test_nothing_is_nothing() -> None:
    bulk.insert([])
    bulk.write(DocumentLine, LINE, [])
    assert DocumentLine.objects.count() == 0


def test_constraints_hold(source: Source) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert([document(source, 1), document(source, 1)])
    assert Document.objects.count() == 0


def test_write_adapts_dates_and_decimals(source: Source) -> None:
    owner = document(source, 1)
    bulk.insert([owner])
    price = {"quantity": Decimal("2"), "unit_price": Decimal("0.333333"), "date": dt.date(2026, 3, 2)}
    bulk.write(DocumentLine, LINE, [line(owner.pk, 0, sku="M1", amount=-5, **price), line(owner.pk, 1)])
    first, second = DocumentLine.objects.order_by("position")
    assert (first.quantity, first.unit_price) == (Decimal("2"), Decimal("0.333333"))
    assert (first.date, first.sku, first.amount) == (dt.date(2026, 3, 2), "M1", -5)
    assert (second.quantity, second.date, second.description) == (None, None, "")


def test_write_leaves_what_is_there_where_it_is_asked_to(organization: Organization) -> None:
    contacts = [Contact(organization_id=organization.pk, name=name) for name in ("Ann", "Bea")]
    bulk.stamp(contacts, "created_at")
    bulk.insert(contacts)
    names = ("organization_id", "contact_id", "scope", "external_id")
    rows = [(organization.pk, contact.pk, "shop", "7") for contact in contacts]
    bulk.write(ContactIdentity, names, rows[:1])
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.write(ContactIdentity, names, rows[1:])
    bulk.write(ContactIdentity, names, rows[1:], ignore_conflicts=True)
    assert [identity.contact_id for identity in ContactIdentity.objects.all()] == [contacts[0].pk]


def test_update_writes_the_named_values_alone(source: Source) -> None:
    rows = [document(source, 1), document(source, 2)]
    bulk.insert(rows)
    for row in rows:
        row.data, row.total, row.due_date, row.number = {"é": [1.5]}, -row.pk, NOON.date(), "not written"
    bulk.update(rows, ["data", "total", "due_date"])
    bulk.update([], ["total"])
    columns = ("data", "total", "due_date", "number")
    assert list(Document.objects.order_by("pk").values_list(*columns)) == [
        ({"é": [1.5]}, -row.pk, NOON.date(), "") for row in rows
    ]

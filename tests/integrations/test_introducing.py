"""Parties that are not known over there are looked for together and made together, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest

from integrations.models import ApiCall, Delivery, NameMap
from tests.integrations import quickbooks_company, xero_company
from tests.integrations.delivering import book, deliver, sell
from tests.ledger.drafts import document, line

pytestmark = pytest.mark.django_db

books = pytest.fixture(name="books")(quickbooks_company.there.__wrapped__)  # type: ignore[attr-defined]
tenant = pytest.fixture(name="tenant")(xero_company.there.__wrapped__)  # type: ignore[attr-defined]
NAMES = ["Ann Lee", "Conor O'Brien", 'Flo "The Bean" Ito', "Bo\\Ek", "Smith AND Sons OR Co"]


def customers(names: Iterable[str], first: int = 1) -> list[dict[str, str]]:
    return [{"external_id": str(first + number), "name": name} for number, name in enumerate(names)]


def calls() -> Counter[str]:
    """Requests by the last part of their address."""
    return Counter(urlsplit(call.url).path.rpartition("/")[2] for call in ApiCall.objects.all())


def test_quickbooks_is_asked_once_and_told_once(books: quickbooks_company.There) -> None:
    """One is there already, the others are made; then nobody is asked for again."""
    books.books.put("Customer", {"DisplayName": "Conor O'Brien"})
    for number, customer in enumerate(customers(NAMES)):
        sell(books.integration, id=str(number), customer=customer)
    ApiCall.objects.all().delete()
    assert set(deliver(books.integration)) == {"delivered"}
    assert sorted(row["DisplayName"] for row in books.books.rows["Customer"].values()) == sorted(NAMES)
    assert calls() == {"query": 1, "batch": 2}
    for number, customer in enumerate(customers(NAMES)):
        sell(books.integration, id=f"1{number}", customer=customer)
    assert set(deliver(books.integration)) == {"delivered"}
    assert calls() == {"query": 1, "batch": 3}


def test_quickbooks_suppliers_and_customers_of_one_name(books: quickbooks_company.There) -> None:
    """They share one space of names: the second is refused in the batch, and gets a suffix alone."""
    sell(books.integration, customer={"external_id": "7", "name": "Ann Lee"})
    bill = document("bill", external_id="b1", total=5000, lines=[line(5000, account="6900")])
    book(books.integration, {**bill, "supplier": {"external_id": "9", "name": "Ann Lee"}})
    assert deliver(books.integration) == ["delivered", "delivered"]
    assert [row["DisplayName"] for row in books.books.rows["Customer"].values()] == ["Ann Lee"]
    assert [row["DisplayName"] for row in books.books.rows["Vendor"].values()] == ["Ann Lee (supplier)"]


def test_xero_is_asked_once_and_told_once(tenant: xero_company.There) -> None:
    """Names that cannot be asked for together, and one that is there in other capitals, go one by one."""
    tenant.books.put("Contacts", {"Name": "Conor O'Brien"})
    tenant.books.put("Contacts", {"Name": "ANN LEE"})
    for number, customer in enumerate(customers(NAMES)):
        sell(tenant.integration, id=str(number), customer=customer)
    ApiCall.objects.all().delete()
    assert set(deliver(tenant.integration)) == {"delivered"}
    names = sorted(row["Name"] for row in tenant.books.rows["Contacts"].values())
    assert names == sorted(["ANN LEE", *NAMES[1:]])
    assert calls() == {"Contacts": 3, "BankTransactions": 1}, "asked, made, and Ann Lee found alone"


def test_a_lost_answer_makes_nobody_twice(books: quickbooks_company.There) -> None:
    for number, customer in enumerate(customers(NAMES)):
        sell(books.integration, id=str(number), customer=customer)
    books.fail("truncated", "/v3/company/9130347957983546/batch")
    assert "delivered" not in deliver(books.integration)
    assert len(books.books.rows["Customer"]) == len(NAMES)
    deliver(books.integration, later=True)
    assert set(deliver(books.integration, later=True)) == {"delivered"}
    assert len(books.books.rows["Customer"]) == len(NAMES)
    assert Delivery.objects.filter(adopted=True).count() == 0


def test_nobody_is_made_before_names_are_chosen(books: quickbooks_company.There) -> None:
    NameMap.objects.filter(what="account", ours="1100").delete()
    for number, customer in enumerate(customers(NAMES)):
        sell(books.integration, id=str(number), customer=customer)
    assert set(deliver(books.integration)) == {"planned"}
    assert not books.books.rows["Customer"]


def test_where_several_cannot_be_asked_for_each_is(books: quickbooks_company.There) -> None:
    for number, customer in enumerate(customers(NAMES)):
        sell(books.integration, id=str(number), customer=customer)
    books.fail("status", "/v3/company/9130347957983546/query", status=404)
    assert set(deliver(books.integration)) == {"delivered"}
    assert sorted(row["DisplayName"] for row in books.books.rows["Customer"].values()) == sorted(NAMES)

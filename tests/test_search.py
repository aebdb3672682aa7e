"""One field over everything: by number, id, amount and words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from integrations.models import Integration, RawRecord, Stream
from ledgerhub.access.models import Organization, User
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.finding import read_amount, read_entry_id
from ledgerhub.ledger.models import Account, Entry, Source, StatementLine
from ledgerhub.search import clean, search
from tests.ledger.books import book
from tests.ledger.drafts import DAY, invoice

SignedIn = Callable[[User], Client]


@pytest.fixture
def shop(organization: Organization) -> Organization:
    install_chart(organization)
    book(organization, invoice(number="#2001"), contact="Ann Lee")
    integration = Integration.objects.create(organization=organization, connector="shopify", name="Mug shop")
    source = Source.objects.create(organization=organization, key="mugs", label="Mugs")
    stream = Stream.objects.create(integration=integration, key="orders", source=source)
    RawRecord.objects.create(stream=stream, external_id="5001", content_hash="-", payload={})
    StatementLine.objects.create(
        organization=organization,
        account=Account.objects.get(organization=organization, role="bank"),
        source=source,
        identity="1",
        date=DAY,
        amount=-4250,
        currency="USD",
        description="OFFICE RENT MARCH",
    )
    return organization


def titles(shop: Organization, text: str) -> dict[str, list[str]]:
    return {group.label: [hit.title for hit in group.hits] for group in search(shop, text)}


@pytest.mark.parametrize("text", ["#2001", "2001", "5001", "108.50", "108,50", "-108.50"])
def test_documents_are_found_by_number_id_and_amount(text: str, shop: Organization) -> None:
    assert titles(shop, text)["Documents"] == ["Invoice #2001"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann lee", {"Documents": ["Invoice #2001"], "Contacts": ["Ann Lee"]}),
        ("rent march", {"Statement lines": ["OFFICE RENT MARCH"]}),
        ("42.50", {"Statement lines": ["OFFICE RENT MARCH"]}),
        ("mug sh", {"Integrations": ["Mug shop"]}),
        ("nothing like it", {}),
        ("", {}),
        ("%", {}),
        ("\0", {}),
    ],
)
def test_words_and_amounts(text: str, found: dict[str, list[str]], shop: Organization) -> None:
    assert titles(shop, text) == found


def test_raw_records_and_entries_are_found_by_id(shop: Organization) -> None:
    assert titles(shop, "5001")["Raw records"] == ["5001"]
    entry = Entry.objects.get(organization=shop)
    for text in (str(entry.pk), f"JE-{entry.pk}", f"entry {entry.pk}"):
        assert titles(shop, text)["Journal entries"] == [f"Entry {entry.pk}"]


def test_nothing_of_another_organization(shop: Organization, outsider: User) -> None:
    theirs = outsider.memberships.get().organization
    entry = Entry.objects.get(organization=shop)
    for text in ("#2001", "5001", "108.50", "ann", "42.50", "mug", str(entry.pk)):
        assert search(theirs, text) == []


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("12.34", 1234),
        ("12", 1200),
        ("1,234.50", 123450),
        ("1.234,50", 123450),
        ("1'234.50", 123450),
        ("-7.00", -700),
        ("−7.00", -700),
        ("1,234", 123400),
        ("0.005", None),
        ("#12", None),
        ("12 mugs", None),
        ("", None),
    ],
)
def test_amounts_as_people_write_them(text: str, minor: int | None) -> None:
    assert read_amount(text, "USD") == minor


def test_amounts_have_the_decimals_of_their_currency() -> None:
    assert (read_amount("1200", "JPY"), read_amount("12.345", "KWD")) == (1200, 12345)


@pytest.mark.parametrize(
    ("text", "number"), [("318", 318), ("JE-318", 318), ("entry #318", 318), ("31a", None), ("9" * 30, None)]
)
def test_entry_ids(text: str, number: int | None) -> None:
    assert read_entry_id(text) == number


def test_a_search_is_cut_and_cleaned() -> None:
    assert clean("  a \0 b\n" + "c" * 300) == "a b " + "c" * 96


def test_the_page(
    shop: Organization,
    viewer: User,
    signed_in: SignedIn,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = signed_in(viewer)
    client.get(reverse("search", args=[shop.slug]))
    with django_assert_max_num_queries(30):
        response = client.get(reverse("search", args=[shop.slug]), {"q": "#2001"})
    assert response.context["count"] == sum(len(group.hits) for group in response.context["groups"])
    assert f'value="{"#2001"}"' in response.content.decode()

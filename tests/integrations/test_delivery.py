"""Documents going out: each once whatever fails, changes and withdrawals after, words where they cannot."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from integrations import connectors, delivery, outbox, register
from integrations.models import Delivery, Incident, Integration, NameMap, Route
from ledgerhub.access.models import Organization
from ledgerhub.ledger import documents, posting
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.models import Document, Source
from tests.integrations.tiny_books import BATCH, TinyBooks, connector
from tests.ledger.drafts import DAY, invoice

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> TinyBooks:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", connector())
    return TinyBooks(httpserver)


@pytest.fixture
def integration(organization: Organization, books: TinyBooks) -> Integration:
    install_chart(organization)
    source = Source.objects.create(organization=organization, key="shop", label="Shop")
    made = register.create(
        organization,
        "tiny_books",
        name="Tiny Books",
        settings={"key": "canary", "base_url": books.server.url_for("").rstrip("/")},
    )
    Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
    Route.objects.create(destination=made, source=source, start_date=DAY)
    NameMap.objects.create(integration=made, what="account", ours="1100", theirs="a1")
    return made


def sell(integration: Integration, total: int = 10850, *, id: str = "5001", **changes: Any) -> Document:
    """An invoice of the shop, stored and posted as a sync does."""
    source = Source.objects.get(key="shop")
    rows = [{"description": "Mug", "amount": total}]
    tenders = [{"external_id": f"t{id}", "gateway": "stripe", "amount": total, "date": DAY}]
    draft = invoice(external_id=id, number=id, total=total, tax=0, lines=rows, tenders=tenders, **changes)
    organization = integration.organization
    [stored] = documents.store(organization, source, [Incoming("invoice", draft)], scope="shop")
    posting.post_document(stored.document, draft)
    return stored.document


def deliver(integration: Integration, *, later: bool = False) -> list[str]:
    """A round of the worker (when every wait is over); the states of all deliveries, oldest first."""
    if later:
        past = timezone.now() - dt.timedelta(seconds=1)
        Delivery.objects.filter(not_before__isnull=False).update(not_before=past)
        Delivery.objects.filter(leased_until__isnull=False).update(leased_until=past)
    delivery.run_slice(integration.pk)
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_a_document_goes_out_once_with_its_contact(integration: Integration, books: TinyBooks) -> None:
    document = sell(integration)
    assert deliver(integration) == ["delivered"]
    assert books.standing() == [(f"LH-{document.pk}-1", 10850)]
    assert books.people == {"p1": "Ann Lee"}
    assert books.docs["d1"]["who"] == "p1"
    assert (deliver(integration), len(books.docs)) == (["delivered"], 1)
    row = Delivery.objects.get()
    assert (row.external_id, row.external_version, row.attempts, row.adopted) == ("d1", "1", 1, False)
    assert row.call is not None
    assert row.call.status == 200


@pytest.mark.parametrize(("fault", "writes"), [("before", 2), ("after", 1)])
def test_a_lost_answer_is_asked_for_not_sent_again(
    integration: Integration, books: TinyBooks, fault: str, writes: int
) -> None:
    """Even against books that know no idempotency keys."""
    NameMap.objects.create(
        integration=integration, what="contact", ours=str(sell(integration).contact_id), theirs="p1"
    )
    books.faults.append(fault)
    assert deliver(integration) == ["uncertain"]
    assert deliver(integration) == ["uncertain"], "not before its time"
    assert deliver(integration, later=True) == ["delivered"]
    assert len(books.standing()) == 1
    assert books.asked.count("POST /docs") == writes
    assert Delivery.objects.get().adopted is (fault == "after")


def test_a_worker_that_dies_with_the_answer_leaves_a_question(
    integration: Integration, books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(integration)

    def die(*args: Any, **kwargs: Any) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patched:
        patched.setattr(delivery, "_done", die)
        with pytest.raises(SystemExit):
            delivery.run_slice(integration.pk)
    assert Delivery.objects.get().state == "sending"
    assert deliver(integration) == ["sending"], "somebody may still hold it"
    assert deliver(integration, later=True) == ["delivered"]
    assert len(books.standing()) == 1


def test_a_change_is_sent_as_a_change_and_a_withdrawal_as_a_void(
    integration: Integration, books: TinyBooks
) -> None:
    document = sell(integration)
    deliver(integration)
    sell(integration, 9900)
    assert deliver(integration) == ["delivered"] * 2
    assert books.standing() == [(f"LH-{document.pk}-1", 9900)]
    documents.withdraw([document])
    posting.post_document(document, None)
    assert deliver(integration) == ["delivered"] * 3
    assert books.standing() == []
    assert deliver(integration) == ["delivered"] * 3
    sell(integration, 5000)
    assert deliver(integration) == ["delivered"] * 4
    assert books.standing() == [(f"LH-{document.pk}-4", 5000)]
    actions = Delivery.objects.order_by("revision").values_list("action", "external_id")
    assert list(actions) == [("create", "d1"), ("update", "d1"), ("void", "d1"), ("create", "d2")]


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_change_whose_answer_is_lost_is_made_all_the_same(
    integration: Integration, books: TinyBooks, fault: str
) -> None:
    document = sell(integration)
    deliver(integration)
    sell(integration, 9900)
    books.faults.append(fault)
    assert deliver(integration) == ["delivered", "uncertain"]
    assert deliver(integration, later=True) == ["delivered", "delivered"]
    assert books.standing() == [(f"LH-{document.pk}-1", 9900)]


def test_what_does_not_stand_is_not_sent(integration: Integration, books: TinyBooks) -> None:
    sell(integration, status="draft")
    assert (deliver(integration), books.docs) == ([], {})


def test_a_name_nobody_chose_is_said_on_the_document(integration: Integration, books: TinyBooks) -> None:
    NameMap.objects.filter(what="account").delete()
    sell(integration)
    assert deliver(integration) == ["failed"]
    row = Delivery.objects.get()
    assert row.error == (
        "No account of Tiny Books is chosen for 1100 Stripe clearing. Choose one on the page of names."
    )
    assert Incident.objects.get().message.startswith("Tiny Books: 1 document could not be delivered.")
    NameMap.objects.create(integration=integration, what="account", ours="1100", theirs="a1")
    assert delivery.retry([row.pk], integration) == 1
    assert (deliver(integration), len(books.standing())) == (["delivered"], 1)


def test_a_refusal_comes_back_in_words_and_a_new_version_tries_again(
    integration: Integration, books: TinyBooks
) -> None:
    document = sell(integration)
    NameMap.objects.create(
        integration=integration, what="contact", ours=str(document.contact_id), theirs="p1"
    )
    books.faults.append("422")
    assert deliver(integration) == ["failed"]
    assert "not like this" in Delivery.objects.get().error
    sell(integration, 9900)
    assert deliver(integration) == ["dismissed", "delivered"]
    assert books.standing() == [(f"LH-{document.pk}-2", 9900)]


def test_busy_books_are_left_alone_and_nothing_counts_as_tried(
    integration: Integration, books: TinyBooks
) -> None:
    for number in range(3):
        sell(integration, id=str(number))
    books.faults.extend(["429"] * 4)
    assert deliver(integration) == ["planned"] * 3
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}
    books.faults.clear()
    assert deliver(integration, later=True) == ["delivered"] * 3
    assert len(books.standing()) == 3


def test_a_refused_key_needs_a_person_and_loses_nothing(integration: Integration, books: TinyBooks) -> None:
    sell(integration)
    books.faults.append("401")
    assert deliver(integration) == ["planned"]
    integration.refresh_from_db()
    assert integration.state == "attention"
    assert "Make a new key." in integration.health_message
    assert deliver(integration, later=True) == ["delivered"]
    assert len(books.standing()) == 1


def test_many_go_together_and_each_has_its_own_answer(
    integration: Integration, books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", connector(batch=BATCH))
    for number in range(70):
        sell(integration, 1000 + number, id=str(number))
    books.refuse.add(1007)
    states = deliver(integration)
    assert (states.count("delivered"), states.count("failed")) == (69, 1)
    assert books.asked.count("POST /batch") == 3
    assert sorted(total for _, total in books.standing()) == [n for n in range(1000, 1070) if n != 1007]
    assert Delivery.objects.get(state="failed").error == "This total is not allowed."


def test_a_batch_whose_answer_is_lost_is_asked_for_one_by_one(
    integration: Integration, books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", connector(batch=BATCH))
    first = sell(integration, 1, id="0")
    NameMap.objects.create(integration=integration, what="contact", ours=str(first.contact_id), theirs="p1")
    for number in range(1, 5):
        sell(integration, 1 + number, id=str(number))
    books.faults.append("after")
    assert deliver(integration) == ["uncertain"] * 5
    assert deliver(integration, later=True) == ["delivered"] * 5
    assert sorted(total for _, total in books.standing()) == [1, 2, 3, 4, 5]


def test_planning_twice_plans_once(integration: Integration) -> None:
    for number in range(3):
        sell(integration, id=str(number))
    assert [outbox.plan(integration) for _ in range(3)] == [3, 0, 0]


def test_documents_before_the_start_and_of_other_sources_stay(
    integration: Integration, books: TinyBooks
) -> None:
    sell(integration, date=DAY - dt.timedelta(days=1))
    Route.objects.update(start_date=DAY)
    assert (deliver(integration), books.docs) == ([], {})

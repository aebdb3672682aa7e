"""Documents going out: each once whatever fails, changes and withdrawals after, words where they cannot."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from integrations import connectors, delivery, leases, outbox
from integrations.models import Delivery, Incident, Integration, NameMap, Route
from ledgerhub.ledger import documents, posting
from tests.integrations.delivering import deliver, sell, withdraw
from tests.integrations.tiny_books import BATCH, TinyBooks, connector
from tests.ledger.drafts import DAY

pytestmark = pytest.mark.django_db


def test_a_document_goes_out_once_with_its_contact(destination: Integration, tiny_books: TinyBooks) -> None:
    document = sell(destination)
    assert deliver(destination) == ["delivered"]
    assert tiny_books.standing() == [(f"LH-{document.pk}-1", 10850)]
    assert tiny_books.people == {"p1": "Ann Lee"}
    assert tiny_books.docs["d1"]["who"] == "p1"
    assert (deliver(destination), len(tiny_books.docs)) == (["delivered"], 1)
    row = Delivery.objects.get()
    assert (row.external_id, row.external_version, row.attempts, row.adopted) == ("d1", "1", 1, False)
    assert row.call is not None
    assert row.call.status == 200


@pytest.mark.parametrize(("fault", "writes"), [("before", 2), ("after", 1)])
def test_a_lost_answer_is_asked_for_not_sent_again(
    destination: Integration, tiny_books: TinyBooks, fault: str, writes: int
) -> None:
    """Even against books that know no idempotency keys."""
    NameMap.objects.create(
        integration=destination, what="contact", ours=str(sell(destination).contact_id), theirs="p1"
    )
    tiny_books.faults.append(fault)
    assert deliver(destination) == ["uncertain"]
    assert deliver(destination) == ["uncertain"], "not before its time"
    assert deliver(destination, later=True) == ["delivered"]
    assert len(tiny_books.standing()) == 1
    assert tiny_books.asked.count("POST /docs") == writes
    assert Delivery.objects.get().adopted is (fault == "after")


def test_a_worker_that_dies_with_the_answer_leaves_a_question(
    destination: Integration, tiny_books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(destination)

    def die(*args: Any, **kwargs: Any) -> None:
        raise SystemExit("killed")

    with monkeypatch.context() as patched:
        patched.setattr(delivery, "_done", die)
        with pytest.raises(SystemExit):
            delivery.run_slice(destination.pk)
    assert Delivery.objects.get().state == "sending"
    assert deliver(destination) == ["sending"], "somebody may still hold it"
    assert deliver(destination, later=True) == ["delivered"]
    assert len(tiny_books.standing()) == 1


def test_a_change_is_sent_as_a_change_and_a_withdrawal_as_a_void(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    document = sell(destination)
    deliver(destination)
    sell(destination, 9900)
    assert deliver(destination) == ["delivered"] * 2
    assert tiny_books.standing() == [(f"LH-{document.pk}-1", 9900)]
    documents.withdraw([document])
    posting.post_document(document, None)
    assert deliver(destination) == ["delivered"] * 3
    assert tiny_books.standing() == []
    assert deliver(destination) == ["delivered"] * 3
    sell(destination, 5000)
    assert deliver(destination) == ["delivered"] * 4
    assert tiny_books.standing() == [(f"LH-{document.pk}-4", 5000)]
    actions = Delivery.objects.order_by("revision").values_list("action", "external_id")
    assert list(actions) == [("create", "d1"), ("update", "d1"), ("void", "d1"), ("create", "d2")]


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_change_whose_answer_is_lost_is_made_all_the_same(
    destination: Integration, tiny_books: TinyBooks, fault: str
) -> None:
    document = sell(destination)
    deliver(destination)
    sell(destination, 9900)
    tiny_books.faults.append(fault)
    assert deliver(destination) == ["delivered", "uncertain"]
    assert deliver(destination, later=True) == ["delivered", "delivered"]
    assert tiny_books.standing() == [(f"LH-{document.pk}-1", 9900)]


def test_what_does_not_stand_is_not_sent(destination: Integration, tiny_books: TinyBooks) -> None:
    sell(destination, status="draft")
    assert (deliver(destination), tiny_books.docs) == ([], {})


def test_what_lacks_a_name_waits_in_words_asks_for_nothing_and_goes_once_it_is_chosen(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    """Not even the customer is made over there."""
    NameMap.objects.filter(what="account").delete()
    sell(destination)
    assert [deliver(destination), deliver(destination, later=True)] == [["planned"]] * 2
    row = Delivery.objects.get()
    assert (row.error, row.attempts, row.lacks) == (
        "Waits until names are chosen. No account of Tiny Books is chosen for 1100 Stripe clearing. Choose"
        " one on the page of names.",
        0,
        "account:1100",
    )
    assert tiny_books.asked == []
    assert not delivery.is_due(destination)
    assert not Incident.objects.exists(), "whoever sets it up is about to choose them"
    name(destination, "4000")
    assert deliver(destination) == ["planned"], "another one is of no use"
    name(destination, "1100")
    assert (deliver(destination), len(tiny_books.standing())) == (["delivered"], 1)
    row.refresh_from_db()
    assert (row.error, row.lacks) == ("", "")


def test_names_that_are_missing_for_long_are_told_until_they_are_there(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    NameMap.objects.filter(what="account").delete()
    sell(destination)
    deliver(destination)
    Delivery.objects.update(created_at=timezone.now() - dt.timedelta(hours=2))
    deliver(destination)
    assert Incident.objects.get().message == "Tiny Books: 1 document waits until names are chosen."
    name(destination, "1100")
    deliver(destination)
    assert Incident.objects.filter(closed_at__isnull=True).count() == 0


def test_a_change_of_what_waits_for_a_name_takes_its_place_and_a_withdrawal_ends_it(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    NameMap.objects.filter(what="account").delete()
    changed, withdrawn = sell(destination), sell(destination, id="7")
    assert deliver(destination) == ["planned"] * 2
    sell(destination, 9900)
    withdraw(withdrawn)
    assert deliver(destination) == ["dismissed", "dismissed", "planned"]
    name(destination, "1100")
    assert deliver(destination) == ["dismissed", "dismissed", "delivered"]
    assert tiny_books.standing() == [(f"LH-{changed.pk}-2", 9900)]
    assert outbox.plan(destination) == 0


def test_a_change_that_lacks_a_name_leaves_what_stands_there(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    document = sell(destination)
    deliver(destination)
    NameMap.objects.filter(what="account").delete()
    sell(destination, 9900)
    asked = len(tiny_books.asked)
    assert deliver(destination) == ["delivered", "planned"]
    assert len(tiny_books.asked) == asked
    sell(destination, 9800)
    assert deliver(destination) == ["delivered", "dismissed", "planned"]
    name(destination, "1100")
    assert deliver(destination) == ["delivered", "dismissed", "delivered"]
    assert tiny_books.standing() == [(f"LH-{document.pk}-1", 9800)]


def test_what_may_have_arrived_is_asked_for_whatever_names_it_lacks(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    document = sell(destination)
    NameMap.objects.create(
        integration=destination, what="contact", ours=str(document.contact_id), theirs="p1"
    )
    tiny_books.faults.append("after")
    assert deliver(destination) == ["uncertain"]
    NameMap.objects.filter(what="account").delete()
    assert deliver(destination, later=True) == ["delivered"]
    assert tiny_books.asked.count("POST /docs") == 1


def test_of_many_that_go_together_those_without_a_name_wait(
    destination: Integration, tiny_books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", connector(batch=BATCH))
    for number in range(3):
        sell(destination, id=str(number))
    other = [{"external_id": "t9", "gateway": "paypal", "amount": 10850, "date": DAY}]
    sell(destination, id="9", tenders=other)
    assert deliver(destination) == ["delivered"] * 3 + ["planned"]
    assert Delivery.objects.get(state="planned").lacks == "account:1101"


def name(integration: Integration, code: str) -> None:
    NameMap.objects.create(integration=integration, what="account", ours=code, theirs="a1")


def test_a_refusal_comes_back_in_words_and_a_new_version_tries_again(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    document = sell(destination)
    NameMap.objects.create(
        integration=destination, what="contact", ours=str(document.contact_id), theirs="p1"
    )
    tiny_books.faults.append("422")
    assert deliver(destination) == ["failed"]
    assert "not like this" in Delivery.objects.get().error
    sell(destination, 9900)
    assert deliver(destination) == ["dismissed", "delivered"]
    assert tiny_books.standing() == [(f"LH-{document.pk}-2", 9900)]


def test_what_may_have_arrived_is_asked_for_before_its_change_is_sent(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    """Given up after many tries, yet it had arrived: the change must not become a second document."""
    document = sell(destination)
    NameMap.objects.create(
        integration=destination, what="contact", ours=str(document.contact_id), theirs="p1"
    )
    tiny_books.faults.append("after")
    assert deliver(destination) == ["uncertain"]
    Delivery.objects.update(state="failed", attempts=12)
    sell(destination, 9900)
    assert deliver(destination) == ["delivered", "delivered"]
    assert tiny_books.standing() == [(f"LH-{document.pk}-1", 9900)]


def test_who_was_held_up_until_somebody_took_over_sends_nothing(
    destination: Integration, tiny_books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell(destination)
    monkeypatch.setattr(leases, "LEASE", dt.timedelta(seconds=-1))
    assert deliver(destination) == ["planned"]
    assert tiny_books.docs == {}


@pytest.mark.usefixtures("no_pauses")
def test_busy_books_are_left_alone_and_nothing_counts_as_tried(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    for number in range(3):
        sell(destination, id=str(number))
    tiny_books.faults.extend(["429"] * 4)
    assert deliver(destination) == ["planned"] * 3
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {0}
    tiny_books.faults.clear()
    assert deliver(destination, later=True) == ["delivered"] * 3
    assert len(tiny_books.standing()) == 3


def test_a_refused_key_needs_a_person_and_loses_nothing(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    sell(destination)
    tiny_books.faults.append("401")
    assert deliver(destination) == ["planned"]
    destination.refresh_from_db()
    assert destination.state == "attention"
    assert "Make a new key." in destination.health_message
    assert deliver(destination, later=True) == ["delivered"]
    assert len(tiny_books.standing()) == 1
    destination.refresh_from_db()
    assert (destination.state, destination.health) == ("active", "ok")


def test_many_go_together_and_each_has_its_own_answer(
    destination: Integration, tiny_books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", connector(batch=BATCH))
    for number in range(70):
        sell(destination, 1000 + number, id=str(number))
    tiny_books.refuse.add(1007)
    states = deliver(destination)
    assert (states.count("delivered"), states.count("failed")) == (69, 1)
    assert tiny_books.asked.count("POST /batch") == 3
    assert sorted(total for _, total in tiny_books.standing()) == [n for n in range(1000, 1070) if n != 1007]
    assert Delivery.objects.get(state="failed").error == "This total is not allowed."
    calls = Delivery.objects.values_list("call__url", "call_id").distinct()
    assert {url.rpartition("/")[2] for url, _ in calls} == {"batch"}  # each knows the call it went with
    assert len(calls) == 3


def test_a_batch_whose_answer_is_lost_is_asked_for_one_by_one(
    destination: Integration, tiny_books: TinyBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", connector(batch=BATCH))
    first = sell(destination, 1, id="0")
    NameMap.objects.create(integration=destination, what="contact", ours=str(first.contact_id), theirs="p1")
    for number in range(1, 5):
        sell(destination, 1 + number, id=str(number))
    tiny_books.faults.append("after")
    assert deliver(destination) == ["uncertain"] * 5
    assert deliver(destination, later=True) == ["delivered"] * 5
    assert sorted(total for _, total in tiny_books.standing()) == [1, 2, 3, 4, 5]


def test_planning_twice_plans_once(destination: Integration) -> None:
    for number in range(3):
        sell(destination, id=str(number))
    assert [outbox.plan(destination) for _ in range(3)] == [3, 0, 0]


def test_documents_before_the_start_and_of_other_sources_stay(
    destination: Integration, tiny_books: TinyBooks
) -> None:
    sell(destination, date=DAY - dt.timedelta(days=1))
    Route.objects.update(start_date=DAY)
    assert (deliver(destination), tiny_books.docs) == ([], {})

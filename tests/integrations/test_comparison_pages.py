"""The pages of a comparison: who may see and do what, what each button does, totals down to documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from integrations.models import Comparison, Delivery, Difference, Integration, Listed, Quarantine
from integrations.sandbox import bookkeeper
from ledgerhub.access.models import AuditEvent, User
from ledgerhub.ledger.models import Document
from tests.integrations.comparing_there import compare, differences, finish
from tests.integrations.delivering import deliver, sell
from tests.integrations.quickbooks_company import There, there
from tests.integrations.test_comparing import post

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]

__all__ = ["there"]


def url(name: str, *args: Any) -> str:
    return reverse(f"integrations:{name}", args=["corner-shop", *args])


def words(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


ACTS = {
    "comparisons": "bookkeeper", "comparison_mode": "approver",
    "difference_delivery": "approver", "difference_acceptance": "approver", "difference_link": "approver",
}  # fmt: skip


@pytest.mark.parametrize("name", ["comparison", "totals", "totals_account"])
def test_pages_are_for_members(
    there: There, viewer: User, outsider: User, signed_in: SignedIn, name: str
) -> None:
    page = url(name, there.integration.pk)
    asked = {"account": "4000", "month": "2026-03-01", "currency": "USD"} if name == "totals_account" else {}
    assert signed_in(viewer).get(page, asked).status_code == 200
    assert signed_in(outsider).get(page, asked).status_code == 404
    assert Client().get(page, asked).status_code == 302


@pytest.mark.parametrize(("name", "role"), ACTS.items())
def test_acts_need_their_role(
    there: There,
    viewer: User,
    bookkeeper: User,
    outsider: User,
    signed_in: SignedIn,
    name: str,
    role: str,
) -> None:
    more = [1] if name.startswith("difference") else []
    page = url(name, there.integration.pk, *more)
    weaker = viewer if role == "bookkeeper" else bookkeeper
    assert signed_in(weaker).post(page).status_code == 403
    assert signed_in(outsider).post(page).status_code == 404


def test_a_destination_whose_books_cannot_be_seen_has_no_comparison(
    destination: Integration, viewer: User, signed_in: SignedIn
) -> None:
    client = signed_in(viewer)
    assert client.get(url("comparison", destination.pk)).status_code == 404
    assert "Comparison" not in client.get(url("deliveries", destination.pk)).content.decode()


def test_compare_now_and_see_what_differs(there: There, approver: User, signed_in: SignedIn) -> None:
    sell(there.integration)
    deliver(there.integration)
    post(there)
    client = signed_in(approver)
    page = url("comparison", there.integration.pk)
    assert "Nothing has been compared yet" in client.get(page).content.decode()
    before = OrmQ.objects.count()
    client.post(url("comparisons", there.integration.pk))
    assert OrmQ.objects.count() == before + 1
    assert Comparison.objects.get().requested_by == approver
    assert "Queued: what is found shows here" in client.get(page).content.decode()
    finish(there.integration)
    shown = client.get(page).content.decode()
    assert "1 deliveries compared" in shown
    assert "Owner&#x27;s" in shown or "Purchase" in shown
    assert "Send again" not in shown, "what others posted is not ours to send"
    found = client.get(page, {"kind": "missing"}).content.decode()
    assert "No difference fits" in found
    assert client.get(page, {"export": "csv"}).status_code == 200


def test_what_is_missing_is_sent_again_and_stands_there_once(
    there: There, approver: User, signed_in: SignedIn
) -> None:
    sold = sell(there.integration)
    deliver(there.integration)
    bookkeeper.work(there.server.business, there.books, "delete")
    compare(there.integration)
    row = Difference.objects.get()
    client = signed_in(approver)
    page = url("difference_delivery", there.integration.pk, row.pk)
    assert words(client.post(page)) == ["Say why, in a few words. Nothing was changed."]
    assert words(client.post(page, {"reason": "deleted by mistake"}))[-1].startswith("Ours is sent again.")
    assert words(client.post(page, {"reason": "twice"}))[-1].startswith("It changed meanwhile")
    there.fail("truncated", "/v3/company/9130347957983546/salesreceipt")
    deliver(there.integration)
    assert deliver(there.integration, later=True) == ["delivered", "delivered"]
    assert there.standing() == [(f"LH-{sold.pk}-2", 108.5)]
    assert compare(there.integration).missing == 0
    assert differences(there.integration) == []
    assert Difference.objects.get().closed_at is not None
    event = AuditEvent.objects.get(action="difference.sent_again")
    assert event.after == {"reason": "deleted by mistake"}


def test_theirs_is_replaced_in_the_version_that_was_compared(
    there: There, approver: User, signed_in: SignedIn
) -> None:
    sold = sell(there.integration)
    deliver(there.integration)
    bookkeeper.work(there.server.business, there.books, "edit")
    compare(there.integration)
    row = Difference.objects.get()
    page = url("difference_delivery", there.integration.pk, row.pk)
    signed_in(approver).post(page, {"reason": "the till is right"})
    assert deliver(there.integration) == ["delivered", "delivered"]
    assert there.standing() == [(f"LH-{sold.pk}-1", 108.5)]
    compare(there.integration)
    assert differences(there.integration) == []


def test_what_is_accepted_comes_back_only_when_it_changes(
    there: There, approver: User, signed_in: SignedIn
) -> None:
    sell(there.integration)
    deliver(there.integration)
    bookkeeper.work(there.server.business, there.books, "edit")
    compare(there.integration)
    row = Difference.objects.get()
    client = signed_in(approver)
    page = url("difference_acceptance", there.integration.pk, row.pk)
    client.post(page)
    assert len(differences(there.integration)) == 1
    client.post(page, {"reason": "the customer was overcharged"})
    assert client.post(page, {"reason": "again"}).status_code == 404
    compare(there.integration)
    assert differences(there.integration) == []
    assert (
        "the customer was overcharged" in client.get(url("comparison", there.integration.pk)).content.decode()
    )
    [receipt] = there.books.standing("SalesReceipt")
    there.books.change("SalesReceipt", {**receipt, "TxnDate": "2026-03-09"})
    compare(there.integration)
    assert "dated 2026-03-09 there, 2026-03-02 here" in differences(there.integration)[0][1]
    assert AuditEvent.objects.get(action="difference.accepted").before["what"] == row.what


def rekeyed(there: There) -> Difference:
    sell(there.integration)
    deliver(there.integration)
    compare(there.integration)
    bookkeeper.work(there.server.business, there.books, "rekey")
    compare(there.integration)
    return Difference.objects.get(kind="rekeyed")


def test_what_was_keyed_anew_there_is_said_to_be_ours(
    there: There, approver: User, signed_in: SignedIn
) -> None:
    row, client = rekeyed(there), signed_in(approver)
    shown = client.get(url("comparison", there.integration.pk)).content.decode()
    assert "0 only there, 1 perhaps keyed anew there." in shown
    assert "They are one" in shown
    assert "Send again" not in shown
    assert client.post(url("difference_delivery", there.integration.pk, row.pk)).status_code == 404
    page = url("difference_link", there.integration.pk, row.pk)
    assert words(client.post(page)) == ["Say why, in a few words. Nothing was changed."]
    linked = client.post(page, {"reason": "Dana typed it again"})
    assert words(linked)[-1] == "They are one. What changes here from now on changes theirs."
    assert client.post(page, {"reason": "again"}).status_code == 404
    event = AuditEvent.objects.get(action="difference.linked")
    assert (event.before, event.after) == ({"what": row.what}, {"reason": "Dana typed it again"})
    compare(there.integration)
    assert differences(there.integration) == []


def test_what_was_keyed_anew_there_is_said_to_be_another(
    there: There, approver: User, signed_in: SignedIn
) -> None:
    row, client = rekeyed(there), signed_in(approver)
    page = url("difference_acceptance", there.integration.pk, row.pk)
    said = client.post(page, {"reason": "two mugs were sold"})
    assert words(said)[-1].startswith("They are two.")
    assert AuditEvent.objects.get(action="difference.told_apart").after == {"reason": "two mugs were sold"}
    finish(there.integration)
    assert [kind for kind, _ in differences(there.integration)] == ["foreign", "missing"]


def test_what_people_posted_is_brought_in_and_their_accounts_get_names(
    there: There, approver: User, signed_in: SignedIn
) -> None:
    post(there)
    compare(there.integration)
    client = signed_in(approver)
    client.post(url("comparison_mode", there.integration.pk), {"mode": "live"})
    finish(there.integration)
    assert Quarantine.objects.filter(state="open").count() == 2
    names = client.get(url("names", there.integration.pk))
    assert {one.field: one.suggested for one in names.context["incoming"]} == {
        "theirs:3000": "", "theirs:6400": "6200",
    }  # fmt: skip
    client.post(url("names", there.integration.pk), {"theirs:3000": "3100", "theirs:6400": "6200"})
    assert dict(Listed.objects.exclude(ours="").values_list("external_id", "ours")) == {
        "3000": "3100", "6400": "6200",
    }  # fmt: skip
    finish(there.integration)
    assert Quarantine.objects.filter(state="open").count() == 0
    assert Document.objects.count() == 4
    client.post(url("names", there.integration.pk), {"theirs:3000": "nonsense"})
    assert Listed.objects.get(external_id="3000", what="account").ours == "3100"
    compare(there.integration)
    assert differences(there.integration) == []


def test_what_went_there_since_is_told_apart_from_what_is_missing(
    there: There, viewer: User, bookkeeper: User, signed_in: SignedIn
) -> None:
    sell(there.integration)
    deliver(there.integration)
    compare(there.integration)
    pages = [url(name, there.integration.pk) for name in ("comparison", "totals")]
    client = signed_in(viewer)
    assert not any("went there since" in client.get(page).content.decode() for page in pages)
    sell(there.integration, id="2")
    deliver(there.integration)
    assert all("1 document went there since" in client.get(page).content.decode() for page in pages)
    assert "Compare now" not in client.get(pages[1]).content.decode()
    assert "Compare now" in signed_in(bookkeeper).get(pages[1]).content.decode()


def test_totals_lead_to_the_documents_that_make_them_differ(
    there: There, approver: User, signed_in: SignedIn
) -> None:
    for number in range(3):
        sell(there.integration, id=str(number))
    deliver(there.integration)
    bookkeeper.work(there.server.business, there.books, "edit")
    bookkeeper.work(there.server.business, there.books, "delete")
    compare(there.integration)
    client = signed_in(approver)
    page = client.get(url("totals", there.integration.pk))
    [(month, cells)] = page.context["groups"]
    assert [(cell.name, cell.ours, cell.theirs) for cell in cells] == [
        ("1100 Stripe clearing", 32550, 22700), ("4000 Sales", -32550, -22700),
    ]  # fmt: skip
    asked = {"account": "4000", "month": f"{month:%Y-%m-%d}", "currency": "USD"}
    parts = client.get(url("totals_account", there.integration.pk), asked).context["parts"]
    assert [(part.ours, part.theirs, part.counterpart is None) for part in parts] == [
        (-10850, 0, True), (-10850, -11850, False),
    ]  # fmt: skip
    assert sum(part.difference for part in parts) == cells[1].difference
    assert client.get(url("totals", there.integration.pk), {"show": "all"}).context["count"] == 2
    for wrong in ({**asked, "month": "x"}, {**asked, "currency": "XYZ"}):
        assert client.get(url("totals_account", there.integration.pk), wrong).status_code == 404


def test_queries_do_not_grow_with_the_differences(
    there: There,
    approver: User,
    signed_in: SignedIn,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(12):
        sell(there.integration, id=str(number))
    deliver(there.integration)
    for receipt in there.books.standing("SalesReceipt"):
        there.books.delete("SalesReceipt", receipt)
    compare(there.integration)
    client = signed_in(approver)
    with django_assert_max_num_queries(26):
        client.get(url("comparison", there.integration.pk))
    with django_assert_max_num_queries(20):
        client.get(url("totals", there.integration.pk))
    asked = {"account": "4000", "month": "2026-03-01", "currency": "USD"}
    with django_assert_max_num_queries(24):
        client.get(url("totals_account", there.integration.pk), asked)


def test_both_sides_of_what_goes_out_by_the_day_are_compared(there: There) -> None:
    """A summary has no document of its own: its entries are our side."""
    there.integration.routes.update(mode="daily")
    for number in range(3):
        sell(there.integration, id=str(number))
    deliver(there.integration, later=True)
    row = Delivery.objects.get()
    assert (row.state, row.document) == ("delivered", None), row.error
    assert compare(there.integration).changed == 0
    [entry] = there.books.standing("JournalEntry")
    there.books.change("JournalEntry", {**entry, "TxnDate": "2026-03-09"})
    assert compare(there.integration).changed == 1

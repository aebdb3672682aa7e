"""The pages of summaries: choosing a way, comparing the ways, each summary with its documents, the proof."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations import summing
from integrations.models import Delivery, Integration, ModeSwitch, Route, Summary
from ledgerhub.access.models import AuditEvent, User
from ledgerhub.ledger.models import Document, Source
from tests.integrations.delivering import deliver, pay_out, sell
from tests.integrations.summed import by_payout, daily
from tests.integrations.tiny_books import TinyBooks
from tests.ledger.drafts import DAY

pytestmark = pytest.mark.django_db
__all__ = ["by_payout", "daily"]
SignedIn = Callable[[User], Client]
NEXT = DAY + dt.timedelta(days=1)


def url(name: str, *args: Any) -> str:
    return reverse(f"integrations:{name}", args=["corner-shop", *args])


def addresses(integration: Integration) -> list[str]:
    source, summary = Source.objects.get(key="shop"), Summary.objects.get()
    return [
        url("routes", integration.pk),
        url("route_preview", integration.pk, source.pk),
        url("summaries", integration.pk),
        url("summaries_waiting", integration.pk),
        url("summary", integration.pk, summary.pk),
        url("summary_lines", integration.pk, summary.pk),
        url("whereabouts", integration.pk),
    ]


def test_pages_are_for_members(daily: Integration, viewer: User, outsider: User, signed_in: SignedIn) -> None:
    sell(daily)
    deliver(daily)
    for page in addresses(daily):
        assert signed_in(viewer).get(page).status_code == 200, page
        assert signed_in(outsider).get(page).status_code == 404, page
        assert Client().get(page).status_code == 302, page


def test_a_summary_of_another_integration_is_not_found(
    daily: Integration, viewer: User, signed_in: SignedIn
) -> None:
    sell(daily)
    deliver(daily)
    other = Integration.objects.create(
        organization=daily.organization, connector="tiny_books", name="Other", state="active"
    )
    page = url("summary", other.pk, Summary.objects.get().pk)
    assert signed_in(viewer).get(page).status_code == 404


def test_where_did_this_order_go_and_back(
    daily: Integration, tiny_books: TinyBooks, viewer: User, signed_in: SignedIn
) -> None:
    document = sell(daily, 1000, id="1")
    sell(daily, 500, id="2")
    deliver(daily)
    client, summary = signed_in(viewer), Summary.objects.get()
    page = client.get(reverse("ledger:document", args=["corner-shop", document.pk])).content.decode()
    there = url("summary", daily.pk, summary.pk)
    assert there in page
    assert f"as LH-S{summary.pk}-1" in page
    response = client.get(there)
    body = response.content.decode()
    assert reverse("ledger:document", args=["corner-shop", document.pk]) in body
    assert [(line.account, line.amount) for line in response.context["lines"]] == [
        ("1100", 1500), ("4000", -1500),
    ]  # fmt: skip
    assert "2 documents" in body
    assert there in client.get(url("deliveries", daily.pk)).content.decode()
    assert there in client.get(url("summaries", daily.pk)).content.decode()


def test_the_csv_of_a_summary_sums_to_it(
    daily: Integration, tiny_books: TinyBooks, viewer: User, signed_in: SignedIn
) -> None:
    sell(daily, 1000, id="1")
    deliver(daily)
    sell(daily, 900, id="1")
    deliver(daily)
    summary = Summary.objects.get()
    response: Any = signed_in(viewer).get(url("summary_lines", daily.pk, summary.pk))
    rows = list(csv.DictReader(b"".join(response).decode("utf-8-sig").splitlines()))
    assert len(rows) == 6  # the sale, its reversal, the sale anew
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["Account"]] += int(Decimal(row["Amount"]) * 100)
    assert sums == {line.account: line.amount for line in summing.lines(summary)}
    listed: Any = signed_in(viewer).get(url("summary", daily.pk, summary.pk), {"export": "csv"})
    assert b"".join(listed).decode().count("\n") == 4


def test_the_page_says_what_is_not_there(
    daily: Integration, tiny_books: TinyBooks, bookkeeper: User, signed_in: SignedIn
) -> None:
    sell(daily, 1000, id="1")
    deliver(daily)
    sell(daily, 500, id="2")
    tiny_books.faults.append("422")
    deliver(daily)
    sell(daily, 600, id="3")
    client, summary = signed_in(bookkeeper), Summary.objects.get()
    page = client.get(url("summary", daily.pk, summary.pk)).content.decode()
    assert "The newest version is not over there" in page
    assert "not like this" in page
    failed = Delivery.objects.get(state="failed")
    client.post(url("delivery_tries", daily.pk), {"delivery": failed.pk})
    deliver(daily)
    deliver(daily)
    assert [(doc["total"], doc["void"]) for doc in tiny_books.docs.values()] == [(2100, False)]


def test_the_ways_are_compared(
    by_payout: Integration, tiny_books: TinyBooks, viewer: User, signed_in: SignedIn
) -> None:
    first = sell(by_payout, 1000, id="1")
    sell(by_payout, 500, id="2", date=NEXT)
    sell(by_payout, 200, id="3", date=NEXT, tenders=[], status="open")
    pay_out(by_payout, first, day=NEXT)
    page = signed_in(viewer).get(url("route_preview", by_payout.pk, Source.objects.get(key="shop").pk))
    shown = page.context["shown"]
    assert (shown.since, shown.until, shown.whole) == (NEXT - dt.timedelta(days=6), NEXT, True)
    assert [(way.mode, way.deliveries, way.documents, way.waiting) for way in shown.ways] == [
        ("each", 3, 3, 0), ("daily", 2, 3, 0), ("payout", 2, 2, 1),
    ]  # fmt: skip
    assert [[(line.account, line.amount) for line in way.first.lines] for way in shown.ways] == [
        [("1100", 1000), ("4000", -1000)],
        [("1100", 1000), ("4000", -1000)],
        [("1100", 1000), ("4000", -1000)],
    ]
    assert shown.ways[2].first.title == "Payout po1"
    assert not Summary.objects.exists()


def test_nothing_booked_yet_is_said(daily: Integration, viewer: User, signed_in: SignedIn) -> None:
    page = signed_in(viewer).get(url("route_preview", daily.pk, Source.objects.get().pk))
    assert "Nothing of this source is booked yet." in page.content.decode()


def test_another_way_is_chosen_from_a_day_on(
    destination: Integration, approver: User, signed_in: SignedIn
) -> None:
    source, client = Source.objects.get(key="shop"), signed_in(approver)

    def choose(mode: str, since: str, start: dt.date = DAY) -> list[tuple[str, str]]:
        form = {f"on-{source.pk}": "on", f"start-{source.pk}": str(start), f"mode-{source.pk}": mode,
                f"since-{source.pk}": since}  # fmt: skip
        assert client.post(url("routes", destination.pk), form).status_code == 302
        rows = ModeSwitch.objects.order_by("from_date").values_list("mode", "from_date")
        return [(mode, str(day)) for mode, day in rows]

    assert choose("daily", "2026-03-10") == [("daily", "2026-03-10")]
    assert choose("daily", "2026-03-20") == [("daily", "2026-03-10")], "it is that already"
    assert choose("payout", "2026-03-20") == [("daily", "2026-03-10"), ("payout", "2026-03-20")]
    assert "Now: each by itself; from 2026-03-10 one summary a day" in (
        client.get(url("routes", destination.pk)).content.decode()
    )
    assert choose("each", "2026-03-05") == [], "what was to come after it is called off"
    assert choose("daily", str(DAY)) == []
    assert Route.objects.get().mode == "daily"
    last = AuditEvent.objects.filter(action="destination.routes_changed").latest("pk")
    assert (last.before, last.after) == ({"Shop": "each by itself"}, {"Shop": "one summary a day"})


def test_what_waits_is_listed_and_leaves_with_its_payout(
    by_payout: Integration, tiny_books: TinyBooks, viewer: User, signed_in: SignedIn
) -> None:
    sale = sell(by_payout, 1000)
    deliver(by_payout)
    client = signed_in(viewer)
    page = client.get(url("summaries_waiting", by_payout.pk))
    assert [(row.document, row.amount, until - row.since) for row, until in page.context["rows"]] == [
        (sale, 1000, summing.PATIENCE)
    ]
    document = client.get(reverse("ledger:document", args=["corner-shop", sale.pk])).content.decode()
    assert "waits for the payout that settles it" in document
    paid = pay_out(by_payout, sale)
    deliver(by_payout)
    assert client.get(url("summaries_waiting", by_payout.pk)).context["rows"] == []
    shown = client.get(url("summary", by_payout.pk, Summary.objects.get().pk))
    assert (shown.context["cleared"], shown.context["difference"]) == (paid.total, 0)
    assert "Together they come to the payout exactly." in shown.content.decode()


def test_the_proof_counts_and_sums(
    by_payout: Integration, tiny_books: TinyBooks, viewer: User, signed_in: SignedIn
) -> None:
    paid, waits = sell(by_payout, 1000, id="1"), sell(by_payout, 300, id="2")
    payout = pay_out(by_payout, paid)
    deliver(by_payout)
    sell(by_payout, 40, id="3")
    proof = signed_in(viewer).get(
        url("whereabouts", by_payout.pk), {"since": "2026-03-01", "until": "2026-03-31"}
    ).context["proof"]  # fmt: skip
    assert proof.entries == {"summed": 2, "alone": 1, "waits": 1, "to_come": 1}
    assert {row.code: (row.books, row.cells) for row in proof.sums} == {
        "1000": (payout.total, [0, payout.total, 0, 0, 0]),
        "1100": (1340 - 1000, [970, -970, 0, 300, 40]),
        "4000": (-1340, [-1000, 0, 0, -300, -40]),
        "6000": (30, [30, 0, 0, 0, 0]),
    }
    assert (proof.number, proof.twice, waits.total) == (5, 0, 300)


def test_the_proof_says_what_is_not_there(
    daily: Integration, tiny_books: TinyBooks, viewer: User, signed_in: SignedIn
) -> None:
    sell(daily, 1000, id="1")
    deliver(daily)
    sell(daily, 300, id="2")
    tiny_books.faults.append("422")
    deliver(daily)
    proof = signed_in(viewer).get(url("whereabouts", daily.pk)).context["proof"]
    assert proof.entries == {"summed": 1, "coming": 1}
    assert [(row.code, row.cells) for row in proof.sums] == [
        ("1100", [1000, 0, 300, 0, 0]), ("4000", [-1000, 0, -300, 0, 0]),
    ]  # fmt: skip


def test_queries_do_not_grow(
    daily: Integration,
    viewer: User,
    signed_in: SignedIn,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(12):
        sell(daily, id=str(number), date=DAY + dt.timedelta(days=number % 3))
    deliver(daily)
    client = signed_in(viewer)
    for page in (
        url("summaries", daily.pk),
        url("summary", daily.pk, Summary.objects.earliest("pk").pk),
        url("deliveries", daily.pk),
        url("routes", daily.pk),
        reverse("ledger:document", args=["corner-shop", Document.objects.earliest("pk").pk]),
    ):
        with django_assert_max_num_queries(30):
            client.get(page)

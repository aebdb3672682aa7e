"""The pages of a destination: who may see and change what, and what each button does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from integrations import naming, registry, routing
from integrations.models import Delivery, Integration, Listed, NameMap, Route
from ledgerhub.access.models import AuditEvent, User
from ledgerhub.ledger import revaluation
from ledgerhub.ledger.models import Source
from tests.integrations.delivering import deliver, sale, sell, store
from tests.integrations.tiny_books import TinyBooks
from tests.ledger.drafts import DAY

pytestmark = pytest.mark.django_db
SignedIn = Callable[[User], Client]


def url(name: str, *args: Any) -> str:
    return reverse(f"integrations:{name}", args=["corner-shop", *args])


def words(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.parametrize("name", ["routes", "names", "deliveries"])
def test_pages_are_for_members(
    destination: Integration,
    viewer: User,
    outsider: User,
    signed_in: SignedIn,
    name: str,
) -> None:
    page = url(name, destination.pk)
    assert signed_in(viewer).get(page).status_code == 200
    assert signed_in(outsider).get(page).status_code == 404
    assert Client().get(page).status_code == 302


ACTS = {
    "routes": "approver", "names": "approver", "name_lists": "bookkeeper",
    "delivery_tries": "bookkeeper", "delivery_dismissal": "approver",
    "delivery_replacement": "approver",
}  # fmt: skip


@pytest.mark.parametrize(("name", "role"), ACTS.items())
def test_acts_need_their_role(
    destination: Integration,
    viewer: User,
    bookkeeper: User,
    outsider: User,
    signed_in: SignedIn,
    name: str,
    role: str,
) -> None:
    more = [1] if name in ("delivery_dismissal", "delivery_replacement") else []
    page = url(name, destination.pk, *more)
    weaker = viewer if role == "bookkeeper" else bookkeeper
    assert signed_in(weaker).post(page).status_code == 403
    assert signed_in(outsider).post(page).status_code == 404


def test_an_integration_that_takes_nothing_has_no_such_pages(
    destination: Integration,
    viewer: User,
    signed_in: SignedIn,
) -> None:
    other = Integration.objects.create(organization=destination.organization, connector="stripe", name="S")
    assert signed_in(viewer).get(url("deliveries", other.pk)).status_code == 404


def test_setting_up_ends_with_turning_it_on(
    destination: Integration,
    admin: User,
    approver: User,
    outsider: User,
    signed_in: SignedIn,
) -> None:
    """There is nothing to read or preview: what works is turned on, then what goes there is chosen."""
    Integration.objects.update(state=Integration.State.DRAFT)
    on, connection = url("activation", destination.pk), url("setup_connection", destination.pk)
    assert signed_in(approver).post(on).status_code == 403
    assert signed_in(outsider).post(on).status_code == 404
    client = signed_in(admin)
    untested = client.post(on)
    assert (untested.status_code, untested["Location"]) == (302, connection)
    assert words(untested) == ["Test the connection first: it has to work."]
    client.post(connection)
    page = client.get(connection).content.decode()
    assert "Turn it on" in page
    assert "What to read" not in page
    assert "Choose what to read" not in page
    assert client.get(url("setup_streams", destination.pk))["Location"] == connection
    assert "Finish setting it up." in client.get(url("integration", destination.pk)).content.decode()
    turned = client.post(on)
    assert turned["Location"] == url("routes", destination.pk)
    assert words(turned)[-1] == "Tiny Books is on. Choose what goes there."
    destination.refresh_from_db()
    assert destination.state == Integration.State.ACTIVE
    page = client.get(url("integration", destination.pk)).content.decode()
    assert "Documents go there as they are booked here" in page
    assert "Sync now" not in page


def test_what_goes_there_is_chosen_and_goes_at_once(
    destination: Integration,
    approver: User,
    signed_in: SignedIn,
) -> None:
    Route.objects.all().delete()
    sell(destination)
    source = Source.objects.get(key="shop")
    client = signed_in(approver)
    refused = client.post(url("routes", destination.pk), {f"on-{source.pk}": "on", f"start-{source.pk}": "x"})
    assert (refused.status_code, Route.objects.count()) == (422, 0)
    assert "Choose the day from which documents go out." in refused.content.decode()
    chosen = {f"on-{source.pk}": "on", f"start-{source.pk}": "2026-03-01", f"mode-{source.pk}": "daily"}
    saved = client.post(url("routes", destination.pk), chosen)
    assert saved.status_code == 302
    # The first time there are names to choose from at once.
    assert words(saved) == [
        "Their lists were read: 2 names.", "Saved. What has to go out goes out now.",
    ]  # fmt: skip
    route = Route.objects.get()
    assert (route.mode, str(route.start_date), route.enabled, route.created_by) == (
        "daily", "2026-03-01", True, approver,
    )  # fmt: skip
    assert OrmQ.objects.count() == 1
    event = AuditEvent.objects.get(action="destination.routes_changed")
    assert (event.before, event.after) == ({}, {"Shop": "one summary a day"})
    again = client.post(url("routes", destination.pk), {})
    assert words(again)[len(words(saved)) :] == ["Saved. What has to go out goes out now."]
    route.refresh_from_db()
    assert not route.enabled


def test_only_what_can_go_there_is_offered_under_its_integration(
    destination: Integration, viewer: User, signed_in: SignedIn
) -> None:
    """Customers and bank lines are no documents, and fees are not taken there."""
    organization = destination.organization
    shop = Integration.objects.create(organization=organization, connector="shopify", name="Mugs")
    bank = Integration.objects.create(organization=organization, connector="bank_file", name="Bank")
    for integration in (shop, bank):
        for spec in registry.connector(integration).streams:
            registry.source_for(integration, spec)
    shown = signed_in(viewer).get(url("routes", destination.pk))
    offered = {group: [row.name for row in rows] for group, rows in shown.context["groups"].items()}
    assert offered == {"Mugs": ["Orders", "Shopify Payments payouts"], "Without an integration": ["Shop"]}
    assert "Mugs" in shown.content.decode()


def test_all_rows_are_filled_in_alike_and_saved_only_by_saving(
    destination: Integration, approver: User, viewer: User, signed_in: SignedIn
) -> None:
    Route.objects.all().delete()
    sell(destination)
    page, asked = url("routes", destination.pk), {"mode": "daily", "start": "2026-02-01"}
    shown = signed_in(approver).get(page, asked)
    [[row]] = shown.context["groups"].values()
    assert (row.enabled, row.mode, row.start) == (True, "daily", "2026-02-01")
    assert "Not saved yet" in shown.content.decode()
    assert not Route.objects.exists()
    assert "Tick all rows so" not in signed_in(viewer).get(page).content.decode()


def test_a_refused_form_keeps_what_was_chosen(
    destination: Integration, approver: User, signed_in: SignedIn
) -> None:
    Route.objects.all().delete()
    sell(destination)
    source = Source.objects.get(key="shop")
    form = {f"on-{source.pk}": "on", f"start-{source.pk}": "", f"mode-{source.pk}": "payout"}
    shown = signed_in(approver).post(url("routes", destination.pk), form)
    [[row]] = shown.context["groups"].values()
    assert (row.enabled, row.mode) == (True, "payout")
    assert row.problem == "Choose the day from which documents go out."


def test_sources_that_do_not_go_there_are_named(
    destination: Integration, viewer: User, signed_in: SignedIn
) -> None:
    page, client = url("deliveries", destination.pk), signed_in(viewer)
    assert "do not go there" not in client.get(page).content.decode()
    store(destination.organization, sale(500, "77"), source="stall")
    assert "Documents of Stall do not go there" in client.get(page).content.decode()


def test_a_revaluation_is_not_offered(destination: Integration) -> None:
    store(destination.organization, sale(500, "77"), source="stall")
    store(destination.organization, sale(500, "78"), source=revaluation.SOURCE)
    keys = [source.key for source in routing.sources(destination)]
    assert "stall" in keys
    assert revaluation.SOURCE not in keys


def test_names_are_suggested_chosen_and_what_waited_for_them_goes(
    destination: Integration,
    tiny_books: TinyBooks,
    approver: User,
    signed_in: SignedIn,
) -> None:
    NameMap.objects.all().delete()
    sell(destination)
    assert deliver(destination) == ["planned"]
    client = signed_in(approver)
    shown = client.get(url("deliveries", destination.pk))
    assert shown.context["counts"] == {"delivered": 0, "under_way": 1, "unnamed": 1, "failed": 0}
    said = shown.content.decode()
    assert "1 on their way, 1 of them waits for names" in said
    assert f'<a class="link small" href="{url("names", destination.pk)}">Choose names</a>' in said
    document = reverse("ledger:document", args=["corner-shop", Delivery.objects.get().document_id])
    assert "Waits for names" in client.get(document).content.decode()
    response = client.post(url("name_lists", destination.pk))
    assert words(response) == ["Their lists were read: 2 names."]
    page = client.get(url("names", destination.pk))
    assert [(one.key, one.theirs, one.suggested) for one, _ in page.context["rows"]] == [
        ("1100", "", ""), ("4000", "", "a1"),
    ]  # fmt: skip
    assert "1 is suggested: save to agree" in page.content.decode()
    response = client.post(url("names", destination.pk), {"account:1100": "a2", "account:4000": "nonsense"})
    assert words(response) == ["1 name saved. 1 delivery is tried again."]
    assert list(NameMap.objects.filter(what="account").values_list("ours", "theirs", "set_by")) == [
        ("1100", "a2", approver.pk)
    ]
    assert deliver(destination) == ["delivered"]
    assert tiny_books.docs["d1"]["account"] == "a2"


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("Bank clearing of others", ""), ("Product sales", "x"), ("Sales", "x"), ("Rent", "")],
)
def test_an_account_of_our_code_is_suggested_only_if_its_name_is_like_ours(
    destination: Integration, name: str, suggested: str
) -> None:
    sell(destination)
    Listed.objects.create(integration=destination, what="account", external_id="x", name=name, code="4000")
    found = {one.key: one.suggested for one in naming.wanted(destination)}
    assert found["4000"] == suggested


def test_what_is_gone_from_their_lists_is_offered_no_more(destination: Integration) -> None:
    Listed.objects.create(integration=destination, what="account", external_id="old", name="Old")
    naming.refresh(destination, patience=1)
    assert dict(Listed.objects.values_list("external_id", "active")) == {"a1": True, "a2": True, "old": False}


def test_a_failed_delivery_is_tried_again_or_left_out(
    destination: Integration,
    tiny_books: TinyBooks,
    approver: User,
    signed_in: SignedIn,
) -> None:
    for number in range(2):
        sell(destination, id=str(number), date=DAY)
    tiny_books.faults.extend(["422", "422"])
    assert deliver(destination) == ["failed", "failed"]
    client = signed_in(approver)
    page = client.get(url("deliveries", destination.pk))
    assert page.context["counts"] == {"delivered": 0, "under_way": 0, "unnamed": 0, "failed": 2}
    first, second = Delivery.objects.order_by("pk")
    assert words(client.post(url("delivery_dismissal", destination.pk, first.pk)))[0].startswith("Left out.")
    response = client.post(url("delivery_tries", destination.pk), {"delivery": second.pk})
    assert words(response)[-1] == "1 delivery is tried again."
    assert deliver(destination) == ["dismissed", "delivered"]
    assert AuditEvent.objects.filter(action__startswith="delivery.").count() == 2
    assert client.post(url("delivery_dismissal", destination.pk, second.pk)).status_code == 404


def test_what_people_changed_there_is_replaced_only_with_a_reason(
    destination: Integration,
    tiny_books: TinyBooks,
    approver: User,
    signed_in: SignedIn,
) -> None:
    sell(destination)
    deliver(destination)
    tiny_books.docs["d1"].update(note="by hand", version=2)
    sell(destination, 9900)
    assert deliver(destination) == ["delivered", "failed"]
    first, held = Delivery.objects.order_by("pk")
    client = signed_in(approver)
    assert "Replace theirs" in client.get(url("deliveries", destination.pk)).content.decode()
    page = url("delivery_replacement", destination.pk, held.pk)
    assert words(client.post(page)) == ["Say why ours is to stand. Nothing was changed."]
    assert deliver(destination) == ["delivered", "failed"]
    assert client.post(page, {"reason": "typed wrongly"}).status_code == 302
    assert deliver(destination) == ["delivered", "delivered"]
    assert tiny_books.standing()[0][1] == 9900
    event = AuditEvent.objects.get(action="delivery.replaced_theirs")
    assert (event.before["version"], event.after) == ("2", {"reason": "typed wrongly"})
    assert client.post(page, {"reason": "again"}).status_code == 404
    assert client.post(url("delivery_replacement", destination.pk, first.pk)).status_code == 404


def test_queries_do_not_grow_with_the_deliveries(
    destination: Integration,
    viewer: User,
    signed_in: SignedIn,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(12):
        sell(destination, id=str(number))
    deliver(destination)
    client = signed_in(viewer)
    with django_assert_max_num_queries(26):
        client.get(url("deliveries", destination.pk))

"""The simulated Amazon: its facts, its quotas, its answers; and a settlement that crosses a month's end."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db.models import Sum

from integrations import consent, oauth, register, sync
from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connection import TokenRow
from integrations.connectors import CONNECTORS
from integrations.models import Quarantine, Stream, SyncRun
from integrations.oauth import MemoryTokenStore, Token
from integrations.sandbox import truth
from integrations.sandbox.amazon_sales import Amazon, Settlement
from integrations.sandbox.amazon_shapes import table
from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY, Business, day, instant
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems.amazon import REFRESH, respond, system
from integrations.sandbox.web import Request, State
from integrations.views.wizard import waits_for_consent
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import ConfigError, TransientError
from ledgerhub.ledger import clearing, queries
from ledgerhub.ledger.models import Account, Document, Posting
from tests.harbor import connect, found
from tests.integrations.limits import without_limits
from tests.integrations.test_connectors import Unlimited
from tests.jobs import drain

AMAZON = CONNECTORS["amazon"]
ACCESS = "Atza|of-the-test"


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=60)


@pytest.fixture(scope="module")
def server(business: Business) -> Iterator[SandboxServer]:
    with running(business) as made:
        yield made


def state_of(business: Business) -> State:
    state = State(business.clock, address="http://127.0.0.1:1")
    state.kept["amazon"] = {"access": {ACCESS: state.monotonic() + 3600}, "codes": set()}
    return state


def ask(business: Business, path: str, state: State | None = None, /, **query: str) -> tuple[int, Any]:
    request = Request("GET", path, tuple(query.items()), {"x-amz-access-token": ACCESS})
    answer = respond(business, state or state_of(business), request)
    return answer.status, json.loads(answer.body)


def talking(server: SandboxServer, refresh: str = REFRESH, **options: Any) -> Client:
    settings = {**system.settings, "base_url": f"{server.address}{system.base}"}
    secrets = {**system.secrets, "refresh_token": refresh}
    usual: dict[str, Any] = {"store": MemoryTokenStore(), "allow_loopback": True}
    return Client(AMAZON, settings, secrets, **{**usual, "budget": lambda bucket: Unlimited(), **options})


# ── the facts ───────────────────────────────────────────────────────────────────────────────────
def test_every_kind_of_order_and_transaction_is_there(business: Business) -> None:
    amazon, clock = business.of(Amazon), business.clock
    assert {one.kind for one in amazon.posted if one.at <= clock} == {
        "Shipment", "Refund", "Chargeback", "ServiceFee", "ProductAdsPayment", "FBAInventoryReimbursement"
    }  # fmt: skip
    assert {order.theirs for order in amazon.orders} == {True, False}
    assert any(order.cancelled for order in amazon.orders)
    assert any(item.gift_wrap for order in amazon.orders for item in order.items)
    assert {bool(one.copy) for one in amazon.posted if one.released} == {True, False}


def test_what_counts_is_in_one_settlement_and_makes_it_with_the_reserves(business: Business) -> None:
    settlements = business.of(Amazon).settlements
    inside = Counter(one.id for settled in settlements for one in settled.posted)
    assert set(inside.values()) == {1}
    assert set(inside) == {one.id for one in business.of(Amazon).posted if one.counts < settlements[-1].end}
    for before, after in pairwise(settlements):
        assert (after.start, after.released) == (before.end, before.held)
    for settled in settlements:
        assert all(one.known < settled.created for one in settled.posted)
        assert settled.amount + settled.held > 0


def test_the_reserve_in_the_books_is_what_is_kept_back(business: Business) -> None:
    for clock in range(instant(business.start, 3), instant(business.horizon, 3), 9 * DAY):
        balances = truth.balances(business, clock=clock, systems=["amazon"])
        assert balances.get("reserve", 0) == business.of(Amazon).on_reserve(clock)


def test_the_table_of_a_settlement_adds_up(business: Business) -> None:
    for settled in business.of(Amazon).settlements:
        header, head, *rows = (line.split("\t") for line in table(settled).splitlines())
        amounts = [row[header.index("amount")] for row in rows]
        cents = sum(int(text.replace(".", "")) for text in amounts)
        assert head[header.index("total-amount")].replace(".", "") == str(cents)


# ── its answers ─────────────────────────────────────────────────────────────────────────────────
def test_tokens(server: SandboxServer) -> None:
    with talking(server, "Atzr|another") as client, pytest.raises(ConfigError, match="did not renew"):
        client.test()
    store = MemoryTokenStore(Token("Atza|revoked", REFRESH))
    with talking(server, store=store) as client:
        assert client.test().words == "Connected: sells on Amazon.com."
    token = store.current()
    assert token is not None
    assert (token.access.startswith("Atza|sandbox-"), token.refresh) == (True, REFRESH)


def test_the_consent_is_given_at_the_sandbox(server: SandboxServer, business: Business) -> None:
    settings = {**AMAZON.with_defaults(system.settings), "base_url": f"{server.address}{system.base}"}
    begun = oauth.begin(AMAZON.auth, settings, redirect_uri="http://127.0.0.1:1/back")  # type: ignore[arg-type]
    assert begun.url.startswith(f"{server.address}{system.base}/apps/authorize/consent?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    request = Request("GET", "/apps/authorize/consent", tuple(query.items()))
    answer = respond(business, server.state, request)
    location = dict(answer.headers)["Location"]
    back = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert (answer.status, back["state"], back["selling_partner_id"]) == (302, begun.state, "A3HARBOR")
    with talking(server, "") as client:
        token = client.exchange_code(
            back["spapi_oauth_code"], redirect_uri="http://127.0.0.1:1/back", verifier=""
        )
        assert token.refresh == REFRESH
        with pytest.raises(ConfigError):
            client.exchange_code(
                back["spapi_oauth_code"], redirect_uri="http://127.0.0.1:1/back", verifier=""
            )


def test_pages_of_each_list(server: SandboxServer, business: Business) -> None:
    clock, amazon, calls = business.clock, business.of(Amazon), list[CallRecord]()
    with talking(server, record_call=calls.append) as client:
        pages = {stream.key: list(client.pages(stream)) for stream in AMAZON.streams}
    read = {key: [row for page in found for row in page.records] for key, found in pages.items()}
    orders = Counter(row["orderId"] for row in read["orders"])
    assert orders == Counter(order.id for order in amazon.orders if order.placed <= clock)
    posted = {one.id for one in amazon.posted if one.listed <= clock}
    assert posted <= {row["transactionId"] for row in read["finances"]}
    known = [one.id for one in reversed(amazon.settlements) if one.created <= clock]
    assert [AMAZON.stream("settlements").identity(row) for row in read["settlements"]] == known
    assert len(pages["settlements"]) == len(known) >= 4
    assert len([page for page in pages["finances"] if page.records]) > 1
    # The signed address of a table is nowhere kept, and what proves it hidden.
    assert "X-Amz-Signature" not in repr(read)
    assert {text[:10] for text in re.findall("X-Amz-Signature=(.*?)[\"' ]", repr(calls))} <= {
        "[hidden]", "%5Bhidden%"
    }  # fmt: skip
    assert "X-Amz-Signature" in repr(calls)
    assert not any(secret in repr(calls) for secret in (*system.secrets.values(), "Atza|"))


def test_what_is_listed_late_and_what_is_released_is_read_again(business: Business) -> None:
    """Read every three days as time goes on: in the end each transaction stands as it does at the end."""
    stream, cursor, latest = AMAZON.stream("finances"), None, dict[str, str]()
    with running(business, state=State(business.clock - 45 * DAY)) as server, talking(server) as client:
        while server.state.clock <= business.clock:
            moment = dt.datetime.fromtimestamp(server.state.clock, dt.UTC)
            client._now = lambda moment=moment: moment  # type: ignore[misc]
            pages = list(client.pages(stream, cursor))
            latest |= {
                row["transactionId"]: row["transactionStatus"] for page in pages for row in page.records
            }
            cursor = pages[-1].cursor
            server.state.move(server.state.clock + 3 * DAY)
        end = server.state.clock - 3 * DAY
    posted = [one for one in business.of(Amazon).posted if one.listed <= end]
    assert {one.id for one in posted} <= set(latest)
    for one in posted:
        state = "RELEASED" if not one.released else "DEFERRED_RELEASED" if one.released <= end else "DEFERRED"
        assert latest[one.id] == state


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/orders/2026-01-01/orders", {}, "lastUpdatedAfter is missing"),
        ("/finances/2024-06-19/transactions", {"postedAfter": "soon"}, "postedAfter is not a date"),
        (
            "/finances/2024-06-19/transactions",
            {"postedAfter": "2026-10-01", "postedBefore": "2199-01-01"},
            "postedBefore must be more than two minutes before now",
        ),
        ("/reports/2021-06-30/reports", {}, "reportTypes is missing"),
        ("/reports/2021-06-30/reports", {"nextToken": "eA==", "pageSize": "1"}, "nextToken must be the only"),
    ],
)
def test_what_it_refuses(business: Business, path: str, query: dict[str, str], message: str) -> None:
    status, body = ask(business, path, **query)
    assert (status, body["errors"][0]["message"][: len(message)]) == (400, message)


def test_windows_of_more_than_180_days_are_empty(business: Business) -> None:
    _, body = ask(business, "/finances/2024-06-19/transactions", postedAfter="2026-01-01")
    assert body == {"payload": {"transactions": []}}


def test_a_table_is_had_by_its_signed_address_alone(business: Business) -> None:
    document = f"amzn1.spdoc.{business.of(Amazon).settlements[0].id}"
    for query, headers, status in (
        ((("X-Amz-Signature", "x"),), {}, 200),
        ((), {}, 403),
        ((("X-Amz-Signature", "x"),), {"x-amz-access-token": ACCESS}, 403),
        ((("X-Amz-Signature", "x"),), {"x-amz-date": "20261031T120000Z"}, 403),
    ):
        request = Request("GET", f"/download/{document}", query, headers)
        assert respond(business, state_of(business), request).status == status


def test_a_quota_that_others_used_up_is_waited_for(business: Business) -> None:
    """At the published pace: ten calls at once, after that one in 45 seconds."""
    with running(business) as server:
        server.state.settings["amazon_pace"] = 1
        with talking(server) as other:
            for _ in range(10):
                other.fetch_page(stream := AMAZON.stream("settlements"), other.first_state(stream))
        with talking(server, budget=None, sleep=lambda seconds: None) as client:
            state = client.first_state(stream)
            with pytest.raises(TransientError) as caught:
                client.fetch_page(stream, state)
    assert caught.value.retry_after == pytest.approx(1 / 0.0222, abs=1)


# ── the books ───────────────────────────────────────────────────────────────────────────────────
def crossing(business: Business) -> Settlement:
    """A settlement that crosses a month's end, its payout known and paid."""
    return next(
        one
        for one in business.of(Amazon).settlements
        if day(one.start).month != day(one.end).month and one.created <= business.clock
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("loopback")
def test_a_settlement_that_crosses_a_month_is_booked_in_both(business: Business) -> None:
    """Each month's part on its days; what is not paid yet is carried in the clearing account; the payout of
    the next month takes it from there; every payout to the cent."""
    harbor = found()
    with running(business) as server:
        connect(harbor, server, "amazon")
        drain()
    assert {run.state for run in SyncRun.objects.all()} == {"succeeded"}
    assert not Quarantine.objects.exists()
    settled = crossing(business)
    month_end = day(settled.start) + dt.timedelta(days=32 - day(settled.start).day)
    month_end = month_end.replace(day=1) - dt.timedelta(days=1)
    account = Account.objects.get(organization=harbor, role="clearing", qualifier="amazon")
    for on in (month_end, day(settled.end), settled.deposit, day(business.clock)):
        expected = truth.balances(business, clock=business.clock, date=on, systems=["amazon"])
        assert at(harbor, on) == expected
        [held] = clearing.held(account, on=on)
        assert held.balance == expected.get("clearing:amazon", 0) == queries.account_balance(account, on=on)
    # Both months have their part, and what the first leaves is carried.
    inside = Document.objects.filter(kind="fee", reference__in=keys(settled))
    assert {row.date.month for row in inside} == {month_end.month, month_end.month % 12 + 1}
    assert queries.account_balance(account, on=month_end) != 0
    payouts = list(Document.objects.filter(kind="payout"))
    checks = clearing.check_payouts(account, payouts)
    assert {check.state for check in checks.values()} == {"complete"}
    [last] = clearing.held(account, on=day(business.clock))
    assert (last.difference, last.unbooked) == (0, [])
    # As summaries go out by payout: a journal for each month, that come to what the payout was.
    [payout] = [row for row in payouts if row.external_id == settled.id]
    settling = clearing.settling(account, set(Document.objects.values_list("pk", flat=True)))
    ours = [
        pk for pk, by in settling.items() if payout.pk in {one.payout.pk for one in by} and pk != payout.pk
    ]
    months = Counter[int]()
    for posting in Posting.objects.filter(account=account, entry__document__in=ours):
        months[posting.date.month] += posting.base_amount
    assert sorted(months) == sorted({month_end.month, month_end.month % 12 + 1})
    assert sum(months.values()) == settled.amount


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("loopback")
def test_what_nobody_knows_waits_in_words_and_all_else_is_booked(
    business: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    harbor = found()
    without_limits(monkeypatch, "amazon")
    with running(business) as server:
        server.state.settings["amazon_pace"] = 1_000_000
        for path, field, value in (
            ("/orders", "fulfillment.fulfillmentStatus", "TELEPORTED"),
            ("/finances", "transactionType", "Mystery"),
        ):
            # The first windows are empty: of those from before the launch nothing can be spoiled.
            server.state.faults.append(
                Fault("amazon", "malformed", path, -1, field=field, value=value, remove=False)
            )
        integration = connect(harbor, server, "amazon")
        drain()
        waiting = {row.stream.key: row for row in Quarantine.objects.select_related("stream")}
        assert sorted(waiting) == ["finances", "orders"]
        assert "'TELEPORTED' is not in the list" in str(waiting["orders"].errors)
        assert "Mystery" in str(waiting["finances"].errors)
        # Amazon says better: both are booked, and the books are the truth again.
        server.state.faults.clear()
        Stream.objects.filter(integration=integration).update(cursor={})
        for stream in Stream.objects.filter(integration=integration):
            sync.request_run(stream, trigger="person")
        drain()
    assert not Quarantine.objects.filter(state="open").exists()
    expected = truth.balances(business, clock=business.clock, systems=["amazon"])
    assert at(harbor, dt.date.max) == expected


@pytest.mark.django_db
@pytest.mark.usefixtures("loopback")
def test_a_consent_takes_the_place_of_the_refresh_token_that_was_typed_in(server: SandboxServer) -> None:
    integration = connect(found(), server, "amazon")
    assert not waits_for_consent(integration)
    consent.given(integration, AMAZON.auth, {"selling_partner_id": "A3HARBOR"})  # type: ignore[arg-type]
    assert waits_for_consent(integration)
    TokenRow(integration).store(Token("Atza|revoked", REFRESH))
    assert not waits_for_consent(integration)
    assert register.test_connection(integration) == (True, "Connected: sells on Amazon.com.")
    integration.refresh_from_db()
    assert integration.settings["seller"] == "A3HARBOR"
    assert integration.consent_until is not None
    assert sorted(integration.secrets.values_list("name", flat=True)) == ["client_secret", "oauth_token"]


def keys(settled: Settlement) -> set[str]:
    return {f"{one.order} shipment" for one in settled.posted if one.kind == "Shipment"}


def at(organization: Organization, on: dt.date) -> dict[str, int]:
    """Account role[:qualifier] -> base balance at the end of a day, zeros left out."""
    rows = (
        Posting.objects.filter(organization=organization, date__lte=on)
        .values_list("account__role", "account__qualifier")
        .annotate(total=Sum("base_amount"))
    )
    return {f"{role}:{qualifier}" if qualifier else role: total for role, qualifier, total in rows if total}

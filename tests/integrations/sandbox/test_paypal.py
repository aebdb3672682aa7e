"""The simulated PayPal: its facts, its answers as PayPal gives them, its signed messages."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as DjangoClient
from pytest_django import Settings

from integrations import webhooks
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.connectors.paypal.webhook import verify
from integrations.models import Stream, WebhookEvent
from integrations.oauth import MemoryTokenStore
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY, Business, day, instant
from integrations.sandbox.paypal_sales import LAG, PayPal
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems.paypal import (
    CLIENT_ID,
    CLIENT_SECRET,
    TOKEN,
    WEBHOOK_ID,
    hooks,
    respond,
    signed,
    system,
)
from integrations.sandbox.web import Request, State
from ledgerhub.core.errors import ConfigError
from tests.harbor import connect, found
from tests.integrations.proving import proven
from tests.integrations.test_connectors import Unlimited

PAYPAL = CONNECTORS["paypal"]
STREAM = PAYPAL.stream("transactions")


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=60)


@pytest.fixture(scope="module")
def server(business: Business) -> Iterator[SandboxServer]:
    with running(business) as made:
        yield made


def ask(business: Business, path: str, *query: tuple[str, str], token: str = TOKEN) -> tuple[int, Any]:
    request = Request("GET", path, query, {"authorization": f"Bearer {token}"})
    answer = respond(business, State(business.clock), request)
    return answer.status, json.loads(answer.body)


def search(business: Business, start: str, end: str, **more: str) -> tuple[int, Any]:
    asked = {"start_date": f"{start}T00:00:00Z", "end_date": f"{end}T00:00:00Z", **more}
    return ask(business, "/v1/reporting/transactions", *asked.items())


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} seconds")


def talking(server: SandboxServer, secret: str = CLIENT_SECRET) -> Client:
    settings = {**system.settings, "base_url": f"{server.address}{system.base}"}
    return Client(
        PAYPAL,
        settings,
        {"client_secret": secret},
        store=MemoryTokenStore(),
        allow_loopback=True,
        budget=lambda bucket: Unlimited(),
        sleep=never,
    )


# ── the facts ───────────────────────────────────────────────────────────────────────────────────
def test_every_kind_of_row_is_there_and_ids_are_shared(business: Business) -> None:
    moves = business.of(PayPal).moves
    assert {move.code for move in moves if move.at <= business.clock} == {
        *("T0006", "T0101", "T0106", "T0400", "T0403", "T1101", "T1106", "T1107"),
        *("T1110", "T1111", "T1201", "T1202", "T2103", "T2104", "T0200", "T0201", "T0202"),
    }
    assert {move.status(business.clock) for move in moves} == {"S", "P", "D"}
    assert len({move.key for move in moves}) == len(moves) > len({move.id for move in moves})


def test_holds_are_released_and_reserve_is_what_is_withheld(business: Business) -> None:
    for clock in range(instant(business.start, 3), instant(business.horizon, 3), 9 * DAY):
        balances = truth.balances(business, clock=clock, systems=["paypal"], currency="USD")
        assert balances.get("reserve", 0) == business.of(PayPal).on_hold(clock) >= 0
        assert balances.get("clearing:paypal", 0) == business.of(PayPal).held(clock)["paypal"]


def test_a_conversion_is_two_rows_of_one_moment_at_less_than_the_rate(business: Business) -> None:
    rows = [move for move in business.of(PayPal).moves if move.code in ("T0200", "T0201", "T0202")]
    pairs: dict[tuple[str, int, str], dict[str, int]] = {}
    for row in rows:
        pairs.setdefault((row.code, row.at, row.reference), {})[row.currency] = row.amount
        assert row.fee == 0
    assert {(code, *sorted(pair)) for (code, *_), pair in pairs.items()} == {
        ("T0200", "GBP", "USD"), ("T0201", "CAD", "USD"), ("T0202", "GBP", "USD"),
    }  # fmt: skip
    for (code, at, _), pair in pairs.items():
        [(currency, amount)] = [(name, amount) for name, amount in pair.items() if name != "USD"]
        worth = business.rates.in_dollars(amount, currency, day(at))
        lost = pair["USD"] + worth
        assert (amount > 0) is (code == "T0202")
        assert lost < 0
        assert 0.03 < lost / -abs(worth) < 0.04


def test_what_is_kept_of_other_currencies_is_in_the_balance(business: Business) -> None:
    held = business.of(PayPal).held(business.clock)
    assert set(held) == {"paypal", "paypal:CAD", "paypal:GBP"}
    assert held["paypal:CAD"] > 0
    status, body = ask(business, "/v1/reporting/balances")
    said = {row["currency"]: row["available_balance"]["value"] for row in body["balances"]}
    assert (status, said) == (
        200,
        {code: f"{held[name] / 100:.2f}" for code, name in zip(said, held, strict=True)},
    )
    _, one = ask(business, "/v1/reporting/balances", ("currency_code", "CAD"))
    assert [row["total_balance"]["value"] for row in one["balances"]] == [said["CAD"]]


def test_transfers_reach_the_bank_but_the_one_that_came_back(business: Business) -> None:
    sent = {payout.id: payout for payout in business.of(PayPal).payouts if payout.arrival <= business.horizon}
    back = [payout for payout in sent.values() if payout.failed]
    assert [sum(payout.amount for payout in back), len(back)] == [0, 2]
    shown = {
        reference.removeprefix("payout:"): line
        for line in business.bank_lines
        for reference in line.explains
        if line.counterparty == "PAYPAL"
    }
    assert set(shown) == {key for key, payout in sent.items() if not payout.failed}
    assert {key: line.amount for key, line in shown.items()} == {
        key: payout.amount for key, payout in sent.items() if not payout.failed
    }


def test_a_transaction_is_in_the_reports_after_three_hours(business: Business) -> None:
    move = next(move for move in business.of(PayPal).moves if move.counts(move.at))
    seen = [[row for row, *_ in business.of(PayPal).booked(move.at + later)] for later in (LAG - 1, LAG)]
    assert [move.key in rows for rows in seen] == [False, True]


# ── the answers ─────────────────────────────────────────────────────────────────────────────────
def test_the_whole_is_read_in_windows_and_again_only_what_may_change(server: SandboxServer) -> None:
    with talking(server) as found:
        pages = list(found.pages(STREAM))
        ids = [STREAM.identity(row) for page in pages for row in page.records]
        fresh = server.business.clock - LAG
        assert sorted(ids) == sorted(m.key for m in server.business.of(PayPal).moves if m.at <= fresh)
        again = [row for page in found.pages(STREAM, pages[-1].cursor) for row in page.records]
    late = {m.key for m in server.business.of(PayPal).moves if fresh - 14 * DAY <= m.at <= fresh}
    assert {STREAM.identity(row) for row in again} == late


def test_a_window_with_too_much_in_it_is_halved(business: Business) -> None:
    with running(business) as small:
        small.state.settings["paypal_most"] = 5
        with talking(small) as found:
            ids = [STREAM.identity(row) for page in found.pages(STREAM) for row in page.records]
    fresh = business.clock - LAG
    assert set(ids) == {move.key for move in business.of(PayPal).moves if move.at <= fresh}


def test_pages(business: Business) -> None:
    status, whole = search(business, "2026-09-01", "2026-10-01", page_size="500")
    assert (status, whole["total_pages"]) == (200, 1)
    parts = [search(business, "2026-09-01", "2026-10-01", page_size="5", page=str(n))[1] for n in (1, 2, 3)]
    rows = [row for part in parts for row in part["transaction_details"]]
    assert rows == whole["transaction_details"][:15]
    assert parts[0]["total_pages"] == -(-whole["total_items"] // 5)


@pytest.mark.parametrize(
    ("start", "end", "more", "issue"),
    [
        ("2026-08-01", "2026-10-01", {}, "Date range is greater than 31 days"),
        ("2026-11-20", "2026-11-21", {}, "Data for the given start date is not available."),
        ("2026-10-01", "2026-10-02", {"page_size": "501"}, "The page size is greater than 500"),
        ("2026-10-01", "2026-10-02", {"page": "0"}, "Must be a whole number from 1"),
        ("2026-10-41", "2026-10-02", {}, "Date time is invalid"),
    ],
)
def test_what_it_refuses(business: Business, start: str, end: str, more: dict[str, str], issue: str) -> None:
    status, body = search(business, start, end, **more)
    assert (status, body["name"], body["details"][0]["issue"]) == (400, "INVALID_REQUEST", issue)


def test_credentials(server: SandboxServer, business: Business) -> None:
    assert ask(business, "/v1/reporting/balances", token="old")[0] == 401
    with talking(server, "wrong") as found, pytest.raises(ConfigError) as caught:
        found.test()
    assert str(caught.value).startswith("PayPal does not accept these credentials (401).")
    form = b"grant_type=password"
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    request = Request("POST", "/v1/oauth2/token", (), {"authorization": f"Basic {basic}"}, form)
    assert respond(business, State(business.clock), request).status == 400


def test_the_balance_in_words(server: SandboxServer, business: Business) -> None:
    paypal, clock = business.of(PayPal), business.clock
    held = paypal.held(clock)
    total = held["paypal"] + paypal.on_hold(clock)
    with talking(server) as found:
        words = found.test().words
    others = (f"{held[f'paypal:{code}'] / 100:.2f} {code}" for code in ("CAD", "GBP"))
    texts = ", ".join((f"{total / 100:.2f} USD", *others))
    assert words == f"Connected to account {paypal.account}: holds {texts}."


def test_messages_are_signed_by_a_certificate_that_the_sandbox_hands_out(server: SandboxServer) -> None:
    state, clock = server.state, server.business.clock
    state.hooks["paypal"] = ["http://127.0.0.1:9/hook"]
    made = hooks(server.business, state, clock - 20 * DAY, clock)
    assert made
    settings = {**system.settings, "base_url": f"{server.address}{system.base}"}
    with talking(server) as found:
        for hook in made:
            headers = {name.lower(): value for name, value in hook.headers.items()}
            event = proven(
                verify,
                headers,
                hook.body,
                (WEBHOOK_ID,),
                settings,
                now=found._now(),
                fetch=lambda read, values: found.ask(read, values, purpose="proof"),
            )
            assert event.stream == "transactions"


@pytest.mark.django_db
def test_a_message_at_the_door_makes_the_stream_due(
    server: SandboxServer, client: DjangoClient, settings: Settings
) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    integration = connect(found(), server, "paypal")
    Stream.objects.update(next_run_at=None)
    body = b'{"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED"}'
    headers = signed(body, int(time.time()), server.address)
    headers.pop("Content-Type")
    url = f"/hooks/{integration.webhook_token}/"
    answers = [
        client.post(url, sent, content_type="application/json", headers=headers)
        for sent in (body, body, body.replace(b"WH-1", b"WH-2"))
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    [event] = WebhookEvent.objects.all()
    webhooks.process(event.pk)
    assert Stream.objects.get().next_run_at is not None

"""Stripe by programs nobody here wrote: localstripe (stateful) and Prism with the vendor's specification.

Both are installed into a folder of their own (LEDGERHUB_PEERS, else the system's temporary folder) and run as
separate processes on loopback; where they cannot be installed the tests skip and say why.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.connectors.stripe.webhook import verify
from integrations.mapping import MappingContext, compile_mapping
from integrations.messages import Event
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.server import running
from integrations.spec import Stream
from ledgerhub.core.errors import ConfigError
from tests.integrations.proving import proven

pytestmark = pytest.mark.conformance

STRIPE = CONNECTORS["stripe"]
LOCALSTRIPE, PRISM = "localstripe==1.15.10", "@stoplight/prism-cli@5"
# localstripe's own command listens on every interface; this runs the same application on loopback only.
ON_LOOPBACK = """
import sys
from aiohttp import web
from localstripe.server import app
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
SECRET = "whsec_of_this_test"


def peers() -> Path:
    folder = Path(os.environ.get("LEDGERHUB_PEERS", Path(tempfile.gettempdir()) / "ledgerhub-peers"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def install(name: str, marker: Path, *commands: list[str]) -> None:
    """Run the commands unless `marker` is there already; skips the test where that fails."""
    if marker.exists():
        return
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=400)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{name} cannot be installed here: {error}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def program(command: list[str], port: int, *, seconds: float) -> Iterator[str]:
    """A running program, once its port answers; it and its children are ended with the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + seconds
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"{Path(command[0]).name} did not start within {seconds:.0f} seconds")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def client(address: str, key: str = "sk_test_conformance", **options: Any) -> Client:
    return Client(
        STRIPE,
        {"base_url": address, "charges_count_as": "sales"},
        {"api_key": key},
        allow_loopback=True,
        **options,
    )


def drafts(stream: Stream, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    mapping = compile_mapping(stream.outputs, MappingContext(settings={"charges_count_as": "sales"}))
    results = [result for record in records for result in mapping(stream.shape(record))]
    assert [error for result in results for error in result.errors] == []
    return [result.draft for result in results if result.draft]


# ── localstripe ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def localstripe() -> Iterator[str]:
    folder = peers() / "localstripe"
    python = str(folder / "bin" / "python")
    install(
        "localstripe",
        folder / "bin" / "localstripe",
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", LOCALSTRIPE],
    )
    port = free_port()
    with program([python, "-c", ON_LOOPBACK, str(port)], port, seconds=30) as address:
        yield address


def post(address: str, path: str, **form: Any) -> dict[str, Any]:
    request = Request(
        f"{address}{path}", urlencode(form).encode(), {"Authorization": "Bearer sk_test_conformance"}
    )
    with urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture(scope="module")
def shop(localstripe: str) -> list[str]:
    """The ids of 25 charges, newest first, the second of which is refunded in part."""
    customer = post(localstripe, "/v1/customers", name="Ann Lee", email="ann@lee.example")["id"]
    card = {
        "type": "card",
        "card[number]": "4242424242424242",
        "card[exp_month]": 12,
        "card[exp_year]": 2030,
        "card[cvc]": "123",
    }
    method = post(localstripe, "/v1/payment_methods", **card)["id"]
    post(localstripe, f"/v1/payment_methods/{method}/attach", customer=customer)
    charges = [
        post(localstripe, "/v1/charges", amount=1000 + n, currency="eur", customer=customer, source=method)[
            "id"
        ]
        for n in range(25)
    ]
    post(localstripe, "/v1/refunds", charge=charges[1], amount=400)
    return charges[::-1]


def test_pages_of_localstripe(localstripe: str, shop: list[str]) -> None:
    stream = STRIPE.stream("charges")
    assert stream.read is not None
    paged = replace(stream, read=replace(stream.read, params={**stream.read.params, "limit": 10}))
    with client(localstripe) as found:
        pages = list(found.pages(paged))
    assert [len(page.records) for page in pages] == [10, 10, 5]
    assert sorted(row["id"] for page in pages for row in page.records) == sorted(shop)
    payments = drafts(stream, [row for page in pages for row in page.records])
    assert sum(draft["total"] for draft in payments) == sum(1000 + n for n in range(25))
    assert {(draft["currency"], draft["status"], draft["gateway"]) for draft in payments} == {
        ("EUR", "succeeded", "stripe")
    }


def test_one_charge_and_one_that_is_not(localstripe: str, shop: list[str]) -> None:
    stream = STRIPE.stream("charges")
    with client(localstripe) as found:
        record = found.fetch_one(stream, shop[0])
        assert record is not None
        assert drafts(stream, [record])[0]["total"] == 1024
        assert found.fetch_one(stream, "ch_not_there") is None


def test_refunds_customers_and_balance_of_localstripe(localstripe: str, shop: list[str]) -> None:
    with client(localstripe) as found:
        read = {
            key: drafts(stream, [row for page in found.pages(stream) for row in page.records])
            for key in ("refunds", "customers", "balance_transactions")
            for stream in [STRIPE.stream(key)]
        }
    assert [(draft["total"], draft["status"]) for draft in read["refunds"]] == [(400, "succeeded")]
    assert [draft["name"] for draft in read["customers"]] == ["Ann Lee"]
    assert read["balance_transactions"] == []  # its fees are always 0


def test_a_wrong_key_at_localstripe(localstripe: str) -> None:
    with client(localstripe, key="nonsense") as found, pytest.raises(ConfigError, match="new restricted key"):
        list(found.pages(STRIPE.stream("charges")))


def test_a_webhook_of_localstripe_is_believed(localstripe: str) -> None:
    received: Queue[tuple[dict[str, str], bytes]] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        hook = {"url": f"http://127.0.0.1:{server.server_address[1]}/hook", "secret": SECRET}
        request = Request(
            f"{localstripe}/_config/webhooks/ours",
            json.dumps(hook).encode(),
            {"Content-Type": "application/json"},
        )
        urlopen(request, timeout=10).close()
        created = post(localstripe, "/v1/customers", name="Bo")["id"]
        events = [_believed(received)]
        while events[-1].record_id != created:
            events.append(_believed(received))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (events[-1].type, events[-1].stream) == ("customer.created", "customers")


def _believed(received: Queue[tuple[dict[str, str], bytes]]) -> Event:
    """The next message, proven; raises where none comes in 15 seconds."""
    headers, body = received.get(timeout=15)
    return proven(verify, headers, body, ("whsec_old", SECRET), now=dt.datetime.now(dt.UTC))


# ── Prism: the vendor's specification ───────────────────────────────────────────────────────────
def prism_command() -> str:
    """The program, installed where it is not yet; skips the test where it cannot be."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("Prism needs npm, which is not on this machine")
    folder = peers() / "prism"
    folder.mkdir(exist_ok=True)
    command = folder / "node_modules/.bin/prism"
    silent = ["--no-audit", "--no-fund", "--silent", "--prefix", str(folder)]
    install("Prism", command, [npm, "install", *silent, PRISM])
    return str(command)


@contextmanager
def held_to(prism: tuple[str, str], *upstream: str) -> Iterator[str]:
    """The address of Prism with a specification: a proxy before `upstream`, or answering by itself."""
    command, specification = prism
    port = free_port()
    mode = "proxy" if upstream else "mock"
    arguments = [command, mode, "--errors", "-h", "127.0.0.1", "-p", str(port), specification, *upstream]
    with program(arguments, port, seconds=120) as address:
        yield address


def specified(reference: Path, path: str) -> tuple[str, str]:
    """The program and the specification it is to hold us to; skips the test where either is not here."""
    source = reference / path
    if not source.exists():
        pytest.skip(f"no specification at {source}")
    return prism_command(), str(source)


def refusal_of(address: str, **headers: str) -> int:
    """The status with which a request is refused; fails where it is answered."""
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(address, headers=headers), timeout=30)
    with caught.value as answer:
        return int(answer.status or 0)


@pytest.fixture(scope="module")
def prism(reference: Path) -> tuple[str, str]:
    return specified(reference, "vendor/stripe/spec3.prism.json")


def test_requests_as_the_specification_wants_them(prism: tuple[str, str]) -> None:
    calls: list[CallRecord] = []
    with held_to(prism) as address, client(address, record_call=calls.append) as found:
        assert found.test().words.startswith("Connected to")
        for stream in STRIPE.streams:
            page = found.fetch_page(stream, found.first_state(stream, since=dt.date(2026, 1, 1)))
            assert page.records != []
            drafts(stream, page.records)
            assert found.fetch_one(stream, "any_id") is not None
    assert {call.status for call in calls} == {200}
    assert len(calls) >= 2 * len(STRIPE.streams) + 1


def test_the_sandbox_answers_as_the_specification_says(prism: tuple[str, str]) -> None:
    """Through Prism as a validating proxy: every request of ours and every answer of the sandbox."""
    business, system = simulate(orders=60), SYSTEMS["stripe"]
    with running(business) as server, held_to(prism, f"{server.address}{system.base}") as address:
        found = client(address, key=system.secrets["api_key"])
        streams = [as_specified(stream) for stream in STRIPE.streams]
        read = {s.key: [r for page in found.pages(s) for r in page.records] for s in streams}
    assert [key for key, records in read.items() if not records] == []
    assert len(read["charges"]) == sum(charge.created <= business.clock for charge in business.charges)


def as_specified(stream: Stream) -> Stream:
    """The derived specification knows this one expandable field as an id only."""
    assert stream.read is not None
    params = {
        name: value
        for name, value in stream.read.params.items()
        if value != ("data.failure_balance_transaction",)
    }
    return replace(stream, read=replace(stream.read, params=params))


def test_prism_would_notice(prism: tuple[str, str]) -> None:
    """The proof of the proof: a request the specification does not know is refused."""
    with held_to(prism) as address:
        request = Request(f"{address}/v1/charges?limit=many", headers={"Authorization": "Bearer sk_test_x"})
        with pytest.raises(URLError):
            urlopen(request, timeout=30)

"""A shop that answers at once, for measuring: `python -m benchmarks.shop_replay --orders 20000 [--plain]`.

The sandbox's Shopify on a loopback port, every answer rendered once, in a walk before the address is printed;
from then on answers come from memory, so that what is measured is the sync. Ends when its input is closed.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading

from integrations import connectors
from integrations.client import Client
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.events import Business
from integrations.sandbox.server import SandboxServer
from integrations.sandbox.web import Request, Response

SHOP = SYSTEMS["shopify"]
BUCKET = [1_000_000_000, 10_000_000]  # points, points a second: nobody waits for the rate budget


class Replay(SandboxServer):
    """Remembers each answer by its question; `plain` leaves the refunds out of the orders."""

    def __init__(self, business: Business, *, plain: bool) -> None:
        super().__init__(business)
        self.state.settings["shopify_bucket"] = BUCKET
        self._plain = plain
        self._known: dict[tuple[str, bytes], Response] = {}

    def answer(self, request: Request) -> Response:
        key = (request.path, request.body)
        if key not in self._known:
            response = super().answer(request)
            self._known[key] = _without_refunds(response) if self._plain else response
        return self._known[key]


def _without_refunds(response: Response) -> Response:
    answer = json.loads(response.body)
    for order in answer["data"]["orders"]["nodes"]:
        order["refundIds"] = []
    return Response(response.status, json.dumps(answer).encode(), response.content_type, response.headers)


def walk(server: Replay) -> int:
    """Ask for everything a first sync asks for; gives the number of orders."""
    connector = connectors.get("shopify")
    settings = {**SHOP.settings, "base_url": server.address + SHOP.base}
    with Client(connector, settings, SHOP.secrets, allow_loopback=True) as client:
        return sum(len(page.records) for page in client.pages(connector.stream("orders")))


def main() -> None:
    parser = argparse.ArgumentParser(description="A shop that answers at once, for measuring.")
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--plain", action="store_true", help="without refunds: no call beside the pages")
    asked = parser.parse_args()
    server = Replay(simulate(7, orders=asked.orders), plain=asked.plain)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    orders = walk(server)
    print(json.dumps({"address": server.address + SHOP.base, "orders": orders}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

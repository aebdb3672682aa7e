"""Runs the sandbox: a simulated shop, processor and bank on 127.0.0.1."""

from __future__ import annotations

import argparse
import datetime as dt
import gc
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from integrations.sandbox import bookkeeper
from integrations.sandbox.business import END, simulate
from integrations.sandbox.catalog import registrations
from integrations.sandbox.server import SandboxServer
from integrations.sandbox.systems import quickbooks


class Command(BaseCommand):
    help = "Serve a simulated small business as Shopify, Stripe and a bank, on loopback."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--orders", type=int, default=400, help="web orders up to --end")
        parser.add_argument("--end", type=dt.date.fromisoformat, default=END, help="where its clock stands")

    def handle(self, *args: Any, **options: Any) -> None:
        business = simulate(options["seed"], orders=options["orders"], end=options["end"])
        gc.freeze()  # the business never changes: no collection need ever look at it again
        gc.set_threshold(200_000, 20, 50)  # answers are many small objects without cycles
        memory = settings.VAR_DIR / "sandbox"
        with SandboxServer(business, port=options["port"], memory=memory) as server:
            books = quickbooks.company(server.state).books
            if not books.standing():
                bookkeeper.work(business, books, "post")
            self.stdout.write(f"{business.name} on {server.address}, clock at {business.end}")
            for entry in registrations(server.address):
                self.stdout.write(f"  {entry['label']}: {entry['base_url']} {entry['secrets']}")
            self.stdout.flush()
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                self.stdout.write("Sandbox stopped")

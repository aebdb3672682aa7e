"""Client, connectors, mapping and accounting together, against a business whose truth is known."""

from __future__ import annotations

from collections import Counter

from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.mapping import MappingContext, compile_mapping
from integrations.oauth import MemoryTokenStore
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.events import Business
from integrations.sandbox.server import SandboxServer, running
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.chart import DEFAULT_CHART
from tests.harbor import SOURCES
from tests.integrations.sampled import NewBooks
from tests.integrations.test_connectors import Unlimited


def balances(server: SandboxServer, key: str) -> Counter[tuple[str, str]]:
    """(account, currency) -> what the journal lines of everything the system serves add up to."""
    system, connector = SYSTEMS[key], CONNECTORS[key]
    settings = {
        **system.settings,
        "base_url": f"{server.address}{system.base}",
        "charges_count_as": "sales",
    }
    store = MemoryTokenStore()
    context = MappingContext("America/New_York", "USD", connector.with_defaults(settings), NewBooks())
    roles = {row.code: row.role for row in DEFAULT_CHART}
    totals: Counter[tuple[str, str]] = Counter()
    with Client(
        connector,
        settings,
        system.secrets,
        store=store,
        allow_loopback=True,
        budget=lambda bucket: Unlimited(),
    ) as client:
        for stream in connector.streams:
            mapping = compile_mapping(stream.outputs, context)
            for page in client.pages(stream):
                for record in page.records:
                    for result in mapping(stream.shape(record)):
                        assert result.errors == ()
                        assert result.draft is not None
                        for entry in entries(result.draft):
                            for line in entry.lines:
                                by, named = line.account
                                account = (
                                    roles[named] if by == "code" else ":".join(filter(None, (by, named)))
                                )
                                totals[account, entry.currency] += line.amount
    return totals


def test_the_books_are_the_truth_to_the_cent() -> None:
    business: Business = simulate(orders=150)
    with running(business) as server:
        found: Counter[tuple[str, str]] = Counter()
        for key in SOURCES:
            found.update(balances(server, key))
    clock = business.clock
    for currency in ("USD", *business.rates.currencies):
        wanted = truth.balances(business, clock=clock, systems=SOURCES, currency=currency)
        assert wanted == {
            name: amount for (name, code), amount in sorted(found.items()) if amount and code == currency
        }
    for name, held in truth.unsettled(business, clock=clock).items():
        gateway, _, currency = name.partition(":")
        assert found[f"clearing:{gateway}", currency or "USD"] == held

"""The simulated business in the books: its organization, and its systems registered over HTTP."""

from __future__ import annotations

from integrations import connectors, register
from integrations.models import Integration
from integrations.register import Choice
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.server import SandboxServer
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.forms import read_rates
from ledgerhub.ledger.models import Account
from ledgerhub.ledger.rates import save_rates

# What syncs by itself once it is registered: no consent to be given, no files to be uploaded.
SOURCES = tuple(key for key, one in SYSTEMS.items() if key in connectors.CONNECTORS and not one.by_hand)


def found() -> Organization:
    """Harbor Coffee Co. with a chart of accounts and exchange rates, nothing else."""
    made = Organization.objects.create(
        name="Harbor Coffee Co.", slug="harbor", base_currency="USD", timezone="America/New_York"
    )
    install_chart(made)
    enter_rates(made)
    return made


def enter_rates(organization: Organization) -> None:
    """What the simulated business takes other currencies for; its rates hang on the seed alone."""
    rows = read_rates(simulate(orders=60).rates.csv(), organization.base_currency)
    rates = [(row.currency, row.date, row.rate) for row in rows]
    save_rates(organization, rates, origin="rates.csv")


def connect(organization: Organization, sandbox: SandboxServer, key: str) -> Integration:
    """Register a system of the sandbox with all its streams, first sync queued."""
    system = SYSTEMS[key]
    integration = register.create(
        organization,
        key,
        name=system.label,
        settings={**system.settings, **system.secrets, "base_url": sandbox.address + system.base},
        bank_account=Account.objects.get(organization=organization, role="bank", qualifier=""),
    )
    streams = connectors.get(key).streams
    register.activate(integration, [Choice(stream.key) for stream in streams])
    return integration

"""A small organization whose Stripe account is the sandbox's, for the tests of pages and checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from integrations import connectors, register
from integrations.models import Integration, Stream
from integrations.register import Choice
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer, running
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account
from tests.jobs import drain


@contextmanager
def sandbox(*, orders: int = 8) -> Iterator[SandboxServer]:
    with running(simulate(7, orders=orders)) as server:
        yield server


def connect(
    organization: Organization,
    address: str = "http://127.0.0.1:9",
    *,
    key: str = "stripe",
    streams: Sequence[str] = (),
    start: bool = False,
) -> Integration:
    """An active integration with the named streams (all when none are); `start` queues their first sync."""
    if not Account.objects.filter(organization=organization).exists():
        install_chart(organization)
    system = SYSTEMS[key]
    integration = register.create(
        organization,
        key,
        name=system.label,
        settings={**system.settings, **system.secrets, "base_url": address + system.base},
        bank_account=Account.objects.get(organization=organization, role="bank", qualifier=""),
    )
    chosen = streams or [stream.key for stream in connectors.get(key).streams]
    register.activate(integration, [Choice(name) for name in chosen], start=start)
    return integration


def sync_charges(organization: Organization, *, spoiled: int = 0, lost: str = "currency") -> Stream:
    """The charges of the sandbox, synced; the first record of each of the first `spoiled` pages has lost
    the field `lost`."""
    with sandbox() as server:
        for _ in range(spoiled):
            server.state.faults.append(Fault("stripe", "malformed", path="/v1/charges", field=lost))
        integration = connect(organization, server.address, streams=["charges"], start=True)
        drain()
    return integration.streams.get(key="charges")

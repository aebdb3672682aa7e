"""Any destination with its simulated system: connected the way a person does it, documents on their way."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from integrations import connectors, consent, naming, oauth, register
from integrations.connection import TokenRow, connect, secrets_of
from integrations.destination import Destination
from integrations.models import ApiCall, Delivery, Integration, NameMap, Route
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.web import System
from integrations.spec import Connector, OAuth2
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Source
from tests.integrations.delivering import book_all, deliver, sale
from tests.integrations.limits import without_limits, without_pauses
from tests.ledger.drafts import DAY, dispute, document, journal, line, payment, payout, refund

BACK = "http://127.0.0.1:1/back"
STEP = 2.0  # seconds that pass over there with every look at the clock: no limit of theirs is reached


def drafts(name: str) -> list[Draft]:
    """One document of every kind, with people of this name."""
    customer = {"external_id": name, "name": f"Ann {name}", "email": f"ann.{name}@example.com"}
    supplier = {"external_id": f"s{name}", "name": f"Mill {name}", "email": ""}
    coded = [{"account": "6900", "amount": -500}]
    return [
        sale(10850, name, customer=customer),
        payment(external_id=f"p{name}", customer=customer),
        refund(external_id=f"r{name}", customer=customer),
        document("credit_note", external_id=f"c{name}", total=1085, tax=85, customer=customer),
        document(
            "bill", external_id=f"b{name}", total=5000, lines=[line(5000, account="6900")], supplier=supplier
        ),
        document("bill_payment", external_id=f"bp{name}", total=5000, supplier=supplier),
        document("fee", external_id=f"f{name}", total=59, gateway="stripe", category="fee"),
        dispute(external_id=f"d{name}"),
        payout(external_id=f"o{name}"),
        document("bank_transaction", external_id=f"t{name}", total=-500, description="FEES", lines=coded),
        journal(("6900", 700), ("1000", -700), external_id=f"j{name}"),
    ]


@dataclass
class Stand:
    """A destination, the integration that delivers to it, and what can be seen of it from outside."""

    server: SandboxServer
    system: System
    connector: Connector
    integration: Integration

    @property
    def takes(self) -> Destination:
        assert self.connector.destination is not None
        return self.connector.destination

    def book(self, rows: list[Draft]) -> None:
        """Of these documents those that it takes, and names for what they are booked to."""
        kinds = {one.kind for one in self.takes.takes}
        book_all(self.integration, [row for row in rows if row["kind"] in kinds])
        self.name_all()

    def name_all(self) -> None:
        for one in naming.wanted(self.integration):
            listed = self.integration.listed.filter(what=one.what, active=True).order_by("pk").first()
            theirs = one.theirs or one.suggested or (listed.external_id if listed else "")
            key = {"integration": self.integration, "what": one.what, "ours": one.key}
            NameMap.objects.update_or_create(**key, defaults={"theirs": theirs})

    def fail(self, kind: str, **how: Any) -> None:
        self.server.state.faults.append(Fault(self.system.key, kind, **how))

    def mend(self) -> None:
        self.server.state.faults.clear()
        self.integration.buckets.update(blocked_until=None)

    def deliver_all(self) -> list[tuple[str, str]]:
        """Rounds until nothing is open, every wait over; what did not arrive, with why."""
        for _ in range(30):
            deliver(self.integration, later=True)
            if not Delivery.objects.filter(state__in=Delivery.OPEN).exists():
                break
        return list(Delivery.objects.exclude(state="delivered").values_list("kind", "error"))

    def there(self) -> Counter[str]:
        """Our references, and how often each stands there."""
        assert self.system.holds is not None, f"sandbox/systems/{self.system.key}.py has no `holds`"
        return Counter(self.system.holds(self.server.state))

    def sent(self) -> Counter[str]:
        """The references of all that was made there and not taken back: what should stand, each once."""
        rows = Delivery.objects.order_by("pk").values_list("document", "action", "reference")
        made: dict[int, str] = {}
        for pk, action, reference in rows:
            if action == "create":
                made[pk] = reference
            elif action == "void":
                made.pop(pk, None)
        return Counter(made.values())

    def calls(self) -> int:
        return ApiCall.objects.filter(integration=self.integration).exclude(purpose="token").count()


@contextmanager
def standing(
    key: str, organization: Organization, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stand]:
    """The destination of that key, connected, with no limits and no pauses on our side."""
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    without_limits(monkeypatch, key)
    without_pauses(monkeypatch)
    connector = connectors.get(key)
    with running(simulate()) as server:
        clock = iter(range(10**9))
        server.state.monotonic = lambda: next(clock) * STEP
        yield Stand(server, SYSTEMS[key], connector, _connected(organization, server, connector))


def _connected(organization: Organization, server: SandboxServer, connector: Connector) -> Integration:
    install_chart(organization)
    system = SYSTEMS[connector.key]
    given = {**system.settings, **system.secrets, "base_url": server.address + system.base}
    assert connector.destination is not None
    if connector.destination.makes_contacts:
        given[connector.destination.makes_contacts] = True
    made = register.create(organization, connector.key, name=connector.label, settings=given)
    Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
    if isinstance(connector.auth, OAuth2) and connector.auth.grant == "authorization_code":
        _agree(made, connector, connector.auth)
    naming.refresh(made, patience=1)
    source = Source.objects.create(organization=organization, key="shop", label="Shop")
    Route.objects.create(destination=made, source=source, start_date=DAY - dt.timedelta(days=1))
    return made


def _agree(integration: Integration, connector: Connector, auth: OAuth2) -> None:
    """From the link on our page to a token, and the first account that the consent is good for."""
    values = connector.with_defaults({**integration.settings, **secrets_of(integration)})
    begun = oauth.begin(auth, values, redirect_uri=BACK)
    answer = requests.get(begun.url, allow_redirects=False, timeout=5)
    came_back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    client, _ = connect(integration)
    with client:
        code = came_back[auth.code_param]
        token = client.exchange_code(code, redirect_uri=BACK, verifier=begun.verifier)
    TokenRow(integration).store(token)
    consent.given(integration, auth, came_back)
    if auth.accounts:
        consent.choose(
            integration, auth.accounts, consent.choices(integration, auth.accounts, patience=1)[0].id
        )

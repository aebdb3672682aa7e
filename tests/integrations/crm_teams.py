"""A team whose CRM is simulated, and the integration that reads it: what tests of several CRMs do alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations import register, registry, sync
from integrations.models import Integration, RawRecord
from integrations.register import Choice
from integrations.sandbox.server import SandboxServer
from ledgerhub.ledger.models import Contact, ContactIdentity
from tests.jobs import drain


@dataclass
class Team:
    server: SandboxServer
    integration: Integration

    def read(self) -> None:
        """All streams once more; the first time they are switched on."""
        streams = self.integration.streams.all()
        if not streams:
            chosen = [Choice(stream.key) for stream in registry.connector(self.integration).streams]
            register.activate(self.integration, chosen)
        for stream in streams:
            sync.request_run(stream, trigger="person")
        drain()

    def known(self) -> dict[str, int]:
        """Id over there -> the contact it means."""
        rows = ContactIdentity.objects.filter(scope=registry.scope(self.integration))
        return dict(rows.values_list("external_id", "contact"))

    def names(self) -> dict[str, str]:
        """Id over there, but of those merged into another -> the name of the contact it means."""
        rows = ContactIdentity.objects.filter(scope=registry.scope(self.integration), merged_into="")
        contacts = Contact.objects.in_bulk(rows.values_list("contact", flat=True))
        return {row.external_id: contacts[row.contact_id].name for row in rows}

    def versions(self, identity: str) -> list[dict[str, Any]]:
        rows = RawRecord.objects.filter(stream__integration=self.integration, external_id=identity)
        return [row.payload for row in rows.order_by("version")]

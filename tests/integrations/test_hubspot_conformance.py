"""HubSpot by the vendor's specifications: what we send and what the sandbox answers, through Prism."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from integrations.calls import CallRecord
from integrations.client import Client
from integrations.connectors.hubspot import connector
from integrations.models import Delivery
from integrations.oauth import MemoryTokenStore, Token
from integrations.sandbox.systems import hubspot
from ledgerhub.ledger import documents, posting
from tests.integrations.delivering import deliver
from tests.integrations.hubspot_portal import Crm, crm
from tests.integrations.test_conformance import held_to, prism_command
from tests.integrations.test_hubspot import known, owe
from tests.integrations.test_payments_followed import settle

pytestmark = [pytest.mark.conformance, pytest.mark.django_db]
SPECIFICATIONS = ("v3/objects", "v3/properties", "v3/oauth", "v3/accountInfo", "v4/associations")

__all__ = ["crm"]


def merged(folder: Path) -> dict[str, Any]:
    """One specification of several: each keeps its own components, under names of its own."""
    whole: dict[str, Any] = {}
    for number, name in enumerate(SPECIFICATIONS):
        text = (folder / f"{name}.json").read_text()
        for kind in ("schemas", "responses", "parameters", "requestBodies"):
            text = text.replace(f"#/components/{kind}/", f"#/components/{kind}/a{number}")
        one = json.loads(text)
        whole = whole or {**one, "paths": {}, "components": {"securitySchemes": {}}}
        whole["paths"] |= one["paths"]
        for kind, members in one["components"].items():
            prefix = "" if kind == "securitySchemes" else f"a{number}"
            named = {f"{prefix}{key}": value for key, value in members.items()}
            whole["components"][kind] = whole["components"].get(kind, {}) | named
    for schema in whole["components"]["schemas"].values():
        given = schema.get("properties", {}).get("properties", {}).get("additionalProperties")
        if isinstance(given, dict):
            given["nullable"] = True  # HubSpot's own answers have null where nothing was entered
    return whole


@pytest.fixture
def prism(reference: Path, tmp_path: Path) -> tuple[str, str]:
    folder = reference / "vendor/hubspot"
    if not folder.exists():
        pytest.skip(f"no specification at {folder}")
    file = tmp_path / "hubspot.json"
    file.write_text(json.dumps(merged(folder)))
    return prism_command(), str(file)


@pytest.fixture
def checked(prism: tuple[str, str], crm: Crm) -> Iterator[Crm]:
    """The integration speaks to the sandbox through a proxy that refuses what is not as specified."""
    with held_to(prism, f"{crm.server.address}{hubspot.system.base}") as address:
        crm.integration.settings = {**crm.integration.settings, "base_url": address, "make_contacts": True}
        crm.integration.save(update_fields=["settings"])
        yield crm


def test_every_read_and_the_token_through_the_specification(checked: Crm) -> None:
    calls: list[CallRecord] = []
    address = checked.integration.settings["base_url"]
    store = MemoryTokenStore(Token("none", checked.portal.refresh))
    settings = {**hubspot.system.settings, "base_url": address}
    plain = replace(connector, limits=replace(connector.limits, per_second=10**6, burst=10**6, buckets={
        "search": replace(connector.limits.of("search"), per_second=10**6, burst=10**6)
    }))  # fmt: skip
    with Client(
        plain, settings, hubspot.system.secrets, store=store, allow_loopback=True, record_call=calls.append
    ) as client:
        assert client.test().words.startswith("Connected to HubSpot account")
        for stream in connector.streams:
            records = [row for page in client.pages(stream) for row in page.records]
            assert records != []
            assert client.fetch_one(stream, records[0]["id"]) is not None
    purposes = {call.purpose for call in calls if call.status != 200}
    assert [(call.status, call.purpose) for call in calls if call.status != 200] == [(401, "test")], purposes


def test_every_write_through_the_specification(checked: Crm) -> None:
    known(checked)
    invoice = owe(checked)
    deliver(checked.integration)
    settle(invoice, 4_000, id="p1")
    owe(checked, id="5002", customer={"external_id": "8", "name": "Bo", "email": "bo@x.test"})
    deliver(checked.integration)
    documents.withdraw([invoice])
    posting.post_document(invoice, None)
    deliver(checked.integration)
    assert list(Delivery.objects.exclude(state="delivered").values_list("action", "error")) == []
    assert sorted(Delivery.objects.values_list("action", flat=True)) == ["create", "create", "update", "void"]
    statuses = set(checked.integration.calls.values_list("status", flat=True))
    assert statuses == {200, 201, 207}

"""Somebody at work in the sandbox's QuickBooks, by a command."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from integrations.sandbox.business import simulate
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import quickbooks


def names(server: SandboxServer) -> list[str]:
    books = quickbooks.company(server.state).books
    return sorted(kind for kind, rows in books.rows.items() for row in rows.values() if "TxnDate" in row)


def test_the_command_makes_her_work(settings: Settings) -> None:
    with running(simulate()) as server:
        settings.SANDBOX_URL = server.address
        said = StringIO()
        call_command("bookkeeper", "post", day="2026-09-30", stdout=said)
        assert said.getvalue().startswith("Bill RENT-2026-09 and its payment")
        assert names(server) == ["Bill", "BillPayment", "Deposit", "Purchase"]
        books = quickbooks.company(server.state).books
        customer = books.put("Customer", {"DisplayName": "Ann"})
        detail = {"ItemRef": {"value": "4000"}, "Qty": 1, "UnitPrice": 20}
        line = {"DetailType": "SalesItemLineDetail", "Amount": 20, "SalesItemLineDetail": detail}
        sale = {"CustomerRef": {"value": customer["Id"]}, "DocNumber": "LH-1-1", "Line": [line]}
        made = books.put("SalesReceipt", sale)
        call_command("bookkeeper", "edit", stdout=said)
        assert books.one("SalesReceipt", made["Id"])["TotalAmt"] == 30
        with pytest.raises(CommandError, match="no sales receipt of ours"):
            call_command("bookkeeper", "delete", stdout=said)
        with pytest.raises(CommandError, match="Duplicate Document Number"):
            call_command("bookkeeper", "post", day="2026-09-01", stdout=said)


def test_without_the_demo_the_command_says_so(settings: Settings) -> None:
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match="is the demo running"):
        call_command("bookkeeper", "post")

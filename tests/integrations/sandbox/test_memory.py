"""What was sent to the sandbox's books is there after it was started again, and so is the connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox.business import simulate
from integrations.sandbox.events import Business
from integrations.sandbox.server import SandboxServer
from integrations.sandbox.systems import quickbooks, xero
from integrations.sandbox.web import Request


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=60)


class Served:
    """A sandbox that remembers in a folder, and one connection to it."""

    def __init__(self, business: Business, memory: Path, headers: dict[str, str]) -> None:
        self.server = SandboxServer(business, memory=memory)
        self.headers = headers

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = json.dumps(body).encode() if body is not None else b""
        answer = self.server.answer(Request(method, path, (), self.headers, sent))
        return json.loads(answer.body) | {"status": answer.status}

    def renew(self, path: str, refresh: str, pair: str) -> None:
        """Every write is kept: the new refresh token is the only good one from now on."""
        form = f"grant_type=refresh_token&refresh_token={refresh}".encode()
        answer = self.server.answer(Request("POST", path, (), {"authorization": f"Basic {pair}"}, form))
        self.given = json.loads(answer.body)
        assert answer.status == 200, self.given
        self.headers |= {"authorization": f"Bearer {self.given['access_token']}"}

    def close(self) -> None:
        self.server.server_close()


XERO = "eGVyb19zYW5kYm94Onhlcm9fc2FuZGJveF9zZWNyZXQ="
QUICKBOOKS = "cXVpY2tib29rc19zYW5kYm94OnF1aWNrYm9va3Nfc2FuZGJveF9zZWNyZXQ="


def test_xero_remembers_its_documents_and_who_may_come_in(business: Business, tmp_path: Path) -> None:
    tenant = {"xero-tenant-id": xero.TENANT}
    first = Served(business, tmp_path, dict(tenant))
    refresh = xero.issue(first.server.state)["refresh_token"]
    first.renew("/xero/connect/token", refresh, XERO)
    api = "/xero/api.xro/2.0"
    [ann] = first.ask("PUT", f"{api}/Contacts", {"Contacts": [{"Name": "Ann"}]})["Contacts"]
    lines = [{"Description": "Mug", "Quantity": 1, "UnitAmount": 10, "AccountCode": "4000"}]
    sale = {"Type": "ACCREC", "InvoiceNumber": "LH-1-1", "Contact": ann, "Date": "2026-03-02",
            "DueDate": "2026-03-02", "LineAmountTypes": "NoTax", "LineItems": lines}  # fmt: skip
    [made] = first.ask("PUT", f"{api}/Invoices", {"Invoices": [sale]})["Invoices"]
    paid = {"Invoice": {"InvoiceID": made["InvoiceID"]}, "Account": {"Code": "1000"}, "Amount": 4,
            "Date": "2026-03-03"}  # fmt: skip
    first.ask("PUT", f"{api}/Payments", {"Payments": [paid]})
    before = xero.organisation(first.server.state).books
    first.close()

    again = Served(business, tmp_path, dict(tenant))
    assert again.ask("GET", f"{api}/Invoices")["status"] == 401
    again.renew("/xero/connect/token", first.given["refresh_token"], XERO)
    [row] = again.ask("GET", f"{api}/Invoices")["Invoices"]
    assert (row["InvoiceID"], row["AmountDue"]) == (made["InvoiceID"], 6.0)
    after = xero.organisation(again.server.state).books
    assert (after.rows, after.balances(), after.last) == (before.rows, before.balances(), before.last)
    twice = again.ask("PUT", f"{api}/Invoices", {"Invoices": [sale]})
    assert twice["Elements"][0]["ValidationErrors"] == [{"Message": "Invoice # must be unique."}]
    again.close()


def test_quickbooks_remembers_its_documents_and_who_may_come_in(business: Business, tmp_path: Path) -> None:
    first = Served(business, tmp_path, {})
    refresh = quickbooks.issue(first.server.state)["refresh_token"]
    first.renew("/quickbooks/oauth2/v1/tokens/bearer", refresh, QUICKBOOKS)
    api = f"/quickbooks/v3/company/{quickbooks.REALM}"
    ann = first.ask("POST", f"{api}/customer", {"DisplayName": "Ann"})["Customer"]
    customer = {"CustomerRef": {"value": ann["Id"]}}
    sale = {**customer, "DocNumber": "LH-1-1", "Line": [{"Amount": 10}]}
    made = first.ask("POST", f"{api}/invoice", sale)["Invoice"]
    link = {"Amount": 4, "LinkedTxn": [{"TxnId": made["Id"], "TxnType": "Invoice"}]}
    first.ask("POST", f"{api}/payment", {**customer, "TotalAmt": 4, "Line": [link]})
    first.server.answer(Request("POST", "/_control/bookkeeper", (), {}, b'{"do": "post"}'))
    before = quickbooks.company(first.server.state).books
    first.close()

    again = Served(business, tmp_path, {})
    again.renew("/quickbooks/oauth2/v1/tokens/bearer", first.given["refresh_token"], QUICKBOOKS)
    after = quickbooks.company(again.server.state).books
    assert (after.rows, after.settled, after.last) == (before.rows, before.settled, before.last)
    row = again.ask("GET", f"{api}/invoice/{made['Id']}")["Invoice"]
    assert (row["DocNumber"], row["Balance"]) == ("LH-1-1", 6.0)
    twice = again.ask("POST", f"{api}/invoice", sale)
    assert twice["Fault"]["Error"][0]["code"] == "6140"
    other = again.ask("POST", f"{api}/customer", {"DisplayName": "Ben"})["Customer"]
    assert int(other["Id"]) > int(made["Id"])
    again.close()


def test_what_is_kept_is_for_the_owner_alone(business: Business, tmp_path: Path) -> None:
    served = Served(business, tmp_path / "sandbox", {})
    served.renew("/xero/connect/token", xero.issue(served.server.state)["refresh_token"], XERO)
    served.close()
    [file] = (tmp_path / "sandbox").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("xero.json", 0o600)

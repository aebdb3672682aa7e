"""Xero (destination): our documents in its books, each once, with the same amounts by account.

Amounts are decimal numbers in major units. A document is known by its form and id (`Invoice:ed25...`); our
reference is its number where it has one, else its reference or the beginning of its narration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.calls import owner_at
from integrations.connectors.xero.books import API, BOOKS
from integrations.connectors.xero.faults import BURST, learn, understand
from integrations.connectors.xero.forms import BANK, CREDITORS, DEBTORS, TAKES_PAYMENTS
from integrations.connectors.xero.sending import BATCH, CONTACT, CONTACTS, TAKES
from integrations.destination import Destination, Listing, Named, Need
from integrations.records import dig
from integrations.spec import Accounts, Connector, Limits, OAuth2, Read, Setting, Settings, Test


def connected(answer: Any, settings: Settings) -> str:
    """`Connected to Acme Ltd (NZ).`"""
    [first, *_] = answer.get("Organisations") or [{}]
    demo = " This is Xero's demo company." if first.get("IsDemoCompany") else ""
    return f"Connected to {first.get('Name') or 'an organisation'} ({first.get('CountryCode') or '?'}).{demo}"


def account(row: Mapping[str, Any]) -> Named:
    """Known by its code, where it has one: lines of documents name accounts so. Its group is what decides
    which forms may move it."""
    system, kind = str(row.get("SystemAccount") or ""), str(row.get("Type") or "")
    group = system if system in (DEBTORS, CREDITORS) else kind
    if group == kind != BANK and row.get("EnablePaymentsToAccount"):
        group += TAKES_PAYMENTS
    code = str(row.get("Code") or "")
    active = row.get("Status") != "ARCHIVED"
    return Named(code or str(row.get("AccountID") or ""), str(row.get("Name") or ""), group, code, active)


def tax_rate(row: Mapping[str, Any]) -> Named:
    rate = dig(dict(row), "EffectiveRate")
    group = "" if rate is None else f"{float(rate):g} %"
    active = row.get("Status") in (None, "ACTIVE")
    return Named(str(row.get("TaxType") or ""), str(row.get("Name") or ""), group, active=active)


connector = Connector(
    key="xero",
    label="Xero",
    category="accounting",
    summary="Delivers sales, payments, refunds, bills, payouts and journals to your books in Xero.",
    base_url="https://api.xero.com",
    auth=OAuth2(
        authorize_url="https://login.xero.com/identity/connect/authorize",
        token_url="https://identity.xero.com/connect/token",
        scopes=(
            "offline_access",
            "accounting.settings.read",
            "accounting.contacts",
            "accounting.invoices",
            "accounting.payments",
            "accounting.banktransactions",
            "accounting.manualjournals",
        ),
        client_auth="basic",
        accounts=Accounts(Read("/connections"), "tenant", "Organisation", id="tenantId", name="tenantName"),
        idle_days=60,
    ),
    headers={"xero-tenant-id": "{tenant}"},
    # 60 a minute and 5,000 a day for an organisation, whoever asks.
    limits=Limits(per_second=0.75, burst=BURST, learn=learn),
    settings=(
        Setting("client_id", "Client ID", required=True, help="developer.xero.com > My Apps > Configuration"),
        Setting("client_secret", "Client secret", "secret", required=True),
        Setting("tenant", "Organisation", told=True),
    ),
    streams=(),
    test=Test(
        Read(f"{API}/Organisation"), connected, owner=owner_at("Organisations", "OrganisationID", "Name")
    ),
    understand=understand,
    advice={
        401: "Open the integration and connect it again.",
        403: "Connect again as a user who may change the books, and choose the organisation.",
    },
    destination=Destination(
        takes=TAKES,
        listings=(
            Listing("account", "Chart of accounts", Read(f"{API}/Accounts", records="Accounts"), account),
            Listing("tax", "Tax rates", Read(f"{API}/TaxRates", records="TaxRates"), tax_rate),
        ),
        contact=CONTACT,
        contacts=CONTACTS,
        nobody="Contact without a name",
        needs=(
            Need(
                "tax", "none", "Lines without tax: we state the tax ourselves (Tax Exempt, No Tax)", ("NONE",)
            ),
        ),
        key_header="Idempotency-Key",
        at_once=4,
        batch=BATCH,
        books=BOOKS,
        settles={"Invoice": ("Payment", "Allocation")},
    ),
    docs_url="https://developer.xero.com/documentation/api/accounting/overview",
)

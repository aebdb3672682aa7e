"""QuickBooks Online (destination): our documents in its books, each once, with the same amounts by account.

Amounts are decimal numbers in major units. A document is known by its entity and id (`Invoice:129`), its
SyncToken is the version a change must name; our reference is its document number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.calls import Owner
from integrations.connectors.quickbooks.books import BOOKS, COMPANY
from integrations.connectors.quickbooks.chart import ACCOUNT, ITEM
from integrations.connectors.quickbooks.documents import ITEMS
from integrations.connectors.quickbooks.faults import understand
from integrations.connectors.quickbooks.sending import BATCH, CONTACT, CONTACTS, TAKES
from integrations.destination import Destination, Listing, Makes, Named, Need, What
from integrations.paging import InQuery
from integrations.records import dig
from integrations.spec import Choice, Connector, Limits, OAuth2, Read, Setting, Settings, Test

CONSENT_YEARS = 5


def connected(answer: Any, settings: Settings) -> str:
    """`Connected to Acme Ltd (US).`"""
    name = dig(answer, "CompanyInfo.CompanyName") or "a company"
    country = dig(answer, "CompanyInfo.Country") or "country unknown"
    test = " This is a test company." if str(settings.get("host", "")).startswith("sandbox") else ""
    return f"Connected to {name} ({country}).{test}"


def owner(answer: Any, settings: Settings) -> Owner:
    """By the number that the address named: the record of a company says none that is its own."""
    return Owner(str(settings.get("realm") or ""), str(dig(answer, "CompanyInfo.CompanyName") or ""))


def listing(
    what: What, label: str, name: str, group: str = "", code: str = "", makes: Makes | None = None
) -> Listing:
    """All active ones of an entity; `group` and `code` are fields of it."""

    def pick(row: Mapping[str, Any]) -> Named:
        title = str(row.get("FullyQualifiedName") or row.get("Name") or "")
        return Named(
            str(row.get("Id") or ""),
            title,
            str(row.get(group) or ""),
            str(row.get(code) or ""),
            row.get("Active") is not False,
            str(dig(dict(row), "IncomeAccountRef.value") or ""),
        )

    text = f"select * from {name} startposition {{position}} maxresults {{size}}"
    pages = InQuery((text,), size=1000)
    read = Read(f"{COMPANY}/query", records=f"QueryResponse.{name}", paginator=pages, sparse=True)
    return Listing(what, label, read, pick, makes)


connector = Connector(
    key="quickbooks",
    label="QuickBooks Online",
    category="accounting",
    summary="Delivers sales, payments, refunds, bills, payouts and journals to your books in QuickBooks.",
    base_url="https://{host}",
    auth=OAuth2(
        authorize_url="https://appcenter.intuit.com/connect/oauth2",
        token_url="https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer",
        scopes=("com.intuit.quickbooks.accounting",),
        pkce=False,  # Intuit knows no PKCE; the state is checked all the same
        client_auth="basic",
        captures={"realmId": "realm"},
        idle_days=100,
        consent_days=CONSENT_YEARS * 365,
    ),
    # 500 a minute and 10 a second for a company, so that 3 at once and 7 more in a second are all;
    # 40 batches a minute, which are counted among them.
    limits=Limits(per_second=7.0, burst=3, buckets={"batch": Limits(per_second=0.65, burst=1)}),
    settings=(
        Setting("client_id", "Client ID", required=True, help="developer.intuit.com > your app > Keys"),
        Setting("client_secret", "Client secret", "secret", required=True),
        Setting(
            "host",
            "The company is",
            "choice",
            default="quickbooks.api.intuit.com",
            choices=(
                Choice("quickbooks.api.intuit.com", "a real one"),
                Choice("sandbox-quickbooks.api.intuit.com", "one to try things out (sandbox)"),
            ),
        ),
        Setting(
            "realm",
            "Company ID",
            help="Filled in when you connect",
            pattern=r"\d{1,20}",
            pattern_help="it consists of digits.",
        ),
    ),
    streams=(),
    test=Test(Read(f"{COMPANY}/companyinfo/{{realm}}"), connected, owner=owner),
    understand=understand,
    advice={
        401: "Open the integration and connect it again.",
        403: "Connect again as a user who may change the books, and see that the subscription is paid.",
    },
    destination=Destination(
        takes=TAKES,
        listings=(
            listing("account", "Chart of accounts", "Account", "AccountType", "AcctNum", ACCOUNT),
            listing("item", "Products and services", "Item", "Type", "Sku", ITEM),
            listing("tax", "Tax codes", "TaxCode"),
        ),
        contact=CONTACT,
        contacts=CONTACTS,
        nobody="Customer without a name",
        items=ITEMS,
        needs=(
            Need("tax", "none", "Lines without tax: we state the tax ourselves (NON in the US)", ("NON",)),
        ),
        key_param="requestid",
        at_once=4,
        batch=BATCH,
        settles={"Invoice": ("Payment",), "Bill": ("BillPayment",)},
        books=BOOKS,
    ),
    docs_url="https://developer.intuit.com/app/developer/qbo/docs",
)

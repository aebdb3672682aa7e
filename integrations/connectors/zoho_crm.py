"""Zoho CRM (source): accounts and contacts as contacts; deals kept with their history.

Each list is asked for what changed since, and so is the one of deleted records beside it. It answers with a
status alone where there is nothing (204) or nothing new (304), and an error may come with any status, 200
too. Who was merged into another is told as deleted, and not into whom. A field that the user may not see is
left out in silence.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from integrations.calls import note_at, owner_at
from integrations.paging import PageOrToken
from integrations.records import Record, dig
from integrations.rules import Condition, Output, same
from integrations.spec import (
    Choice,
    Connector,
    Each,
    Headers,
    Incremental,
    OAuth2,
    Read,
    Said,
    Setting,
    Stream,
    Test,
)

API = "/crm/v8"
PAGES = PageOrToken("page", 200, "per_page", "page_token", "info.next_page_token", "info.more_records")
# Where an organization's data lies, by what the address one signs in at ends in.
CENTRES = "zoho.com zoho.eu zoho.in zoho.com.au zoho.jp zoho.com.cn zohocloud.ca zoho.sa".split()
ENDED = Said("denied", "the connection has ended: open the integration and connect it again.")
SAYS = {
    "INVALID_TOKEN": ENDED,
    "AUTHENTICATION_FAILURE": ENDED,
    "DISCRETE_PAGINATION_LIMIT_EXCEEDED": Said(
        "config",
        "more records were deleted since the last sync than it lists. Disconnect the integration and add it "
        "anew: then all that is there is read again, and people stay the contacts they are.",
    ),
    "INTERNAL_ERROR": Said("busy", "it has an error of its own."),
    "OAUTH_SCOPE_MISMATCH": Said("config", "connect it again, and allow all that is asked for."),
    "invalid_code": Said(
        "config", "the code or the connection has ended, or belongs to another sign-in address."
    ),
}


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """Of tokens {error, error_description}, of records {code, message, status: "error"}."""
    code = dig(body, "error") or (dig(body, "status") == "error" and dig(body, "code"))
    if not isinstance(code, str):
        return None
    words = str(dig(body, "error_description") or dig(body, "message") or "")[:200]
    if status != 429 and "too many requests" in words.lower():  # for tokens: ten are given in ten minutes
        return Said("busy", "it says we are asking too often.", 600)
    return SAYS.get(code) or (Said("config", f"{words} ({code})".strip()) if status < 400 else None)


def shape(kind: str, record: Record) -> Record:
    """Adds who it is in our books, and whether it stood among the deleted ones: these have little more than
    an id and the time."""
    key = f"{kind}/{record['id']}" if record.get("id") else None
    return {**record, "key": key, "gone": "deleted_time" in record}


def stream(module: str, fields: str, contact: str = "", help: str = "") -> Stream:
    """`contact`: what of a contact stands in which field, where the records are people or companies."""
    key = module.lower()
    rules = same("contact", "", f"external_id=key {contact}")
    there = (Condition("gone", "not_equals", (True,)),)
    asked = ("Modified_Time", fields, *(one.source for one in rules if one.source != "key"))
    return Stream(
        key=key,
        label=module,
        outputs=(Output("contact", "contact", rules, when=there),) if contact else (),
        read=Read(
            f"{API}/{module}{{list}}",
            {"fields": ",".join(asked)},
            "data",
            PAGES,
            headers={"If-Modified-Since": "{start}"},
            decode="json_or_nothing",
            sparse=True,
        ),
        # What was deleted before anything was read says nothing to us, and may be more than is listed.
        each=Each("list", values=("", "/deleted"), later=("/deleted",)),
        incremental=Incremental("Modified_Time", "", "bare", overlap=900, template="{value}+00:00"),
        shape=partial(shape, key),
        help=help,
        dated=not contact,
    )


DEAL = "Deal_Name,Account_Name,Contact_Name,Stage,Closing_Date,{amounts}"
CURRENCIES = (Choice("Amount", "one currency"), Choice("Amount,Currency", "several currencies"))
KEPT = "Kept with their history; a deal books nothing, since it is no sale yet"

connector = Connector(
    key="zoho_crm",
    label="Zoho CRM",
    category="crm",
    summary="Accounts and contacts; deals with their history.",
    base_url="https://www.zohoapis.com",
    auth=OAuth2(
        "https://accounts.{centre}/oauth/v2/auth",
        "https://accounts.{centre}/oauth/v2/token",
        (*(f"ZohoCRM.modules.{one}.READ" for one in ("accounts", "contacts", "deals")), "ZohoCRM.org.READ"),
        pkce=False,
        scope_separator=",",
        prefix="Zoho-oauthtoken ",
        extra={"access_type": "offline", "prompt": "consent"},
        place="api_domain",
        hosts=tuple(f"*.zohoapis.{one.partition('.')[2]}" for one in CENTRES),
    ),
    settings=(
        Setting("client_id", "Client ID", required=True, help="Zoho API Console > Server-based Applications"),
        Setting("client_secret", "Client secret", "secret", required=True),
        Setting(
            "centre",
            "You sign in at",
            "choice",
            default="zoho.com",
            help="Where the data of your organization lies",
            choices=tuple(Choice(one, one) for one in CENTRES),
        ),
        Setting("amounts", "Deals are in", "choice", default="Amount", choices=CURRENCIES),
    ),
    streams=(
        stream("Accounts", "Website", "name=Account_Name phone=Phone country=Billing_Country"),
        stream("Contacts", "Account_Name", "name=Full_Name email=Email phone=Phone country=Mailing_Country"),
        stream("Deals", DEAL, help=KEPT),
    ),
    test=Test(
        Read(f"{API}/org"),
        owner=owner_at("org", "id", "company_name"),
        note=note_at("org", "type", {"sandbox": "sandbox", "developer": "developer"}),
    ),
    advice={
        401: "Open the integration and connect it again.",
        403: "Let the profile of the user who connected read accounts, contacts and deals and use the API.",
    },
    understand=understand,
    docs_url="https://www.zoho.com/crm/developer/docs/api/v8/",
)

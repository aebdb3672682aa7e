"""Salesforce (source): accounts and contacts as contacts; opportunities kept with their history.

Lists are SOQL queries in the order of SystemModstamp and Id, each page asked for behind the last row of the
one before: their own locator (`nextRecordsUrl`) dies with the session, a moment and an id do not. `queryAll`
tells of deleted rows, too; who was merged is deleted and names the `MasterRecordId` that stayed. Every field
is named, since one the user may not see is then refused (INVALID_FIELD) and not left out in silence.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from integrations.calls import note_at, owner_at
from integrations.paging import BehindLast
from integrations.records import Record, dig
from integrations.rules import Condition, Output, rule
from integrations.spec import (
    Choice,
    Connector,
    Headers,
    Incremental,
    Learned,
    Limits,
    OAuth2,
    Read,
    Said,
    Setting,
    Stream,
    Test,
)

DATA = "/services/data/v61.0"
CHANGED = "SystemModstamp"
BEHIND = f" AND ({CHANGED} > {{moment}} OR ({CHANGED} = {{moment}} AND Id > '{{id}}'))"
PAGES = BehindLast(BEHIND, CHANGED, "Id", size=2000, done="done")


def learn(headers: Headers, body: Any) -> Learned | None:
    """`api-usage=18/100000`: the calls of all who ask this organization, in the last 24 hours."""
    told = re.match(r"api-usage=(\d{1,9})/([1-9]\d{0,8})\b", headers.get("sforce-limit-info", ""))
    used, most = (int(told[1]), int(told[2])) if told else (0, 0)
    return Learned(max(0, most - used), most, most / 86_400) if told else None


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """Errors come as a list of {message, errorCode}."""
    first = body[0] if isinstance(body, list) and body else {}
    code, words = dig(first, "errorCode"), str(dig(first, "message") or "").strip()
    if code in ("REQUEST_LIMIT_EXCEEDED", "QUERY_TIMEOUT"):
        return Said("busy", f"it cannot answer now ({words[:200]})", 3600 if "TotalRequests" in words else 30)
    return Said("config", hidden(words)) if code in ("INVALID_FIELD", "INVALID_TYPE") else None


def hidden(words: str) -> str:
    """The right that is missing, by the name that Salesforce says it does not know."""
    found = re.search(r"(?:No such column '(\w+)' on entity|sObject type) '(\w+)'", words)
    if found is None:
        return words[:300]
    what = f"the field {found[1]} of {found[2]}" if found[1] else found[2]
    return f"the user who connected may not read {what} (or there is none): let a permission set allow it."


def shape(kind: str, record: Record) -> Record:
    """Adds who it is in our books, into whom it was merged, and whether it was deleted for good."""
    key = f"{kind}/{record['Id']}" if record.get("Id") else None
    stayed = f"{kind}/{record['MasterRecordId']}" if record.get("MasterRecordId") else None
    gone = record.get("IsDeleted") is True and not stayed
    return {**record, "key": key, "merged_into": stayed, "gone": gone}


def stream(entity: str, key: str, fields: str, help: str = "", **contact: str) -> Stream:
    """`contact`: what of a contact stands in which field, where the records are people or companies: these
    are read whole, and can be merged."""
    said = {"external_id": "key", "name": "Name", "merged_into": "merged_into", **contact}
    rules = tuple(rule(f"contact.{target}", field) for target, field in said.items())
    there = (Condition("Name", "exists"), Condition("gone", "not_equals", (True,)))
    named = ", ".join((fields, *contact.values(), *(["MasterRecordId"] if contact else [])))
    query = (
        f"SELECT Id, IsDeleted, {CHANGED}, Name, {named} FROM {entity} "
        f"WHERE {CHANGED} >= {{start}}{{behind}} ORDER BY {CHANGED}, Id LIMIT 2000"
    )
    return Stream(
        key=key,
        label=key.capitalize(),
        outputs=(Output("contact", "contact", rules, when=there),) if contact else (),
        read=Read(f"{DATA}/queryAll", {"q": query}, "records", PAGES),
        incremental=Incremental(CHANGED, "", overlap=900),
        id="Id",
        shape=partial(shape, key),
        help=help,
        dated=not contact,
    )


DEAL = "AccountId, StageName, CloseDate, IsClosed, IsWon, {amounts}"
CURRENCIES = (Choice("Amount", "one currency"), Choice("Amount, CurrencyIsoCode", "several currencies"))
KEPT = "Kept with their history; an opportunity books nothing, since it is no sale yet"

connector = Connector(
    key="salesforce",
    label="Salesforce",
    category="crm",
    summary="Accounts and contacts; opportunities with their history.",
    base_url="https://{login}",
    auth=OAuth2(
        "https://{login}/services/oauth2/authorize",
        "/services/oauth2/token",
        ("api", "refresh_token"),
        place="instance_url",
        hosts=("*.salesforce.com", "*.salesforce.mil"),
    ),
    limits=Limits(learn=learn),
    settings=(
        Setting("client_id", "Consumer key", required=True, help="Setup > App Manager > your connected app"),
        Setting("client_secret", "Consumer secret", "secret", required=True),
        Setting(
            "login",
            "You sign in at",
            default="login.salesforce.com",
            help="test.salesforce.com for a sandbox, or your own: acme.my.salesforce.com",
            pattern=r"([a-z0-9-]+\.)+salesforce\.(com|mil)",
            pattern_help="it ends in .salesforce.com, without https:// before it.",
        ),
        Setting("amounts", "Opportunities are in", "choice", default="Amount", choices=CURRENCIES),
    ),
    streams=(
        stream("Account", "accounts", "Website", phone="Phone", country="BillingCountry"),
        stream("Contact", "contacts", "AccountId", email="Email", phone="Phone", country="MailingCountry"),
        stream("Opportunity", "opportunities", DEAL, KEPT),
    ),
    test=Test(
        Read(f"{DATA}/query", {"q": "SELECT Id, Name, IsSandbox FROM Organization"}),
        owner=owner_at("records", "Id", "Name"),
        note=note_at("records", "IsSandbox", {True: "sandbox"}),
    ),
    advice={
        401: "Open the integration and connect it again.",
        403: "Let the user who connected use the API (the permission 'API Enabled'), or connect as another.",
    },
    understand=understand,
    docs_url="https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/",
)

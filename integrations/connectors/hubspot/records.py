"""HubSpot's companies, contacts and deals: how they are searched for, and the contacts they become."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from integrations.paging import BodyToken
from integrations.records import Record
from integrations.rules import Condition, Output, rule, same
from integrations.spec import Children, Incremental, Read, Stream, Window

OBJECTS = "/crm/v3/objects"
CHANGED = "hs_lastmodifieddate"
LAG = 900  # seconds until a search is sure to find what was changed
PAGES = BodyToken("after", "paging.next.after")


def shape(kind: str, record: Record) -> Record:
    """Adds who it is in our books: `companies/<id>` or `contacts/<id>`, a name, and the same of those that
    were merged into it."""
    given = record.get("properties")
    rows = given.items() if isinstance(given, dict) else ()
    texts = {name: value for name, value in rows if isinstance(value, str)}
    person = " ".join(filter(None, (texts.get("firstname"), texts.get("lastname"))))
    names = (texts.get("name"), person, *(texts.get(name) for name in ("domain", "email", "phone")))
    merged = filter(None, texts.get("hs_merged_object_ids", "").split(";"))
    return {
        **record,
        "key": f"{kind}/{record['id']}" if record.get("id") else None,
        "name": next(filter(None, names), None),
        "merged": " ".join(f"{kind}/{one}" for one in merged) or None,
    }


def search(key: str, properties: tuple[str, ...], modified: str) -> Read:
    """What was changed in a span of time, oldest first: at most 10,000 records a question."""
    span = (("GTE", "{start}"), ("LT", "{end}"))
    asked = {
        "filterGroups": [
            {"filters": [{"propertyName": modified, "operator": name, "value": at} for name, at in span]}
        ],
        "sorts": [json.dumps({"propertyName": modified, "direction": "ASCENDING"})],
        "properties": properties,
        "limit": 200,
        "after": "0",
    }
    return Read(f"{OBJECTS}/{key}/search", asked, "results", PAGES, body="json", bucket="search")


def stream(
    key: str,
    *properties: str,
    outputs: tuple[Output, ...] = (),
    modified: str = CHANGED,
    **more: Any,
) -> Stream:
    """Objects of a kind, by when they were changed last."""
    asked = (*properties, modified, "hs_merged_object_ids")
    window = Window("", days=366, history=20 * 365)
    return Stream(
        key=key,
        label=key.capitalize(),
        outputs=outputs,
        read=search(key, asked, modified),
        one=Read(f"{OBJECTS}/{key}/{{id}}", {"properties": ",".join(asked)}),
        incremental=Incremental(f"properties.{modified}", "", "epoch_ms", overlap=LAG, window=window),
        updated="updatedAt",
        shape=partial(shape, key),
        **more,
    )


def associated(kind: str) -> Children:
    read = Read(f"/crm/v4/objects/deals/{{id}}/associations/{kind}", {"limit": "500"}, "results", PAGES)
    return Children(f"associations.{kind}.results", read)


CONTACT = Output(
    key="contact",
    kind="contact",
    when=(Condition("name", "exists"), Condition("archived", "not_equals", (True,))),
    rules=(
        rule("contact.external_id", "key"),
        rule("contact.name", "name"),
        *same("contact", "properties", "email phone country"),
        rule("contact.merged", "merged"),
    ),
)

COMPANIES = stream("companies", "name", "domain", "phone", "country", outputs=(CONTACT,), dated=False)
CONTACTS = stream(
    *("contacts", "firstname", "lastname", "email", "phone", "country", "associatedcompanyid"),
    outputs=(CONTACT,),
    modified="lastmodifieddate",
    dated=False,
)
DEALS = stream(
    *("deals", "dealname", "amount", "deal_currency_code", "dealstage", "pipeline", "closedate"),
    *("hs_is_closed", "hs_is_closed_won"),
    children=(associated("companies"), associated("contacts")),
    help="Kept with their history; a deal books nothing, since it is no sale yet",
)

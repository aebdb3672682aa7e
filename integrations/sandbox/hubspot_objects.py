"""What the simulated HubSpot holds: its CRM as records, and what was written to it."""

from __future__ import annotations

import datetime as dt
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.crm import Company, Crm, Deal, Person
from integrations.sandbox.events import Business
from integrations.sandbox.web import State, json_response

MERGED = "hs_merged_object_ids"
Record = dict[str, Any]


class Refusal(Exception):
    """An answer in HubSpot's error shape."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        body = {"status": "error", "message": message, "category": category, **more}
        correlation = {"correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf"}
        self.response = json_response({**body, **correlation}, status)


@dataclass
class Portal:
    """What the system remembers: who may come in, when it was asked, what was written, and at what real time
    the clock was moved over a span (what changed in it carries that time)."""

    access: dict[str, float] = field(default_factory=dict)
    refresh: str = ""
    codes: set[str] = field(default_factory=set)
    asked: deque[float] = field(default_factory=deque)
    searched: deque[float] = field(default_factory=deque)
    fields: dict[str, Record] = field(default_factory=dict)
    invoices: dict[str, Record] = field(default_factory=dict)
    contacts: dict[str, Record] = field(default_factory=dict)
    ties: set[tuple[str, str]] = field(default_factory=set)
    moves: list[tuple[int, int, int]] = field(default_factory=list)

    def changed(self, at: int) -> int:
        return next((real for since, until, real in self.moves if since < at <= until), at)


def portal(state: State) -> Portal:
    found: Portal = state.kept.setdefault("hubspot", Portal())
    return found


def objects_of(business: Business, state: State, kind: str) -> list[Record]:
    """All objects of a kind as they stand, those written to us among them."""
    clock, here, crm = state.clock, portal(state), business.of(Crm)
    if kind == "companies":
        return [_company(here, one) for one in crm.companies if one.created <= clock]
    if kind == "contacts":
        found = [_person(here, business, one, clock) for one in crm.people if one.is_there(clock)]
        return [*found, *here.contacts.values()]
    if kind == "deals":
        return [_deal(here, one, clock) for one in crm.deals if one.created <= clock]
    if kind == "invoices":
        return list(here.invoices.values())
    raise Refusal(400, "VALIDATION_ERROR", f"Unable to infer object type from: {kind}")


def _company(here: Portal, one: Company) -> Record:
    given = {"name": one.name, "domain": one.domain, "country": one.country, "phone": None}
    return record(one.id, given, here.changed(one.created), one.created)


def _person(here: Portal, business: Business, one: Person, clock: int) -> Record:
    merged = business.of(Crm).taken_over(one, clock)
    given = {
        "firstname": one.first,
        "lastname": one.last,
        "email": one.email or None,
        "phone": one.phone or None,
        "country": None,
        "associatedcompanyid": one.company or None,
        MERGED: ";".join(each.id for each in merged) or None,
    }
    changed = max([one.created, *(each.merged for each in merged)])
    return record(one.id, given, here.changed(changed), one.created, modified="lastmodifieddate")


def _deal(here: Portal, one: Deal, clock: int) -> Record:
    stage = one.stage(clock)
    given = {
        "dealname": one.name,
        "amount": f"{one.amount // 100}.{one.amount % 100:02}",
        "deal_currency_code": one.currency,
        "dealstage": stage,
        "pipeline": "default",
        "closedate": stamp(one.closed),
        "hs_is_closed": str(stage.startswith("closed")).lower(),
        "hs_is_closed_won": str(stage == "closedwon").lower(),
    }
    return record(
        one.id, given, here.changed(one.closed if one.closed <= clock else one.created), one.created
    )


def record(
    identity: str, given: Record, changed: int, created: int, *, modified: str = "hs_lastmodifieddate"
) -> Record:
    last, made = stamp(changed), stamp(created)
    own = {"hs_object_id": identity, "createdate": made, modified: last}
    return {
        "id": identity,
        "properties": {**given, **own},
        "createdAt": made,
        "updatedAt": last,
        "archived": False,
    }


def stamp(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def shown(row: Record, names: Any) -> Record:
    """Only the properties asked for come, and three that always do; unknown names are ignored."""
    always = {"hs_object_id", "createdate", "hs_lastmodifieddate", "lastmodifieddate"}
    given = {name: value for name, value in row["properties"].items() if name in always or name in names}
    return {**row, "properties": given}

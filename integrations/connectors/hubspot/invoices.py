"""Our invoices in HubSpot: shown with their customer, and what became of each, in fields of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from integrations.connectors.hubspot.records import OBJECTS
from integrations.destination import Destination, LeftOut, Made, Parcel, Preparation, Takes, Write
from integrations.records import Record, dig
from integrations.spec import Read
from ledgerhub.core.money import from_minor

INVOICES = f"{OBJECTS}/invoices"
FIELDS = "/crm/v3/properties/invoices"
REFERENCE = "ledgerhub_reference"
# Fields of our own: name -> (label, type).
OURS: Mapping[str, tuple[str, str]] = {
    REFERENCE: ("LedgerHub reference", "string"),
    "ledgerhub_status": ("Payment status in the books", "string"),
    "ledgerhub_paid": ("Paid, by the books", "number"),
    "ledgerhub_open": ("Open, by the books", "number"),
    "ledgerhub_credited": ("Credited, by the books", "number"),
    "ledgerhub_refunded": ("Refunded, by the books", "number"),
}


def lacking(answer: Any) -> Write | None:
    """The fields that are not there yet; the reference is unique, so that no invoice is there twice."""
    known = {row.get("name") for row in dig(answer, "results") or ()}
    wanted = [_field(name, *OURS[name]) for name in OURS if name not in known]
    return Write(f"{FIELDS}/batch/create", {"inputs": wanted}) if wanted else None


def _field(name: str, label: str, kind: str) -> Record:
    return {
        "name": name,
        "label": label,
        "type": kind,
        "fieldType": "number" if kind == "number" else "text",
        "groupName": "invoiceinformation",
        "hasUniqueValue": name == REFERENCE,
    }


def properties(parcel: Parcel) -> dict[str, str]:
    """Texts all of them. Not billable: HubSpot shows the invoice and never asks anybody to pay it."""
    draft, paid = parcel.draft, parcel.paid
    if paid is None:
        raise AssertionError(f"{parcel.reference} has no payment state")
    figures = {name: getattr(paid, name) for name in ("paid", "open", "credited", "refunded")}
    currency = str(draft["currency"])
    due = draft.get("due_date")
    return {
        REFERENCE: parcel.reference,
        "hs_number": str(draft["number"]),
        "hs_currency": currency,
        "hs_invoice_date": draft["date"].isoformat(),
        **({"hs_due_date": due.isoformat()} if due else {}),
        "hs_invoice_billable": "false",
        "hs_invoice_status": "open" if paid.open else "paid",
        "hs_amount_billed": f"{from_minor(paid.total, currency):f}",
        "ledgerhub_status": paid.word,
        **{f"ledgerhub_{name}": f"{from_minor(amount, currency):f}" for name, amount in figures.items()},
    }


def _address(parcel: Parcel) -> str:
    return f"{INVOICES}/{quote(parcel.made.id if parcel.made else '', safe='')}"


def create(parcel: Parcel) -> Write:
    return Write(INVOICES, {"properties": properties(parcel), "associations": []})


def update(parcel: Parcel) -> Write:
    return Write(_address(parcel), {"properties": properties(parcel)}, "PATCH")


def void(parcel: Parcel) -> Write:
    gone = {"hs_invoice_status": "voided", "ledgerhub_status": "voided", "ledgerhub_open": "0"}
    return Write(_address(parcel), {"properties": gone}, "PATCH")


def attach(parcel: Parcel, made: Made) -> Write | None:
    """Ties the invoice to its contact or company; twice is once."""
    if not parcel.contact:
        return None
    place = f"{quote(made.id, safe='')}/associations/default/{quote(parcel.contact)}"
    return Write(f"/crm/v4/objects/invoices/{place}", method="PUT")


def made(answer: Any) -> Made:
    return Made(str(answer["id"]), number=str(dig(answer, "properties.hs_number") or ""))


def by(kind: str, name: str, value: str, *shown: str) -> Read:
    """Objects by a unique property, as they are now: a search would lag behind."""
    asked = {"idProperty": name, "inputs": [{"id": value}], "properties": shown, "propertiesWithHistory": []}
    return Read(f"{OBJECTS}/{kind}/batch/read", asked, method="POST", body="json")


def find(parcel: Parcel) -> Read:
    return by("invoices", REFERENCE, parcel.reference, REFERENCE, "hs_invoice_status", "hs_number")


def found(answer: Any, parcel: Parcel) -> Made | None:
    rows = [row for row in dig(answer, "results") or () if _stands(row.get("properties") or {}, parcel)]
    return made(rows[0]) if rows else None


def _stands(given: Mapping[str, Any], parcel: Parcel) -> bool:
    return given.get(REFERENCE) == parcel.reference and given.get("hs_invoice_status") != "voided"


# ── contacts ────────────────────────────────────────────────────────────────────────────────────────


def find_contact(parcel: Parcel) -> Read:
    return by("contacts", "email", _email(parcel), "email")


def _email(parcel: Parcel) -> str:
    if parcel.party is None or not parcel.party.email:
        name = parcel.party.name if parcel.party else "The customer"
        raise LeftOut(f"{name} did not come from HubSpot and has no e-mail address to be found by.")
    return parcel.party.email


def found_contact(answer: Any, parcel: Parcel) -> Made | None:
    rows = dig(answer, "results") or []
    return made_contact(rows[0]) if rows else None


def made_contact(answer: Any) -> Made:
    return Made(f"contacts/{answer['id']}")


def create_contact(parcel: Parcel) -> Write:
    """The name as a whole: which part of it is whose is not for us to guess."""
    name = parcel.party.name if parcel.party else ""
    return Write(
        f"{OBJECTS}/contacts",
        {"properties": {"email": _email(parcel), "firstname": name}, "associations": []},
    )


INVOICE = Takes(
    kind="invoice",
    label="Invoice",
    create=create,
    made=made,
    find=find,
    found=found,
    update=update,
    void=void,
    attach=attach,
    follows_payments=True,
)
DESTINATION = Destination(
    takes=(INVOICE,),
    contact=Takes("contact", "Contact", create_contact, made_contact, find_contact, found_contact),
    at_once=2,
    keeps_books=False,
    makes_contacts="make_contacts",
    preparation=Preparation(Read(FIELDS), lacking),
)

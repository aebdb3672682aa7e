"""Pure: how documents and contacts are sent to Xero, looked for, changed and taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from integrations.bookkeeping import LABELS, entity_of
from integrations.connectors.xero.books import API, GONE, NUMBERS, READERS, standing
from integrations.connectors.xero.faults import messages_of, words
from integrations.connectors.xero.forms import ENDPOINTS, IDS, body, form, moves_nothing
from integrations.connectors.xero.parts import split
from integrations.destination import Batch, Made, Parcel, Refused, Takes, Write
from integrations.records import dig
from integrations.spec import Read
from integrations.standing import Standing

LONGEST_NAME = 255
NEAR = dt.timedelta(days=31)
# What can be changed there; the others are taken back and made again.
CHANGED = ("Invoice", "CreditNote", "BankTransaction", "ManualJournal")


# ── documents ───────────────────────────────────────────────────────────────────────────────────────


def create(parcel: Parcel) -> Write:
    name = form(parcel)
    path, fields = f"{API}/{ENDPOINTS[name]}", {ENDPOINTS[name]: [body(parcel, name)]}
    if name == "Allocation":
        return Write(f"{_credit_note(parcel)}/Allocations", fields, method="PUT", alone=True)
    # Transfers cannot be refused one by one.
    return Write(path, fields, method="PUT", alone=name == "BankTransfer")


def _credit_note(parcel: Parcel) -> str:
    """The address of what an allocation is of."""
    return f"{API}/CreditNotes/{entity_of(parcel.first.made if parcel.first else None)[1]}"


def update(parcel: Parcel) -> Write | None:
    """None where it has to become something else, or cannot be changed once something was paid of it."""
    name, identity = entity_of(parcel.made)
    if name not in CHANGED or parcel.applied or moves_nothing(parcel) or form(parcel) != name:
        return None
    return _change(name, identity, body(parcel, name))


def void(parcel: Parcel) -> Write:
    name, identity = entity_of(parcel.made)
    if name == "Allocation":
        version = parcel.made.version if parcel.made else ""
        return Write(f"{_credit_note(parcel)}/Allocations/{version}", method="DELETE")
    if name in ("Payment", "BankTransfer"):
        return Write(f"{API}/{ENDPOINTS[name]}/{identity}", {"Status": "DELETED"})
    narration = {"Narration": f"{parcel.reference}: taken back"} if name == "ManualJournal" else {}
    status = "DELETED" if ENDPOINTS[name] == "BankTransactions" else "VOIDED"
    return _change(name, identity, {**narration, "Status": status})


def _change(name: str, identity: str, fields: Mapping[str, Any]) -> Write:
    return Write(f"{API}/{ENDPOINTS[name]}/{identity}", {ENDPOINTS[name]: [{IDS[name]: identity, **fields}]})


def made(answer: Any) -> Made:
    """Of an answer to one writing request, or of one element of many."""
    if "Allocations" in answer:
        [record] = answer["Allocations"]
        return _tied(str(dig(record, "CreditNote.CreditNoteID") or ""), record)
    endpoint = next(name for name in answer if name in READERS)
    return _made(endpoint, answer[endpoint][0])


def _made(endpoint: str, record: Mapping[str, Any]) -> Made:
    stands = standing(endpoint, record)
    return Made(stands.id, stands.version, stands.number, stands)


def _tied(credit_note: str, record: Mapping[str, Any]) -> Made:
    """An allocation. Not every answer tells its id: it is the one of its credit note to its invoice."""
    identity = f"Allocation:{credit_note}/{dig(dict(record), 'Invoice.InvoiceID') or ''}"
    version = str(record.get("AllocationID") or "")
    amount = Decimal(str(record.get("Amount") or 0))
    return Made(identity, version, stands=Standing(identity, "Allocation", version, amount=amount))


def find(parcel: Parcel) -> Read | tuple[Read, ...]:
    """What stands is read by its id; else our reference is looked for wherever a document of the kind may
    have gone."""
    name, identity = entity_of(parcel.made)
    if name == "Allocation" or parcel.is_tie:
        return Read(_credit_note(parcel))
    if identity:
        return Read(f"{API}/{ENDPOINTS[name]}/{identity}")
    may_be = _BEHIND if parcel.part else _MAY_BE.get(str(parcel.draft["kind"]), _ANY)
    return tuple(_look(each, parcel) for each in may_be)


def _look(name: str, parcel: Parcel) -> Read:
    where, given = f'{NUMBERS.get(name, "Reference")}=="{parcel.reference}"', {}
    if name == "Invoice":
        return Read(f"{API}/Invoices", {"InvoiceNumbers": parcel.reference})
    if name == "ManualJournal":
        where = f'Narration.StartsWith("{parcel.reference}:")'
    if name == "Overpayment":
        first, last = parcel.draft["date"] - NEAR, parcel.draft["date"] + NEAR
        where = f'Type.EndsWith("OVERPAYMENT") AND Date>={_moment(first)} AND Date<={_moment(last)}'
        given = {"page": "1", "pageSize": "1000"}
    return Read(f"{API}/{ENDPOINTS[name]}", {"where": where, **given})


def _moment(day: dt.date) -> str:
    return f"DateTime({day.year}, {day.month:02}, {day.day:02})"


_SALE = ("Invoice", "BankTransaction", "ManualJournal", "CreditNote")
_PAID = ("Payment", "BankTransaction", "Overpayment", "CreditNote", "Invoice", "ManualJournal")
_BEHIND = ("Payment", "Overpayment", "BankTransfer")
_ANY = (*_SALE, "Payment", "Overpayment", "BankTransfer")
_MAY_BE: Mapping[str, tuple[str, ...]] = {
    "invoice": _SALE,
    "bill": _SALE,
    "credit_note": _SALE,
    "payment": _PAID,
    "bill_payment": _PAID,
    "fee": ("BankTransaction", "ManualJournal"),
    "dispute": ("BankTransaction", "ManualJournal"),
    "payout": ("BankTransfer", "BankTransaction", "ManualJournal"),
}


def found(answer: Any, parcel: Parcel) -> Made | None:
    """Ours among what was found, unless it was taken back."""
    if parcel.is_tie or entity_of(parcel.made)[0] == "Allocation":
        return _tie_among(answer, parcel)
    for endpoint in READERS:
        for record in answer.get(endpoint) or ():
            one = _made(endpoint, record)
            if record.get("Status") not in GONE and _is_ours(one, parcel):
                return one
    return None


def _tie_among(answer: Any, parcel: Parcel) -> Made | None:
    """The allocation to the invoice that it was made to, or is to be."""
    wanted = entity_of(parcel.made)[1].partition("/")[2] or "".join(
        entity_of(link.made)[1] for link in parcel.links
    )
    for note in answer.get("CreditNotes") or ():
        for record in note.get("Allocations") or ():
            if dig(record, "Invoice.InvoiceID") == wanted and not record.get("IsDeleted"):
                return _tied(str(note.get("CreditNoteID") or ""), record)
    return None


def _is_ours(one: Made, parcel: Parcel) -> bool:
    if parcel.made is not None and parcel.made.id:
        return one.id == parcel.made.id
    return one.stands is not None and one.stands.reference == parcel.reference


TAKES = tuple(
    Takes(
        kind=kind,
        label=label,
        create=create,
        made=made,
        find=find,
        found=found,
        update=update,
        void=void,
        needs_contact=True,
        split=split,
    )
    for kind, label in LABELS.items()
)


# ── several at once ─────────────────────────────────────────────────────────────────────────────────


def join(pairs: list[tuple[str, Write]]) -> Write:
    """All to the same address; each is known in the answer by our reference, which it carries."""
    path = pairs[0][1].path
    endpoint = path.rpartition("/")[2]
    rows = [dict(write.body)[endpoint][0] for _, write in pairs]
    return Write(path, {endpoint: rows}, method="PUT", params={"summarizeErrors": "false"})


def answers(answer: Any) -> dict[str, Any]:
    endpoint = next(name for name in answer if name in READERS)
    found: dict[str, Any] = {}
    for record in answer[endpoint]:
        mark = standing(endpoint, record).reference
        found[mark] = _refusal(record) or {endpoint: [record]}
    return found


def _refusal(record: Mapping[str, Any]) -> Refused | None:
    wrong = messages_of([record])
    refused = wrong or record.get("StatusAttributeString") == "ERROR" or record.get("HasErrors")
    return Refused(words(wrong or ["It was refused"])) if refused else None


BATCH = Batch(size=50, join=join, split=answers, alike=True)


# ── contacts ────────────────────────────────────────────────────────────────────────────────────────


def display_name(name: str) -> str:
    """As Xero takes it: on one line."""
    return " ".join(name.split())[:LONGEST_NAME].rstrip() or "Nobody"


def _name(parcel: Parcel) -> str:
    return display_name(parcel.party.name if parcel.party else "")


def create_contact(parcel: Parcel) -> Write:
    email = parcel.party.email if parcel.party else ""
    fields = {"Name": _name(parcel), "ContactNumber": parcel.reference}
    if email and len(email) <= LONGEST_NAME:
        fields["EmailAddress"] = email
    return Write(f"{API}/Contacts", {"Contacts": [fields]}, method="PUT")


def find_contact(parcel: Parcel) -> Read:
    """By a search that does not mind capitals: names are unique without them."""
    asked = {"searchTerm": _name(parcel), "page": "1", "pageSize": "1000"}
    return Read(f"{API}/Contacts", asked)


def ask_contacts(parcels: list[Parcel]) -> Read:
    """By their names as written; who is there in other capitals is refused when made, and found then.
    Names with quotes are left out likewise."""
    names = [name for parcel in parcels if '"' not in (name := _name(parcel))]
    where = " OR ".join(f'Name=="{name}"' for name in names or ["?"])
    return Read(f"{API}/Contacts", {"where": where, "page": "1", "pageSize": "1000"})


def found_contact(answer: Any, parcel: Parcel) -> Made | None:
    rows = [row for row in answer.get("Contacts") or () if row.get("ContactStatus") != "ARCHIVED"]
    same = [row for row in rows if str(row.get("Name")).casefold() == _name(parcel).casefold()]
    return Made(str(same[0]["ContactID"])) if same else None


CONTACT = Takes(
    kind="contact",
    label="Contact",
    create=create_contact,
    made=lambda answer: Made(str(answer["Contacts"][0]["ContactID"])),
    find=find_contact,
    found=found_contact,
)


def split_contacts(answer: Any) -> dict[str, Any]:
    """Each is known by the number we gave it."""
    return {
        str(row.get("ContactNumber") or ""): _refusal(row) or {"Contacts": [row]}
        for row in answer.get("Contacts") or ()
    }


CONTACTS = Batch(size=25, join=join, split=split_contacts, ask=ask_contacts)

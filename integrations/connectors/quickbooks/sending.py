"""Pure: how documents and contacts are sent to QuickBooks, looked for, changed and taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from integrations.bookkeeping import LABELS, entity_of
from integrations.connectors.quickbooks import faults
from integrations.connectors.quickbooks.books import COMPANY, KINDS, NUMBERS, is_void, stands
from integrations.connectors.quickbooks.documents import body, entities, entity, split
from integrations.destination import Batch, Made, Parcel, Takes, Write
from integrations.records import dig
from integrations.spec import Read

LONGEST_NAME = 100
# Those that QuickBooks can void; the others are deleted.
VOIDED: Mapping[str, Mapping[str, str]] = {
    "Invoice": {"operation": "void"},
    "SalesReceipt": {"operation": "update", "include": "void"},
    "Payment": {"operation": "update", "include": "void"},
}
NEAR = dt.timedelta(days=31)


# ── documents ───────────────────────────────────────────────────────────────────────────────────────


def create(parcel: Parcel) -> Write:
    name = entity(parcel)
    return Write(f"{COMPANY}/{name.lower()}", _given(body(parcel, name)))


def update(parcel: Parcel) -> Write | None:
    """Only what we say is changed; None where it has to become another entity."""
    name, identity = entity_of(parcel.made)
    # What was applied to it would be more than it comes to: that is taken off first.
    too_much = parcel.applied > int(parcel.draft.get("total") or 0)
    if entity(parcel) != name or too_much:
        return None
    changed = {**body(parcel, name), **_version(parcel, identity), "sparse": True}
    return Write(f"{COMPANY}/{name.lower()}", _given(changed))


def void(parcel: Parcel) -> Write:
    """A payment over nothing is deleted, too: there is nothing of it to void."""
    name, identity = entity_of(parcel.made)
    voided = name in VOIDED and not parcel.part
    how = VOIDED[name] if voided else {"operation": "delete"}
    sparse = {"sparse": True} if voided else {}
    return Write(f"{COMPANY}/{name.lower()}", {**_version(parcel, identity), **sparse}, params=how)


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _version(parcel: Parcel, identity: str) -> dict[str, str]:
    return {"Id": identity, "SyncToken": parcel.made.version if parcel.made else ""}


def made(answer: Any) -> Made:
    """Of an answer to one writing request, or of an item of a batch."""
    name, record = next((name, value) for name, value in answer.items() if name in _NAMES)
    return _made(name, record)


def _made(name: str, record: Mapping[str, Any]) -> Made:
    number = record.get(NUMBERS.get(name, "DocNumber")) or ""
    version = str(record.get("SyncToken") or "")
    return Made(f"{name}:{record['Id']}", version, str(number), stands(name, record))


def find(parcel: Parcel) -> Read:
    """What stands is read by its id, since lists may show an old version; else by our reference."""
    if parcel.made is not None and parcel.made.id:
        name, identity = entity_of(parcel.made)
        return Read(f"{COMPANY}/{name.lower()}/{identity}")
    return ask([parcel])


def ask(parcels: list[Parcel]) -> Read:
    """One request for many references, in every entity their documents may have become."""
    names = dict.fromkeys(name for parcel in parcels for name in entities(parcel))
    queries = [{"bId": name, "Query": _query(name, parcels)} for name in names]
    return Read(f"{COMPANY}/batch", {"BatchItemRequest": queries}, method="POST", body="json", bucket="batch")


def _query(name: str, parcels: list[Parcel]) -> str:
    """Transfers have no number: those of about the day, told apart by their notes."""
    if name == "Transfer":
        days = [parcel.draft["date"] for parcel in parcels]
        first, last = min(days) - NEAR, max(days) + NEAR
        where = f"TxnDate >= '{first}' and TxnDate <= '{last}'"
    else:
        quoted = ", ".join(f"'{parcel.reference}'" for parcel in parcels)
        where = f"{NUMBERS.get(name, 'DocNumber')} in ({quoted})"
    return f"select * from {name} where {where} maxresults 1000"


def found(answer: Any, parcel: Parcel) -> Made | None:
    """Ours among what was found, unless it is voided; deleted ones are not there any more."""
    rows = [(name, row) for name, row in _rows(answer) if _is_ours(name, row, parcel) and _stands(row)]
    return _made(*rows[0]) if rows else None


def _rows(answer: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Records with their entity, of one read by id or of several queries in a batch."""
    lists = [dig(item, "QueryResponse") or {} for item in dig(answer, "BatchItemResponse") or ()]
    lists += [{name: [value]} for name, value in answer.items() if isinstance(value, dict)]
    return [(name, row) for each in lists for name in each if name in _NAMES for row in each[name]]


def _stands(row: Mapping[str, Any]) -> bool:
    return row.get("status") != "Deleted" and not is_void(row)


def _is_ours(name: str, row: Mapping[str, Any], parcel: Parcel) -> bool:
    if parcel.made is not None and parcel.made.id:
        return f"{name}:{row['Id']}" == parcel.made.id
    if name == "Transfer":
        return f"({parcel.reference})" in str(row.get("PrivateNote") or "")
    return bool(row.get(NUMBERS.get(name, "DocNumber")) == parcel.reference)


# What people keyed anew and we took for ours may be of any kind.
_NAMES = frozenset(KINDS)
SIDES = ("Customer", "Vendor")
PATHS = {name.lower(): name for name in (*_NAMES, *SIDES)}
CONTACTED = ("invoice", "payment", "refund", "credit_note", "bill", "bill_payment")
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
        needs_contact=kind in CONTACTED,
        split=split if kind == "credit_note" else None,
    )
    for kind, label in LABELS.items()
)


# ── several at once ─────────────────────────────────────────────────────────────────────────────────


def join(pairs: list[tuple[str, Write]]) -> Write:
    items = [
        {"bId": mark, "operation": "create", PATHS[write.path.rpartition("/")[2]]: write.body}
        for mark, write in pairs
    ]
    return Write(f"{COMPANY}/batch", {"BatchItemRequest": items}, bucket="batch")


BATCH = Batch(size=30, join=join, split=faults.split, ask=ask)


# ── contacts ────────────────────────────────────────────────────────────────────────────────────────


def display_name(name: str) -> str:
    """As QuickBooks takes it: no colons, tabs, line ends; at most LONGEST_NAME, both ends kept."""
    plain = " ".join(name.replace(":", " ").split())
    if len(plain) <= LONGEST_NAME:
        return plain or "Nobody"
    return f"{plain[:60].rstrip()}…{plain[-39:]}"


def _side(parcel: Parcel) -> str:
    return "Vendor" if parcel.party and parcel.party.supplier else "Customer"


def _name(parcel: Parcel) -> str:
    return display_name(parcel.party.name if parcel.party else "")


def create_contact(parcel: Parcel) -> Write:
    email = parcel.party.email if parcel.party else ""
    address = {"PrimaryEmailAddr": {"Address": email}} if email and len(email) <= LONGEST_NAME else {}
    return Write(f"{COMPANY}/{_side(parcel).lower()}", {"DisplayName": _name(parcel), **address})


def _quoted(parcel: Parcel) -> str:
    name = _name(parcel).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{name}'"


def find_contact(parcel: Parcel) -> Read:
    query = f"select * from {_side(parcel)} where DisplayName = {_quoted(parcel)}"
    return Read(f"{COMPANY}/query", {"query": query})


def ask_contacts(parcels: list[Parcel]) -> Read:
    """By their names in one request; customers and suppliers together in a batch, of which there are few."""
    names = {side: ", ".join(_quoted(one) for one in parcels if _side(one) == side) for side in SIDES}
    queries = {
        side: f"select * from {side} where DisplayName in ({listed}) maxresults 1000"
        for side, listed in names.items()
        if listed
    }
    if len(queries) == 1:
        return Read(f"{COMPANY}/query", {"query": next(iter(queries.values()))})
    items = [{"bId": side, "Query": query} for side, query in queries.items()]
    return Read(f"{COMPANY}/batch", {"BatchItemRequest": items}, method="POST", body="json", bucket="batch")


def found_contact(answer: Any, parcel: Parcel) -> Made | None:
    """In the answer to a question for one, or for several."""
    answers = dig(answer, "BatchItemResponse") or [answer]
    rows = [row for one in answers for row in dig(one, f"QueryResponse.{_side(parcel)}") or ()]
    same = [row for row in rows if str(row.get("DisplayName")).casefold() == _name(parcel).casefold()]
    return Made(str(same[0]["Id"])) if same else None


def made_contact(answer: Any) -> Made:
    return Made(str((answer.get("Customer") or answer["Vendor"])["Id"]))


CONTACT = Takes(
    kind="contact",
    label="Contact",
    create=create_contact,
    made=made_contact,
    find=find_contact,
    found=found_contact,
)
CONTACTS = Batch(size=30, join=join, split=faults.split, ask=ask_contacts)

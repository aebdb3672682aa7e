"""Contacts in bulk: the people named in drafts -> Contact rows, by outside id, then by e-mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from ledgerhub.access.models import Organization
from ledgerhub.core import bulk
from ledgerhub.ledger.models import Contact, ContactIdentity

Person = dict[str, Any]
_UPDATED = ("name", "phone", "tax_number", "country")


def resolve(
    organization: Organization, people: Sequence[Person | None], *, scope: str, supplier: bool = False
) -> list[Contact | None]:
    """One Contact a person, in order, made where unknown. `scope` names whose ids `external_id`s are.

    A person is known by (scope, external_id), else by e-mail, else by exact name. Three queries a page
    when nobody is new.
    """
    named = [person for person in people if person and _label(person)]
    if not named:
        return [None] * len(people)
    by_id = _by_identity(organization, scope, {str(p["external_id"]) for p in named if p.get("external_id")})
    unknown = [person for person in named if str(person.get("external_id") or "") not in by_id]
    by_email = _by_email(organization, {_email(p) for p in unknown if _email(p)})
    name_only = (person for person in unknown if not person.get("external_id") and not _email(person))
    by_name = _by_name(organization, {_label(person) for person in name_only})
    missing: dict[tuple[str, str], Contact] = {}
    new_ids: dict[str, Contact] = {}
    found: list[Contact | None] = []
    for person in people:
        if not person or not _label(person):
            found.append(None)
            continue
        identity, email = str(person.get("external_id") or ""), _email(person)
        contact = (
            by_id.get(identity)
            or by_email.get(email)
            or (None if identity or email else by_name.get(_label(person)))
        )
        if contact is None:
            contact = missing.setdefault(
                ("id", identity) if identity else ("email", email) if email else ("name", _label(person)),
                _new(organization, person, supplier=supplier),
            )
            if email:
                by_email[email] = contact
        if identity and identity not in by_id:
            by_id[identity] = new_ids[identity] = contact
        found.append(contact)
    fresh = list(missing.values())
    bulk.stamp(fresh, "created_at")
    bulk.insert(fresh)
    _remember(organization, scope, new_ids)
    _mark(people, found, supplier=supplier)
    return found


def update(organization: Organization, people: Sequence[Person], *, scope: str) -> list[Contact]:
    """Contacts from a contact stream: resolved, then brought up to date with what the source says. Of one
    that was merged into another only the id is taken over: what it said is not true of who stayed."""
    people = [_as_who_stayed(person) for person in people]
    contacts = [contact for contact in resolve(organization, people, scope=scope) if contact]
    changed = []
    for contact, person in zip(contacts, [p for p in people if _label(p)], strict=True):
        if person.get("merged_into"):
            continue
        wanted = {name: str(person.get(name) or getattr(contact, name)) for name in _UPDATED}
        if any(getattr(contact, name) != value for name, value in wanted.items()):
            for name, value in wanted.items():
                setattr(contact, name, value)
            changed.append(contact)
    Contact.objects.bulk_update(changed, _UPDATED)
    _take_over(organization, people, scope=scope)
    return contacts


def _as_who_stayed(person: Person) -> Person:
    stayed = person.get("merged_into")
    return {**person, "external_id": stayed, "merged": person["external_id"]} if stayed else person


def _take_over(organization: Organization, people: Sequence[Person], *, scope: str) -> None:
    """Ids of those merged at the source mean the one that stayed, through however many merges and in whatever
    order these were told; their documents stay theirs."""
    into = {one: _id(person) for person in people for one in str(person.get("merged") or "").split()}
    into = {one: stayed for one, stayed in into.items() if stayed not in ("", one)}
    if not into:
        return
    rows = ContactIdentity.objects.filter(organization=organization, scope=scope)
    parents = _family(rows, into)
    stays = {one: _who_stays(one, parents) for one in parents}
    known = _by_identity(organization, scope, set(stays.values()))
    moved = {one: known[stayed] for one, stayed in stays.items() if one != stayed and stayed in known}
    _remember(organization, scope, moved)
    for one, contact in moved.items():
        rows.filter(external_id=one).update(contact=contact, merged_into=parents[one])


def _family(rows: QuerySet[ContactIdentity], into: Mapping[str, str]) -> dict[str, str]:
    """Who was merged into whom ("" for nobody), of these and all who lead to them or follow from them."""
    parents, looked = dict(into), set[str]()
    while ids := {*parents, *filter(None, parents.values())} - looked:
        near = rows.filter(Q(external_id__in=ids) | Q(merged_into__in=ids))
        found = dict(near.values_list("external_id", "merged_into"))
        looked |= ids
        parents = {**dict.fromkeys(ids, ""), **found, **parents}
    return parents


def _who_stays(one: str, parents: Mapping[str, str]) -> str:
    """The end of the chain; one that runs in a circle ends where it began."""
    seen = {one}
    while (following := parents.get(one)) and following not in seen:
        seen.add(following)
        one = following
    return one


def _id(person: Person) -> str:
    return str(person.get("external_id") or "")


def _label(person: Person) -> str:
    return str(person.get("name") or person.get("email") or "").strip()[:200]


def _email(person: Person) -> str:
    return str(person.get("email") or "").strip().lower()[:254]


def _by_identity(organization: Organization, scope: str, ids: set[str]) -> dict[str, Contact]:
    if not ids:
        return {}
    rows = ContactIdentity.objects.filter(organization=organization, scope=scope, external_id__in=ids)
    known = dict(rows.values_list("external_id", "contact_id"))
    contacts = Contact.objects.in_bulk(set(known.values()))
    return {identity: contacts[contact_id] for identity, contact_id in known.items()}


def _by_email(organization: Organization, emails: set[str]) -> dict[str, Contact]:
    rows = Contact.objects.filter(organization=organization, email__in=emails).order_by("-id")
    return {contact.email: contact for contact in rows} if emails else {}


def _by_name(organization: Organization, names: set[str]) -> dict[str, Contact]:
    rows = Contact.objects.filter(organization=organization, name__in=names).order_by("-id")
    return {contact.name: contact for contact in rows} if names else {}


def _new(organization: Organization, person: Person, *, supplier: bool) -> Contact:
    return Contact(
        organization_id=organization.pk,
        name=_label(person),
        email=_email(person),
        phone=str(person.get("phone") or "")[:60],
        tax_number=str(person.get("tax_number") or "")[:60],
        country=str(person.get("country") or "")[:60],
        **dict.fromkeys(_flags(person, supplier=supplier), True),
    )


def _flags(person: Person, *, supplier: bool) -> tuple[str, ...]:
    """What the source says a contact is, else what the document it stands in makes of it."""
    role = person.get("role") or ("supplier" if supplier else "customer")
    return ("is_customer", "is_supplier") if role == "both" else (f"is_{role}",)


def _remember(organization: Organization, scope: str, new_ids: dict[str, Contact]) -> None:
    """Another process may have written the same identity a moment ago: the first one stays."""
    rows = [(organization.pk, contact.pk, scope, identity) for identity, contact in new_ids.items()]
    names = ("organization_id", "contact_id", "scope", "external_id")
    bulk.write(ContactIdentity, names, rows, ignore_conflicts=True)


def _mark(people: Sequence[Person | None], contacts: Sequence[Contact | None], *, supplier: bool) -> None:
    unmarked: dict[str, set[int]] = {"is_customer": set(), "is_supplier": set()}
    for person, contact in zip(people, contacts, strict=True):
        if person and contact:
            lacking = (flag for flag in _flags(person, supplier=supplier) if not getattr(contact, flag))
            for flag in lacking:
                unmarked[flag].add(contact.pk)
    for flag, ids in unmarked.items():
        if ids:
            Contact.objects.filter(pk__in=ids).update(**{flag: True})

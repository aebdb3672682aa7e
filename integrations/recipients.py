"""Whom a document is with over there: known, found, or made; and what of a document is there already."""

from __future__ import annotations

import uuid
from dataclasses import replace

from integrations import parcels, revisions
from integrations.answers import NotFound, Taken
from integrations.client import Client
from integrations.destination import Destination, LeftOut, Made, Parcel, Party, Takes
from integrations.models import Integration, NameMap
from ledgerhub.core.errors import RecordError


def ask(client: Client, takes: Takes, parcel: Parcel) -> Made | None:
    """What of the parcel is over there, looked for wherever it may be."""
    reads = takes.find(parcel)
    for read in reads if isinstance(reads, tuple) else (reads,):
        try:
            found = takes.found(client.look_for(read), parcel)
        except NotFound:
            continue
        if found is not None:
            return found
    return None


def addressed(
    integration: Integration, destination: Destination, client: Client, takes: Takes, parcel: Parcel
) -> Parcel:
    """The parcel with its party's id over there: it came from there, is known, found, or made now. Raises
    LeftOut where it is none of these and may not be made."""
    one, party = destination.contact, parcel.party
    if party is None and takes.needs_contact and destination.nobody:
        party = parcels.nobody(takes.kind, destination.nobody)
    if one is None:
        return parcel
    if party is None:
        if destination.makes_contacts:
            raise LeftOut("It names no customer.")
        return parcel
    if party.known:
        return replace(parcel, contact=party.known)
    known = NameMap.objects.filter(integration=integration, what="contact", ours=party.key).first()
    if known is not None:
        return replace(parcel, contact=known.theirs)
    may_make = destination.may_make_contacts(parcel.settings)
    found = _there(integration, client, one, replace(parcel, made=None), party, may_make=may_make)
    NameMap.objects.update_or_create(
        integration=integration, what="contact", ours=party.key, defaults={"theirs": found.id}
    )
    return replace(parcel, party=party, contact=found.id)


def _there(
    integration: Integration, client: Client, one: Takes, parcel: Parcel, party: Party, *, may_make: bool
) -> Made:
    """The party as found by its name or made; where another kind of contact has the name, with a suffix."""
    side = "supplier" if party.supplier else "customer"
    for name in (party.name, f"{party.name} ({side})", f"{party.name} ({side} {party.key})"):
        asked = replace(parcel, reference=f"LH-C{party.key}", party=party._replace(name=name))
        found = ask(client, one, asked)
        if found is not None:
            return found
        if not may_make:
            label = client.connector.label
            words = f"{party.name} is not a contact in {label}, and contacts are not made there."
            raise LeftOut(words)
        key = uuid.uuid5(revisions.SPACE, f"{integration.pk}:contact:{party.key}:{name}")
        try:
            return one.made(client.write(one.create(asked), key=str(key)))
        except Taken:
            continue
    raise RecordError(f"The name '{party.name}' is taken over there, with a suffix, too: rename the contact.")

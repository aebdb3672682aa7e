"""Whom a document is with over there: known, found, or made; and what of a document is there already."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace

from integrations import parcels, revisions
from integrations.answers import Invalid, NotFound, Taken
from integrations.client import Client
from integrations.destination import Batch, Destination, LeftOut, Made, Parcel, Party, Refused, Takes
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
    one, party = destination.contact, _party(destination, takes, parcel)
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
    found = _there(integration, client, one, parcel, party, may_make=may_make)
    NameMap.objects.update_or_create(
        integration=integration, what="contact", ours=party.key, defaults={"theirs": found.id}
    )
    return replace(parcel, party=party, contact=found.id)


def _party(destination: Destination, takes: Takes, parcel: Parcel) -> Party | None:
    if parcel.party is None and takes.needs_contact and destination.nobody:
        return parcels.nobody(takes.kind, destination.nobody)
    return parcel.party


def _as_contact(parcel: Parcel, party: Party) -> Parcel:
    """What its party is looked for and made with."""
    return replace(parcel, made=None, reference=f"LH-C{party.key}", party=party)


# ── several at once ─────────────────────────────────────────────────────────────────────────────────


def introduce(
    integration: Integration, destination: Destination, client: Client, going: Iterable[tuple[Takes, Parcel]]
) -> None:
    """Parties that are not known over there are looked for together, and made together where they may be:
    two requests instead of two for each. Whoever is not settled so (a name that is taken, a request that is
    refused) is left to `addressed`."""
    one, batch = destination.contact, destination.contacts
    if one is None or batch is None or batch.ask is None:
        return
    unknown = _unknown(integration, destination, going)[: batch.size]
    if len(unknown) < 2:
        return
    try:
        answer = client.look_for(batch.ask(unknown))
        found = {parcel.contact: made for parcel in unknown if (made := one.found(answer, parcel))}
        _keep(integration, found)
        missing = [parcel for parcel in unknown if parcel.contact not in found]
        if len(missing) > 1 and destination.may_make_contacts(missing[0].settings):
            _keep(integration, _made(integration, client, one, batch, missing))
    except (RecordError, Invalid, NotFound):
        return


def _unknown(
    integration: Integration, destination: Destination, going: Iterable[tuple[Takes, Parcel]]
) -> list[Parcel]:
    """A parcel for each party without an id there, its key in place of it; of one name only the first."""
    parties = {
        party.key: replace(_as_contact(parcel, party), contact=party.key)
        for takes, parcel in going
        if (party := _party(destination, takes, parcel)) and not party.known
    }
    names = NameMap.objects.filter(integration=integration, what="contact", ours__in=parties)
    known = set(names.values_list("ours", flat=True))
    by_name = {
        parcel.party.name.casefold(): parcel
        for key, parcel in reversed(parties.items())
        if key not in known and parcel.party
    }
    return list(reversed(by_name.values()))


def _made(
    integration: Integration, client: Client, one: Takes, batch: Batch, missing: list[Parcel]
) -> dict[str, Made]:
    writes = [(parcel.reference, one.create(parcel)) for parcel in missing]
    said = ":".join(f"{parcel.contact}={parcel.party.name}" for parcel in missing if parcel.party)
    key = uuid.uuid5(revisions.SPACE, f"{integration.pk}:contacts:{said}")
    answers = batch.split(client.write(batch.join(writes), key=str(key)))
    return {
        parcel.contact: one.made(answer)
        for parcel in missing
        if (answer := answers.get(parcel.reference)) and not isinstance(answer, Refused)
    }


def _keep(integration: Integration, there: Mapping[str, Made]) -> None:
    NameMap.objects.bulk_create(
        [
            NameMap(integration=integration, what="contact", ours=key, theirs=made.id)
            for key, made in there.items()
        ],
        ignore_conflicts=True,
    )


# ── one ─────────────────────────────────────────────────────────────────────────────────────────────


def _there(
    integration: Integration, client: Client, one: Takes, parcel: Parcel, party: Party, *, may_make: bool
) -> Made:
    """The party as found by its name or made; where another kind of contact has the name, with a suffix."""
    side = "supplier" if party.supplier else "customer"
    for name in (party.name, f"{party.name} ({side})", f"{party.name} ({side} {party.key})"):
        asked = _as_contact(parcel, party._replace(name=name))
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

"""Links to pages of other parts: where a failure is mended, what a record became."""

from __future__ import annotations

from typing import NamedTuple

from django.urls import NoReverseMatch, reverse

from integrations.models import Stream
from integrations.quarantine import Remedy
from ledgerhub.access.models import Organization


class Link(NamedTuple):
    url: str
    label: str


def page(organization: Organization, name: str, *args: object) -> str:
    """The address of a page of this organization; empty where there is no such page."""
    try:
        return reverse(name, args=[organization.slug, *args])
    except NoReverseMatch:
        return ""


def mapping(organization: Organization, stream: Stream, *, record_id: int | None = None) -> str:
    """The mapping editor of a stream, on a record of it."""
    url = page(organization, "integrations:mapping", stream.pk)
    return f"{url}?record={record_id}" if url and record_id else url


def mend(
    organization: Organization, stream: Stream, remedy: Remedy, *, record_id: int | None = None
) -> Link | None:
    """Where a person goes to mend a cause; None where nothing can be done here."""
    places = {
        "mapping": Link(mapping(organization, stream, record_id=record_id), "Open the mapping"),
        "rates": Link(page(organization, "ledger:rates"), "Enter exchange rates"),
        "accounts": Link(page(organization, "ledger:accounts"), "Open the chart of accounts"),
        "integration": Link(
            page(organization, "integrations:integration", stream.integration_id), "Open its settings"
        ),
    }
    found = places.get(remedy.place)
    return found if found and found.url else None

"""Tracing: from a match back over entry, document, mapping version and raw record to the API call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from django.urls import NoReverseMatch, reverse

from integrations.models import MappingVersion, RawRecord
from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Document, Entry
from reconciliation.models import Match, MatchLine


class Step(NamedTuple):
    """One step of components/lineage.html."""

    kind: str
    label: str
    url: str = ""
    icon: str = "circle"
    current: bool = False


@dataclass
class Origin:
    """Where a document comes from; everything is None for what a person entered."""

    record: RawRecord | None = None
    mapping: MappingVersion | None = None


@dataclass
class Trace:
    """What a lineage strip is made of: the document, its origin, its entries, the matches of those."""

    organization: Organization
    document: Document
    origin: Origin
    entries: list[Entry]
    matches: list[Match] = field(default_factory=list)

    def steps(self, current: Document | Entry) -> list[Step]:
        """The strip from cause to effect; `current` is the step the page is about."""
        return [*self._source(), self._document(current), *self._entries(current), *self._matches()]

    def _source(self) -> list[Step]:
        record, mapping = self.origin.record, self.origin.mapping
        if record is None:
            return [Step("Source", str(self.document.source), icon="user")]
        found = [self._door(record)]
        label = f"{record.external_id}, version {record.version}"
        found.append(Step("Raw record", label, self._url("integrations:record", record.pk), "database"))
        if mapping is not None:
            url = self._url("integrations:mapping_version", mapping.stream_id, mapping.number)
            url = url or self._url("integrations:mapping", mapping.stream_id)
            found.append(Step("Mapping", f"Version {mapping.number}", url, "mapping"))
        return found

    def _door(self, record: RawRecord) -> Step:
        """The API call it came with, else the webhook event or the file."""
        call = record.api_call
        if call is not None:
            return Step(
                "API call",
                f"{call.method} {_path(call.url)}",
                self._url("integrations:call", call.pk),
                "cloud",
            )
        if record.origin:
            return Step("Received", record.origin, self._url("integrations:record", record.pk), "inbox")
        url = self._url("integrations:run", record.run_id) if record.run_id else ""
        return Step("Integration", str(record.stream.integration), url, "plug")

    def _document(self, current: Document | Entry) -> Step:
        url = self._url("ledger:document", self.document.pk)
        return Step("Document", str(self.document), url, "document", isinstance(current, Document))

    def _entries(self, current: Document | Entry) -> list[Step]:
        if isinstance(current, Entry):
            return [Step("Entry", _name(current), self._url("ledger:entry", current.pk), "book", True)]
        standing = [
            entry for entry in self.entries if entry.reverses_id is None and not hasattr(entry, "reversed_by")
        ]
        if not standing:
            return [Step("Entry", "None in the books", icon="book")]
        more = f" and {len(standing) - 1} more" if len(standing) > 1 else ""
        return [Step("Entry", _name(standing[0]) + more, self._url("ledger:entry", standing[0].pk), "book")]

    def _matches(self) -> list[Step]:
        if not self.matches:
            return []
        match = self.matches[0]
        more = f" and {len(self.matches) - 1} more" if len(self.matches) > 1 else ""
        url = self._url("reconciliation:match", match.pk) or self._url(
            "reconciliation:workspace", match.account_id
        )
        return [Step("Match", f"{match.get_state_display()}{more}", url, "reconcile")]

    def _url(self, name: str, *args: object) -> str:
        return page_url(self.organization, name, *args)


def page_url(organization: Organization, name: str, *args: object) -> str:
    """The address of one of the organization's pages; empty where there is no such page."""
    try:
        return reverse(name, args=[organization.slug, *args])
    except NoReverseMatch:
        return ""


def trace(document: Document, *, entry: Entry | None = None) -> Trace:
    """Everything a document's or (with `entry`) an entry's strip needs, in at most four queries."""
    entries = list(document.entries.select_related("reversed_by").order_by("pk"))
    wanted = [entry.pk] if entry is not None else [one.pk for one in entries]
    return Trace(document.organization, document, _origin(document), entries, _matches_of(wanted))


def _origin(document: Document) -> Origin:
    """The ids are of rows the ledger does not know; they are looked up within the same organization."""
    origin = Origin()
    if document.raw_record_id is not None:
        rows = RawRecord.objects.select_related("api_call", "stream__integration", "run")
        origin.record = rows.filter(
            pk=document.raw_record_id, stream__integration__organization=document.organization_id
        ).first()
    if document.mapping_version_id is not None:
        origin.mapping = MappingVersion.objects.filter(
            pk=document.mapping_version_id, stream__integration__organization=document.organization_id
        ).first()
    return origin


def _matches_of(entries: list[int]) -> list[Match]:
    """Confirmed ones first, then proposed; of any posting of the entries."""
    rows = MatchLine.objects.filter(
        posting__entry__in=entries, match__state__in=[Match.State.CONFIRMED, Match.State.PROPOSED]
    )
    matches = Match.objects.filter(pk__in=rows.values("match")).order_by("state", "pk")
    return list(matches)


def is_matched(entry: Entry) -> bool:
    """Whether a confirmed match holds a posting of the entry, so that reversing it would break the match."""
    return MatchLine.objects.filter(posting__entry=entry, confirmed=True).exists()


def _name(entry: Entry) -> str:
    return f"Entry {entry.pk}"


def _path(url: str) -> str:
    """The address without its host and query: /admin/api/orders.json."""
    path = url.split("://", 1)[-1].partition("/")[2].partition("?")[0]
    return f"/{path}"

"""Pages of raw records: the list, and one record with its versions, what it became and where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from integrations import run_words
from integrations.models import MappingVersion, Quarantine, RawRecord, Stream, Upload
from integrations.views import links
from integrations.views.marking import differences
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.models import Document, Entry, LineVersion, StatementLine

MOST_SHOWN = 50

_COLUMNS = (
    Column("fetched_at", "Arrived", order_by="id"),
    Column("external_id", "Record", order_by="external_id"),
    Column("stream", "Stream", value=lambda row: f"{row.stream.integration} {row.stream.key}"),
    Column("version", "Version", order_by="version", numeric=True),
    Column("origin", "Came by", value=lambda row: row.origin or "sync"),
)


@require_safe
@member("viewer")
def records(request: OrgRequest) -> HttpResponseBase:
    """Records as the sources sent them, newest first; a run's page links here with its number."""
    streams = Stream.objects.filter(integration__organization=request.organization)
    names = [
        (str(one.pk), f"{one.integration} · {run_words.stream_label(one)}")
        for one in streams.select_related("integration").order_by("integration__name", "key")
    ]
    listing = table(
        request,
        RawRecord.objects.filter(stream__in=[pk for pk, _ in names])
        .select_related("stream__integration")
        .defer("payload"),
        name="records",
        columns=_COLUMNS,
        filters=[
            Filter("stream", "Stream", choices=names),
            Filter("run", "Sync", kind="hidden"),
            Filter("id", "Id at the source", "external_id", kind="text"),
        ],
    )
    if listing.export:
        return listing.export
    rows = [(row, run_words.stream_label(row.stream)) for row in listing.rows]
    return render(request, "integrations/records.html", {"table": listing, "rows": rows})


@require_safe
@member("viewer")
def record(request: OrgRequest, pk: int) -> HttpResponse:
    """One version of a record: the payload, the change since the version before, what it became."""
    row = get_object_or_404(
        RawRecord.objects.select_related("stream__integration", "run", "api_call"),
        stream__integration__organization=request.organization,
        pk=pk,
    )
    versions = list(
        RawRecord.objects.filter(stream=row.stream, external_id=row.external_id)
        .defer("payload")
        .order_by("-version")[:MOST_SHOWN]
    )
    ids = [version.pk for version in versions]
    documents = list(Document.objects.filter(source=row.stream.source_id, raw_record_id__in=ids)[:MOST_SHOWN])
    entries = list(Entry.objects.filter(document__in=documents).order_by("-pk")[:MOST_SHOWN])
    lines = list(_lines(row, ids))
    context = {
        "row": row,
        "origin": run_words.origin(row.origin),
        "became": _became(documents, lines, entries),
        "label": run_words.stream_label(row.stream),
        "versions": versions,
        "changes": _changes(row),
        "documents": [
            (one, links.page(request.organization, "ledger:document", one.pk)) for one in documents
        ],
        "entries": [(one, links.page(request.organization, "ledger:entry", one.pk)) for one in entries],
        "lines": lines,
        "quarantine": Quarantine.objects.filter(stream=row.stream, external_id=row.external_id).order_by(
            "-pk"
        )[:MOST_SHOWN],
        "upload": Upload.objects.filter(run=row.run_id, stream=row.stream).first() if row.run_id else None,
        "steps": [*_lineage(request, row, documents, entries), *_line_steps(request, lines)],
    }
    return render(request, "integrations/record.html", context)


def _became(documents: Sequence[Document], lines: Sequence[StatementLine], entries: Sequence[Entry]) -> str:
    parts = [
        run_words.plural(len(documents), "document") if documents else "",
        run_words.plural(len(lines), "statement line") if lines else "",
        run_words.plural(len(entries), "journal entry", "journal entries") if entries else "",
    ]
    *rest, last = [part for part in parts if part] or ["nothing in the books"]
    return f"It became {', '.join(rest)} and {last}." if rest else f"It became {last}."


def _lines(row: RawRecord, ids: Sequence[int]) -> QuerySet[StatementLine]:
    """Statement lines are found by their source: the number of the record alone has no index. The record of
    a pending line leads to the line that its booking took over."""
    source = row.stream.source_id
    mine = StatementLine.objects.filter(organization=row.stream.integration.organization_id)
    lines = mine.filter(source=source, raw_record_id__in=ids)
    if not lines.exists():
        before = LineVersion.objects.filter(source=source, raw_record_id__in=ids)
        lines = mine.filter(pk__in=before.values("line"))
    return lines.select_related("account")[:MOST_SHOWN]


def _changes(row: RawRecord) -> list[Any]:
    """What differs from the version before; empty for the first."""
    if row.version == 1:
        return []
    before = RawRecord.objects.filter(
        stream=row.stream, external_id=row.external_id, version=row.version - 1
    ).first()
    return list(differences(before.payload, row.payload)) if before else []


def _lineage(
    request: OrgRequest, row: RawRecord, documents: Sequence[Document], entries: Sequence[Entry]
) -> list[dict[str, Any]]:
    """From the call to the match, each step a link; for the strip."""
    organization = request.organization
    steps = [
        _origin_step(request, row),
        {
            "kind": "Raw record", "label": f"{row.external_id}, version {row.version}", "icon": "database",
            "url": links.page(organization, "integrations:record", row.pk), "current": True,
        },
    ]  # fmt: skip
    document = next((one for one in documents if one.raw_record_id == row.pk), None) or (
        documents[0] if documents else None
    )
    if document is None:
        return steps
    version = MappingVersion.objects.filter(pk=document.mapping_version_id or 0).first()
    if version is not None:
        url = links.mapping(organization, row.stream, record_id=row.pk)
        steps.append({"kind": "Mapping", "label": f"Version {version.number}", "icon": "mapping", "url": url})
    more = f" and {len(documents) - 1} more" if len(documents) > 1 else ""
    url = links.page(organization, "ledger:document", document.pk)
    steps.append({"kind": "Document", "label": f"{document}{more}", "icon": "document", "url": url})
    own = [one for one in entries if one.document_id == document.pk]
    if own:
        url = links.page(organization, "ledger:entry", own[0].pk)
        steps.append({"kind": "Entry", "label": f"Entry {own[0].pk}", "icon": "book", "url": url})
        steps += _match_step(organization, own)
    return steps


def _line_steps(request: OrgRequest, lines: Sequence[StatementLine]) -> list[dict[str, Any]]:
    """A statement line and its confirmed match."""
    if not lines:
        return []
    line = lines[0]
    match = line.match_rows.filter(confirmed=True).values_list("match", flat=True).first()
    steps = [{"kind": "Statement line", "label": line.description, "icon": "bank", "url": ""}]
    if match is not None:
        url = links.page(request.organization, "reconciliation:match", match)
        steps.append({"kind": "Match", "label": f"Match {match}", "icon": "reconcile", "url": url})
    return steps


def _match_step(organization: Any, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The confirmed match of any of the entries, found through the ledger's own rows."""
    match = (
        Entry.objects.filter(pk__in=[one.pk for one in entries], postings__match_rows__confirmed=True)
        .values_list("postings__match_rows__match", flat=True)
        .first()
    )
    if match is None:
        return []
    url = links.page(organization, "reconciliation:match", match)
    return [{"kind": "Match", "label": f"Match {match}", "icon": "reconcile", "url": url}]


def _origin_step(request: OrgRequest, row: RawRecord) -> dict[str, Any]:
    if row.api_call is not None:
        url = links.page(request.organization, "integrations:call", row.api_call.pk)
        label = f"{row.api_call.purpose or row.api_call.method} {row.api_call.status or 'no answer'}"
        return {"kind": "API call", "label": label, "icon": "cloud", "url": url}
    if row.run_id:
        url = links.page(request.organization, "integrations:run", row.run_id)
        if row.origin:
            name = run_words.origin(row.origin).removeprefix("the file ")
            return {"kind": "File", "label": name, "icon": "upload", "url": url}
        return {"kind": "Sync", "label": f"Sync {row.run_id}", "icon": "refresh", "url": url}
    return {"kind": "Origin", "label": row.origin or "not recorded", "icon": "inbox", "url": ""}

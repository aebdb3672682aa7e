"""What people say about statement lines: a thread each, in which a question waits until somebody answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import StatementLine
from reconciliation import mentions
from reconciliation.models import LineNote

LONGEST = 500


@transaction.atomic
def write(line: StatementLine, text: str, *, question: bool, request: HttpRequest) -> LineNote:
    """One more note on the line; raises RecordError in words where there is nothing, or too much, to keep."""
    words = text.replace("\0", "").strip()
    if not words:
        raise RecordError("Write something first. Nothing was saved.")
    if len(words) > LONGEST:
        raise RecordError(f"A note has at most {LONGEST} characters. Nothing was saved.")
    named = mentions.find(words, line.account.organization)
    made = LineNote.objects.create(line=line, text=words, question=question, by=request.user)  # type: ignore[misc]
    mentions.keep(made, named)
    record(request, "statement_line.noted", line, after={"note": words, "question": question})
    return made


def of(lines: Iterable[StatementLine]) -> dict[int, list[LineNote]]:
    """Line id -> its notes, oldest first, and who they name; three queries however many lines there are."""
    found: dict[int, list[LineNote]] = defaultdict(list)
    rows = LineNote.objects.filter(line__in=list(lines)).select_related("by")
    for note in rows.prefetch_related("mentions__user").order_by("pk"):
        found[note.line_id].append(note)
    return found


def asked() -> QuerySet[LineNote]:
    """Questions after which nobody has said anything."""
    later = LineNote.objects.filter(line=OuterRef("line"), pk__gt=OuterRef("pk"))
    return LineNote.objects.filter(question=True).filter(~Exists(later))

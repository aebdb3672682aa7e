"""Matches that stand learn their leading line; the one note of a line becomes a thread."""

from django.db import migrations
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

_BATCH = 500


def shape_matches(apps, schema_editor):
    Match = apps.get_model("reconciliation", "Match")
    rows = apps.get_model("reconciliation", "MatchLine").objects.filter(match=OuterRef("pk")).order_by()
    lines, entries = rows.filter(statement_line__isnull=False), rows.filter(statement_line__isnull=True)
    Match.objects.update(
        line=Subquery(lines.order_by("statement_line").values("statement_line")[:1]),
        line_count=_count(lines),
        entry_count=_count(entries),
    )


def _count(rows):
    return Coalesce(Subquery(rows.values("match").annotate(count=Count("pk")).values("count")), 0)


def carry_notes(apps, schema_editor):
    LineNote = apps.get_model("reconciliation", "LineNote")
    noted = apps.get_model("ledger", "StatementLine").objects.exclude(note="")
    rows = noted.values_list("pk", "note", "created_at").iterator(chunk_size=_BATCH)
    LineNote.objects.bulk_create(
        (LineNote(line_id=pk, text=text, at=at) for pk, text, at in rows), batch_size=_BATCH
    )


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0005_line_history_and_exclusion"),
        ("reconciliation", "0004_leading_lines"),
    ]
    run_before = [("ledger", "0006_notes_are_threads")]

    operations = [
        migrations.RunPython(shape_matches, migrations.RunPython.noop),
        migrations.RunPython(carry_notes, migrations.RunPython.noop),
    ]

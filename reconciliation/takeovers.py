"""One payment, one row for life: a pending line takes its booking over, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.http import HttpRequest
from django.utils import timezone

from ledgerhub.access.audit import record
from ledgerhub.access.models import User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account, LineVersion, StatementLine
from ledgerhub.ledger.statement_lines import save_taken, take_over
from reconciliation.decisions import fingerprint
from reconciliation.models import Match, MatchLine, Suspicion

_NOT_THERE = "One of these lines is not there any more, or was booked meanwhile. Reload the page."


def merge(
    account: Account,
    pending_id: int,
    booked_id: int,
    *,
    reasons: Sequence[str],
    user: User | None = None,
    request: HttpRequest | None = None,
) -> bool:
    """Let a pending line say what its booking says; all that hangs on the booking moves to it.

    Call it with the account locked. False where either is not there, or not as it was found.
    """
    lines = StatementLine.objects.select_related("source").filter(account=account)
    pending = lines.filter(pk=pending_id, pending=True, exclusion__isnull=True).first()
    booked = lines.filter(pk=booked_id, pending=False, exclusion__isnull=True).first()
    if pending is None or booked is None:
        return False
    before = _said(pending)
    asked = Suspicion.objects.filter(account=account, kind=Suspicion.Kind.PENDING, verdict="")
    (asked.filter(line=pending) | asked.filter(other=booked)).delete()
    _repoint(booked, pending)
    take_over(pending, booked)
    pending.statement_id, pending.position = booked.statement_id, booked.position
    pending.withdrawn_at = booked.withdrawn_at
    booked.delete()
    save_taken((), [pending])
    pending.save(update_fields=["statement", "position", "withdrawn_at"])
    record(
        request, "statement_line.booked", pending, before=before,
        after={**_said(pending), "because": list(reasons)}, organization=account.organization, actor=user,
    )  # fmt: skip
    return True


def part(line: StatementLine, *, user: User, request: HttpRequest | None = None) -> StatementLine:
    """Undo a takeover: the line is pending again, and its booking a line of its own, which is returned.

    Call it with the account locked. What is matched stays with the booking; the two are not joined again.
    """
    version = line.history.filter(pending=True).order_by("-pk").first()
    if version is None or line.pending:
        raise RecordError("This line was not pending before, so there is nothing to part.")
    booking = StatementLine.objects.get(pk=line.pk)
    before = _said(line)
    _restore(line, version)
    booking.pk, booking._state.adding = None, True
    booking.save(force_insert=True)
    rows = MatchLine.objects.filter(statement_line=line)
    matches = set(rows.values_list("match_id", flat=True))
    rows.update(statement_line=booking)
    Match.objects.filter(pk__in=matches, line=line).update(line=booking)
    _renew_fingerprints(matches)
    Suspicion.objects.create(
        account=line.account, kind=Suspicion.Kind.PENDING, line=line, other=booking,
        reasons=["Parted by a person"], verdict=Suspicion.Verdict.BOTH_REAL,
        decided_by=user, decided_at=timezone.now(),
    )  # fmt: skip
    record(
        request, "statement_line.parted", line, before=before,
        after={**_said(line), "booking": booking.pk}, organization=line.account.organization, actor=user,
    )  # fmt: skip
    return booking


def _restore(line: StatementLine, version: LineVersion) -> None:
    take_over(line, version)
    line.__dict__.pop("said", None)
    line.statement = None
    save_taken((), [line])
    line.save(update_fields=["statement"])
    line.history.filter(pk__gte=version.pk).delete()


def _repoint(old: StatementLine, new: StatementLine) -> None:
    """Every row that names one line names the other from now on."""
    matches = set(MatchLine.objects.filter(statement_line=old).values_list("match_id", flat=True))
    for relation in StatementLine._meta.related_objects:
        rows = relation.related_model._base_manager.filter(**{relation.field.name: old.pk})
        rows.update(**{relation.field.name: new.pk})
    _renew_fingerprints(matches)


def _renew_fingerprints(matches: Iterable[int]) -> None:
    found = list(Match.objects.filter(pk__in=matches).prefetch_related("rows"))
    for made in found:
        made.fingerprint = fingerprint(_row_id(row) for row in made.rows.all())
    Match.objects.bulk_update(found, ["fingerprint"])


def _row_id(row: MatchLine) -> str:
    ids = zip("LPD", (row.statement_line_id, row.posting_id, row.document_id), strict=True)
    return next(f"{kind}{pk}" for kind, pk in ids if pk)


def _said(line: StatementLine) -> dict[str, object]:
    return {
        "date": line.date, "amount": line.amount, "description": line.description,
        "pending": line.pending, "identity": line.identity,
    }  # fmt: skip

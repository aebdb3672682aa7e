"""The third door: a file somebody uploads is checked, kept, and imported as a sync run of its stream."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.db.models import Sum

from integrations import file_pages, registry, statements, sync
from integrations.borders import minor
from integrations.models import Integration, StatementLayout, Stream, SyncRun, Upload
from integrations.statements import CsvLayout, ParsedLine, ParsedStatement, StatementError
from ledgerhub.access.models import User
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.bank_accounts import currency_of
from ledgerhub.ledger.models import Account, Statement, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS

SHOWN_PROBLEMS = 200


def file_stream(integration: Integration) -> Stream | None:
    """The stream that uploads go into; None where the integration takes no files."""
    keys = [spec.key for spec in registry.connector(integration).streams if spec.read is None]
    return integration.streams.filter(key__in=keys, enabled=True).select_related("source").first()


# ── taking it ───────────────────────────────────────────────────────────────────────────────────────


def receive(stream: Stream, account: Account, file: File[bytes], *, user: User | None) -> tuple[Upload, bool]:
    """(the upload, whether it is new): the very same file for the same account is the upload we hold.

    Raises StatementError for what is too large, empty or no statement; nothing is kept then.
    """
    check_size(file.size or 0)
    digest = _sha256(file)
    held = Upload.objects.filter(stream=stream, account=account, sha256=digest).first()
    if held is not None:
        return held, False
    file.seek(0)
    data = file.read()
    upload = Upload(
        stream=stream,
        account=account,
        name=(file.name or "statement")[-200:],
        sha256=digest,
        size=len(data),
        format=statements.detect(data),
        created_by=user,
    )
    _settle_layout(upload, data)
    file.seek(0)
    upload.file.save(upload.name, file, save=True)
    return upload, True


def check_size(size: int) -> None:
    """Refuse a file by its size, before a byte of it is read."""
    if size == 0:
        raise StatementError("This file is empty. Download the statement again as CSV or OFX.")
    if size > settings.UPLOAD_MAX_BYTES:
        cap, found = settings.UPLOAD_MAX_BYTES / 1024 / 1024, size / 1024 / 1024
        raise StatementError(
            f"This file has {found:.1f} MB; {cap:.0f} MB is the most a statement may have. "
            "Download a shorter period from your bank."
        )


def _sha256(file: File[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _settle_layout(upload: Upload, data: bytes) -> None:
    """The columns a person checked for this account, where they fit this file; else the guess."""
    if upload.format != "csv":
        # Read once now, so that a broken file is refused while the person still stands at the form.
        statements.read(data, format=upload.format, currency=currency_of(upload.account))
        return
    known = remembered(upload.account)
    if known is not None and _fits(known, data, currency_of(upload.account)):
        upload.layout, upload.answers = known.to_dict(), {"columns": "remembered"}
        return
    try:
        upload.layout = statements.guess_layout(data).to_dict()
    except StatementError as error:
        upload.message = str(error)


def remembered(account: Account) -> CsvLayout | None:
    """The column assignment a person has checked for this account before."""
    row = StatementLayout.objects.filter(account=account).first()
    return CsvLayout.from_dict(row.layout) if row else None


def _fits(layout: CsvLayout, data: bytes, currency: str) -> bool:
    """Whether a file has the shape a layout was checked on: its column names, and no row that fails."""
    if not layout.names:
        return False
    try:
        found = statements.read(data, format="csv", layout=layout, currency=currency)
    except StatementError:
        return False
    return all(part.lines and not part.problems for part in found)


def agree_layout(upload: Upload, layout: CsvLayout) -> None:
    """A person has checked the columns: they hold for this file and for the next ones of the account."""
    upload.layout, upload.message = layout.to_dict(), ""
    upload.answers = {**upload.answers, "columns": "checked"}
    with transaction.atomic():
        upload.save(update_fields=["layout", "message", "answers"])
        StatementLayout.objects.update_or_create(
            account=upload.account, defaults={"layout": layout.to_dict()}
        )


# ── what a person must still say ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Question:
    """What stands between a file and its import: `kind` is columns, part or number."""

    kind: str
    text: str = ""
    choices: tuple[tuple[int, str], ...] = ()


def question(upload: Upload) -> Question | None:
    """The next thing to ask about a file; None when it can be imported. Raises StatementError."""
    if upload.format == "csv" and "columns" not in upload.answers:
        return Question("columns")
    found = file_pages.parts(upload)
    if len(found) > 1 and "part" not in upload.answers:
        place = _known_part(upload, found)
        if place is None:
            return _which_part(upload, found)
        answer(upload, part=place)
    return _other_number(upload, file_pages.chosen(upload, found))


def answer(upload: Upload, **said: Any) -> None:
    upload.answers = {**upload.answers, **said}
    upload.save(update_fields=["answers"])


def _known_part(upload: Upload, found: list[ParsedStatement]) -> int | None:
    before = last_number(upload.account)
    places = [place for place, part in enumerate(found) if before and same_number(part.account, before)]
    return places[0] if len(places) == 1 else None


def _which_part(upload: Upload, found: list[ParsedStatement]) -> Question:
    choices = tuple(
        (place, f"{part.account or 'an account without a number'}, {len(part.lines)} lines")
        for place, part in enumerate(found)
    )
    text = (
        f"This file holds the statements of {len(found)} accounts. Which of them is {upload.account.name}? "
        "Upload the file again for the others."
    )
    return Question("part", text, choices)


def _other_number(upload: Upload, statement: ParsedStatement) -> Question | None:
    """The file names another account than the files before it did: most likely the wrong choice."""
    before = last_number(upload.account)
    if (
        "number" in upload.answers
        or not statement.account
        or not before
        or same_number(statement.account, before)
    ):
        return None
    owner = _owner_of(statement.account, upload)
    hint = f" Files of that account went to {owner} before." if owner else ""
    return Question(
        "number",
        f"This file is of the bank account {statement.account}, but the files of {upload.account} so far "
        f"were of {before}.{hint}",
    )


def last_number(account: Account) -> str:
    """The bank's own number of an account, as its last imported file gave it."""
    imported = Upload.objects.filter(account=account, state=Upload.State.IMPORTED).order_by("-pk")
    reports = imported.values_list("report", flat=True)[:20]
    return next((number for report in reports if (number := str(report.get("number") or ""))), "")


def _owner_of(number: str, upload: Upload) -> Account | None:
    others = (
        Upload.objects.filter(
            account__organization=upload.account.organization_id,
            state=Upload.State.IMPORTED,
            report__number=number,
        )
        .exclude(account=upload.account)
        .select_related("account")
        .order_by("-pk")
        .first()
    )
    return others.account if others else None


def same_number(one: str, other: str) -> bool:
    """Banks write a number short, masked or as an IBAN: the last four signs decide."""
    return _plain(one)[-4:] == _plain(other)[-4:]


def _plain(number: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", number).upper()


# ── importing it ────────────────────────────────────────────────────────────────────────────────────


def start(upload: Upload, *, user: User | None) -> SyncRun:
    """Import a file about which nothing is left to ask: at once where it is short, else in the background.

    Raises StatementError where it does not belong to the account, ConfigError while another file is at it.
    """
    statement = file_pages.chosen(upload, file_pages.parts(upload))
    check_currency(statement, upload.account)
    lines = file_pages.ordered_lines(statement)
    # Asked once: lines of this very file must not be taken for look-alikes when it is imported again.
    alike = upload.report.get("alike") or file_pages.lookalikes(upload.account, upload.stream.source, lines)
    with transaction.atomic():
        upload.report = _report(upload, statement, lines, alike)
        upload.state, upload.message = Upload.State.LAYOUT, ""
        upload.save(update_fields=["report", "state", "message"])
        run = _request_run(upload, len(lines), user=user)
    sync.run_slice(run.pk)
    run.refresh_from_db()
    upload.refresh_from_db()
    return run


def check_currency(statement: ParsedStatement, account: Account) -> None:
    """Raises StatementError where the file, or a line of it, is in another currency than the account."""
    wanted = currency_of(account)
    wrong = next((line for line in statement.lines if line.currency not in ("", wanted)), None)
    if statement.currency not in ("", wanted):
        raise StatementError(
            f"This statement is in {statement.currency}, but {account} holds {wanted}. "
            "Choose the bank account it belongs to, or make one for that currency."
        )
    if wrong is not None:
        raise StatementError(
            f"Line {wrong.row} is in {wrong.currency}, but {account} holds {wanted}. "
            "Check which column holds the account's own currency."
        )


def _request_run(upload: Upload, lines: int, *, user: User | None) -> SyncRun:
    run = sync.request_run(upload.stream, trigger="file", user=user)
    mine = {"upload": upload.pk, "line": 0}
    if run.checkpoint.get("upload", upload.pk) != upload.pk or run.trigger != "file":
        raise ConfigError("Another import of this integration is running. Try again when it has ended.")
    SyncRun.objects.filter(pk=run.pk, checkpoint={}).update(checkpoint=mine, expected=lines)
    Upload.objects.filter(pk=upload.pk).update(run=run)
    return run


def _report(
    upload: Upload, statement: ParsedStatement, lines: list[ParsedLine], alike: list[int]
) -> dict[str, Any]:
    """What the page of an upload shows; money in minor units of the account's currency."""
    currency = currency_of(upload.account)
    booked = [line for line in lines if not line.pending]
    total = sum(minor(line.amount, currency) or 0 for line in booked)
    ends = {
        name: None if value is None else minor(value, currency)
        for name, value in (("opening", statement.opening), ("closing", statement.closing))
    }
    return {
        "number": statement.account,
        "lines": len(booked),
        "pending": len(lines) - len(booked),
        "total": total,
        "start": statement.start.isoformat() if statement.start else None,
        "end": statement.end.isoformat() if statement.end else None,
        **ends,
        "warnings": list(statement.warnings),
        "problems": [list(_problem(problem)) for problem in statement.problems[:SHOWN_PROBLEMS]],
        "wrong": len(statement.problems),
        "alike": alike,
        "alike_shown": [_shown(lines[place], currency) for place in alike[:20]],
    }


def _problem(problem: statements.RowProblem) -> tuple[int, str, str]:
    return problem.row, problem.column, problem.message


def _shown(line: ParsedLine, currency: str) -> list[Any]:
    return [
        line.date.isoformat(),
        line.description or line.counterparty,
        minor(line.amount, currency),
    ]


def fail(upload: Upload, message: str) -> None:
    """Say on its row why a file could not be imported."""
    upload.state, upload.message = Upload.State.FAILED, message[:1000]
    upload.save(update_fields=["state", "message"])


# ── does it add up ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class BalanceCheck:
    """Whether the statement's balances and lines agree: `state` is ok, difference or unknown."""

    state: str
    text: str
    difference: int = 0


def check_balance(upload: Upload) -> BalanceCheck:
    """Opening and lines against closing within the file; without an opening balance, from the last statement.

    Amounts in minor units.
    """
    report = upload.report
    opening, closing = report.get("opening"), report.get("closing")
    if closing is None:
        return BalanceCheck(
            "unknown", "The file names no closing balance, so it cannot be checked by itself."
        )
    if opening is not None:
        difference = closing - opening - report.get("total", 0)
        if difference:
            return BalanceCheck(
                "difference",
                "Opening balance and lines do not give the closing balance: lines are missing.",
                difference,
            )
        return BalanceCheck("ok", "Opening balance and lines give the closing balance.")
    return _follows_on(upload, closing)


def _follows_on(upload: Upload, closing: int) -> BalanceCheck:
    statement = upload.statement
    earlier = (
        Statement.objects.filter(account=upload.account, closing__isnull=False, end__lt=statement.end)
        .order_by("-end", "-pk")
        .first()
        if statement is not None and statement.end is not None
        else None
    )
    if earlier is None or statement is None or earlier.closing is None:
        return BalanceCheck(
            "unknown", "The file names no opening balance and no earlier statement is here to follow on from."
        )
    difference = closing - earlier.closing - _moved(upload.account, earlier, statement)
    if not difference:
        return BalanceCheck("ok", f"It follows on from {earlier.name} without a gap.")
    return BalanceCheck(
        "difference",
        f"From the closing balance of {earlier.name} on, the lines do not give this one's.",
        difference,
    )


def _moved(account: Account, earlier: Statement, statement: Statement) -> int:
    """What the lines after one statement, up to the end of another, sum to."""
    lines = StatementLine.objects.filter(
        COUNTS, account=account, date__gt=earlier.end, date__lte=statement.end
    )
    return int(lines.aggregate(total=Sum("amount"))["total"] or 0)

"""Files, step 2: an uploaded statement -> records in pages, each one transaction of its sync run."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.core.files.storage import default_storage

from integrations import statements
from integrations.borders import border_twins, minor
from integrations.models import SyncRun, Upload
from integrations.reading import Page
from integrations.records import Record
from integrations.statements import CsvLayout, ParsedLine, ParsedStatement, StatementError
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.bank_accounts import currency_of
from ledgerhub.ledger.likeness import CLOSE, likeness
from ledgerhub.ledger.models import Account, Source, Statement, StatementLine

PAGE_LINES = 1000
# Lines of one day and amount with whose texts a new one is compared.
_COMPARED = 50
KEPT_BYTES = 4 * 1024 * 1024


def parts(upload: Upload, layout: CsvLayout | None = None) -> list[ParsedStatement]:
    """One statement for each account in the file; raises StatementError, in words."""
    if upload.format == "csv" and layout is None:
        layout = CsvLayout.from_dict(upload.layout)
    read = _read_once if upload.size <= KEPT_BYTES else _read
    return list(read(upload.file.name or "", upload.format, layout, currency_of(upload.account)))


def _read(name: str, format: str, layout: CsvLayout | None, currency: str) -> tuple[ParsedStatement, ...]:
    with default_storage.open(name, "rb") as file:
        data = file.read()
    return tuple(statements.read(data, format=format, layout=layout, currency=currency))


# A file is looked at, asked about and imported within seconds: the last one is read once for all of that.
_read_once = lru_cache(maxsize=1)(_read)


def chosen(upload: Upload, found: Sequence[ParsedStatement]) -> ParsedStatement:
    """The part of the file a person chose for the bank account; the only one where there is but one."""
    place = int(upload.answers.get("part", 0))
    if place >= len(found):
        raise StatementError("The chosen account is not in this file any more. Upload the file again.")
    return found[place]


def ordered_lines(statement: ParsedStatement) -> list[ParsedLine]:
    """Booked lines, then pending ones: a pending twin never takes the number of a booked one."""
    return sorted(statement.lines, key=lambda line: line.pending)


def line_ids(account: Account, lines: Sequence[ParsedLine]) -> list[str]:
    """The identity of each line, within its account in the books."""
    scope = f"account {account.pk}"
    return border_twins(account, lines, statements.identities(lines, scope), scope)


def lookalikes(account: Account, source: Source, lines: Sequence[ParsedLine]) -> list[int]:
    """Places of new lines that stand in the account already by an earlier file, under another identity:
    the same day and amount, and a text that names the same.

    They come from a file in another format (with ids of its own) or a text the bank has changed since.
    A line that this file repeats is known by its identity and no such line; what another source says is
    for a person to compare.
    """
    identities = line_ids(account, lines)
    # What the balances prove to be another line is not taken for one that is here.
    proven = set(identities) - set(statements.identities(lines, f"account {account.pk}"))
    days = [line.date for line in lines]
    held = StatementLine.objects.filter(
        account=account,
        source=source,
        pending=False,
        date__gte=min(days, default=dt.date.max),
        date__lte=max(days, default=dt.date.min),
    ).values_list("identity", "date", "amount", "description", "counterparty")
    rows = list(held)
    known, ours = {row[0] for row in rows} | proven, set(identities)
    others: dict[tuple[dt.date, int | None], list[str]] = defaultdict(list)
    for identity, day, amount, *texts in rows:
        if identity not in ours:
            others[day, amount].append(" ".join(texts))
    found = []
    for place, (line, identity) in enumerate(zip(lines, identities, strict=True)):
        texts = others.get((line.date, minor(line.amount, currency_of(account))), [])
        if identity not in known and not line.pending and _takes_alike(line, texts):
            found.append(place)
    return found


def _takes_alike(line: ParsedLine, texts: list[str]) -> bool:
    """Whether one of the texts names the same; the one most alike is taken out, so that twins stay two."""
    said = f"{line.description} {line.counterparty}"
    # A day with hundreds of one amount: the first few are enough to tell.
    scores = [likeness(said, text) for text in texts[:_COMPARED]]
    best = max(scores, default=0.0)
    if best < CLOSE:
        return False
    texts.pop(scores.index(best))
    return True


@dataclass(frozen=True)
class FilePages:
    """The records of one upload; `page` cuts, `written` notes what a page has done."""

    upload: Upload
    records: list[Record]

    @property
    def origin(self) -> str:
        """What raw records say they came from."""
        return f"upload:{self.upload.pk} {self.upload.name}"

    def page(self, checkpoint: Mapping[str, Any]) -> Page:
        start = int(checkpoint.get("line", 0))
        end = start + PAGE_LINES
        following = {"upload": self.upload.pk, "line": end} if end < len(self.records) else None
        return Page(self.records[start:end], following, {})

    def written(self, page: Page, run: SyncRun) -> None:
        """Bind the page's lines to their statement; after the last page the upload is imported.

        Call it in the page's transaction.
        """
        upload = self.upload
        upload.statement = upload.statement or _statement(upload)
        upload.run = run
        if page.next is None:
            upload.state, upload.message = Upload.State.IMPORTED, ""
        upload.save(update_fields=["statement", "run", "state", "message"])
        StatementLine.objects.filter(
            account=upload.account, identity__in=[record["id"] for record in page.records], statement=None
        ).update(statement=upload.statement)


def open_pages(upload_id: int) -> FilePages:
    """Read an upload as it was agreed: layout, part and look-alikes are on its row."""
    upload = (
        Upload.objects.select_related("account__organization", "stream__source", "statement")
        .filter(pk=upload_id)
        .first()
    )
    if upload is None:
        raise ConfigError("The uploaded file is gone. Upload it again.")
    lines = ordered_lines(chosen(upload, parts(upload)))
    left_out = set() if upload.answers.get("alike") else set(upload.report.get("alike", ()))
    identities = line_ids(upload.account, lines)
    records = [
        record(line, identity, upload.account)
        for place, (line, identity) in enumerate(zip(lines, identities, strict=True))
        if place not in left_out
    ]
    return FilePages(upload, records)


def record(line: ParsedLine, identity: str, account: Account) -> Record:
    """A line as the raw record the mapping reads; amounts as text, so that no digit is lost."""
    return {
        "id": identity,
        "account": account.code,
        "date": line.date.isoformat(),
        "amount": format(line.amount, "f"),
        "currency": line.currency or currency_of(account),
        "description": line.description,
        "counterparty": line.counterparty,
        "reference": line.reference,
        "kind": line.kind,
        "balance": None if line.balance is None else format(line.balance, "f"),
        "provider_id": line.provider_id,
        "pending": line.pending,
    }


def _statement(upload: Upload) -> Statement:
    report = upload.report
    return Statement.objects.create(
        organization=upload.account.organization,
        account=upload.account,
        source=upload.stream.source,
        name=upload.name,
        currency=currency_of(upload.account),
        start=report.get("start"),
        end=report.get("end"),
        opening=report.get("opening"),
        closing=report.get("closing"),
    )

"""Matching against the books: load, match, store proposals; confirm, reject, undo. People's word stands."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django_q.tasks import async_task

from ledgerhub.access.models import User
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.ledger import documents as ledger_documents
from ledgerhub.ledger import posting
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.entries import EntryDraft
from ledgerhub.ledger.kinds import Draft, validate
from ledgerhub.ledger.models import Account, Allocation, Document, Posting, Source, StatementLine
from reconciliation import open_rows
from reconciliation.matching.engine import match
from reconciliation.matching.proposals import Proposal
from reconciliation.models import Confirmation, Match, MatchLine, MatchRun

log = logging.getLogger(__name__)

STALE_AFTER = dt.timedelta(minutes=10)
MAX_ATTEMPTS = 3
SOURCE_KEY = "reconciliation"


# ── the engine's pass, in the background ──────────────────────────────────────────────────────────────


def request_run(account: Account, *, user: User | None = None) -> MatchRun:
    """Queue a pass over an account, or return the one that is open."""
    try:
        with transaction.atomic():
            run = MatchRun.objects.create(account=account, requested_by=user)
            async_task("reconciliation.tasks.match_account", run.pk)
    except IntegrityError:
        return MatchRun.objects.get(account=account, state__in=["queued", "running"])
    return run


def execute(run_id: int) -> None:
    """Do a pass: load, match, store. Safe to call twice: the second call finds it done or held."""
    now = timezone.now()
    claimed = MatchRun.objects.filter(pk=run_id, state=MatchRun.State.QUEUED).update(
        state=MatchRun.State.RUNNING, started_at=now, attempts=F("attempts") + 1
    )
    if not claimed:
        return
    run = MatchRun.objects.select_related("account__organization").get(pk=run_id)
    try:
        propose(run.account, run=run)
    except Exception:
        log.exception("match run=%s stopped", run_id)
        MatchRun.objects.filter(pk=run_id).update(
            state=MatchRun.State.FAILED, finished_at=timezone.now(),
            message="The matching stopped on a mistake of LedgerHub's. Nothing was changed.",
        )  # fmt: skip
        raise


def take_up_dropped() -> None:
    """Queue passes again whose worker died; give up those that died too often."""
    dropped = MatchRun.objects.filter(state__in=["queued", "running"], created_at__lt=timezone.now() - STALE_AFTER)
    for run in dropped:
        if run.attempts >= MAX_ATTEMPTS:
            run.state, run.message = MatchRun.State.FAILED, "The matching broke off too often."
            run.save(update_fields=["state", "message"])
            continue
        MatchRun.objects.filter(pk=run.pk).update(state=MatchRun.State.QUEUED)
        async_task("reconciliation.tasks.match_account", run.pk)


def propose(account: Account, *, run: MatchRun | None = None) -> int:
    """Match what is open and replace the account's open proposals; what people decided is not touched.

    The engine works outside the transaction; a proposal whose rows were matched meanwhile is dropped.
    """
    lines, candidates = open_rows.tables(account)
    result = match(lines, candidates)
    amounts = dict(zip([*lines.ids, *candidates.ids], [*lines.amount.tolist(), *candidates.amount.tolist()], strict=True))
    with transaction.atomic():
        refused = set(
            Match.objects.filter(account=account, state=Match.State.REJECTED).values_list("fingerprint", flat=True)
        )
        Match.objects.filter(account=account, state=Match.State.PROPOSED).delete()
        kept = [p for p in result.proposals if fingerprint([*p.line_ids, *p.entry_ids]) not in refused]
        _store(account, kept, amounts, run)
        if run is not None:
            MatchRun.objects.filter(pk=run.pk).update(
                state=MatchRun.State.DONE, finished_at=timezone.now(), lines=len(lines),
                proposals=len(kept), message="; ".join(result.limits_reached)[:500],
            )  # fmt: skip
    return len(kept)


def _store(
    account: Account, proposals: Sequence[Proposal], amounts: dict[str, int], run: MatchRun | None
) -> None:
    matches = [
        Match(
            organization_id=account.organization_id,
            account=account,
            probability=proposal.probability,
            tie=proposal.tie,
            difference=proposal.difference,
            evidence=[[evidence.label, evidence.weight] for evidence in proposal.evidence],
            fingerprint=fingerprint([*proposal.line_ids, *proposal.entry_ids]),
            run=run,
        )
        for proposal in proposals
    ]
    Match.objects.bulk_create(matches, batch_size=1000)
    MatchLine.objects.bulk_create(
        [
            _row(made, row_id, amounts[row_id])
            for made, proposal in zip(matches, proposals, strict=True)
            for row_id in (*proposal.line_ids, *proposal.entry_ids)
        ],
        batch_size=1000,
    )


def _row(made: Match, row_id: str, amount: int) -> MatchLine:
    column = {"L": "statement_line_id", "P": "posting_id", "D": "document_id"}[row_id[0]]
    return MatchLine(match=made, amount=amount, **{column: int(row_id[1:])})


def fingerprint(row_ids: Iterable[str]) -> str:
    """What a match groups, whatever the order."""
    return hashlib.sha256(" ".join(sorted(row_ids)).encode()).hexdigest()


# ── what a person decides ──────────────────────────────────────────────────────────────────────────────


class Coding(NamedTuple):
    """A part of a bank line booked straight to an account; signed as the bank line."""

    account: Account
    amount: int
    description: str = ""


@dataclass
class Selection:
    """What is to be matched: lines, postings, documents (with the amount paid), and codings for the rest."""

    account: Account
    lines: list[StatementLine]
    postings: list[Posting] = field(default_factory=list)
    documents: list[tuple[Document, int]] = field(default_factory=list)
    codings: list[Coding] = field(default_factory=list)
    contact_name: str = ""

    @property
    def lines_total(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def difference(self) -> int:
        """What is not explained yet: lines less postings, documents and codings; must be 0 to confirm."""
        chosen = sum(p.amount for p in self.postings) + sum(amount for _, amount in self.documents)
        return self.lines_total - chosen - sum(coding.amount for coding in self.codings)

    @property
    def to_post(self) -> int:
        """What of the lines is not on the bank account in the books yet."""
        return self.lines_total - sum(p.amount for p in self.postings)

    def row_ids(self) -> list[str]:
        return [
            *(f"L{line.pk}" for line in self.lines),
            *(f"P{p.pk}" for p in self.postings),
            *(f"D{document.pk}" for document, _ in self.documents),
        ]


def selection_of(made: Match, *, codings: Sequence[Coding] = ()) -> Selection:
    """The rows of a stored match, for preview and confirmation."""
    rows = list(
        made.rows.select_related("statement_line", "posting__entry__document", "document__contact").order_by("pk")
    )
    return Selection(
        account=made.account,
        lines=[row.statement_line for row in rows if row.statement_line],
        postings=[row.posting for row in rows if row.posting],
        documents=[(row.document, row.amount) for row in rows if row.document],
        codings=list(codings),
    )


def preview(selection: Selection) -> list[EntryDraft]:
    """The entries that confirming would post (often none); raises RecordError in words when it cannot."""
    _check(selection)
    draft = _draft(selection, "preview")
    return entries(draft) if draft else []


@transaction.atomic
def confirm(made: Match, *, user: User, codings: Sequence[Coding] = (), note: str = "", method: str = "") -> Match:
    """Confirm a proposed match: post what is missing, tie the rows together, remember who and when.

    Raises RecordError in words when rows were matched meanwhile or an amount is left unexplained.
    """
    held = Match.objects.select_for_update().filter(pk=made.pk, state=Match.State.PROPOSED).first()
    if held is None:
        raise RecordError("This match is not open any more: somebody decided it, or a new run replaced it.")
    selection = selection_of(made, codings=codings)
    return _confirm(made, selection, user=user, note=note, method=method or made.method)


@transaction.atomic
def match_by_hand(selection: Selection, *, user: User, note: str = "", method: str = "person") -> Match:
    """Match rows a person chose (find and match, split, create from line); confirmed at once."""
    made = Match.objects.create(
        organization_id=selection.account.organization_id,
        account=selection.account,
        method=method,
        fingerprint=fingerprint(selection.row_ids()),
    )
    amounts = {f"L{line.pk}": line.amount for line in selection.lines}
    amounts |= {f"P{p.pk}": p.amount for p in selection.postings}
    amounts |= {f"D{document.pk}": amount for document, amount in selection.documents}
    MatchLine.objects.bulk_create([_row(made, row_id, amount) for row_id, amount in amounts.items()])
    return _confirm(made, selection, user=user, note=note, method=method)


def _confirm(made: Match, selection: Selection, *, user: User, note: str, method: str) -> Match:
    _check(selection)
    document = _post(made, selection, user)
    try:
        with transaction.atomic():
            made.rows.update(confirmed=True)
    except IntegrityError:
        raise RecordError("One of these rows was matched by somebody else meanwhile. Reload the page.") from None
    _drop_rivals(made)
    made.state, made.method, made.document = Match.State.CONFIRMED, method, document
    made.difference = 0
    made.save(update_fields=["state", "method", "document", "difference"])
    Confirmation.objects.create(match=made, action=Confirmation.Action.CONFIRM, by=user, note=note)
    return made


@transaction.atomic
def reject(made: Match, *, user: User, note: str = "") -> None:
    """Refuse a proposal; the same rows are not proposed together again."""
    changed = Match.objects.filter(pk=made.pk, state=Match.State.PROPOSED).update(state=Match.State.REJECTED)
    if not changed:
        raise RecordError("This match is not open any more.")
    Confirmation.objects.create(match=made, action=Confirmation.Action.REJECT, by=user, note=note)


@transaction.atomic
def undo(made: Match, *, user: User, note: str = "") -> None:
    """Take a confirmation or a rejection back: rows are free again, what it posted is reversed."""
    held = Match.objects.select_for_update().get(pk=made.pk)
    if held.state not in (Match.State.CONFIRMED, Match.State.REJECTED):
        raise RecordError("There is nothing to undo here.")
    held.rows.update(confirmed=False)
    if held.document is not None:
        Allocation.objects.filter(by=held.document).delete()
        held.rows.filter(posting__entry__document=held.document).delete()
        posting.post_document(held.document, None, actor=user)
        ledger_documents.withdraw([held.document])
    was_engine = held.method == "engine"
    held.state = Match.State.PROPOSED if was_engine and _is_free(held) else Match.State.UNDONE
    held.document = None
    held.save(update_fields=["state", "document"])
    Confirmation.objects.create(match=held, action=Confirmation.Action.UNDO, by=user, note=note)


# ── checks and posting ──────────────────────────────────────────────────────────────────────────────────


def _check(selection: Selection) -> None:
    account = selection.account
    if not selection.lines:
        raise RecordError("No statement line is chosen.")
    if any(line.pending for line in selection.lines):
        raise RecordError("A pending line cannot be matched: wait until the bank has booked it.")
    accounts = {line.account_id for line in selection.lines} | {row.account_id for row in selection.postings}
    if accounts != {account.pk}:
        raise RecordError("All rows must be of the same bank account.")
    if selection.difference:
        raise RecordError(
            [FieldError("difference", "", "The amounts do not agree yet: add what is missing or book the difference.")]
        )


def _post(made: Match, selection: Selection, user: User) -> Document | None:
    """Book what the bank line says and the books do not: paid documents, codings, differences."""
    draft = _draft(selection, f"match:{made.pk}:{made.confirmations.count() + 1}")
    if draft is None:
        return None
    organization = selection.account.organization
    if errors := validate(draft, today=timezone.localdate(timezone=organization.zone)):
        raise RecordError(errors)
    source, _ = Source.objects.get_or_create(
        organization=organization, key=SOURCE_KEY, defaults={"label": "Reconciliation"}
    )
    [stored] = ledger_documents.store(organization, source, [Incoming("match", draft)], scope=SOURCE_KEY)
    posting.post_document(stored.document, draft, actor=user)
    Allocation.objects.bulk_create(
        [
            Allocation(organization=organization, document=document, by=stored.document, amount=abs(amount))
            for document, amount in selection.documents
        ]
    )
    own = Posting.objects.filter(entry__document=stored.document, account=selection.account)
    MatchLine.objects.bulk_create([MatchLine(match=made, posting=row, amount=row.amount) for row in own])
    return stored.document


def _draft(selection: Selection, external_id: str) -> Draft | None:
    """A coded bank transaction for what is missing on the bank account; None where nothing is."""
    if not selection.to_post and not selection.codings and not selection.documents:
        return None
    first = min(selection.lines, key=lambda line: line.date)
    lines = [_document_line(selection.account, document, amount) for document, amount in selection.documents]
    lines += [
        {"account": coding.account.code, "amount": coding.amount, "description": coding.description}
        for coding in selection.codings
    ]
    draft: Draft = {
        "kind": "bank_transaction",
        "external_id": external_id,
        "date": first.date,
        "currency": first.currency,
        "total": selection.to_post,
        "description": first.description,
        "counterparty": first.counterparty,
        "reference": first.reference,
        "bank_account": selection.account.code,
        "lines": lines,
    }
    name = selection.contact_name or _contact_of(selection)
    return {**draft, "customer": {"name": name}} if name else draft


def _document_line(account: Account, document: Document, amount: int) -> dict[str, object]:
    role = "receivable" if document.kind == "invoice" else "payable"
    code = Account.objects.get(organization_id=account.organization_id, role=role, qualifier="").code
    return {"account": code, "amount": amount, "description": str(document)}


def _contact_of(selection: Selection) -> str:
    names = {document.contact.name for document, _ in selection.documents if document.contact}
    return names.pop() if len(names) == 1 else ""


def _drop_rivals(made: Match) -> None:
    """Open proposals that want a row which is now taken."""
    rows = list(made.rows.values_list("statement_line_id", "posting_id"))
    lines = [line for line, _ in rows if line]
    postings = [taken for _, taken in rows if taken]
    open_ones = Match.objects.filter(account=made.account, state=Match.State.PROPOSED).exclude(pk=made.pk)
    rivals = open_ones.filter(rows__statement_line__in=lines) | open_ones.filter(rows__posting__in=postings)
    Match.objects.filter(pk__in=list(rivals.values_list("pk", flat=True))).delete()


def _is_free(made: Match) -> bool:
    rows = made.rows.all()
    taken = MatchLine.objects.filter(confirmed=True)
    return not (
        taken.filter(statement_line__in=rows.values("statement_line")).exists()
        or taken.filter(posting__in=rows.exclude(posting=None).values("posting")).exists()
    )

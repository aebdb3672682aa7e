"""What people decide about matches: prepare, confirm, reject, undo; each recorded, each undone exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction
from django.db.models import Min, Q
from django.http import HttpRequest

from ledgerhub.access.audit import record
from ledgerhub.access.models import User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import documents as ledger_documents
from ledgerhub.ledger import posting
from ledgerhub.ledger.documents import Incoming
from ledgerhub.ledger.models import (
    Account,
    Allocation,
    Document,
    LineExclusion,
    Posting,
    Source,
    StatementLine,
)
from ledgerhub.ledger.statement_lines import exclude_withdrawn
from reconciliation import expiry, open_rows, signed
from reconciliation.differences import Way, refuse_beyond_limit, settled
from reconciliation.models import Confirmation, Match, MatchCoding, MatchLine, RuleVersion
from reconciliation.selection import Coding, Selection, check, draft_of, money_text, selection_of

SOURCE_KEY = "reconciliation"
_TAKEN = "One of these rows was matched by somebody else meanwhile. Reload the page."
_OTHERWISE = "Matched otherwise"
_NOT_OPEN = (
    "This match is not open any more: somebody decided it, or a new pass replaced it. Reload the page."
)


def fingerprint(row_ids: Iterable[str]) -> str:
    """What a match groups, whatever the order."""
    return hashlib.sha256(" ".join(sorted(row_ids)).encode()).hexdigest()


def coding_marks(codings: Iterable[Coding]) -> list[str]:
    """What a fingerprint takes of codings: another account or amount makes another proposal."""
    return [f"A{coding.account.pk}:{coding.amount}" for coding in codings]


def lock(account: Account) -> None:
    """One decision an account at a time; entries may go on being posted to it."""
    Account.objects.select_for_update(no_key=True).filter(pk=account.pk).values_list("pk").get()


def match_row(made: Match, row_id: str, amount: int) -> MatchLine:
    """The unsaved row of `L1`, `P2` or `D3`."""
    column = {"L": "statement_line_id", "P": "posting_id", "D": "document_id"}[row_id[0]]
    return MatchLine(match=made, amount=amount, **{column: int(row_id[1:])})


def coding_rows(made: Match, codings: Iterable[Coding], contact_name: str = "") -> list[MatchCoding]:
    """The unsaved rows of what a match books to accounts."""
    return [
        MatchCoding(
            match=made,
            position=position,
            account=coding.account,
            amount=coding.amount,
            description=coding.description,
            contact_name=contact_name,
            is_difference=coding.is_difference,
        )
        for position, coding in enumerate(codings)
        if coding.amount  # `check` says what is wrong with one of nothing
    ]


# ── confirming ────────────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def confirm(
    made: Match,
    *,
    user: User | None,
    codings: Sequence[Coding] = (),
    settle: Way | None = None,
    note: str = "",
    method: str = "",
    rule: RuleVersion | None = None,
    request: HttpRequest | None = None,
) -> Match:
    """Confirm a proposed match: post what is missing, tie the rows together, remember who and when.

    `settle` says what becomes of a difference. Without a person (`user` None) it is `rule`, an approval
    rule's version, that allowed it. Raises RecordError in words when rows were matched meanwhile, an amount
    is left unexplained or more is written off than this person may.
    """
    held = _held(made, Match.State.PROPOSED)
    selection = selection_of(held, codings=codings)
    if settle is not None:
        selection = settled(selection, settle)
    made = _confirm(held, selection, user=user, method=method or held.method)
    _remember(made, Confirmation.Action.CONFIRM, user=user, note=note, rule=rule, request=request)
    return made


@transaction.atomic
def match_by_hand(
    selection: Selection,
    *,
    user: User,
    note: str = "",
    method: str = "person",
    request: HttpRequest | None = None,
) -> Match:
    """Match rows a person chose (find and match, split, create from line); confirmed at once."""
    lock(selection.account)
    made = _make(selection, method=method)
    _overrule(made, user)
    made = _confirm(made, selection, user=user, method=method)
    _remember(made, Confirmation.Action.CONFIRM, user=user, note=note, request=request)
    return made


@transaction.atomic
def prepare(selection: Selection, *, user: User, note: str = "", request: HttpRequest | None = None) -> Match:
    """Propose what a person chose to somebody who may confirm; replaces what the engine proposed for it."""
    lock(selection.account)
    check(selection)
    _refuse_taken(selection)
    made = _make(selection, method="person")
    _drop_rivals(made)
    _remember(made, Confirmation.Action.PREPARE, user=user, note=note, request=request)
    return made


def _make(selection: Selection, *, method: str) -> Match:
    amounts = selection.row_amounts()
    made = Match.objects.create(
        organization_id=selection.account.organization_id,
        account=selection.account,
        method=method,
        fingerprint=fingerprint([*amounts, *coding_marks(selection.codings)]),
    )
    MatchLine.objects.bulk_create([match_row(made, row_id, amount) for row_id, amount in amounts.items()])
    MatchCoding.objects.bulk_create(coding_rows(made, selection.codings, selection.contact_name))
    return made


def _held(made: Match, *states: str) -> Match:
    """The match as it now is, with its account locked; raises RecordError when it is in another state, or
    when its lines lie in a period that is signed off."""
    lock(made.account)
    rows = Match.objects.select_related("account__organization", "document")
    held = rows.filter(pk=made.pk, state__in=states).first()
    if held is None:
        raise RecordError(_NOT_OPEN)
    signed.refuse(held.account, held.rows.aggregate(day=Min("statement_line__date"))["day"])
    return held


def _confirm(made: Match, selection: Selection, *, user: User | None, method: str) -> Match:
    _refuse_taken(selection)
    _lock_documents(selection)
    check(selection)
    refuse_beyond_limit(selection, user)
    _keep(made, selection, user)
    document = _post(made, selection, user)
    try:
        with transaction.atomic():
            made.rows.update(confirmed=True)
    except IntegrityError:
        raise RecordError(_TAKEN) from None
    _drop_rivals(made)
    made.state, made.method, made.document = Match.State.CONFIRMED, method, document
    made.difference = 0
    made.save(update_fields=["state", "method", "document", "difference"])
    return made


def _keep(made: Match, selection: Selection, user: User | None) -> None:
    """What is confirmed as rows: amounts paid of documents, codings; a difference names who let it go."""
    selection.codings = [
        coding._replace(description=f"{coding.description or 'Difference'}, approved by {user}"[:240])
        if coding.is_difference
        else coding
        for coding in selection.codings
    ]
    made.codings.all().delete()
    MatchCoding.objects.bulk_create(coding_rows(made, selection.codings, selection.contact_name))
    for payment in selection.payments:
        made.rows.filter(document=payment.open.document).update(amount=payment.amount)


def _refuse_taken(selection: Selection) -> None:
    """Lines of a signed period, rows that another match holds, entries reversed since they were chosen."""
    signed.refuse(selection.account, min((line.date for line in selection.lines), default=None))
    taken = MatchLine.objects.filter(confirmed=True).filter(
        Q(statement_line__in=selection.lines) | Q(posting__in=selection.postings)
    )
    if taken.exists():
        raise RecordError(_TAKEN)
    gone = Posting.objects.filter(pk__in=[row.pk for row in selection.postings]).filter(
        Q(entry__reversed_by__isnull=False) | Q(entry__reverses__isnull=False)
    )
    if first := gone.select_related("entry").first():
        raise RecordError(f"'{first.entry.memo}' was reversed meanwhile. Reload the page and match again.")
    if StatementLine.objects.filter(pk__in=[line.pk for line in selection.lines], pending=True).exists():
        raise RecordError("A pending line cannot be matched: wait until the bank has booked it.")
    if LineExclusion.objects.filter(line__in=selection.lines).exists():
        raise RecordError("One of these lines was excluded as a duplicate, or withdrawn by the bank.")


def _lock_documents(selection: Selection) -> None:
    """Two bank accounts may pay the same invoice: what is open of it is read again under its lock."""
    ids = sorted(payment.open.document.pk for payment in selection.payments)
    if not ids:
        return
    list(Document.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))
    fresh = open_rows.open_ones(selection.account, ids)
    selection.payments = [
        payment._replace(open=fresh.get(payment.open.document.pk) or payment.open._replace(amount=0))
        for payment in selection.payments
    ]


def _post(made: Match, selection: Selection, user: User | None) -> Document | None:
    """Book what the bank line says and the books do not: paid documents, codings, differences."""
    draft = draft_of(selection, f"match:{made.pk}")
    if draft is None:
        return None
    organization = made.account.organization
    source, _ = Source.objects.get_or_create(
        organization=organization, key=SOURCE_KEY, defaults={"label": "Reconciliation"}
    )
    [stored] = ledger_documents.store(organization, source, [Incoming("match", draft)], scope=SOURCE_KEY)
    posting.post_document(stored.document, draft, actor=user)
    Allocation.objects.bulk_create(
        Allocation(
            organization=organization,
            document=payment.open.document,
            by=stored.document,
            account=payment.open.holder,
            amount=abs(payment.amount),
        )
        for payment in selection.payments
    )
    ledger_documents.touch([payment.open.document.pk for payment in selection.payments])
    own = Posting.objects.filter(entry__document=stored.document, account=selection.account)
    MatchLine.objects.bulk_create([MatchLine(match=made, posting=row, amount=row.amount) for row in own])
    return stored.document


def _drop_rivals(made: Match) -> None:
    """Open proposals that want a row which is now taken, or a document that may now be settled."""
    rows = list(made.rows.values_list("statement_line_id", "posting_id", "document_id"))
    lines, postings, documents = ([pk for pk in column if pk] for column in zip(*rows, strict=True))
    wanted = MatchLine.objects.filter(match__state=Match.State.PROPOSED).filter(
        Q(statement_line__in=lines) | Q(posting__in=postings) | Q(document__in=documents)
    )
    _drop(list(wanted.exclude(match=made).values_list("match_id", flat=True)))


def release(lines: Iterable[StatementLine]) -> None:
    """Drop the open proposals of lines that count no more."""
    wanted = MatchLine.objects.filter(match__state=Match.State.PROPOSED, statement_line__in=list(lines))
    _drop(list(wanted.values_list("match_id", flat=True)))


def _drop(rivals: Sequence[int]) -> None:
    prepared = Confirmation.objects.filter(match__in=rivals).values_list("match_id", flat=True)
    # What a person has prepared keeps its history; what only the engine proposed leaves none.
    Match.objects.filter(pk__in=list(prepared)).update(state=Match.State.UNDONE)
    Match.objects.filter(pk__in=rivals, state=Match.State.PROPOSED).delete()


def _overrule(made: Match, user: User) -> None:
    """What was proposed for these lines and a person matches otherwise is kept, as wrong, to learn from."""
    lines = [row.statement_line_id for row in made.rows.all() if row.statement_line_id]
    proposed = Match.objects.filter(rows__statement_line__in=lines, state=Match.State.PROPOSED)
    others = proposed.exclude(method=Match.Method.PERSON).exclude(fingerprint=made.fingerprint)
    ids = set(others.exclude(pk=made.pk).values_list("pk", flat=True))
    Match.objects.filter(pk__in=ids).update(state=Match.State.UNDONE)
    Confirmation.objects.bulk_create(
        Confirmation(match_id=pk, action=Confirmation.Action.REJECT, by=user, note=_OTHERWISE) for pk in ids
    )


# ── refusing, undoing ─────────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def reject(made: Match, *, user: User, note: str = "", request: HttpRequest | None = None) -> None:
    """Refuse a proposal; the same rows are not proposed together again."""
    held = _held(made, Match.State.PROPOSED)
    held.state = Match.State.REJECTED
    held.save(update_fields=["state"])
    _remember(held, Confirmation.Action.REJECT, user=user, note=note, request=request)
    expiry.review(held)


@transaction.atomic
def undo(made: Match, *, user: User, note: str = "", request: HttpRequest | None = None) -> Match | None:
    """Take a confirmation or a rejection back: rows are free again, what it posted is reversed.

    The decided match stays as history; what the engine or a rule had proposed is proposed anew and returned.
    """
    held = _held(made, Match.State.CONFIRMED, Match.State.REJECTED)
    before = held.state
    held.rows.update(confirmed=False)
    if held.document is not None:
        settled = Allocation.objects.filter(by=held.document)
        ledger_documents.touch(list(settled.values_list("document_id", flat=True)))
        settled.delete()
        posting.post_document(held.document, None, actor=user)
        ledger_documents.withdraw([held.document])
    held.state = Match.State.UNDONE
    held.save(update_fields=["state"])
    _remember(held, Confirmation.Action.UNDO, user=user, note=note, request=request, before=before)
    exclude_withdrawn(held.account)
    expiry.review(held)
    return _propose_again(held) if _comes_back(held) else None


def _comes_back(undone: Match) -> bool:
    """Whether there is a proposal to go back to: the engine's, a category, or that of a rule in force."""
    if undone.rule_id is not None:
        return RuleVersion.objects.filter(pk=undone.rule_id, state=RuleVersion.State.ACTIVE).exists()
    return undone.probability is not None or undone.method in _CODED


# Methods whose proposals carry codings of their own.
_CODED = (Match.Method.RULE, Match.Method.CATEGORY)
_KEPT = (
    "probability", "raw_probability", "levels", "weights_version", "tie", "difference_kind", "evidence",
    "alternatives", "fingerprint", "run_id", "rule_id",
)  # fmt: skip


def _propose_again(undone: Match) -> Match | None:
    """The proposal as it was, unless one of its rows is taken or proposed otherwise by now."""
    rows = [row for row in undone.rows.all() if row.posting_id is None or not _is_own(undone, row)]
    lines = [row.statement_line_id for row in rows if row.statement_line_id]
    if LineExclusion.objects.filter(line__in=lines).exists():
        return None
    wants = Q(statement_line__in=lines)
    wants |= Q(posting__in=[row.posting_id for row in rows if row.posting_id])
    held = MatchLine.objects.filter(wants).filter(Q(confirmed=True) | Q(match__state=Match.State.PROPOSED))
    if held.exists():
        return None
    still_open = open_rows.open_ones(undone.account, [row.document_id for row in rows if row.document_id])
    for row in rows:
        if row.document_id in still_open:  # it may have been paid in part; the proposal was of all of it
            row.amount = still_open[row.document_id].amount
    made = Match.objects.create(
        organization_id=undone.organization_id,
        account=undone.account,
        method=undone.method if undone.method in _CODED else Match.Method.ENGINE,
        difference=0 if undone.method in _CODED else _difference(rows),
        **{name: getattr(undone, name) for name in _KEPT},
    )
    if undone.method in _CODED:
        _copy_codings(undone, made)
    for row in rows:
        row.pk, row.match, row.confirmed, row._state.adding = None, made, False, True
    MatchLine.objects.bulk_create(rows)
    return made


def _copy_codings(source: Match, target: Match) -> None:
    rows = list(source.codings.all())
    for row in rows:
        row.pk, row.match, row._state.adding = None, target, True
    MatchCoding.objects.bulk_create(rows)


def _is_own(made: Match, row: MatchLine) -> bool:
    """Whether the row's posting is the one that confirming the match had posted."""
    return row.posting is not None and row.posting.entry.document_id == made.document_id


def _difference(rows: Iterable[MatchLine]) -> int:
    return sum(row.amount if row.statement_line_id else -row.amount for row in rows)


# ── bulk ──────────────────────────────────────────────────────────────────────────────────────────────


def confirm_each(
    matches: Iterable[Match], *, user: User, request: HttpRequest | None = None
) -> tuple[list[Match], list[tuple[Match, str]]]:
    """Confirm one after the other, each by itself: what was confirmed, and what not with the reason."""
    done, failed = [], []
    for made in matches:
        try:
            done.append(confirm(made, user=user, request=request))
        except RecordError as error:
            failed.append((made, str(error)))
    return done, failed


# ── the trail ────────────────────────────────────────────────────────────────────────────────────────


def _remember(
    made: Match,
    action: str,
    *,
    user: User | None,
    note: str,
    request: HttpRequest | None,
    before: str = Match.State.PROPOSED,
    rule: RuleVersion | None = None,
) -> None:
    Confirmation.objects.create(match=made, action=action, by=user, note=note[:300], rule=rule)
    after = {"state": made.state, "rows": _row_words(made), "method": made.method, "note": note}
    after |= _difference_words(made)
    record(
        request,
        f"match.{Confirmation.Action(action).label.lower()}",
        made,
        before={"state": before},
        after=after if rule is None else {**after, "rule": str(rule)},
        organization=made.account.organization,
        actor=user,
        label=f"Rule “{rule.rule}”" if rule is not None else "",
    )


def _difference_words(made: Match) -> dict[str, list[str]]:
    rows = made.codings.filter(is_difference=True).select_related("account").order_by("position")
    words = [f"{money_text(row.amount, made.account)} to {row.account}: {row.description}" for row in rows]
    return {"differences": words} if words else {}


def _row_words(made: Match) -> list[str]:
    rows = made.rows.select_related("statement_line", "posting__entry", "document").order_by("pk")
    return [str(row.statement_line or row.document or (row.posting and row.posting.entry)) for row in rows]

"""Signing an account off up to a day, what hinders it, reopening, and what has changed since."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.http import HttpRequest
from django.utils import timezone

from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.ledger.models import Account, DailyTotal, StatementLine
from ledgerhub.ledger.statement_lines import COUNTS
from reconciliation import chain, signed
from reconciliation.chain import Link, money
from reconciliation.decisions import lock
from reconciliation.duplicates import pending_lines, suspicions
from reconciliation.models import Confirmation, MatchLine, SignOff
from reconciliation.proof import Proof, prove_all, stated
from reconciliation.report import Report, compile_report, period_matches
from reconciliation.signed import day_text


class Hindrance(NamedTuple):
    """Why an account cannot be signed off, in words; `page` is the name of the page where to mend it and
    `query` what to add to its address."""

    text: str
    page: str = ""
    query: str = ""


def days(account: Account, links: Sequence[Link]) -> list[dt.date]:
    """Days up to which the account can be signed off, the latest first: statements end on them, or (where
    none states a balance) the bank printed one beside their last line."""
    last = signed.latest(account)
    ends = {one.statement.end for one in links if one.statement.closing is not None and one.statement.end}
    found = ends or {anchor.day for anchor in stated([account])[account.pk][1:]}
    return sorted((day for day in found if last is None or day > last.end), reverse=True)


def ready(accounts: Sequence[Account]) -> list[tuple[Account, dt.date]]:
    """Accounts that are reconciled to the cent up to a day that nobody has signed, with that day."""
    counted = StatementLine.objects.filter(COUNTS, account=OuterRef("pk"))
    matched = MatchLine.objects.filter(statement_line=OuterRef("pk"), confirmed=True)
    explained = Account.objects.filter(pk__in=[account.pk for account in accounts]).filter(
        Exists(counted), ~Exists(counted.filter(~Exists(matched)))
    )
    wanted = set(explained.values_list("pk", flat=True))
    candidates = [account for account in accounts if account.pk in wanted]
    proofs, latest = prove_all(candidates), latest_of(candidates) if candidates else {}
    found = []
    for account in candidates:
        proof, last = proofs[account.pk], latest.get(account.pk)
        if proof.reconciled and proof.closing and (last is None or last.end < proof.closing.day):
            found.append((account, proof.closing.day))
    return found


def hindrances(
    account: Account, until: dt.date, proof: Proof, links: Sequence[Link], *, user: User | None = None
) -> list[Hindrance]:
    """Everything that hinders signing, worst first; [] where it may be signed. `user` would sign."""
    found = [*_of_balances(account, until, proof), *_of_chain(account, until, proof, links)]
    found += _of_lines(account, until, proof)
    found += [*_of_matches(account, proof), *_of_earlier(account, until)]
    if user is not None and not found:
        found += _of_person(account, until, proof, user)
    return found


def _of_balances(account: Account, until: dt.date, proof: Proof) -> Iterable[Hindrance]:
    end = day_text(account, until)
    if proof.closing is None:
        yield Hindrance(f"The bank states no balance for {end}: bring in a statement that ends on that day.")
    elif proof.opening is None:
        yield Hindrance(
            "The bank states only one balance, so opening plus lines cannot be checked. "
            "Bring in the statement before."
        )
    if until > timezone.localdate(timezone=account.organization.zone):
        yield Hindrance(f"{end} has not come yet.")
    if proof.gap:
        yield Hindrance(f"Opening plus lines miss the closing balance by {money(account, proof.gap)}.")


def _of_chain(account: Account, until: dt.date, proof: Proof, links: Sequence[Link]) -> Iterable[Hindrance]:
    after = proof.opening.day if proof.opening else None
    for link in links:
        end_of = link.statement.end
        if link.breaks and end_of is not None and end_of <= until and (after is None or end_of > after):
            yield from (Hindrance(text) for text in chain.words(account, link))


def _of_lines(account: Account, until: dt.date, proof: Proof) -> Iterable[Hindrance]:
    end = until.isoformat()
    if proof.open_lines:
        lines = "1 bank line is" if proof.open_lines == 1 else f"{proof.open_lines} bank lines are"
        yield Hindrance(f"{lines} not explained yet.", "workspace", f"?until={end}")
    pending = pending_lines(account).filter(date__lte=until).count()
    if pending:
        lines = "1 line is" if pending == 1 else f"{pending} lines are"
        text = f"{lines} still pending: wait until the bank has booked them."
        yield Hindrance(text, "statement_lines")
    doubts = suspicions(account).filter(Q(line__date__lte=until) | Q(other__date__lte=until))
    if count := doubts.count():
        pairs = (
            "1 pair of lines may be a duplicate"
            if count == 1
            else f"{count} pairs of lines may be duplicates"
        )
        yield Hindrance(f"{pairs}: decide that first.", "duplicates")


def _of_matches(account: Account, proof: Proof) -> Iterable[Hindrance]:
    if proof.unsound:
        matches = "1 match rests" if proof.unsound == 1 else f"{proof.unsound} matches rest"
        text = f"{matches} on entries that were reversed since. Undo and match again."
        yield Hindrance(text, "decided", "?unsound=1")
    if proof.books_gap and proof.books_gap != -(proof.gap or 0):  # else missing lines say it all
        yield Hindrance(
            f"The books differ from the bank by {money(account, proof.books_gap)} beyond open lines and "
            "outstanding entries. Usually the opening balance is not booked: enter it as a journal entry.",
            "account",
        )


def _of_earlier(account: Account, until: dt.date) -> Iterable[Hindrance]:
    last = signed.latest(account)
    if last is None:
        return
    if until <= last.end:
        yield Hindrance(f"The account is signed off up to {day_text(account, last.end)} already.")
    for text in changes(account, last):
        yield Hindrance(
            f"{text} Reopen the sign-off up to {day_text(account, last.end)} first.", "statements"
        )


def _of_person(account: Account, until: dt.date, proof: Proof, user: User) -> Iterable[Hindrance]:
    """Two people: whoever alone confirmed everything that people confirmed in the period does not sign it."""
    if not account.organization.two_person_rule:
        return
    matches = period_matches(account, proof.opening.day if proof.opening else None, until)
    confirmed = Confirmation.objects.filter(match__in=matches, action=Confirmation.Action.CONFIRM)
    people = set(confirmed.filter(by__isnull=False).order_by().values_list("by", flat=True).distinct())
    if people == {user.pk}:
        yield Hindrance(
            "You alone confirmed the matches of this period. Two people are asked for: "
            "somebody else signs it."
        )


# ── signing and reopening ─────────────────────────────────────────────────────────────────────────────


@transaction.atomic
def sign(
    account: Account,
    until: dt.date,
    *,
    user: User,
    note: str = "",
    lock_books: bool = False,
    request: HttpRequest | None = None,
) -> SignOff:
    """Freeze the period that ends with `until`. Raises RecordError with every hindrance in words."""
    lock(account)
    proof, report = compile_report(account, until)
    if found := hindrances(account, until, proof, chain.links(account), user=user):
        raise RecordError([FieldError("", "", each.text) for each in found])
    made = SignOff.objects.create(**_figures(account, proof, report), note=note[:500], signed_by=user)
    after = {"end": until, "closing": made.closing, "books": made.books, "outstanding": made.outstanding}
    record(request, "sign_off.signed", made, after={**after, "note": note}, **_who(account, user))
    if lock_books:
        lock_until(account.organization, until, user=user, request=request)
    return made


def _figures(account: Account, proof: Proof, report: Report) -> dict[str, object]:
    if proof.opening is None or proof.closing is None:
        raise AssertionError("signed without balances")
    return {
        "organization_id": account.organization_id,
        "account": account,
        "currency": proof.currency,
        "start": proof.opening.day + dt.timedelta(days=1),
        "end": proof.closing.day,
        "opening": proof.opening.balance,
        "lines": proof.lines,
        "lines_total": proof.lines_sum,
        "closing": proof.closing.balance,
        "books": proof.books,
        "outstanding": proof.outstanding,
        "report": report.kept(),
    }


def _who(account: Account, user: User) -> dict[str, Any]:
    return {"organization": account.organization, "actor": user}


def lock_until(organization: Organization, day: dt.date, *, user: User, request: HttpRequest | None) -> None:
    """Move the books' lock date forward to a day; never back."""
    held = Organization.objects.select_for_update().get(pk=organization.pk)
    if held.lock_date is not None and held.lock_date >= day:
        return
    before, held.lock_date = held.lock_date, day
    held.save(update_fields=["lock_date"])
    organization.lock_date = day
    record(
        request,
        "organization.changed",
        held,
        before={"lock_date": before},
        after={"lock_date": day},
        organization=held,
        actor=user,
    )


@transaction.atomic
def reopen(made: SignOff, *, user: User, reason: str, request: HttpRequest | None = None) -> None:
    """Take the latest sign-off of an account back, with a reason; its row stays as history."""
    lock(made.account)
    reason = reason.strip()
    if not reason:
        raise RecordError("Say why it is reopened: the reason stays with the sign-off.")
    held = SignOff.objects.select_related("account__organization").get(pk=made.pk)
    if held.reopened_at is not None:
        raise RecordError("This sign-off was reopened already. Reload the page.")
    later = signed.standing(held.account).filter(end__gt=held.end, currency=held.currency).first()
    if later is not None:
        end = day_text(held.account, later.end)
        raise RecordError(f"Only the latest sign-off can be reopened: reopen the one up to {end} first.")
    held.reopened_by, held.reopened_at, held.reopen_reason = user, timezone.now(), reason[:500]
    held.save(update_fields=["reopened_by", "reopened_at", "reopen_reason"])
    record(request, "sign_off.reopened", held, after={"reason": reason}, **_who(held.account, user))


# ── what has changed since ────────────────────────────────────────────────────────────────────────────


class Broken(NamedTuple):
    """Bank lines that no longer are what was signed: `late` came in since, open; minor units."""

    sign_off: SignOff
    late: int
    late_sum: int
    lines_now: int


def changes(account: Account, made: SignOff) -> list[str]:
    """Why a standing sign-off of a bank account does not hold any more, in words; [] where it does."""
    found = [one for one in broken([account]) if one.sign_off.pk == made.pk]
    return [broken_words(account, one) for one in found]


def broken(accounts: Sequence[Account]) -> list[Broken]:
    """The latest standing sign-offs whose bank lines changed; three queries however many accounts."""
    latest = latest_of(accounts)
    if not latest:
        return []
    lines = StatementLine.objects.filter(COUNTS).order_by().values_list("account")
    in_period = dict(lines.filter(_of(latest, within=True)).annotate(amount=Sum("amount")))
    matched = MatchLine.objects.filter(statement_line=OuterRef("pk"), confirmed=True)
    open_ones = lines.filter(_of(latest, within=False)).filter(~Exists(matched))
    late = {pk: sums for pk, *sums in open_ones.annotate(count=Count("pk"), amount=Sum("amount"))}
    found = []
    for pk, made in latest.items():
        count, amount = late.get(pk, (0, 0))
        now = in_period.get(pk, 0)
        if count or now != made.lines_total:
            found.append(Broken(made, count, amount, now))
    return found


def latest_of(accounts: Sequence[Account]) -> dict[int, SignOff]:
    """Account id -> its latest standing sign-off."""
    rows = SignOff.objects.filter(account__in=accounts, reopened_at__isnull=True)
    return {row.account_id: row for row in rows.select_related("signed_by").order_by("end")}


def _of(latest: dict[int, SignOff], *, within: bool) -> Q:
    """Lines up to each account's signed day; `within` the period signed only."""
    found = Q(pk__in=[])
    for pk, made in latest.items():
        start = {"date__gte": made.start} if within else {}
        found |= Q(account=pk, date__lte=made.end, **start)
    return found


def broken_words(account: Account, one: Broken) -> str:
    """For alerts: what changed in the bank's lines of a signed period."""
    end = day_text(account, one.sign_off.end)
    if one.late == 1:
        return f"A line of {money(account, one.late_sum)} came in for a period that was signed (up to {end})."
    if one.late:
        return (
            f"{one.late} lines of {money(account, one.late_sum)} in all came in for a period that was signed "
            f"(up to {end})."
        )
    return (
        f"The bank's lines of the period signed up to {end} come to {money(account, one.lines_now)} now, "
        f"{money(account, one.sign_off.lines_total)} when it was signed."
    )


def books_now(made: SignOff) -> int:
    """What the books say of the last day signed, now; minor units of the sign-off's currency."""
    rows = DailyTotal.objects.filter(account=made.account_id, currency=made.currency, date__lte=made.end)
    found: int = rows.aggregate(whole=Sum("amount"))["whole"] or 0
    return found

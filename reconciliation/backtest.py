"""Back-testing a rule on the past: what it would have done, compared with what people decided."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Account, Posting, StatementLine
from reconciliation import applying, approving, rulebook
from reconciliation.applying import LineRow
from reconciliation.models import Confirmation, Match, MatchLine, RuleVersion
from reconciliation.rules import BankRule, Booked, first_rules

MONTHS = 12
# So many of each list are kept to be looked at; the figures count all.
LISTED = 2000
_CHUNK = 5000


def _untold(_stage: str, _share: float) -> None:
    """Nobody waits for it."""


Told = Callable[[str, float], None]


def run(version: RuleVersion, *, months: int = MONTHS, progress: Told = _untold) -> dict[str, Any]:
    """The back-test as it is stored: figures, and the ids of lines (bank rule) or matches (approval)."""
    tested = bank_rule if version.rule.kind == "bank" else approval
    lists = tested(version, months, progress)
    return {
        "hash": rulebook.digest(version),
        "at": timezone.now().isoformat(),
        "months": months,
        "since": since(months).isoformat(),
        "applies": lists.applies,
        "seen": lists.seen,
        "earlier": lists.earlier,
        "counts": {name: len(ids) for name, ids in lists.ids.items()},
        "ids": {name: ids[:LISTED] for name, ids in lists.ids.items()},
    }


class Found(NamedTuple):
    """`seen` rows were looked at, `applies` to so many; `earlier`: lines that rules before this one take."""

    ids: dict[str, list[int]]
    seen: int
    applies: int
    earlier: int = 0


def since(months: int) -> dt.date:
    return timezone.localdate() - dt.timedelta(days=months * 365 // 12)


# ── bank rules ────────────────────────────────────────────────────────────────────────────────────────


def bank_rule(version: RuleVersion, months: int, progress: Told) -> Found:
    """Newest lines first in every list: agreed, new, wrong; lost are those only the version in force has."""
    rule, before = rulebook.bank_rule(version), _rules_before(version)
    current = version.rule.versions.filter(state="active").exclude(pk=version.pk).first()
    ids: dict[str, list[int]] = {"agreed": [], "new": [], "wrong": [], "lost": []}
    seen = earlier = 0
    past = past_lines(version, months)
    every = past.count()
    for rows in applying.read(past):
        progress(f"Reading {every:,} bank lines", seen / every if every else 1.0)
        seen += len(rows)
        hits, taken = _hits(rule, before, rows)
        earlier += taken
        for name, found in _compare(rows, hits).items():
            ids[name] += found
        if current is not None:
            old, _ = _hits(rulebook.bank_rule(current), before, rows)
            ids["lost"] += [rows[position].id for position in old if position not in hits]
    applies = sum(len(ids[name]) for name in ("agreed", "new", "wrong"))
    return Found({name: sorted(found, reverse=True) for name, found in ids.items()}, seen, applies, earlier)


def past_lines(version: RuleVersion, months: int) -> QuerySet[StatementLine]:
    rule = version.rule
    lines = StatementLine.objects.filter(
        organization_id=rule.organization_id, pending=False, date__gte=since(months)
    )
    if version.account_id is not None:
        return lines.filter(account=version.account_id)
    if rulebook.states_amounts(version):
        return lines.filter(currency=rulebook.currency_of(version))
    return lines


def _rules_before(version: RuleVersion) -> list[BankRule]:
    """Rules in force that come first: what they take, this one never sees."""
    before = Q(rule__position__lt=version.rule.position)
    rows = RuleVersion.objects.filter(
        before, rule__organization_id=version.rule.organization_id, rule__kind="bank", state="active"
    )
    found = rows.select_related("rule").prefetch_related("splits").order_by("rule__position", "rule_id")
    return [rulebook.bank_rule(one) for one in found]


def _hits(rule: BankRule, before: list[BankRule], rows: list[LineRow]) -> tuple[dict[int, list[Booked]], int]:
    """Positions the rule wins with how it books them, and how many rules before it take from it."""
    columns = applying.columns(rows)
    alone = {position for position, _, _ in first_rules([rule], columns)}
    won = {
        position: booked for position, first, booked in first_rules([*before, rule], columns) if first is rule
    }
    return won, len(alone) - len(won)


def _compare(rows: list[LineRow], hits: dict[int, list[Booked]]) -> dict[str, list[int]]:
    ids = [rows[position].id for position in hits]
    decided = how_decided(ids)
    found: dict[str, list[int]] = defaultdict(list)
    for position, booked in hits.items():
        line_id = rows[position].id
        if line_id not in decided:
            found["new"].append(line_id)
        else:
            found["agreed" if decided[line_id] == _sums(booked) else "wrong"].append(line_id)
    return found


def _sums(booked: Iterable[Booked]) -> dict[int, int]:
    sums: dict[int, int] = defaultdict(int)
    for part in booked:
        sums[part.account] += part.amount
    return dict(sums)


def how_decided(line_ids: Collection[int]) -> dict[int, dict[int, int]]:
    """Line id -> account id -> amount it was booked to, signed as the line; {} where it was matched to rows.

    Lines nobody decided are left out.
    """
    found: dict[int, dict[int, int]] = {}
    for ids in _chunks(list(line_ids)):
        rows = MatchLine.objects.filter(statement_line__in=ids, confirmed=True)
        pairs = list(rows.values_list("statement_line_id", "match_id"))
        booked = _booked({match_id for _, match_id in pairs})
        found |= {line_id: booked.get(match_id, {}) for line_id, match_id in pairs if line_id is not None}
    return found


def _booked(match_ids: Collection[int]) -> dict[int, dict[int, int]]:
    """Match id -> account id -> amount, of matches of one line that were booked straight to accounts."""
    others = MatchLine.objects.filter(approving.NOT_ITS_OWN, match=OuterRef("pk"))
    coded = Match.objects.filter(~Exists(others), pk__in=match_ids, document__isnull=False, line_count=1)
    rows = coded.values_list("document_id", "pk", "account_id")
    made_of = {document_id: (pk, bank_id) for document_id, pk, bank_id in rows}
    postings = Posting.objects.filter(in_force("entry__"), entry__document__in=made_of)
    sums: dict[int, dict[int, int]] = defaultdict(dict)
    totals = postings.order_by().values_list("entry__document", "account").annotate(total=Sum("amount"))
    for document_id, account_id, total in totals:
        match_id, bank_id = made_of[document_id]
        if account_id != bank_id and total:
            sums[match_id][account_id] = -total
    return dict(sums)


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]


# ── approval rules ────────────────────────────────────────────────────────────────────────────────────


def approval(version: RuleVersion, months: int, progress: Told) -> Found:
    """Proposals the rule would have approved: right, wrong by what people decided, and those open now."""
    rule = rulebook.approval(version)
    ids: dict[str, list[int]] = {"right": [], "wrong": [], "open": []}
    seen = 0
    judged = _judged_rows(version, months)
    every = judged.count()
    for made in _judged(judged):
        seen += 1
        progress(f"Reading {every:,} decided proposals", 0.8 * seen / every if every else 0.8)
        if rule.allows(approving.candidate(made)):
            ids["right" if made.state == Match.State.CONFIRMED else "wrong"].append(made.pk)
    for account in _accounts(version):
        progress("Looking at what is open now", 0.8)
        ids["open"] += [pk for pk, _ in approving.allowed(account, [rule])]
    return Found(ids, seen, len(ids["right"]) + len(ids["wrong"]))


def _accounts(version: RuleVersion) -> QuerySet[Account]:
    rows = Account.objects.filter(organization_id=version.rule.organization_id)
    rows = rows.filter(pk=version.account_id) if version.account_id else rows.filter(matches__isnull=False)
    return rows.select_related("organization").distinct()


def _judged_rows(version: RuleVersion, months: int) -> QuerySet[Match]:
    """Proposals a person judged.

    Confirmed by a person is right. Rejected, undone after it was confirmed, or matched otherwise by hand
    is wrong. What only a rule approved proves nothing; a rejection taken back neither.
    """
    acts = Confirmation.objects.filter(match=OuterRef("pk"))
    right = Q(state=Match.State.CONFIRMED) & Exists(acts.filter(action="confirm", by__isnull=False))
    undone = Exists(acts.filter(action="confirm")) | ~Exists(acts.filter(action="undo"))
    wrong = Q(state=Match.State.REJECTED) | (Q(state=Match.State.UNDONE) & Q(undone))
    rows = Match.objects.filter(
        right | wrong, organization_id=version.rule.organization_id, created_at__date__gte=since(months)
    ).exclude(method__in=[Match.Method.PERSON, Match.Method.CODED])
    if version.account_id:
        rows = rows.filter(account=version.account_id)
    return rows


def _judged(rows: QuerySet[Match]) -> Iterator[Match]:
    """Newest first; of the same rows judged twice only the last."""
    known: set[tuple[int, str]] = set()
    for made in approving.with_rows(rows).order_by("-pk").iterator(chunk_size=2000):
        key = made.account_id, made.fingerprint
        if key not in known:
            known.add(key)
            yield made

"""Proposals that book bank lines to accounts, by rule or by suggested category: stored and kept in step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import open_rows
from reconciliation.decisions import coding_marks, coding_rows, fingerprint
from reconciliation.models import Match, MatchCoding, MatchLine, MatchRun
from reconciliation.selection import Coding

# Whose proposal a line gets: the first of these that has one.
PRECEDENCE = (Match.Method.PERSON, Match.Method.ENGINE, Match.Method.RULE, Match.Method.CATEGORY)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class CodedProposal:
    """How an open line would be booked; `codings` come to `amount`, the line's, in minor units.

    `evidence` is [label, weight] rows as a match keeps them; `rule_id` the version of the bank rule.
    """

    line_id: int
    amount: int
    codings: tuple[Coding, ...]
    evidence: Sequence[tuple[str, float]]
    contact_name: str = ""
    probability: float | None = None
    tie: bool = False
    rule_id: int | None = None

    @property
    def mark(self) -> str:
        return fingerprint([f"L{self.line_id}", *coding_marks(self.codings)])


def lines_wanting(account: Account, method: str) -> QuerySet[StatementLine]:
    """Open lines for which nobody before `method` in the precedence proposes anything."""
    before = PRECEDENCE[: [str(one) for one in PRECEDENCE].index(method)]
    held = MatchLine.objects.filter(
        statement_line=OuterRef("pk"), match__state=Match.State.PROPOSED, match__method__in=before
    )
    return open_rows.lines(account).filter(~Exists(held))


def keep_in_step(
    account: Account,
    method: str,
    proposals: Iterable[CodedProposal],
    *,
    run: MatchRun | None = None,
    only: Collection[int] | None = None,
) -> int:
    """Make the account's open proposals of `method` these ones; gives how many there are.

    What a person refused does not come back; proposals that stay keep their id. `only`: line ids to
    which this is confined. Call it with the account locked (`decisions.lock`).
    """
    found = {each.mark: each for each in proposals}
    wanted = {mark: each for mark, each in found.items() if mark not in _refused(account, found)}
    standing = Match.objects.filter(account=account, state=Match.State.PROPOSED, method=method)
    if only is not None:
        standing = standing.filter(rows__statement_line__in=list(only))
    known = {made.fingerprint: made for made in standing}
    gone = [made.pk for mark, made in known.items() if mark not in wanted]
    if gone:
        Match.objects.filter(pk__in=gone).delete()
    renewed = [made for mark, made in known.items() if mark in wanted and _fill(made, wanted[mark], run)]
    Match.objects.bulk_update(renewed, ["probability", "tie", "evidence", "rule", "run"], batch_size=_BATCH)
    _create(account, method, {mark: each for mark, each in wanted.items() if mark not in known}, run)
    _drop_weaker(method, [each.line_id for each in wanted.values()])
    return len(wanted)


def _drop_weaker(method: str, line_ids: Sequence[int]) -> None:
    """What those after `method` in the precedence proposed for these lines."""
    after = PRECEDENCE[[str(one) for one in PRECEDENCE].index(method) + 1 :]
    for start in range(0, len(line_ids) if after else 0, _BATCH):
        rows = Match.objects.filter(rows__statement_line__in=line_ids[start : start + _BATCH])
        weaker = rows.filter(state=Match.State.PROPOSED, method__in=after).values_list("pk", flat=True)
        Match.objects.filter(pk__in=list(weaker)).delete()


def _refused(account: Account, marks: Collection[str]) -> set[str]:
    """Which of these people refused."""
    if not marks:
        return set()
    rows = Match.objects.filter(account=account, state=Match.State.REJECTED)
    return set(rows.values_list("fingerprint", flat=True)) & set(marks)


_FILLED = ["probability", "tie", "evidence", "rule_id"]


def _fill(made: Match, proposal: CodedProposal, run: MatchRun | None) -> bool:
    """Write the proposal's values into the match; gives whether any but its run is another than before."""
    before = [getattr(made, name) for name in _FILLED]
    made.probability, made.tie, made.rule_id = proposal.probability, proposal.tie, proposal.rule_id
    made.evidence = [[label, weight] for label, weight in proposal.evidence]
    made.run = run
    return [getattr(made, name) for name in _FILLED] != before


def _create(account: Account, method: str, fresh: Mapping[str, CodedProposal], run: MatchRun | None) -> None:
    about = {"organization_id": account.organization_id, "account": account, "method": method}
    made_of = {mark: Match(fingerprint=mark, **about) for mark in fresh}
    for mark, proposal in fresh.items():
        _fill(made_of[mark], proposal, run)
    Match.objects.bulk_create(made_of.values(), batch_size=_BATCH)
    rows, codings = [], []
    for mark, proposal in fresh.items():
        made = made_of[mark]
        rows.append(MatchLine(match=made, statement_line_id=proposal.line_id, amount=proposal.amount))
        codings += coding_rows(made, proposal.codings, proposal.contact_name)
    MatchLine.objects.bulk_create(rows, batch_size=_BATCH)
    MatchCoding.objects.bulk_create(codings, batch_size=_BATCH)

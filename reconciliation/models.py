"""Tables of matching: runs, matches with their rows and codings, decisions, rules, weights, sign-offs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from reconciliation.bulk_models import BulkApproval as BulkApproval
from reconciliation.bulk_models import BulkRow as BulkRow
from reconciliation.job_models import Job
from reconciliation.rule_models import BackTest as BackTest
from reconciliation.rule_models import Rule as Rule
from reconciliation.rule_models import RuleDismissal as RuleDismissal
from reconciliation.rule_models import RuleSplit as RuleSplit
from reconciliation.rule_models import RuleVersion as RuleVersion
from reconciliation.weight_sets import WeightActivation as WeightActivation
from reconciliation.weight_sets import WeightLearning as WeightLearning
from reconciliation.weight_sets import WeightSet as WeightSet

USER = settings.AUTH_USER_MODEL


class MatchRun(Job):
    """One pass of the engine over a bank account's open lines: the row is the job."""

    account = models.ForeignKey("ledger.Account", on_delete=models.CASCADE, related_name="match_runs")
    # Only rows newer than the pass before, against everything open; else all open rows.
    incremental = models.BooleanField(default=False)
    lines = models.PositiveIntegerField(default=0)
    proposals = models.PositiveIntegerField(default=0)
    # Of its proposals: how many approval rules have confirmed without a person.
    approved = models.PositiveIntegerField(default=0)
    # The newest rows this pass may have seen: a later one asks for the next pass.
    last_line_id = models.BigIntegerField(default=0)
    last_posting_id = models.BigIntegerField(default=0)
    # Of the last rows up to there (`L1`, `P2`) those it saw; empty where a later pass has looked since.
    seen = models.JSONField(default=list)
    # The index of open rows on disk that it wrote.
    index_key = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state__in=["queued", "running"]),
                name="one_open_match_run_an_account",
            ),
        ]

    def __str__(self) -> str:
        return f"Match run {self.pk}"


class Match(models.Model):
    """A proposed or confirmed grouping of statement lines with postings and open documents."""

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        CONFIRMED = "confirmed", "Confirmed"
        REJECTED = "rejected", "Rejected"
        UNDONE = "undone", "Undone"

    class Method(models.TextChoices):
        ENGINE = "engine", "Engine"
        PERSON = "person", "Person"
        CODED = "coded", "Booked from the line"
        RULE = "rule", "Bank rule"
        CATEGORY = "category", "Suggested category"

    class DifferenceKind(models.TextChoices):
        NONE = "", "No difference"
        ROUNDING = "rounding", "Rounding"
        FEE = "fee", "Fee"
        DISCOUNT = "discount", "Discount"
        PART = "part", "Part payment"
        OVERPAID = "overpaid", "Paid too much"
        TRANSPOSED = "transposed", "Digits changed places"
        OTHER = "other", "Not explained"

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="matches")
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    method = models.CharField(max_length=12, choices=Method, default=Method.ENGINE)
    probability = models.FloatField(null=True, blank=True, help_text="Calibrated")
    raw_probability = models.FloatField(null=True, blank=True, help_text="As the weights gave it")
    levels = models.JSONField(default=dict, help_text="Feature -> position of its level, to learn from")
    weights_version = models.PositiveIntegerField(default=0, help_text="0: the built-in weights")
    tie = models.BooleanField(default=False)
    difference = models.BigIntegerField(default=0, help_text="Lines minus entries, minor units")
    difference_kind = models.CharField(
        max_length=10, choices=DifferenceKind, default=DifferenceKind.NONE, blank=True,
        help_text="What the difference probably is",
    )  # fmt: skip
    evidence = models.JSONField(default=list, help_text="[label, weight] rows")
    alternatives = models.JSONField(default=list, help_text="What a tie is with: lines, entries, probability")
    fingerprint = models.CharField(
        max_length=64, help_text="Hash of the rows it groups: a rejected one is not proposed again"
    )
    run = models.ForeignKey(MatchRun, on_delete=models.SET_NULL, null=True, related_name="+")
    # The version of the bank rule that coded it.
    rule = models.ForeignKey(
        "reconciliation.RuleVersion", on_delete=models.PROTECT, null=True, related_name="matches"
    )
    # The rows it was proposed with: the line under which queues show it, how many lines, how many entries.
    line = models.ForeignKey("ledger.StatementLine", on_delete=models.PROTECT, null=True, related_name="led")
    line_count = models.PositiveIntegerField(default=0)
    entry_count = models.PositiveIntegerField(default=0)
    # The document (payment, coded bank transaction, difference) that confirming it posted.
    document = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "state"], name="match_state"),
            models.Index(fields=["account", "fingerprint"], name="match_fingerprint"),
        ]

    def __str__(self) -> str:
        return f"Match {self.pk}"


class MatchRows(models.QuerySet["MatchLine"]):
    """Rows are added through here: their match then knows how many it has and which line leads it."""

    def bulk_create(self, objs: Iterable[MatchLine], *args: Any, **kwargs: Any) -> list[MatchLine]:
        made = super().bulk_create(objs, *args, **kwargs)
        shape({row.match_id for row in made if not row.match.line_count})
        return made


def shape(matches: Iterable[int]) -> None:
    """Write down the leading line and the numbers of rows of these matches."""
    ids = sorted(matches)
    rows = MatchLine.objects.filter(match=OuterRef("pk")).order_by()
    lines, entries = rows.filter(statement_line__isnull=False), rows.filter(statement_line__isnull=True)
    for start in range(0, len(ids), 500):
        Match.objects.filter(pk__in=ids[start : start + 500]).update(
            line=Subquery(lines.order_by("statement_line").values("statement_line")[:1]),
            line_count=_count(lines),
            entry_count=_count(entries),
        )


def _count(rows: QuerySet[MatchLine]) -> Coalesce:
    return Coalesce(Subquery(rows.values("match").annotate(count=Count("pk")).values("count")), 0)


class MatchLine(models.Model):
    """One row of a match: exactly one of a statement line, a posting or an open document."""

    match = models.ForeignKey(Match, on_delete=models.CASCADE, related_name="rows")
    statement_line = models.ForeignKey(
        "ledger.StatementLine", on_delete=models.PROTECT, null=True, related_name="match_rows"
    )
    posting = models.ForeignKey(
        "ledger.Posting", on_delete=models.PROTECT, null=True, related_name="match_rows"
    )
    document = models.ForeignKey(
        "ledger.Document", on_delete=models.PROTECT, null=True, related_name="match_rows"
    )
    amount = models.BigIntegerField()
    confirmed = models.BooleanField(default=False, help_text="Copy of the match's state, for the constraints")

    objects = MatchRows.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=(
                    Q(statement_line__isnull=False, posting__isnull=True, document__isnull=True)
                    | Q(statement_line__isnull=True, posting__isnull=False, document__isnull=True)
                    | Q(statement_line__isnull=True, posting__isnull=True, document__isnull=False)
                ),
                name="match_row_is_exactly_one",
            ),
            models.UniqueConstraint(
                fields=["statement_line"], condition=Q(confirmed=True), name="one_confirmed_match_a_line"
            ),
            models.UniqueConstraint(
                fields=["posting"], condition=Q(confirmed=True), name="one_confirmed_match_a_posting"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount}"


class MatchCoding(models.Model):
    """A part of a bank line that confirming the match books straight to an account."""

    match = models.ForeignKey(Match, on_delete=models.CASCADE, related_name="codings")
    position = models.PositiveSmallIntegerField(default=0)
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField(help_text="Minor units, signed as the bank line")
    description = models.CharField(max_length=240, blank=True)
    contact_name = models.CharField(max_length=200, blank=True)
    is_difference = models.BooleanField(default=False, help_text="What rows and lines differ by, booked away")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["match", "position"], name="one_coding_a_position"),
            models.CheckConstraint(condition=~Q(amount=0), name="coding_is_not_nothing"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} to {self.account}"


class Confirmation(models.Model):
    """Who prepared, confirmed, rejected or undid what, when; append-only."""

    class Action(models.TextChoices):
        PREPARE = "prepare", "Prepared"
        CONFIRM = "confirm", "Confirmed"
        REJECT = "reject", "Rejected"
        UNDO = "undo", "Undone"

    match = models.ForeignKey(Match, on_delete=models.CASCADE, related_name="confirmations")
    action = models.CharField(max_length=8, choices=Action)
    by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    note = models.CharField(max_length=300, blank=True)
    # The auto-approval rule under which it was confirmed without a person (`by` is empty then).
    rule = models.ForeignKey(
        "reconciliation.RuleVersion", on_delete=models.PROTECT, null=True, related_name="confirmations"
    )

    def __str__(self) -> str:
        return f"{self.action} of match {self.match_id}"


# ── duplicates, notes, limits, sign-off ───────────────────────────────────────────────────────────────


class Suspicion(models.Model):
    """Two statement lines that may be one payment, or one that the bank may have charged twice."""

    class Kind(models.TextChoices):
        SAME_PAYMENT = "same", "The same payment by two ways"
        CHARGED_TWICE = "twice", "Charged twice by the bank"
        PENDING = "pending", "A pending line and its booking"

    class Verdict(models.TextChoices):
        OPEN = "", "Open"
        DUPLICATE = "duplicate", "Duplicate"
        BOTH_REAL = "both_real", "Both are real"
        REPORTED = "reported", "Reported to the bank"

    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="suspicions")
    kind = models.CharField(max_length=7, choices=Kind)
    line = models.ForeignKey("ledger.StatementLine", on_delete=models.CASCADE, related_name="suspicions")
    other = models.ForeignKey("ledger.StatementLine", on_delete=models.CASCADE, related_name="+")
    reasons = models.JSONField(default=list, help_text="In words")
    created_at = models.DateTimeField(default=timezone.now)
    verdict = models.CharField(max_length=9, choices=Verdict, default=Verdict.OPEN, blank=True)
    decided_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)
    # What the bank gave back for a charge that was reported to it.
    credit = models.ForeignKey(
        "ledger.StatementLine", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "verdict"], name="suspicion_verdict")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["line", "other"], name="one_suspicion_a_pair"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.line}"


class LineNote(models.Model):
    """What somebody said about a statement line; stays for whoever looks at it next.

    A question waits for an answer until anybody says something after it.
    """

    line = models.ForeignKey("ledger.StatementLine", on_delete=models.CASCADE, related_name="notes")
    text = models.CharField(max_length=500)
    by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    question = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def pieces(self) -> list[tuple[str, NoteMention | None]]:
        """The text in pieces, those that name somebody with whom."""
        pieces: list[tuple[str, NoteMention | None]] = [(self.text, None)]
        for made in self.mentions.all():
            text, rest = next(
                ((text, place) for place, (text, known) in enumerate(pieces)
                 if known is None and made.written in text), ("", -1),
            )  # fmt: skip
            if rest >= 0:
                before, after = text.split(made.written, 1)
                pieces[rest : rest + 1] = [(before, None), (made.written, made), (after, None)]
        return [piece for piece in pieces if piece[0]]


class NoteMention(models.Model):
    """Somebody named in a note: told by e-mail once, the row is the job."""

    note = models.ForeignKey(LineNote, on_delete=models.CASCADE, related_name="mentions")
    user = models.ForeignKey(USER, on_delete=models.CASCADE, related_name="+")
    written = models.CharField(max_length=200, help_text="As the note names them, with the @")
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["note", "user"], name="one_mention_a_person"),
        ]

    def __str__(self) -> str:
        return self.written


class DifferenceLimit(models.Model):
    """How large a difference a role may write off with one match, in base-currency minor units."""

    organization = models.ForeignKey(
        "access.Organization", on_delete=models.CASCADE, related_name="difference_limits"
    )
    role = models.CharField(max_length=12)
    amount = models.BigIntegerField(null=True, blank=True, help_text="Empty: no limit")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "role"], name="one_difference_limit_a_role"),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.amount}"


class SignOff(models.Model):
    """A bank or clearing account reconciled up to a day and signed; reopened, it stands as history.

    Amounts are minor units of `currency`: opening + lines = closing, and the books at `end` less what is
    outstanding are the closing balance. Of a clearing account the books are both sides: opening, postings
    and closing are its balances, `outstanding` what no payout has settled. `report` keeps the items as they
    were printed.
    """

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="sign_offs")
    currency = models.CharField(max_length=3)
    start = models.DateField()
    end = models.DateField()
    opening = models.BigIntegerField()
    lines = models.PositiveIntegerField(default=0, help_text="How many bank lines the period had")
    lines_total = models.BigIntegerField()
    closing = models.BigIntegerField()
    books = models.BigIntegerField()
    outstanding = models.BigIntegerField()
    report = models.JSONField(default=dict)
    note = models.CharField(max_length=500, blank=True)
    signed_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    signed_at = models.DateTimeField(default=timezone.now)
    reopened_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    reopened_at = models.DateTimeField(null=True, blank=True)
    reopen_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints: ClassVar = [
            # A clearing account is signed off currency by currency.
            models.UniqueConstraint(
                fields=["account", "currency", "end"],
                condition=Q(reopened_at__isnull=True),
                name="one_sign_off_a_day",
            ),
            models.CheckConstraint(
                condition=Q(closing=models.F("opening") + models.F("lines_total")), name="sign_off_adds_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} up to {self.end}"


class ClearingVerdict(models.Model):
    """What a person said of two rows of a clearing account, a debit and a credit of `amount` (minor units):
    that they cancel, or that they do not belong together. The row is the state: deleting it (audited) undoes.

    `debit_item` and `credit_item` name an item of the payout (`pairing.item_key`); empty: the document.
    """

    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="clearing_verdicts")
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    debit = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, related_name="+")
    debit_item = models.CharField(max_length=250, blank=True)
    credit = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, related_name="+")
    credit_item = models.CharField(max_length=250, blank=True)
    together = models.BooleanField()
    note = models.CharField(max_length=300, blank=True)
    by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "currency", "debit", "debit_item"],
                condition=Q(together=True),
                name="one_clearing_pair_a_debit",
            ),
            models.UniqueConstraint(
                fields=["account", "currency", "credit", "credit_item"],
                condition=Q(together=True),
                name="one_clearing_pair_a_credit",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="clearing_pair_is_of_something"),
        ]

    def __str__(self) -> str:
        return f"{self.debit} and {self.credit}"

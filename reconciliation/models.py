"""Tables of matching: runs, matches and their lines, confirmations."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

USER = settings.AUTH_USER_MODEL


class MatchRun(models.Model):
    """One pass of the engine over a bank account's open lines: the row is the job."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    account = models.ForeignKey("ledger.Account", on_delete=models.CASCADE, related_name="match_runs")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    lines = models.PositiveIntegerField(default=0)
    proposals = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    # The newest rows this pass may have seen: a later one asks for the next pass.
    last_line_id = models.BigIntegerField(default=0)
    last_posting_id = models.BigIntegerField(default=0)
    requested_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")

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

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="matches")
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    method = models.CharField(max_length=12, default="engine", help_text="engine, person, rule, coded")
    probability = models.FloatField(null=True, blank=True)
    tie = models.BooleanField(default=False)
    difference = models.BigIntegerField(default=0, help_text="Lines minus entries, minor units")
    evidence = models.JSONField(default=list, help_text="[label, weight] rows")
    alternatives = models.JSONField(default=list, help_text="What a tie is with: lines, entries, probability")
    fingerprint = models.CharField(
        max_length=64, help_text="Hash of the rows it groups: a rejected one is not proposed again"
    )
    run = models.ForeignKey(MatchRun, on_delete=models.SET_NULL, null=True, related_name="+")
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

    def __str__(self) -> str:
        return f"{self.action} of match {self.match_id}"

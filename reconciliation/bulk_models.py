"""Tables of bulk approval: the act that is the job, and what it takes; a part of the app's models."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

USER = settings.AUTH_USER_MODEL


class BulkApproval(models.Model):
    """Everything from a probability up approved as one act: the row is the job, and so is its undoing."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Approving"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        UNDOING = "undoing", "Undoing"
        UNDONE = "undone", "Undone"

    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="bulk_approvals")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    least = models.FloatField(help_text="The probability from which it takes proposals")
    expected_wrong = models.FloatField(help_text="Sum of 1 - probability over what it takes")
    requested_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    # The last sign of life of whoever works on it; older than a few minutes, it is taken up anew.
    touched_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    undo_requested_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    undo_requested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(state__in=["queued", "running", "undoing"]),
                name="one_open_bulk_an_account",
            ),
        ]

    def __str__(self) -> str:
        return f"Bulk approval {self.pk}"


class BulkRow(models.Model):
    """One proposal of a bulk approval, and what became of it."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Approved"
        FAILED = "failed", "Not approved"
        UNDONE = "undone", "Undone"

    bulk = models.ForeignKey(BulkApproval, on_delete=models.CASCADE, related_name="rows")
    # Empty once a pass or another decision has replaced the proposal.
    match = models.ForeignKey("reconciliation.Match", on_delete=models.SET_NULL, null=True, related_name="+")
    line = models.ForeignKey("ledger.StatementLine", on_delete=models.CASCADE, related_name="+")
    amount = models.BigIntegerField(help_text="Of its bank lines, minor units")
    probability = models.FloatField()
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["bulk", "state"], name="bulk_row_state")]

    def __str__(self) -> str:
        return f"{self.line}: {self.get_state_display()}"

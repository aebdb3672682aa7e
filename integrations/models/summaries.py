"""Tables of documents that go out summed up: the summaries, and which entry of the books is in which."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.intake import Integration


class Summary(models.Model):
    """Entries of one currency that go to a destination as one: what a source's documents booked on a day, or
    what the documents that a payout settles booked in a month.

    `period` is that day, or the first of that month; `day` the day it is booked on over there.
    """

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="summaries")
    source = models.ForeignKey("ledger.Source", on_delete=models.PROTECT, null=True, related_name="+")
    payout = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, null=True, related_name="+")
    period = models.DateField()
    day = models.DateField()
    currency = models.CharField(max_length=3)
    due_at = models.DateTimeField(help_text="Before it nothing is sent: more is expected to come")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "summaries"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(source__isnull=False, payout__isnull=True)
                | Q(source__isnull=True, payout__isnull=False),
                name="summary_is_of_a_day_or_a_payout",
            ),
            models.UniqueConstraint(
                fields=["integration", "source", "period", "currency"],
                condition=Q(source__isnull=False),
                name="one_summary_a_day",
            ),
            models.UniqueConstraint(
                fields=["integration", "payout", "period", "currency"],
                condition=Q(payout__isnull=False),
                name="one_summary_a_payout_and_month",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["integration", "day"], name="summary_day")]

    def __str__(self) -> str:
        """`Shop orders, 2 March 2026, USD`; `Payout po_1, March 2026, USD`."""
        if self.payout is not None:
            return f"{self.payout}, {self.day:%B %Y}, {self.currency}"
        source = self.source.label if self.source else ""
        return f"{source}, {self.day.day} {self.day:%B %Y}, {self.currency}"


class Summed(models.Model):
    """Where an entry goes that goes out summed up: once there it stays there, so that nothing is told twice.

    `summary` is None while it waits for the payout that settles its document; `revision` says from which
    delivery of the summary on it is contained, None while it is in none yet (0: nothing had to be sent).
    """

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="+")
    entry = models.ForeignKey("ledger.Entry", on_delete=models.PROTECT, related_name="summed")
    document = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, related_name="summed")
    summary = models.ForeignKey(Summary, on_delete=models.PROTECT, null=True, related_name="parts")
    revision = models.PositiveIntegerField(null=True)
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "summed entries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "entry"], name="one_summary_an_entry"),
            models.CheckConstraint(
                condition=Q(summary__isnull=False) | Q(revision__isnull=True), name="what_waits_is_in_nothing"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["integration", "document"], name="summed_document"),
            models.Index(
                fields=["integration", "since"],
                condition=Q(summary__isnull=True),
                name="summed_waiting",
            ),
            models.Index(fields=["summary"], condition=Q(revision__isnull=True), name="summed_untold"),
        ]

    def __str__(self) -> str:
        return f"Entry {self.entry_id} in {self.summary or 'nothing yet'}"

"""The table of month-end revaluation: what each balance was carried at, and what it was worth."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

USER = settings.AUTH_USER_MODEL


class RevaluedBalance(models.Model):
    """A balance in another currency brought to its value at a month's end, once; undone, it is history.

    `amount` in minor units of `currency`; the rest in base minor units: carried at `before`, worth `value`.
    """

    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="revalued_balances")
    currency = models.CharField(max_length=3)
    day = models.DateField()
    amount = models.BigIntegerField()
    before = models.BigIntegerField()
    value = models.BigIntegerField()
    realised = models.BigIntegerField()
    unrealised = models.BigIntegerField()
    rate = models.DecimalField(max_digits=24, decimal_places=12)
    rate_day = models.DateField()
    turned = models.BooleanField(help_text="Whether the unrealised part is turned round on the next day")
    # None where nothing had to be booked: the balance was carried at its value.
    document = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, null=True, related_name="+")
    made_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    undone_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)
    undo_reason = models.CharField(max_length=240, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "currency", "day"],
                condition=Q(undone_at__isnull=True),
                name="one_revaluation_a_month",
            ),
            models.CheckConstraint(
                condition=Q(value=F("before") + F("realised") + F("unrealised")), name="revaluation_adds_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} in {self.currency} at {self.day}"

    @property
    def difference(self) -> int:
        return self.realised + self.unrealised

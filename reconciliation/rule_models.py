"""Tables of rules: what each version says, where it books, and what nobody wants a rule for."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from reconciliation.job_models import Job

USER = settings.AUTH_USER_MODEL


class Rule(models.Model):
    """A bank rule or an auto-approval rule; what it says is in its versions."""

    class Kind(models.TextChoices):
        BANK = "bank", "Bank rule"
        APPROVAL = "approval", "Auto-approval"

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField(default=0, help_text="Bank rules: the first that applies wins")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "kind", "name"], name="one_rule_a_name"),
        ]

    def __str__(self) -> str:
        return self.name


class RuleVersion(models.Model):
    """What a rule says; immutable once proposed. Only the active version of a rule is applied."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PROPOSED = "proposed", "Waits for approval"
        ACTIVE = "active", "Active"
        SUPERSEDED = "superseded", "Superseded"
        EXPIRED = "expired", "Expired"
        RETIRED = "retired", "Switched off"

    class Sign(models.TextChoices):
        ANY = "", "In or out"
        IN = "in", "Money in"
        OUT = "out", "Money out"

    class Level(models.TextChoices):
        ANY = "", "Any evidence"
        AMOUNT = "amount", "Amount agrees exactly"
        REFERENCE = "reference", "Amount exact, and its reference or batch is named"

    rule = models.ForeignKey(Rule, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    account = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="Only lines of this bank account",
    )  # fmt: skip
    # A bank rule's conditions; all that are given must hold. Amounts in minor units, without sign.
    contains = models.TextField(blank=True, help_text="One text a line: any of them in the bank text")
    sign = models.CharField(max_length=3, choices=Sign, default=Sign.ANY, blank=True)
    minimum = models.BigIntegerField(null=True, blank=True)
    maximum = models.BigIntegerField(null=True, blank=True, help_text="Of an auto-approval too")
    contact_name = models.CharField(max_length=200, blank=True)
    # An auto-approval's conditions.
    match_kind = models.CharField(max_length=12, blank=True, help_text="one to one, ...; bank rule; category")
    level = models.CharField(max_length=9, choices=Level, default=Level.ANY, blank=True)
    min_probability = models.FloatField(null=True, blank=True)
    # The back-test as it was shown: figures and the ids of lines and matches, never summed.
    backtest = models.JSONField(null=True, blank=True)
    made_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    approved_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "number"], name="one_rule_version_a_number"),
            models.UniqueConstraint(
                fields=["rule"], condition=Q(state="active"), name="one_active_version_a_rule"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} v{self.number}"


class BackTest(Job):
    """A request to try a version of a rule on the past; what it finds is kept with the version."""

    version = models.ForeignKey(RuleVersion, on_delete=models.CASCADE, related_name="backtests")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(state__in=["queued", "running"]),
                name="one_open_backtest_a_version",
            ),
        ]

    def __str__(self) -> str:
        return f"Back-test of {self.version}"


class RuleSplit(models.Model):
    """Where a bank rule books a part of the line: a share of it, a fixed amount, or (neither) the rest."""

    version = models.ForeignKey(RuleVersion, on_delete=models.CASCADE, related_name="splits")
    position = models.PositiveSmallIntegerField()
    account = models.ForeignKey("ledger.Account", on_delete=models.PROTECT, related_name="+")
    percent = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    amount = models.BigIntegerField(null=True, blank=True, help_text="Minor units, without sign")
    tax_percent = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    tax_account = models.ForeignKey(
        "ledger.Account", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    description = models.CharField(max_length=240, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "position"], name="one_split_a_position"),
            models.CheckConstraint(
                condition=Q(percent__isnull=True) | Q(amount__isnull=True), name="split_is_share_or_amount"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version} part {self.position}"


class RuleDismissal(models.Model):
    """A rule suggested from repeated decisions that somebody does not want: it is not suggested again."""

    organization = models.ForeignKey("access.Organization", on_delete=models.CASCADE, related_name="+")
    text = models.CharField(max_length=240, help_text="As texts are compared: folded")
    account = models.ForeignKey("ledger.Account", on_delete=models.CASCADE, related_name="+")
    dismissed_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    dismissed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "text", "account"], name="one_rule_dismissal_a_habit"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.text} to {self.account}"

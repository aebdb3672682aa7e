"""Tables of getting documents out: routes, names over there, deliveries, differences."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from integrations.models.intake import ApiCall, Integration

USER = settings.AUTH_USER_MODEL


class Route(models.Model):
    """Documents of a source that go to a destination, and how: each by itself, or summed up."""

    class Mode(models.TextChoices):
        EACH = "each", "Each document by itself"
        DAILY = "daily", "One summary a day"
        PAYOUT = "payout", "One summary a payout"

    destination = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="routes")
    source = models.ForeignKey("ledger.Source", on_delete=models.PROTECT, related_name="+")
    mode = models.CharField(max_length=6, choices=Mode, default=Mode.EACH)
    start_date = models.DateField(help_text="Documents before it stay here")
    enabled = models.BooleanField(default=True)
    # Documents changed before it have been looked at.
    looked_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["destination", "source"], name="one_route_a_source"),
        ]

    def __str__(self) -> str:
        return f"{self.source} to {self.destination}"


class Listed(models.Model):
    """One thing of theirs as last listed: an account, a tax code, a contact."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="listed")
    what = models.CharField(max_length=8)
    external_id = models.CharField(max_length=120)
    name = models.CharField(max_length=240)
    group = models.CharField(max_length=120, blank=True)
    code = models.CharField(max_length=60, blank=True)
    active = models.BooleanField(default=True)
    listed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "what", "external_id"], name="one_listed_an_id"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}".strip()


class NameMap(models.Model):
    """What the destination calls something of ours: an account by its code, a tax rate, a contact."""

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="names")
    what = models.CharField(max_length=8)
    ours = models.CharField(max_length=120)
    theirs = models.CharField(max_length=120)
    set_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    set_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["integration", "what", "ours"], name="one_name_of_ours"),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.ours}"


class Delivery(models.Model):
    """One document (or one summary) on its way to a destination: the row is the job.

    `key` is the idempotency key: the same on every try of this revision. `external_id` and
    `external_version` say what stands over there after it.
    """

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        SENDING = "sending", "Being sent"
        UNCERTAIN = "uncertain", "Answer lost: asking"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Needs you"
        DISMISSED = "dismissed", "Left out"

    class Action(models.TextChoices):
        CREATE = "create", "Create"
        UPDATE = "update", "Change"
        VOID = "void", "Void"

    OPEN = (State.PLANNED, State.SENDING, State.UNCERTAIN)

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="deliveries")
    document = models.ForeignKey(
        "ledger.Document", on_delete=models.PROTECT, null=True, blank=True, related_name="deliveries"
    )
    summary = models.CharField(max_length=120, blank=True, help_text="Its source and day or payout")
    kind = models.CharField(max_length=20)
    revision = models.PositiveIntegerField(default=1)
    action = models.CharField(max_length=6, choices=Action, default=Action.CREATE)
    content_hash = models.CharField(max_length=64, blank=True)
    payment_mark = models.CharField(max_length=120, blank=True, help_text="What had become of an invoice")
    reference = models.CharField(max_length=40, help_text="Ours, looked for before sending again")
    key = models.UUIDField(unique=True)
    request_hash = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=9, choices=State, default=State.PLANNED)
    attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    lease = models.CharField(max_length=40, blank=True)
    external_id = models.CharField(max_length=120, blank=True)
    external_version = models.CharField(max_length=60, blank=True)
    external_number = models.CharField(max_length=60, blank=True)
    adopted = models.BooleanField(default=False, help_text="Found there when asked, not answered to us")
    error = models.CharField(max_length=1000, blank=True)
    call = models.ForeignKey(ApiCall, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(document__isnull=False, summary="") | (Q(document__isnull=True) & ~Q(summary="")),
                name="delivery_is_of_a_document_or_a_summary",
            ),
            models.UniqueConstraint(
                fields=["integration", "document", "revision"],
                condition=Q(document__isnull=False),
                name="one_delivery_a_revision",
            ),
            models.UniqueConstraint(
                fields=["integration", "summary", "revision"],
                condition=~Q(summary=""),
                name="one_delivery_a_summary_revision",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["integration", "state", "not_before"], name="delivery_due"),
            models.Index(fields=["integration", "external_id"], name="delivery_external"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.document or self.summary}"


class DeliveryLink(models.Model):
    """A delivery settles (part of) another document, an invoice or a bill, which must be there before it."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="links")
    document = models.ForeignKey("ledger.Document", on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField(help_text="Minor units, positive")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["delivery", "document"], name="one_link_a_document"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery} settles {self.document}"


class Difference(models.Model):
    """Something the daily comparison found on one side only, or not alike; closed when it is gone."""

    class Kind(models.TextChoices):
        MISSING = "missing", "Missing over there"
        CHANGED = "changed", "Differs over there"
        FOREIGN = "foreign", "Only over there"

    integration = models.ForeignKey(Integration, on_delete=models.CASCADE, related_name="differences")
    kind = models.CharField(max_length=8, choices=Kind)
    document = models.ForeignKey("ledger.Document", on_delete=models.CASCADE, null=True, related_name="+")
    external_id = models.CharField(max_length=120, blank=True)
    what = models.CharField(max_length=300, help_text="In words")
    found_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.what

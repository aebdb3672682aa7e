"""Tables of what the engine learned: weights by version, which are in use since when, requests to learn."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

USER = settings.AUTH_USER_MODEL


class WeightSet(models.Model):
    """Log-odds of every level and the calibration, learned from decisions; immutable, one a version.

    `report` holds the reliability on decisions that were held out, before and after.
    """

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    version = models.PositiveIntegerField()
    weights = models.JSONField(help_text="Feature -> log-odds of its levels, in their order")
    calibration = models.JSONField(default=list, help_text="[as given, as it comes true] in rising order")
    report = models.JSONField(default=dict)
    decisions = models.PositiveIntegerField(help_text="Confirmed and rejected matches it was learned from")
    made_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "version"], name="one_weight_set_a_version"),
        ]

    def __str__(self) -> str:
        return f"Weights v{self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("learned weights never change: learn a new version")
        super().save(*args, **kwargs)


class WeightActivation(models.Model):
    """From when on which weights are used (none: the built-in ones), and who said so; append-only."""

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    weights = models.ForeignKey(WeightSet, on_delete=models.PROTECT, null=True, related_name="activations")
    by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.weights or 'Built-in weights'} from {self.at}"


class WeightLearning(models.Model):
    """A request to learn weights from what people decided: the row is the job."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    organization = models.ForeignKey("access.Organization", on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    message = models.CharField(max_length=300, blank=True)
    made = models.ForeignKey(WeightSet, on_delete=models.PROTECT, null=True, related_name="+")
    requested_by = models.ForeignKey(USER, on_delete=models.SET_NULL, null=True, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization"],
                condition=Q(state__in=["queued", "running"]),
                name="one_open_learning_an_organization",
            ),
        ]

    def __str__(self) -> str:
        return f"Learning asked for at {self.requested_at}"

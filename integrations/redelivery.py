"""What people decide about deliveries: try again, send ours over what was changed there."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F

from integrations import delivery
from integrations.models import Delivery, Integration


def retry(deliveries: Sequence[int], integration: Integration) -> int:
    """Try again what had failed; what may have arrived is asked for first."""
    count = Delivery.objects.filter(
        pk__in=deliveries, integration=integration, state=Delivery.State.FAILED
    ).update(state=Delivery.State.UNCERTAIN, not_before=None, error="", finished_at=None)
    if count:
        delivery.enqueue(integration)
    return count


def replace_theirs(held: Delivery) -> bool:
    """Let a delivery that was held replace the very version it was held for; False where it is not held."""
    rows = Delivery.objects.filter(pk=held.pk, state=Delivery.State.FAILED).exclude(held_version="")
    return bool(rows.update(allowed_version=F("held_version"))) and bool(retry([held.pk], held.integration))

"""What people decide about deliveries: try again, send ours over what was changed there."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F

from integrations import delivery, revisions
from integrations.models import Delivery, Difference, Integration


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


@transaction.atomic
def send_again(difference: Difference) -> Delivery | None:
    """Make anew what is missing over there, or send ours over what stands there in the version that was
    compared; None where something is on its way already, or there is nothing of ours to send."""
    last = difference.delivery
    revisions.hold_planning(difference.integration)
    if last is None or not _stands(last):
        return None
    later = Delivery.objects.filter(
        integration=last.integration, document=last.document, summary=last.summary
    ).order_by("-revision")
    if later.filter(state__in=Delivery.OPEN).exists():
        return None
    later.filter(state=Delivery.State.FAILED).update(
        state=Delivery.State.DISMISSED, error="Replaced: it was sent again."
    )
    missing = difference.kind == Difference.Kind.MISSING
    action = Delivery.Action.CREATE if missing else Delivery.Action.UPDATE
    newest = later[0]
    made = revisions.delivery_of(
        last.integration, last.subject, action, newest.revision + 1, last.content_hash, mark=last.payment_mark
    )
    if not missing and difference.counterpart is not None:
        made.allowed_version = difference.counterpart.version
    made.save()
    delivery.enqueue(last.integration)
    return made


def _stands(row: Delivery) -> bool:
    """Whether our books still say what was delivered."""
    return row.document is None or row.document.content_hash == row.content_hash

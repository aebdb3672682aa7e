"""What people decide about deliveries: try again, send ours over what was changed there."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations import delivery, links, outbox, revisions
from integrations.models import Counterpart, Delivery, Difference, Integration


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
    missing = difference.kind == Difference.Kind.MISSING
    action = Delivery.Action.CREATE if missing else Delivery.Action.UPDATE
    made = _next(difference, action, instead="it was sent again")
    if made is None:
        return None
    if not missing and difference.counterpart is not None:
        made.allowed_version = difference.counterpart.version
    made.save()
    delivery.enqueue(difference.integration)
    return made


@transaction.atomic
def link(difference: Difference) -> Delivery | None:
    """What people keyed anew is ours from now on, as if we had delivered it; None where it changed meanwhile,
    or something of ours is on its way."""
    theirs = difference.counterpart
    if theirs is None or theirs.ours or theirs.state != Counterpart.State.STANDING:
        return None
    made = _next(difference, Delivery.Action.CREATE, instead="it is what people keyed anew there")
    if made is None:
        return None
    made.state, made.adopted, made.finished_at = Delivery.State.DELIVERED, True, timezone.now()
    made.external_id, made.external_version = theirs.external_id, theirs.version
    made.external_number, made.fingerprint = theirs.number[:60], theirs.fingerprint
    made.save()
    links.attach(outbox.destination(difference.integration), [made])
    Counterpart.objects.filter(pk=theirs.pk).update(ours=True, held=None)
    return made


def _next(difference: Difference, action: str, *, instead: str) -> Delivery | None:
    """The next revision of what a difference is about, unsaved; what had failed gives way to it. None where
    the difference is no more what it was."""
    last = difference.delivery
    revisions.hold_planning(difference.integration)
    if last is None or not _stands(last):
        return None
    rows = Delivery.objects.filter(
        integration=last.integration, document=last.document, summary=last.summary
    ).order_by("-revision")
    delivered = rows.filter(state=Delivery.State.DELIVERED).first()
    if rows.filter(state__in=Delivery.OPEN).exists() or delivered != last:
        return None
    rows.filter(state=Delivery.State.FAILED).update(
        state=Delivery.State.DISMISSED, error=f"Replaced: {instead}."
    )
    return revisions.delivery_of(
        last.integration, last.subject, action, rows[0].revision + 1, last.content_hash,
        mark=last.payment_mark,
    )  # fmt: skip


def _stands(row: Delivery) -> bool:
    """Whether our books still say what was delivered."""
    return row.document is None or row.document.content_hash == row.content_hash

"""What people decide about deliveries: try again, send ours over what was changed there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
    compared; None where something is on its way already, or there is nothing of ours to send. What was sent
    in parts is taken back but for its first, and laid out anew."""
    missing = difference.kind == Difference.Kind.MISSING
    action = Delivery.Action.CREATE if missing else Delivery.Action.UPDATE
    last = _to_be_sent(difference, instead="it was sent again")
    if last is None:
        return None
    made = _laid_out_anew(last, action) if last.parts else _as_before(last, action)
    if not missing and difference.counterpart is not None:
        Delivery.objects.filter(pk=made.pk).update(allowed_version=difference.counterpart.version)
    delivery.enqueue(difference.integration)
    return made


def _as_before(last: Delivery, action: str, **how: Any) -> Delivery:
    """The next revision, which says and settles what the last one did."""
    made = revisions.again(last, action, revisions.newest(last) + 1)
    for name, value in how.items():
        setattr(made, name, value)
    made.save()
    revisions.carry_over(last, made)
    return made


def _laid_out_anew(last: Delivery, action: str) -> Delivery:
    """The next revision of a first part, behind voids of the others; these come again when it is sent."""
    steps = [*revisions.taken_off(last.integration, last.subject), (action, 0)]
    number, mark = revisions.newest(last), last.payment_mark
    fresh = revisions.numbered(last.integration, last.subject, steps, number, last.content_hash, mark=mark)
    links.attach(outbox.destination(last.integration), Delivery.objects.bulk_create(fresh))
    return fresh[-1]


@transaction.atomic
def link(difference: Difference) -> Delivery | None:
    """What people keyed anew is ours from now on, as if we had delivered it; None where it changed meanwhile,
    or something of ours is on its way."""
    theirs = difference.counterpart
    if theirs is None or theirs.ours or theirs.state != Counterpart.State.STANDING:
        return None
    last = _to_be_sent(difference, instead="it is what people keyed anew there")
    if last is None:
        return None
    made = _as_before(
        last,
        Delivery.Action.CREATE,
        state=Delivery.State.DELIVERED,
        adopted=True,
        finished_at=timezone.now(),
        external_id=theirs.external_id,
        external_version=theirs.version,
        external_number=theirs.number[:60],
        fingerprint=theirs.fingerprint,
    )
    Counterpart.objects.filter(pk=theirs.pk).update(ours=True, held=None)
    return made


def _to_be_sent(difference: Difference, *, instead: str) -> Delivery | None:
    """The delivery that a difference is about; what had failed gives way to the one to come. None where the
    difference is no more what it was. Nothing is planned until the transaction ends."""
    last = difference.delivery
    revisions.hold_planning(difference.integration)
    if last is None or not _stands(last):
        return None
    rows = revisions.of_subject(last).order_by("-revision")
    delivered = rows.filter(state=Delivery.State.DELIVERED, part=last.part).first()
    if rows.filter(state__in=Delivery.OPEN).exists() or delivered != last:
        return None
    rows.filter(state=Delivery.State.FAILED).update(
        state=Delivery.State.DISMISSED, error=f"Replaced: {instead}."
    )
    return last


def _stands(row: Delivery) -> bool:
    """Whether our books still say what was delivered."""
    return row.document is None or row.document.content_hash == row.content_hash

"""Revisions: what has to happen over there when a document or a summary is new, changed or gone."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from integrations.destination import Takes
from integrations.models import Delivery, Integration, Route, Summary
from ledgerhub.ledger.models import Document

SPACE = uuid.UUID("6d6e8a8e-2f0b-5d0c-9a6b-5c1f3f6f2a41")
# Summaries are journal entries over there.
SUMMARY_KIND = "journal_entry"
# What changed this long before the last look is looked at again: transactions overlap.
OVERLAP = dt.timedelta(minutes=10)


def deliveries(
    integration: Integration,
    subject: Document | Summary,
    takes: Takes | None,
    *,
    content_hash: str,
    mark: str = "",
    stands: bool,
    there: bool,
    last: int,
) -> list[Delivery]:
    """Create, change (or void and create again), or void, unsaved, after revision `last`; none where nothing
    is to be done. `stands`: whether it stands here, `there`: whether it was to stand over there until now;
    `mark`: what had become of an invoice."""
    given_way = last > 0 and _may_be_there(integration, subject)
    known = there or given_way
    return [
        delivery_of(integration, subject, action, last + position, content_hash, mark=mark)
        for position, action in enumerate(_actions(takes, stands=stands, known=known), start=1)
    ]


def _may_be_there(integration: Integration, subject: Document | Summary) -> bool:
    """Whether a delivery that had failed may have arrived all the same; all of them give way, as does what
    waits for a name, which the new version may not need."""
    failed = Delivery.objects.filter(
        Q(state=Delivery.State.FAILED) | Delivery.UNNAMED,
        integration=integration,
        **{_field(subject): subject},
    )
    # What was tried more than once may have arrived: it is asked for before anything new is sent.
    lost = failed.filter(attempts__gt=1)
    known = lost.filter(action=Delivery.Action.CREATE).exists()
    lost.update(state=Delivery.State.UNCERTAIN, attempts=1, not_before=None, error="", finished_at=None)
    failed.update(state=Delivery.State.DISMISSED, error=f"Replaced: the {_field(subject)} changed.")
    return known


def _field(subject: Document | Summary) -> str:
    return "summary" if isinstance(subject, Summary) else "document"


def _actions(takes: Takes | None, *, stands: bool, known: bool) -> Sequence[str]:
    if not stands:
        return [Delivery.Action.VOID] if known else []
    if not known:
        return [Delivery.Action.CREATE]
    if takes is not None and takes.update is not None:
        return [Delivery.Action.UPDATE]
    return [Delivery.Action.VOID, Delivery.Action.CREATE]


def delivery_of(
    integration: Integration,
    subject: Document | Summary,
    action: str,
    revision: int,
    content_hash: str,
    *,
    mark: str = "",
) -> Delivery:
    name = f"S{subject.pk}" if isinstance(subject, Summary) else str(subject.pk)
    what: dict[str, Any] = {_field(subject): subject}
    return Delivery(
        integration=integration,
        **what,
        kind=SUMMARY_KIND if isinstance(subject, Summary) else subject.kind,
        revision=revision,
        action=action,
        content_hash=content_hash,
        payment_mark=mark,
        reference=f"LH-{name}-{revision}",
        key=uuid.uuid5(SPACE, f"{integration.pk}:{name}:{revision}"),
    )


def hold_planning(integration: Integration) -> None:
    """Until the transaction ends nobody plans for this destination; always in one order, so that two who
    want it wait for each other only once."""
    list(Route.objects.select_for_update().filter(destination=integration).order_by("pk"))


def replace(delivery: Delivery) -> None:
    """The change becomes a void, and after it comes a creation."""
    create, void = Delivery.Action.CREATE, Delivery.Action.VOID
    with transaction.atomic():
        hold_planning(delivery.integration)
        later = Delivery.objects.filter(
            integration=delivery.integration,
            document=delivery.document,
            summary=delivery.summary,
            revision__gt=delivery.revision,
        )
        if following := later.filter(state__in=Delivery.OPEN).order_by("revision").first():
            Delivery.objects.filter(pk=following.pk, action=Delivery.Action.UPDATE).update(action=create)
        else:
            last = later.order_by("-revision").first() or delivery
            delivery_of(
                delivery.integration,
                delivery.subject,
                create,
                last.revision + 1,
                delivery.content_hash,
                mark=delivery.payment_mark,
            ).save()
        Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease).update(action=void)
    delivery.action = void

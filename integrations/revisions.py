"""Revisions: what has to happen over there when a document or a summary is new, changed or gone."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from integrations.destination import JournalLine, Piece, Takes
from integrations.models import Delivery, DeliveryLine, DeliveryLink, Integration, Route, Summary
from ledgerhub.ledger.models import Document

SPACE = uuid.UUID("6d6e8a8e-2f0b-5d0c-9a6b-5c1f3f6f2a41")
# Summaries are journal entries over there.
SUMMARY_KIND = "journal_entry"
# A part that waits for the first to arrive.
UNTOUCHED = Q(part__gt=0, state=Delivery.State.PLANNED, attempts=0, action=Delivery.Action.CREATE)
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
    in_parts: bool = False,
) -> list[Delivery]:
    """Create, change (or void and create again), or void, unsaved, after revision `last`; none where nothing
    is to be done. `stands`: whether it stands here, `there`: whether it was to stand over there until now;
    `mark`: what had become of an invoice. What went there in parts (`in_parts`) is taken back but for its
    first: how it stands there next is decided when that is sent."""
    given_way = last > 0 and _may_be_there(integration, subject)
    known = there or given_way
    steps = taken_off(integration, subject) if in_parts else []
    steps += [(action, 0) for action in _actions(takes, stands=stands, known=known)]
    return numbered(integration, subject, steps, last, content_hash, mark=mark)


Step = tuple[str, int]  # an action, and the part it is about


def numbered(
    integration: Integration,
    subject: Document | Summary,
    steps: Sequence[Step],
    last: int,
    content_hash: str,
    *,
    mark: str = "",
) -> list[Delivery]:
    """Unsaved, one after the other from revision `last` on."""
    return [
        delivery_of(integration, subject, action, last + position, content_hash, mark=mark, part=part)
        for position, (action, part) in enumerate(steps, start=1)
    ]


def taken_off(integration: Integration, subject: Document | Summary) -> list[Step]:
    """Voids of the parts behind the first that stand over there or may, the last one first; those that have
    not set out are called off."""
    rows = Delivery.objects.filter(integration=integration, part__gt=0, **{_field(subject): subject})
    rows.filter(UNTOUCHED).update(
        state=Delivery.State.DISMISSED, error=f"Replaced: the {_field(subject)} changed."
    )
    sent = rows.exclude(state=Delivery.State.DISMISSED).order_by("revision")
    newest = dict(sent.values_list("part", "action"))
    return [
        (Delivery.Action.VOID, part)
        for part in sorted(newest, reverse=True)
        if newest[part] != Delivery.Action.VOID
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
    known = lost.filter(action=Delivery.Action.CREATE, part=0).exists()
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
    part: int = 0,
) -> Delivery:
    name = f"S{subject.pk}" if isinstance(subject, Summary) else str(subject.pk)
    what: dict[str, Any] = {_field(subject): subject}
    return Delivery(
        integration=integration,
        **what,
        kind=SUMMARY_KIND if isinstance(subject, Summary) else subject.kind,
        revision=revision,
        part=part,
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
        gather(delivery)
        rows = of_subject(delivery)
        later = rows.filter(revision__gt=delivery.revision, part=delivery.part, state__in=Delivery.OPEN)
        if following := later.order_by("revision").first():
            Delivery.objects.filter(pk=following.pk, action=Delivery.Action.UPDATE).update(action=create)
        else:
            made = again(delivery, create, newest(delivery) + 1)
            made.save()
            carry_over(delivery, made)
        Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease).update(action=void)
    delivery.action = void


def again(delivery: Delivery, action: str, revision: int) -> Delivery:
    """The next revision of what a delivery is about, unsaved."""
    made = delivery_of(
        delivery.integration,
        delivery.subject,
        action,
        revision,
        delivery.content_hash,
        mark=delivery.payment_mark,
        part=delivery.part,
    )
    made.parts, made.of_first = delivery.parts, delivery.of_first
    return made


# ── in parts ────────────────────────────────────────────────────────────────────────────────────────


def of_subject(delivery: Delivery) -> QuerySet[Delivery]:
    """All of the document or summary that it is about, over there."""
    return Delivery.objects.filter(
        integration=delivery.integration, document=delivery.document, summary=delivery.summary
    )


def newest(delivery: Delivery) -> int:
    """The last revision that its document or summary has."""
    return of_subject(delivery).order_by("-revision").values_list("revision", flat=True)[0]


def lay_out(delivery: Delivery, pieces: Sequence[Piece]) -> None:
    """The parts that follow the first one, which is about to be sent: a delivery each, with its lines and
    what it settles. To be called under `hold_planning`, in the transaction that commits the sending. Where
    the document has changed meanwhile, its next revision lays them out."""
    gather(delivery)
    newer = of_subject(delivery).filter(part=0, revision__gt=delivery.revision)
    if len(pieces) == 1 or newer.exclude(state=Delivery.State.DISMISSED).exists():
        return
    steps = [(Delivery.Action.CREATE, part) for part in range(1, len(pieces))]
    fresh = numbered(delivery.integration, delivery.subject, steps, newest(delivery), delivery.content_hash)
    for one, piece in zip(fresh, pieces[1:], strict=True):
        one.of_first = piece.of_first
    all_of_them = list(zip([delivery, *Delivery.objects.bulk_create(fresh)], pieces, strict=True))
    settled = {link.document for piece in pieces for link in piece.links}
    delivery.links.filter(document__in=settled).delete()
    DeliveryLink.objects.bulk_create(
        DeliveryLink(delivery=one, document_id=link.document, amount=link.amount)
        for one, piece in all_of_them
        for link in piece.links
    )
    DeliveryLine.objects.bulk_create(
        DeliveryLine(delivery=one, **line._asdict()) for one, piece in all_of_them for line in piece.journal
    )
    delivery.parts = len(pieces)
    delivery.save(update_fields=["parts"])


def gather(delivery: Delivery) -> None:
    """As if it had not been laid out: parts that have not set out are no more, and what they were to settle
    is the first one's again."""
    if not delivery.parts:
        return
    waiting = of_subject(delivery).filter(UNTOUCHED)
    rows = DeliveryLink.objects.filter(Q(delivery__in=waiting) | Q(delivery=delivery))
    amounts: dict[int, int] = defaultdict(int)
    for document, amount in rows.values_list("document", "amount"):
        amounts[document] += amount
    rows.delete()
    waiting.delete()
    delivery.lines.all().delete()
    DeliveryLink.objects.bulk_create(
        DeliveryLink(delivery=delivery, document_id=document, amount=amount)
        for document, amount in amounts.items()
    )
    delivery.parts = 0
    delivery.save(update_fields=["parts"])


def carry_over(before: Delivery, made: Delivery) -> None:
    """What a delivery said and settled, said and settled by the one that comes in its stead."""
    DeliveryLink.objects.bulk_create(
        DeliveryLink(delivery=made, document_id=row.document_id, amount=row.amount)
        for row in before.links.order_by("pk")
    )
    lines = before.lines.order_by("pk").values_list(*JournalLine._fields)
    DeliveryLine.objects.bulk_create(
        DeliveryLine(delivery=made, **JournalLine(*line)._asdict()) for line in lines
    )

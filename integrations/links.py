"""What a delivery settles: the invoices and bills that must be there before it, and how much goes to each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from integrations import revisions
from integrations.destination import Destination, Link, Made
from integrations.models import Delivery, DeliveryLink, Integration, Route, Summed
from ledgerhub.ledger import named
from ledgerhub.ledger.force import in_force, stands
from ledgerhub.ledger.models import Allocation, Document, Posting

# In which account what a document settles was open.
_OPEN_IN = ("receivable", "payable")
_TO_STAND = (Delivery.Action.CREATE, Delivery.Action.UPDATE)
_UNDONE = (*Delivery.OPEN, Delivery.State.FAILED)
_UNDER_WAY = (Delivery.State.SENDING, Delivery.State.UNCERTAIN)


class Share(NamedTuple):
    """How much of a document (by its id) another one settles, in minor units."""

    document: int
    amount: int


# ── planned ─────────────────────────────────────────────────────────────────────────────────────────


def attach(takes: Destination, deliveries: Sequence[Delivery]) -> None:
    """Keep what these new deliveries settle, where the system can be told."""
    if not takes.settles:
        return
    going = [one for one in deliveries if one.action in _TO_STAND and one.document is not None]
    shares = shares_of([one.document for one in going if one.document is not None])
    DeliveryLink.objects.bulk_create(
        DeliveryLink(delivery=one, document_id=share.document, amount=share.amount)
        for one in going
        for share in shares.get(one.document_id or 0, ())
    )


def shares_of(documents: Sequence[Document]) -> dict[int, list[Share]]:
    """What each document settles: as allocated by people, else all of it as the document itself says."""
    found: dict[int, list[Share]] = {}
    rows = Allocation.objects.filter(by__in=documents, document__kind__in=named.SETTLED).order_by("pk")
    for by, settled, part in rows.values_list("by", "document", "amount"):
        found.setdefault(by, []).append(Share(settled, part))
    targets = named.targets([one for one in documents if one.pk not in found])
    amounts = _open_amounts(targets)
    for pk, target in targets.items():
        if amount := amounts.get(pk):
            found[pk] = [Share(target, amount)]
    return found


def _open_amounts(documents: Iterable[int]) -> dict[int, int]:
    """What each document posted to receivables or payables, without its sign."""
    rows = Posting.objects.filter(
        in_force("entry__"),
        entry__document__in=list(documents),
        account__role__in=_OPEN_IN,
    )
    sums = rows.order_by().values("entry__document").annotate(whole=Sum("amount"))
    return {row["entry__document"]: abs(row["whole"]) for row in sums}


# ── waited for ──────────────────────────────────────────────────────────────────────────────────────


def held_up(takes: Destination) -> Exists:
    """Whether a delivery (the outer row) waits for what it settles: planned, or about to be; an outer query
    of planned ones asks. What is to be taken back is not waited for: its void waits for us."""
    there = Delivery.objects.filter(
        integration=OuterRef("delivery__integration"), document=OuterRef("document")
    )
    undone = there.filter(state__in=_UNDONE)
    void_after = undone.filter(action=Delivery.Action.VOID, pk__gt=OuterRef("delivery"))
    coming = undone.filter(action__in=_TO_STAND)
    route = Route.objects.filter(
        destination=OuterRef("delivery__integration"),
        source=OuterRef("document__source"),
        enabled=True,
        mode=Route.Mode.EACH,
        start_date__lte=OuterRef("document__date"),
    )
    kinds = [one.kind for one in takes.takes]
    # What goes out summed up never stands there by itself.
    summed = Summed.objects.filter(
        integration=OuterRef("delivery__integration"), document=OuterRef("document")
    )
    expected = Q(document__kind__in=kinds) & Exists(route) & stands("document")
    unplanned = ~Exists(there) & ~Exists(summed) & expected
    return Exists(
        DeliveryLink.objects.filter(delivery=OuterRef("pk"))
        .filter(Exists(coming) | unplanned)
        .exclude(Exists(void_after))
    )


def waiting(takes: Destination, deliveries: Iterable[Delivery]) -> dict[int, str]:
    """Delivery -> what it waits for, in words; of those that wait."""
    ids = [one.pk for one in deliveries if one.state == Delivery.State.PLANNED]
    held = Delivery.objects.filter(held_up(takes), pk__in=ids) if ids and takes.settles else ()
    return {one.pk: _waits_words(one) for one in held}


def _waits_words(delivery: Delivery) -> str:
    documents = Document.objects.filter(pk__in=delivery.links.values("document"))
    rows = Delivery.objects.filter(integration_id=delivery.integration_id, document__in=documents)
    why = "which is still on its way"
    if rows.filter(state=Delivery.State.FAILED).exists():
        why = "which needs you"
    elif rows.filter(state__in=Delivery.OPEN).exclude(lacks="").exists():
        why = "which waits until names are chosen"
    return f"Waits for {', '.join(str(one) for one in documents)}, {why}."


# ── sent ────────────────────────────────────────────────────────────────────────────────────────────


def links_of(takes: Destination, delivery: Delivery) -> list[tuple[Link, Document]]:
    """What the delivery settles of what stands over there, with our document; nothing of what is there in a
    form that cannot be settled, is in another currency, or has nothing open left."""
    found = []
    for document, whole in _shares(delivery):
        made = standing(delivery.integration, document)
        amount = min(whole, _still_open(takes, delivery, document))
        same = delivery.document is not None and delivery.document.currency == document.currency
        if made and entity_of(made.id) in takes.settles and same and amount > 0:
            found.append((Link(document.kind, made, amount, document.currency, document.pk), document))
    return found


def _shares(delivery: Delivery) -> list[tuple[Document, int]]:
    """What it settles, with what the parts were to settle that wait for it: they are laid out anew."""
    rows = Q(delivery=delivery)
    if delivery.parts:
        waiting = Delivery.objects.filter(revisions.UNTOUCHED, document=delivery.document)
        rows |= Q(delivery__in=waiting.filter(integration=delivery.integration))
    found: dict[Document, int] = {}
    for row in DeliveryLink.objects.filter(rows).select_related("document__contact").order_by("pk"):
        found[row.document] = found.get(row.document, 0) + row.amount
    return list(found.items())


def first_of(delivery: Delivery) -> Link | None:
    """The first part of what the delivery is a part of, as it stands, with what it settles of it; None where
    that does not stand."""
    made = standing(delivery.integration, delivery.document, summary=delivery.summary)
    if made is None:
        return None
    subject = delivery.subject
    return Link(delivery.kind, made, delivery.of_first, subject.currency)


def entity_of(external_id: str) -> str:
    """`Invoice:129` -> Invoice."""
    return external_id.partition(":")[0]


def standing(
    integration: Integration, document: Document | None, *, part: int = 0, **more: Any
) -> Made | None:
    """What stands over there of a document, or of a part of it (`more` narrows its deliveries); None where
    nothing does."""
    rows = Delivery.objects.filter(
        integration=integration, document=document, part=part, state=Delivery.State.DELIVERED, **more
    )
    last = rows.order_by("-revision").first()
    if last is None or last.action == Delivery.Action.VOID:
        return None
    return Made(last.external_id, last.external_version, last.external_number, fingerprint=last.fingerprint)


def _still_open(takes: Destination, delivery: Delivery, document: Document) -> int:
    """What our books say is open of it, without what goes to it before us."""
    owed = _open_amounts([document.pk]).get(document.pk, 0)
    before = _settling(delivery.integration, document).exclude(document=delivery.document)
    before = before.filter(Q(state=Delivery.State.DELIVERED) | Q(pk__lt=delivery.pk))
    return owed - sum(_newest(takes, before, document).values())


def applied(takes: Destination, delivery: Delivery) -> int:
    """How much of the delivery's document others settle over there."""
    if delivery.document is None or delivery.document.kind not in named.SETTLED:
        return 0
    rows = _settling(delivery.integration, delivery.document).exclude(state=Delivery.State.PLANNED)
    return sum(_newest(takes, rows, delivery.document).values())


def holders(takes: Destination, delivery: Delivery) -> list[Document]:
    """Documents that settle the delivery's over there: while they do, it cannot be taken back."""
    if delivery.document is None or not takes.settles or delivery.document.kind not in named.SETTLED:
        return []
    rows = _settling(delivery.integration, delivery.document).exclude(state=Delivery.State.PLANNED)
    ids = _newest(takes, rows, delivery.document)
    return list(Document.objects.filter(pk__in=ids).order_by("pk"))


def _settling(integration: Integration, document: Document) -> QuerySet[Delivery]:
    """Deliveries that settle the document, done or on their way, each the last of its document's part."""
    own = Delivery.objects.filter(
        integration=integration, document=OuterRef("document"), part=OuterRef("part")
    )
    later = own.filter(revision__gt=OuterRef("revision"), state=Delivery.State.DELIVERED)
    rows = Delivery.objects.filter(integration=integration, links__document=document, action__in=_TO_STAND)
    return rows.filter(state__in=(*Delivery.OPEN, Delivery.State.DELIVERED)).filter(~Exists(later))


def _newest(takes: Destination, rows: QuerySet[Delivery], document: Document) -> dict[int, int]:
    """Settling document -> how much it settles, all its parts together. One that arrived in a form that
    settles nothing does not count."""
    entities = {name for names in takes.settles.values() for name in names}
    newest = {
        (one.document_id, one.part): one
        for one in rows.order_by("revision")
        if one.document_id and (one.state in Delivery.OPEN or entity_of(one.external_id) in entities)
    }
    found: dict[int, int] = defaultdict(int)
    links = DeliveryLink.objects.filter(delivery__in=newest.values(), document=document)
    for by, amount in links.values_list("delivery__document", "amount"):
        found[by] += amount
    return dict(found)

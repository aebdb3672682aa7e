"""A delivery becomes a parcel: the document or the summary, what it posted, and the names over there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from integrations import links, registry, revisions, summing
from integrations.destination import (
    Destination,
    JournalLine,
    LeftOut,
    Link,
    Made,
    Parcel,
    Party,
    Piece,
    Takes,
    What,
)
from integrations.models import Delivery, DeliveryLine, Integration, Listed, NameMap, Summary
from integrations.run_words import plural
from ledgerhub.core.errors import FieldError, RecordError
from ledgerhub.ledger import drafts, invoice_payments
from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Account, ContactIdentity, Document, Posting
from ledgerhub.ledger.payment_state import PaymentState

_WORDS: Mapping[str, str] = {
    "account": "account",
    "bank": "bank account",
    "tax": "tax code",
    "contact": "contact",
    "item": "item",
}

SUPPLIED = ("bill", "bill_payment")


class Unnamed(RecordError):
    """Nobody has chosen yet what something of ours is called over there; `lacks`: `account:1100`."""

    def __init__(self, what: What, key: str, words: str) -> None:
        super().__init__([FieldError(what, key, words)])
        self.lacks = f"{what}:{key}"


class NamesThere:
    """What the destination calls things of ours, read once a slice; contacts when they are asked for."""

    def __init__(self, integration: Integration) -> None:
        self._integration = integration
        self._label = registry.connector(integration).label
        rows = NameMap.objects.filter(integration=integration).exclude(what="contact")
        self._known = {(row.what, row.ours): row.theirs for row in rows}
        self._groups: dict[tuple[str, str], str] | None = None

    def __call__(self, what: What, key: str) -> str:
        found = self._known.get((what, key))
        if found is None and what == "contact":
            row = NameMap.objects.filter(integration=self._integration, what=what, ours=key).first()
            found = row.theirs if row else None
        if not found:
            raise Unnamed(what, key, self._missing(what, key))
        return found

    def group(self, what: What, key: str) -> str:
        """How the thing is sorted over there, as listed; read when it is first asked for."""
        if self._groups is None:
            rows = Listed.objects.filter(integration=self._integration).exclude(group="")
            columns = rows.values_list("what", "external_id", "group")
            self._groups = {(kind, one): group for kind, one, group in columns}
        return self._groups.get((what, self(what, key)), "")

    def through(self, role: str, group: str) -> str:
        """The first account of ours of that role whose name over there is in that group."""
        rows = Account.objects.filter(organization_id=self._integration.organization_id, role=role)
        codes = list(rows.filter(archived_at__isnull=True).order_by("code").values_list("code", flat=True))
        named = [code for code in codes if ("account", code) in self._known]
        fitting = [code for code in named if self.group("account", code) == group]
        if fitting:
            return fitting[0]
        if codes and not named:
            raise Unnamed("account", codes[0], self._missing("account", codes[0]))
        words = role.replace("_", " ")
        raise RecordError(
            f"It takes several documents in {self._label}, which meet on {words}: give an account of ours"
            f" with the role {words} the name of theirs."
        )

    def _missing(self, what: str, key: str) -> str:
        ours = self._account_words(key) if what in ("account", "bank", "item") else f"'{key}'"
        return f"No {_WORDS[what]} of {self._label} is chosen for {ours}. Choose one on the page of names."

    def _account_words(self, code: str) -> str:
        account = Account.objects.filter(organization_id=self._integration.organization_id, code=code).first()
        return str(account) if account else f"account {code}"


def parcel(takes: Destination, delivery: Delivery, names: NamesThere) -> Parcel:
    """The parcel of a document's or a summary's delivery, all but the contact's id."""
    spec = registry.connector(delivery.integration)
    summary = delivery.summary
    said = _of_summary(delivery, summary, takes) if summary else _of_document(delivery, takes)
    first = links.first_of(delivery) if delivery.part else None
    if delivery.part and first is None and delivery.action == Delivery.Action.CREATE:
        raise LeftOut("The first part of it does not stand there, on which this one builds.")
    return Parcel(
        reference=_reference(delivery),
        draft=said.draft,
        journal=_lines(delivery) if delivery.part else said.journal,
        settings=spec.with_defaults(delivery.integration.settings),
        names=names,
        party=said.party,
        made=standing(delivery),
        paid=said.paid,
        links=said.links,
        applied=links.applied(takes, delivery),
        base=delivery.integration.organization.base_currency,
        part=delivery.part,
        first=first,
    )


def pieces(takes: Takes, parcel: Parcel) -> Sequence[Piece]:
    """How it goes there: whole, or in parts."""
    if parcel.part or takes.split is None:
        return (Piece(parcel.journal, parcel.links),)
    return takes.split(parcel)


def as_first(parcel: Parcel, laid: Sequence[Piece]) -> Parcel:
    """The parcel of the first piece."""
    return parcel if len(laid) == 1 else replace(parcel, journal=laid[0].journal, links=laid[0].links)


def as_sent(parcel: Parcel, delivery: Delivery) -> Parcel:
    """The parcel as it went when it was sent before."""
    return replace(parcel, journal=_lines(delivery)) if delivery.parts else parcel


def _lines(delivery: Delivery) -> tuple[JournalLine, ...]:
    """What a part says."""
    return tuple(JournalLine(*row) for row in delivery.lines.order_by("pk").values_list(*JournalLine._fields))


class _Said(NamedTuple):
    """What a document or a summary says, wherever it goes."""

    draft: dict[str, Any]
    journal: tuple[JournalLine, ...]
    party: Party | None
    paid: PaymentState | None = None
    links: tuple[Link, ...] = ()


def _of_document(delivery: Delivery, takes: Destination) -> _Said:
    document = delivery.document
    if document is None:
        raise AssertionError(f"delivery {delivery.pk} is of nothing")
    settled = links.links_of(takes, delivery)
    party = _party(document, [one for _, one in settled], known_by=registry.scope(delivery.integration))
    paid = invoice_payments.of(document) if document.kind in takes.follows else None
    return _Said(_draft(document), _journal(document), party, paid, tuple(link for link, _ in settled))


def _of_summary(delivery: Delivery, summary: Summary, takes: Destination) -> _Said:
    """As it was planned: what has come since goes with the next revision."""
    journal = summing.lines(summary, upto=delivery.revision)
    return _Said(_summary_draft(summary, delivery), journal, _stand_in(journal, takes))


def standing(delivery: Delivery) -> Made | None:
    """What earlier deliveries of the same document left over there; None where nothing stands, or where it is
    made anew whatever stood there."""
    if delivery.action == Delivery.Action.CREATE:
        return None
    return links.standing(
        delivery.integration,
        delivery.document,
        part=delivery.part,
        summary=delivery.summary,
        revision__lt=delivery.revision,
    )


def _before(delivery: Delivery) -> Any:
    return Delivery.objects.filter(
        integration=delivery.integration,
        document=delivery.document,
        summary=delivery.summary,
        part=delivery.part,
        revision__lt=delivery.revision,
        state=Delivery.State.DELIVERED,
    )


def _reference(delivery: Delivery) -> str:
    """Of a change or a void: the reference under which the document was made over there."""
    if delivery.action == Delivery.Action.CREATE:
        return delivery.reference
    made = _before(delivery).filter(action=Delivery.Action.CREATE).order_by("-revision").first()
    return made.reference if made else delivery.reference


def _draft(document: Document) -> dict[str, Any]:
    """The document's draft, its number filled in where it has none."""
    data = drafts.load(document.data)
    return data if data.get("number") else {**data, "number": document.number or document.external_id}


def _journal(document: Document) -> tuple[JournalLine, ...]:
    """What stands in the books for it, one line a posting, debits first."""
    rows = Posting.objects.filter(in_force("entry__"), entry__document=document)
    return tuple(JournalLine(*row) for row in rows.order_by("entry_id", "-amount", "pk").values_list(*_LINE))


_LINE = ("account__code", "amount", "currency", "memo", "account__role", "entry__date")


def _summary_draft(summary: Summary, delivery: Delivery) -> dict[str, Any]:
    count = summing.documents(summary, upto=delivery.revision).count()
    return {
        "kind": revisions.SUMMARY_KIND,
        "external_id": delivery.reference,
        "number": str(summary),
        "date": summary.day,
        "currency": summary.currency,
        "memo": plural(count, "document"),
    }


def _stand_in(journal: tuple[JournalLine, ...], takes: Destination) -> Party | None:
    """Whom a summary is with where it books to what customers owe, or what is owed to suppliers: one
    customer or supplier over there stands for all."""
    roles = {line.role for line in journal}
    if not takes.nobody or not roles & {"receivable", "payable"}:
        return None
    return nobody("invoice" if "receivable" in roles else "bill", takes.nobody)


def journals(deliveries: Sequence[Delivery]) -> dict[int, tuple[JournalLine, ...]]:
    """What stands in the books for each of these deliveries, by its id; of a summary as it was planned, of a
    part as it was sent."""
    whole = [one for one in deliveries if not (one.part or one.parts)]
    by_document = {one.document_id: one.pk for one in whole if one.document_id}
    rows = Posting.objects.filter(in_force("entry__"), entry__document__in=by_document)
    found: dict[int, list[JournalLine]] = defaultdict(list)
    for document, *line in rows.order_by("pk").values_list("entry__document", *_LINE):
        found[by_document[document]].append(JournalLine(*line))
    parts = [one.pk for one in deliveries if one.part or one.parts]
    lines = DeliveryLine.objects.filter(delivery__in=parts) if parts else DeliveryLine.objects.none()
    for pk, *line in lines.order_by("pk").values_list("delivery", *JournalLine._fields):
        found[pk].append(JournalLine(*line))
    said = {pk: tuple(each) for pk, each in found.items()}
    return said | {
        one.pk: summing.lines(one.summary, upto=one.revision) for one in whole if one.summary is not None
    }


def _party(document: Document, settled: Sequence[Document], *, known_by: str) -> Party | None:
    """Whom it is with: of what settles an invoice, the invoice's customer, whoever paid. `known_by`: the
    scope of ids of contacts that came from over there."""
    owing = {one.contact for one in settled}
    contact = owing.pop() if len(owing) == 1 else document.contact
    if contact is None:
        return None
    supplier = document.kind in SUPPLIED or any(one.kind in SUPPLIED for one in settled)
    # Some systems keep suppliers apart from customers: who is both is two of them there.
    key = f"{contact.pk}-supplier" if supplier else str(contact.pk)
    ids = ContactIdentity.objects.filter(contact=contact, scope=known_by, merged_into="")
    known = ids.order_by("-external_id").first()
    return Party(key, contact.name, contact.email, supplier, known.external_id if known else "")


def nobody(kind: str, name: str) -> Party:
    """Whom a document is with that names nobody, where the destination wants somebody."""
    supplier = kind in SUPPLIED
    return Party("nobody-supplier" if supplier else "nobody", name, supplier=supplier)

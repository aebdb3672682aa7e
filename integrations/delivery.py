"""Documents go out, each once: the row is the job, and whoever lost an answer asks before sending again."""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from django_q.tasks import async_task

from integrations import alerts, facing, holding, leases, outbox, parcels, recipients, revisions
from integrations.answers import Busy, Invalid, Moved, NotFound
from integrations.client import Client
from integrations.connection import Calls, connect
from integrations.destination import (
    Batch,
    Destination,
    LeftOut,
    Made,
    Parcel,
    Piece,
    Preparation,
    Refused,
    Takes,
    Write,
)
from integrations.models import ApiCall, Delivery, Integration
from integrations.parcels import NamesThere
from integrations.payloads import canonical, digest_of
from integrations.run_words import plural
from integrations.spec import Read
from integrations.sync import backoff
from ledgerhub.core.errors import LedgerHubError, RecordError, TransientError

log = logging.getLogger(__name__)

SLICE_SECONDS = 40.0
MAX_ATTEMPTS = 12
CHOOSING = dt.timedelta(hours=1)  # how long whoever sets it up may take to choose names, untold
FIRST_ASK = 5.0  # seconds before we ask for what may have arrived: lists lag behind writes


class _Stop(Exception):
    """Nothing more can be sent now."""


class _Waits(TransientError):
    """Another delivery has to go first: nothing was sent."""


class Ready(NamedTuple):
    """A delivery about to be sent: its request, and the pieces that its document goes in."""

    delivery: Delivery
    write: Write
    laid: Sequence[Piece] = ()

    @property
    def in_parts(self) -> bool:
        return len(self.laid) > 1 or bool(self.delivery.parts and self.laid)


@dataclass(frozen=True)
class Van:
    """A worker on its round: the integration, what it takes, the line to it, the names over there."""

    integration: Integration
    takes: Destination
    client: Client
    calls: Calls
    names: NamesThere
    there: facing.AccountsThere

    def of(self, delivery: Delivery) -> Takes:
        found = self.takes.of(delivery.kind)
        if found is None:
            raise RecordError(f"{self.client.connector.label} does not take this kind of document.")
        return found

    def addressed(self, delivery: Delivery, takes: Takes, parcel: Parcel) -> Parcel:
        """The parcel with its party over there. Raises Unnamed where a name is still to be chosen, before
        anybody is asked for or made there; what may have arrived is asked for all the same."""
        if delivery.attempts == 1 and delivery.action != Delivery.Action.VOID and self.takes.wants_names:
            _refuse_unnamed(takes, parcel)
        return recipients.addressed(self.integration, self.takes, self.client, takes, parcel)


def _refuse_unnamed(takes: Takes, parcel: Parcel) -> None:
    try:
        first = parcels.as_first(parcel, parcels.pieces(takes, parcel))
        takes.create(replace(first, contact=parcel.contact or "?"))
    except parcels.Unnamed:
        raise
    except RecordError:
        return  # its party may mend that


# ── asking for work ─────────────────────────────────────────────────────────────────────────────────


def enqueue(integration: Integration) -> None:
    async_task("integrations.tasks.deliver_slice", integration.pk)


def is_due(integration: Integration) -> bool:
    return leases.due(integration, outbox.destination(integration)).exists()


def run_slice(integration_id: int) -> None:
    """Plan, then send what is due until the slice's time is up; safe to call twice, or twice at once."""
    integration = Integration.objects.select_related("organization").get(pk=integration_id)
    if integration.state not in (Integration.State.ACTIVE, Integration.State.ATTENTION):
        return
    began = timezone.now()
    planned = outbox.plan(integration)
    leases.free_named(integration)
    deadline = time.monotonic() + SLICE_SECONDS
    client, calls = connect(integration, purpose="deliver")
    try:
        with client:
            takes, names = outbox.destination(integration), NamesThere(integration)
            van = Van(integration, takes, client, calls, names, facing.AccountsThere(integration))
            if van.takes.preparation and is_due(integration):
                _prepare(van, van.takes.preparation)
            while time.monotonic() < deadline and _round(van):
                pass
    except _Stop:
        return
    finally:
        calls.save()
    _recovered(integration, since=began)
    if planned or is_due(integration):
        enqueue(integration)


def _recovered(integration: Integration, *, since: dt.datetime) -> None:
    """What went well ends what a person was told: the last failure is gone, or something got through."""
    rows = Delivery.objects.filter(integration=integration)
    if not rows.filter(state=Delivery.State.FAILED).exists():
        alerts.recover(integration, key=_key_of(integration))
    if rows.filter(state=Delivery.State.DELIVERED, finished_at__gte=since).exists():
        alerts.restore(integration)
    _tell_of_names(integration)


def _tell_of_names(integration: Integration) -> None:
    """What waits for names is told, but not while somebody is about to choose them."""
    key, waiting = f"names:{integration.pk}", leases.unnamed(integration)
    first = waiting.first()
    if first is None:
        alerts.recover(integration, key=key)
    elif first.created_at < timezone.now() - CHOOSING:
        count = waiting.count()
        words = f"{plural(count, 'document')} {'waits' if count == 1 else 'wait'} until names are chosen."
        alerts.raise_incident(integration, key=key, message=f"{integration}: {words}")


def _round(van: Van) -> bool:
    """Send one batch, or one delivery; False when nothing is due."""
    batch = van.takes.batch
    claimed = leases.claim(van.integration, van.takes, batch.size if batch else 1)
    new = [one for one in claimed if one.action == Delivery.Action.CREATE]
    fresh = [one for one in new if one.attempts == 1]
    lost = [one for one in new if one.attempts > 1]
    together = fresh if batch and len(fresh) > 1 else []
    handled: list[Delivery] = []
    try:
        if batch and batch.ask and len(lost) > 1:
            together = [*together, *_absent(van, batch.ask, lost)]
            handled = lost
        if together:
            _send_together(van, together)
        for delivery in claimed:
            if delivery not in together and delivery not in handled:
                _send_alone(van, delivery)
    finally:
        leases.let_go(claimed)
    return bool(claimed)


def _prepare(van: Van, preparation: Preparation) -> None:
    """What everything that is sent builds on is there, or nothing is sent."""
    try:
        write = preparation.lacking(van.client.look_for(preparation.ask))
        if write is not None:
            van.client.write(write, key="")
    except TransientError as error:
        leases.postpone(van.integration, van.takes, error.retry_after or FIRST_ASK)
        raise _Stop from None
    except LedgerHubError as error:
        _needs_a_person(van, str(error))
        raise _Stop from None


# ── one ─────────────────────────────────────────────────────────────────────────────────────────────


def _send_alone(van: Van, delivery: Delivery) -> None:
    try:
        _deliver(van, delivery)
    except LedgerHubError as error:
        _failed(van, delivery, error)


def _deliver(van: Van, delivery: Delivery) -> None:
    takes = van.of(delivery)
    parcel = parcels.parcel(van.takes, delivery, van.names)
    if delivery.action == Delivery.Action.VOID and parcel.made is None:
        _done(van, delivery, Made(""))  # nothing stands there
        return
    parcel = van.addressed(delivery, takes, parcel)
    if delivery.attempts > 1 or delivery.action != Delivery.Action.CREATE:
        # An earlier try may have done it, and people may have changed what stands there: ask first.
        found = recipients.ask(van.client, takes, parcel)
        sent = parcels.as_sent(parcel, delivery)
        if (done := holding.arrived(delivery, sent, found, van.there)) is not None:
            if delivery.action != Delivery.Action.VOID:
                _attach(van, takes, parcel, done)
            _done(van, delivery, done, adopted=True)
            return
        parcel = replace(parcel, made=holding.to_change(delivery, parcel, found))
    laid: Sequence[Piece] = ()
    if delivery.action != Delivery.Action.VOID:
        laid = parcels.pieces(takes, parcel)
        parcel = parcels.as_first(parcel, laid)
    write = _write(takes, delivery, parcel)
    if write is None:
        revisions.replace(delivery)
        _deliver(van, delivery)
        return
    if delivery.action == Delivery.Action.VOID and (words := outbox.freed(delivery)):
        raise _Waits(words)
    _commit_sending(van, [Ready(delivery, write, laid)])
    answer = van.client.write(write, key=_key(delivery, parcel))
    if delivery.action == Delivery.Action.VOID:
        _done(van, delivery, parcel.made or Made(""))
        return
    made = takes.made(answer)
    _attach(van, takes, parcel, made)
    _done(van, delivery, made)


def _attach(van: Van, takes: Takes, parcel: Parcel, made: Made) -> None:
    """Killed before or after it, the delivery is found there on the next try, and attached again."""
    write = takes.attach(parcel, made) if takes.attach else None
    if write is not None:
        van.client.write(write, key="")


def _write(takes: Takes, delivery: Delivery, parcel: Parcel) -> Write | None:
    """The request that does it; None where what stands must be taken back and made anew."""
    if delivery.action == Delivery.Action.CREATE:
        return takes.create(parcel)
    if parcel.made is None:
        raise RecordError("It never arrived over there, so there is nothing to change.")
    make = takes.update if delivery.action == Delivery.Action.UPDATE else takes.void
    if make is None:
        raise RecordError(
            f"A {takes.label.lower()} cannot be taken back by us: do it there, then leave it out."
        )
    return make(parcel)


def _key(delivery: Delivery, parcel: Parcel) -> str:
    """The idempotency key: of a change it names the version it changes, since it may be read anew."""
    if delivery.action == Delivery.Action.CREATE or parcel.made is None:
        return str(delivery.key)
    return str(uuid.uuid5(delivery.key, parcel.made.version))


def _commit_sending(van: Van, ready: Sequence[Ready]) -> None:
    """From here on it may have arrived, whatever happens to us; the parts that follow are laid out with it.
    Whoever was held up until somebody else took over sends nothing."""
    now = timezone.now()
    with transaction.atomic():
        if any(one.in_parts for one in ready):
            revisions.hold_planning(van.integration)
        for delivery, write, _ in ready:
            ours = Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease, leased_until__gt=now)
            if not ours.update(
                state=Delivery.State.SENDING,
                leased_until=now + leases.LEASE,
                request_hash=digest_of(canonical(write.body)),
            ):
                raise _Stop
        for delivery, _, laid in (one for one in ready if one.in_parts):
            revisions.lay_out(delivery, laid)


def _done(
    van: Van, delivery: Delivery, made: Made, call: ApiCall | None = None, *, adopted: bool = False
) -> None:
    """`call` is the one it shared with others, where that is kept already."""
    with transaction.atomic():
        call = van.calls.save() or call
        leases.settle(
            delivery,
            Delivery.State.DELIVERED,
            external_id=made.id[:120],
            external_version=made.version[:60],
            external_number=made.number[:60],
            fingerprint=made.stands.fingerprint if made.stands else "",
            held_version="",
            adopted=adopted,
            call=call,
        )


# ── several in one request ──────────────────────────────────────────────────────────────────────────


def _absent(van: Van, ask: Callable[[list[Parcel]], Read], lost: list[Delivery]) -> list[Delivery]:
    """Those of the lost ones that are not over there; the others are delivered."""
    known: list[tuple[Delivery, Parcel]] = []
    for delivery in lost:
        try:
            known.append((delivery, parcels.parcel(van.takes, delivery, van.names)))
        except LedgerHubError as error:
            _failed(van, delivery, error)
    if not known:
        return []
    try:
        answer = van.client.look_for(ask([parcel for _, parcel in known]))
    except LedgerHubError as error:
        _all_failed(van, [delivery for delivery, _ in known], error)
        return []
    absent, call = [], van.calls.save()
    for delivery, parcel in known:
        found = van.of(delivery).found(answer, parcel)
        if found is None:
            absent.append(delivery)
        else:
            _done(van, delivery, found, call, adopted=True)
    return absent


def _all_failed(van: Van, deliveries: Sequence[Delivery], error: LedgerHubError) -> None:
    call = van.calls.save()
    for delivery in deliveries[1:]:
        _failed(van, delivery, error, call, stop=False)
    _failed(van, deliveries[0], error, call)


def _send_together(van: Van, deliveries: list[Delivery]) -> None:
    """Creations in one request; each has its own answer."""
    batch = van.takes.batch
    if batch is None:
        return
    ready: list[Ready] = []
    for delivery, takes, parcel in _introduced(van, deliveries):
        try:
            parcel = recipients.addressed(van.integration, van.takes, van.client, takes, parcel)
            laid = parcels.pieces(takes, parcel)
            write = takes.create(parcels.as_first(parcel, laid))
            if write.alone:
                _deliver(van, delivery)
            else:
                ready.append(Ready(delivery, write, laid))
        except LedgerHubError as error:
            _failed(van, delivery, error)
    paths = dict.fromkeys(one.write.path if batch.alike else "" for one in ready)
    for path in paths:
        _send_joined(van, batch, [one for one in ready if path in ("", one.write.path)])


def _introduced(van: Van, deliveries: list[Delivery]) -> list[tuple[Delivery, Takes, Parcel]]:
    """What can be sent, its parties known over there as far as that goes for all together."""
    going: list[tuple[Delivery, Takes, Parcel]] = []
    for delivery in deliveries:
        try:
            takes, parcel = van.of(delivery), parcels.parcel(van.takes, delivery, van.names)
            if van.takes.wants_names:
                _refuse_unnamed(takes, parcel)
            going.append((delivery, takes, parcel))
        except LedgerHubError as error:
            _failed(van, delivery, error)
    try:
        addressed = [(takes, parcel) for _, takes, parcel in going]
        recipients.introduce(van.integration, van.takes, van.client, addressed)
    except LedgerHubError as error:
        _all_failed(van, [delivery for delivery, _, _ in going], error)
    return going


def _send_joined(van: Van, batch: Batch, ready: list[Ready]) -> None:
    _commit_sending(van, ready)
    joined = batch.join([(one.delivery.reference, one.write) for one in ready])
    sent = [one.delivery for one in ready]
    try:
        answers = batch.split(van.client.write(joined, key=_joint_key(sent)))
    except LedgerHubError as error:
        _all_failed(van, sent, error)
        return
    call = van.calls.save()
    # Together: should we die here, all of them are asked for.
    with transaction.atomic():
        for delivery in sent:
            _settle_one(van, delivery, answers.get(delivery.reference), call)


def _joint_key(deliveries: Sequence[Delivery]) -> str:
    return str(uuid.uuid5(deliveries[0].key, ",".join(str(each.key) for each in deliveries)))


def _settle_one(van: Van, delivery: Delivery, answer: object, call: ApiCall | None) -> None:
    if isinstance(answer, Refused):
        _failed(van, delivery, Invalid(answer.words), call, stop=False)
    elif answer is None:
        _failed(van, delivery, TransientError("The answer does not speak of it."), call, stop=False)
    else:
        _done(van, delivery, van.of(delivery).made(answer), call)


# ── when it does not go well ────────────────────────────────────────────────────────────────────────


def _failed(
    van: Van, delivery: Delivery, error: LedgerHubError, call: ApiCall | None = None, *, stop: bool = True
) -> None:
    """Decide what happens next; raises _Stop where nothing more can be sent now."""
    with transaction.atomic():
        _put_aside(van, delivery, error, van.calls.save() or call)
    if stop and not isinstance(error, RecordError | Invalid | NotFound | Moved | _Waits):
        raise _Stop


def _put_aside(van: Van, delivery: Delivery, error: LedgerHubError, call: ApiCall | None) -> None:
    row = Delivery.objects.filter(pk=delivery.pk).values_list("state", flat=True).first()
    sent = row == Delivery.State.SENDING
    words = _words(error)
    if isinstance(error, LeftOut):
        leases.settle(delivery, Delivery.State.DISMISSED, error=words, call=call)
    elif isinstance(error, holding.Held):
        _give_up(van, delivery, words, call, held_version=error.version[:60])
    elif isinstance(error, parcels.Unnamed):
        # As if it had not been tried; it is due again when the name is there.
        words, tries = f"Waits until names are chosen. {words}", delivery.attempts - 1
        leases.settle(
            delivery, _again(delivery), error=words, call=call, attempts=tries, lacks=error.lacks[:140]
        )
    elif isinstance(error, RecordError | Invalid | NotFound):
        _give_up(van, delivery, words, call)
    elif isinstance(error, Busy | _Waits):
        # Before anything was done: as if it had not been tried.
        wait = FIRST_ASK if isinstance(error, _Waits) else error.retry_after or 30.0
        tries = delivery.attempts - 1
        leases.settle(delivery, _again(delivery), error=words, wait=wait, call=call, attempts=tries)
    elif isinstance(error, TransientError):
        if delivery.attempts >= MAX_ATTEMPTS:
            _give_up(van, delivery, f"{words} We tried {delivery.attempts} times.", call)
            return
        wait = max(FIRST_ASK, backoff(delivery.attempts, retry_after=error.retry_after))
        state = Delivery.State.UNCERTAIN if sent else _again(delivery)
        leases.settle(delivery, state, error=words, wait=wait, call=call)
    else:
        _needs_a_person(van, words)
        leases.settle(delivery, _again(delivery), error=words, wait=900.0, call=call)


def _needs_a_person(van: Van, words: str) -> None:
    alerts.needs_attention(van.integration, words)
    message = f"{van.integration}: {words}"
    alerts.raise_incident(van.integration, key=_key_of(van.integration), message=message)


def _words(error: LedgerHubError) -> str:
    if isinstance(error, RecordError):
        return " ".join(each.message for each in error.field_errors)
    return str(error)


def _again(delivery: Delivery) -> str:
    """The state it goes back to: what may have arrived stays uncertain."""
    return Delivery.State.PLANNED if delivery.attempts == 1 else Delivery.State.UNCERTAIN


def _give_up(
    van: Van, delivery: Delivery, words: str, call: ApiCall | None, *, held_version: str = ""
) -> None:
    """A person must act: said on the delivery and its document, one alert for all of them."""
    leases.settle(delivery, Delivery.State.FAILED, error=words, call=call, held_version=held_version)
    count = Delivery.objects.filter(integration=van.integration, state=Delivery.State.FAILED).count()
    alerts.raise_incident(
        van.integration,
        key=_key_of(van.integration),
        message=f"{van.integration}: {plural(count, 'document')} could not be delivered. {words}",
    )


def _key_of(integration: Integration) -> str:
    return f"deliveries:{integration.pk}"

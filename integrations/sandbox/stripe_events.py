"""The event log of the simulated Stripe: what happened, with the object as it stood then."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

from integrations.sandbox import stripe_shapes as shapes
from integrations.sandbox.events import Business, Charge, ChargeRefund, Client, Dispute, token
from integrations.sandbox.stripe_shapes import Record


class Happening(NamedTuple):
    """One event of the event log; `record` renders its object as of that instant."""

    at: int
    type: str
    record: Callable[[], Record]


def happenings(business: Business, since: int, until: int) -> Iterator[Happening]:
    """Everything Stripe would tell about, after `since` up to `until`, oldest first."""
    found = [h for h in _all(business) if since < h.at <= until]
    found.sort(key=lambda h: h.at)
    yield from found


def _all(business: Business) -> Iterator[Happening]:
    for client in business.clients:
        yield Happening(client.created, "customer.created", partial(shapes.customer, client))
    for charge in business.charges:
        yield from _charge_happenings(business, charge)
    for refund in business.refunds:
        moments = [(refund.created, "refund.created"), (refund.created, "charge.refunded")]
        moments += [(refund.failed, "refund.failed")] if refund.failed else []
        for at, kind in moments:
            if kind == "charge.refunded":
                yield _of_charge(business, refund.charge, at, kind)
            else:
                yield Happening(at, kind, partial(shapes.refund, refund, at))
    for dispute in business.disputes:
        for at, kind in _dispute_moments(dispute):
            yield Happening(at, kind, partial(shapes.dispute, dispute, at))
    for payout in business.stripe_payouts:
        moments = [(payout.created, "payout.created"), (payout.arrived, "payout.paid")]
        moments += [(payout.failed, "payout.failed")] if payout.failed else []
        for at, kind in moments:
            yield Happening(at, kind, partial(shapes.payout, payout, business, at))


def _charge_happenings(business: Business, charge: Charge) -> Iterator[Happening]:
    if not charge.settled:
        yield _of_charge(business, charge, charge.created, "charge.failed")
        return
    if charge.settled > charge.created:
        yield _of_charge(business, charge, charge.created, "charge.pending")
    yield _of_charge(business, charge, charge.settled, "charge.succeeded")
    if charge.captured > charge.settled:
        yield _of_charge(business, charge, charge.captured, "charge.captured")


def _of_charge(business: Business, charge: Charge, at: int, kind: str) -> Happening:
    index = _index(business)

    def record() -> Record:
        disputed = 0 < index.disputed.get(charge.id, 0) <= at
        return shapes.charge(
            charge, index.clients[charge.customer], index.refunds.get(charge.id, []), disputed, at
        )

    return Happening(at, kind, record)


class _Index(NamedTuple):
    clients: dict[str, Client]
    refunds: dict[str, list[ChargeRefund]]
    disputed: dict[str, int]


@lru_cache(maxsize=4)
def _index(business: Business) -> _Index:
    refunds: dict[str, list[ChargeRefund]] = {}
    for refund in business.refunds:
        refunds.setdefault(refund.charge.id, []).append(refund)
    return _Index(
        {client.id: client for client in business.clients},
        refunds,
        {dispute.source: dispute.opened for dispute in business.disputes},
    )


def _dispute_moments(dispute: Dispute) -> Iterator[tuple[int, str]]:
    yield dispute.opened, "charge.dispute.created"
    if dispute.line:
        yield dispute.opened, "charge.dispute.funds_withdrawn"
    if dispute.outcome == "won" and not dispute.inquiry:
        yield shapes.review_at(dispute), "charge.dispute.updated"
    if dispute.closed:
        yield dispute.closed, "charge.dispute.closed"
    if dispute.reversal:
        yield dispute.closed, "charge.dispute.funds_reinstated"


def event(business: Business, happening: Happening) -> Record:
    record = happening.record()
    number = int.from_bytes(
        hashlib.sha256(f"{happening.type}:{record['id']}:{happening.at}".encode()).digest()[:8]
    )
    return {
        "id": "evt_1" + token(business.seed, "evt", number, 23),
        "object": "event",
        "api_version": shapes.VERSION,
        "created": happening.at,
        "data": {"object": record},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": None, "idempotency_key": None},
        "type": happening.type,
    }

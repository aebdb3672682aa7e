"""Names over there: their lists read and kept, what of ours needs one, and which of theirs it may be."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone
from rapidfuzz import fuzz, process

from integrations import leases, outbox, revisions
from integrations.answers import Invalid, Taken
from integrations.client import Client
from integrations.connection import connect
from integrations.destination import Listing, Named, Ours
from integrations.models import Integration, Listed, NameMap, Route
from integrations.spec import Stream
from ledgerhub.access.models import User
from ledgerhub.core.errors import LedgerHubError, RecordError
from ledgerhub.ledger.models import Account, Posting

ALIKE, NEAR = 88, 75
"""How alike two names must be (rapidfuzz, 0 to 100) for one to be suggested for the other; and how near by
their words where the code is the same."""


GROUPS: dict[str, str] = {
    "account": "Accounts",
    "item": "Products and services that the lines of sales are sold as",
    "tax": "Tax codes",
}


class Wanted(NamedTuple):
    """Something of ours that needs a name over there: `theirs` is chosen, `suggested` may be it, and where it
    `may_be_made` it need not be there yet."""

    what: str
    key: str
    label: str
    theirs: str
    suggested: str
    may_be_made: bool = False

    @property
    def field(self) -> str:
        return f"{self.what}:{self.key}"

    @property
    def group(self) -> str:
        return GROUPS[self.what]


def refresh(integration: Integration, *, patience: float) -> int:
    """Read their lists again; what is gone from them is kept as inactive. How many things were listed."""
    listings = outbox.destination(integration).listings
    client, calls = connect(integration, purpose="names", patience=patience)
    found: dict[tuple[str, str], Named] = {}
    try:
        with client:
            for listing in listings:
                for page in client.pages(as_stream(listing)):
                    named = [listing.pick(record) for record in page.records]
                    found |= {(listing.what, one.id): one for one in named if one.id}
    finally:
        calls.save()
    _keep(integration, found, [listing.what for listing in listings])
    return len(found)


def as_stream(listing: Listing) -> Stream:
    """A list of theirs is read like any other, page by page."""
    return Stream(key=f"names: {listing.what}", label=listing.label, outputs=(), read=listing.read)


@transaction.atomic
def _keep(integration: Integration, found: Mapping[tuple[str, str], Named], kinds: Iterable[str]) -> None:
    now = timezone.now()
    _store(integration, found, now)
    gone = Listed.objects.filter(integration=integration, what__in=list(kinds), listed_at__lt=now)
    gone.update(active=False)


def _store(integration: Integration, found: Mapping[tuple[str, str], Named], now: dt.datetime) -> None:
    """What is listed over there, by what it is and its id; a row that is known already says so anew."""
    rows = [
        Listed(
            integration=integration,
            what=what,
            external_id=one.id[:120],
            name=one.name[:240],
            group=one.group[:120],
            code=one.code[:60],
            account=one.account[:120],
            active=one.active,
            listed_at=now,
        )
        for (what, _), one in found.items()
    ]
    Listed.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["integration", "what", "external_id"],
        update_fields=["name", "group", "code", "account", "active", "listed_at"],
        batch_size=500,
    )


def wanted(integration: Integration) -> list[Wanted]:
    """What needs a name: the accounts that documents on its routes are booked to, and what it asks for."""
    takes = outbox.destination(integration)
    chosen = {(row.what, row.ours): row.theirs for row in integration.names.exclude(what="contact")}
    accounts = _accounts(integration) if takes.keeps_books else []
    rows = [("account", account.code, str(account)) for account in accounts]
    items = takes.items if _any_alone(integration) else ()
    rows += [("item", each.code, str(each)) for each in accounts if each.role in items]
    rows += [(need.what, need.key, need.label) for need in takes.needs]
    usual: dict[tuple[str, str], set[str]] = {(need.what, need.key): {*need.usual} for need in takes.needs}
    listed: dict[str, list[Listed]] = defaultdict(list)
    for row in integration.listed.filter(active=True):
        listed[row.what].append(row)
    return [
        Wanted(
            what=what,
            key=key,
            label=label,
            theirs=chosen.get((what, key), ""),
            suggested=_suggested(label.removeprefix(key), key, listed[what], usual.get((what, key), set())),
            may_be_made=what in takes.makes,
        )
        for what, key, label in rows
    ]


def _any_alone(integration: Integration) -> bool:
    """Whether documents go there one by one: summaries are journal entries, which need no items."""
    routes = integration.routes.filter(enabled=True).prefetch_related("switches")
    return any(span.mode == Route.Mode.EACH for route in routes for span in route.spans())


def _accounts(integration: Integration) -> list[Account]:
    """Accounts with postings from the sources on its routes, those that have a name already, and those that
    a delivery waits for."""
    sources = integration.routes.filter(enabled=True).values("source")
    used = Posting.objects.filter(entry__document__source__in=sources).order_by().values("account").distinct()
    named = integration.names.filter(what="account").values("ours")
    lacks = leases.unnamed(integration).order_by().values_list("lacks", flat=True).distinct()
    asked = [lack.removeprefix("account:") for lack in lacks if lack.startswith("account:")]
    rows = Account.objects.filter(organization=integration.organization)
    rows = rows.filter(pk__in=used) | rows.filter(code__in=named) | rows.filter(code__in=asked)
    return list(rows.distinct().order_by("code"))


def _suggested(label: str, key: str, rows: list[Listed], usual: set[str]) -> str:
    """What it usually is, the one whose name is most like ours, else the one with our code if its name is not
    quite another: codes alone mean different accounts in different charts. Empty where there is none."""
    name = label.strip().casefold()
    choices = {row.external_id: row.name.casefold() for row in rows}
    known = [row.external_id for row in rows if {row.external_id, row.name} & usual]
    best = process.extractOne(name, choices, scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE)
    if known:
        return known[0]
    if best:
        return str(best[2])
    coded = (row for row in rows if row.code and row.code == key)
    near = (row for row in coded if fuzz.token_set_ratio(name, row.name.casefold()) >= NEAR)
    return next((row.external_id for row in near), "")


# ── made over there ─────────────────────────────────────────────────────────────────────────────────


def make(
    integration: Integration, asked: Iterable[Wanted], *, user: User, patience: float
) -> tuple[dict[str, str], list[str]]:
    """Make these over there, accounts before what is booked to them, and choose each as soon as it is made.
    What is chosen now, and what could not be made in words. Killed in between, or asked twice: each is made
    once (the same key)."""
    takes, changed, problems = outbox.destination(integration), dict[str, str](), list[str]()
    client, calls = connect(integration, purpose="names", patience=patience)
    try:
        with client:
            for one in sorted(asked, key=lambda one: list(GROUPS).index(one.what)):
                try:
                    changed |= _make(integration, client, takes.makes[one.what], one, user)
                except LedgerHubError as error:
                    problems.append(f"{one.label}: {error}")
                    if not isinstance(error, RecordError | Invalid):
                        break  # it would go no better with the others
    finally:
        calls.save()
    return changed, problems


def _make(
    integration: Integration, client: Client, listing: Listing, one: Wanted, user: User
) -> dict[str, str]:
    ours = _ours(integration, one)
    if listing.makes is None or (one.what == "item" and not ours.account):
        raise RecordError("Choose its account first: what is sold is booked to it.")
    key = uuid.uuid5(revisions.SPACE, f"{integration.pk}:{one.field}:{ours}")
    try:
        named = listing.pick(listing.makes.made(client.write(listing.makes.create(ours), key=str(key))))
    except Taken:
        raise RecordError(f"There is one called {ours.name} already: choose it, or rename one.") from None
    with transaction.atomic():
        _store(integration, {(listing.what, named.id): named}, timezone.now())
        return choose(integration, {(one.what, one.key): named.id}, user=user)


def _ours(integration: Integration, one: Wanted) -> Ours:
    account = Account.objects.get(organization=integration.organization, code=one.key)
    there = integration.names.filter(what="account", ours=one.key).values_list("theirs", flat=True).first()
    foreign = account.currency not in ("", integration.organization.base_currency)
    return Ours(account.name, account.type, account.role, account.currency if foreign else "", there or "")


@transaction.atomic
def choose(integration: Integration, chosen: Mapping[tuple[str, str], str], *, user: User) -> dict[str, str]:
    """Keep what a person chose, (what, ours) -> theirs; an empty one is taken away. Gives what changed."""
    known = {(row.what, row.ours): row for row in integration.names.select_for_update()}
    changed: dict[str, str] = {}
    for (what, ours), theirs in chosen.items():
        before = known[what, ours].theirs if (what, ours) in known else ""
        if theirs == before:
            continue
        changed[f"{what} {ours}"] = theirs or "none"
        if theirs:
            NameMap.objects.update_or_create(
                integration=integration,
                what=what,
                ours=ours,
                defaults={"theirs": theirs, "set_by": user, "set_at": timezone.now()},
            )
        else:
            known[what, ours].delete()
    return changed

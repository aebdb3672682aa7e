"""Their accounts as ours: where documents that people posted over there are booked here, said by a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from rapidfuzz import fuzz, process

from integrations import counterparts, facing, sync
from integrations.casting import Unusable
from integrations.models import Counterpart, CounterpartLine, Integration, Listed, Quarantine
from integrations.naming import ALIKE
from ledgerhub.ledger.models import Account


class Wanted(NamedTuple):
    """An account of theirs of which a person says what it is called here: `ours` is the code that was chosen,
    `suggested` may be it."""

    listed: Listed
    ours: str
    suggested: str

    @property
    def field(self) -> str:
        return f"theirs:{self.listed.external_id}"


def wanted(integration: Integration) -> list[Wanted]:
    """Accounts that documents of other people stand on and that no single name says the other way; and those
    chosen before. Those that still need a choice come first."""
    if counterparts.books_of(integration) is None:
        return []
    there = facing.AccountsThere(integration)
    lines = CounterpartLine.objects.filter(
        counterpart__integration=integration,
        counterpart__ours=False,
        counterpart__state=Counterpart.State.STANDING,
    )
    asked = {there.account(at) for at in lines.order_by().values_list("at", flat=True).distinct()}
    rows = list(Listed.objects.filter(integration=integration, what="account").order_by("code", "name"))
    shown = [row for row in rows if row.ours or (row.external_id in asked and _lacks(there, row))]
    names = dict(accounts(integration).values_list("code", "name")) if shown else {}
    found = [Wanted(row, row.ours, "" if row.ours else _suggested(row, names)) for row in shown]
    return sorted(found, key=lambda one: bool(one.ours))


def accounts(integration: Integration) -> QuerySet[Account]:
    return Account.objects.filter(organization=integration.organization, archived_at__isnull=True)


def _lacks(there: facing.AccountsThere, row: Listed) -> bool:
    try:
        there.code(f"account:{row.external_id}")
    except Unusable:
        return True
    return False


def _suggested(row: Listed, names: Mapping[str, str]) -> str:
    """The one of ours whose name is most like theirs; empty where none is alike."""
    folded = {code: name.casefold() for code, name in names.items()}
    best = process.extractOne(row.name.casefold(), folded, scorer=fuzz.token_set_ratio, score_cutoff=ALIKE)
    return str(best[2]) if best else ""


@transaction.atomic
def choose(integration: Integration, chosen: Mapping[str, str]) -> dict[str, str]:
    """Keep what a person chose, their account -> our code; an empty one is taken away. Gives what changed,
    and tries again what waited for a name."""
    known = set(accounts(integration).values_list("code", flat=True))
    rows = Listed.objects.select_for_update().filter(
        integration=integration, what="account", external_id__in=list(chosen)
    )
    changed = {}
    for row in rows:
        code = chosen[row.external_id]
        if code != row.ours and (not code or code in known):
            changed[f"their {row}"] = code or "none"
            Listed.objects.filter(pk=row.pk).update(ours=code)
    if changed:
        _try_again(integration)
    return changed


def _try_again(integration: Integration) -> None:
    books = counterparts.books_of(integration)
    stream = integration.streams.filter(key=books.stream.key).first() if books else None
    waiting = Quarantine.objects.filter(stream=stream, state=Quarantine.State.OPEN)
    if stream is not None and (ids := sorted(set(waiting.values_list("external_id", flat=True)))):
        sync.replay(stream, only=ids)

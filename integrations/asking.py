"""Asking a destination for what we know of it, by its ids: lists do not tell of what was deleted there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from integrations.client import Client
from integrations.counterparts import books_of
from integrations.models import Counterpart, Delivery, Integration, Stream
from integrations.reading import Page
from integrations.standing import Books
from ledgerhub.core.errors import ConfigError

# So many documents gone at once, and none left, is another company rather than somebody's deed.
SUSPICIOUS = 25


def page(client: Client, stream: Stream, checkpoint: Mapping[str, Any]) -> Page:
    """The next documents as they stand now; of those that are gone, what their feed of changes would say.
    First what we delivered, by delivery, then what other people posted."""
    books = books_of(stream.integration)
    if books is None or books.ask is None:
        raise ConfigError(f"{stream.integration} cannot be asked for single documents.")
    after = (int(checkpoint.get("delivery", 0)), int(checkpoint.get("counterpart", 0)))
    ids, following = _next(stream.integration, books, after)
    if not ids:
        return Page([], None, stream.cursor)
    found = books.found(client.look_for(books.ask(ids), purpose="compare"), ids)
    if not found and len(ids) >= SUSPICIOUS:
        raise ConfigError(
            f"None of {len(ids)} documents that we know stands there any more. Nothing was changed here: see"
            " that it is still the same company, then compare again."
        )
    there = {known for record in found if (known := books.stream.identity(record))}
    gone = [books.gone(one) for one in ids if one not in there]
    return Page([*found, *gone], following, stream.cursor)


def _next(
    integration: Integration, books: Books, after: tuple[int, int]
) -> tuple[list[str], dict[str, int] | None]:
    """Up to `at_once` ids, and where the next ones begin; None where there are none."""
    delivery, counterpart = after
    gone = Counterpart.objects.filter(integration=integration).exclude(state=Counterpart.State.STANDING)
    if not counterpart:
        rows = Delivery.objects.filter(
            ~Q(external_id=""), integration=integration, state=Delivery.State.DELIVERED, pk__gt=delivery
        ).exclude(action=Delivery.Action.VOID)
        known = list(
            rows.exclude(external_id__in=gone.values("external_id"))
            .order_by("pk")
            .values_list("pk", "external_id")[: books.at_once]
        )
        if known:
            return list(dict.fromkeys(one for _, one in known)), {"delivery": known[-1][0], "counterpart": 0}
    others = Counterpart.objects.filter(
        integration=integration, state=Counterpart.State.STANDING, ours=False, pk__gt=counterpart
    )
    rest = list(others.order_by("pk").values_list("pk", "external_id")[: books.at_once])
    return [one for _, one in rest], {"delivery": delivery, "counterpart": rest[-1][0]} if rest else None

"""Pages of what there is: the integrations of an organization, and the systems one can connect."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from integrations import connectors, overview
from integrations.models import Integration
from integrations.spec import Connector
from ledgerhub.access.views_support import OrgRequest, member

CATEGORIES = {
    "shop": ("Shops", "cart"),
    "payments": ("Payments", "card"),
    "bank": ("Banks", "bank"),
    "inventory": ("Inventory", "box"),
    "crm": ("Customers", "users"),
    "payroll": ("Payroll", "user"),
    "accounting": ("Accounting", "book"),
    "other": ("Others", "plug"),
}


class Group(NamedTuple):
    """The connectors of a category, each with how many integrations there are of it."""

    label: str
    icon: str
    connectors: list[tuple[Connector, int]]


@require_safe
@member("viewer")
def integrations(request: OrgRequest) -> HttpResponse:
    """Every integration: how it is, when it last brought something, when it runs next."""
    rows = Integration.objects.filter(organization=request.organization).order_by("name")
    cards = overview.cards(list(rows.exclude(state=Integration.State.DISCONNECTED)))
    ended = list(rows.filter(state=Integration.State.DISCONNECTED))
    waiting = [card for card in cards if card.integration.state == Integration.State.ATTENTION]
    drafts = sum(card.integration.state == Integration.State.DRAFT for card in cards)
    context = {
        "cards": cards,
        "drafts": drafts,
        "connected": len(cards) - drafts,
        "ended": ended,
        "waiting": len(waiting),
        "quarantined": sum(card.quarantined for card in cards),
    }
    return render(request, "integrations/integrations.html", context)


@require_safe
@member("viewer")
def catalogue(request: OrgRequest) -> HttpResponse:
    """The systems there are connectors for, by category, narrowed by words and category."""
    search, category = request.GET.get("q", "").strip()[:100], request.GET.get("category", "")
    held = list(
        Integration.objects.filter(organization=request.organization)
        .exclude(state=Integration.State.DISCONNECTED)
        .values_list("connector", flat=True)
    )
    found = [
        spec
        for spec in connectors.CONNECTORS.values()
        if _matches(spec, search) and category in ("", spec.category)
    ]
    context = {
        "groups": [_group(key, found, held) for key in CATEGORIES if any(s.category == key for s in found)],
        "search": search,
        "category": category,
        "categories": _categories(),
        "drafts": Integration.objects.filter(
            organization=request.organization, state=Integration.State.DRAFT
        ).order_by("-created_at"),
    }
    template = "integrations/catalogue.html"
    return render(request, f"{template}#results" if request.headers.get("HX-Request") else template, context)


def _matches(spec: Connector, search: str) -> bool:
    """Every word somewhere in name, summary, category or streams."""
    texts = [spec.label, spec.summary, CATEGORIES[spec.category][0], *(one.label for one in spec.streams)]
    text = " ".join(texts).casefold()
    return all(word in text for word in search.casefold().split())


def _categories() -> list[tuple[str, str]]:
    present = {spec.category for spec in connectors.CONNECTORS.values()}
    return [(key, label) for key, (label, _) in CATEGORIES.items() if key in present]


def _group(key: str, found: list[Connector], held: list[str]) -> Group:
    label, icon = CATEGORIES[key]
    return Group(label, icon, [(spec, held.count(spec.key)) for spec in found if spec.category == key])

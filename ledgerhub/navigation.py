"""Framing: what every page's frame shows, the navigation with counts of what waits, and the organizations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import SimpleLazyObject

from integrations.models import Integration, Quarantine
from ledgerhub.access.models import Membership, Organization, User
from ledgerhub.access.views_support import LAST_ORGANIZATION, load_memberships
from reconciliation.cancelling import OF_LINES
from reconciliation.models import Match, RuleVersion

_COUNT_CAP = 999


@dataclass
class NavItem:
    """One link; `active` where it or one of its children is the page being shown."""

    label: str
    url: str
    icon: str = ""
    count: str = ""
    active: bool = False
    children: list[NavItem] = field(default_factory=list)


class _Link(NamedTuple):
    """A link before its URL is known; `waiting` are the rows its count is of."""

    label: str
    name: str
    icon: str = ""
    waiting: Callable[[Organization], QuerySet[Any]] | None = None


def _proposals(organization: Organization) -> QuerySet[Any]:
    return Match.objects.filter(OF_LINES, account__organization=organization, state=Match.State.PROPOSED)


def _rules(organization: Organization) -> QuerySet[Any]:
    return RuleVersion.objects.filter(rule__organization=organization, state=RuleVersion.State.PROPOSED)


def _quarantined(organization: Organization) -> QuerySet[Any]:
    return Quarantine.objects.filter(
        stream__integration__organization=organization, state=Quarantine.State.OPEN
    )


def _unhealthy(organization: Organization) -> QuerySet[Any]:
    return Integration.objects.filter(organization=organization, state=Integration.State.ATTENTION)


# In the order of the work; a page that does not exist is left out.
_LINKS: tuple[_Link | tuple[_Link, tuple[_Link, ...]], ...] = (
    _Link("Dashboard", "dashboard", "dashboard"),
    (
        _Link("Reconcile", "reconciliation:accounts", "reconcile", _proposals),
        (
            _Link("Bank accounts", "reconciliation:accounts"),
            _Link("Rules", "reconciliation:rules", waiting=_rules),
            _Link("Auto-approved", "reconciliation:automatic"),
        ),
    ),
    _Link("Errors", "integrations:errors", "alert", _quarantined),
    _Link("Integrations", "integrations:integrations", "plug", _unhealthy),
    _Link("Mappings", "integrations:mappings", "mapping"),
    (
        _Link("Books", "ledger:accounts", "book"),
        (
            _Link("Accounts", "ledger:accounts"),
            _Link("Journal", "ledger:journal"),
            _Link("Documents", "ledger:documents"),
            _Link("Trial balance", "ledger:trial_balance"),
            _Link("Contacts", "ledger:contacts"),
            _Link("Exchange rates", "ledger:rates"),
        ),
    ),
    _Link("Reports", "reports", "report"),
    _Link("Settings", "access:settings", "settings"),
)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Context of every page: `nav`, `organization`, `organizations`; nothing is read before it is shown."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"organization": None, "nav": [], "organizations": []}
    memberships = getattr(request, "memberships", None)
    organizations = memberships if memberships is not None else load_memberships(user)
    organization = getattr(request, "organization", None) or _last(request, organizations)
    nav: Any = SimpleLazyObject(lambda: _build(request, organization)) if organization else []
    return {"organization": organization, "nav": nav, "organizations": organizations}


def _last(request: HttpRequest, memberships: list[Membership]) -> Organization | None:
    """On pages outside an organization: the one the person came from."""
    slug = request.session.get(LAST_ORGANIZATION)
    mine = [membership.organization for membership in memberships]
    first = mine[0] if mine else None
    return next((organization for organization in mine if organization.slug == slug), first)


def _build(request: HttpRequest, organization: Organization) -> list[NavItem]:
    found = [
        _item(link, organization) if isinstance(link, _Link) else _group(*link, organization)
        for link in _LINKS
    ]
    items = [item for item in found if item is not None]
    _mark(items, request.path)
    return items


def _group(head: _Link, links: tuple[_Link, ...], organization: Organization) -> NavItem | None:
    children = [item for link in links if (item := _item(link, organization))]
    if not children:
        return None
    return NavItem(head.label, children[0].url, head.icon, _count(head, organization), children=children)


def _item(link: _Link, organization: Organization) -> NavItem | None:
    try:
        url = reverse(link.name, args=[organization.slug])
    except NoReverseMatch:
        return None
    return NavItem(link.label, url, link.icon, _count(link, organization))


def _count(link: _Link, organization: Organization) -> str:
    if link.waiting is None:
        return ""
    waiting = link.waiting(organization).order_by()[: _COUNT_CAP + 1].count()
    return f"{_COUNT_CAP}+" if waiting > _COUNT_CAP else str(waiting or "")


def _mark(items: list[NavItem], page: str) -> None:
    """Mark the link whose address is the longest beginning of the page's; the dashboard's begins them all."""
    leaves = [leaf for item in items for leaf in (item.children or [item])]
    within = [leaf for leaf in leaves if page.startswith(leaf.url) and leaf.icon != "dashboard"]
    within += [leaf for leaf in leaves if page == leaf.url]
    if within:
        max(within, key=lambda leaf: len(leaf.url)).active = True
    for item in items:
        item.active = item.active or any(child.active for child in item.children)

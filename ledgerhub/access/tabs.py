"""The tabs of the settings pages."""

from __future__ import annotations

from django.urls import reverse

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest

_TABS = (
    ("access:settings", "Organization", Role.VIEWER),
    ("access:people", "People", Role.VIEWER),
    ("access:invitations", "Invitations", Role.ADMIN),
    ("reconciliation:difference_limits", "Differences", Role.VIEWER),
    ("integrations:alerts", "Alerts", Role.VIEWER),
    ("access:audit", "Audit trail", Role.ADMIN),
)


def settings_tabs(request: OrgRequest, active: str) -> list[dict[str, object]]:
    """What the caller's role may open, for components/tabs.html."""
    return [
        {
            "label": label,
            "url": reverse(name, args=[request.organization.slug]),
            "active": name == (active if ":" in active else f"access:{active}"),
        }
        for name, label, role in _TABS
        if request.membership.may(role)
    ]

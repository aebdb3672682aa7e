"""The tabs of the settings pages."""

from __future__ import annotations

from django.urls import reverse

from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest

_TABS = (
    ("settings", "Organization", Role.VIEWER),
    ("people", "People", Role.VIEWER),
    ("invitations", "Invitations", Role.ADMIN),
    ("audit", "Audit trail", Role.ADMIN),
)


def settings_tabs(request: OrgRequest, active: str) -> list[dict[str, object]]:
    """What the caller's role may open, for components/tabs.html."""
    return [
        {
            "label": label,
            "url": reverse(f"access:{name}", args=[request.organization.slug]),
            "active": name == active,
        }
        for name, label, role in _TABS
        if request.membership.may(role)
    ]

"""What every page's frame shows: the navigation with counts of what waits, and the organizations."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def navigation(request: HttpRequest) -> dict[str, Any]:
    organization = getattr(request, "organization", None)
    return {"organization": organization, "nav": [], "organizations": []}

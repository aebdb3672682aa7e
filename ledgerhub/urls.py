"""The URL map."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from integrations.views import hooks
from ledgerhub import founding
from ledgerhub.core.views import health

_ORGANIZATION = "o/<slug:organization>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("health/", health, name="health"),
    path("", include("ledgerhub.access.account_urls")),
    path("hooks/<str:token>/", hooks.hook, name="hook"),
    path("organizations/new/", founding.new_organization, name="new_organization"),
    path(_ORGANIZATION, include("ledgerhub.access.urls")),
    path(_ORGANIZATION, include("integrations.urls")),
]

"""Addresses of getting data in, below /o/<slug>/; one list a module of views."""

from __future__ import annotations

from django.urls import URLPattern, path

from integrations.views import mapping, mapping_editor

app_name = "integrations"

_mapping = [
    path("mappings/", mapping.mappings, name="mappings"),
    path("mappings/<int:pk>/", mapping.mapping, name="mapping"),
    path("mappings/<int:pk>/drafts/", mapping.drafts, name="mapping_drafts"),
    path("mappings/<int:pk>/draft/", mapping_editor.draft, name="mapping_draft"),
    path("mappings/<int:pk>/draft/form/", mapping_editor.form, name="mapping_form"),
    path("mappings/<int:pk>/draft/removal/", mapping.removal, name="mapping_removal"),
    path("mappings/<int:pk>/publication/", mapping.publication, name="mapping_publication"),
    path("mappings/<int:pk>/replays/", mapping.replays, name="mapping_replays"),
    path("mappings/<int:pk>/versions/<int:number>/", mapping.version, name="mapping_version"),
    path(
        "mappings/<int:pk>/versions/<int:number>/restoration/",
        mapping.restoration,
        name="mapping_restoration",
    ),
]

urlpatterns: list[URLPattern] = [*_mapping]

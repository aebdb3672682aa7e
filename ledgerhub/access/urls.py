"""Addresses of an organization's own pages, below /o/<slug>/."""

from __future__ import annotations

from django.urls import path

from ledgerhub.access import views_organization as organization
from ledgerhub.access import views_people as people

app_name = "access"
urlpatterns = [
    path("settings/", organization.settings, name="settings"),
    path("settings/audit/", organization.audit, name="audit"),
    path("settings/audit/<int:pk>/", organization.audit_event, name="audit_event"),
    path("settings/people/", people.people, name="people"),
    path("settings/people/<int:pk>/role/", people.role, name="role"),
    path("settings/people/<int:pk>/removal/", people.removal, name="removal"),
    path("settings/invitations/", people.invitation_list, name="invitations"),
    path("settings/invitations/<int:pk>/delivery/", people.delivery, name="delivery"),
    path("settings/invitations/<int:pk>/revocation/", people.revocation, name="revocation"),
]

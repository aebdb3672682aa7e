"""Addresses of getting data in, below /o/<slug>/; one list a module of views."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "integrations"

urlpatterns: list[URLPattern] = []

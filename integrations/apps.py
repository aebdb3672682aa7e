"""The integrations app: getting data in and out."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

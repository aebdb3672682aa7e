"""The core app: money, errors, vault, tables, template tags."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "ledgerhub.core"
    label = "core"

"""The core app: money, errors, vault, tables, template tags, system checks."""

from importlib import import_module

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "ledgerhub.core"
    label = "core"

    def ready(self) -> None:
        import_module("ledgerhub.core.checks")

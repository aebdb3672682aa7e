"""The reconciliation app: statement lines against postings."""

from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    name = "reconciliation"
